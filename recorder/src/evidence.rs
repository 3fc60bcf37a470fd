//! Evidence: everything a take knows about its frames, gathered for the account once the window is over. In memory it
//! is runs of frames, never one entry a frame.

use std::time::Duration;

use proto::clip::{GapCause, Window};
use proto::frame::{FrameFlags, FrameInfo, LossBefore};
use proto::time::MonotonicNs;

use crate::account::{self, Evidence, Wanted};
use crate::frames::Frames;
use crate::runs::Runs;

/// A window's first frame, and the frame before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) sequence: u64,
    pub(crate) previous: Option<FrameInfo>,
}

/// Frames in a row that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GivenUp {
    first: u64,
    last: u64,
    cause: GapCause,
}

/// The fate of a take's frames so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// The window's first frame, once it is known.
    pub(crate) first: Option<First>,
    /// Frames whose packets are in a part.
    pub(crate) written: Runs,
    given_up: Vec<GivenUp>,
    /// The first frame behind the window, once it has been seen: the ring's ledger may forget it before a slow encoder is
    /// done.
    following: Option<FrameInfo>,
}

impl Fate {
    /// Looks for the first frame behind the window, unless it is known.
    pub(crate) fn look_behind(&mut self, window: Window, frames: &dyn Frames) {
        if self.following.is_none() {
            self.following = first_behind(window, frames);
        }
    }

    /// The first frame behind the window, once it has been seen.
    pub(crate) fn following(&self) -> Option<FrameInfo> {
        self.following
    }

    /// Forgets it: the window has another end.
    pub(crate) fn forget_behind(&mut self) {
        self.following = None;
    }

    /// Gives up the frames from `first` up to, but without, `end`.
    pub(crate) fn give_up(&mut self, first: u64, end: u64, cause: GapCause) {
        if first >= end {
            return;
        }
        match self.given_up.last_mut() {
            Some(last) if last.cause == cause && last.last.checked_add(1) == Some(first) => {
                last.last = end - 1
            }
            _ => self.given_up.push(GivenUp { first, last: end - 1, cause }),
        }
    }

    /// Takes back everything about frames from `first` on: they are recorded anew.
    pub(crate) fn go_back_to(&mut self, first: u64) {
        self.written.forget_from(first);
        self.take_back(first);
    }

    /// Takes back that frames from `first` on were given up: they are tried again.
    pub(crate) fn take_back(&mut self, first: u64) {
        self.given_up.retain(|given_up| given_up.first < first);
        if let Some(last) = self.given_up.last_mut().filter(|last| last.last >= first) {
            last.last = first - 1;
        }
    }

    /// The evidence of a take whose frames can still be asked for. `None` when their memory doesn't know its own newest
    /// frame: it has been written over.
    pub(crate) fn evidence(&self, window: Window, period: Duration, frames: &dyn Frames) -> Option<Evidence> {
        let newest = frames.newest();
        if newest.is_none() && frames.head() > 0 {
            return None;
        }
        let head = newest.map_or(0, |newest| newest.sequence);
        // Where the frame before it is forgotten, it need not be the first behind the window.
        let is_first =
            |behind: &FrameInfo| behind.sequence <= 1 || frames.info(behind.sequence - 1).is_some();
        let following = self.following.or_else(|| first_behind(window, frames).filter(is_first));
        let end = following.map_or(head.saturating_add(1), |following| following.sequence);
        let start = self.first.map_or(end, |first| first.sequence);
        let before_first = self.first.and_then(|first| first.previous);
        let cause = frames.away().and_then(account::cause_of).unwrap_or(GapCause::CameraStall);
        let silence = (!frames.has_ended()).then_some(cause);
        let mut evidence = empty(window, period, before_first, silence);
        evidence.following = following;
        if start == end {
            evidence.previous = before_first.or_else(|| frames.info(end.saturating_sub(1)));
        }
        let mut next = start;
        for run in self.written.iter() {
            let (first, last) = (run.first().sequence, run.last().sequence);
            self.want_unwritten(next, first.min(end), frames, &mut evidence);
            let (first, last_inside) = (first.max(next), last.min(end.saturating_sub(1)));
            if first <= last_inside {
                evidence.wanted.push(Wanted { run: run.between(first, last_inside), lost: None });
            }
            next = next.max(last.saturating_add(1));
        }
        self.want_unwritten(next, end, frames, &mut evidence);
        Some(evidence)
    }

    /// Adds frames that are in no part, from `next` up to `end`, as they are remembered.
    fn want_unwritten(&self, next: u64, end: u64, frames: &dyn Frames, evidence: &mut Evidence) {
        for sequence in next..end {
            let remembered = frames.info(sequence);
            if remembered.is_none() && evidence.wanted.is_empty() && evidence.previous.is_none() {
                // There is nothing to guess from. The account counts such frames by the time up to the first remembered.
                continue;
            }
            let frame = remembered.unwrap_or_else(|| guess(sequence, evidence));
            if remembered.is_some() && frame.t_capture < evidence.window.start_ns {
                // A frame that was only there for others is not missed.
                continue;
            }
            if frame.t_capture > evidence.window.end_ns {
                // It, or what came before it, was forgotten since the window ended: a clip may be finished long after it.
                break;
            }
            evidence.want(&frame, Some(self.cause_of(sequence).unwrap_or(GapCause::RingOverrun)));
        }
    }

    fn cause_of(&self, sequence: u64) -> Option<GapCause> {
        let behind = self.given_up.partition_point(|given_up| given_up.last < sequence);
        self.given_up.get(behind).filter(|given_up| given_up.first <= sequence).map(|given_up| given_up.cause)
    }

    /// The evidence of a take whose ring is gone: the frames on disk, and those that were given up before. Losses behind the
    /// last frame on disk are covered by `ring_gone`.
    pub(crate) fn evidence_without_ring(&self, window: Window, period: Duration) -> Evidence {
        let previous = self.first.and_then(|first| first.previous);
        let mut evidence = empty(window, period, previous, Some(GapCause::RingGone));
        let mut given_up = self.given_up.iter().copied().peekable();
        for run in self.written.iter() {
            while let Some(lost) = given_up.next_if(|lost| lost.first < run.first().sequence) {
                for sequence in lost.first..=lost.last {
                    let frame = guess(sequence, &evidence);
                    evidence.want(&frame, Some(lost.cause));
                }
            }
            evidence.wanted.push(Wanted { run: *run, lost: None });
        }
        evidence
    }
}

fn first_behind(window: Window, frames: &dyn Frames) -> Option<FrameInfo> {
    frames.first_at_or_after(MonotonicNs(window.end_ns.0.saturating_add(1)))
}

fn empty(
    window: Window,
    period: Duration,
    previous: Option<FrameInfo>,
    silence: Option<GapCause>,
) -> Evidence {
    Evidence { window, previous, wanted: Vec::new(), following: None, period, silence, variable_rate: false }
}

/// A frame that even the ring's ledger has forgotten: it is taken to be one period after the one before it.
fn guess(sequence: u64, evidence: &Evidence) -> FrameInfo {
    let before = evidence.wanted.last().map(|wanted| wanted.run.last());
    let before = before.or(evidence.previous).unwrap_or_default();
    FrameInfo {
        sequence,
        source_sequence: before.source_sequence.saturating_add(1),
        t_capture: before.t_capture + evidence.period,
        before: LossBefore::Nothing,
        flags: FrameFlags::NONE,
        start_sequence: 0,
        picture_offset_ns: 0,
        ..before
    }
}

#[cfg(test)]
mod tests;
