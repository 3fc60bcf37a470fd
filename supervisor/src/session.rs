//! `session.json`: what ran, beside the clips it made. Rewritten when something in it changes; nothing depends on it.

use std::path::Path;

use proto::clip::{CodecVerdict, EncoderChoice};
use proto::config::Config;
use proto::durable;
use proto::time::{UtcTime, WallAnchor};
use serde::Serialize;

/// The version of the document.
const SCHEMA: u32 = 1;
/// Its name.
const FILE: &str = "session.json";

/// Clip sets of this session by outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clips {
    pub(crate) completed: u64,
    pub(crate) incomplete: u64,
    pub(crate) last_finish_ms: Option<u64>,
}

#[derive(Serialize)]
struct Session<'a> {
    schema: u32,
    preroll_version: &'static str,
    /// Both clocks at the time of writing.
    written: WallAnchor,
    written_utc: String,
    /// The run is over; otherwise it goes on, or was killed.
    ended: bool,
    config: &'a Config,
    encoder: Option<&'a EncoderChoice>,
    clips_completed: u64,
    clips_incomplete: u64,
}

/// Writes it.
pub(crate) fn write(
    folder: &Path,
    config: &Config,
    verdict: Option<&CodecVerdict>,
    clips: Clips,
    ended: bool,
) {
    let written = WallAnchor::now();
    let session = Session {
        schema: SCHEMA,
        preroll_version: env!("CARGO_PKG_VERSION"),
        written,
        written_utc: UtcTime::from_unix_ns(written.unix_ns).to_string(),
        ended,
        config,
        encoder: verdict.and_then(|v| v.chain.first()),
        clips_completed: clips.completed,
        clips_incomplete: clips.incomplete,
    };
    let path = folder.join(FILE);
    let done = serde_json::to_vec_pretty(&session)
        .map_err(Into::into)
        .and_then(|text| durable::replace(&path, &text));
    if let Err(e) = done {
        tracing::warn!("can't write {}: {e}; the clips do not need it", path.display());
    }
}

/// Removes the folder of a run that made no clip: nobody asked for it.
pub(crate) fn remove_if_empty(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    if entries.map(|e| e.file_name()).all(|name| name == FILE) {
        let _ = std::fs::remove_file(folder.join(FILE));
        let _ = std::fs::remove_dir(folder);
    }
}
