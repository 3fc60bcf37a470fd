//! The account of one camera's part of a clip: which frames should be in it, which are, and why the others are not.
//! Pure: from runs of frames to gaps. How the evidence is gathered is [`crate::evidence`]'s subject.

use std::time::Duration;

use proto::clip::{Gap, GapCause, Window};
use proto::frame::{FrameInfo, LossBefore};
use proto::time::{MonotonicNs, nanos};

use crate::runs::{Run, Runs};

const NANOSECOND: Duration = Duration::from_nanos(1);
/// A camera without a frame for two seconds or ten frames, whichever is longer, is silent: as the supervisor says it.
const SILENT_AFTER: Duration = Duration::from_secs(2);
const SILENT_AFTER_FRAMES: u32 = 10;

/// Frames that were published in the window, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) run: Run,
    /// The cause of their loss; `None` if they are in the file.
    pub(crate) lost: Option<GapCause>,
}

/// Everything that is known of one camera's part of a clip, once its window is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The window that was recorded.
    pub(crate) window: Window,
    /// The frame before the window's first.
    pub(crate) previous: Option<FrameInfo>,
    /// Every frame published in the window, in order.
    pub(crate) wanted: Vec<Wanted>,
    /// The frame after the window's last.
    pub(crate) following: Option<FrameInfo>,
    /// From frame to frame, nominally.
    pub(crate) period: Duration,
    /// The cause if no frame followed; `None` if none is missed (a file that has ended).
    pub(crate) silence: Option<GapCause>,
    /// The camera's frames come at no rate: none is missing because none came.
    pub(crate) variable_rate: bool,
}

/// The result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) expected: u64,
    pub(crate) written: u64,
    pub(crate) gaps: Vec<Gap>,
    /// False if the camera was not live at any moment of the window. Then nothing is expected.
    pub(crate) live: bool,
}

impl Evidence {
    /// The moment until which the last picture stood, beyond its own frame time: the window's end for a camera of variable
    /// rate, which shows a picture until its next one comes. `None` for any other, and for a camera whose source or ring ended
    /// in the window.
    pub(crate) fn last_stood_until(&self) -> Option<MonotonicNs> {
        let goes_on = self.following.is_some() || self.silence == Some(GapCause::CameraStall);
        (self.variable_rate && goes_on).then_some(self.window.end_ns)
    }

    /// Adds published frames behind all others.
    pub(crate) fn want(&mut self, frame: &FrameInfo, lost: Option<GapCause>) {
        let goes_on = |last: &mut Wanted| last.lost == lost && last.run.add(frame);
        if !self.wanted.last_mut().is_some_and(goes_on) {
            self.wanted.push(Wanted { run: Run::of(*frame), lost });
        }
    }

    /// Leaves out this frame and all behind it: it was captured after the window, which had a later end when it was recorded.
    pub(crate) fn end_before(&mut self, behind: &FrameInfo) {
        self.wanted.retain(|wanted| wanted.run.first().sequence < behind.sequence);
        if let Some(last) = self.wanted.last_mut().filter(|last| last.run.last().sequence >= behind.sequence)
        {
            last.run = last.run.between(last.run.first().sequence, behind.sequence - 1);
        }
        if self.following.is_none_or(|following| behind.sequence < following.sequence) {
            self.following = Some(*behind);
        }
    }

    /// Corrects the evidence by what is really in the files: a frame that was thought to be written and isn't, is missing;
    /// one that another recorder wrote, is there.
    pub(crate) fn correct_by(&mut self, written: &Runs) {
        let mut corrected: Vec<Wanted> = written.iter().map(|run| Wanted { run: *run, lost: None }).collect();
        let mut files = written.iter().peekable();
        for Wanted { run, lost } in &self.wanted {
            let lost = lost.or(Some(GapCause::Disk));
            let (mut from, last) = (run.first().sequence, run.last().sequence);
            while let Some(file) = files.peek() {
                let (file_first, file_last) = (file.first().sequence, file.last().sequence);
                if file_first > last {
                    break;
                }
                if file_first > from {
                    corrected.push(Wanted { run: run.between(from, file_first - 1), lost });
                }
                from = from.max(file_last.saturating_add(1));
                if file_last > last {
                    // The rest of it is compared with the next wanted run.
                    break;
                }
                files.next();
            }
            if from <= last {
                corrected.push(Wanted { run: run.between(from, last), lost });
            }
        }
        corrected.sort_by_key(|wanted| wanted.run.first().sequence);
        self.wanted = corrected;
    }

