//! Opening encoders and parts' videos: behind a trait, so that a clip's life is tested without libav. Only [`Libav`] is
//! used outside of tests.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;

use proto::clip::StretchHow;
use proto::frame::Rotation;

use crate::container::{Layout, VideoWriter};
use crate::copied::CopiedVideo;
use crate::encode::EncoderSetup;
use crate::media::{Encode, Video, WriteError};

/// Opens encoders and video files.
pub(crate) trait Media: Send + Sync {
    /// Opens an encoder.
    fn open_encoder(&self, setup: &EncoderSetup) -> Result<Box<dyn Encode>, ffmpeg::Error>;

    /// Begins a part's video. There must be none at this path; and there is none if it fails.
    fn create_part(
        &self,
        path: &Path,
        how: StretchHow,
        parameters: &codec::Parameters,
    ) -> Result<Box<dyn Video>, WriteError>;
}

/// The real ones.
pub(crate) struct Libav;

impl Media for Libav {
    fn open_encoder(&self, setup: &EncoderSetup) -> Result<Box<dyn Encode>, ffmpeg::Error> {
        Ok(Box::new(setup.open()?))
    }

    fn create_part(
        &self,
        path: &Path,
        how: StretchHow,
        parameters: &codec::Parameters,
    ) -> Result<Box<dyn Video>, WriteError> {
        if how == StretchHow::Copied {
            return Ok(Box::new(CopiedVideo::create(path, parameters)?));
        }
        Ok(Box::new(VideoWriter::create(
            path,
            Layout::FragmentedMp4,
            parameters.clone(),
            Rotation::None,
            || (),
        )?))
    }
}
