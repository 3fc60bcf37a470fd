//! The output folder that a command is about: named, a config's, that of the instance that runs, or `recordings` where the command
//! is typed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto::config::Config;
use proto::instance::RuntimeDir;
use proto::opened;
use proto::storage;

use super::args::PlaceArgs;
use crate::ask::Address;
use crate::check::{self, output_dir, patience};
use crate::failure::Failure;
use crate::state;

/// The output folder of a config that doesn't name one.
const DEFAULT: &str = "recordings";

/// An output folder, and the config that belongs to it, as far as it is known.
pub(super) struct Place {
    pub(super) output_dir: PathBuf,
    pub(super) config: Option<Config>,
}

/// Finds the output folder.
pub(super) fn find(of: &Address, args: &PlaceArgs) -> Result<Place, Failure> {
    let config = args.config.as_deref().map(check::load).transpose()?;
    let named = args.recordings.as_deref().map(named).transpose()?;
    let place = match (named, config) {
        (Some(output_dir), config) => Place { output_dir, config },
        (None, Some(config)) => Place { output_dir: output_dir::plain(&config)?, config: Some(config) },
        (None, None) => of_instance(of).map_or_else(|| nearby(of), Ok)?,
    };
    let looked_at = place.output_dir.clone();
    let what = format!("the output folder {}", looked_at.display());
    let owner = patience::within(what, move || Some(looked_at.metadata().ok()?.uid()))?;
    // A person who names somebody's recordings, as root or as a member of the group that may read them, means that user's clips.
    owner.into_iter().for_each(opened::believe);
    Ok(place)
}

/// A folder that a person names. It has to be there: a mistyped path would be an empty list.
fn named(dir: &Path) -> Result<PathBuf, Failure> {
    let plain = storage::plain(dir).map_err(|e| Failure::bad_input(format!("--recordings: {e}")))?;
    storage::no_link(&plain).map_err(|e| Failure::bad_input(format!("--recordings: {e}")))?;
    let looked_at = plain.clone();
    let is_dir = patience::within(format!("--recordings: {}", plain.display()), move || looked_at.is_dir())?;
    if is_dir {
        Ok(plain)
    } else {
        Err(Failure::bad_input(format!("--recordings: there is no folder {}", dir.display())))
    }
}

/// Does the instance that runs here record into this folder?
pub(super) fn is_of_instance(of: &Address, output_dir: &Path) -> bool {
    of_instance(of).is_some_and(|place| place.output_dir == output_dir)
}

/// The folder of the instance that runs here, or ran last and was killed.
fn of_instance(of: &Address) -> Option<Place> {
    let dir =
        if of.is_named { RuntimeDir::visit(&of.dir).ok()?.0 } else { RuntimeDir::open(&of.dir).ok()? };
    let output_dir = state::load(&dir)?.run_folder.parent()?.to_owned();
    Some(Place { output_dir, config: Config::load_checked(&dir.config_path()).ok() })
}

fn nearby(of: &Address) -> Result<Place, Failure> {
    let here = storage::plain(Path::new(DEFAULT))
        .ok()
        .filter(|here| here.is_dir() && storage::no_link(here).is_ok());
    match here {
        Some(output_dir) => Ok(Place { output_dir, config: None }),
        None => Err(Failure::bad_input(format!(
            "it isn't known where the clips are: no instance runs in {}, and there is no folder {DEFAULT} here; name the output \
             folder with --recordings DIR, or the config with --config FILE",
            of.dir.display()
        ))),
    }
}
