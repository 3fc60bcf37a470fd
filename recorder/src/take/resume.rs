//! The beginning of a take: an earlier recorder may have left parts, and the take goes on behind them.

use std::io;

use proto::time::MonotonicNs;

use super::{Stage, Step, Take};
use crate::disk;
use crate::evidence::First;
use crate::feed::Feed;
use crate::journal::PartReason;
use crate::part;

impl Take {
    /// Reads the parts, unless the disk is left alone just now. What has to be done instead, if they weren't read.
    pub(super) fn cannot_resume(&mut self, now: MonotonicNs, feed: &Feed) -> Option<Step> {
        if self.is_paused(now) {
            return Some(Step::Paused);
        }
        let error = self.resume().err()?;
        let why = format!("can't read {}: {error}", self.assignment.partial().display());
        Some(self.leave_if_removed(&why).unwrap_or_else(|| {
            self.pause(feed.now(), why);
            Step::Paused
        }))
    }

    /// Reads how far an earlier recorder got.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        let camera = &self.assignment.camera.name;
        let parts = disk::ask(|| part::read_all(&self.assignment.partial(), camera))?;
        // Before anything is taken from them: the next try must find nothing.
        parts.last().map_or(Ok(()), |last| self.resume_copy(last))?;
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            self.stage = Stage::Seeking;
            return Ok(());
        };
        let (sequence, previous) = (first.header.first_sequence, first.header.previous);
        self.fate.first = Some(First { sequence, previous });
        parts.iter().flat_map(|part| part.frames.iter()).for_each(|run| self.fate.written.add_run(run));
        self.place.resume_at(&last.header.choice);
        let newest = last.last.frame.sequence;
        self.stage = Stage::recording(newest.saturating_add(1).max(sequence), PartReason::RecorderRestart);
        tracing::info!(
            clip = self.assignment.clip_id(),
            camera = self.assignment.camera_name(),
            "{}: going on after frame {newest} ({} on disk)",
            self.assignment,
            match self.fate.written.frames() {
                1 => "1 frame is".to_owned(),
                frames => format!("{frames} frames are"),
            }
        );
        Ok(())
    }
}
