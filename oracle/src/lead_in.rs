//! Frames that a clip may hold from before its window: the picture that stood when the window began, of a camera whose frames
//! come at no rate; or, in a verbatim clip, those that the window's first frame can't be decoded without. Pure.

use crate::fault::Fault;
use crate::manifest::{Camera, Window};
use crate::timestamps::Row;

/// The letter of such a frame's row in `flags`.
const LETTER: char = 'l';

/// Compares what the manifest and the rows say of a lead-in with the rows' times. It is the first row and no other, or in a
/// verbatim clip the first ones.
pub fn check(window: Window, camera: &Camera, rows: &[Row]) -> Option<Fault> {
    let found = rows.iter().take_while(|row| row.t_ns < window.start_ns).count();
    let is_marked = |row: &Row| row.more.as_ref().is_none_or(|more| more.flags.contains(LETTER));
    let is_unmarked = |row: &Row| row.more.as_ref().is_none_or(|more| !more.flags.contains(LETTER));
    let marks_fit = rows.iter().take(found).all(is_marked) && rows.iter().skip(found).all(is_unmarked);
    let claimed = usize::try_from(camera.lead_in_frames).unwrap_or(usize::MAX);
    let claims_fit = claimed == found && (found <= 1 || camera.hides_lead_in());
    let is_wrong = camera.lead_in_frames > 0 && !(marks_fit && claims_fit);
    let is_silent = camera.lead_in_frames == 0 && !rows.iter().all(is_unmarked);
    (is_wrong || is_silent).then_some(Fault::LeadInDiffers { claimed: camera.lead_in_frames, found })
}

/// The number of frames at the beginning that may be from before the window, by the manifest.
pub fn frames(camera: &Camera) -> usize {
    let most = if camera.hides_lead_in() { usize::MAX } else { 1 };
    usize::try_from(camera.lead_in_frames).unwrap_or(usize::MAX).min(most)
}

/// The first row outside the window that is no lead-in, and by how many nanoseconds.
pub fn row_outside(window: Window, camera: &Camera, rows: &[Row]) -> Option<(usize, u64)> {
    let skipped = frames(camera);
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
    fn a_verbatim_clip_may_have_several() {
        let rows = [row(10, "l"), row(20, "ld"), row(1000, "")];
        let camera = Camera { video: Some("verbatim".to_owned()), ..camera(2) };
        assert_eq!(check(WINDOW, &camera, &rows), None);
        assert_eq!(row_outside(WINDOW, &camera, &rows), None);
        assert!(check(WINDOW, &Camera { lead_in_frames: 1, ..camera.clone() }, &rows).is_some());
        assert!(check(WINDOW, &camera, &[row(10, "l"), row(20, ""), row(1000, "")]).is_some());
        let smart = Camera { video: Some("smart".to_owned()), ..camera };
        assert!(check(WINDOW, &smart, &rows).is_some());
        assert_eq!(row_outside(WINDOW, &smart, &rows), Some((1, 980)));
    }

    #[test]
    fn any_other_row_outside_the_window_is_found() {
        assert_eq!(row_outside(WINDOW, &camera(0), &[row(990, "")]), Some((0, 10)));
        assert_eq!(row_outside(WINDOW, &camera(1), &[row(10, "l"), row(990, "")]), Some((1, 10)));
        assert_eq!(row_outside(WINDOW, &camera(0), &[row(1500, ""), row(2001, "")]), Some((1, 1)));
    }
}
