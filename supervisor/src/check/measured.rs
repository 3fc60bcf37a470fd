//! The bytes that cameras took in their last clips, by the manifests: what recording costs, where that is known. Only clips of runs
//! with the same settings of the encoder count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::clip::{CameraClip, MANIFEST, Manifest, StretchHow};
use proto::codec::Codec;
use proto::config::{CameraConfig, Config};
use proto::name::Name;
use proto::opened;
use serde_json::Value;

use super::{output_dir, patience};
use crate::run_file;

/// So many clips are looked at, newest first.
const CLIPS: usize = 16;
/// A clip of fewer frames is little but its first key frame.
const FEWEST_FRAMES: u64 = 15;

/// The bytes of a camera's frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frames {
    pub(super) codec: Codec,
    frames: u64,
    bytes: u64,
}

impl Frames {
    /// The bytes a second of a camera while it is recorded.
    #[expect(clippy::cast_precision_loss, reason = "an average, for a person to read")]
    pub(super) fn bytes_per_s(&self, camera: &CameraConfig) -> f64 {
        self.bytes as f64 / self.frames.max(1) as f64 * camera.fps.as_f64()
    }

    #[cfg(test)]
    pub(super) fn of(codec: Codec, frames: u64, bytes: u64) -> Self {
        Self { codec, frames, bytes }
    }

    fn add(&mut self, other: Self) {
        // An encoder that was given up says nothing of the one that is in use.
        if self.codec == other.codec {
            self.frames = self.frames.saturating_add(other.frames);
            self.bytes = self.bytes.saturating_add(other.bytes);
        }
    }
}

/// The frames of each camera in the last clips. Empty where there are none, and while the disk gives no answer.
pub(super) fn look(config: &Config) -> BTreeMap<Name, Frames> {
    let owned = config.clone();
    patience::within(output_dir::named(config), move || read(&owned)).unwrap_or_default()
}

fn read(config: &Config) -> BTreeMap<Name, Frames> {
    let mut found = BTreeMap::new();
    let Ok(output) = output_dir::plain(config) else { return found };
    let runs = newest_first(&output).into_iter().filter(|run| has_settings_of(run, config));
    let clips = runs.flat_map(|run| newest_first(&run)).filter_map(|clip| manifest(&clip));
    for clip in clips.take(CLIPS) {
        for camera in &config.cameras {
            let Some(frames) = clip.cameras.get(&camera.name).and_then(|clip| frames(camera, clip)) else {
                continue;
            };
            found.entry(camera.name.clone()).and_modify(|sum: &mut Frames| sum.add(frames)).or_insert(frames);
        }
    }
    found
}

/// The folders of ours in a folder, the one that was changed last first.
fn newest_first(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(SystemTime, PathBuf)> = opened::folders_of_ours(folder)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Was a run recorded with the config's settings of the encoder?
fn has_settings_of(run: &Path, config: &Config) -> bool {
    let text = opened::read(&run.join(run_file::FILE)).unwrap_or_default();
    let Ok(then) = serde_json::from_slice::<Value>(&text) else { return false };
    let Ok(now) = serde_json::to_value(&config.recording) else { return false };
    let is_same = |key: &str| then["config"]["recording"][key] == now[key];
    ["preferred_codec", "codec_quality", "preset"].into_iter().all(is_same)
}

fn manifest(clip: &Path) -> Option<Manifest> {
    serde_json::from_slice(&opened::read(&clip.join(MANIFEST)).ok()?).ok()
}

/// A clip's frames of a camera that is as it was then.
fn frames(camera: &CameraConfig, clip: &CameraClip) -> Option<Frames> {
    let size = (camera.geometry.width(), camera.geometry.height());
    let is_same = (clip.width, clip.height) == size && (clip.fps - camera.fps.as_f64()).abs() < 0.001;
    let is_one_codec = clip.made_by.iter().all(|file| file.codec == clip.codec);
    let was_copied = clip.stretches.iter().any(|stretch| stretch.how == StretchHow::Copied);
    let frames = clip.frames_written;
    (is_same && is_one_codec && was_copied == camera.is_mostly_copied() && frames >= FEWEST_FRAMES)
        .then_some(Frames { codec: clip.codec, frames, bytes: clip.size_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clip of one camera, as far as it is read here.
    fn clip(run: &Path, name: &str, codec: &str, frames: u64, bytes: u64) {
        let mut manifest: Value =
            serde_json::from_str(include_str!("../../../proto/src/clip/schema1/whole.json")).unwrap();
        let mut left = manifest["cameras"].as_object().unwrap().values().next().unwrap().clone();
        for (key, value) in [
            ("codec", Value::from(codec)),
            ("width", 640.into()),
            ("height", 480.into()),
            ("fps", 25.0.into()),
            ("frames_written", frames.into()),
            ("size_bytes", bytes.into()),
        ] {
            left[key] = value;
        }
        left["made_by"] = Value::Array(Vec::new());
        manifest["cameras"] = serde_json::json!({ "left": left });
        std::fs::create_dir_all(run.join(name)).unwrap();
        std::fs::write(run.join(name).join(MANIFEST), manifest.to_string()).unwrap();
    }

    fn config(folder: &Path, fps: u32, more: &str) -> Config {
        let folder = folder.display().to_string();
        let camera = format!("{{ name: left, backend: sim, width: 640, height: 480, fps: {fps} }}");
        let text = format!("cameras: [{camera}]\nrecording: {{ output_dir: {folder:?}{more} }}\n");
        Config::parse(Path::new("rig.yaml"), &text).unwrap()
    }

    fn run_file_of(run: &Path, config: &Config) {
        let document = serde_json::json!({ "config": config });
        std::fs::write(run.join(run_file::FILE), document.to_string()).unwrap();
    }

    #[test]
    fn the_last_clips_of_runs_with_the_same_encoder_say_what_a_camera_takes() {
        let folder = tempfile::tempdir().unwrap();
        let (usual, fine) = (config(folder.path(), 25, ""), config(folder.path(), 25, ", codec_quality: 10"));
        let run = folder.path().join("run_1");
        clip(&run, "clip-0001", "MJPG", 100, 9_000_000);
        clip(&run, "clip-0002", "H264", 100, 300_000);
        clip(&run, "clip-0003", "H264", 100, 100_000);
        clip(&run, "clip-0004", "H264", 3, 90_000);
        assert_eq!(read(&usual), BTreeMap::new(), "nobody knows with which settings");
        run_file_of(&run, &usual);
        let rate = read(&usual)[&usual.cameras[0].name];
        // 2000 bytes a frame.
        assert_eq!((rate.codec, rate.bytes_per_s(&usual.cameras[0])), (Codec::H264, 50_000.0));
        assert_eq!(read(&fine), BTreeMap::new(), "another quality");
        assert_eq!(read(&config(folder.path(), 50, "")), BTreeMap::new(), "another rate");
    }
}
