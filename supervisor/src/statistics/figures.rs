//! The figures of one camera, of one process, and of all processes together, put together from what is known of them. Pure,
//! but for what a ring itself says at the moment of the question.

use proto::clip::VideoMode;
use proto::stats::{CameraStats, ProcessStats, RingStats, Totals};

use super::view::{CameraView, ProcessView};
use super::{Readings, ring};

pub(super) fn camera_stats(camera: &CameraView, readings: &Readings) -> CameraStats {
    let dropped = ring::dropped(&camera.ring);
    CameraStats {
        name: camera.name.clone(),
        state: camera.status,
        reason: camera.reason.clone(),
        fps: readings.rates.get(&camera.name).copied().unwrap_or(0.0),
        nominal_fps: camera.nominal_fps,
        captured_frames: camera.ring.head(),
        dropped_frames: dropped.by_camera.saturating_add(dropped.ring_full).saturating_add(dropped.too_large),
        dropped,
        interval_ms: ring::intervals(&camera.ring),
        time: ring::time(&camera.ring),
        epoch: camera.ring.epoch(),
        transport: camera.transport,
        video: VideoMode::of(camera.ring.spec().payload, camera.clip),
        ring: RingStats { rebuilt: camera.rebuilt, ..ring::size_and_fill(&camera.ring) },
    }
}

/// The figures of a process that was started within the last second are still zero, as all are when readings are stale.
pub(super) fn process_stats(process: ProcessView, readings: &Readings) -> ProcessStats {
    let reading = process.pid.and_then(|pid| readings.processes.get(&pid)).copied().unwrap_or_default();
    ProcessStats {
        role: process.role,
        camera: process.camera,
        pid: process.pid,
        state: process.state,
        restarts: process.restarts,
        last_exit: process.last_exit,
        uptime_s: process.since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
        cpu_percent: reading.cpu_percent,
        rss_bytes: reading.rss_bytes,
        pss_bytes: reading.pss_bytes,
        written_bytes: reading.written_bytes,
        fds: reading.fds,
        threads: reading.threads,
    }
}

/// The sums over all processes.
pub(super) fn totals(processes: &[ProcessStats], readings: &Readings) -> Totals {
    let written = |p: &ProcessStats| Some(readings.processes.get(&p.pid?)?.written_bytes_per_s);
    Totals {
        cpu_percent: processes.iter().map(|p| p.cpu_percent).sum(),
        memory_bytes: processes.iter().map(|p| p.pss_bytes).sum(),
        written_bytes_per_s: processes.iter().filter_map(written).sum(),
    }
}
