//! Frames that a clip holds and calls damaged: the manifest's word, the rows' marks, and what is no fault of such a frame. Pure.

use crate::fault::Fault;
use crate::judge::Frame;
use crate::manifest::Camera;
use crate::timestamps::Row;

/// The letter of such a frame's row in `flags`.
const LETTER: char = 'd';

/// Says whether the row of a frame calls it damaged.
pub fn is_marked(rows: &[Row], frame: usize) -> bool {
    let more = rows.get(frame).and_then(|row| row.more.as_ref());
    more.is_some_and(|more| more.flags.contains(LETTER))
}

/// Times in a video are rounded, by less than this.
const ROUNDED_US: i64 = 1000;

/// The frames of a camera's only file, and in their places those that its decoder doesn't show: behind a frame that is lost, libav
/// passes over some without a word. Only frames that are marked as damaged may be missing so.
pub fn with_those_not_shown(shown: Vec<Frame>, rows: &[Row]) -> Vec<Frame> {
    let (Some(first), Some(row)) = (shown.first(), rows.first()) else { return shown };
    let Some(first_us) = first.pts_us else { return shown };
    let (part, first_ns) = (first.part, row.t_ns);
    let mut shown = shown.into_iter().peekable();
    let mut frames = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let since_us = i64::try_from(row.t_ns.saturating_sub(first_ns) / 1000).unwrap_or(i64::MAX);
        let due_us = first_us.saturating_add(since_us);
        let is_later =
            |frame: &Frame| frame.pts_us.is_some_and(|pts_us| pts_us > due_us.saturating_add(ROUNDED_US));
        if is_marked(rows, at) && shown.peek().is_none_or(is_later) {
            frames.push(Frame { part, stamp: None, pts_us: Some(due_us), damaged: true });
        } else {
            frames.extend(shown.next());
        }
    }
    frames.extend(shown);
    frames
}

/// Compares the rows that the manifest calls damaged with those that are marked so. A clip of a version that knew no such
/// frames has neither.
pub fn check(camera: &Camera, rows: &[Row]) -> Option<Fault> {
    let mut next = 0;
    for &(first, last, _) in &camera.damaged {
        let (Ok(first), Ok(last)) = (usize::try_from(first), usize::try_from(last)) else {
            return Some(Fault::DamagedDiffers { frame: rows.len() });
        };
        let in_order = next <= first && first <= last && last < rows.len();
        if !in_order {
            return Some(Fault::DamagedDiffers { frame: first });
        }
        let unsaid = (next..first).find(|frame| is_marked(rows, *frame));
        let unmarked = || (first..=last).find(|frame| !is_marked(rows, *frame));
        if let Some(frame) = unsaid.or_else(unmarked) {
            return Some(Fault::DamagedDiffers { frame });
        }
        next = last + 1;
    }
    let unsaid = (next..rows.len()).find(|frame| is_marked(rows, *frame));
    unsaid.map(|frame| Fault::DamagedDiffers { frame })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamps::More;

    fn rows(flags: &[&str]) -> Vec<Row> {
        let row = |flags: &&str| Row {
            camera_id: "left".to_owned(),
            frame_index: 0,
            t_ns: 0,
            more: Some(More { sequence: 0, t_rel_us: 0, flags: (*flags).to_owned() }),
        };
        flags.iter().map(row).collect()
    }

    #[test]
    fn a_damaged_frame_that_is_not_shown_keeps_its_place_and_a_whole_one_does_not() {
        let at_20_ms = |flags: &[&str]| -> Vec<Row> {
            let times = (0..).map(|n: u64| 5_000_000_000 + n * 20_000_000);
            rows(flags).into_iter().zip(times).map(|(row, t_ns)| Row { t_ns, ..row }).collect()
        };
        let shown = |times_ms: &[i64]| -> Vec<Frame> {
            let frame = |ms: &i64| Frame { part: 0, stamp: None, pts_us: Some(ms * 1000), damaged: false };
            times_ms.iter().map(frame).collect()
        };
        let places = |flags: &[&str], times_ms: &[i64]| -> Vec<(Option<i64>, bool)> {
            let frames = with_those_not_shown(shown(times_ms), &at_20_ms(flags));
            frames.iter().map(|frame| (frame.pts_us.map(|us| us / 1000), frame.damaged)).collect()
        };
        let [a, b, c] = [0, 20, 40].map(|ms| (Some(ms), false));
        assert_eq!(places(&["", "d", ""], &[0, 40]), [a, (Some(20), true), c]);
        assert_eq!(places(&["", "d", ""], &[0, 20, 40]), [a, b, c], "it is shown");
        assert_eq!(places(&["", "", "d"], &[0, 20]), [a, b, (Some(40), true)]);
        assert_eq!(places(&["", "", ""], &[0, 40]), [a, c], "nobody has said so");
        assert!(places(&["d"], &[]).is_empty());
    }

    #[test]
    fn the_manifest_names_the_marked_rows_and_no_others() {
        let rows = rows(&["", "d", "rd", "", "d", ""]);
        let check = |damaged: &[(u64, u64)]| {
            let damaged = damaged.iter().map(|(first, last)| (*first, *last, "network".to_owned())).collect();
            check(&Camera { damaged, ..Camera::default() }, &rows)
        };
        assert_eq!(check(&[(1, 2), (4, 4)]), None);
        assert_eq!(check(&[(1, 1), (2, 2), (4, 4)]), None);
        for (damaged, frame) in [
            (&[][..], 1),
            (&[(1, 2)], 4),
            (&[(4, 4)], 1),
            (&[(1, 3), (4, 4)], 3),
            (&[(4, 4), (1, 2)], 1),
            (&[(1, 2), (4, 6)], 4),
        ] {
            assert_eq!(check(damaged), Some(Fault::DamagedDiffers { frame }), "{damaged:?}");
        }
        assert!((0..6).map(|frame| is_marked(&rows, frame)).eq([false, true, true, false, true, false]));
        assert!(!is_marked(&rows, 6));
    }
}
