//! The checks that several kinds of value share. A wrong value is refused at its place in the text.

use std::path::{Path, PathBuf};

use serde_saphyr::Location;

use super::Mistake;
use super::key::{KeyOr, Shape};
use super::value::{At, Mapping};
use crate::name::Name;

/// A pre-roll beyond this fits no memory; the number only keeps arithmetic and mistakes in bounds.
const MAX_SPAN_MS: u64 = 24 * 3600 * 1000;

/// Checks values, and refuses a wrong one at its place in the text.
pub(super) struct Checker<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Checker<'_> {
    pub(super) fn wrong<T>(&self, at: Location, message: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake::at(self.path, self.text, at, message))
    }

    pub(super) fn name(&self, typed: &At<String>, key: &str) -> Result<Name, Mistake> {
        Name::new(&typed.value).or_else(|e| self.wrong(typed.at, format!("{key}: {e}")))
    }

    pub(super) fn path(&self, typed: &At<String>, key: &str) -> Result<PathBuf, Mistake> {
        self.text(typed, key).map(PathBuf::from)
    }

    /// A text that a file name, a URL or a pipeline can be made of.
    pub(super) fn text(&self, typed: &At<String>, key: &str) -> Result<String, Mistake> {
        if typed.value.is_empty() || typed.value.contains('\0') {
            return self.wrong(typed.at, format!("{key}: it is empty, or holds a zero byte"));
        }
        Ok(typed.value.clone())
    }

    /// A span of time of a day at most.
    pub(super) fn span_ms(&self, typed: &At<u64>, key: &str) -> Result<u64, Mistake> {
        if typed.value > MAX_SPAN_MS {
            return self.wrong(typed.at, format!("{key}: {} ms is more than a day", typed.value));
        }
        Ok(typed.value)
    }

    /// A span of time of a day at most, or its default.
    pub(super) fn span_or_default(&self, typed: &Mapping, key: &KeyOr<u64>) -> Result<u64, Mistake> {
        typed.typed(key).map_or(Ok(key.default), |ms| self.span_ms(&ms, key.row.name))
    }

    /// A value that must lie in its key's range.
    pub(super) fn in_range(&self, typed: &Mapping, key: &KeyOr<u64>) -> Result<u64, Mistake> {
        let Some(At { value, at }) = typed.typed(key) else { return Ok(key.default) };
        match key.row.shape {
            Shape::Range { first, last, first_is } if !(first..=last).contains(&value) => {
                let first_is = if first_is.is_empty() { String::new() } else { format!(" ({first_is})") };
                let name = key.row.name;
                self.wrong(
                    at,
                    format!("{name}: {value} is out of range; it takes {first}{first_is} to {last}"),
                )
            }
            _ => Ok(value),
        }
    }
}
