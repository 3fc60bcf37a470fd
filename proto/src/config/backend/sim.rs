//! `backend: sim`: a simulated camera, and the faults that it can rehearse.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::{Camera, HEIGHT, WIDTH};
use super::super::checker::Checker;
use super::super::compressed::MAX_FRAME_BYTES;
use super::super::key::{Key, KeyOr, Row, Table};
use super::super::value::{At, Mapping};
use super::BackendConfig;
use crate::clip::CaptureTime;
use crate::frame::{Fps, Geometry, Payload};

/// The size of a frame's stamp, in pixels: a simulated camera's frame can't be smaller.
const STAMP_SIZE: (u32, u32) = (256, 64);
/// The name of raw planes in a config.
const RAW: &str = "raw";
/// The payloads of a simulated camera.
const PAYLOADS: [Payload; 3] = [Payload::Planes, Payload::Jpeg, Payload::H264];
/// The fewest bytes that a compressed frame can be told to have. A larger picture needs more:
/// [`SimConfig::least_frame_bytes`].
const MIN_FRAME_BYTES: u64 = 1024;
/// The fastest that a simulated camera can be told to run.
const MAX_SPEED: f64 = 1000.0;
/// The most that its clock can be told to run off, in parts of a million: a tenth.
const MAX_CLOCK_PPM: f64 = 100_000.0;

static TRUTH_LOG: Key<String> = Key::text("truth_log", "path").such_as("truth.jsonl").own();
static PAYLOAD: KeyOr<String> = Key::one_of("payload", payloads).or(RAW);
static FRAME_BYTES: Key<u64> = Key::whole("frame_bytes", "bytes").such_as("400000").or_words("by size and payload");
static SPEED: KeyOr<f64> = Key::number("speed", "a factor").such_as("2").or(1.0);
static CLOCK: KeyOr<f64> = Key::number("clock_ppm", "parts in a million").such_as("80").or(0.0);
static FLASH: Key<u64> = Key::whole("flash_every_ms", "milliseconds").such_as("1037");
static FAULTS: Key<Mapping> = Key::mapping("faults", &FAULT_TABLE, "{ drop_every: 100 }");
/// The keys that only simulated cameras have.
pub(super) static KEYS: &[&Row] =
    &[&TRUTH_LOG.row, &SPEED.row, &CLOCK.row, &PAYLOAD.row, &FRAME_BYTES.row, &FLASH.row, &FAULTS.row];

static CRASH: Key<u64> = Key::whole("crash_after_frames", "frames").such_as("300");
static STALL: EpisodeKeys = EpisodeKeys::new("stall_after_frames", "stall_ms");
static UNPLUG: EpisodeKeys = EpisodeKeys::new("unplug_after_frames", "unplug_ms");
static FREEZE: EpisodeKeys = EpisodeKeys::new("freeze_after_frames", "freeze_ms");
static BLACK: EpisodeKeys = EpisodeKeys::new("black_after_frames", "black_ms");
static RESIZE: EpisodeKeys = EpisodeKeys::new("resize_after_frames", "resize_ms");
static DROP_EVERY: Key<u64> = Key::whole("drop_every", "frames").such_as("100");
static JITTER: KeyOr<u64> = Key::whole("jitter_ms", "milliseconds").such_as("5").or(0);
static LATENCY: KeyOr<f64> = Key::number("latency_ms", "milliseconds").such_as("40").or(0.0);
static SLOW_START: KeyOr<u64> = Key::whole("slow_start_ms", "milliseconds").such_as("2000").or(0);
static FAULT_TABLE: Table = Table::new(&[&[
    &CRASH.row,
    &STALL.after_frames.row,
    &STALL.ms.row,
    &UNPLUG.after_frames.row,
    &UNPLUG.ms.row,
    &FREEZE.after_frames.row,
    &FREEZE.ms.row,
    &BLACK.after_frames.row,
    &BLACK.ms.row,
    &RESIZE.after_frames.row,
    &RESIZE.ms.row,
    &DROP_EVERY.row,
    &JITTER.row,
    &LATENCY.row,
    &SLOW_START.row,
]]);

