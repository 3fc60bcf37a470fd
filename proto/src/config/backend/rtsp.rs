//! `backend: rtsp`: a camera that sends H.264, H.265 or JPEG over RTSP.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::{Key, KeyOr, Row};
use super::super::value::{At, Mapping};
use super::BackendConfig;
use super::network::{NetworkCamera, PASSWORD_FILE, URL, USER};
use crate::clip::CaptureTime;
use crate::frame::Payload;
use crate::secret::Secret;
use crate::source::Scheme;

static TRANSPORT: KeyOr<String> =
    Key::one_of("transport", transports).or(RtspTransport::Tcp.name());
/// The keys of a camera that sends over RTSP.
pub(super) static KEYS: &[&Row] = &[&URL.row, &TRANSPORT.row, &USER.row, &PASSWORD_FILE.row];

/// A camera that sends H.264, H.265 or JPEG over RTSP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtspConfig {
    /// An `rtsp://` URL, which [`CameraUrl::parse`](crate::source::CameraUrl::parse) takes. It may hold a user and a password.
    pub url: Secret,
    /// The way that packets are asked for.
    pub transport: RtspTransport,
    /// The user, when the URL names none.
    pub user: Option<String>,
    /// The file that holds the user's password and nothing else; read by [`crate::secret::Password::read`] whenever the
    /// camera is opened.
    pub password_file: Option<PathBuf>,
}

/// The ways that packets come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RtspTransport {
    /// Between the messages of the connection itself, so that none is lost on the way.
    #[default]
    Tcp,
    /// In packets of their own, which may be lost or come late.
    Udp,
}

impl RtspTransport {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    /// The name used in configs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

fn transports() -> Vec<&'static str> {
    RtspTransport::ALL.map(RtspTransport::name).to_vec()
}

fn transport(checker: &Checker<'_>, typed: &At<String>) -> Result<RtspTransport, Mistake> {
    match RtspTransport::ALL.into_iter().find(|way| way.name().eq_ignore_ascii_case(&typed.value)) {
        Some(transport) => Ok(transport),
        None => {
            let message = format!("transport: {:?} is not one of {}", typed.value, transports().join(", "));
            checker.wrong(typed.at, message)
        }
    }
}

impl BackendConfig for RtspConfig {
    const NAME: &'static str = "rtsp";
    const EXECUTABLE: &'static str = "capture-rtsp";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Rtp;
    const SOURCE_KEY: Option<&'static str> = Some("url");
    const IS_LIVE: bool = true;

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let NetworkCamera { url, user, password_file } =
            NetworkCamera::check(checker, camera, Scheme::Rtsp)?;
        let typed = camera.typed(&TRANSPORT);
        let transport = typed.map(|typed| transport(checker, &typed)).transpose()?.unwrap_or_default();
        Ok((Self { url, transport, user, password_file }, fps))
    }

    fn check_defaults(checker: &Checker<'_>, all: &Mapping) -> Result<(), Mistake> {
        all.typed(&TRANSPORT).map_or(Ok(()), |typed| transport(checker, &typed).map(drop))
    }

    fn secret(&self) -> Option<&Secret> {
        Some(&self.url)
    }

    fn secret_mut(&mut self) -> Option<&mut Secret> {
        Some(&mut self.url)
    }

    fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// Most such cameras send H.264; the camera says it when it is asked.
    fn payload(&self) -> Payload {
        Payload::H264
    }
}
