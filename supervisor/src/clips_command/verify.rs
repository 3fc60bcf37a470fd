//! `clips verify`: finished clips decoded and compared with all that is said of them, by a child for each.

use std::path::PathBuf;

use proto::clip::MANIFEST;
use proto::exit;
use proto::say;
use serde_json::Value;

use super::args::VerifyArgs;
use super::library::Library;
use crate::ask::{self, media};
use crate::failure::Failure;

/// A finished clip: its folder and its id.
struct Finished {
    folder: PathBuf,
    clip_id: String,
}

/// Verifies the clip that is meant, or all.
pub(super) fn verify(library: &Library, args: &VerifyArgs) -> Result<u8, Failure> {
    match &args.id {
        Some(id) => one(library, id, args.json),
        None => all(library, args.json),
    }
}

fn one(library: &Library, id: &str, json: bool) -> Result<u8, Failure> {
    let row = library.find(id)?;
    let folder = library.folder(row);
    if !folder.join(MANIFEST).exists() {
        return Err(Failure::bad_input(format!("{} is not finished; verify it when it is", row.clip_id())));
    }
    media::verify(&folder, Some(&row.clip_id()), json)
}

fn all(library: &Library, json: bool) -> Result<u8, Failure> {
    let (mut finished, mut open) = (Vec::new(), 0);
    for row in library.rows() {
        let folder = library.folder(row);
        if folder.join(MANIFEST).exists() {
            finished.push(Finished { folder, clip_id: row.clip_id() });
        } else {
            open += 1;
        }
    }
    let (codes, reports) = if json { as_json(&finished)? } else { (as_text(&finished)?, Vec::new()) };
    if json {
        ask::print(&reports)?;
    }
    let not_good = codes.iter().filter(|code| **code != exit::DONE).count();
    let not_finished = match open {
        0 => String::new(),
        1 => ", 1 is not finished".to_owned(),
        _ => format!(", {open} are not finished"),
    };
    let verified = if codes.len() == 1 { "1 clip".to_owned() } else { format!("{} clips", codes.len()) };
    say::aside(&format!("{verified} verified: {not_good} not good{not_finished}\n"));
    Ok(worst(&codes))
}

/// Each report as text, as its child prints it.
fn as_text(clips: &[Finished]) -> Result<Vec<u8>, Failure> {
    clips.iter().map(|clip| media::verify(&clip.folder, Some(&clip.clip_id), false)).collect()
}

/// The reports as they come to be printed, and the exit codes. A child that has none to give has said why.
fn as_json(clips: &[Finished]) -> Result<(Vec<u8>, Vec<Value>), Failure> {
    let (mut codes, mut reports) = (Vec::new(), Vec::new());
    for clip in clips {
        let (code, report) = media::report(&clip.folder, &clip.clip_id)?;
        codes.push(code);
        reports.extend(report);
    }
    Ok((codes, reports))
}

/// The exit code for all: that something is wrong with a clip tells more than that another could not be looked at.
fn worst(codes: &[u8]) -> u8 {
    let first_of = |wanted: &dyn Fn(u8) -> bool| codes.iter().copied().find(|code| wanted(*code));
    first_of(&|code| code == exit::INCOMPLETE)
        .or_else(|| first_of(&|code| code != exit::DONE))
        .unwrap_or(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clip_that_is_wrong_makes_all_of_them_wrong() {
        for (codes, code) in [(&[][..], 0), (&[0, 0], 0), (&[0, 1, 4, 0], 4), (&[0, 1, 0], 1), (&[2, 0], 2)] {
            assert_eq!(worst(codes), code, "{codes:?}");
        }
    }
}