/// The two keys of a fault that begins after so many frames and lasts for so long.
struct EpisodeKeys {
    after_frames: Key<u64>,
    ms: Key<u64>,
}

impl EpisodeKeys {
    const fn new(after_frames: &'static str, ms: &'static str) -> Self {
        Self { after_frames: Key::whole(after_frames, "frames").such_as("300"), ms: Key::whole(ms, "milliseconds").such_as("2000") }
    }
}

/// A simulated camera: `frame-stamp` frames, and faults to rehearse with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SimConfig {
    /// A file with a line for each frame, written before it is published: `source_sequence,t_capture_monotonic_ns`.
    pub truth_log: Option<PathBuf>,
    /// The payload of its frames.
    #[serde(default)]
    pub payload: Payload,
    /// The bytes of the largest compressed frame; `None` for raw frames.
    #[serde(default)]
    pub frame_bytes: Option<u64>,
    /// By how much its clock runs off, in parts of a million: over 0 it is fast. Its frames come at their rate all the same.
    #[serde(default)]
    pub clock_ppm: f64,
    /// A flash of light comes whenever the machine's clock is a multiple of this, before all cameras that have the same.
    #[serde(default)]
    pub flash_every_ms: Option<u64>,
    /// Faults to rehearse.
    pub faults: SimFaults,
}

/// A time of a simulated camera's life, by its own clock, which began with its ring and goes on while nobody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// The frames that the camera has made when it begins.
    pub after_frames: u64,
    /// The time it lasts; for ever, if not given.
    pub ms: Option<u64>,
}

/// Faults that a simulated camera has on purpose. Counted in frames of one life of its process, but for the episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SimFaults {
    /// Abort after so many frames.
    pub crash_after_frames: Option<u64>,
    /// Fall silent after so many frames …
    pub stall_after_frames: Option<u64>,
    /// … for so long (for ever, if not given).
    pub stall_ms: Option<u64>,
    /// Be unplugged: lost, and not there to be opened.
    pub unplug: Option<Episode>,
    /// Deliver the same picture again and again.
    pub freeze: Option<Episode>,
    /// Deliver black pictures.
    pub black: Option<Episode>,
    /// Deliver frames of another size than the config's.
    pub resize: Option<Episode>,
    /// Lose every nth frame.
    pub drop_every: Option<u64>,
    /// Deliver each frame late by a random time up to this.
    pub jitter_ms: u64,
    /// Deliver each frame so late, by a way of which the camera knows nothing.
    #[serde(default)]
    pub latency_ns: u64,
    /// Take so long to open.
    pub slow_start_ms: u64,
}

impl BackendConfig for SimConfig {
    const NAME: &'static str = "sim";
    const EXECUTABLE: &'static str = "capture";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Device;
    const SOURCE_KEY: Option<&'static str> = None;

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let (width, height) = STAMP_SIZE;
        if camera.geometry.width() < width || camera.geometry.height() < height {
            let place = camera.place(if camera.geometry.width() < width { &WIDTH } else { &HEIGHT });
            let message = format!(
                "camera {}: a simulated camera's frame must be at least {width}x{height}, the size of its stamp",
                camera.name
            );
            return checker.wrong(place, message);
        }
        let mut rate = fps;
        if let Some(typed) = camera.typed(&SPEED) {
            rate *= speed(checker, &typed)?;
            if Fps::new(rate).is_none() {
                let message = format!(
                    "speed: camera {} would make {rate} frames a second; it has to be more than 0 and at most {}",
                    camera.name,
                    Fps::MAX
                );
                return checker.wrong(typed.at, message);
            }
        }
        let faults = camera.get(&FAULTS).map_or(Ok(SimFaults::default()), |t| faults(checker, &t.value))?;
        let truth_log = camera.get(&TRUTH_LOG).map(|typed| checker.path(&typed, "truth_log")).transpose()?;
        let payload = camera.typed(&PAYLOAD).map_or(Ok(Payload::Planes), |typed| payload(checker, &typed))?;
        let frame_bytes = Self::frame_bytes_of(checker, camera, payload)?;
        let clock_ppm = camera.typed(&CLOCK).map_or(Ok(CLOCK.default), |typed| clock_ppm(checker, &typed))?;
        let flash_every_ms = camera.get(&FLASH).map(|typed| flash_every_ms(checker, &typed)).transpose()?;
        Ok((Self { truth_log, payload, frame_bytes, clock_ppm, flash_every_ms, faults }, rate))
    }

    fn check_defaults(checker: &Checker<'_>, all: &Mapping) -> Result<(), Mistake> {
        all.typed(&SPEED).map_or(Ok(0.0), |typed| speed(checker, &typed))?;
        all.typed(&CLOCK).map_or(Ok(0.0), |typed| clock_ppm(checker, &typed))?;
        all.get(&FAULTS).map_or(Ok(SimFaults::default()), |t| faults(checker, &t.value))?;
        all.typed(&PAYLOAD).map_or(Ok(Payload::Planes), |typed| payload(checker, &typed))?;
        all.get(&FRAME_BYTES).map(|typed| frame_bytes(checker, &typed)).transpose()?;
        all.get(&FLASH).map(|typed| flash_every_ms(checker, &typed)).transpose()?;
        Ok(())
    }

    fn payload(&self) -> Payload {
        self.payload
    }

    fn frame_bytes(&self) -> Option<u64> {
        self.frame_bytes
    }
}

