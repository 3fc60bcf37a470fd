//! The price of a config on this machine: memory for its rings, bytes for its clips. A config whose rings don't fit is
//! refused.

use std::time::Duration;

use proto::codec::Codec;
use proto::config::{Backend, CameraConfig, Config, GigeConfig, ValueOf};

use super::{odd_size, shared_memory};
use crate::backlog::room::Room;
use crate::failure::Failure;

/// Bits that H.264 at CRF 23 takes for a pixel of a moving scene, roughly. A guess, and called one.
const BITS_PER_PIXEL: f64 = 0.1;
/// The same for Motion JPEG, which took 7 times the bytes of H.264 at the same `codec_quality`, and 8 times at equal likeness
/// (docs/benchmarks.md).
const MJPG_BITS_PER_PIXEL: f64 = 0.8;

// Memory of processes, shared pages counted once, half as much again as was measured (docs/operations.md, "Memory"): what
// is taken above these is more than the config explains.
/// 4 to 6 MB were measured.
const SUPERVISOR_BYTES: u64 = 10_000_000;
/// 13 to 14 MB were measured idle, and 27 MB for a standby with its encoders open.
const RECORDER_BYTES: u64 = 30_000_000;
const SIM_BYTES: u64 = 6_000_000;
/// The same of one that aravis is linked to.
const GIGE_BYTES: u64 = 12_000_000;
/// 30 MB were measured with a film of 1280x720, its frames included.
const FILM_BYTES: u64 = 40_000_000;
/// 71 MB were measured before the first frame.
const OPENCV_BYTES: u64 = 110_000_000;
/// Frames that a decoder holds: up to 16 that others refer to, and those of its threads.
const FRAMES_IN_DECODER: u64 = 32;
/// Buffers of a driver, or of a connection.
const FRAMES_IN_DRIVER: u64 = 4;
/// An encoder without its frames.
const ENCODER_BYTES: u64 = 10_000_000;
/// Frames that x264 holds: those that it looks ahead at (40 at `preset: medium`), those of its threads, and references. 18 to
/// 43 were measured on two cores.
const FRAMES_IN_ENCODER: u64 = 64;

/// Refuses rings that are larger than the memory there is; returns their size in bytes.
pub(crate) fn fits(config: &Config) -> Result<u64, Failure> {
    let mut needed = 0_u64;
    for camera in &config.cameras {
        let bytes = config.ring_spec(camera).and_then(|spec| spec.layout()).map(|l| l.total_bytes as u64);
        let bytes = bytes.ok_or_else(|| {
            let message = format!("camera {}: its ring would be larger than any memory", camera.name);
            Failure::bad_input(config.mistake(ValueOf::Camera(&camera.name), message))
        })?;
        needed = needed.saturating_add(bytes);
    }
    if let Some(fault) = shared_memory::fault() {
        return Err(Failure::failed(fault));
    }
    let room = Room::now();
    if needed > rings_room(&room) {
        let message = shared_memory::too_small(needed, &room);
        // The pre-roll is the first thing to make smaller, if the config has a key for it.
        let pre_roll = config.mistake(ValueOf::PreRoll, message.clone());
        let mistake =
            if pre_roll.line().is_some() { pre_roll } else { config.mistake(ValueOf::Cameras, message) };
        return Err(Failure::bad_input(mistake));
    }
    Ok(needed)
}

/// The memory that rings may take: the room in /dev/shm, or free memory if that is less. A ring that exists already (of
/// an instance that is to be adopted) is counted against it, which only errs on the safe side.
pub(crate) fn available_bytes() -> u64 {
    rings_room(&Room::now())
}

fn rings_room(room: &Room) -> u64 {
    room.shm.min(room.memory)
}

/// The memory that a config takes at most, beside the backlog, which has a bound of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The rings.
    pub(crate) rings: u64,
    /// The processes while nothing is recorded.
    pub(crate) processes: u64,
    /// The encoders of one open clip.
    pub(crate) clip: u64,
}

impl Memory {
    pub(crate) fn of(config: &Config) -> Self {
        let mut memory = Self { processes: SUPERVISOR_BYTES + RECORDER_BYTES, ..Self::default() };
        if config.recording.standby_recorder {
            memory.processes += RECORDER_BYTES;
        }
        for camera in &config.cameras {
            let decoded = camera.geometry.frame_bytes() as u64;
            let frame = camera.stream().map_or(decoded, |stream| stream.max_frame_bytes as u64);
            let ring = config.ring_spec(camera).and_then(|spec| spec.layout());
            memory.rings = memory.rings.saturating_add(ring.map_or(0, |layout| layout.total_bytes as u64));
            memory.processes =
                memory.processes.saturating_add(capture_bytes(&camera.backend, frame, camera.fps.period()));
            // A copy needs no encoder.
            let frames = decoded.saturating_mul(FRAMES_IN_ENCODER);
            let encoder = if camera.is_copied() { 0 } else { ENCODER_BYTES.saturating_add(frames) };
            memory.clip = memory.clip.saturating_add(encoder);
        }
        memory
    }

