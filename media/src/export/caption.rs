//! The words below a picture: the clip's label, the camera, the frame's number and its time from the trigger, and wall time. The
//! trigger's frame is marked: its words are dark on white. Pure.

use proto::clip::{Manifest, clip_name};
use proto::time::{MonotonicNs, UtcTime, WallAnchor};

use super::font;
use super::layout::LINES;
use super::sheet::{Rect, Sheet};
use super::timeline::Lack;
use crate::colour::Meaning;

/// All that captions of a clip have in common.
#[derive(Clone, Debug)]
pub(crate) struct Captions {
    label: String,
    trigger_ns: u64,
    wall: WallAnchor,
}

/// The thing that a caption is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A frame by its number from the trigger, which has 0.
    Frame { number: i64, t_ns: u64 },
    /// No frame, at this instant.
    Lacks { lack: Lack, t_ns: u64 },
}

impl Captions {
    pub(crate) fn of(manifest: &Manifest, folder: &std::path::Path) -> Self {
        let label = manifest.label.as_ref().map(|label| label.as_str().to_owned());
        Self {
            label: label.unwrap_or_else(|| clip_name(folder).into_owned()),
            trigger_ns: manifest.trigger_ns.0,
            wall: manifest.wall,
        }
    }

    /// The lines of a caption.
    fn lines(&self, camera: &str, subject: Subject) -> [String; LINES] {
        let (what, t_ns) = match subject {
            Subject::Frame { number: 0, t_ns } => ("TRIGGER frame 0".to_owned(), t_ns),
            Subject::Frame { number, t_ns } => (format!("frame {number:+}"), t_ns),
            Subject::Lacks { lack, t_ns } => (lack.words(), t_ns),
        };
        let wall = UtcTime::from_unix_ns(self.wall.unix(MonotonicNs(t_ns)));
        [
            self.label.clone(),
            camera.to_owned(),
            format!("{what} {} ms", self.relative(t_ns)),
            wall.to_string(),
        ]
    }

    /// Milliseconds from the trigger with one digit behind the point, and always with a sign.
    fn relative(&self, t_ns: u64) -> String {
        let tenths = (i128::from(t_ns) - i128::from(self.trigger_ns)).div_euclid(100_000);
        let sign = if tenths < 0 { '-' } else { '+' };
        format!("{sign}{}.{}", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10)
    }

    /// Draws a caption.
    pub(crate) fn draw(
        &self,
        sheet: &mut Sheet,
        place: Rect,
        scale: usize,
        camera: &str,
        subject: Subject,
        meaning: Meaning,
    ) {
        let is_trigger = matches!(subject, Subject::Frame { number: 0, .. });
        let (paper, ink) = if is_trigger { (1.0, 0.0) } else { (0.0, 0.8) };
        sheet.fill(place, meaning.grey(paper));
        let end = place.x + place.width;
        for (nth, line) in self.lines(camera, subject).iter().enumerate() {
            let at = (place.x + 2 * scale, place.y + scale * (nth * font::LINE + 2));
            sheet.text(
                at,
                end,
                scale,
                &fitting(line, place.width.saturating_sub(2 * scale) / scale),
                meaning.grey(ink),
            );
        }
    }
}

/// Draws the place of a picture that isn't there: stripes, and the words on it.
pub(crate) fn draw_lack(sheet: &mut Sheet, place: Rect, scale: usize, lack: Lack, meaning: Meaning) {
    sheet.hatch(place, meaning.grey(0.0), meaning.grey(0.25));
    let words = fitting(&lack.words(), place.width / scale);
    let width = words.chars().count() * font::ADVANCE * scale;
    let (left, top) = (place.x + place.width.saturating_sub(width) / 2, place.y + place.height / 2);
    let box_height = scale * (font::HEIGHT + 4);
    if place.height > box_height {
        let top = top - box_height / 2;
        let paper =
            Rect { x: left / 2 * 2, y: top / 2 * 2, width: width.min(place.width), height: box_height };
        sheet.fill(paper, meaning.grey(0.0));
        sheet.text((left, top + 2 * scale), place.x + place.width, scale, &words, meaning.grey(1.0));
    }
}

/// A line that has room in so many letters' pixels; what has to go is told by its last letter.
fn fitting(line: &str, room: usize) -> String {
    let letters = (room + 1) / font::ADVANCE;
    if line.chars().count() <= letters {
        return line.to_owned();
    }
    line.chars().take(letters.saturating_sub(1)).chain(std::iter::once('~')).collect()
}

#[cfg(test)]
mod tests {
    use proto::clip::GapCause;

    use super::*;

    const MS: u64 = 1_000_000;

    fn captions() -> Captions {
        let wall = WallAnchor { monotonic_ns: MonotonicNs(0), unix_ns: 1_795_342_500_250_000_000 };
        Captions { label: "serve".into(), trigger_ns: 1_000 * MS, wall }
    }

    #[test]
    fn a_caption_says_what_is_seen_and_when() {
        let lines = |subject| captions().lines("left", subject).join("|");
        assert_eq!(
            lines(Subject::Frame { number: -12, t_ns: 799_999_999 }),
            "serve|left|frame -12 -200.1 ms|2026-11-22T10:15:01.049Z"
        );
        assert_eq!(
            lines(Subject::Frame { number: 0, t_ns: 1_000 * MS }),
            "serve|left|TRIGGER frame 0 +0.0 ms|2026-11-22T10:15:01.250Z"
        );
        assert!(lines(Subject::Frame { number: 3, t_ns: 1_050 * MS }).contains("|frame +3 +50.0 ms|"));
        let lack = Lack::Gap(Some(GapCause::CameraStall));
        assert!(lines(Subject::Lacks { lack, t_ns: 990 * MS }).contains("|no frame: camera_stall -10.0 ms|"));
    }

    #[test]
    fn the_triggers_frame_is_dark_on_white() {
        let place = Rect { x: 0, y: 0, width: 160, height: 44 };
        let paper = |number: i64| {
            let mut sheet = Sheet::new(160, 44, [0; 3]);
            let subject = Subject::Frame { number, t_ns: 0 };
            captions().draw(&mut sheet, place, 1, "left", subject, Meaning::JPEG);
            let lit = (0..160 * 44).filter(|n| sheet.pixel(n % 160, n / 160)[0] > 128).count();
            (sheet.pixel(0, 0)[0], lit)
        };
        let (trigger, other) = (paper(0), paper(1));
        assert_eq!((trigger.0, other.0), (255, 0));
        assert!(trigger.1 > 5000 && (200..2000).contains(&other.1), "{trigger:?} {other:?}");
    }

    #[test]
    fn a_line_that_has_no_room_says_so_and_no_place_is_too_small() {
        assert_eq!(fitting("camera", 6 * 6), "camera");
        assert_eq!(fitting("camera", 6 * 4 - 1), "cam~");
        assert_eq!(fitting("camera", 0), "~");
        for (width, height) in [(2, 2), (7, 3), (30, 40), (200, 100)] {
            let mut sheet = Sheet::new(width, height, [0; 3]);
            draw_lack(&mut sheet, Rect { x: 0, y: 0, width, height }, 2, Lack::NoVideo, Meaning::JPEG);
        }
    }
}
