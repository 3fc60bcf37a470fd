//! The ids that triggers have brought, so that the same one twice is one clip: those of all clips that are on the disk. Only the
//! place of an id is kept, and the clip itself is asked for the rest.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::clip::growth::file::GrowthFile;
use proto::clip::{self, MANIFEST, Manifest, ManifestTrigger, Plan, TRIGGERS, plan_path};
use proto::control::Accepted;
use proto::fnv1a;
use proto::name::Name;
use proto::opened;
use proto::priority;
use serde::Deserialize;

use super::Taken;
use super::growing::OpenClip;
use super::plan;
use super::window::millis;
use crate::control::STACK_BYTES;

/// Ids that are kept: 4 MB of them. When there are more, those of the clips that came first go.
const MOST_IDS: usize = 200_000;

/// The time between two tries to list the runs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The ids.
pub(crate) struct Ids {
    rig: Name,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By a sum over the id: a clip's place among `folders`.
    places: HashMap<u64, u32>,
    folders: Vec<PathBuf>,
    /// The clips on the disk have been read.
    are_read: bool,
    /// The log says once that there are too many.
    is_full_said: bool,
}

impl Ids {
    /// `rig`: clips of other rigs may lie in the same folder, and their ids are theirs.
    pub(super) fn new(rig: Name) -> Self {
        Self { rig, known: Mutex::default() }
    }

    /// Reads the ids of the clips below this folder from a thread, those of the newest run first.
    pub(super) fn read_from(self: &Arc<Self>, output: PathBuf) -> io::Result<()> {
        let ids = Arc::clone(self);
        // Manifests are read on this thread: with them it needs more than the other threads of triggers.
        let stack = 4 * STACK_BYTES;
        std::thread::Builder::new().name("ids".into()).stack_size(stack).spawn(move || {
            priority::set(priority::STATISTICS);
            ids.read(&output);
        })?;
        Ok(())
    }

    pub(super) fn read(&self, output: &Path) {
        let runs = loop {
            match opened::folders_of_ours(output) {
                // The disk is away: its clips may come back with it.
                Err(e) if e.kind() != io::ErrorKind::NotFound => std::thread::sleep(LOOK_AGAIN),
                runs => break runs.unwrap_or_default(),
            }
        };
        for run in runs.iter().rev() {
            for folder in opened::folders_of_ours(run).unwrap_or_default() {
                if clip::clip_number(&folder).is_none() {
                    continue;
                }
                let brought = ids_of(&folder, &self.rig).into_iter().filter(|id| !is_made(id, &folder));
                for id in brought {
                    // The newer ones are here already.
                    if self.lock().places.len() < MOST_IDS {
                        self.add(&id, &folder);
                    }
                }
            }
        }
        self.lock().are_read = true;
    }

    /// Have all clips on the disk been read?
    pub(super) fn are_read(&self) -> bool {
        self.lock().are_read
    }

    /// A trigger of the clip in this folder has brought this id.
    pub(super) fn add(&self, id: &str, folder: &Path) {
        let mut known = self.lock();
        if known.places.len() >= MOST_IDS {
            known.forget_half();
        }
        if known.folders.last().is_none_or(|last| last != folder) {
            known.folders.push(folder.to_owned());
        }
        let place = u32::try_from(known.folders.len() - 1).unwrap_or(u32::MAX);
        known.places.insert(sum(id), place);
    }

