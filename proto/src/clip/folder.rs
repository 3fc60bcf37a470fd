//! A clip's folder: its name, the paths of the documents in it, and the names that follow from its path.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{MANIFEST, PARTIAL_DIR, PLAN};
use crate::fnv1a;
use crate::name::Name;
use crate::opened;

/// A number that stands for a clip's folder where many are told of, several times a second.
#[must_use]
pub fn mark(clip_folder: &Path) -> u64 {
    fnv1a::sum(fnv1a::BASIS, clip_folder.as_os_str().as_bytes())
}

/// The name of a clip's folder, which is what log lines' field `clip` holds.
#[must_use]
pub fn clip_name(clip_folder: &Path) -> Cow<'_, str> {
    clip_folder.file_name().unwrap_or_default().to_string_lossy()
}

/// The clip's id, which no other clip of a rig has: the time in its run folder's name, and its own folder's name. A clip in a
/// folder that is no run's, such as a copy, goes by its folder's name alone.
#[must_use]
pub fn clip_id(clip_folder: &Path) -> String {
    let name = clip_name(clip_folder);
    match run_time(clip_folder) {
        Some(time) => format!("{time}-{name}"),
        None => name.into_owned(),
    }
}

/// The id that the `nth` trigger of a clip gets, counted from 1, when it brings none: the run's time, the clip's number, and
/// from the second on its own.
#[must_use]
pub fn trigger_id(clip_folder: &Path, nth: usize) -> String {
    let time = run_time(clip_folder).map_or_else(String::new, |time| format!("{time}-"));
    let number = clip_number(clip_folder).unwrap_or(0);
    if nth < 2 { format!("{time}trigger-{number:04}") } else { format!("{time}trigger-{number:04}-{nth}") }
}

/// The number in a clip folder's name; none if it isn't called as a clip is.
#[must_use]
pub fn clip_number(clip_folder: &Path) -> Option<u32> {
    clip_folder.file_name()?.to_str()?.strip_prefix("clip-")?.split('-').next()?.parse().ok()
}

/// The time in the name of the run folder that a clip lies in. No other run of a rig has the same.
fn run_time(clip_folder: &Path) -> Option<String> {
    let run = clip_folder.parent()?.file_name()?.to_str()?;
    let (_, time) = run.rsplit_once('_')?;
    let is_time =
        time.len() >= "20261122-091510".len() && time.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    is_time.then(|| time.to_owned())
}

/// The file of a camera's poster in a finished clip's folder: the trigger's frame as a JPEG. It comes between the manifest and the
/// sums.
#[must_use]
pub fn poster_name(camera: &Name) -> String {
    format!("{camera}_poster.jpg")
}

/// The path of a clip's plan.
#[must_use]
pub fn plan_path(clip_folder: &Path) -> PathBuf {
    clip_folder.join(PARTIAL_DIR).join(PLAN)
}

/// The clip folders in a run folder that have a plan, or are finished and still have a [`PARTIAL_DIR`], in order of
/// their names.
///
/// # Errors
/// The run folder can't be read.
pub fn unfinished_clips(run_folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let mut found = opened::folders_of_ours(run_folder)?;
    // Anything in the plan's place counts: whoever takes the clip on says what is wrong with it.
    found.retain(|folder| {
        is_there(&plan_path(folder))
            || (is_there(&folder.join(PARTIAL_DIR)) && is_there(&folder.join(MANIFEST)))
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_and_its_triggers_are_named_by_the_run_and_the_clips_number() {
        let folder = Path::new("/recordings/my_run_20261122-091510-2/clip-0007-goal");
        assert_eq!(clip_id(folder), "20261122-091510-2-clip-0007-goal");
        assert_eq!(trigger_id(folder, 1), "20261122-091510-2-trigger-0007");
        assert_eq!(trigger_id(folder, 12), "20261122-091510-2-trigger-0007-12");
        assert_eq!(clip_number(folder), Some(7));
        // A copy that somebody has put elsewhere.
        assert_eq!(clip_id(Path::new("/mnt/stick/clip-0007-goal")), "clip-0007-goal");
        assert_eq!(clip_id(Path::new("/mnt/my_clips/clip-0007-goal")), "clip-0007-goal");
        assert_eq!(clip_number(Path::new("/mnt/my_clips/holiday")), None);
    }
}
