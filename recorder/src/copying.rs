//! The decision whether a camera's frames are passed on as they came, and how: by what the camera delivers and what the
//! config says of it. Pure.

use proto::codec::{Codec, EncoderChoice};
use proto::config::{CameraConfig, ClipMode, Config, JpegContainer, RecordingConfig};
use proto::frame::Payload;
use proto::ladder::EncoderLadder;

use crate::take::Copying;

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

    /// The way in which frames of this payload are passed on. `None` if they are encoded.
    pub(crate) fn copying(self, payload: Payload) -> Option<Copying> {
        let is_wished = match self.mode {
            ClipMode::Smart | ClipMode::Verbatim => true,
            ClipMode::Exact => false,
        };
        let codec = match payload {
            Payload::Jpeg => Codec::Mjpg,
            // A copy of these begins at a key frame only, and the cut before it is not made yet: they are encoded.
            Payload::H264 | Payload::H265 => return None,
            Payload::Planes => return None,
        };
        // Evidence is kept to the byte.
        let adds_tables = self.mode != ClipMode::Verbatim;
        is_wished.then_some(Copying { codec, into: self.into, adds_tables })
    }
}

/// The ladder of a camera whose frames are passed on: there is nothing to choose.
pub(crate) fn ladder(codec: Codec) -> EncoderLadder {
    EncoderLadder::tried(vec![EncoderChoice::copied(codec)], Vec::new())
}

/// The codec of a camera whose frames are passed on, by the config; `None` for one whose frames are encoded.
pub(crate) fn codec_of(camera: &CameraConfig, config: &Config) -> Option<Codec> {
    ClipWishes::of(camera, &config.recording).copying(camera.payload).map(|copying| copying.codec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_is_copied_unless_it_is_to_be_exact() {
        let wishes = |mode| ClipWishes { mode, into: JpegContainer::Avi };
        for (mode, adds_tables) in [(ClipMode::Smart, true), (ClipMode::Verbatim, false)] {
            let copying = Copying { codec: Codec::Mjpg, into: JpegContainer::Avi, adds_tables };
            assert_eq!(wishes(mode).copying(Payload::Jpeg), Some(copying));
        }
        assert_eq!(wishes(ClipMode::Exact).copying(Payload::Jpeg), None);
        for payload in [Payload::Planes, Payload::H264, Payload::H265] {
            assert_eq!(wishes(ClipMode::Smart).copying(payload), None);
        }
    }
}
