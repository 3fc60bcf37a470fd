//! A clip on the disk as lists show it, read from its folder: from its manifest, or from its plan while it is unfinished.

use std::io;
use std::path::{Path, PathBuf};

use proto::clip::growth::file::GrowthFile;
use proto::clip::{MANIFEST, Manifest, PARTIAL_DIR, Plan, Verdict, clip_id, plan_path};
use proto::opened::{self, EntryKind};
use proto::time::UtcTime;
use serde::{Deserialize, Serialize};

use super::notes;

/// The standing of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// No manifest is there yet.
    Open,
    /// Finished, with this verdict.
    Finished(Verdict),
    /// Manifest or plan can't be read.
    Unreadable,
}

impl Standing {
    /// The word in lists: the verdict, or why there is none.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finished(verdict) => verdict.name(),
            Self::Unreadable => "unreadable",
        }
    }
}

/// A clip, by what lists show and clips are looked for by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The run folder and the clip folder, below the output folder.
    pub(crate) place: PathBuf,
    pub(crate) standing: Standing,
    pub(crate) keep: bool,
    pub(crate) label: Option<String>,
    pub(crate) rig: Option<String>,
    /// The moment of the first trigger, in nanoseconds since 1970; 0 where nothing says it.
    pub(crate) trigger_unix_ns: u64,
    /// The length of the window that was recorded; of an open clip, that is to be recorded.
    pub(crate) duration_ms: u64,
    pub(crate) cameras: Vec<String>,
    /// The bytes of all files in the clip's folder.
    pub(crate) bytes: u64,
    /// The ids of the triggers that manifest or plan name.
    pub(crate) triggers: Vec<String>,
    /// The values that came with the triggers, each once.
    pub(crate) meta: Vec<(String, String)>,
}

impl Row {
    /// Reads what is known of the clip in this folder. None if there is no clip.
    ///
    /// # Errors
    /// The folder can't be read.
    pub(crate) fn read(output_dir: &Path, folder: &Path) -> io::Result<Option<Self>> {
        let place = folder.strip_prefix(output_dir).unwrap_or(folder).to_owned();
        let row = match opened::read(&folder.join(MANIFEST)) {
            Ok(text) => {
                serde_json::from_slice(&text).ok().map(|manifest| Self::finished(place.clone(), &manifest))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => match opened::read(&plan_path(folder)) {
                Ok(text) => {
                    Plan::read(&text, folder).ok().map(|plan| Self::open(place.clone(), folder, &plan))
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) if opened::is_foreign(&e) => None,
                Err(e) => return Err(e),
            },
            Err(e) if opened::is_foreign(&e) => None,
            Err(e) => return Err(e),
        };
        let mut row = row.unwrap_or_else(|| Self::unreadable(place));
        let said = notes::read(folder);
        // A clip of which that can't be read may be one that somebody wants to keep.
        row.keep = said.map_or(true, |said| said.keep);
        row.bytes = bytes(folder)?;
        Ok(Some(row))
    }

    /// A clip of which nothing is known but where it lies.
    pub(crate) fn unreadable(place: PathBuf) -> Self {
        Self {
            place,
            standing: Standing::Unreadable,
            keep: false,
            label: None,
            rig: None,
            trigger_unix_ns: 0,
            duration_ms: 0,
            cameras: Vec::new(),
            bytes: 0,
            triggers: Vec::new(),
            meta: Vec::new(),
        }
    }

    fn finished(place: PathBuf, manifest: &Manifest) -> Self {
        let mut row = Self {
            standing: Standing::Finished(manifest.verdict),
            label: manifest.label.as_ref().map(ToString::to_string),
            rig: manifest.rig.as_ref().map(ToString::to_string),
            trigger_unix_ns: manifest.wall.unix(manifest.trigger_ns),
            duration_ms: ms(manifest.window.span()),
            cameras: manifest.cameras.iter().map(|(name, _)| name.to_string()).collect(),
            ..Self::unreadable(place)
        };
        for trigger in &manifest.triggers {
            row.triggers.push(trigger.id.clone());
            trigger.meta.iter().flatten().for_each(|(key, value)| row.add_meta(key.as_str(), value));
        }
        row
    }

    fn open(place: PathBuf, folder: &Path, plan: &Plan) -> Self {
        let mut file = GrowthFile::of(folder, plan);
        // Lines that can't be read are the recorder's concern.
        let _ = file.read_on();
        let growth = file.growth();
        let mut row = Self {
            standing: Standing::Open,
            label: plan.label.as_ref().map(ToString::to_string),
            rig: plan.rig.as_ref().map(ToString::to_string),
            trigger_unix_ns: plan.wall.unix(plan.trigger_ns),
            duration_ms: ms(growth.window().span()),
            cameras: plan.cameras.iter().map(|camera| camera.name.to_string()).collect(),
            ..Self::unreadable(place)
        };
        for trigger in growth.triggers() {
            row.triggers.extend(trigger.id.clone());
            trigger.meta.iter().flatten().for_each(|(key, value)| row.add_meta(key.as_str(), value));
        }
        row
    }

    fn add_meta(&mut self, key: &str, value: &str) {
        let is_known = self.meta.iter().any(|(k, v)| k == key && v == value);
        if !is_known {
            self.meta.push((key.to_owned(), value.to_owned()));
        }
    }

    /// The clip's id, which no other clip of a rig has.
    pub(crate) fn clip_id(&self) -> String {
        clip_id(&self.place)
    }

    /// The name of the clip's folder.
    pub(crate) fn name(&self) -> &str {
        self.place.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The moment of the first trigger in UTC.
    pub(crate) fn trigger_utc(&self) -> String {
        UtcTime::from_unix_ns(self.trigger_unix_ns).to_string()
    }

    /// Does it stay as it is as long as no name in its folder changes?
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.standing, Standing::Finished(_))
    }

