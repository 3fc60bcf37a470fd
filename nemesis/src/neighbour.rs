//! Another instance beside the one that is struck: of one small camera, and with the same folder for its clips. Neither may
//! touch what is the other's.

use std::path::Path;

use anyhow::Context;
use rig::supervisor::Supervisor;

use crate::run::{self, LONGEST_CLIP_MS, Plan};

/// The camera of the neighbour. No camera of the other instance is called so.
pub const CAMERA: &str = "near";

/// Starts the neighbour in the folder of a run, and waits until its ring is full.
pub(crate) fn start(folder: &Path, plan: &Plan) -> anyhow::Result<Supervisor> {
    let config = folder.join("neighbour.yaml");
    let in_folder = folder.display();
    let text = format!(
        "camera: {{ width: 320, height: 192, fps: {} }}\ncameras:\n  - {{ name: {CAMERA}, backend: sim, truth_log: \
         {in_folder}/{CAMERA}.truth }}\nrecording: {{ output_dir: {in_folder}/recordings, reserve_ms: {}, max_open_clips: \
         {}, max_clip_ms: {LONGEST_CLIP_MS} }}\n",
        plan.fps, plan.reserve_ms, plan.open_clips
    );
    std::fs::write(&config, text).with_context(|| config.display().to_string())?;
    run::start(&config).context("the neighbour")
}
