//! The note that Preroll was stopped in a clip: one small file in its partial folder. A stop waits only seconds for the
//! encoder, and leaves a clip whose frames are still in the backlog to the next start, which must record up to the stop's
//! moment and no further.

use std::io;
use std::path::Path;

use proto::clip::{PARTIAL_DIR, STOPPED, Stopped, clip_name};
use proto::durable;
use proto::opened;
use proto::time::MonotonicNs;

/// Notes that the clip ends at this moment. A clip that is finished by now has no folder for it, and needs none.
pub(crate) fn note(clip_folder: &Path, end_ns: MonotonicNs) {
    let path = clip_folder.join(PARTIAL_DIR).join(STOPPED);
    let written = serde_json::to_vec(&Stopped { end_ns })
        .map_err(io::Error::from)
        .and_then(|text| durable::replace_synced(&path, &text));
    if let Err(e) = written
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(
            clip = &*clip_name(clip_folder),
            "clip {}: can't note in {} that it was stopped: {e}; whoever finishes it may look for frames of after the stop",
            clip_folder.display(),
            path.display()
        );
    }
}

/// The moment at which the clip was stopped; none if it wasn't, or if the note is damaged.
pub(crate) fn read(clip_folder: &Path) -> io::Result<Option<MonotonicNs>> {
    let path = clip_folder.join(PARTIAL_DIR).join(STOPPED);
    let text = match opened::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if opened::is_foreign(&e) => {
            tracing::warn!(clip = &*clip_name(clip_folder), "clip {}: {e}", clip_folder.display());
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    match serde_json::from_slice::<Stopped>(&text) {
        Ok(stopped) => Ok(Some(stopped.end_ns)),
        Err(e) => {
            tracing::warn!(
                clip = &*clip_name(clip_folder),
                "clip {}: {} can't be read: {e}",
                clip_folder.display(),
                path.display()
            );
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_noted_in_an_unfinished_clip_and_nowhere_else() {
        let clip = tempfile::tempdir().unwrap();
        note(clip.path(), MonotonicNs(7));
        assert_eq!(std::fs::read_dir(clip.path()).unwrap().count(), 0, "it is finished");
        let partial = clip.path().join(PARTIAL_DIR);
        std::fs::create_dir(&partial).unwrap();
        assert_eq!(read(clip.path()).unwrap(), None);
        note(clip.path(), MonotonicNs(7));
        assert_eq!(read(clip.path()).unwrap(), Some(MonotonicNs(7)));
        std::fs::write(partial.join(STOPPED), "{").unwrap();
        assert_eq!(read(clip.path()).unwrap(), None);
    }
}