    /// All of it while so many clips are open at a time.
    pub(crate) fn with_clips(&self, open: u64) -> u64 {
        self.rings.saturating_add(self.processes).saturating_add(self.clip.saturating_mul(open))
    }
}

fn capture_bytes(backend: &Backend, frame: u64, period: Duration) -> u64 {
    let (process, frames) = match backend {
        Backend::Sim(_) => (SIM_BYTES, 0),
        Backend::V4l2(_) | Backend::Mjpeg(_) | Backend::Pipe(_) | Backend::Rtsp(_) => {
            (SIM_BYTES, FRAMES_IN_DRIVER)
        }
        Backend::Gige(_) => (GIGE_BYTES, GigeConfig::buffers(period)),
        Backend::File(_) => (FILM_BYTES, FRAMES_IN_DECODER),
        Backend::Opencv(_) => (OPENCV_BYTES, FRAMES_IN_DECODER),
    };
    process.saturating_add(frame.saturating_mul(frames))
}

/// The codec that a camera is priced for before it has recorded anything: Motion JPEG if it was asked for or the frames have an
/// odd size, else H.264.
pub(crate) fn codec(camera: &CameraConfig, config: &Config) -> Codec {
    match config.recording.preferred_codec {
        Some(Codec::Mjpg) => Codec::Mjpg,
        _ if odd_size::gets_mjpg(camera, config) => Codec::Mjpg,
        _ => Codec::H264,
    }
}

/// The bits that a codec takes for a pixel of a moving scene, roughly.
pub(crate) fn bits_per_pixel(codec: Codec) -> f64 {
    if codec == Codec::Mjpg { MJPG_BITS_PER_PIXEL } else { BITS_PER_PIXEL }
}

/// The bytes a second of all cameras while they are recorded, by a guess.
pub(crate) fn recording_bytes_per_s(config: &Config) -> f64 {
    config.cameras.iter().map(|camera| camera_bytes_per_s(camera, codec(camera, config))).sum()
}

/// The bytes a second of one camera while it is recorded with a codec, or copied as it comes.
pub(crate) fn camera_bytes_per_s(camera: &CameraConfig, codec: Codec) -> f64 {
    if let Some(stream) = camera.stream().filter(|_| camera.is_mostly_copied()) {
        #[expect(clippy::cast_precision_loss, reason = "a guess, for a person to read")]
        return stream.max_rate_bytes as f64;
    }
    let pixels = f64::from(camera.geometry.width()) * f64::from(camera.geometry.height());
    pixels * camera.fps.as_f64() * bits_per_pixel(codec) / 8.0
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn memory(cameras: &str, recording: &str) -> Memory {
        let text = format!("cameras: [{cameras}]\nrecording: {{ {recording} }}\n");
        Memory::of(&Config::parse(Path::new("rig.yaml"), &text).unwrap())
    }

    #[test]
    fn the_sum_of_a_config_is_above_what_was_measured_and_not_far_above() {
        let two = "{ name: left, backend: sim, width: 1280, height: 720, fps: 60 }, \
                   { name: right, backend: sim, width: 1280, height: 720, fps: 60 }";
        let small = |name| format!("{{ name: {name}, backend: sim, width: 640, height: 360, fps: 15 }}");
        let six = ["a", "b", "c", "d", "e", "f"].map(small).join(", ");
        // Armed, and in a clip (docs/operations.md).
        for (cameras, recording, armed_mb, clip_mb) in [
            (two, "reserve_ms: 250", 186, 306),
            (two, "pre_roll_ms: 2000", 486, 538),
            (six.as_str(), "", 74, 128),
        ] {
            let memory = memory(cameras, recording);
            let (armed, clip) = (memory.with_clips(0) / 1_000_000, memory.with_clips(1) / 1_000_000);
            assert!(armed_mb < armed && armed < armed_mb * 2, "{memory:?}");
            assert!(clip_mb < clip && clip < clip_mb * 3, "{memory:?}");
        }
        let standby = |on| memory(two, &format!("standby_recorder: {on}")).processes;
        assert_eq!(standby(true) - standby(false), RECORDER_BYTES);
    }
}
