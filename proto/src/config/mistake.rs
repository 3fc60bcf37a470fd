//! A mistake in a config, shown where it stands.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_saphyr::Location;

/// What is wrong with a config, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    path: PathBuf,
    message: String,
    place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    text: String,
}

/// How much of a line is shown, in characters.
const SHOWN: usize = 160;
/// And how much of it at most before the mistake.
const SHOWN_BEFORE: usize = 100;

/// What each key takes, for a person who typed something else.
const WHAT_IS_RIGHT: &[(&str, &str)] = &[
    ("camera", "a mapping such as { fps: 60 }"),
    ("cameras", "a list such as [{ name: left, backend: sim }]"),
    ("recording", "a mapping such as { output_dir: recordings }"),
    ("width", "pixels, a whole number such as 1280"),
    ("height", "pixels, a whole number such as 720"),
    ("fps", "frames a second, a number such as 60 or 59.94"),
    ("pixel_format", "one of I420, NV12, YUYV, GRAY8, BGR24"),
    ("name", "a text such as left"),
    ("backend", "one of sim, file, opencv"),
    ("truth_log", "a file's path"),
    ("speed", "how many times faster, a number such as 2"),
    ("faults", "a mapping such as { drop_every: 100 }"),
    ("crash_after_frames", "frames, a whole number"),
    ("stall_after_frames", "frames, a whole number"),
    ("stall_ms", "milliseconds, a whole number"),
    ("unplug_after_frames", "frames, a whole number"),
    ("unplug_ms", "milliseconds, a whole number"),
    ("freeze_after_frames", "frames, a whole number"),
    ("freeze_ms", "milliseconds, a whole number"),
    ("black_after_frames", "frames, a whole number"),
    ("black_ms", "milliseconds, a whole number"),
    ("resize_after_frames", "frames, a whole number"),
    ("resize_ms", "milliseconds, a whole number"),
    ("drop_every", "frames, a whole number"),
    ("jitter_ms", "milliseconds, a whole number"),
    ("slow_start_ms", "milliseconds, a whole number"),
    ("path", "a video file's path"),
    ("loop", "true or false"),
    ("realtime", "true or false"),
    ("scale", "true or false"),
    ("source", "a device's number, a URL, a file or a GStreamer pipeline"),
    ("output_dir", "a folder's path"),
    ("rig", "a text such as pitch-2"),
    ("run_name", "a text such as practice"),
    ("pre_roll_ms", "milliseconds, a whole number such as 500"),
    ("post_roll_ms", "milliseconds, a whole number such as 500"),
    ("reserve_ms", "milliseconds, a whole number such as 250"),
    ("codec_quality", "a CRF, a whole number from 0 to 51"),
    ("preferred_codec", "one of auto, H264, avc1, XVID, MP4V, MJPG"),
    ("preset", "auto, or one of x264's, such as veryfast"),
    ("standby_recorder", "true or false"),
    ("min_free_bytes", "bytes, a whole number such as 67108864"),
    ("max_open_clips", "a whole number from 1 to 64"),
];

impl Mistake {
    pub(super) fn unreadable(path: &Path, why: &io::Error) -> Self {
        let hint =
            if why.kind() == io::ErrorKind::NotFound { "; name a config with --config FILE" } else { "" };
        Self { path: path.to_owned(), message: format!("can't read it: {why}{hint}"), place: None }
    }

    pub(super) fn at(path: &Path, text: &str, location: Location, message: impl Into<String>) -> Self {
        let line = usize::try_from(location.line()).unwrap_or(0);
        let column = usize::try_from(location.column()).unwrap_or(0);
        let shown = line.checked_sub(1).and_then(|l| text.lines().nth(l));
        let place = shown.map(|text| Place { line, column: column.max(1), text: text.to_owned() });
        Self { path: path.to_owned(), message: message.into(), place }
    }

    pub(super) fn syntax(path: &Path, text: &str, error: &serde_saphyr::Error) -> Self {
        let rendered = error.without_snippet().to_string();
        let mut message = first_sentence(&rendered);
        let location = error.location();
        if text.trim().is_empty() {
            message = "it is empty; see configs/default.yaml for one to start from".to_owned();
        } else if let Some(key) = location.and_then(|l| key_before(text, l)) {
            let right = WHAT_IS_RIGHT.iter().find(|(k, _)| *k == key);
            if let (Some((_, right)), false) = (right, message.contains("unknown field")) {
                // "invalid u32" and "expected string scalar" say nothing to anyone who doesn't write Rust.
                let unclear = message.starts_with("invalid ") || message.starts_with("expected ");
                let told = if unclear { String::new() } else { format!("{message}; ") };
                message = format!("{key}: {told}it takes {right}");
            }
        }
        match location {
            Some(location) => Self::at(path, text, location, message),
            None => Self { path: path.to_owned(), message, place: None },
        }
    }

    /// The line of the mistake, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|p| p.line)
    }

    /// The column of the mistake, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|p| p.column)
    }
}

/// The parser's own message without its "line 3 column 16: " and without its drawing of the place.
fn first_sentence(rendered: &str) -> String {
    let line = rendered.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let told =
        line.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map_or(line, |(_, told)| told);
    let told = told.split(" at line ").next().unwrap_or(told);
    told.replace(", set DuplicateKeyPolicy in Options if acceptable", "; say it once").trim().to_owned()
}

/// The key whose value stands at a location: the word before the last colon before it. A value that is missing stands
/// at the colon itself.
fn key_before(text: &str, location: Location) -> Option<String> {
    let line = text.lines().nth(usize::try_from(location.line()).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(location.column()).ok()?;
    let here = line.chars().nth(column.checked_sub(1)?);
    let before: String = line.chars().take(if here == Some(':') { column } else { column - 1 }).collect();
    let before = before.trim_end().strip_suffix(':')?;
    let key = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
    Some(key.to_owned())
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let Some(Place { line, column, text }) = &self.place else {
            return write!(f, "{path}: {}", self.message);
        };
        writeln!(f, "{path}:{line}:{column}: {}", self.message)?;
        let gutter = line.to_string().len();
        // Of a very long line, what is around the place.
        let before = column.saturating_sub(1).min(SHOWN_BEFORE);
        let shown: String = text.chars().skip(column - 1 - before).take(SHOWN).collect();
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{line} | {shown}")?;
        write!(f, "{:gutter$} | {:>mark$}", "", "^", mark = before + 1)
    }
}

impl std::error::Error for Mistake {}
