//! Clearing up after a clip is finished: its partial folder goes, the plan last.

use std::io;
use std::path::Path;

use proto::clip::{MANIFEST, Manifest, PARTIAL_DIR, PLAN, clip_name};
use proto::durable;
use proto::failpoint;
use proto::opened;

/// The manifest of a clip that is finished already: only its partial folder has to go. A manifest that can't be read now is
/// an error, since a finished clip must not be taken for an unfinished one.
pub(crate) fn already_finished(folder: &Path) -> io::Result<Option<Manifest>> {
    let path = folder.join(MANIFEST);
    let text = match opened::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if opened::is_foreign(&e) => {
            // Whoever put it there, it ends no clip, and would be in the way of the manifest that does.
            tracing::error!("{e}");
            opened::move_aside(&path)?;
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let Ok(manifest) = serde_json::from_slice(&text) else { return Ok(None) };
    if folder.join(PARTIAL_DIR).try_exists()? {
        // The recorder that wrote the manifest may have been killed before its name was on the disk, or its flush may have
        // failed, and the kernel would call a second flush a success. So the manifest is written anew, and the partial
        // folder stays until then.
        durable::replace_synced(&path, &text)?;
        clear(folder);
    }
    Ok(Some(manifest))
}

/// Removes a finished clip's partial folder. The plan goes last: as long as it is there, a recorder comes back to remove the
/// rest.
pub(super) fn clear(folder: &Path) {
    let partial = folder.join(PARTIAL_DIR);
    if let Err(e) = remove(&partial)
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(
            clip = &*clip_name(folder),
            "clip {}: {} can't be removed: {e}; it is no longer needed",
            folder.display(),
            partial.display()
        );
    }
}

fn remove(partial: &Path) -> io::Result<()> {
    for name in opened::names(partial)? {
        let path = partial.join(&name);
        if path.symlink_metadata()?.is_dir() {
            // Follows no link, and removes one in the folder's own place.
            std::fs::remove_dir_all(&path)?;
        } else if name != PLAN {
            opened::remove_file(&path)?;
        }
        failpoint::pass("clear.removed", path.display());
    }
    match opened::remove_file(&partial.join(PLAN)) {
        // A missing plan means that a recorder was killed right after it had removed the plan.
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => failpoint::pass("clear.plan", partial.display()),
    }
    opened::remove_folder(partial)
}
