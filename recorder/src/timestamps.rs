//! A camera's `<camera>_timestamps.csv`: one row a frame, written while the parts are read, so that its length costs no
//! memory.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::clip::{CSV_HEADER, DamagedRows, GapCause};
use proto::durable;
use proto::frame::{FrameFlags, FrameInfo};
use proto::name::Name;
use proto::opened;
use proto::time::MonotonicNs;

use crate::account::{self, Evidence, Wanted};
use crate::assignment::Footage;
use crate::disk;

/// The text is handed to the kernel in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;
/// The letter in `flags` of a frame whose time was repaired.
const REPAIRED: &str = "r";
/// The letter of a frame that is not whole.
const DAMAGED: &str = "d";
/// The letter of a frame that was captured before the window, and stood when it began.
const LEAD_IN: &str = "l";
/// The letter of a frame with which the camera's clock was tied to this machine's anew.
const ANCHOR: &str = "a";

/// The file's name for a camera.
pub(crate) fn file_name(camera: &Name) -> String {
    format!("{camera}_timestamps.csv")
}

/// The rows of a finished file, counted by what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowCounts {
    /// Captured before each of the moments that were asked for.
    pub(crate) before: Vec<u64>,
    /// With a time that was repaired.
    pub(crate) repaired: u64,
    /// Captured before the window.
    pub(crate) lead_in: u64,
    /// With times that lie otherwise to those before than the frames do.
    pub(crate) anchors: u64,
    /// The capture time of the first that was not.
    pub(crate) first_inside: Option<MonotonicNs>,
    /// Not whole, in order.
    pub(crate) damaged: Vec<DamagedRows>,
}

impl RowCounts {
    /// Adds a row whose frame is not whole. Its cause is that of the loss before it, and without one that of the row before, if
    /// that one is damaged too: after a loss frames are damaged up to the next key frame.
    fn add_damaged(&mut self, row: u64, cause: Option<GapCause>) {
        match self.damaged.last_mut() {
            Some(DamagedRows(_, last, its))
                if *last + 1 == row && cause.is_none_or(|cause| cause == *its) =>
            {
                *last = row;
            }
            _ => self.damaged.push(DamagedRows(row, row, cause.unwrap_or(GapCause::Corrupt))),
        }
    }
}

/// A timestamps file that is being written.
pub(crate) struct Timestamps {
    file: File,
    path: PathBuf,
    camera: Name,
    trigger: MonotonicNs,
    window_start: MonotonicNs,
    rows: u64,
    /// The moments whose frames are counted, in order.
    moments: Arc<[MonotonicNs]>,
    /// Frames that the recorder has lost, from the first to the last, in order.
    lost: Vec<(u64, u64, GapCause)>,
    counts: RowCounts,
    /// Text that the kernel doesn't have yet.
    text: String,
}

impl Timestamps {
    /// Begins the file in a folder, for a clip of this trigger's moment and this window. There must be none yet.
    pub(crate) fn create(
        folder: &Path,
        camera: &Name,
        trigger: MonotonicNs,
        window_start: MonotonicNs,
    ) -> io::Result<Self> {
        let path = folder.join(file_name(camera));
        let file = disk::ask(|| opened::create_new(&path))?;
        let text = format!("{CSV_HEADER}\n");
        let counts = RowCounts::default();
        Ok(Self {
            file,
            path,
            camera: camera.clone(),
            trigger,
            window_start,
            rows: 0,
            moments: Arc::from([trigger]),
            lost: Vec::new(),
            counts,
            text,
        })
    }

    /// Knows the moments of the clip's triggers, and which frames the recorder has lost: those behind them may be damaged for it.
    pub(crate) fn know(&mut self, footage: &Footage) {
        self.moments = Arc::clone(&footage.moments);
        self.know_lost(&footage.evidence);
    }

    fn know_lost(&mut self, evidence: &Evidence) {
        let of =
            |wanted: &Wanted| Some((wanted.run.first().sequence, wanted.run.last().sequence, wanted.lost?));
        self.lost = evidence.wanted.iter().filter_map(of).collect();
    }

    /// The cause of the loss just before a frame, by the capture's word or the recorder's.
    fn loss_before(&self, frame: &FrameInfo) -> Option<GapCause> {
        let behind = self.lost.partition_point(|(_, last, _)| last.saturating_add(1) < frame.sequence);
        let lost = self.lost.get(behind).filter(|(_, last, _)| last.saturating_add(1) == frame.sequence);
        account::cause_of(frame.before).or(lost.map(|(.., cause)| *cause))
    }

