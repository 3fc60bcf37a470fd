//! What live cameras offered in earlier runs, as the newest run that is left on the disk has it: for a camera that isn't there
//! at a start and whose config names no size. Nothing depends on it but how much memory is counted until the camera comes.

use std::path::Path;

use proto::config::{CameraConfig, Config};
use proto::offer::Offer;
use proto::opened;
use serde::Deserialize;

use crate::check::{output_dir, patience};
use crate::run_file;

/// So many runs are looked at, the newest first.
const RUNS: usize = 8;

/// The cameras of earlier runs, the newest run's first.
#[derive(Debug, Default)]
pub(super) struct LastOffers(Vec<CameraConfig>);

/// The part of a run's file that is read: its cameras as they counted.
#[derive(Deserialize)]
struct Run {
    config: Cameras,
}

#[derive(Deserialize)]
struct Cameras {
    cameras: Vec<CameraConfig>,
}

impl LastOffers {
    /// Reads the runs of a config's output folder, if there is a camera for which that could matter. A disk that doesn't answer
    /// is no reason not to start.
    pub(super) fn of_runs(config: &Config) -> Self {
        let is_open = |camera: &CameraConfig| camera.backend.is_live() && camera.typed.size.is_none();
        if !config.cameras.iter().any(is_open) {
            return Self::default();
        }
        let folder = config.recording.output_dir.clone();
        patience::within(output_dir::named(config), move || Self::below(&folder)).unwrap_or_default()
    }

    fn below(folder: &Path) -> Self {
        let mut runs = opened::folders_of_ours(folder).unwrap_or_default();
        // The name of a run ends in its time.
        let time = |run: &Path| {
            run.file_name().map(|name| name.to_string_lossy().rsplit('_').next().map(str::to_owned))
        };
        runs.sort_by_key(|run| std::cmp::Reverse(time(run)));
        let read =
            |run: &Path| serde_json::from_slice::<Run>(&opened::read(&run.join(run_file::FILE)).ok()?).ok();
        let found = runs.iter().filter_map(|run| read(run)).take(RUNS);
        Self(found.flat_map(|run| run.config.cameras).collect())
    }

    /// The last offer of a camera of this name and source.
    pub(super) fn of(&self, camera: &CameraConfig) -> Option<Offer> {
        let same = |old: &&CameraConfig| {
            // A run's file holds no password.
            let shown = |camera: &CameraConfig| serde_json::to_value(&camera.backend).ok();
            old.name == camera.name && old.is_known && shown(old) == shown(camera)
        };
        self.0.iter().find(same)?.last_offer()
    }
}

#[cfg(test)]
mod tests {
    use proto::clip::CaptureTime;
    use proto::frame::{Payload, PixelFormat};

    use super::*;

    #[test]
    fn the_newest_run_that_knew_a_camera_counts() {
        let folder = tempfile::tempdir().unwrap();
        let text = "cameras: [{ name: left, backend: mjpeg, url: 'http://me:s3cret@h/x' }]\n";
        let config = Config::parse(Path::new("rig.yaml"), text).unwrap();
        let camera = &config.cameras[0];
        let offer = |width| Offer {
            payload: Payload::Jpeg,
            pixel_format: PixelFormat::I420,
            width,
            height: 480,
            fps: 25.0,
            variable_rate: false,
            capture_time: CaptureTime::Arrival,
            reorders: false,
        };
        let leave = |run: &str, cameras: Vec<CameraConfig>| {
            let run = folder.path().join(run);
            std::fs::create_dir(&run).unwrap();
            let config = Config { cameras, ..config.clone() };
            let document = serde_json::json!({ "schema": 1, "config": config });
            std::fs::write(run.join("run.json"), document.to_string()).unwrap();
        };
        leave("run_20261125-100000", vec![camera.resolved(&offer(640)).unwrap()]);
        leave("z_20261125-110000", vec![camera.resolved(&offer(800)).unwrap()]);
        leave("run_20261125-120000", vec![camera.clone()]);
        std::fs::create_dir(folder.path().join("run_20261125-130000")).unwrap();
        let last = LastOffers::below(folder.path());
        assert_eq!(last.of(camera).unwrap().width, 800, "the newest in which it had come");
        let other = text.replace("/x", "/y");
        let other = Config::parse(Path::new("rig.yaml"), &other).unwrap();
        assert_eq!(last.of(&other.cameras[0]), None, "another camera");
    }
}
