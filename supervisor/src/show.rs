//! Tables for people. Pure: from documents to text.

use std::fmt::Write;

use proto::codec::{EncoderChoice, EncoderLadder};
use proto::stats::{CameraStats, ProcessStats, Stats};

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
    let mut cameras = vec![row(["camera", "state", "fps", "captured", "dropped", "reach", "ring"])];
    cameras.extend(stats.cameras.iter().map(camera_row));
    to.push_str(&table(&cameras));
    for camera in &stats.cameras {
        if let Some(reason) = &camera.reason {
            writeln!(to, "  {}: {reason}", camera.name)?;
        }
    }
    let codec = if recorder.codec.is_empty() { "being probed" } else { &recorder.codec };
    let preset = recorder.preset.as_deref().map_or(String::new(), |p| format!(" {p}"));
    writeln!(
        to,
        "\nrecorder: {codec} ({}{preset}); {} clips complete, {} incomplete, {} open; {} frames behind\n",
        recorder.encoder,
        recorder.clips_completed,
        recorder.clips_incomplete,
        recorder.clips_open,
        recorder.lag_frames
    )?;
    let mut processes = vec![row(["process", "pid", "state", "up", "cpu %", "MB", "restarts", "last exit"])];
    processes.extend(stats.processes.iter().map(process_row));
    to.push_str(&table(&processes));
    Ok(())
}

fn camera_row(camera: &CameraStats) -> Vec<String> {
    vec![
        camera.name.clone(),
        camera.state.to_string(),
        format!("{:.1}", camera.fps),
        camera.captured_frames.to_string(),
        camera.dropped_frames.to_string(),
        format!("{:.0} ms", camera.ring.reach_ms),
        format!("{}/{} frames, {:.0} MB", camera.ring.filled_slots, camera.ring.slots, mb(camera.ring.bytes)),
    ]
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

/// `supervisor codecs`.
pub(crate) fn codecs(verdict: &EncoderLadder) -> String {
    let mut rows = vec![row(["codec", "encoder", "preset", "works", "frames/s", "verdict"])];
    for trial in &verdict.trials {
        rows.push(vec![
            format!("{}{}", trial.choice.codec, trial.choice.codec.extension()),
            trial.choice.encoder.clone(),
            trial.choice.preset.clone().unwrap_or_else(|| "-".to_owned()),
            if trial.works { "yes" } else { "no" }.to_owned(),
            if trial.works { format!("{:.0}", trial.frames_per_second) } else { "-".to_owned() },
            trial.verdict.clone(),
        ]);
    }
    let mut text = table(&rows);
    let shown = |choice: &EncoderChoice| {
        let preset = choice.preset.as_ref().map_or(String::new(), |preset| format!(", {preset}"));
        format!("{} ({}{preset})", choice.codec, choice.encoder)
    };
    let chain: Vec<String> = verdict.chain.iter().map(shown).collect();
    let _ = writeln!(text, "\nin use: {}", chain.first().map_or("none yet", |c| c));
    if chain.len() > 1 {
        let _ = writeln!(text, "if it fails: {}", chain[1..].join(", then "));
    }
    text
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Columns as wide as their widest cell, the last one as it comes.
fn table(rows: &[Vec<String>]) -> String {
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

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