    /// The start of the clip's window.
    pub(crate) fn window_start(&self) -> MonotonicNs {
        self.window_start
    }

    /// The capture time of the first frame so far that was not captured before the window.
    pub(crate) fn first_inside(&self) -> Option<MonotonicNs> {
        self.counts.first_inside
    }

    /// Adds the next frame's row.
    pub(crate) fn add(&mut self, frame: &FrameInfo) -> io::Result<()> {
        let FrameInfo { t_capture, sequence, .. } = *frame;
        let is_repaired = frame.flags.contains(FrameFlags::TIME_REPAIRED);
        let is_damaged = frame.flags.contains(FrameFlags::DAMAGED);
        let is_lead_in = t_capture < self.window_start;
        let is_anchor = frame.flags.contains(FrameFlags::NEW_ANCHOR);
        let letter = |letter, is_set: bool| if is_set { letter } else { "" };
        let (repaired, damaged) = (letter(REPAIRED, is_repaired), letter(DAMAGED, is_damaged));
        let (lead_in, anchor) = (letter(LEAD_IN, is_lead_in), letter(ANCHOR, is_anchor));
        let relative = relative_us(t_capture, self.trigger);
        // Writing to a String can't fail.
        let _ = writeln!(
            self.text,
            "{},{},{},{sequence},{relative},{repaired}{damaged}{lead_in}{anchor}",
            self.camera, self.rows, t_capture.0
        );
        if is_damaged {
            self.counts.add_damaged(self.rows, self.loss_before(frame));
        }
        // Before the first row nothing lies otherwise.
        self.counts.anchors += u64::from(is_anchor && self.rows > 0);
        self.count_before(t_capture);
        self.rows += 1;
        self.counts.repaired += u64::from(is_repaired);
        self.counts.lead_in += u64::from(is_lead_in);
        if !is_lead_in {
            self.counts.first_inside.get_or_insert(t_capture);
        }
        if self.text.len() >= PIECE_BYTES { self.hand_over() } else { Ok(()) }
    }

    /// Counts the rows so far for each moment that no row has come to before this one.
    fn count_before(&mut self, t_capture: MonotonicNs) {
        while self.moments.get(self.counts.before.len()).is_some_and(|moment| *moment <= t_capture) {
            self.counts.before.push(self.rows);
        }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let written = disk::ask(|| durable::write_all(&mut self.file, self.text.as_bytes(), &self.path));
        self.text.clear();
        written
    }

    /// Ends the file and flushes it to the disk.
    pub(crate) fn finish(mut self) -> io::Result<RowCounts> {
        self.hand_over()?;
        disk::ask(|| durable::sync_contents(&self.path))?;
        // No row came to the others.
        self.counts.before.resize(self.moments.len(), self.rows);
        Ok(self.counts)
    }
}