impl SimConfig {
    /// The camera has a clock of its own, of which its capture knows only what it says. Without it the capture knows the moment
    /// of each exposure.
    #[must_use]
    pub fn has_own_clock(&self) -> bool {
        self.clock_ppm != 0.0 || self.faults.latency_ns > 0
    }

    /// The bytes that a compressed frame of this size needs at least, rounded up a little.
    #[must_use]
    pub fn least_frame_bytes(payload: Payload, geometry: &Geometry) -> u64 {
        let squares = |from: u64, to: u64| to.div_ceil(16) - from / 16;
        let (width, height) = (u64::from(geometry.width()), u64::from(geometry.height()));
        let all = squares(0, width) * squares(0, height);
        if payload == Payload::Jpeg {
            // Eleven bytes for each square of 16 x 16 pixels, and the tables.
            return 400 + 11 * all;
        }
        // The squares that a stamp touches have their pixels as they are; the others take two bytes in a key frame.
        let (stamp_width, stamp_height) = (u64::from(STAMP_SIZE.0), u64::from(STAMP_SIZE.1));
        let second = if height < 2 * stamp_height {
            0
        } else {
            let (left, top) = ((width - stamp_width) & !1, (height - stamp_height) & !1);
            squares(left, left + stamp_width) * squares(top, top + stamp_height)
        };
        let first = squares(0, stamp_width) * squares(0, stamp_height);
        600 + 392 * (first + second) + 2 * all
    }

    /// The bytes of the largest frame; `None` for raw frames.
    fn frame_bytes_of(
        checker: &Checker<'_>,
        camera: &Camera<'_>,
        payload: Payload,
    ) -> Result<Option<u64>, Mistake> {
        let (name, geometry) = (&camera.name, &camera.geometry);
        let typed = camera.get(&FRAME_BYTES);
        let bytes = typed.as_ref().map(|typed| frame_bytes(checker, typed)).transpose()?;
        if !payload.is_compressed() {
            return Ok(None);
        }
        let least = Self::least_frame_bytes(payload, geometry);
        match typed.filter(|typed| typed.value < least) {
            None => Ok(Some(bytes.unwrap_or_else(|| Self::usual_frame_bytes(payload, geometry)))),
            Some(typed) => {
                let message = format!(
                    "frame_bytes: camera {name} can't put its stamp into {} bytes: a frame of {geometry} as {payload} needs \
                     {least}",
                    typed.value
                );
                checker.wrong(typed.at, message)
            }
        }
    }

    /// The bytes of the largest compressed frame of this size, if the config doesn't say: a JPEG as USB cameras make them, or
    /// an H.264 frame that has a part of the scene beside its stamp.
    fn usual_frame_bytes(payload: Payload, geometry: &Geometry) -> u64 {
        let pixels = u64::from(geometry.width()) * u64::from(geometry.height());
        let least = Self::least_frame_bytes(payload, geometry);
        if payload == Payload::Jpeg { least.max(pixels / 5) } else { least + 16_384 }
    }
}

