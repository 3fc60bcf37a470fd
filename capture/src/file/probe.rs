//! The probe of a video file: its size, rate and length as JSON, for a supervisor that links no libav.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use proto::process::Pid;
use serde_json::json;

use super::decode::Decoder;
use capture::source::SourceError;

/// The file in `--probe FILE`, and the process in `--parent PID` if that follows. Nothing else may.
pub(crate) fn asked(mut args: impl Iterator<Item = OsString>) -> Option<(PathBuf, Option<Pid>)> {
    let (flag, file) = (args.nth(1)?, args.next()?);
    let parent = match args.next() {
        None => None,
        Some(flag) if flag == "--parent" => Some(args.next()?.to_str()?.parse().ok()?),
        Some(_) => return None,
    };
    (flag == "--probe" && args.next().is_none()).then(|| (file.into(), parent))
}

/// One line of JSON: `width`, `height` (pixels), `fps` (frames a second while it moves), `frames` (of one pass),
/// `duration_s` (to the last frame's end), `codec` (libav's name for it) and `picture` (what its first picture says of
/// itself: [`PictureTags`](proto::frame::PictureTags)).
///
/// # Errors
/// When the file is not there or not a video.
pub(crate) fn probe(path: &Path) -> Result<String, SourceError> {
    let (timetable, mut decoder) = Decoder::open(path)?.scan()?;
    let picture = decoder.first_tags();
    let thousandths = |value: f64| (value * 1_000.0).round() / 1_000.0;
    let (width, height) = decoder.size();
    let duration = std::time::Duration::from_nanos(timetable.length_ns());
    Ok(json!({
        "width": width,
        "height": height,
        "fps": thousandths(timetable.fps()),
        "frames": timetable.frames(),
        "duration_s": thousandths(duration.as_secs_f64()),
        "codec": decoder.codec(),
        "picture": picture,
    })
    .to_string())
}
