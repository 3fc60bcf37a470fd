//! A clip's plan on the disk: what makes a trigger one that was accepted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use proto::clip::{MANIFEST, Manifest, PARTIAL_DIR, PLAN, Plan, plan_path};
use proto::durable;
use proto::failpoint;
use proto::name::Name;

/// Makes a new clip folder with its plan in it. The folder appears whole, under its name, or not at all.
pub(crate) fn leave(
    run_folder: &Path,
    last_number: &AtomicU32,
    label: Option<&Name>,
    plan: impl Fn(&str) -> Plan,
) -> std::io::Result<(String, PathBuf)> {
    loop {
        let number = last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let clip_id = match label {
            Some(label) => format!("clip-{number:04}-{label}"),
            None => format!("clip-{number:04}"),
        };
        let folder = run_folder.join(&clip_id);
        match std::fs::create_dir(&folder) {
            // Somebody has put a folder there: it is theirs.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
            other => other?,
        }
        failpoint::pass("plan.folder", folder.display());
        let filled = std::fs::create_dir(folder.join(PARTIAL_DIR))
            .and_then(|()| Ok(serde_json::to_vec_pretty(&plan(&clip_id))?))
            .and_then(|text| durable::replace(&plan_path(&folder), &text));
        if let Err(e) = filled {
            withdraw(&folder);
            return Err(e);
        }
        return Ok((clip_id, folder));
    }
}

/// Takes a plan back of which nothing was promised yet: a folder without one is only litter. What may be in it is known,
/// and takes no descriptor to remove: there may be none left.
pub(crate) fn withdraw(folder: &Path) {
    let _ = std::fs::remove_file(plan_path(folder));
    let _ = std::fs::remove_dir(folder.join(PARTIAL_DIR));
    let _ = std::fs::remove_dir(folder);
}

/// Removes what a supervisor that was killed in the middle of a trigger left: a clip's folder without a plan. Nothing
/// had been promised. Only for a run folder in which no other supervisor can be at work; only what is empty is removed,
/// but for half a plan.
pub(crate) fn clear_unplanned(run_folder: &Path) {
    for entry in std::fs::read_dir(run_folder).into_iter().flatten().filter_map(Result::ok) {
        let folder = entry.path();
        // Not through symbolic links: what they lead to is somebody else's.
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        if !is_folder
            || number(&entry).is_none()
            || plan_path(&folder).exists()
            || folder.join(MANIFEST).exists()
        {
            continue;
        }
        // Each fails when there is something in it, or it isn't there: then it is not what is looked for here.
        let _ = std::fs::remove_file(folder.join(PARTIAL_DIR).join(format!("{PLAN}~new")));
        let _ = std::fs::remove_dir(folder.join(PARTIAL_DIR));
        let _ = std::fs::remove_dir(&folder);
    }
}

/// What a finished clip says of itself, if it can be read.
pub(crate) fn manifest(folder: &Path) -> Option<Manifest> {
    serde_json::from_slice(&std::fs::read(folder.join(MANIFEST)).ok()?).ok()
}

/// Flushes a plan, and the folders that lead to it, to the disk.
pub(crate) fn sync_plan(folder: &Path) -> std::io::Result<()> {
    match durable::sync(&plan_path(folder)) {
        // It was finished meanwhile, which the plan did not outlive.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && folder.join(MANIFEST).exists() => return Ok(()),
        other => other?,
    }
    for path in [folder.join(PARTIAL_DIR), folder.to_owned()] {
        durable::sync_parent(&path)?;
    }
    Ok(())
}

/// The highest number of a clip in this run folder, or 0.
pub(crate) fn last_number(run_folder: &Path) -> u32 {
    let entries = std::fs::read_dir(run_folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| number(&entry)).max().unwrap_or(0)
}

/// The number in a clip folder's name.
fn number(entry: &std::fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.strip_prefix("clip-")?.split('-').next()?.parse().ok()
}
