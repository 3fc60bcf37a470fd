//! The state of one camera, judged from what its source delivers and when. Plain values in, plain values out: it reads no
//! clock and touches no ring, so that each way through it is a unit test.
//!
//! ```text
//! Opening -> Live <-> Frozen
//!    |       ^ |        |         and from any of them to Away, and back from it with the next frame;
//!    v       | v        |         and from any of them to Ended or Failed, where it stays
//!    +---> Silent <-----+
//! ```

use std::time::Duration;

use proto::frame::Fps;
use proto::messages::CameraState;
use proto::time::MonotonicNs;

use crate::digest::PictureDigest;

/// A camera without a frame for so long is silent; one that repeats its picture for so long is frozen: two seconds or ten
/// frames, whichever is longer.
#[must_use]
pub fn flagged_after(fps: Fps) -> Duration {
    Duration::from_secs(2).max(fps.period() * 10)
}

/// A camera's state, with what is needed to find the next one.
#[derive(Clone, Debug)]
pub struct CameraWatch {
    flagged_after: Duration,
    /// The last frame's arrival; before the first frame, the moment at which the camera was open.
    last_frame: MonotonicNs,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Live {
        /// The last picture; `None` before the first one is looked at.
        shows: Option<Shown>,
    },
    Frozen {
        shows: Shown,
    },
    Silent,
    Away(String),
    Ended,
    Failed(String),
}

/// A picture, and the moment since which the camera has shown no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    picture: PictureDigest,
    since: MonotonicNs,
}

/// A change of state that people want to read of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Frames arrive: the first ones, or the first after a silence of this length.
    Live {
        /// The length of the silence.
        silent_for: Option<Duration>,
    },
    /// No frame for this long.
    Silent {
        /// The time after which a camera is silent.
        for_at_least: Duration,
    },
    /// The camera is away, and is opened again until it comes back.
    Away,
    /// It is still away, for another reason than before.
    AwayOtherwise,
    /// The same picture for this long.
    Frozen {
        /// True if the picture is black.
        black: bool,
        /// The time for which it has not changed.
        since: Duration,
    },
    /// A frozen picture has changed.
    Unfrozen,
}

impl CameraWatch {
    /// The watch over a camera that is opened `now`.
    #[must_use]
    pub fn new(flagged_after: Duration, now: MonotonicNs) -> Self {
        Self { flagged_after, last_frame: now, state: State::Opening }
    }

    /// A frame arrived `now`.
    pub fn frame(&mut self, now: MonotonicNs) -> Option<Change> {
        let last_frame = std::mem::replace(&mut self.last_frame, now);
        let silent_for = match self.state {
            State::Opening => None,
            State::Silent | State::Away(_) => Some(now - last_frame),
            State::Live { .. } | State::Frozen { .. } | State::Ended | State::Failed(_) => return None,
        };
        self.state = State::Live { shows: None };
        Some(Change::Live { silent_for })
    }

    /// The frame that has just arrived shows `picture`. Not called for a camera whose picture may stand still, such as a
    /// film.
    pub fn picture(&mut self, picture: PictureDigest, now: MonotonicNs) -> Option<Change> {
        let anew = Some(Shown { picture, since: now });
        match self.state {
            State::Live { shows: Some(shows) } if shows.picture == picture => {
                let since = now - shows.since;
                if since < self.flagged_after {
                    return None;
                }
                self.state = State::Frozen { shows };
                Some(Change::Frozen { black: picture.black, since })
            }
            State::Frozen { shows } if shows.picture == picture => None,
            State::Frozen { .. } => {
                self.state = State::Live { shows: anew };
                Some(Change::Unfrozen)
            }
            State::Live { .. } => {
                self.state = State::Live { shows: anew };
                None
            }
            State::Opening | State::Silent | State::Away(_) | State::Ended | State::Failed(_) => None,
        }
    }

    /// The camera is away, for this reason, and is being opened again.
    pub fn away(&mut self, reason: &str) -> Option<Change> {
        let change = match &self.state {
            State::Away(before) if before == reason => return None,
            State::Ended | State::Failed(_) => return None,
            State::Away(_) => Change::AwayOtherwise,
            _ => Change::Away,
        };
        self.state = State::Away(reason.to_owned());
        Some(change)
    }

    /// The source has waited in vain until `now`.
    pub fn no_frame(&mut self, now: MonotonicNs) -> Option<Change> {
        match self.state {
            State::Opening | State::Live { .. } | State::Frozen { .. } | State::Away(_)
                if self.last_frame + self.flagged_after < now =>
            {
                self.state = State::Silent;
                Some(Change::Silent { for_at_least: self.flagged_after })
            }
            _ => None,
        }
    }

    /// The source has no more frames and never will.
    pub fn end(&mut self) {
        self.state = State::Ended;
    }

    /// The source has failed, for this reason.
    pub fn fail(&mut self, reason: String) {
        self.state = State::Failed(reason);
    }

    /// The state as the supervisor hears it.
    #[must_use]
    pub fn state(&self) -> CameraState {
        match &self.state {
            State::Opening => CameraState::Opening,
            State::Live { .. } => CameraState::Live,
            State::Silent => CameraState::Silent,
            State::Frozen { shows } => CameraState::Frozen { black: shows.picture.black },
            State::Ended => CameraState::Ended,
            State::Away(reason) | State::Failed(reason) => CameraState::Failed(reason.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
