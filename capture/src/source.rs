//! What a camera has to be able to do.

use std::sync::Arc;

use proto::config::CameraConfig;
use proto::frame::LossBefore;
use proto::ring::Ring;
use proto::time::MonotonicNs;

/// A camera that is open.
pub trait Source {
    /// Waits for the next frame, but not much longer than [`PATIENCE`], so that the process can be seen to be
    /// alive while its camera is silent.
    ///
    /// # Errors
    /// When the camera is lost. The process then ends, and its supervisor starts another.
    fn wait(&mut self) -> Result<Arrival, SourceError>;

    /// Writes the frame that [`Source::wait`] announced, as the ring's geometry lays it out.
    ///
    /// # Errors
    /// When the frame can't be had after all.
    fn write(&mut self, frame: &mut [u8]) -> Result<(), SourceError>;
}

/// How long a source may wait for a frame before it says that there is none.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_millis(200);

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A frame.
    Frame {
        /// The camera's own number for it.
        source_sequence: u64,
        /// When it was captured, as close to exposure as this source can say.
        t_capture: MonotonicNs,
        /// Why numbers are missing before it, if they are.
        before: LossBefore,
    },
    /// None yet.
    Silence,
    /// There will be no more: a file has played to its end.
    End,
}

/// What a source is opened with.
#[derive(Clone, Debug)]
pub struct Site {
    /// The camera's config.
    pub camera: CameraConfig,
    /// Its ring: time zero, and what was captured before.
    pub ring: Arc<Ring>,
}

/// Why a camera can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// As configured it never will be: a wrong size, not a video.
    #[error("{0}")]
    Config(String),
    /// Not now; perhaps later.
    #[error("{0}")]
    Lost(String),
}
