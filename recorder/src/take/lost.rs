//! Frames that a take can't have any more: they are given up, each with its cause.

use std::time::Duration;

use proto::clip::GapCause;

use super::{Stage, Take};
use crate::disk::{self, output::DiskState};
use crate::frames::Frames;

/// The disk's part in a take's lateness, since it was level with the camera.
#[derive(Clone, Copy)]
pub(super) struct SinceLevel {
    /// The time that its thread had waited for the disk by then.
    waited_before: Duration,
    /// The take's files could not be written for a while. Frames that are overwritten until it has caught up are lost to the disk.
    pub(super) was_paused: bool,
}

impl SinceLevel {
    pub(super) fn level(waited: Duration) -> Self {
        Self { waited_before: waited, was_paused: false }
    }
}

impl Take {
    /// Gives up the frames that can't be had any more, and goes on at `at_least` or behind it.
    pub(super) fn skip_overrun(&mut self, frames: &dyn Frames, at_least: u64, kept_by_the_disk: bool) {
        let from = self.next();
        let to = frames.next_held(at_least).map_or(at_least, |held| held.max(at_least));
        for lost in from..to {
            if self.drop_lead_in(lost, frames) {
                continue;
            }
            let cause = match () {
                () if self.was_gone_at_the_trigger(lost, to, frames) => GapCause::RingSmall,
                () if kept_by_the_disk => GapCause::Disk,
                () => frames.loss_of(lost),
            };
            self.fate.give_up(lost, lost + 1, cause);
        }
        self.go_on_at(to);
    }

    /// Gives up the next frame: it is there, and can't be recorded.
    pub(super) fn give_up_next(&mut self, frames: &dyn Frames, cause: GapCause) {
        let lost = self.next();
        if !self.drop_lead_in(lost, frames) {
            self.fate.give_up(lost, lost + 1, cause);
        }
        self.go_on_at(lost + 1);
    }

    fn go_on_at(&mut self, next: u64) {
        if let Stage::Recording(recording) = &mut self.stage {
            recording.next = next;
        }
    }

    /// Was a frame overwritten before its clip was planned? A ring of compressed frames reaches back as far as its bytes do, which
    /// may be less than the pre-roll. `oldest` is the oldest frame that is still there: the ring is taken to have reached back
    /// as far when the clip was planned.
    fn was_gone_at_the_trigger(&self, lost: u64, oldest: u64, frames: &dyn Frames) -> bool {
        let when_planned = self.assignment.plan.wall.monotonic_ns;
        let reach = || Some(frames.newest()?.t_capture - frames.info(oldest)?.t_capture);
        let is_older = |reach| frames.info(lost).is_none_or(|it| it.t_capture < when_planned.before(reach));
        self.assignment.camera.payload.is_compressed() && reach().is_some_and(is_older)
    }

    /// Did the disk keep this thread, or was the encoder slow?
    pub(super) fn was_kept_by(&self, disk: &dyn DiskState) -> bool {
        let SinceLevel { waited_before, was_paused } = self.since_level;
        let stalled = disk.waited().saturating_sub(waited_before) >= disk::STALLED;
        stalled || was_paused || self.trouble().is_some()
    }
}
