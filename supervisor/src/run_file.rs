//! `run.json`: the config, the encoder and the counts of a run, beside its clips. Nothing depends on it. A thread of its
//! own writes it whenever something in it changes, so that no other thread waits for the disk that clips go to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use proto::by_camera::ByCamera;
use proto::codec::EncoderChoice;
use proto::config::Config;
use proto::durable;
use proto::frame::Fps;
use proto::name::Name;
use proto::opened;
use proto::time::{UtcTime, WallAnchor};
use serde::Serialize;

use crate::clips::Counts;
use crate::trigger::plan;

/// The version of the document. In version 1 the rates in `config` were thousandths of a frame a second.
const SCHEMA: u32 = 2;
/// The document's name.
pub(crate) const FILE: &str = "run.json";
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
    config: serde_json::Value,
    /// The first camera's, as in `encoders`.
    encoder: Option<&'a EncoderChoice>,
    encoders: ByCamera<&'a EncoderChoice>,
    clips_completed: u64,
    clips_incomplete: u64,
}

/// A version of the document that is to be written.
struct Page {
    /// In the config's order.
    encoders: Vec<(Name, EncoderChoice)>,
    /// `None`: the run is over, and the clips on the disk are counted.
    clips: Option<Counts>,
}

/// What the thread is told.
enum Note {
    Page(Page),
    /// The config is another from now on: a camera gives something else.
    Config(Arc<Config>),
}

/// The thread that writes.
pub(crate) struct RunFileWriter {
    notes: Sender<Note>,
    done: Receiver<()>,
}

impl RunFileWriter {
    pub(crate) fn start(folder: &Path, config: &Arc<Config>) -> std::io::Result<Self> {
        let (notes, queue) = channel();
        let (ended, done) = channel();
        let (folder, config) = (folder.to_owned(), Arc::clone(config));
        std::thread::Builder::new().name("run file".into()).spawn(move || {
            run(&folder, config, &queue);
            // The supervisor may have stopped waiting by now.
            let _ = ended.send(());
        })?;
        Ok(Self { notes, done })
    }

    /// Has later versions hold another config.
    pub(crate) fn use_config(&self, config: &Arc<Config>) {
        // The thread ends after the last page.
        let _ = self.notes.send(Note::Config(Arc::clone(config)));
    }

    /// Has the document written soon. Of several versions only the newest is written.
    pub(crate) fn write(&self, encoders: &[(Name, EncoderChoice)], clips: Counts) {
        self.send(encoders, Some(clips));
    }

    /// Has the last version written, or the folder removed if no clip was made, and waits for it no longer than half a
    /// second.
    pub(crate) fn end(&self, encoders: &[(Name, EncoderChoice)]) {
        self.send(encoders, None);
        if self.done.recv_timeout(LAST_LINE).is_err() {
            tracing::warn!(
                "{FILE} is not brought up to date: the disk does not answer; the clips do not need it"
            );
        }
    }

    fn send(&self, encoders: &[(Name, EncoderChoice)], clips: Option<Counts>) {
        // The thread ends after the last page.
        let _ = self.notes.send(Note::Page(Page { encoders: encoders.to_vec(), clips }));
    }
}

fn run(folder: &Path, mut config: Arc<Config>, queue: &Receiver<Note>) {
    while let Ok(first) = queue.recv() {
        let mut newest = None;
        for note in std::iter::once(first).chain(queue.try_iter()) {
            match note {
                Note::Page(page) => newest = Some(page),
                Note::Config(another) => config = another,
            }
        }
        let Some(page) = newest else { continue };
        match page.clips {
            Some(clips) => write(folder, &config, &page.encoders, clips, false),
            None => {
                // The recorder's last reports may not have come, so the clips on the disk are counted.
                write(folder, &config, &page.encoders, Counts::on_disk(folder, &HashSet::new()), true);
                // A trigger may have been in the middle of writing its plan when everything ended.
                plan::clear_unplanned(folder);
                remove_if_empty(folder);
                return;
            }
        }
    }
}

fn write(folder: &Path, config: &Config, encoders: &[(Name, EncoderChoice)], clips: Counts, ended: bool) {
    let path: PathBuf = folder.join(FILE);
    let done = proto::storage::no_link(folder)
        .map_err(Into::into)
        .and_then(|()| text(config, encoders, clips, ended))
        .and_then(|text| durable::replace(&path, &text));
    if let Err(e) = done {
        tracing::warn!("can't write {}: {e}; the clips do not need it", path.display());
    }
}

