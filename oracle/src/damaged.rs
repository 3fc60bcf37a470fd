//! Frames that a clip holds and calls damaged: the manifest's word, the rows' marks, and what is no fault of such a frame. Pure.

use crate::fault::Fault;
use crate::manifest::Camera;
use crate::timestamps::Row;

/// The letter of such a frame's row in `flags`.
const LETTER: char = 'd';

/// Says whether the row of a frame calls it damaged.
pub fn is_marked(rows: &[Row], frame: usize) -> bool {
    let more = rows.get(frame).and_then(|row| row.more.as_ref());
    more.is_some_and(|more| more.flags.contains(LETTER))
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
