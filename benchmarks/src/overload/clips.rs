//! The clips of one row: what the oracle finds in them, and what their manifests say of presets, files and outages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use oracle::clip::MANIFEST;
use oracle::truth::{Truth, Truths};
use serde_json::Value;

/// Everything that is found in a row's clips.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) expected: u64,
    pub(super) lost: u64,
    /// Lost in clips of cameras that nobody was away from for longer than the reserve.
    pub(super) lost_within_reserve: u64,
    /// Declared missing frames by cause.
    pub(super) causes: BTreeMap<String, u64>,
    pub(super) most_files: usize,
    pub(super) presets: BTreeSet<String>,
    pub(super) longest_outage_ms: u64,
    pub(super) false_clips: Vec<String>,
}

/// Judges every clip below a folder.
pub(super) fn judge(folder: &Path, cameras: &[String], reserve_ms: u64) -> anyhow::Result<Found> {
    let truth = |camera: &String| {
        Ok::<_, anyhow::Error>((camera.clone(), Truth::read(&folder.join(format!("{camera}.truth")))?))
    };
    let truths = cameras.iter().map(truth).collect::<Result<Truths, _>>()?;
    let recordings = folder.join("recordings");
    let report = oracle::folder::judge(&recordings, &truths)?;
    let mut found = Found::default();
    for clip in &report.clips {
        if !clip.is_true() {
            found.false_clips.push(format!("{} is false: {:?}", clip.name, clip.faults));
        }
        let path = recordings.join(&clip.name).join(MANIFEST);
        let manifest = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let manifest: Value = serde_json::from_slice(&manifest)?;
        for (camera, verdict) in &clip.cameras {
            let said = &manifest["cameras"][camera];
            let outage_ms = outage_ms(said);
            let lost = verdict.expected.saturating_sub(verdict.present);
            found.expected += verdict.expected;
            found.lost += lost;
            if outage_ms <= reserve_ms {
                found.lost_within_reserve += lost;
            }
            found.longest_outage_ms = found.longest_outage_ms.max(outage_ms);
            found.most_files = found.most_files.max(list(said, "files").len());
            found.presets.extend(presets(said));
            for gap in list(said, "gaps") {
                let cause = gap["cause"].as_str().unwrap_or_default().to_owned();
                *found.causes.entry(cause).or_default() += gap["missing"].as_u64().unwrap_or(0);
            }
        }
    }
    Ok(found)
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

/// The longest time in which no recorder was there.
fn outage_ms(camera: &Value) -> u64 {
    let outages = list(camera, "interruptions").iter().filter(|one| one["cause"] == "recorder_restart");
    outages.filter_map(|one| one["outage_ms"].as_u64()).max().unwrap_or(0)
}

/// Stretches name each preset; a manifest of before there were any names one for each file.
fn presets(camera: &Value) -> impl Iterator<Item = String> {
    let stretches = list(camera, "stretches");
    let of = if stretches.is_empty() { list(camera, "made_by") } else { stretches };
    of.iter().filter_map(|one| one["preset"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn presets_come_from_stretches_and_outages_from_restarts() {
        let camera = json!({
            "made_by": [{ "preset": "medium" }],
            "interruptions": [
                { "cause": "recorder_restart", "outage_ms": 20 },
                { "cause": "disk", "outage_ms": 3000 },
                { "cause": "recorder_restart", "outage_ms": 15 },
            ],
        });
        assert_eq!(outage_ms(&camera), 20);
        assert_eq!(presets(&camera).collect::<Vec<_>>(), ["medium"]);
        let camera = json!({
            "made_by": [{ "preset": "medium" }],
            "stretches": [{ "preset": "medium" }, { "preset": "superfast" }],
        });
        assert_eq!(presets(&camera).collect::<Vec<_>>(), ["medium", "superfast"]);
        assert_eq!(outage_ms(&camera), 0);
    }
}
