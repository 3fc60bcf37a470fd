//! Tables for people, made of the documents that programs read. Pure.

use std::fmt::Write;

use proto::clip::VideoMode;
use proto::frame::Payload;
use proto::stats::{BacklogStats, CameraStats, DiskStats, ProcessStats, RecorderStats, RingStats, Stats};
use proto::storage::mb;

use crate::retention::rate::lasts;

/// `supervisor status`.
pub(crate) fn status(stats: &Stats) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write_status(&mut text, stats);
    text
}

fn write_status(to: &mut String, stats: &Stats) -> std::fmt::Result {
    let Stats { state, health, totals, recorder, .. } = stats;
    writeln!(to, "{state}, health {}; up {}", health.status, span(stats.uptime_s))?;
    for reason in &health.reasons {
        writeln!(to, "  ! {reason}")?;
    }
    writeln!(
        to,
        "{:.0} MB, {:.1} % of a core, {:.2} MB/s written; clips go to {}\n",
        mb(totals.memory_bytes),
        totals.cpu_percent,
        totals.written_bytes_per_s / 1e6,
        stats.run_folder
    )?;
    if stats.config_changed {
        writeln!(
            to,
            "the config on disk is no longer the one in use; stop and start to use it: {}\n",
            stats.config
        )?;
    }
    let mut cameras = vec![row(["camera", "state", "fps", "captured", "dropped", "reach", "ring"])];
    cameras.extend(stats.cameras.iter().map(camera_row));
    to.push_str(&table(&cameras));
    for camera in &stats.cameras {
        if let Some(reason) = &camera.reason {
            writeln!(to, "  {}: {reason}", camera.name)?;
        }
    }
    writeln!(
        to,
        "\nrecorder: {}; {} complete, {} incomplete, {} open; {} behind\n",
        encoder(recorder),
        count(recorder.clips_completed, "clip"),
        recorder.clips_incomplete,
        recorder.clips_open,
        count(recorder.lag_frames, "frame")
    )?;
    let BacklogStats { frames, bytes, bound_bytes, .. } = recorder.backlog;
    if frames > 0 {
        let (held, bound) = (mb(bytes), mb(bound_bytes));
        writeln!(to, "backlog: {}, {held:.0} of at most {bound:.0} MB\n", count(frames, "frame"))?;
    }
    if let Some(disk) = disk(&stats.disk) {
        writeln!(to, "{disk}\n")?;
    }
    let mut processes = vec![row(["process", "pid", "state", "up", "cpu %", "MB", "restarts", "last exit"])];
    processes.extend(stats.processes.iter().map(process_row));
    to.push_str(&table(&processes));
    Ok(())
}

/// The clips on the disk, and for how long there is room for more.
fn disk(disk: &DiskStats) -> Option<String> {
    let gb = |bytes: u64| mb(bytes) / 1e3;
    let mut text = format!("disk: {:.1} GB free", gb(disk.free_bytes?));
    if let (Some(hours), Some(rate)) = (disk.hours_left, disk.bytes_per_h) {
        text.push_str(&format!(
            ", room for {} at {:.1} GB an hour, as in the last day",
            lasts(hours),
            rate / 1e9
        ));
    }
    text.push_str(&format!("; {}", count(disk.clips, "clip")));
    if disk.kept_clips > 0 {
        text.push_str(&format!(" ({} kept)", disk.kept_clips));
    }
    text.push_str(&format!(" of this rig, {:.1} GB", gb(disk.clips_bytes)));
    if disk.removed_clips > 0 {
        let removed = count(disk.removed_clips, "clip");
        text.push_str(&format!("; {removed} removed by recording.keep, {:.1} GB", gb(disk.removed_bytes)));
    }
    Some(text)
}

/// The encoder in use, as in "H264 (libx264, superfast)".
fn encoder(recorder: &RecorderStats) -> String {
    if recorder.codec.is_empty() {
        return "codec being probed".to_owned();
    }
    let preset = recorder.preset.as_deref().map_or(String::new(), |preset| format!(", {preset}"));
    format!("{} ({}{preset})", recorder.codec, recorder.encoder)
}

/// "1 clip", "2 clips".
pub(super) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn camera_row(camera: &CameraStats) -> Vec<String> {
    vec![
        camera.name.clone(),
        camera.state.to_string(),
        format!("{:.1}", camera.fps),
        camera.captured_frames.to_string(),
        camera.dropped_frames.to_string(),
        format!("{:.0} ms", camera.ring.reach_ms),
        ring(&camera.ring, camera.video),
    ]
}

/// A ring's fill and size, and the payload of its frames if they are compressed, with what is made of them.
fn ring(ring: &RingStats, video: VideoMode) -> String {
    let payload = match ring.payload {
        Payload::Planes => String::new(),
        compressed => format!(" of {compressed} ({})", video.name()),
    };
    format!("{}/{} frames, {:.0} MB{payload}", ring.filled_slots, ring.slots, mb(ring.bytes))
}