    /// Counts. Always `expected == written + the gaps' sum`.
    pub(crate) fn account(&self) -> Account {
        if self.was_never_live() {
            return Account { expected: 0, written: 0, gaps: Vec::new(), live: false };
        }
        let mut gaps = Gaps::default();
        let mut before = self.previous;
        let mut written: u64 = 0;
        for Wanted { run, lost } in &self.wanted {
            match before {
                Some(before) => self.add_between(&before, &run.first(), &mut gaps),
                None => self.add_unknown_before(&run.first(), &mut gaps),
            }
            if lost.is_none() {
                written = written.saturating_add(run.frames());
            }
            self.add_run(run, *lost, &mut gaps);
            before = Some(run.last());
        }
        match (before, self.following) {
            (Some(before), Some(after)) => self.add_between(&before, &after, &mut gaps),
            (before, None) => {
                if let Some(cause) = self.silence {
                    let missing = self.due_of(self.silent_frames(before), cause);
                    gaps.add(before.map_or(0, |b| b.sequence), missing, cause);
                }
            }
            (None, Some(after)) => self.add_unknown_before(&after, &mut gaps),
        }
        let missing = gaps.gaps.iter().fold(0, |sum: u64, g| sum.saturating_add(g.missing));
        Account { expected: missing.saturating_add(written), written, gaps: gaps.gaps, live: true }
    }

    /// Says whether frames were due and the camera was not live at any moment of the window: it delivered nothing in it,
    /// had delivered nothing before it (or had been silent for long), and its own numbers don't tell later what it made meanwhile.
    fn was_never_live(&self) -> bool {
        let was_silent = self.previous.is_none_or(|previous| {
            let silent_after = SILENT_AFTER.max(self.period.saturating_mul(SILENT_AFTER_FRAMES));
            self.window.start_ns - previous.t_capture >= silent_after
        });
        let is_not_told = match self.following {
            Some(following) => self.previous.is_none() && following.sequence <= 1,
            None => self.silence.is_some_and(is_absence),
        };
        self.wanted.is_empty() && was_silent && is_not_told && self.silent_frames(self.previous) > 0
    }

    /// The frames of a run, and those that were never published between them.
    fn add_run(&self, run: &Run, lost: Option<GapCause>, gaps: &mut Gaps) {
        let (first, last) = (run.first().sequence, run.last().sequence);
        if run.step() <= 1 {
            if let Some(cause) = lost {
                gaps.add_published(first, run.frames(), cause);
            }
            return;
        }
        // The camera's numbers jump before each frame, and each jump is a gap of its own.
        let mut before: Option<FrameInfo> = None;
        for sequence in first..=last {
            let frame = run.at(sequence);
            if let Some(before) = before {
                self.add_between(&before, &frame, gaps);
            }
            if let Some(cause) = lost {
                gaps.add_published(sequence, 1, cause);
            }
            before = Some(frame);
        }
    }

    /// The frames that were never published between two neighbours.
    fn add_between(&self, a: &FrameInfo, b: &FrameInfo, gaps: &mut Gaps) {
        gaps.add(a.sequence, self.never_published(a, b), cause(a, b));
    }

    /// The camera's numbers between two neighbouring frames, as far as they fall into the window. The camera's
    /// clock is taken to run evenly between the two.
    fn never_published(&self, a: &FrameInfo, b: &FrameInfo) -> u64 {
        let steps = b.source_sequence.saturating_sub(a.source_sequence);
        if steps <= 1 {
            return 0;
        }
        let span = u128::from(nanos(b.t_capture - a.t_capture));
        let time_of =
            |k: u64| a.t_capture.0 + u64::try_from(span * u128::from(k) / u128::from(steps)).unwrap_or(0);
        let inside = |k: u64| self.window.contains(MonotonicNs(time_of(k)));
        if a.t_capture >= self.window.start_ns && b.t_capture <= self.window.end_ns {
            return steps - 1;
        }
        // At an edge: the frames are in order, so the ones inside are a run, and both its ends can be searched.
        let first = partition(1, steps, |k| time_of(k) >= self.window.start_ns.0);
        let end = partition(first, steps, |k| !inside(k));
        end - first
    }

