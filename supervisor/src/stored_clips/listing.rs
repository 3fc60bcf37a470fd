//! Every clip in an output folder. A folder of which it is known what is in it, and whose mark is the same as then, isn't read again.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use proto::clip::{clip_number, run_folders};
use proto::opened::{self, FolderMark};

use super::index;
use super::row::Row;

/// A folder that was changed less than this before it was read may have been changed again since without another mark: file
/// systems know times to some milliseconds, and FAT to two seconds.
const NOT_SETTLED_NS: i64 = 4_000_000_000;

/// The clips of earlier looks: something that is known of each, by the clip's place below the output folder.
#[derive(Debug)]
pub(crate) struct Known<T> {
    pub(super) by_place: HashMap<PathBuf, (FolderMark, T)>,
    /// More or other folders are known than before the last look.
    pub(super) is_changed: bool,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { by_place: HashMap::new(), is_changed: false }
    }
}

impl<T: Clone> Known<T> {
    /// Looks at every clip in an output folder at this moment (nanoseconds since 1970): `read` is asked about those whose folders have changed, and says nothing of what
    /// is no clip. What it says counts as long as the folder stays as it is, if the clip is finished then (`may_stay`).
    ///
    /// # Errors
    /// The output folder can't be listed.
    pub(crate) fn look(
        &mut self,
        output_dir: &Path,
        now_ns: i64,
        read: impl Fn(&Path) -> Option<T>,
        may_stay: impl Fn(&T) -> bool,
    ) -> io::Result<Vec<T>> {
        let mut before = std::mem::take(&mut self.by_place);
        let mut found = Vec::with_capacity(before.len());
        self.is_changed = false;
        for run in run_folders(output_dir)? {
            // A run's folder may be removed by hand meanwhile.
            for (folder, mark) in opened::folders_with_marks(&run).unwrap_or_default() {
                if clip_number(&folder).is_none() {
                    continue;
                }
                let place = folder.strip_prefix(output_dir).unwrap_or(&folder).to_owned();
                let then = before.remove(&place);
                let was_known = then.is_some();
                let known = then.filter(|(then, _)| *then == mark).map(|(_, known)| known);
                let is_fresh = known.is_none();
                self.is_changed |= is_fresh && was_known;
                let Some(clip) = known.or_else(|| read(&folder)) else { continue };
                if may_stay(&clip) && mark.changed_ns.max(mark.modified_ns) < now_ns - NOT_SETTLED_NS {
                    self.is_changed |= is_fresh;
                    self.by_place.insert(place, (mark, clip.clone()));
                }
                found.push(clip);
            }
        }
        self.is_changed |= !before.is_empty();
        Ok(found)
    }
}

/// Every clip in an output folder, the newest first, with the help of the index. One that isn't there yet has none.
///
/// # Errors
/// The folder can't be listed.
pub(crate) fn rows(output_dir: &Path) -> io::Result<Vec<Row>> {
    rows_at(output_dir, now_ns())
}

fn rows_at(output_dir: &Path, now_ns: i64) -> io::Result<Vec<Row>> {
    let mut known = index::load(output_dir);
    let read = |folder: &Path| match Row::read(output_dir, folder) {
        Ok(row) => row,
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(Row::unreadable(folder.strip_prefix(output_dir).unwrap_or(folder).to_owned())),
    };
    let mut rows = match known.look(output_dir, now_ns, read, Row::is_settled) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    if known.is_changed {
        index::save(output_dir, &known);
    }
    rows.sort_by(|a, b| (b.trigger_unix_ns, &b.place).cmp(&(a.trigger_unix_ns, &a.place)));
    Ok(rows)
}

/// The present moment, in nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
