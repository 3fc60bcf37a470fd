//! The frames of one file compared with the rows that stand for them. Pure.

use crate::clip::Part;

/// Times in a file are rounded, by 15 µs at most.
const ROUNDED_NS: u64 = 1_000_000;

/// A frame that a file gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its time in the file, if the file says.
    pub(super) at_ns: Option<i64>,
    /// The decoder found an error in it.
    pub(super) damaged: bool,
}

/// The things that are wrong with a file.
pub(super) fn file(shown: &[Frame], part: &Part<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let frames = if part.has_times { with_those_not_shown(shown, part) } else { shown.to_vec() };
    if frames.len() != part.rows.len() {
        let counted = if shown.len() == 1 { "1 frame".into() } else { format!("{} frames", shown.len()) };
        wrong.push(format!("{counted} can be decoded, and it should have {}", part.rows.len()));
    }
    let pairs = || (part.first..).zip(frames.iter().zip(part.rows));
    let mut damaged = pairs().filter(|(_, (frame, row))| frame.damaged && !row.damaged).map(|(at, _)| at);
    if let Some(at) = damaged.next() {
        let others = match damaged.count() {
            0 => String::new(),
            others => format!(", and {others} more"),
        };
        wrong.push(format!("frame {at} is damaged{others}, and the timestamps don't say so"));
    }
    if part.has_times {
        let off = pairs().find_map(|(at, (frame, row))| {
            let (shown, due) = (frame.at_ns?, part.due_ns(row));
            let is_off = shown.abs_diff(due) > ROUNDED_NS;
            is_off.then(|| {
                format!("frame {at} is shown at {} µs, and was captured at {} µs", shown / 1000, due / 1000)
            })
        });
        wrong.extend(off);
    }
    wrong
}

/// The frames of a file, and in their places those that its decoder doesn't show: behind a frame that is lost, libav passes over
/// some without a word. Only frames whose rows say that they are damaged may be missing so.
fn with_those_not_shown(shown: &[Frame], part: &Part<'_>) -> Vec<Frame> {
    let mut shown = shown.iter().copied().peekable();
    let mut frames = Vec::new();
    for row in part.rows {
        let due_ns = part.due_ns(row);
        let latest_ns = i128::from(due_ns) + i128::from(ROUNDED_NS);
        let is_later = |frame: &Frame| frame.at_ns.is_some_and(|at_ns| i128::from(at_ns) > latest_ns);
        if row.damaged && shown.peek().is_none_or(is_later) {
            frames.push(Frame { at_ns: Some(due_ns), damaged: true });
        } else {
            frames.extend(shown.next());
        }
    }
    frames.extend(shown);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Row;

    fn file(shown: &[Frame], rows: &[Row], first: u64, has_times: bool) -> Vec<String> {
        super::file(shown, &Part::of_rows(rows, first, has_times))
    }

    fn rows(times: &[u64]) -> Vec<Row> {
        times.iter().map(|ms| Row { t_ns: 5_000_000_000 + ms * 1_000_000, ..Row::default() }).collect()
    }

    fn frames(times: &[i64]) -> Vec<Frame> {
        times.iter().map(|ms| Frame { at_ns: Some(ms * 1_000_000), damaged: false }).collect()
    }

    #[test]
    fn a_file_with_all_frames_at_their_times_is_good() {
        assert!(file(&frames(&[0, 20, 61]), &rows(&[0, 20, 60]), 0, true).is_empty());
        assert!(
            file(&frames(&[0, 40, 80]), &rows(&[0, 20, 60]), 0, false).is_empty(),
            "an AVI keeps no times"
        );
        assert!(file(&[], &[], 0, true).is_empty());
    }

    #[test]
    fn frames_too_few_late_or_damaged_are_named_by_their_rows() {
        let few = file(&frames(&[0, 20]), &rows(&[0, 20, 60]), 0, true);
        assert_eq!(few, ["2 frames can be decoded, and it should have 3"]);
        let late = file(&frames(&[0, 20, 65]), &rows(&[0, 20, 60]), 30, true);
        assert_eq!(late, ["frame 32 is shown at 65000 µs, and was captured at 60000 µs"]);
        let mut broken = frames(&[0, 20, 60]);
        (broken[0].damaged, broken[1].damaged) = (true, true);
        assert_eq!(
            file(&broken, &rows(&[0, 20, 60]), 0, true),
            ["frame 0 is damaged, and 1 more, and the timestamps don't say so"]
        );
        let mut declared = rows(&[0, 20, 60]);
        (declared[0].damaged, declared[1].damaged) = (true, true);
        assert!(file(&broken, &declared, 0, true).is_empty());
    }

    #[test]
    fn a_damaged_frame_that_is_not_shown_is_no_fault_and_a_whole_one_is() {
        let mut declared = rows(&[0, 20, 40, 60]);
        (declared[1].damaged, declared[3].damaged) = (true, true);
        assert!(file(&frames(&[0, 40]), &declared, 0, true).is_empty());
        assert!(file(&frames(&[0, 20, 40, 60]), &declared, 0, true).is_empty(), "a decoder may show it");
        let few = file(&frames(&[0, 60]), &declared, 0, true);
        assert_eq!(few, ["frame 2 is shown at 60000 µs, and was captured at 40000 µs"]);
    }
}