fn payload_name(payload: Payload) -> &'static str {
    if payload == Payload::Planes { RAW } else { payload.name() }
}

fn payloads() -> Vec<&'static str> {
    PAYLOADS.map(payload_name).to_vec()
}

fn payload(checker: &Checker<'_>, typed: &At<String>) -> Result<Payload, Mistake> {
    match PAYLOADS.into_iter().find(|payload| payload_name(*payload).eq_ignore_ascii_case(&typed.value)) {
        Some(payload) => Ok(payload),
        None => {
            let message = format!("payload: {:?} is not one of {}", typed.value, payloads().join(", "));
            checker.wrong(typed.at, message)
        }
    }
}

fn frame_bytes(checker: &Checker<'_>, typed: &At<u64>) -> Result<u64, Mistake> {
    if (MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&typed.value) {
        return Ok(typed.value);
    }
    let message = format!("frame_bytes: {} is not {MIN_FRAME_BYTES} to {MAX_FRAME_BYTES} bytes", typed.value);
    checker.wrong(typed.at, message)
}

fn flash_every_ms(checker: &Checker<'_>, typed: &At<u64>) -> Result<u64, Mistake> {
    if typed.value == 0 {
        return checker.wrong(typed.at, "flash_every_ms: must be at least 1");
    }
    checker.span_ms(typed, "flash_every_ms")
}

fn speed(checker: &Checker<'_>, typed: &At<f64>) -> Result<f64, Mistake> {
    if typed.value > 0.0 && typed.value <= MAX_SPEED {
        return Ok(typed.value);
    }
    checker.wrong(typed.at, format!("speed: must be more than 0 and at most {MAX_SPEED}"))
}

fn clock_ppm(checker: &Checker<'_>, typed: &At<f64>) -> Result<f64, Mistake> {
    if typed.value.abs() <= MAX_CLOCK_PPM {
        return Ok(typed.value);
    }
    let message = format!("clock_ppm: {} is not -{MAX_CLOCK_PPM} to {MAX_CLOCK_PPM}", typed.value);
    checker.wrong(typed.at, message)
}

fn faults(checker: &Checker<'_>, typed: &Mapping) -> Result<SimFaults, Mistake> {
    let drop_every = typed.get(&DROP_EVERY);
    if let Some(every) = drop_every.as_ref().filter(|every| every.value == 0) {
        return checker.wrong(every.at, "drop_every: must be at least 1");
    }
    let stall = episode(checker, typed, &STALL)?;
    Ok(SimFaults {
        crash_after_frames: typed.get(&CRASH).map(|frames| frames.value),
        stall_after_frames: stall.map(|s| s.after_frames),
        stall_ms: stall.and_then(|s| s.ms),
        unplug: episode(checker, typed, &UNPLUG)?,
        freeze: episode(checker, typed, &FREEZE)?,
        black: episode(checker, typed, &BLACK)?,
        resize: episode(checker, typed, &RESIZE)?,
        drop_every: drop_every.map(|frames| frames.value),
        jitter_ms: checker.span_or_default(typed, &JITTER)?,
        latency_ns: typed.typed(&LATENCY).map_or(Ok(0), |typed| checker.latency_ns(&typed))?,
        slow_start_ms: checker.span_or_default(typed, &SLOW_START)?,
    })
}

fn episode(
    checker: &Checker<'_>,
    typed: &Mapping,
    keys: &'static EpisodeKeys,
) -> Result<Option<Episode>, Mistake> {
    let (after, ms) = (keys.after_frames.row.name, keys.ms.row.name);
    match (typed.get(&keys.after_frames), typed.get(&keys.ms)) {
        (None, None) => Ok(None),
        (None, Some(typed)) => checker.wrong(typed.at, format!("{ms}: needs {after} too")),
        (Some(after), None) => Ok(Some(Episode { after_frames: after.value, ms: None })),
        (Some(after), Some(typed)) => {
            Ok(Some(Episode { after_frames: after.value, ms: Some(checker.span_ms(&typed, ms)?) }))
        }
    }
}
