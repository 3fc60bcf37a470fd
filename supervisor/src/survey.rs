//! The stats document, gathered from the rings, the children's reports and /proc.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proto::config::{CameraConfig, Config};
use proto::instance::ChildId;
use proto::messages::CameraState;
use proto::process::Pid;
use proto::ring::Ring;
use proto::ring::layout::INTERVAL_BUCKETS;
use proto::stats::{CameraStats, Dropped, IntervalStats, ProcessStats, RecorderStats, RingStats};
use proto::status::{CameraStatus, ProcessRole, ProcessState};
use proto::sync::{AtomicU64, Ordering};
use proto::time::{MonotonicNs, nanos};

use crate::child::{Child, Life};
use crate::meter::Meter;
use crate::rings::{Held, Rings};

/// Frame rates over the last second or so.
pub(crate) struct FrameRates {
    seen: HashMap<String, (u64, Instant, f64)>,
}

/// A rate is taken over at least this long.
const RATE_SPAN: Duration = Duration::from_secs(1);

impl FrameRates {
    pub(crate) fn new() -> Self {
        Self { seen: HashMap::new() }
    }

    /// Looks at every ring; call it several times a second.
    pub(crate) fn measure(&mut self, config: &Config, rings: &Rings) {
        let now = Instant::now();
        for (camera, ring) in config.cameras.iter().zip(rings.now()) {
            let head = ring.head();
            let seen = self.seen.entry(camera.name.to_string()).or_insert((head, now, 0.0));
            let passed = now.saturating_duration_since(seen.1);
            if passed >= RATE_SPAN {
                #[expect(clippy::cast_precision_loss, reason = "frames of about a second")]
                let frames = head.saturating_sub(seen.0) as f64;
                *seen = (head, now, frames / passed.as_secs_f64());
            }
        }
    }

    fn of(&self, camera: &CameraConfig) -> f64 {
        self.seen.get(camera.name.as_str()).map_or(0.0, |(_, _, rate)| *rate)
    }
}

/// One camera.
pub(crate) fn camera(camera: &CameraConfig, held: &Held, child: &Child, rates: &FrameRates) -> CameraStats {
    let ring: &Ring = &held.ring;
    let counters = ring.counters();
    let dropped = Dropped {
        by_camera: counters.dropped_by_camera.load(Ordering::Relaxed),
        ring_full: counters.dropped_ring_full.load(Ordering::Relaxed),
    };
    let (state, reason) = camera_state(child);
    CameraStats {
        name: camera.name.to_string(),
        state,
        reason,
        fps: rates.of(camera),
        nominal_fps: camera.fps.as_f64(),
        captured_frames: ring.head(),
        dropped_frames: dropped.by_camera.saturating_add(dropped.ring_full),
        dropped,
        interval_ms: intervals(ring),
        epoch: ring.epoch(),
        ring: ring_stats(ring, held.rebuilt),
    }
}

/// A word for a camera, and what is wrong with it.
pub(crate) fn camera_state(child: &Child) -> (CameraStatus, Option<String>) {
    match (&child.life, &child.camera) {
        (Life::Ended, _) | (Life::Running(_), CameraState::Ended) => (CameraStatus::Ended, None),
        (_, CameraState::Failed(why)) => (CameraStatus::Failed, Some(why.clone())),
        (Life::Waiting { .. }, _) => (CameraStatus::Restarting, child.last_exit.clone()),
        (Life::Running(_), CameraState::Opening) => (CameraStatus::Starting, None),
        (Life::Running(_), CameraState::Live) => (CameraStatus::Live, None),
        (Life::Running(_), CameraState::Frozen { black }) => {
            let what = if *black { "the same black picture" } else { "the same picture" };
            (CameraStatus::Frozen, Some(format!("{what} again and again")))
        }
        (Life::Running(_), CameraState::Silent) => {
            (CameraStatus::Silent, Some("no frames from the camera".into()))
        }
    }
}