    /// The answer to a trigger that has this id, if its clip is on the disk.
    pub(super) fn find(&self, id: &str) -> Option<Taken> {
        let folder = {
            let known = self.lock();
            let place = *known.places.get(&sum(id))?;
            known.folders.get(usize::try_from(place).ok()?)?.clone()
        };
        // The clip may have been removed, and its name given to another since.
        match plan::manifest(&folder) {
            Some(manifest) => answer(&folder, &manifest, id),
            None => OpenClip::read(&folder).ok()??.answer_again(id),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets the ids of the clips that came first.
    fn forget_half(&mut self) {
        if !std::mem::replace(&mut self.is_full_said, true) {
            tracing::warn!(
                "more than {MOST_IDS} ids of triggers have come; the oldest are not known again if they come twice"
            );
        }
        let from = self.folders.len().div_ceil(2);
        self.folders.drain(..from);
        let from = u32::try_from(from).unwrap_or(u32::MAX);
        self.places.retain(|_, place| match place.checked_sub(from) {
            Some(now) => {
                *place = now;
                true
            }
            None => false,
        });
    }
}

fn sum(id: &str) -> u64 {
    fnv1a::sum(fnv1a::BASIS, id.as_bytes())
}

/// Was this id made here, and not brought? Nobody gives such a one again.
fn is_made(id: &str, folder: &Path) -> bool {
    id.starts_with(&clip::trigger_id(folder, 1))
}

/// The part of a manifest that is looked at.
#[derive(Deserialize)]
struct Triggers {
    #[serde(default)]
    rig: Option<Name>,
    #[serde(default)]
    triggers: Vec<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// The ids of a clip's triggers, if it is of this rig.
fn ids_of(folder: &Path, rig: &Name) -> Vec<String> {
    let is_ours = |of: &Option<Name>| of.as_ref() == Some(rig);
    let Ok(text) = opened::read(&folder.join(MANIFEST)) else {
        let Some(plan) =
            opened::read(&plan_path(folder)).ok().and_then(|text| Plan::read(&text, folder).ok())
        else {
            return Vec::new();
        };
        let mut file = GrowthFile::of(folder, &plan);
        let _ = file.read_on();
        let ids = file.growth().triggers().iter().filter_map(|trigger| trigger.id.clone());
        return if is_ours(&plan.rig) { ids.collect() } else { Vec::new() };
    };
    match serde_json::from_slice::<Triggers>(&text) {
        Ok(manifest) if is_ours(&manifest.rig) => {
            let mut ids: Vec<String> = manifest.triggers.into_iter().map(|trigger| trigger.id).collect();
            ids.extend(more_triggers::<Id>(folder).map(|trigger| trigger.id));
            ids
        }
        _ => Vec::new(),
    }
}

/// The lines of a finished clip that has more triggers than its manifest lists.
fn more_triggers<T: for<'de> Deserialize<'de>>(folder: &Path) -> impl Iterator<Item = T> {
    let text = opened::read(&folder.join(TRIGGERS)).unwrap_or_default();
    let lines: Vec<T> =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    lines.into_iter()
}

/// The answer to a trigger of a finished clip.
fn answer(folder: &Path, manifest: &Manifest, id: &str) -> Option<Taken> {
    let listed = manifest.triggers.iter().find(|trigger| trigger.id == id).cloned();
    let trigger =
        listed.or_else(|| more_triggers::<ManifestTrigger>(folder).find(|trigger| trigger.id == id))?;
    let asked = trigger.start_ns.unwrap_or(manifest.asked_start_ns);
    let accepted = Accepted {
        trigger_id: trigger.id,
        clip_id: clip::clip_id(folder),
        path: folder.display().to_string(),
        pre_roll_ms: millis(trigger.t_ns - asked.max(manifest.window.start_ns)),
        asked_pre_roll_ms: millis(trigger.t_ns - asked),
        end_ns: trigger.end_ns,
        notes: manifest.notes.clone(),
    };
    Some(Taken { accepted, folder: folder.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A run folder with a finished clip of these triggers.
    fn finished(output: &Path, name: &str, rig: &str, ids: &[&str]) -> PathBuf {
        let folder = output.join("run_20261122-091510").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let trigger = |id: &&str| {
            json!({ "id": id, "source": "command", "kind": "trigger", "start_ns": 200, "t_ns": 1_000_200, "end_ns": 900,
                    "utc": "", "meta": null, "offset_s": {} })
        };
        let triggers: Vec<_> = ids.iter().map(trigger).collect();
        let manifest = json!({
            "schema": 2, "clip_id": name, "label": null, "rig": rig, "verdict": "complete", "complete": true,
            "ended_early": false, "trigger": triggers[0], "triggers": triggers, "trigger_ns": 500,
            "window": { "start_ns": 100, "end_ns": 900 }, "asked_start_ns": 100,
            "wall": { "monotonic_ns": 0, "unix_ns": 0 }, "trigger_utc": "", "notes": ["a note"], "cameras": {},
        });
        std::fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
        folder
    }

    #[test]
    fn an_id_is_known_as_long_as_its_clip_is_on_the_disk() {
        let output = tempfile::tempdir().unwrap();
        let first = finished(output.path(), "clip-0001", "bench", &["a", "b"]);
        finished(output.path(), "clip-0002", "another", &["c"]);
        let ids = Ids::new(Name::new("bench").unwrap());
        assert!(!ids.are_read());
        ids.read(output.path());
        assert!(ids.are_read());
        let again = ids.find("b").unwrap();
        assert_eq!(again.folder, first);
        let Accepted { trigger_id, clip_id, pre_roll_ms, end_ns, .. } = &again.accepted;
        assert_eq!((trigger_id.as_str(), clip_id.as_str()), ("b", "20261122-091510-clip-0001"));
        assert_eq!((*pre_roll_ms, end_ns.map(|end| end.0)), (1, Some(900)));
        assert_eq!(ids.find("c"), None, "another rig's");
        assert_eq!(ids.find("nobody's"), None);

        let line =
            json!({ "id": "d", "source": "command", "t_ns": 7, "utc": "", "meta": null, "offset_s": {} });
        std::fs::write(first.join(TRIGGERS), format!("{line}\n")).unwrap();
        ids.read(output.path());
        assert_eq!(ids.find("d").unwrap().folder, first);

        std::fs::remove_dir_all(&first).unwrap();
        assert_eq!(ids.find("b"), None);
        let second = finished(output.path(), "clip-0003", "bench", &["b"]);
        ids.add("b", &second);
        assert_eq!(ids.find("b").unwrap().folder, second);
    }

    #[test]
    fn of_too_many_ids_the_newest_are_known() {
        let output = tempfile::tempdir().unwrap();
        let newest = finished(output.path(), "clip-0003", "bench", &["newest"]);
        let ids = Ids::new(Name::new("bench").unwrap());
        let [first, second] = ["clip-0001", "clip-0002"].map(|name| newest.with_file_name(name));
        (0..MOST_IDS / 2).for_each(|n| ids.add(&format!("first-{n}"), &first));
        (0..MOST_IDS / 2).for_each(|n| ids.add(&format!("second-{n}"), &second));
        ids.add("newest", &newest);
        assert_eq!(ids.find("newest").unwrap().folder, newest);
        let known = ids.lock();
        assert_eq!(known.places.len(), MOST_IDS / 2 + 1);
        let folder = |id: &str| known.places.get(&sum(id)).map(|place| &known.folders[*place as usize]);
        assert_eq!((folder("first-7"), folder("second-7")), (None, Some(&second)));
    }

    #[test]
    fn an_id_that_was_made_here_is_not_kept() {
        let output = tempfile::tempdir().unwrap();
        finished(
            output.path(),
            "clip-0001",
            "bench",
            &["20261122-091510-trigger-0001", "20261122-091510-trigger-0001-2"],
        );
        let ids = Ids::new(Name::new("bench").unwrap());
        ids.read(output.path());
        assert!(ids.lock().places.is_empty());
    }
}
