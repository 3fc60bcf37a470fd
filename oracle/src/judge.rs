//! One camera's verdict. Pure: what was found goes in, what is wrong comes out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::damaged;
use crate::due::{self, Due};
use crate::fault::Fault;
use crate::lead_in;
use crate::manifest::{Camera, Window};
use crate::stamp::Stamp;
use crate::timestamps::Row;
use crate::truth::{Made, Truth};

/// A PTS in a microsecond base is exact; a coarser base (MPEG-4 allows 1/65535 s) rounds, well below this.
const PTS_TOLERANCE_NS: u64 = 1_000_000;

/// A decoded frame, without its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The number of the camera's file that it is from.
    pub part: usize,
    /// The stamp; `None` when there is no whole one.
    pub stamp: Option<Stamp>,
    /// The time of display, from the start of its file.
    pub pts_us: Option<i64>,
    /// The decoder concealed an error in it.
    pub damaged: bool,
}

/// All that is known of one camera in one clip.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The clip's window.
    pub window: Window,
    /// The clip calls itself complete.
    pub complete: bool,
    /// The camera's part of the manifest.
    pub camera: &'a Camera,
    /// Every frame of the video, in the order of play.
    pub frames: &'a [Frame],
    /// The CSV beside it.
    pub rows: &'a [Row],
    /// The camera's truth log. Without it, frames lost at either end can't be seen.
    pub truth: Option<&'a Truth>,
}

/// The evidence by which a camera's frames were known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBy {
    /// The truth log and the stamps.
    Truth,
    /// The stamps alone: losses at either end can't be seen.
    Stamps,
    /// Nothing: a real video, or a real camera. All that could be checked is whether its files and the manifest's
    /// numbers agree with each other.
    Nothing,
}

/// The verdict on one camera of a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The index of the camera in the pictures, if the manifest or any stamp says.
    pub camera_index: Option<u8>,
    /// The evidence.
    pub judged_by: JudgedBy,
    /// Frames due in the window.
    pub expected: u64,
    /// Distinct frames that are in the video and belong there.
    pub present: u64,
    /// Frames declared missing.
    pub declared: u64,
    /// `expected - present - declared`: lost in silence, or, below 0, declared and not lost.
    pub silent: i64,
    /// The reasons why the clip is false; empty when it is true.
    pub faults: Vec<Fault>,
}

