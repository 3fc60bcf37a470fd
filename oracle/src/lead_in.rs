//! The one frame that a clip may hold from before its window: the picture that stood when the window began, of a camera
//! whose frames come at no rate. Pure.

use crate::fault::Fault;
use crate::manifest::{Camera, Window};
use crate::timestamps::Row;

/// The letter of such a frame's row in `flags`.
const LETTER: char = 'l';

/// Compares what the manifest and the rows say of a lead-in with the rows' times. It is the first row, and no other.
pub fn check(window: Window, camera: &Camera, rows: &[Row]) -> Option<Fault> {
    let found = rows.iter().take_while(|row| row.t_ns < window.start_ns).count();
    let is_marked = |row: &Row| row.more.as_ref().is_none_or(|more| more.flags.contains(LETTER));
    let is_unmarked = |row: &Row| row.more.as_ref().is_none_or(|more| !more.flags.contains(LETTER));
    let marks_fit = rows.iter().take(found).all(is_marked) && rows.iter().skip(found).all(is_unmarked);
    let claims_fit = camera.lead_in_frames == u64::try_from(found).unwrap_or(u64::MAX) && found <= 1;
    let is_wrong = camera.lead_in_frames > 0 && !(marks_fit && claims_fit);
    let is_silent = camera.lead_in_frames == 0 && !rows.iter().all(is_unmarked);
    (is_wrong || is_silent).then_some(Fault::LeadInDiffers { claimed: camera.lead_in_frames, found })
}

/// The first row outside the window that is no lead-in, and by how many nanoseconds.
pub fn row_outside(window: Window, camera: &Camera, rows: &[Row]) -> Option<(usize, u64)> {
    let skipped = usize::from(camera.lead_in_frames > 0);
    let outside =
        |row: &Row| window.start_ns.saturating_sub(row.t_ns).max(row.t_ns.saturating_sub(window.end_ns));
    let distances = rows.iter().enumerate().skip(skipped).map(|(frame, row)| (frame, outside(row)));
    distances.into_iter().find(|(_, by_ns)| *by_ns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamps::More;

    const WINDOW: Window = Window { start_ns: 1000, end_ns: 2000 };

    fn row(t_ns: u64, flags: &str) -> Row {
        let more = Some(More { sequence: t_ns, t_rel_us: 0, flags: flags.to_owned() });
        Row { camera_id: "left".to_owned(), frame_index: 0, t_ns, more }
    }

    fn camera(lead_in_frames: u64) -> Camera {
        Camera { lead_in_frames, ..Camera::default() }
    }

    #[test]
    fn a_lead_in_is_the_first_row_marked_and_counted() {
        let rows = [row(10, "l"), row(1000, ""), row(2000, "r")];
        assert_eq!(check(WINDOW, &camera(1), &rows), None);
        assert_eq!(row_outside(WINDOW, &camera(1), &rows), None);
        assert_eq!(check(WINDOW, &camera(0), &rows[1..]), None);
        for (claimed, rows) in [
            (0, vec![row(10, "l"), row(1000, "")]),
            (1, vec![row(10, ""), row(1000, "")]),
            (1, vec![row(1000, "l")]),
            (1, vec![row(1000, "")]),
            (2, vec![row(10, "l"), row(20, "l")]),
            (1, vec![row(10, "l"), row(1000, "l")]),
        ] {
            assert!(check(WINDOW, &camera(claimed), &rows).is_some(), "{claimed} {rows:?}");
        }
    }

    #[test]
    fn any_other_row_outside_the_window_is_found() {
        assert_eq!(row_outside(WINDOW, &camera(0), &[row(990, "")]), Some((0, 10)));
        assert_eq!(row_outside(WINDOW, &camera(1), &[row(10, "l"), row(990, "")]), Some((1, 10)));
        assert_eq!(row_outside(WINDOW, &camera(0), &[row(1500, ""), row(2001, "")]), Some((1, 1)));
    }
}
