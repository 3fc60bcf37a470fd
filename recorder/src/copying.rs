//! The decision whether a camera's frames are passed on as they came, and how: by what the camera delivers and what the
//! config says of it. Pure.

use proto::codec::{Codec, EncoderChoice};
use proto::config::{CameraConfig, ClipMode, Config, JpegContainer, RecordingConfig};
use proto::frame::Payload;
use proto::ladder::EncoderLadder;

use crate::take::Copying;

/// The way in which a camera's frames get into clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Encoded.
    Encoded,
    /// As they came.
    Copied(Copying),
    /// As they came from a clean start on, and encoded up to it.
    Cut,
    /// As they came, from before the window on if they can't be decoded otherwise.
    Verbatim,
}

/// The config's word on how a camera's compressed frames get into clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClipWishes {
    mode: ClipMode,
    into: JpegContainer,
}

impl ClipWishes {
    /// One camera's.
    pub(crate) fn of(camera: &CameraConfig, recording: &RecordingConfig) -> Self {
        Self { mode: camera.clip, into: recording.jpeg_container }
    }

    /// The config's word itself.
    pub(crate) fn mode(self) -> ClipMode {
        self.mode
    }

    /// The way in which frames of this payload get into clips. `reorders`: pictures are shown in another order than they come in,
    /// so a copy can't begin and end at any of them.
    pub(crate) fn way(self, payload: Payload, reorders: bool) -> Way {
        match (payload, self.mode) {
            (Payload::Planes, _) | (_, ClipMode::Exact) => Way::Encoded,
            // Evidence is kept to the byte.
            (Payload::Jpeg, ClipMode::Smart | ClipMode::Verbatim) => Way::Copied(Copying {
                codec: Codec::Mjpg,
                into: self.into,
                adds_tables: self.mode != ClipMode::Verbatim,
            }),
            (Payload::H264, ClipMode::Smart | ClipMode::Verbatim) if reorders => Way::Encoded,
            (Payload::H264, ClipMode::Smart) => Way::Cut,
            (Payload::H264, ClipMode::Verbatim) => Way::Verbatim,
            (Payload::H265, _) => Way::Encoded,
        }
    }

    /// The codec in which all frames of this payload are passed on. `None` if any of them is encoded.
    pub(crate) fn copies(self, payload: Payload) -> Option<Codec> {
        match self.way(payload, false) {
            Way::Copied(Copying { codec, .. }) => Some(codec),
            // An encoder may be needed all the same: for a stream with B-frames.
            Way::Encoded | Way::Cut | Way::Verbatim => None,
        }
    }
}

/// The ladder of a camera whose frames are passed on: there is nothing to choose.
pub(crate) fn ladder(codec: Codec) -> EncoderLadder {
    EncoderLadder::tried(vec![EncoderChoice::copied(codec)], Vec::new())
}

/// The codec of a camera whose frames are all passed on, by the config; `None` for one that needs an encoder.
pub(crate) fn codec_of(camera: &CameraConfig, config: &Config) -> Option<Codec> {
    ClipWishes::of(camera, &config.recording).copies(camera.payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_with_a_payload_goes_by_the_mode() {
        let wishes = |mode| ClipWishes { mode, into: JpegContainer::Avi };
        for (mode, adds_tables) in [(ClipMode::Smart, true), (ClipMode::Verbatim, false)] {
            let copying = Copying { codec: Codec::Mjpg, into: JpegContainer::Avi, adds_tables };
            assert_eq!(wishes(mode).way(Payload::Jpeg, false), Way::Copied(copying));
            assert_eq!(wishes(mode).copies(Payload::Jpeg), Some(Codec::Mjpg));
        }
        assert_eq!(wishes(ClipMode::Smart).way(Payload::H264, false), Way::Cut);
        assert_eq!(wishes(ClipMode::Smart).way(Payload::H264, true), Way::Encoded);
        assert_eq!(wishes(ClipMode::Smart).copies(Payload::H264), None);
        assert_eq!(wishes(ClipMode::Verbatim).way(Payload::H264, false), Way::Verbatim);
        assert_eq!(wishes(ClipMode::Verbatim).way(Payload::H264, true), Way::Encoded);
        assert_eq!(wishes(ClipMode::Verbatim).copies(Payload::H264), None);
        for payload in Payload::ALL {
            assert_eq!(wishes(ClipMode::Exact).way(payload, false), Way::Encoded);
        }
        for mode in ClipMode::ALL {
            assert_eq!(wishes(mode).way(Payload::Planes, false), Way::Encoded);
            assert_eq!(wishes(mode).way(Payload::H265, false), Way::Encoded);
        }
    }
}
