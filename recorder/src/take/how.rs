//! The way in which a take's frames become packets: by an encoder of its camera's ladder, as they came, or both.

use proto::clip::PlannedCamera;
use proto::codec::{Codec, EncoderChoice};
use proto::config::JpegContainer;

use super::place::Place;
use crate::encode::EncoderSetup;
use crate::ladder::CameraLadder;
use crate::passing::{CopySetup, Passed};

/// The way in which a take's frames become packets.
#[derive(Clone)]
pub(crate) enum How {
    /// By the camera's encoders.
    Encoded(Encoders),
    /// Passed on as they came.
    Copied(Copying),
    /// H.264: passed on from the first clean start on, and encoded up to it.
    Cut(Encoders),
    /// H.264: passed on as it came, from the start on that the window's first frame needs. The encoders are for a stream that
    /// turns out to be one that can't be.
    Verbatim(Encoders),
}

/// A camera's encoders.
#[derive(Clone)]
pub(crate) struct Encoders {
    pub(crate) ladder: CameraLadder,
    /// CRF, 0 to 51.
    pub(crate) quality: u8,
}

/// The passing on of a camera's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copying {
    pub(crate) codec: Codec,
    pub(crate) into: JpegContainer,
    /// Pictures without Huffman tables get the standard's.
    pub(crate) adds_tables: bool,
}

impl How {
    /// The encoder that a clip begins with, or what stands in its place.
    pub(super) fn first(&self) -> EncoderChoice {
        match self {
            Self::Encoded(Encoders { ladder, .. }) | Self::Cut(Encoders { ladder, .. }) => ladder.first(),
            Self::Copied(Copying { codec, .. }) => EncoderChoice::copied(*codec),
            Self::Verbatim(_) => EncoderChoice::copied(Codec::H264),
        }
    }

    /// Is it a stream whose copy begins at certain frames only?
    pub(super) fn copies_a_stream(&self) -> bool {
        self.stream_encoders().is_some()
    }

    /// The encoders of a stream that is copied, for its frames that can't be.
    pub(super) fn stream_encoders(&self) -> Option<&Encoders> {
        match self {
            Self::Cut(encoders) | Self::Verbatim(encoders) => Some(encoders),
            Self::Encoded(_) | Self::Copied(_) => None,
        }
    }

    /// Are all frames in the clip as they came?
    pub(super) fn is_verbatim(&self) -> bool {
        matches!(self, Self::Verbatim(_))
    }

    /// The camera's ladder, if there is anything to choose.
    pub(super) fn ladder(&self) -> Option<&CameraLadder> {
        match self {
            Self::Encoded(Encoders { ladder, .. }) | Self::Cut(Encoders { ladder, .. }) => Some(ladder),
            Self::Copied(_) | Self::Verbatim(_) => None,
        }
    }

    /// The file that copied JPEGs are to end in.
    pub(super) fn copied_into(&self) -> Option<JpegContainer> {
        match self {
            Self::Encoded(_) | Self::Cut(_) | Self::Verbatim(_) => None,
            Self::Copied(copying) => Some(copying.into),
        }
    }

    /// Everything that a feed of this camera is opened with for the place that its take has come to.
    pub(super) fn setup(&self, place: &Place, camera: &PlannedCamera) -> Setup {
        let PlannedCamera { geometry, fps, picture, .. } = *camera;
        let passed = |passed| Setup::Copy(CopySetup { geometry, pixel_shape: picture.pixel_shape, passed });
        match (self, place.sets()) {
            (Self::Copied(Copying { adds_tables, .. }), _) => {
                passed(Passed::Jpeg { adds_tables: *adds_tables })
            }
            // Nothing is opened without them: such frames are given up.
            (Self::Verbatim(_), sets) => {
                passed(Passed::H264 { sets: sets.unwrap_or_default(), start: place.start() })
            }
            (Self::Cut(_), Some(sets)) => passed(Passed::H264 { sets, start: None }),
            (Self::Encoded(Encoders { quality, .. }) | Self::Cut(Encoders { quality, .. }), _) => {
                let (choice, quality) = (place.encoder().clone(), *quality);
                Setup::Encode(EncoderSetup { choice, geometry, fps, quality, picture })
            }
        }
    }
}

/// Everything that a feed is opened with.
pub(super) enum Setup {
    Encode(EncoderSetup),
    Copy(CopySetup),
}
