//! Telling the log and the supervisor of a finished clip.

use std::path::Path;

use proto::clip::{Manifest, Verdict};
use proto::link::Reports;
use proto::messages::RecorderReport;
use proto::time::MonotonicNs;

/// Tells the log and the supervisor of a finished clip.
pub(crate) fn announce(folder: &Path, manifest: &Manifest, reports: &Reports<RecorderReport>) {
    let after = MonotonicNs::now() - manifest.window.end_ns;
    let finished_after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let frames: Vec<String> = manifest
        .cameras
        .iter()
        .map(|(name, c)| format!("{name} {}/{}", c.frames_written, c.frames_expected))
        .collect();
    let (clip, frames) = (&manifest.clip_id, frames.join(", "));
    match manifest.verdict {
        Verdict::Complete => {
            tracing::info!("clip {clip}: complete: {frames} ({finished_after_ms} ms after its end)");
        }
        Verdict::Short => tracing::info!(
            "clip {clip}: short: {frames}, and less pre-roll than asked for ({finished_after_ms} ms after its end)"
        ),
        Verdict::EndedEarly => {
            tracing::warn!("clip {clip}: INCOMPLETE, ended early by a stop; until then: {frames}");
        }
        Verdict::Gaps if manifest.ended_early => {
            tracing::warn!("clip {clip}: INCOMPLETE, and ended early by a stop; until then: {frames}");
        }
        Verdict::Gaps => {
            tracing::warn!("clip {clip}: INCOMPLETE: {frames} ({finished_after_ms} ms after its end)");
        }
    }
    for (name, _) in manifest.cameras.iter().filter(|(_, camera)| !camera.live) {
        tracing::warn!("clip {clip}: camera {name}: not live at any moment of the window");
    }
    for (name, camera) in &manifest.cameras {
        for gap in &camera.gaps {
            tracing::warn!(
                "clip {}: camera {name}: {} missing behind frame {}: {}",
                manifest.clip_id,
                frames_text(gap.missing),
                gap.after_sequence,
                gap.cause.name()
            );
        }
    }
    reports.send(RecorderReport::ClipDone {
        folder: folder.to_owned(),
        complete: manifest.complete,
        finished_after_ms,
    });
}

/// A number of frames, in words: "1 frame".
pub(super) fn frames_text(n: u64) -> String {
    if n == 1 { "1 frame".to_owned() } else { format!("{n} frames") }
}