    pub(crate) fn has_meta(&self, key: &str, value: &str) -> bool {
        self.meta.iter().any(|(k, v)| k == key && v == value)
    }
}

fn ms(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The bytes of all files in a clip's folder, those of an unfinished clip too.
fn bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0_u64;
    for entry in opened::entries(folder)? {
        if entry.kind == EntryKind::Folder && entry.name == PARTIAL_DIR {
            // The folder goes when the clip is finished, maybe just now.
            let partial = opened::entries(&folder.join(PARTIAL_DIR)).unwrap_or_default();
            sum = partial.iter().fold(sum, |sum, entry| sum.saturating_add(entry.bytes));
        }
        sum = sum.saturating_add(entry.bytes);
    }
    Ok(sum)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A manifest of one camera with this much in it.
    pub(crate) fn manifest(rig: Option<&str>, label: Option<&str>, trigger_unix_ns: u64) -> Value {
        let mut manifest: Value =
            serde_json::from_str(include_str!("../../../proto/src/clip/schema1/whole.json")).unwrap();
        let trigger = json!({
            "id": "mine-7", "source": "command", "t_ns": 5_000_000_000_u64, "utc": "", "offset_s": {},
            "meta": { "animal": "m12" },
        });
        for (key, value) in [
            ("schema", json!(2)),
            ("rig", json!(rig)),
            ("label", json!(label)),
            ("verdict", json!("short")),
            ("trigger_ns", json!(5_000_000_000_u64)),
            ("window", json!({ "start_ns": 4_000_000_000_u64, "end_ns": 6_500_000_000_u64 })),
            ("wall", json!({ "monotonic_ns": 5_000_000_000_u64, "unix_ns": trigger_unix_ns })),
            ("triggers", json!([trigger])),
        ] {
            manifest[key] = value;
        }
        manifest
    }

    /// A finished clip with these bytes beside its manifest.
    pub(crate) fn clip(output: &Path, place: &str, manifest: &Value, bytes: usize) -> PathBuf {
        let folder = output.join(place);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("left.mp4"), vec![7; bytes]).unwrap();
        std::fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
        folder
    }

    const AT: u64 = 1_795_342_500_250_000_000;

    #[test]
    fn a_finished_clip_is_known_by_its_manifest_and_all_its_files_count() {
        let output = tempfile::tempdir().unwrap();
        let place = "run_20261122-091510/clip-0001-goal";
        let folder = clip(output.path(), place, &manifest(Some("pitch"), Some("goal"), AT), 5000);
        std::fs::write(folder.join("SHA256SUMS"), [0; 300]).unwrap();
        let row = Row::read(output.path(), &folder).unwrap().unwrap();
        assert_eq!(
            (row.clip_id().as_str(), row.name()),
            ("20261122-091510-clip-0001-goal", "clip-0001-goal")
        );
        assert_eq!((row.standing.name(), row.keep, row.label.as_deref()), ("short", false, Some("goal")));
        assert_eq!((row.trigger_utc().as_str(), row.duration_ms), ("2026-11-22T10:15:00.250Z", 2500));
        let manifest_bytes = std::fs::metadata(folder.join(MANIFEST)).unwrap().len();
        assert_eq!(row.bytes, 5300 + manifest_bytes);
        assert_eq!(row.triggers, ["mine-7"]);
        assert!(row.has_meta("animal", "m12") && !row.has_meta("animal", "m1"));
    }

    #[test]
    fn a_folder_without_manifest_and_plan_is_no_clip_and_a_manifest_that_is_none_is_unreadable() {
        let output = tempfile::tempdir().unwrap();
        let folder = output.path().join("run_20261122-091510/clip-0001");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("left.mp4"), "x").unwrap();
        assert_eq!(Row::read(output.path(), &folder).unwrap(), None);
        std::fs::write(folder.join(MANIFEST), "{").unwrap();
        let row = Row::read(output.path(), &folder).unwrap().unwrap();
        assert_eq!((row.standing, row.bytes), (Standing::Unreadable, 2));
    }

    #[test]
    fn a_clip_of_which_it_can_not_be_read_whether_it_is_kept_is_kept() {
        let output = tempfile::tempdir().unwrap();
        let folder = clip(output.path(), "run_20261122-091510/clip-0001", &manifest(None, None, AT), 1);
        std::fs::write(folder.join(proto::clip::NOTES), "not json").unwrap();
        assert!(Row::read(output.path(), &folder).unwrap().unwrap().keep);
    }
}
