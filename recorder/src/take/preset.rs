//! A take's change to a faster preset, before the backlog is full: a lesser preset costs bytes, a full backlog frames.

use super::{Step, Take};
use crate::disk::output::DiskState;
use crate::feed::Feed;
use crate::filling::Now;
use crate::frames::Frames;
use crate::journal::PartReason;

impl Take {
    /// Goes on with a faster encoder if this one is too slow for what is left of the backlog.
    pub(super) fn change_preset_if_filling(
        &mut self,
        frames: &dyn Frames,
        feed: &mut Feed,
        disk: &dyn DiskState,
    ) -> Option<Step> {
        let end = self.fate.following().map_or(frames.head() + 1, |following| following.sequence);
        let behind = end.saturating_sub(self.next());
        let now = Now { is_filling: frames.is_filling(), behind, disk: disk.waited() };
        let too_slow = self.filling.is_too_slow(now, self.assignment.camera.fps.period());
        let (from, to) = (self.place.encoder().clone(), self.place.faster().filter(|_| too_slow)?);
        tracing::warn!(
            clip = self.assignment.clip_id(),
            camera = self.assignment.camera_name(),
            "{}: {} at preset {} is too slow just now ({behind} frames behind, and the backlog has little room left); \
             going on at {}",
            self.assignment,
            from.encoder,
            from.preset.as_deref().unwrap_or_default(),
            to.preset.as_deref().unwrap_or_default()
        );
        if let Err(e) = self.end_part(feed) {
            return Some(self.recover(&e, feed));
        }
        self.begin_next_part(PartReason::PresetChange);
        self.place.change_to(to);
        Some(Step::Encoded)
    }
}
