//! `clips keep`, `release` and `note`: what a person says of a clip. It is on the disk when the command ends.

use proto::exit;

use super::library::Library;
use crate::ask;
use crate::failure::Failure;
use crate::stored_clips::notes::{self, MOST_NOTE_BYTES, Word};
use crate::stored_clips::row::Row;

/// Keeps clips, or releases them.
pub(super) fn keep(library: &Library, ids: &[String], keep: bool) -> Result<u8, Failure> {
    let word = if keep { Word::Keep } else { Word::Release };
    for row in library.find_all(ids)? {
        say(library, row, &word)?;
        let done = if keep { "kept" } else { "released" };
        ask::say(&format!("{}: {done}\n", row.clip_id()))?;
    }
    Ok(exit::DONE)
}

/// Adds a note.
pub(super) fn note(library: &Library, id: &str, text: &str) -> Result<u8, Failure> {
    if text.trim().is_empty() || text.len() > MOST_NOTE_BYTES {
        return Err(Failure::bad_input(format!(
            "a note is a text of 1 to {MOST_NOTE_BYTES} bytes, and this one has {}",
            text.len()
        )));
    }
    let row = library.find(id)?;
    say(library, row, &Word::Note(text))?;
    ask::say(&format!("{}: noted\n", row.clip_id())).map(|()| exit::DONE)
}

fn say(library: &Library, row: &Row, word: &Word<'_>) -> Result<(), Failure> {
    notes::say(&library.folder(row), word).map_err(|e| {
        let why = if e.kind() == std::io::ErrorKind::NotFound {
            "it was removed meanwhile".to_owned()
        } else {
            e.to_string()
        };
        Failure::failed(format!("{}: this can't be written down: {why}", row.clip_id()))
    })
}