fn text(
    config: &Config,
    encoders: &[(Name, EncoderChoice)],
    clips: Counts,
    ended: bool,
) -> std::io::Result<Vec<u8>> {
    let written = WallAnchor::now();
    Ok(serde_json::to_vec_pretty(&RunFile {
        schema: SCHEMA,
        preroll_version: env!("CARGO_PKG_VERSION"),
        written,
        written_utc: UtcTime::from_unix_ns(written.unix_ns).to_string(),
        ended,
        config: with_plain_rates(config)?,
        encoder: encoders.first().map(|(_, encoder)| encoder),
        encoders: encoders.iter().map(|(camera, encoder)| (camera.clone(), encoder)).collect(),
        clips_completed: clips.completed,
        clips_incomplete: clips.incomplete,
    })?)
}

/// The config with its rates in frames a second, as the config file, manifests and stats have them. The instance's own copy,
/// which its children read, has them in thousandths.
fn with_plain_rates(config: &Config) -> serde_json::Result<serde_json::Value> {
    let mut shown = serde_json::to_value(config)?;
    let cameras = shown.get_mut("cameras").and_then(serde_json::Value::as_array_mut);
    for (shown, camera) in cameras.into_iter().flatten().zip(&config.cameras) {
        shown["fps"] = camera.fps.as_f64().into();
        shown["typed"]["fps"] = camera.typed.fps.map(Fps::as_f64).into();
    }
    Ok(shown)
}

/// Removes the folder of a run that made no clip.
pub(crate) fn remove_if_empty(folder: &Path) {
    if opened::names(folder).is_ok_and(|names| names.iter().all(|name| name == FILE)) {
        let _ = opened::remove_file(&folder.join(FILE));
        let _ = std::fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Arc<Config> {
        let text = "cameras: [{ name: left, backend: sim, fps: 60 }]\n";
        Arc::new(Config::parse(Path::new("rig.yaml"), text).unwrap())
    }

    fn read(folder: &Path) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.join(FILE)).unwrap()).unwrap()
    }

    fn clip(run: &Path, name: &str) {
        std::fs::create_dir(run.join(name)).unwrap();
        std::fs::write(run.join(name).join("left.mp4"), "x").unwrap();
    }

    #[test]
    fn the_document_holds_what_ran_and_is_closed_at_the_end() {
        let run = tempfile::tempdir().unwrap();
        clip(run.path(), "clip-0001");
        let counts = Counts { completed: 2, incomplete: 1, last_finish_ms: None };
        write(run.path(), &config(), &[], counts, false);
        let document = read(run.path());
        assert_eq!((&document["schema"], &document["ended"]), (&2.into(), &false.into()));
        assert_eq!((&document["clips_completed"], &document["clips_incomplete"]), (&2.into(), &1.into()));
        let camera = &document["config"]["cameras"][0];
        assert_eq!((&camera["name"], &camera["fps"]), (&"left".into(), &60.0.into()));
        assert_eq!(camera["typed"]["fps"], 60.0);

        let writer = RunFileWriter::start(run.path(), &config()).unwrap();
        let encoder = EncoderChoice {
            codec: proto::codec::Codec::H264,
            encoder: "libx264".into(),
            preset: Some("superfast".into()),
        };
        writer.end(&[(Name::new("left").unwrap(), encoder)]);
        let document = read(run.path());
        assert_eq!((&document["ended"], &document["encoder"]["encoder"]), (&true.into(), &"libx264".into()));
        assert_eq!(document["encoders"]["left"], document["encoder"]);
        // Counted on the disk, where there is no manifest.
        assert_eq!(document["clips_completed"], 0);
    }

    #[test]
    fn a_run_without_a_clip_leaves_no_folder() {
        let output = tempfile::tempdir().unwrap();
        let run = output.path().join("run_1");
        std::fs::create_dir(&run).unwrap();
        let writer = RunFileWriter::start(&run, &config()).unwrap();
        writer.write(&[], Counts::default());
        writer.end(&[]);
        assert!(!run.exists());
    }

    #[test]
    fn nothing_is_written_through_a_link_in_the_folders_place() {
        let output = tempfile::tempdir().unwrap();
        let (elsewhere, run) = (output.path().join("elsewhere"), output.path().join("run_1"));
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &run).unwrap();
        write(&run, &config(), &[], Counts::default(), false);
        assert!(!elsewhere.join(FILE).exists());
    }
}
