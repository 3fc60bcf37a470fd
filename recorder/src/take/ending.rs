//! The end of a take: its window is over once the camera has made a frame from behind it, or none is waited for any more. Before
//! the first of a clip's takes ends the window is closed ([`OpenWindow`](crate::open_window::OpenWindow)): until then a trigger may
//! move its end, also to a moment whose frames are written already. They are left out when the clip is finished.

use std::time::Duration;

use proto::failpoint;
use proto::time::MonotonicNs;

use super::{Stage, Step, Take};
use crate::assignment::Assignment;
use crate::feed::Feed;
use crate::frames::Frames;
use crate::open_window::Closing;

/// A clip waits this long after its window for a camera that has fallen silent: long enough for a capture to be restarted,
/// which then tells exactly how many frames were missed.
pub(super) const SILENCE_GRACE: Duration = Duration::from_secs(1);

impl Take {
    /// Takes on the end that the clip's triggers give the window now.
    pub(super) fn look_at_window(&mut self) {
        let window = self.assignment.window.now();
        if window != self.window {
            self.window = window;
            self.fate.forget_behind();
        }
    }

    pub(super) fn wait_or_end(&mut self, frames: &dyn Frames, now: MonotonicNs, feed: &mut Feed) -> Step {
        // After a stop the window may not even have begun.
        let over_at = self.assignment.window.over_at();
        let goes_on = frames.newest().is_some_and(|newest| newest.t_capture > over_at);
        if goes_on || self.is_patience_over(frames, now) { self.over(now, feed) } else { Step::Waiting }
    }

    /// Says whether no further frame of the window is waited for.
    pub(super) fn is_patience_over(&self, frames: &dyn Frames, now: MonotonicNs) -> bool {
        let camera = &self.assignment.camera;
        let grace = SILENCE_GRACE + camera.fps.period() * 10 + Duration::from_nanos(camera.latency_ns);
        let patience = match (frames.has_ended(), self.assignment.window.is_cut_short()) {
            (true, _) => Duration::ZERO,
            // A frame of the last moment may still be on its way, but a stop must not take long.
            (false, true) => grace.min(SILENCE_GRACE),
            (false, false) => grace,
        };
        now > self.assignment.window.over_at() + patience
    }

    /// Has the take come to frames from behind the window? It may have an earlier end than when they were recorded.
    pub(super) fn has_gone_past(&self, frames: &dyn Frames) -> bool {
        let last = self.next().checked_sub(1).and_then(|last| frames.info(last));
        last.is_some_and(|last| last.t_capture > self.window.end_ns)
    }

    /// Ends the take if the window is closed by now, or can be. A window that has grown meanwhile is gone on with.
    pub(super) fn over(&mut self, now: MonotonicNs, feed: &mut Feed) -> Step {
        if self.is_paused(now) {
            return Step::Paused;
        }
        match self.assignment.window.close(self.window.end_ns) {
            Ok(Closing::Closed) => self.end(now, feed),
            Ok(Closing::Moved) => Step::Moved,
            Ok(Closing::Busy) => Step::Waiting,
            Err(e) => {
                let why = format!("it can't be finished, since its window can't be closed: {e}");
                self.leave_if_removed(&why).unwrap_or_else(|| {
                    self.pause(feed.now(), why);
                    Step::Paused
                })
            }
        }
    }

    /// Ends the take, since none of its frames will come any more. As long as somebody is to end a trigger of the clip nobody
    /// knows which frames it lacks, so it waits.
    pub(super) fn out_of_frames(&mut self, now: MonotonicNs, feed: &mut Feed) -> Step {
        if now > self.assignment.window.over_at() || !self.assignment.window.waits_for_an_end() {
            return self.end(now, feed);
        }
        if self.is_paused(now) {
            return Step::Paused;
        }
        match self.end_part(feed) {
            Ok(()) => Step::Waiting,
            Err(e) => self.recover(&e, feed),
        }
    }

    /// Ends the last part. Frames of it that can't be written are encoded again.
    fn end(&mut self, now: MonotonicNs, feed: &mut Feed) -> Step {
        if self.is_paused(now) {
            return Step::Paused;
        }
        let Assignment { folder, camera, .. } = &self.assignment;
        let of = folder.join(camera.name.as_str());
        failpoint::pass("take.over", of.display());
        if let Err(e) = self.end_part(feed) {
            return self.recover(&e, feed);
        }
        failpoint::pass("take.finished", of.display());
        self.stage = Stage::Over;
        Step::Over
    }
}
