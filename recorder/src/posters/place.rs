//! The place of the trigger's frame in a camera's video. Pure but for the rows, which are read one by one.

use std::io::{self, BufRead};

use super::CameraOfClip;

/// A frame in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    /// Its time in that file. The newest frame at this time or before is meant.
    pub(super) at_ns: u64,
}

/// Finds the newest frame that was captured when the trigger came, else the first. `None` if there is no frame.
pub(super) fn find(
    rows: impl BufRead,
    camera: &CameraOfClip,
    trigger_ns: u64,
) -> io::Result<Option<Place<'_>>> {
    let mut files = files(camera);
    let Some((mut file, mut left)) = files.next() else { return Ok(None) };
    let (mut place, mut first_ns, mut index) = (None, None, 0_u64);
    for line in rows.lines().skip(1) {
        let line = line?;
        let Some(t_ns) = line.split(',').nth(2).and_then(|cell| cell.parse::<u64>().ok()) else { break };
        if left == 0 {
            let Some(next) = files.next() else { break };
            ((file, left), first_ns, index) = (next, None, 0);
        }
        if place.is_some() && t_ns > trigger_ns {
            break;
        }
        let first_ns = *first_ns.get_or_insert(t_ns);
        let at_ns =
            if file.ends_with(".avi") { middle_of(index, camera.fps) } else { t_ns.saturating_sub(first_ns) };
        place = Some(Place { file, at_ns });
        (left, index) = (left - 1, index + 1);
    }
    Ok(place)
}

/// The files of a video with the numbers of their frames.
fn files(camera: &CameraOfClip) -> impl Iterator<Item = (&str, u64)> {
    let is_one = camera.files.len() == 1;
    camera.files.iter().map(move |file| {
        let frames = camera.made_by.iter().find(|made| made.file == *file).map(|made| made.frames);
        (file.as_str(), if is_one { u64::MAX } else { frames.unwrap_or(0) })
    })
}

/// The middle of a frame's time in an AVI, which has a constant rate.
fn middle_of(index: u64, fps: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a file's frames, far below 2^53; a float that is out of range becomes the nearest number"
    )]
    let ns = ((index as f64 + 0.5) * 1e9 / fps) as u64;
    ns
}

#[cfg(test)]
mod tests {
    use super::super::FileOfClip;
    use super::*;

    fn camera(files: &[(&str, u64)]) -> CameraOfClip {
        CameraOfClip {
            files: files.iter().map(|(file, _)| (*file).to_owned()).collect(),
            made_by: files
                .iter()
                .map(|(file, frames)| FileOfClip { file: (*file).to_owned(), frames: *frames })
                .collect(),
            timestamps: "left_timestamps.csv".into(),
            fps: 50.0,
        }
    }

    const ROWS: &str = "header\nl,0,1000,1,,\nl,1,1020,2,,\nl,2,1041,3,,\nl,3,1060,4,,\n";

    fn found(files: &[(&str, u64)], trigger_ns: u64) -> Option<(String, u64)> {
        let camera = camera(files);
        let place = find(ROWS.as_bytes(), &camera, trigger_ns).unwrap();
        place.map(|place| (place.file.to_owned(), place.at_ns))
    }

    #[test]
    fn the_newest_frame_at_the_trigger_or_before_is_taken_and_else_the_first() {
        for (trigger, at) in [(1041, 41), (1059, 41), (9000, 60), (1000, 0), (5, 0)] {
            assert_eq!(found(&[("left.mp4", 4)], trigger), Some(("left.mp4".into(), at)), "{trigger}");
        }
    }

    #[test]
    fn each_file_begins_at_nothing_and_an_avi_counts_frames() {
        let files = [("left.mp4", 2), ("left~2.avi", 2)];
        assert_eq!(found(&files, 1020), Some(("left.mp4".into(), 20)));
        assert_eq!(found(&files, 1041), Some(("left~2.avi".into(), 10_000_000)));
        assert_eq!(found(&files, 9000), Some(("left~2.avi".into(), 30_000_000)));
        assert_eq!(found(&[("left~1.mp4", 2), ("left~2.mp4", 2)], 1060), Some(("left~2.mp4".into(), 19)));
    }

    #[test]
    fn there_is_no_place_without_a_frame() {
        let camera = camera(&[("left.mp4", 0)]);
        for rows in ["", "header\n", "header\nnonsense\n"] {
            assert_eq!(find(rows.as_bytes(), &camera, 7).unwrap(), None);
        }
        assert_eq!(found(&[], 1041), None);
    }
}