/// The time from the trigger to a frame in whole microseconds, rounded down: a frame before the trigger has a negative one,
/// however short before.
fn relative_us(t_capture: MonotonicNs, trigger: MonotonicNs) -> i64 {
    let relative = (i128::from(t_capture.0) - i128::from(trigger.0)).div_euclid(1000);
    i64::try_from(relative).unwrap_or(if relative < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::clip::Window;
    use proto::frame::LossBefore;

    use super::*;
    use crate::runs::Run;

    #[test]
    fn the_rows_are_those_of_one_long_text() {
        let folder = tempfile::tempdir().unwrap();
        let camera = Name::new("left").unwrap();
        let (trigger, window_start) = (MonotonicNs(4_000_000), MonotonicNs(2_000_000));
        let mut timestamps = Timestamps::create(folder.path(), &camera, trigger, window_start).unwrap();
        let mut expected = format!("{CSV_HEADER}\n");
        for n in 0..10_000_u64 {
            let flags = FrameFlags::TIME_REPAIRED.when(n % 100 == 1);
            let t_capture = MonotonicNs(n * 1_000_000);
            let frame = FrameInfo { sequence: n + 7, t_capture, flags, ..FrameInfo::default() };
            timestamps.add(&frame).unwrap();
            let relative = i64::try_from(n).unwrap() * 1000 - 4000;
            let letters = match n {
                0 => "l",
                1 => "rl",
                _ if n % 100 == 1 => "r",
                _ => "",
            };
            expected += &format!("left,{n},{},{},{relative},{letters}\n", n * 1_000_000, n + 7);
        }
        let first_inside = Some(MonotonicNs(2_000_000));
        let counts =
            RowCounts { before: vec![4], repaired: 100, lead_in: 2, first_inside, ..RowCounts::default() };
        assert_eq!(timestamps.finish().unwrap(), counts);
        let path = folder.path().join("left_timestamps.csv");
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn a_clock_that_was_tied_anew_is_marked_and_counted_behind_the_first_row() {
        let folder = tempfile::tempdir().unwrap();
        let camera = Name::new("left").unwrap();
        let mut timestamps =
            Timestamps::create(folder.path(), &camera, MonotonicNs(0), MonotonicNs(0)).unwrap();
        for n in 1..=5 {
            let flags = FrameFlags::NEW_ANCHOR.when(n == 1 || n == 4);
            timestamps.add(&FrameInfo { sequence: n, flags, ..FrameInfo::default() }).unwrap();
        }
        assert_eq!(timestamps.finish().unwrap().anchors, 1);
        let text = std::fs::read_to_string(folder.path().join("left_timestamps.csv")).unwrap();
        let flags: Vec<&str> = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
        assert_eq!(flags, ["a", "", "", "a", ""]);
    }

    #[test]
    fn damaged_rows_are_told_with_the_cause_of_the_loss_before_them() {
        let folder = tempfile::tempdir().unwrap();
        let camera = Name::new("left").unwrap();
        let mut timestamps =
            Timestamps::create(folder.path(), &camera, MonotonicNs(0), MonotonicNs(0)).unwrap();
        let lost = |n, cause| Wanted {
            run: Run::of(FrameInfo { sequence: n, ..FrameInfo::default() }),
            lost: cause,
        };
        let wanted = vec![
            lost(1, None),
            lost(8, Some(GapCause::RingOverrun)),
            lost(9, Some(GapCause::Disk)),
            lost(12, Some(GapCause::BacklogFull)),
        ];
        let window = Window { start_ns: MonotonicNs(0), end_ns: MonotonicNs(0) };
        timestamps.know_lost(&Evidence {
            window,
            previous: None,
            wanted,
            following: None,
            period: Duration::ZERO,
            silence: None,
            variable_rate: false,
        });
        for (n, damaged, before) in [
            (1, false, LossBefore::Nothing),
            (2, true, LossBefore::Network),
            (3, true, LossBefore::Nothing),
            (4, false, LossBefore::Nothing),
            (5, true, LossBefore::Nothing),
            (6, true, LossBefore::CameraDrop),
            (7, true, LossBefore::Nothing),
            (10, true, LossBefore::Nothing),
            (11, true, LossBefore::Nothing),
            (13, true, LossBefore::Network),
        ] {
            let flags = FrameFlags::DAMAGED.when(damaged);
            let frame = FrameInfo { sequence: n, before, flags, ..FrameInfo::default() };
            timestamps.add(&frame).unwrap();
        }
        let damaged = timestamps.finish().unwrap().damaged;
        let expected = [
            DamagedRows(1, 2, GapCause::Network),
            DamagedRows(4, 4, GapCause::Corrupt),
            DamagedRows(5, 6, GapCause::CameraDrop),
            DamagedRows(7, 8, GapCause::Disk),
            DamagedRows(9, 9, GapCause::Network),
        ];
        assert_eq!(damaged, expected);
        assert_eq!(serde_json::to_string(&damaged[0]).unwrap(), r#"[1,2,"network"]"#);
        let text = std::fs::read_to_string(folder.path().join("left_timestamps.csv")).unwrap();
        let flags: Vec<&str> = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
        assert_eq!(flags, ["", "d", "d", "", "d", "d", "d", "d", "d", "d"]);
    }

    #[test]
    fn a_frame_before_the_trigger_has_a_negative_time() {
        let at = |ns| relative_us(MonotonicNs(ns), MonotonicNs(5000));
        assert_eq!([at(0), at(4999), at(5000), at(5999), at(6000)], [-5, -1, 0, 0, 1]);
        assert_eq!(relative_us(MonotonicNs(0), MonotonicNs(u64::MAX)), -18_446_744_073_709_552);
    }
}
