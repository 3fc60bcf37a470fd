//! `preroll clips`: the clips on the disk for people and scripts, whether an instance runs or not. No supervisor is asked; one that
//! runs is told of a clip that was removed.
//!
//! | module | subject |
//! |---|---|
//! | [`args`] | the command line, as typed |
//! | [`place`] | the output folder that is meant |
//! | [`library`] | its clips, and the one that is meant by an id |
//! | [`list`], [`show`] | what is printed of them |
//! | [`say`] | `keep`, `release` and `note` |
//! | [`verify`], [`export`] | what a decoder does with them |
//! | [`remove`] | `remove` and `prune` |

pub(crate) mod args;
mod export;
mod library;
mod list;
mod place;
mod remove;
mod say;
mod show;
mod verify;

use crate::ask::Address;
use crate::failure::Failure;
use args::{ClipsArgs, ClipsCommand};
use library::Library;

/// `preroll clips`.
pub(crate) fn clips(of: &Address, args: ClipsArgs) -> Result<u8, Failure> {
    let ClipsArgs { place, list, command } = args;
    if command.is_some() && !list.is_empty() {
        return Err(Failure::bad_input(
            "--json, --label, --verdict, --since and --meta belong behind the word list or show: clips list --json",
        ));
    }
    let place = place::find(of, &place)?;
    match command.unwrap_or(ClipsCommand::List(list)) {
        ClipsCommand::List(args) => list::list(&Library::open(&place)?, &args),
        ClipsCommand::Show { id, json } => show::show(&Library::open(&place)?, &id, json),
        ClipsCommand::Keep { ids } => say::keep(&Library::open(&place)?, &ids, true),
        ClipsCommand::Release { ids } => say::keep(&Library::open(&place)?, &ids, false),
        ClipsCommand::Note { id, text } => say::note(&Library::open(&place)?, &id, &text),
        ClipsCommand::Verify(args) => verify::verify(&Library::open(&place)?, &args),
        ClipsCommand::Export(args) => export::export(&Library::open(&place)?, &args),
        ClipsCommand::Remove { ids } => remove::remove(of, &Library::open(&place)?, &ids),
        ClipsCommand::Prune { dry_run } => remove::prune(of, &place, dry_run),
    }
}
