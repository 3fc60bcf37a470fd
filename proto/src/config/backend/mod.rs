//! The backends: each has a file here with its keys, their checks and its words for mistakes. A backend is added by
//! such a file and a line in the list below; the rest of the way is in docs/architecture.md, "Adding a backend".

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Mistake;
use super::camera_entry::Camera;
use super::checker::Checker;
use super::key::{Key, KeyOr, Row};
use super::value::Mapping;
use crate::clip::CaptureTime;
use crate::frame::{Payload, PixelFormat};
use crate::secret::Secret;

mod network;

/// The one key that films and OpenCV's sources share.
static SCALE: KeyOr<bool> = Key::flag("scale").or(false);
// A key of one name is of one type in every backend, since the file is read before its backends are known.
/// The meaning of `path`, for messages.
const PATH_WHAT: &str = "path";
const PATH_EXAMPLE: &str = "left.mp4";
/// What `format` is, for messages.
const FORMAT_WHAT: &str = "format's name";
const FORMAT_EXAMPLE: &str = "mjpeg";

/// The config of one backend, made from the keys that were typed.
trait BackendConfig: Sized {
    /// The name used in configs.
    const NAME: &'static str;
    /// The executable that knows this source. A process loads only the libraries of its own.
    const EXECUTABLE: &'static str;
    /// The meaning of this source's capture times.
    const CAPTURE_TIME: CaptureTime;
    /// The key that says where the frames come from, if there is one.
    const SOURCE_KEY: Option<&'static str>;
    /// The camera says its own size and rate, so that the config needn't.
    const IS_LIVE: bool = false;

    /// Checks the keys of one camera. `fps` is the key's value; the camera's rate comes back with the config.
    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake>;

    /// Checks its keys among the defaults for all cameras.
    fn check_defaults(_checker: &Checker<'_>, _all: &Mapping) -> Result<(), Mistake> {
        Ok(())
    }

    /// The payload of its frames, as far as the config alone says it.
    fn payload(&self) -> Payload {
        Payload::Planes
    }

    /// Does the config alone say the payload of its frames? Otherwise the camera does.
    fn says_payload(&self) -> bool {
        true
    }

    /// The pixel format of its frames, if the config says it by another key than `pixel_format`.
    fn pixel_format(&self) -> Option<PixelFormat> {
        None
    }

    /// The bytes of each compressed frame, if the config says it.
    fn frame_bytes(&self) -> Option<u64> {
        None
    }

    /// The text that may hold a password.
    fn secret(&self) -> Option<&Secret> {
        None
    }

    /// The same, to be changed.
    fn secret_mut(&mut self) -> Option<&mut Secret> {
        None
    }

    /// The file that holds the password of the camera's user.
    fn password_file(&self) -> Option<&Path> {
        None
    }
}

macro_rules! backends {
    ($($(#[$doc:meta])* $module:ident: $variant:ident($config:ident),)+) => {
        $(mod $module; pub use $module::*;)+

        /// The source of a camera's frames.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Backend {
            $($(#[$doc])* $variant($config),)+
        }

        /// The keys of each backend.
        pub(super) static KEYS: &[&[&Row]] = &[$($module::KEYS,)+];

        /// Every backend's name.
        pub(super) fn names() -> Vec<&'static str> {
            vec![$($config::NAME,)+]
        }

        /// The keys that cameras of this backend have beside those of every camera.
        pub(super) fn keys(backend: &str) -> &'static [&'static Row] {
            $(if backend == $config::NAME { return $module::KEYS; })+
            &[]
        }

        /// Do cameras of this backend say their own size and rate?
        pub(super) fn is_live(backend: &str) -> bool {
            $(if backend == $config::NAME { return $config::IS_LIVE; })+
            false
        }

        /// The keys that say where frames come from.
        pub(super) fn source_keys() -> impl Iterator<Item = &'static str> {
            [$($config::SOURCE_KEY,)+].into_iter().flatten()
        }

        /// Checks a camera by its backend's rules, and gives its rate too.
        pub(super) fn check(
            backend: &str,
            checker: &Checker<'_>,
            camera: &Camera<'_>,
            fps: f64,
        ) -> Result<(Backend, f64), Mistake> {
            $(if backend == $config::NAME {
                return $config::check(checker, camera, fps).map(|(config, rate)| (Backend::$variant(config), rate));
            })+
            checker.wrong(camera.here, format!("backend: there is no {backend}"))
        }

        /// Checks every backend's keys among the defaults for all cameras.
        pub(super) fn check_defaults(checker: &Checker<'_>, all: &Mapping) -> Result<(), Mistake> {
            $($config::check_defaults(checker, all)?;)+
            Ok(())
        }

        impl Backend {
            /// The name used in configs.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $config::NAME,)+ }
            }

            /// The executable that knows this source. A process loads only the libraries of its own.
            #[must_use]
            pub fn executable(&self) -> &'static str {
                match self { $(Self::$variant(_) => $config::EXECUTABLE,)+ }
            }

            /// The meaning of this source's capture times.
            #[must_use]
            pub fn capture_time(&self) -> CaptureTime {
                match self { $(Self::$variant(_) => $config::CAPTURE_TIME,)+ }
            }

            /// Does the camera say its own size and rate? It may be absent for a time, and what it gives may change.
            #[must_use]
            pub fn is_live(&self) -> bool {
                match self { $(Self::$variant(_) => $config::IS_LIVE,)+ }
            }

            /// The payload of its frames, as far as the config alone says it.
            #[must_use]
            pub fn payload(&self) -> Payload {
                match self { $(Self::$variant(config) => config.payload(),)+ }
            }

            /// Does the config alone say the payload of its frames? Otherwise the camera does, when it is there.
            pub(super) fn says_payload(&self) -> bool {
                match self { $(Self::$variant(config) => config.says_payload(),)+ }
            }

            /// The pixel format of its frames, if the config says it by another key than `pixel_format`.
            pub(super) fn pixel_format(&self) -> Option<PixelFormat> {
                match self { $(Self::$variant(config) => config.pixel_format(),)+ }
            }

            /// The bytes of each compressed frame, if the config says it.
            pub(super) fn frame_bytes(&self) -> Option<u64> {
                match self { $(Self::$variant(config) => config.frame_bytes(),)+ }
            }

            /// The text that may hold a password, if this source has one.
            #[must_use]
            pub fn secret(&self) -> Option<&Secret> {
                match self { $(Self::$variant(config) => config.secret(),)+ }
            }

            /// The same, to be changed.
            pub(super) fn secret_mut(&mut self) -> Option<&mut Secret> {
                match self { $(Self::$variant(config) => config.secret_mut(),)+ }
            }

            /// The file that holds the password of the camera's user, if the config names one.
            #[must_use]
            pub fn password_file(&self) -> Option<&Path> {
                match self { $(Self::$variant(config) => config.password_file(),)+ }
            }
        }
    };
}

backends! {
    /// A simulated camera.
    sim: Sim(SimConfig),
    /// A video file, played by libav.
    file: File(FileConfig),
    /// A source that OpenCV's `VideoCapture` opens.
    opencv: Opencv(OpencvConfig),
    /// A camera with a device of Video4Linux.
    v4l2: V4l2(V4l2Config),
    /// A camera that sends Motion JPEG over HTTP.
    mjpeg: Mjpeg(MjpegConfig),
    /// Frames that another program writes.
    pipe: Pipe(PipeConfig),
    /// A GigE Vision or USB3 Vision camera.
    gige: Gige(GigeConfig),
    /// A camera that sends H.264, H.265 or JPEG over RTSP.
    rtsp: Rtsp(RtspConfig),
}
