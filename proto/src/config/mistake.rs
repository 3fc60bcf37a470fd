//! A mistake in a config, shown where it stands: the line with a mark under the place. Passwords are masked in both.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_saphyr::Location;

use super::key::{Row, Table};
use super::read::Unreadable;
use super::{camera, check, recording};
use crate::secret::{masked, masked_column};

/// A message about a config: what is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    path: PathBuf,
    message: String,
    place: Option<Place>,
}

/// A place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// From 1.
    line: usize,
    /// From 1, in the file.
    column: usize,
    /// The line, with its passwords masked.
    shown: String,
    /// The characters before the place in the line that is shown.
    mark: usize,
}

impl Place {
    fn new(line: usize, column: usize, text: &str) -> Self {
        let column = column.max(1);
        let at = text.char_indices().nth(column - 1).map_or(text.len(), |(at, _)| at);
        Self { line, column, shown: masked(text), mark: masked_column(text, at) }
    }
}

/// The part of a long line that is shown, in characters.
const SHOWN: usize = 160;
/// The part of it before the mistake, at most.
const SHOWN_BEFORE: usize = 100;

impl Mistake {
    pub(super) fn unreadable(path: &Path, why: &Unreadable) -> Self {
        let hint = match why {
            Unreadable::System(e) if e.kind() == io::ErrorKind::NotFound => {
                "; name a config with --config FILE"
            }
            _ => "",
        };
        Self { path: path.to_owned(), message: format!("can't read it: {why}{hint}"), place: None }
    }

    pub(super) fn at(path: &Path, text: &str, location: Location, message: impl Into<String>) -> Self {
        let line = usize::try_from(location.line()).unwrap_or(0);
        let column = usize::try_from(location.column()).unwrap_or(0);
        let shown = line.checked_sub(1).and_then(|l| text.lines().nth(l));
        let place = shown.map(|text| Place::new(line, column, text));
        Self { path: path.to_owned(), message: masked(&message.into()), place }
    }

    pub(super) fn syntax(path: &Path, text: &str, error: &serde_saphyr::Error) -> Self {
        let rendered = error.without_snippet().to_string();
        let mut message = first_sentence(&rendered);
        let location = error.location();
        if text.trim().is_empty() {
            message = "it is empty; see configs/default.yaml for one to start from".to_owned();
        } else if let Some(row) = location.and_then(|l| key_before(text, l)).and_then(|key| row(&key))
            && !message.contains("unknown field")
        {
            // "invalid u32" and "expected string scalar" say nothing to anyone who doesn't write Rust.
            let unclear = message.starts_with("invalid ") || message.starts_with("expected ");
            let told = if unclear { String::new() } else { format!("{message}; ") };
            message = format!("{}: {told}it takes {}", row.name, row.takes());
        }
        match location {
            Some(location) => Self::at(path, text, location, message),
            None => Self { path: path.to_owned(), message: masked(&message), place: None },
        }
    }

    /// The line of the mistake, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|p| p.line)
    }

    /// The column of the mistake, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|p| p.column)
    }
}

/// The parser's own message without its "line 3 column 16: " and without its drawing of the place.
fn first_sentence(rendered: &str) -> String {
    let line = rendered.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let told =
        line.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map_or(line, |(_, told)| told);
    let told = told.split(" at line ").next().unwrap_or(told);
    told.replace(", set DuplicateKeyPolicy in Options if acceptable", "; say it once").trim().to_owned()
}

/// The key of this name, of whichever mapping.
fn row(name: &str) -> Option<&'static Row> {
    let tables: [&'static Table; 3] = [&check::TABLE, &camera::TABLE, &recording::TABLE];
    let rows = tables.into_iter().flat_map(Table::rows);
    rows.flat_map(|row| std::iter::once(row).chain(row.below())).find(|row| row.name == name)
}

/// The key whose value stands at a location: the word before the last colon before it. A value that is missing stands
/// at the colon itself.
fn key_before(text: &str, location: Location) -> Option<String> {
    let line = text.lines().nth(usize::try_from(location.line()).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(location.column()).ok()?;
    let here = line.chars().nth(column.checked_sub(1)?);
    let before: String = line.chars().take(if here == Some(':') { column } else { column - 1 }).collect();
    let before = before.trim_end().strip_suffix(':')?;
    let key = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
    Some(key.to_owned())
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let Some(Place { line, column, shown, mark }) = &self.place else {
            return write!(f, "{path}: {}", self.message);
        };
        writeln!(f, "{path}:{line}:{column}: {}", self.message)?;
        let gutter = line.to_string().len();
        // A part of a very long line: that around the place.
        let before = (*mark).min(SHOWN_BEFORE);
        let shown: String = shown.chars().skip(mark - before).take(SHOWN).collect();
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{line} | {shown}")?;
        write!(f, "{:gutter$} | {:>mark$}", "", "^", mark = before + 1)
    }
}

impl std::error::Error for Mistake {}