fn ring_stats(ring: &Ring, rebuilt: u64) -> RingStats {
    let size = ring.spec().size;
    let head = ring.head();
    // One slot is always the writer's next.
    let filled_slots = usize::try_from(head).unwrap_or(usize::MAX).min(size.slots());
    let reach = ring.oldest().map_or(Duration::ZERO, |oldest| MonotonicNs::now() - oldest.t_capture);
    #[expect(clippy::cast_precision_loss, reason = "a number of slots")]
    let reserve_ms = size.reserve_slots as f64 * ring.spec().fps.period().as_secs_f64() * 1e3;
    RingStats {
        slots: size.slots(),
        pre_roll_slots: size.pre_roll_slots,
        reserve_slots: size.reserve_slots,
        lease_slots: size.lease_slots,
        filled_slots,
        bytes: ring.total_bytes() as u64,
        reach_ms: reach.as_secs_f64() * 1e3,
        reserve_ms,
        rebuilt,
    }
}

/// Percentiles of the time between publications, from the ring's buckets of a sixteenth of a frame period.
fn intervals(ring: &Ring) -> IntervalStats {
    let counters = ring.counters();
    // No more than can be summed up: it is shared memory, and may hold anything.
    let count = |bucket: &AtomicU64| bucket.load(Ordering::Relaxed).min(u64::from(u32::MAX) << 16);
    let counts: Vec<u64> = counters.interval_buckets.iter().map(count).collect();
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return IntervalStats::default();
    }
    let ms = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e3;
    let max_ns = counters.interval_max_ns.load(Ordering::Relaxed);
    let sixteenth_ns = nanos(ring.spec().fps.period()) / 16;
    let percentile = |percent: u64| {
        let wanted = (total * percent).div_ceil(100);
        let mut sum = 0;
        let bucket = counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        // The last bucket has no upper end but the longest interval itself.
        match bucket {
            Some(bucket) if bucket + 1 < INTERVAL_BUCKETS => {
                ms(((bucket as u64 + 1) * sixteenth_ns).min(max_ns))
            }
            _ => ms(max_ns),
        }
    };
    IntervalStats { p50: percentile(50), p99: percentile(99), max: ms(max_ns) }
}

/// A child process.
pub(crate) fn process(child: &Child, meter: &Meter) -> ProcessStats {
    let (role, camera) = match &child.id {
        ChildId::Capture(camera) => (ProcessRole::Capture, Some(camera.to_string())),
        ChildId::Recorder => (ProcessRole::Recorder, None),
        ChildId::Standby => (ProcessRole::Standby, None),
    };
    let pid = child.running().map(|r| r.pid);
    let is_standby = child.id == ChildId::Standby;
    let state = match &child.life {
        Life::Running(running) if running.warm && is_standby => ProcessState::Warm,
        Life::Running(running) if running.orders.is_some() => ProcessState::Running,
        Life::Running(_) => ProcessState::Starting,
        Life::Waiting { .. } => ProcessState::Waiting,
        Life::Ended => ProcessState::Ended,
    };
    let uptime_s = child.running().map_or(0.0, |r| r.since.elapsed().as_secs_f64());
    let mut stats = process_stats(role, pid, state, uptime_s, meter);
    stats.camera = camera;
    stats.restarts = child.record.restarts;
    stats.last_exit = child.last_exit.clone();
    stats
}

/// Any process.
pub(crate) fn process_stats(
    role: ProcessRole,
    pid: Option<Pid>,
    state: ProcessState,
    uptime_s: f64,
    meter: &Meter,
) -> ProcessStats {
    let reading = pid.map(|pid| meter.read(pid)).unwrap_or_default();
    ProcessStats {
        role,
        camera: None,
        pid,
        state,
        restarts: 0,
        last_exit: None,
        uptime_s,
        cpu_percent: reading.cpu_percent,
        rss_bytes: reading.rss_bytes,
        pss_bytes: reading.pss_bytes,
        written_bytes: reading.written_bytes,
        fds: reading.fds,
        threads: reading.threads,
    }
}

/// The recorder, from its last beat.
pub(crate) fn recorder(child: &Child, verdict: Option<&proto::codec::EncoderLadder>) -> RecorderStats {
    let choice = verdict.and_then(|v| v.chain.first());
    RecorderStats {
        codec: choice.map_or(String::new(), |c| c.codec.name().to_owned()),
        encoder: choice.map_or(String::new(), |c| c.encoder.clone()),
        preset: choice.and_then(|c| c.preset.clone()),
        lag_frames: child.beat.lag_frames,
        frames_encoded: child.beat.frames_encoded,
        trouble: child.beat.trouble.clone(),
        ..RecorderStats::default()
    }
}