fn process_row(process: &ProcessStats) -> Vec<String> {
    let camera = process.camera.as_deref().map_or(String::new(), |c| format!(" {c}"));
    vec![
        format!("{}{camera}", process.role),
        process.pid.map_or("-".to_owned(), |pid| pid.to_string()),
        process.state.to_string(),
        span(process.uptime_s),
        format!("{:.1}", process.cpu_percent),
        format!("{:.1}", mb(process.pss_bytes)),
        process.restarts.to_string(),
        process.last_exit.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Columns as wide as their widest cell, the last one as it comes.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for cells in rows {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use proto::stats::{Health, RecorderStats, RingStats};
    use proto::status::{CameraStatus, HealthStatus, InstanceState, ProcessRole, ProcessState};

    use super::*;

    fn stats() -> Stats {
        let ring = RingStats {
            path: "/dev/shm/preroll-x-left".into(),
            slots: 28,
            filled_slots: 12,
            bytes: 39_000_000,
            reach_ms: 896.4,
            ..RingStats::default()
        };
        Stats {
            state: InstanceState::Degraded,
            health: Health { status: HealthStatus::Attention, reasons: vec!["capture left: silent".into()] },
            uptime_s: 7300.0,
            run_folder: "/recordings/run_1".into(),
            cameras: vec![CameraStats {
                name: "left".into(),
                state: CameraStatus::Silent,
                reason: Some("no frames from the camera".into()),
                fps: 29.97,
                captured_frames: 638,
                ring,
                ..CameraStats::default()
            }],
            recorder: RecorderStats {
                clips_completed: 1,
                clips_open: 2,
                lag_frames: 1,
                ..RecorderStats::default()
            },
            processes: vec![
                ProcessStats {
                    role: ProcessRole::Capture,
                    camera: Some("left".into()),
                    state: ProcessState::Waiting,
                    last_exit: Some("exit code 1".into()),
                    ..ProcessStats::default()
                },
                ProcessStats {
                    role: ProcessRole::Recorder,
                    pid: Some(proto::process::Pid::this()),
                    ..ProcessStats::default()
                },
            ],
            ..Stats::default()
        }
    }

    #[test]
    fn status_shows_what_is_wrong_and_what_there_is() {
        let text = status(&stats());
        for said in [
            "degraded, health attention; up 2.0 h\n  ! capture left: silent\n",
            "clips go to /recordings/run_1\n",
            "left    silent  30.0  638       0        896 ms  12/28 frames, 39 MB\n",
            "  left: no frames from the camera\n",
            "recorder: codec being probed; 1 clip complete, 0 incomplete, 2 open; 1 frame behind\n",
            "capture left  -  ",
            "exit code 1\n",
        ] {
            assert!(text.contains(said), "{said:?} is missing:\n{text}");
        }
    }

    #[test]
    fn the_clips_on_the_disk_are_shown_with_the_time_that_the_room_lasts() {
        let mut stats = stats();
        assert!(!status(&stats).contains("disk:"), "nothing is known");
        stats.disk = DiskStats { free_bytes: Some(120_000_000_000), clips: 1, ..DiskStats::default() };
        assert!(
            status(&stats).contains("disk: 120.0 GB free; 1 clip of this rig, 0.0 GB\n"),
            "{}",
            status(&stats)
        );
        let (hours_left, bytes_per_h) = (Some(30.0), Some(4e9));
        stats.disk = DiskStats { kept_clips: 2, clips: 9, hours_left, bytes_per_h, ..stats.disk };
        (stats.disk.removed_clips, stats.disk.removed_bytes) = (3, 600_000_000);
        let text = status(&stats);
        let said = "120.0 GB free, room for 30 hours at 4.0 GB an hour, as in the last day; 9 clips (2 kept) of this rig, 0.0 GB; \
                    3 clips removed by recording.keep, 0.6 GB\n";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn the_payload_of_compressed_frames_is_shown() {
        let mut stats = stats();
        stats.cameras[0].ring.payload = Payload::Jpeg;
        stats.cameras[0].video = VideoMode::Smart;
        let text = status(&stats);
        assert!(text.contains("896 ms  12/28 frames, 39 MB of jpeg (smart)\n"), "{text}");
    }

    #[test]
    fn a_config_that_was_changed_on_disk_is_said() {
        let mut stats = stats();
        assert!(!status(&stats).contains("config"));
        (stats.config_changed, stats.config) = (true, "rig.yaml".into());
        let text = status(&stats);
        assert!(text.contains("no longer the one in use; stop and start to use it: rig.yaml\n\n"), "{text}");
    }

    #[test]
    fn the_encoder_in_use_is_named_with_its_preset() {
        let mut stats = stats();
        stats.recorder.codec = "H264".into();
        stats.recorder.encoder = "libx264".into();
        stats.recorder.preset = Some("superfast".into());
        let text = status(&stats);
        assert!(text.contains("recorder: H264 (libx264, superfast); "), "{text}");
    }

    #[test]
    fn a_backlog_is_shown_while_there_is_one() {
        let mut stats = stats();
        stats.recorder.backlog.bound_bytes = 2_000_000_000;
        assert!(!status(&stats).contains("backlog"));
        (stats.recorder.backlog.frames, stats.recorder.backlog.bytes) = (300, 415_000_000);
        let text = status(&stats);
        assert!(text.contains("1 frame behind\n\nbacklog: 300 frames, 415 of at most 2000 MB\n"), "{text}");
    }

    #[test]
    fn spans_are_in_the_unit_that_a_person_would_use() {
        assert_eq!(
            [1.4, 119.0, 120.0, 7200.0, 172_800.0].map(span),
            ["1 s", "119 s", "2 min", "2.0 h", "2.0 days"]
        );
    }
}