    /// Adds the frames that were due in the window before the first that anything is known of, counted by stepping back
    /// from it. Before a camera's very first frame it came up late; before any other the frames were there, and even
    /// the ring's ledger has forgotten them.
    fn add_unknown_before(&self, first: &FrameInfo, gaps: &mut Gaps) {
        let period_ns = nanos(self.period).max(1);
        let since_start = nanos(first.t_capture - self.window.start_ns) / period_ns;
        // Frames due after the window's end are not missed in it.
        let since_end = nanos(first.t_capture.before(NANOSECOND) - self.window.end_ns) / period_ns;
        let cause = match first.before {
            _ if first.sequence > 1 => GapCause::RingOverrun,
            LossBefore::Unplugged => GapCause::Unplugged,
            LossBefore::Network => GapCause::Network,
            _ => GapCause::CameraStall,
        };
        let newest = first.sequence.saturating_sub(1);
        let missing = self.due_of(since_start.saturating_sub(since_end), cause);
        if missing == 0 {
            return;
        }
        gaps.add(newest.saturating_sub(since_start), missing, cause);
        gaps.reaches = newest.saturating_sub(since_end);
    }

    /// The part of frames counted by the rate that was due. A camera of variable rate owes none while it is silent; while it was
    /// away, one stands for what nobody can count. Frames that are lost for another reason are missing all the same.
    fn due_of(&self, frames: u64, cause: GapCause) -> u64 {
        match cause {
            GapCause::CameraStall if self.variable_rate => 0,
            GapCause::Unplugged | GapCause::Network if self.variable_rate => frames.min(1),
            _ => frames,
        }
    }

    /// Frames that a silent camera should have made from its last one (or the window's start) to the end.
    fn silent_frames(&self, last: Option<FrameInfo>) -> u64 {
        let period_ns = nanos(self.period).max(1);
        let Some(last) = last.map(|m| m.t_capture) else { return nanos(self.window.span()) / period_ns };
        let until = |t: MonotonicNs| nanos(t - last) / period_ns;
        // Frames due before the window began are not missed in it.
        let before =
            if last < self.window.start_ns { until(self.window.start_ns.before(NANOSECOND)) } else { 0 };
        until(self.window.end_ns) - before
    }
}

/// The first `k` in `low..high` for which `yes` holds, if it holds for all after it; else `high`.
fn partition(mut low: u64, mut high: u64, yes: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if yes(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// The cause of a jump in the camera's numbers between two frames. A camera that was away when its capture was replaced would
/// have given no frame to the old one either.
fn cause(a: &FrameInfo, b: &FrameInfo) -> GapCause {
    match b.before {
        LossBefore::Unplugged => GapCause::Unplugged,
        LossBefore::Network => GapCause::Network,
        _ if a.epoch != b.epoch => GapCause::CaptureRestart,
        loss => cause_of(loss).unwrap_or(GapCause::CameraDrop),
    }
}

/// True for the causes of a camera that gives nothing.
fn is_absence(cause: GapCause) -> bool {
    matches!(cause, GapCause::CameraStall | GapCause::Unplugged | GapCause::Network)
}

/// The cause that the capture gave for a loss. `None` where it saw none.
pub(crate) fn cause_of(loss: LossBefore) -> Option<GapCause> {
    Some(match loss {
        LossBefore::Nothing => return None,
        LossBefore::CameraDrop => GapCause::CameraDrop,
        LossBefore::CameraStall => GapCause::CameraStall,
        LossBefore::RingFull => GapCause::RingFull,
        LossBefore::Unplugged => GapCause::Unplugged,
        LossBefore::Network | LossBefore::Packets => GapCause::Network,
        LossBefore::Corrupt => GapCause::Corrupt,
        LossBefore::TooLarge => GapCause::TooLarge,
    })
}

/// Gaps in order; frames lost one after the other for one reason are one gap.
#[derive(Default)]
struct Gaps {
    gaps: Vec<Gap>,
    /// The ring's number up to which the last gap reaches. Frames that were never published have none.
    reaches: u64,
}

impl Gaps {
    /// Adds frames that were never published.
    fn add(&mut self, after_sequence: u64, missing: u64, cause: GapCause) {
        if missing == 0 {
            return;
        }
        match self.gaps.last_mut() {
            Some(last) if last.cause == cause && self.reaches == after_sequence => {
                last.missing = last.missing.saturating_add(missing);
            }
            _ => self.gaps.push(Gap { after_sequence, missing, cause }),
        }
        self.reaches = after_sequence;
    }

    /// Adds frames that were published, from this number on, and lost.
    fn add_published(&mut self, first: u64, frames: u64, cause: GapCause) {
        self.add(first.saturating_sub(1), frames, cause);
        self.reaches = first.saturating_add(frames.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
