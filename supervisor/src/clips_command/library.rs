//! The clips of an output folder, and the one that is meant by an id.

use std::path::{Path, PathBuf};

use super::place::Place;
use crate::failure::Failure;
use crate::stored_clips::listing;
use crate::stored_clips::naming;
use crate::stored_clips::row::Row;

/// The clips of an output folder.
pub(crate) struct Library {
    output_dir: PathBuf,
    /// The newest first.
    rows: Vec<Row>,
}

impl Library {
    /// Looks at an output folder.
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let output_dir = place.output_dir.clone();
        let rows = listing::rows(&output_dir).map_err(|e| {
            Failure::failed(format!("the clips in {} can't be listed: {e}", output_dir.display()))
        })?;
        Ok(Self { output_dir, rows })
    }

    /// All clips, the newest first.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The output folder.
    pub(crate) fn output_dir(&self) -> &Path {
        &self.output_dir
    }

    /// The folder of a clip.
    pub(crate) fn folder(&self, row: &Row) -> PathBuf {
        self.output_dir.join(&row.place)
    }

    /// The clip that is meant by an id, by a short form of it, or by the path of its folder.
    pub(crate) fn find(&self, id: &str) -> Result<&Row, Failure> {
        if id.contains('/')
            && let Ok(folder) = proto::storage::plain(Path::new(id))
            && let Some(row) = self.rows.iter().find(|row| self.folder(row) == folder)
        {
            return Ok(row);
        }
        naming::find(&self.rows, id)
            .map_err(|e| Failure::bad_input(format!("{e}\n(looked for in {})", self.output_dir.display())))
    }

    /// The clips that are meant by these ids, each once. Nothing is done if one of them isn't known.
    pub(crate) fn find_all(&self, ids: &[String]) -> Result<Vec<&Row>, Failure> {
        let mut found: Vec<&Row> = Vec::new();
        for id in ids {
            let row = self.find(id)?;
            if found.iter().all(|known| known.place != row.place) {
                found.push(row);
            }
        }
        Ok(found)
    }
}
