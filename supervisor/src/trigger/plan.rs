//! A clip's plan on the disk: with it a trigger counts as accepted. What stands in a plan is decided in
//! [`crate::trigger`].

use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use proto::clip::{MANIFEST, Manifest, PARTIAL_DIR, PLAN, Plan, clip_number, plan_path};
use proto::durable;
use proto::failpoint;
use proto::name::Name;
use proto::opened;

/// Makes a new clip folder with its plan in it. The folder appears whole, under its name, or not at all.
pub(crate) fn leave(
    run_folder: &Path,
    last_number: &AtomicU32,
    label: Option<&Name>,
    plan: impl Fn(&str) -> Plan,
) -> std::io::Result<(Plan, PathBuf)> {
    loop {
        let number = last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let clip_id = match label {
            Some(label) => format!("clip-{number:04}-{label}"),
            None => format!("clip-{number:04}"),
        };
        let folder = run_folder.join(&clip_id);
        match opened::create_folder(&folder) {
            // A folder that somebody else has put there stays theirs.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
            other => other?,
        }
        failpoint::pass("plan.folder", folder.display());
        let plan = plan(&clip_id);
        let filled = opened::create_folder(&folder.join(PARTIAL_DIR))
            .and_then(|()| Ok(serde_json::to_vec_pretty(&plan)?))
            .and_then(|text| durable::replace(&plan_path(&folder), &text));
        if let Err(e) = filled {
            withdraw(&folder);
            return Err(e);
        }
        return Ok((plan, folder));
    }
}

/// Removes a plan before anything was promised, and its clip's folder with it. Every file that may be in the folder is
/// known by name, so no descriptor is needed to list it: there may be none left.
pub(crate) fn withdraw(folder: &Path) {
    let _ = std::fs::remove_file(plan_path(folder));
    let _ = std::fs::remove_dir(folder.join(PARTIAL_DIR));
    let _ = std::fs::remove_dir(folder);
}

/// Removes clip folders without a plan, which a supervisor leaves when it is killed in the middle of a trigger. Nothing
/// was promised for them. Folders are removed only when they hold nothing, or half a plan. Only for a run folder in
/// which no other supervisor is at work.
pub(crate) fn clear_unplanned(run_folder: &Path) {
    let is_there = |path: &Path| !matches!(path.symlink_metadata(), Err(e) if e.kind() == NotFound);
    for folder in opened::folders_of_ours(run_folder).unwrap_or_default() {
        if clip_number(&folder).is_none() || is_there(&plan_path(&folder)) || is_there(&folder.join(MANIFEST))
        {
            continue;
        }
        // remove_dir fails on a folder that is not empty: such a folder is to stay.
        let _ = opened::remove_file(&folder.join(PARTIAL_DIR).join(format!("{PLAN}~new")));
        let _ = std::fs::remove_dir(folder.join(PARTIAL_DIR));
        let _ = std::fs::remove_dir(&folder);
    }
}

/// The manifest of a finished clip, if it can be read.
pub(crate) fn manifest(folder: &Path) -> Option<Manifest> {
    serde_json::from_slice(&opened::read(&folder.join(MANIFEST)).ok()?).ok()
}

/// Flushes a plan, and the folders that lead to it, to the disk.
pub(crate) fn sync_plan(folder: &Path) -> std::io::Result<()> {
    match durable::sync(&plan_path(folder)) {
        // The clip was finished meanwhile, and its plan removed.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && folder.join(MANIFEST).exists() => return Ok(()),
        other => other?,
    }
    for path in [folder.join(PARTIAL_DIR), folder.to_owned()] {
        durable::sync_parent(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::clip::{PLAN_SCHEMA, Window};
    use proto::time::{MonotonicNs, WallAnchor};

    use super::*;

    fn plan(clip_id: &str) -> Plan {
        Plan {
            schema: PLAN_SCHEMA,
            clip_id: clip_id.to_owned(),
            label: None,
            rig: None,
            boot_id: "boot".into(),
            origin: None,
            wall: WallAnchor { monotonic_ns: MonotonicNs(0), unix_ns: 0 },
            clock: None,
            trigger: None,
            trigger_ns: MonotonicNs(5),
            window: Window { start_ns: MonotonicNs(4), end_ns: MonotonicNs(6) },
            asked_start_ns: MonotonicNs(4),
            notes: Vec::new(),
            cameras_asked: None,
            cameras: Vec::new(),
        }
    }

    fn leave_one(run: &Path, last: &AtomicU32, label: Option<&str>) -> (String, PathBuf) {
        let label = label.map(|label| Name::new(label).unwrap());
        let (plan, folder) = leave(run, last, label.as_ref(), plan).unwrap();
        (plan.clip_id, folder)
    }

    #[test]
    fn clips_are_numbered_and_a_number_that_is_taken_is_passed_over() {
        let run = tempfile::tempdir().unwrap();
        std::fs::create_dir(run.path().join("clip-0002")).unwrap();
        let last = AtomicU32::new(0);
        assert_eq!(leave_one(run.path(), &last, Some("goal")).0, "clip-0001-goal");
        let (clip_id, folder) = leave_one(run.path(), &last, None);
        assert_eq!((clip_id.as_str(), &folder), ("clip-0003", &run.path().join("clip-0003")));
        let written: Plan = serde_json::from_slice(&std::fs::read(plan_path(&folder)).unwrap()).unwrap();
        assert_eq!(written, plan("clip-0003"));
        sync_plan(&folder).unwrap();
    }

    #[test]
    fn a_plan_that_can_not_be_written_leaves_no_folder() {
        let run = tempfile::tempdir().unwrap();
        let no_such = run.path().join("gone");
        assert!(leave(&no_such, &AtomicU32::new(0), None, plan).is_err());
        let (_, folder) = leave_one(run.path(), &AtomicU32::new(0), None);
        withdraw(&folder);
        assert!(!folder.exists());
    }

    #[test]
    fn a_clip_that_was_finished_before_its_plan_was_flushed_is_no_error() {
        let run = tempfile::tempdir().unwrap();
        let (_, folder) = leave_one(run.path(), &AtomicU32::new(0), None);
        std::fs::remove_dir_all(folder.join(PARTIAL_DIR)).unwrap();
        assert!(sync_plan(&folder).is_err());
        std::fs::write(folder.join(MANIFEST), "{}").unwrap();
        sync_plan(&folder).unwrap();
        assert_eq!(manifest(&folder), None, "a manifest that can't be read is none");
    }

    #[test]
    fn only_empty_clip_folders_without_a_plan_are_cleared_away() {
        let run = tempfile::tempdir().unwrap();
        let make = |name: &str, file: Option<&str>| {
            let folder = run.path().join(name);
            std::fs::create_dir_all(folder.join(PARTIAL_DIR)).unwrap();
            if let Some(file) = file {
                std::fs::write(folder.join(file), "x").unwrap();
            }
        };
        make("clip-0001", None);
        make("clip-0002", Some(".partial/plan.json~new"));
        make("clip-0003", Some(".partial/plan.json"));
        make("clip-0004", Some("manifest.json"));
        make("clip-0005", Some("notes.txt"));
        make("mine", None);
        std::os::unix::fs::symlink(run.path().join("mine"), run.path().join("clip-0006")).unwrap();
        clear_unplanned(run.path());
        let mut left: Vec<String> = std::fs::read_dir(run.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["clip-0003", "clip-0004", "clip-0005", "clip-0006", "mine"]);
    }
}