impl Verdict {
    /// Does the clip tell the truth of this camera?
    pub fn is_true(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Judges one camera of one clip.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    if evidence.truth.is_none() && has_no_stamp(evidence.frames) {
        return compare_its_claims(evidence);
    }
    let mut faults = Vec::new();
    let camera_index = evidence.camera.camera_index.or_else(|| most_common_camera(evidence.frames));
    let life = evidence.truth.map(|truth| truth.life_around(evidence.window));

    let present = frames_that_belong(evidence, life, camera_index, &mut faults);
    let declared = evidence.camera.declared();
    let due = match life {
        // Nobody could know at that time what it missed; later its own numbers may tell.
        Some(life) if !evidence.camera.live && !made_any(life, evidence.window) => Due::exactly(0),
        Some(life) => due::in_window(life, evidence.window),
        None => due_by_the_stamps(&present, evidence.camera),
    };
    let present_count = count(present.len());
    let accounted_for = present_count.saturating_add(declared);
    let expected = due.nearest(accounted_for);
    let silent = difference(expected, accounted_for);

    check_the_sum(evidence, &present, silent, &mut faults);
    let hidden = if evidence.camera.hides_lead_in() { evidence.camera.lead_in_frames } else { 0 };
    check_the_claims(evidence, present_count, expected, hidden, due, &mut faults);
    check_the_rows(evidence, life, &mut faults);
    check_the_play(evidence, &mut faults);
    Verdict {
        camera_index,
        judged_by: if life.is_some() { JudgedBy::Truth } else { JudgedBy::Stamps },
        expected,
        present: present_count,
        declared,
        silent,
        faults,
    }
}

/// Did the camera make a frame in the window?
fn made_any(life: &[Made], window: Window) -> bool {
    life.iter().any(|made| window.contains(made.t_ns))
}

/// Pictures, and not one of them stamped: no simulated camera made these.
fn has_no_stamp(frames: &[Frame]) -> bool {
    !frames.is_empty() && frames.iter().all(|frame| frame.stamp.is_none())
}

/// Without truth log and stamps nobody can say which frames these are; only whether what is said of them agrees.
fn compare_its_claims(evidence: &Evidence<'_>) -> Verdict {
    let mut faults = Vec::new();
    let present = count(evidence.frames.len());
    let declared = evidence.camera.declared();
    let expected = evidence.camera.frames_expected;
    let silent = difference(expected, present.saturating_add(declared));
    match silent {
        1.. => faults.push(Fault::SilentLoss { frames: silent.unsigned_abs() }),
        ..0 => faults.push(Fault::DeclaredTooMuch { frames: silent.unsigned_abs() }),
        0 => {}
    }
    let is_silent = |frame: usize| !damaged::is_marked(evidence.rows, frame);
    let damaged = evidence.frames.iter().enumerate().filter(|(at, frame)| frame.damaged && is_silent(*at));
    faults.extend(damaged.map(|(frame, _)| Fault::Damaged { frame }));
    check_the_claims(evidence, present, expected, 0, Due::exactly(expected), &mut faults);
    check_the_rows(evidence, None, &mut faults);
    let outside = lead_in::row_outside(evidence.window, evidence.camera, evidence.rows);
    faults
        .extend(outside.map(|(frame, by_ns)| Fault::RowOutsideWindow { frame, by_us: by_ns.div_ceil(1000) }));
    check_the_play(evidence, &mut faults);
    let camera_index = evidence.camera.camera_index;
    Verdict { camera_index, judged_by: JudgedBy::Nothing, expected, present, declared, silent, faults }
}

/// Without the manifest's word, most frames decide whose clip it is.
fn most_common_camera(frames: &[Frame]) -> Option<u8> {
    let mut votes = BTreeMap::new();
    for stamp in frames.iter().filter_map(|frame| frame.stamp) {
        *votes.entry(stamp.camera_index).or_insert(0_usize) += 1;
    }
    votes.into_iter().max_by_key(|&(_, votes)| votes).map(|(camera_index, _)| camera_index)
}

/// Goes through the frames in the order of play and keeps the sequences of those that belong in the clip.
fn frames_that_belong(
    evidence: &Evidence<'_>,
    life: Option<&[Made]>,
    camera_index: Option<u8>,
    faults: &mut Vec<Fault>,
) -> BTreeSet<i64> {
    let origin = origin_of(evidence, life);
    let mut seen = BTreeSet::new();
    let mut present = BTreeSet::new();
    for (frame, &Frame { stamp, damaged, .. }) in evidence.frames.iter().enumerate() {
        let is_said = damaged::is_marked(evidence.rows, frame);
        if damaged && !is_said {
            faults.push(Fault::Damaged { frame });
        }
        let highest = seen.last().copied();
        let sequence = if is_said {
            damaged_sequence(evidence, life, frame, highest)
        } else {
            if let Some(found) = stamp.map(|stamp| stamp.camera_index)
                && let Some(wanted) = camera_index.filter(|&wanted| wanted != found)
            {
                faults.push(Fault::WrongCamera { frame, found, wanted });
                continue;
            }
            stamp.map(|stamp| unfold(stamp.source_sequence, origin))
        };
        let Some(sequence) = sequence else {
            faults.push(Fault::Torn { frame });
            continue;
        };
        if !seen.insert(sequence) {
            faults.push(Fault::Duplicate { frame, sequence });
            continue;
        }
        if let Some(after) = highest.filter(|&highest| sequence < highest) {
            faults.push(Fault::Reordered { frame, sequence, after });
        }
        if evidence.camera.hides_lead_in() && frame < lead_in::frames(evidence.camera) {
            // Others need it, and nobody asked for it.
            continue;
        }
        let t_ns = match life {
            Some(life) => {
                let made = find(life, sequence);
                if made.is_none() {
                    faults.push(Fault::NeverMade { frame, sequence });
                    continue;
                }
                made
            }
            None => matching_row(evidence, frame),
        };
        match t_ns.map_or(0, |t_ns| ns_outside(evidence.window, t_ns)) {
            0 => _ = present.insert(sequence),
            by_ns => faults.push(Fault::OutsideWindow { frame, sequence, by_us: by_ns.div_ceil(1000) }),
        }
    }
    present
}

/// The number of a frame that is said to be damaged. Its picture may show no stamp, or that of another frame: the time in its row
/// names it, or, where no log knows the times, its place among the others.
fn damaged_sequence(
    evidence: &Evidence<'_>,
    life: Option<&[Made]>,
    frame: usize,
    highest: Option<i64>,
) -> Option<i64> {
    if let Some(life) = life {
        return made_at(life, matching_row(evidence, frame)?);
    }
    let origin = origin_of(evidence, None);
    let stamped = |frame: &Frame| frame.stamp.map(|stamp| unfold(stamp.source_sequence, origin));
    let own = stamped(&evidence.frames[frame]).filter(|own| highest.is_none_or(|highest| *own > highest));
    let behind = || highest.map(|highest| highest.saturating_add(1));
    let before = || {
        let mut others = evidence.frames.iter().enumerate().skip(frame + 1);
        let next = others.find(|(at, _)| !damaged::is_marked(evidence.rows, *at))?;
        stamped(next.1)?.checked_sub_unsigned(count(next.0 - frame))
    };
    own.or_else(behind).or_else(before)
}

/// A full sequence near those of the clip, to unfold the stamps' 32 bits around.
fn origin_of(evidence: &Evidence<'_>, life: Option<&[Made]>) -> u64 {
    let in_window = |row: &&Made| evidence.window.contains(row.t_ns);
    life.and_then(|life| life.iter().find(in_window).or(life.last()).map(|row| row.sequence))
        .or_else(|| {
            evidence.frames.iter().find_map(|frame| frame.stamp).map(|s| u64::from(s.source_sequence))
        })
        .unwrap_or(0)
}

/// The full sequence nearest to `origin` whose low 32 bits are the stamp's.
fn unfold(folded: u32, origin: u64) -> i64 {
    let low = u32::try_from(origin & u64::from(u32::MAX)).unwrap_or(0);
    let step = folded.wrapping_sub(low).cast_signed();
    origin.cast_signed().saturating_add(i64::from(step))
}

fn find(life: &[Made], sequence: i64) -> Option<u64> {
    let sequence = u64::try_from(sequence).ok()?;
    let place = life.binary_search_by_key(&sequence, |row| row.sequence).ok()?;
    Some(life[place].t_ns)
}

/// The number of the frame that was made at this moment.
fn made_at(life: &[Made], t_ns: u64) -> Option<i64> {
    let made = life.iter().find(|made| made.t_ns == t_ns)?;
    i64::try_from(made.sequence).ok()
}

/// The CSV's time for a frame, where rows and frames can be paired at all.
fn matching_row(evidence: &Evidence<'_>, frame: usize) -> Option<u64> {
    (evidence.rows.len() == evidence.frames.len()).then(|| evidence.rows[frame].t_ns)
}

/// The moment at which a frame is due in the video: its capture time, and a lead-in's the window's start.
fn due_at(evidence: &Evidence<'_>, frame: usize) -> Option<u64> {
    let is_lead_in = frame == 0 && evidence.camera.lead_in_frames > 0 && !evidence.camera.hides_lead_in();
    let earliest = if is_lead_in { evidence.window.start_ns } else { 0 };
    matching_row(evidence, frame).map(|t_ns| t_ns.max(earliest))
}

fn ns_outside(window: Window, t_ns: u64) -> u64 {
    window.start_ns.saturating_sub(t_ns).max(t_ns.saturating_sub(window.end_ns))
}

/// Without a truth log: all from the first frame to the last; and what is declared beyond the holes between them can
/// only be meant for before and after, where nobody can say otherwise.
fn due_by_the_stamps(present: &BTreeSet<i64>, camera: &Camera) -> Due {
    let (Some(&first), Some(&last)) = (present.first(), present.last()) else {
        return Due::exactly(camera.declared());
    };
    let between: u64 = holes_between(present).iter().sum();
    let outside = camera.declared().saturating_sub(between);
    Due::exactly(last.abs_diff(first).saturating_add(1).saturating_add(outside))
}

fn check_the_sum(evidence: &Evidence<'_>, present: &BTreeSet<i64>, silent: i64, faults: &mut Vec<Fault>) {
    let frames = silent.unsigned_abs();
    match silent {
        1.. => faults.push(Fault::SilentLoss { frames }),
        ..0 => faults.push(Fault::DeclaredTooMuch { frames }),
        0 => {
            let holes = holes_between(present);
            let declared = declared_in_order(evidence.camera);
            if !gaps_fit(&holes, &declared) {
                faults.push(Fault::GapsElsewhere { holes, declared });
            }
        }
    }
}

/// The number of sequences that are missing at each place between the frames present.
fn holes_between(present: &BTreeSet<i64>) -> Vec<u64> {
    let next = present.iter().skip(1);
    present.iter().zip(next).map(|(a, b)| b.abs_diff(*a) - 1).filter(|&hole| hole > 0).collect()
}

fn declared_in_order(camera: &Camera) -> Vec<u64> {
    let mut gaps: Vec<_> = camera.gaps.iter().filter(|gap| gap.missing > 0).collect();
    gaps.sort_by_key(|gap| gap.after_sequence);
    gaps.iter().map(|gap| gap.missing).collect()
}

/// Can the gaps, in order, be dealt out to the holes? some to the start of the clip, then exactly as
/// many frames to each hole as it lacks (in one gap or, with several causes, more), the rest to the end.
///
/// Sizes and order alone, so that it doesn't matter which of its two counts the recorder names gaps by.
fn gaps_fit(holes: &[u64], gaps: &[u64]) -> bool {
    (0..=gaps.len()).any(|at_the_start| {
        let mut rest = gaps[at_the_start..].iter();
        holes.iter().all(|&hole| {
            let mut filled = 0_u64;
            while filled < hole {
                let Some(&gap) = rest.next() else { return false };
                filled = filled.saturating_add(gap);
            }
            filled == hole
        })
    })
}

/// `hidden` frames are in the video although nobody asked for them.
fn check_the_claims(
    evidence: &Evidence<'_>,
    present: u64,
    expected: u64,
    hidden: u64,
    due: Due,
    faults: &mut Vec<Fault>,
) {
    let Camera { frames_written, frames_expected, .. } = *evidence.camera;
    let decoded = count(evidence.frames.len());
    if frames_written != decoded {
        faults.push(Fault::WrittenDiffers { claimed: frames_written, decoded });
    }
    if frames_expected != expected.saturating_add(hidden) {
        faults.push(Fault::ExpectedDiffers { claimed: frames_expected, expected });
    }
    // One frame time between the last frame and the window's end is how windows end.
    let never_made = if due.after_the_log > 1 { due.after_the_log } else { 0 };
    let missing = expected.saturating_sub(present).max(evidence.camera.declared()).max(never_made);
    if evidence.complete && missing > 0 {
        faults.push(Fault::CalledComplete { missing });
    }
}

fn check_the_rows(evidence: &Evidence<'_>, life: Option<&[Made]>, faults: &mut Vec<Fault>) {
    let Evidence { rows, frames, .. } = *evidence;
    if let Some(row) = rows.windows(2).position(|pair| pair[1].t_ns <= pair[0].t_ns) {
        faults.push(Fault::TimesNotIncreasing { frame: row + 1 });
    }
    if rows.len() != frames.len() {
        // With rows missing, nothing says to which frame a row belongs.
        faults.push(Fault::RowsDiffer { rows: rows.len(), frames: frames.len() });
        return;
    }
    let Some(life) = life else { return };
    let origin = origin_of(evidence, Some(life));
    // A damaged picture may show another one's stamp.
    let is_whole = |(frame, _): &(usize, _)| !damaged::is_marked(rows, *frame);
    let pairs = frames.iter().zip(rows).enumerate().filter(is_whole);
    let mut wrong = pairs.filter_map(|(frame, (shown, row))| {
        let truth_ns = find(life, unfold(shown.stamp?.source_sequence, origin))?;
        (truth_ns != row.t_ns).then_some((frame, row.t_ns, truth_ns))
    });
    if let Some((frame, csv_ns, truth_ns)) = wrong.next() {
        faults.push(Fault::TimesDiffer { rows: 1 + wrong.count(), frame, csv_ns, truth_ns });
    }
}

/// Compares when frames are shown with when they were captured, file by file: each starts at its own zero.
fn check_the_play(evidence: &Evidence<'_>, faults: &mut Vec<Fault>) {
    let parts = evidence.camera.parts();
    let mut start = 0;
    for frames in evidence.frames.chunk_by(|a, b| a.part == b.part) {
        let shown_at: Vec<Option<i64>> = frames.iter().map(|frame| frame.pts_us).collect();
        let mut last = None;
        for (frame, pts) in (start..).zip(&shown_at) {
            if pts.is_some() && *pts <= last {
                faults.push(Fault::PtsNotIncreasing { frame });
            }
            last = last.max(*pts);
        }
        // An AVI has a constant rate; only an MP4 or a QuickTime file can say when its frames were captured.
        let has_times = |name: &&&str| [".mp4", ".mov"].iter().any(|ending| name.ends_with(ending));
        if parts.get(frames[0].part).filter(has_times).is_some() {
            check_the_times(evidence, start, &shown_at, faults);
        }
        start += frames.len();
    }
}

fn check_the_times(evidence: &Evidence<'_>, start: usize, shown_at: &[Option<i64>], faults: &mut Vec<Fault>) {
    if let Some(place) = shown_at.iter().position(Option::is_none) {
        faults.push(Fault::PtsMissing { frame: start + place });
    }
    let mut off = (start..).zip(shown_at).filter_map(|(frame, &pts)| {
        let shown_us = i128::from(pts?) - i128::from((*shown_at.first()?)?);
        let captured_ns = i128::from(due_at(evidence, frame)?) - i128::from(due_at(evidence, start)?);
        let by_ns = shown_us * 1000 - captured_ns;
        (by_ns.unsigned_abs() > u128::from(PTS_TOLERANCE_NS))
            .then(|| (frame, i64::try_from(by_ns / 1000).unwrap_or(i64::MAX)))
    });
    if let Some((frame, by_us)) = off.next() {
        faults.push(Fault::PtsOffCapture { frames: 1 + off.count(), frame, by_us });
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests;
