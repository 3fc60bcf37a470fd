//! The folder that clips go to: whether it may be used, can be written and has room. Nothing is left in it here.

use std::path::{Path, PathBuf};

use proto::config::{Config, ValueOf};
use proto::storage;

use crate::check::patience;
use crate::failure::Failure;

/// The config's output folder as an absolute path. Refused when a symbolic link in it would lead elsewhere.
pub(crate) fn plain(config: &Config) -> Result<PathBuf, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        Failure::bad_input(config.mistake(ValueOf::OutputDir, format!("recording.output_dir: {why}")))
    };
    let plain = storage::plain(&config.recording.output_dir).map_err(|e| refused(&e))?;
    storage::no_link(&plain).map_err(|e| refused(&e))?;
    Ok(plain)
}

/// Does [`writable`], within the time that a disk has to answer. A warning where there is nothing to write to yet.
pub(crate) fn look(config: &Config) -> Result<Option<String>, Failure> {
    let (what, config) = (named(config), config.clone());
    patience::within(what, move || match not_there_yet(&config)? {
        Some(missing) => Ok(Some(format!("{missing}; until then start ends with exit code 1"))),
        None => writable(&config).map(|()| None),
    })?
}

/// Does [`not_there_yet`], within the time that a disk has to answer.
pub(crate) fn look_for_disk(config: &Config) -> Result<Option<String>, Failure> {
    let (what, config) = (named(config), config.clone());
    patience::within(what, move || not_there_yet(&config))?
}

/// The config's output folder as the beginning of a sentence.
pub(crate) fn named(config: &Config) -> String {
    format!("recording.output_dir: {}", config.recording.output_dir.display())
}

/// The reason why clips have nowhere to go yet: the folder in which the output folder is to be made isn't there. With an
/// absolute path that is a disk that isn't mounted yet, more often than not, and clips must not land beside it.
fn not_there_yet(config: &Config) -> Result<Option<String>, Failure> {
    let output_dir = &config.recording.output_dir;
    let plain = plain(config)?;
    let Some(parent) = plain.parent().filter(|_| output_dir.is_absolute()) else { return Ok(None) };
    let is_missing = matches!(parent.try_exists(), Ok(false));
    Ok(is_missing.then(|| {
        format!(
            "recording.output_dir: {} isn't there, in which {} would be made; mount its disk, or make that folder",
            parent.display(),
            plain.display()
        )
    }))
}

/// Refuses a folder that can't be written, or has no room. Tries it in the nearest folder that exists, and leaves
/// nothing there.
fn writable(config: &Config) -> Result<(), Failure> {
    let output_dir = &config.recording.output_dir;
    let floor = config.recording.min_free_bytes;
    let no = |path: &Path, why: &str| {
        let message = format!(
            "recording.output_dir: {} can't be written ({}: {why}); name another folder",
            output_dir.display(),
            path.display()
        );
        Failure::bad_input(config.mistake(ValueOf::OutputDir, message))
    };
    let absolute = plain(config)?;
    for folder in absolute.ancestors() {
        match folder.metadata() {
            Ok(there) if !there.is_dir() => return Err(no(folder, "it is not a folder")),
            // Permissions don't tell (root may do anything but on a read-only or a special file system): try.
            Ok(_) => {
                tempfile::tempdir_in(folder).map_err(|e| no(folder, &e.to_string()))?;
                let room = storage::has_room(folder, floor, 0);
                return room.map_err(|e| Failure::bad_input(format!("recording.output_dir: {e}")));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(no(folder, &e.to_string())),
        }
    }
    Ok(())
}

/// The bytes that are free where clips go: in the nearest folder that exists.
pub(crate) fn free_bytes(config: &Config) -> Option<u64> {
    let absolute = plain(config).ok()?;
    absolute.ancestors().find_map(storage::free_bytes)
}
