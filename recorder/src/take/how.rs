//! The way in which a take's frames become packets: by an encoder of its camera's ladder, or as they came.

use proto::clip::PlannedCamera;
use proto::codec::{Codec, EncoderChoice};
use proto::config::JpegContainer;

use crate::encode::EncoderSetup;
use crate::ladder::CameraLadder;
use crate::passing::CopySetup;

/// The way in which a take's frames become packets.
#[derive(Clone)]
pub(crate) enum How {
    /// By the camera's encoders.
    Encoded {
        ladder: CameraLadder,
        /// CRF, 0 to 51.
        quality: u8,
    },
    /// Passed on as they came.
    Copied(Copying),
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
            Self::Encoded { ladder, .. } => ladder.first(),
            Self::Copied(Copying { codec, .. }) => EncoderChoice::copied(*codec),
        }
    }

    /// The camera's ladder, if there is anything to choose.
    pub(super) fn ladder(&self) -> Option<&CameraLadder> {
        match self {
            Self::Encoded { ladder, .. } => Some(ladder),
            Self::Copied(_) => None,
        }
    }

    /// The file that copied frames are to end in.
    pub(super) fn copied_into(&self) -> Option<JpegContainer> {
        match self {
            Self::Encoded { .. } => None,
            Self::Copied(copying) => Some(copying.into),
        }
    }

    /// Everything that a feed of this camera is opened with.
    pub(super) fn setup(&self, choice: EncoderChoice, camera: &PlannedCamera) -> Setup {
        let PlannedCamera { geometry, fps, picture, .. } = *camera;
        match self {
            Self::Encoded { quality, .. } => {
                Setup::Encode(EncoderSetup { choice, geometry, fps, quality: *quality, picture })
            }
            Self::Copied(Copying { adds_tables, .. }) => Setup::Copy(CopySetup {
                geometry,
                pixel_shape: picture.pixel_shape,
                adds_tables: *adds_tables,
            }),
        }
    }
}

/// Everything that a feed is opened with.
pub(super) enum Setup {
    Encode(EncoderSetup),
    Copy(CopySetup),
}
