//! Telling the log and the supervisor of a finished clip.

use std::path::Path;

use proto::clip::{Gap, Manifest, Verdict, clip_name};
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
    let (id, frames) = (&*clip_name(folder), frames.join(", "));
    match manifest.verdict {
        Verdict::Complete => {
            tracing::info!(clip = id, "clip {id}: complete: {frames} ({finished_after_ms} ms after its end)");
        }
        Verdict::Short => tracing::warn!(
            clip = id,
            "clip {id}: short: {frames}, and less pre-roll than asked for ({finished_after_ms} ms after its end)"
        ),
        Verdict::EndedEarly => {
            tracing::warn!(clip = id, "clip {id}: INCOMPLETE, ended early by a stop; until then: {frames}");
        }
        Verdict::Gaps if manifest.ended_early => {
            tracing::warn!(
                clip = id,
                "clip {id}: INCOMPLETE, and ended early by a stop; until then: {frames}"
            );
        }
        Verdict::Gaps => {
            tracing::warn!(
                clip = id,
                "clip {id}: INCOMPLETE: {frames} ({finished_after_ms} ms after its end)"
            );
        }
    }
    for (name, _) in manifest.cameras.iter().filter(|(_, camera)| !camera.live) {
        tracing::warn!(
            clip = id,
            camera = name.as_str(),
            "clip {id}: camera {name}: not live at any moment of the window"
        );
    }
    for (name, camera) in manifest.cameras.iter() {
        for row in camera.gaps.chunk_by(|one, next| one.cause == next.cause) {
            tracing::warn!(clip = id, camera = name.as_str(), "clip {id}: camera {name}: {}", row_text(row));
        }
    }
    reports.send(RecorderReport::ClipDone {
        folder: folder.to_owned(),
        verdict: manifest.verdict,
        finished_after_ms,
    });
}

/// A number of frames, in words: "1 frame".
pub(super) fn frames_text(n: u64) -> String {
    if n == 1 { "1 frame".to_owned() } else { format!("{n} frames") }
}

/// A row of gaps with one cause, in words. A camera that loses every other frame would fill the log with its gaps, and
/// the manifest lists each.
fn row_text(row: &[Gap]) -> String {
    let [first, .., last] = row else {
        return row.iter().map(gap_text).collect();
    };
    let sizes = if row.iter().all(|gap| gap.missing == first.missing) {
        format!("of {} each", frames_text(first.missing))
    } else {
        format!("of {} in all", frames_text(row.iter().map(|gap| gap.missing).sum()))
    };
    let (gaps, from, to) = (row.len(), first.after_sequence, last.after_sequence);
    format!("{gaps} gaps {sizes} behind frames {from} to {to}: {}", first.cause.name())
}

fn gap_text(gap: &Gap) -> String {
    format!("{} missing behind frame {}: {}", frames_text(gap.missing), gap.after_sequence, gap.cause.name())
}

#[cfg(test)]
mod tests {
    use proto::clip::GapCause;

    use super::*;

    fn row(gaps: &[(u64, u64)]) -> String {
        let gap = |&(after_sequence, missing)| Gap { after_sequence, missing, cause: GapCause::CameraDrop };
        row_text(&gaps.iter().map(gap).collect::<Vec<_>>())
    }

    #[test]
    fn a_row_of_gaps_is_one_line() {
        assert_eq!(row(&[(973, 3)]), "3 frames missing behind frame 973: camera_drop");
        let many: Vec<_> = (0..35).map(|n| (973 + 2 * n, 1)).collect();
        assert_eq!(row(&many), "35 gaps of 1 frame each behind frames 973 to 1041: camera_drop");
        assert_eq!(row(&[(7, 1), (9, 4)]), "2 gaps of 5 frames in all behind frames 7 to 9: camera_drop");
    }
}
