//! `run.json`: the config, the encoder and the counts of a run, beside its clips. Nothing depends on it. A thread of its
//! own writes it whenever something in it changes, so that no other thread waits for the disk that clips go to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use proto::codec::{EncoderChoice, EncoderLadder};
use proto::config::Config;
use proto::durable;
use proto::time::{UtcTime, WallAnchor};
use serde::Serialize;

use crate::clips::Counts;
use crate::plan;

/// The version of the document.
const SCHEMA: u32 = 1;
/// The document's name.
const FILE: &str = "run.json";
/// The time that the last version may take to be written. The whole end may take five seconds.
const LAST_LINE: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct RunFile<'a> {
    schema: u32,
    preroll_version: &'static str,
    /// The time of writing, on both clocks.
    written: WallAnchor,
    written_utc: String,
    /// The run is over; otherwise it goes on, or was killed.
    ended: bool,
    config: &'a Config,
    encoder: Option<&'a EncoderChoice>,
    clips_completed: u64,
    clips_incomplete: u64,
}

/// A version of the document that is to be written.
struct Page {
    encoder: Option<EncoderChoice>,
    /// `None`: the run is over, and the clips on the disk are counted.
    clips: Option<Counts>,
}

/// The thread that writes.
pub(crate) struct RunFileWriter {
    pages: Sender<Page>,
    done: Receiver<()>,
}

impl RunFileWriter {
    pub(crate) fn start(folder: &Path, config: &Arc<Config>) -> std::io::Result<Self> {
        let (pages, queue) = channel();
        let (ended, done) = channel();
        let (folder, config) = (folder.to_owned(), Arc::clone(config));
        std::thread::Builder::new().name("run file".into()).spawn(move || {
            run(&folder, &config, &queue);
            // The supervisor may have stopped waiting by now.
            let _ = ended.send(());
        })?;
        Ok(Self { pages, done })
    }

    /// Has the document written soon. Of several versions only the newest is written.
    pub(crate) fn write(&self, verdict: Option<&EncoderLadder>, clips: Counts) {
        self.send(verdict, Some(clips));
    }

    /// Has the last version written, or the folder removed if no clip was made, and waits for it no longer than half a
    /// second.
    pub(crate) fn end(&self, verdict: Option<&EncoderLadder>) {
        self.send(verdict, None);
        if self.done.recv_timeout(LAST_LINE).is_err() {
            tracing::warn!(
                "{FILE} is not brought up to date: the disk does not answer; the clips do not need it"
            );
        }
    }

    fn send(&self, verdict: Option<&EncoderLadder>, clips: Option<Counts>) {
        let encoder = verdict.and_then(|v| v.chain.first().cloned());
        // The thread ends after the last page.
        let _ = self.pages.send(Page { encoder, clips });
    }
}

fn run(folder: &Path, config: &Config, queue: &Receiver<Page>) {
    while let Ok(mut page) = queue.recv() {
        while let Ok(newer) = queue.try_recv() {
            page = newer;
        }
        match page.clips {
            Some(clips) => write(folder, config, page.encoder.as_ref(), clips, false),
            None => {
                // The recorder's last reports may not have come, so the clips on the disk are counted.
                write(folder, config, page.encoder.as_ref(), Counts::on_disk(folder, &HashSet::new()), true);
                // A trigger may have been in the middle of writing its plan when everything ended.
                plan::clear_unplanned(folder);
                remove_if_empty(folder);
                return;
            }
        }
    }
}

fn write(folder: &Path, config: &Config, encoder: Option<&EncoderChoice>, clips: Counts, ended: bool) {
    let written = WallAnchor::now();
    let run = RunFile {
        schema: SCHEMA,
        preroll_version: env!("CARGO_PKG_VERSION"),
        written,
        written_utc: UtcTime::from_unix_ns(written.unix_ns).to_string(),
        ended,
        config,
        encoder,
        clips_completed: clips.completed,
        clips_incomplete: clips.incomplete,
    };
    let path: PathBuf = folder.join(FILE);
    let done = proto::storage::no_link(folder)
        .map_err(Into::into)
        .and_then(|()| Ok(serde_json::to_vec_pretty(&run)?))
        .and_then(|text| durable::replace(&path, &text));
    if let Err(e) = done {
        tracing::warn!("can't write {}: {e}; the clips do not need it", path.display());
    }
}

/// Removes the folder of a run that made no clip.
pub(crate) fn remove_if_empty(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    if entries.map(|e| e.file_name()).all(|name| name == FILE) {
        let _ = std::fs::remove_file(folder.join(FILE));
        let _ = std::fs::remove_dir(folder);
    }
}
