//! The interface that each kind of camera implements (how one is added: docs/architecture.md, "Adding a backend"): [`Source`], what it is opened with, and how it fails. It knows no
//! backend; those are in `sim/`, `file/` and `opencv/`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::config::{CameraConfig, Misfit};
use proto::frame::{Decoding, FrameFlags, FrameInfo, LossBefore, PictureTags, TimeOfSource};
use proto::offer::Offer;
use proto::ring::Ring;
use proto::stats::TransportStats;
use proto::time::MonotonicNs;

/// A camera that is open.
pub trait Source {
    /// Waits for the next frame, but not much longer than [`PATIENCE`], so that the process can be seen to be
    /// alive while its camera is silent.
    ///
    /// # Errors
    /// When the camera is lost. The process then ends, and its supervisor starts another; a camera behind a
    /// [`Reopening`](crate::reopening::Reopening) is opened again in the same process instead.
    fn wait(&mut self) -> Result<Arrival, SourceError>;

    /// Writes the frame that [`Source::wait`] announced, and says how many bytes it has: raw planes as the ring's geometry
    /// lays them out, another payload from the first byte on. 0: the frame can't be had after all, and the next one says so.
    ///
    /// It isn't called for a frame that finds no place in the ring. The next wait gives such a frame up.
    ///
    /// # Errors
    /// When neither this frame nor another can be had.
    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError>;

    /// The source's picture has stood still for long, although it may not. Called once each time.
    ///
    /// # Errors
    /// When the camera is better opened again.
    fn frozen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// True for a source whose frames come at no rate: none is due at any moment, so none is missing when none comes.
    fn has_variable_rate(&self) -> bool {
        false
    }

    /// What the frame that was written last says of itself.
    fn picture_tags(&self) -> PictureTags;

    /// The clock of the capture times, as it is just now.
    fn time(&self) -> TimeOfSource {
        TimeOfSource::ARRIVAL
    }

    /// How the frame that was announced last decodes: of streams (H.264, H.265). Without a word it decodes from the newest key
    /// frame.
    fn decoding(&self) -> Decoding {
        Decoding::default()
    }

    /// The frames that the camera gives, while its ring isn't made for them: [`Source::wait`] gives [`Arrival::Silence`] until
    /// [`Source::fit`] was called, and loses nothing of what has come.
    fn offer(&self) -> Option<Offer> {
        None
    }

    /// There is a ring now that is made for what the camera offered.
    fn fit(&mut self, _setup: &CameraSetup) {}

    /// The figures of the way that its frames come by, since this process began; `None` where nobody counts.
    fn transport(&self) -> Option<TransportStats> {
        None
    }

    /// Why the camera is away, while it is being opened again; `None` for one that is there.
    fn away(&self) -> Option<&Away> {
        None
    }
}

/// Why a camera is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// The reason, for a person: the last try's.
    pub reason: String,
    /// The cause of the gap that this makes: that of the loss.
    pub cause: LossBefore,
}

/// The longest that a source waits for a frame before it says that there is none.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// The least time from a frame to the next: videos keep microseconds, and take no two frames of one time.
pub const LEAST_STEP: Duration = Duration::from_micros(1);

/// The result of [`Source::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A frame.
    Frame {
        /// The camera's own number for it.
        source_sequence: u64,
        /// Its capture time, as close to exposure as this source can say.
        t_capture: MonotonicNs,
        /// The cause, if numbers are missing before it.
        before: LossBefore,
        /// Remarks on it.
        flags: FrameFlags,
        /// The room that it needs in the ring: its bytes, or a number that they won't exceed. 0 for raw planes, whose size is
        /// always the same.
        bytes: usize,
    },
    /// No frame within [`PATIENCE`]; the camera is still open.
    Silence,
    /// No frame within [`PATIENCE`], and none was to come: the source knows when its next one is due.
    NotDue,
    /// There will be no more: a file has played to its end.
    End,
}

/// Everything that a source is opened with.
#[derive(Clone, Debug)]
pub struct CameraSetup {
    /// The camera's config.
    pub camera: CameraConfig,
    /// Its ring: time zero, and the frames captured before this start.
    pub ring: Arc<Ring>,
}

impl CameraSetup {
    /// The newest frame in its ring, with the time that its source gave it.
    #[must_use]
    pub fn newest(&self) -> Option<FrameInfo> {
        let newest = self.ring.newest()?;
        Some(FrameInfo { t_capture: newest.t_capture + self.camera.latency(), ..newest })
    }
}

/// The reason why a camera can't be used, or no longer. `input` is the file, device, URL or pipeline of the config.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The wrong executable was started for this camera.
    #[error("this executable opens {opens} cameras, and the config says backend: {configured}")]
    WrongBackend {
        /// The backend that the executable is made for.
        opens: &'static str,
        /// The camera's backend in the config.
        configured: &'static str,
    },
    /// The input can't be played as configured, and won't be until somebody changes it or the config.
    #[error("can't use {input}: {reason}")]
    Unusable {
        /// The input.
        input: String,
        /// The reason, for a person.
        reason: String,
    },
    /// The input is a video of another size or rate than the camera's config says.
    #[error("{input} {misfit}")]
    Misfit {
        /// The input.
        input: String,
        /// The difference, and what to write.
        misfit: Misfit,
    },
    /// The camera's frames have another size since a moment ago.
    #[error(
        "{input} gives frames of {}x{} now and its ring's are {}x{}: frames of another size need another config and a \
         new start", found.0, found.1, ring.0, ring.1
    )]
    SizeChanged {
        /// The input.
        input: String,
        /// Width and height of the frames it gives now, in pixels.
        found: (u32, u32),
        /// Width and height of the ring's frames, in pixels.
        ring: (u32, u32),
    },
    /// The pixels can't be converted to the ring's format.
    #[error("{input}: can't convert its frames from {from} to {to}")]
    Unconvertible {
        /// The input.
        input: String,
        /// The pixels as they come, or the converter's complaint.
        from: String,
        /// The ring's pixel format or geometry.
        to: String,
    },
    /// The camera gives no frames now; perhaps later.
    #[error("{input}: {reason}")]
    Lost {
        /// The input.
        input: String,
        /// The reason, for a person.
        reason: String,
        /// The cause of the gap that follows: unplugged, the network, or a camera that is there and gives nothing.
        cause: LossBefore,
        /// The camera has refused its password. It is asked again more slowly, so that it doesn't lock the user out.
        refused: bool,
    },
    /// A simulated camera's record of its frames can't be kept.
    #[error("can't write the truth log {}: {source}", path.display())]
    TruthLog {
        /// The log's path, from the config.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl SourceError {
    /// A camera that is there, or may be, and gives no frames.
    #[must_use]
    pub fn stalled(input: impl Into<String>, reason: impl Into<String>) -> Self {
        let (input, reason) = (input.into(), reason.into());
        Self::Lost { input, reason, cause: LossBefore::CameraStall, refused: false }
    }

    /// True if trying again is in vain until somebody changes the config or the input; false if the camera may come back by
    /// itself.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::WrongBackend { .. }
            | Self::Unusable { .. }
            | Self::Misfit { .. }
            | Self::SizeChanged { .. }
            | Self::Unconvertible { .. } => true,
            Self::Lost { .. } | Self::TruthLog { .. } => false,
        }
    }
}
