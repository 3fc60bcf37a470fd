//! The lead-in of a take. A camera of variable rate shows a picture until the next one comes. So its part of a clip begins
//! with the picture that stood when the window began, at its own, earlier time; the video shows it from the window's start on.
//! A verbatim clip of a stream begins with the frame that the window's first one needs to be decoded, and players are told to
//! show nothing before the window.

use proto::frame::FrameInfo;
use proto::time::MonotonicNs;

use super::{Stage, Take};
use crate::evidence::First;
use crate::frames::Frames;
use crate::journal::PartReason;
use crate::video_time::pts_us;

impl Take {
    /// Finds the first frame that the take should hold.
    pub(super) fn finds_first(&mut self, frames: &dyn Frames, now: MonotonicNs) -> bool {
        let Some(mut first) = self.first_frame(frames, now) else { return false };
        if let Some(start) = self.start_before(&first, frames) {
            self.place.start_at(start.sequence);
            first = start;
        }
        let previous = frames.info(first.sequence.saturating_sub(1));
        self.fate.first = Some(First { sequence: first.sequence, previous });
        self.stage = Stage::recording(first.sequence, PartReason::First);
        true
    }

    /// The first frame that the take should hold, once it is known: the window's first, or the one that stood before it.
    fn first_frame(&self, frames: &dyn Frames, now: MonotonicNs) -> Option<FrameInfo> {
        let start = self.window.start_ns;
        match frames.first_at_or_after(start) {
            Some(first) => self.stood_before(&first, frames).or(Some(first)),
            // A frame of the window may still be on its way.
            None if frames.has_ended() || !self.is_patience_over(frames, now) => None,
            None => frames.newest().filter(|newest| self.is_lead_in(newest, frames)),
        }
    }

    /// The frame from which the window's first one decodes, if that is another, it is still there, and nothing is to be encoded.
    fn start_before(&self, first: &FrameInfo, frames: &dyn Frames) -> Option<FrameInfo> {
        let start = first.start_sequence;
        let is_before = self.how.is_verbatim() && start > 0 && start < first.sequence;
        let start = frames.info(start).filter(|_| is_before)?;
        (frames.next_held(start.sequence) == Some(start.sequence)).then_some(start)
    }

    /// The frame before the window's first, if it stood when the window began.
    fn stood_before(&self, first: &FrameInfo, frames: &dyn Frames) -> Option<FrameInfo> {
        // A frame at the window's very start leaves no time to show another one in.
        let stood = pts_us(first.t_capture, self.window.start_ns) > 0;
        let before = frames.info(first.sequence.checked_sub(1).filter(|_| stood)?)?;
        self.is_lead_in(&before, frames).then_some(before)
    }

    /// A frame whose pixels are gone is no lead-in, and isn't missing either: it was captured before the window.
    fn is_lead_in(&self, frame: &FrameInfo, frames: &dyn Frames) -> bool {
        self.assignment.camera.variable_rate
            && frame.t_capture < self.window.start_ns
            && frames.next_held(frame.sequence) == Some(frame.sequence)
    }

    /// Does without this frame if it is the lead-in: it was overwritten before it was encoded. False for any other.
    pub(super) fn drop_lead_in(&mut self, sequence: u64, frames: &dyn Frames) -> bool {
        let before = frames.info(sequence).filter(|frame| frame.t_capture < self.window.start_ns);
        if self.how.is_verbatim() {
            // The frames behind it say that they are damaged, or are missing.
            return before.is_some();
        }
        let is_first = self.fate.first.is_some_and(|first| first.sequence == sequence);
        let Some(previous) = before.filter(|_| is_first) else { return false };
        self.fate.first = Some(First { sequence: sequence.saturating_add(1), previous: Some(previous) });
        true
    }
}

#[cfg(test)]
mod tests;
