//! A config as it was typed. Every value keeps the place where it stands, so that a mistake can be shown there.

use serde::Deserialize;
use serde_saphyr::Spanned;

/// A value that may be left out, and where it stands.
pub(super) type Typed<T> = Option<Spanned<T>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub(super) camera: RawCamera,
    pub(super) rig: Typed<String>,
    pub(super) cameras: Spanned<Vec<Spanned<RawCamera>>>,
    #[serde(default)]
    pub(super) recording: RawRecording,
}

/// A camera, or the defaults for all of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCamera {
    pub(super) name: Typed<String>,
    pub(super) backend: Typed<String>,
    pub(super) width: Typed<u32>,
    pub(super) height: Typed<u32>,
    pub(super) fps: Typed<f64>,
    pub(super) pixel_format: Typed<String>,
    // sim
    pub(super) truth_log: Typed<String>,
    pub(super) speed: Typed<f64>,
    pub(super) faults: Typed<RawFaults>,
    // file
    pub(super) path: Typed<String>,
    #[serde(rename = "loop")]
    pub(super) looping: Typed<bool>,
    pub(super) realtime: Typed<bool>,
    // opencv
    pub(super) source: Typed<RawSource>,
    // file and opencv
    pub(super) scale: Typed<bool>,
}

/// A device's number may be typed with quotes or without.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawSource {
    Number(u32),
    Text(String),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFaults {
    pub(super) crash_after_frames: Typed<u64>,
    pub(super) stall_after_frames: Typed<u64>,
    pub(super) stall_ms: Typed<u64>,
    pub(super) unplug_after_frames: Typed<u64>,
    pub(super) unplug_ms: Typed<u64>,
    pub(super) freeze_after_frames: Typed<u64>,
    pub(super) freeze_ms: Typed<u64>,
    pub(super) black_after_frames: Typed<u64>,
    pub(super) black_ms: Typed<u64>,
    pub(super) resize_after_frames: Typed<u64>,
    pub(super) resize_ms: Typed<u64>,
    pub(super) drop_every: Typed<u64>,
    pub(super) jitter_ms: Typed<u64>,
    pub(super) slow_start_ms: Typed<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecording {
    pub(super) output_dir: Typed<String>,
    pub(super) run_name: Typed<String>,
    /// The name of `run_name` before 0.2: refused, with the new one.
    pub(super) session: Typed<serde::de::IgnoredAny>,
    pub(super) pre_roll_ms: Typed<u64>,
    pub(super) post_roll_ms: Typed<u64>,
    pub(super) reserve_ms: Typed<u64>,
    pub(super) preferred_codec: Typed<String>,
    pub(super) codec_quality: Typed<u8>,
    pub(super) preset: Typed<String>,
    pub(super) max_open_clips: Typed<usize>,
    pub(super) standby_recorder: Typed<bool>,
    pub(super) min_free_bytes: Typed<u64>,
}
