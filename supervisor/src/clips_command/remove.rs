//! `clips remove` and `clips prune`: clips that go for good, because a person names them or because the config's `recording.keep`
//! leaves no room for them.

use std::path::Path;

use proto::exit;
use proto::storage;

use super::library::Library;
use super::list::size;
use super::place::{self, Place};
use crate::ask::{self, Address};
use crate::failure::Failure;
use crate::retention::candidates::{Candidate, Candidates};
use crate::retention::policy::{self, Limits, Now};
use crate::stored_clips::listing::now_ns;
use crate::stored_clips::removal::{self, Stays};
use crate::stored_clips::row::Row;

/// Removes clips that are named. Nothing is removed if one of them can't be by its state.
pub(super) fn remove(of: &Address, library: &Library, ids: &[String]) -> Result<u8, Failure> {
    let output_dir = library.output_dir();
    let rows = library.find_all(ids)?;
    sweep(output_dir);
    for row in &rows {
        match removal::may_go(&library.folder(row)).map_err(|e| failed(row, &e))? {
            Ok(()) | Err(Stays::InUse | Stays::Gone) => {}
            Err(why) => return Err(Failure::bad_input(format!("{} {}", row.clip_id(), why.words()))),
        }
    }
    let mut stayed = Vec::new();
    for row in rows {
        let folder = library.folder(row);
        match removal::remove(output_dir, &folder).map_err(|e| failed(row, &e))? {
            Ok(bytes) => {
                tell(of, output_dir, &folder, row.clip_id(), bytes);
                ask::say(&format!("{}: removed, {}\n", row.clip_id(), size(bytes)))?;
            }
            Err(why) => stayed.push(format!("{} {}", row.clip_id(), why.words())),
        }
    }
    if stayed.is_empty() { Ok(exit::DONE) } else { Err(Failure::failed(stayed.join("\n"))) }
}

/// Removes what the config leaves no room for, or lists it.
pub(super) fn prune(of: &Address, place: &Place, dry_run: bool) -> Result<u8, Failure> {
    let Some(config) = &place.config else {
        return Err(Failure::bad_input(
            "prune goes by recording.keep in a config: name it with --config FILE, since no instance runs here whose config \
             could be meant",
        ));
    };
    let limits = Limits::of(&config.recording.keep);
    if limits.is_nothing() {
        return Err(Failure::bad_input(format!(
            "{}: recording.keep is not set, so every clip stays; set max_bytes, max_age_h or free_bytes in it",
            config.source.display()
        )));
    }
    let output_dir = &place.output_dir;
    let mut candidates = Candidates::new(output_dir, config.rig.as_str());
    if !dry_run {
        sweep(output_dir);
    }
    candidates.look(now_ns()).map_err(|e| {
        Failure::failed(format!("the clips in {} can't be listed: {e}", output_dir.display()))
    })?;
    let mut gone = (0_u64, 0_u64);
    loop {
        let now = Now { unix_ns: now_ns().unsigned_abs(), free_bytes: storage::free_bytes(output_dir) };
        let due = policy::due(candidates.all(), &limits, &now);
        let Some(&(first, why)) = due.first() else { break };
        if dry_run {
            for (at, why) in due {
                let clip = &candidates.all()[at];
                gone = (gone.0 + 1, gone.1 + clip.bytes);
                ask::say(&format!(
                    "{}: would be removed, {}: {}\n",
                    clip.clip_id(),
                    size(clip.bytes),
                    why.words()
                ))?;
            }
            break;
        }
        let Candidate { place: clip, .. } = &candidates.all()[first];
        let (folder, id) = (output_dir.join(clip), candidates.all()[first].clip_id());
        match removal::remove(output_dir, &folder) {
            Ok(Ok(bytes)) => {
                gone = (gone.0 + 1, gone.1 + bytes);
                tell(of, output_dir, &folder, id.clone(), bytes);
                ask::say(&format!("{id}: removed, {}: {}\n", size(bytes), why.words()))?;
                candidates.forget(first);
            }
            Ok(Err(stays)) => {
                ask::say(&format!("{id} {}\n", stays.words()))?;
                candidates.leave(first);
            }
            Err(e) => return Err(Failure::failed(format!("{id} can't be removed: {e}"))),
        }
    }
    let what = if dry_run { "would be removed" } else { "removed" };
    let clips = if gone.0 == 1 { "1 clip".to_owned() } else { format!("{} clips", gone.0) };
    ask::say(&format!("{clips} {what}, {}\n", size(gone.1))).map(|()| exit::DONE)
}

/// Clears away what an interrupted removal has left. It is no clip, and in nobody's way if it stays.
fn sweep(output_dir: &Path) {
    let _ = removal::sweep(output_dir);
}

fn failed(row: &Row, e: &std::io::Error) -> Failure {
    Failure::failed(format!("{} can't be removed: {e}", row.clip_id()))
}

/// Tells the instance that records into this folder, if one runs, for those who follow its events.
fn tell(of: &Address, output_dir: &Path, folder: &Path, clip_id: String, bytes: u64) {
    if place::is_of_instance(of, output_dir) {
        ask::tell_of_removed_clip(of, clip_id, folder.display().to_string(), bytes);
    }
}
