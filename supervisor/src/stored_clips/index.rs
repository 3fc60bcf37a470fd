//! The index of an output folder: the rows of earlier looks, so that ten thousand clips are listed without reading ten thousand
//! manifests. It is never needed and never believed: a row counts only while its clip's folder has the mark that it had, and an
//! index that can't be read, is another version's or has another sum than it says is as good as none.

use std::io;
use std::path::{Path, PathBuf};

use proto::clip::INDEX_DIR;
use proto::durable;
use proto::fnv1a;
use proto::opened::{self, FolderMark};
use serde::{Deserialize, Serialize};

use super::listing::Known;
use super::row::Row;

/// The version of the file.
const SCHEMA: u32 = 1;
/// The file: a line that says what follows, then a line a clip.
const FILE: &str = "rows.jsonl";

/// The first line.
#[derive(PartialEq, Serialize, Deserialize)]
struct Head {
    schema: u32,
    /// Of all the lines that follow.
    sum: String,
}

impl Head {
    fn of(lines: &[u8]) -> Self {
        Self { schema: SCHEMA, sum: format!("{:016x}", fnv1a::sum(fnv1a::BASIS, lines)) }
    }
}

#[derive(Deserialize)]
struct Line {
    mark: FolderMark,
    row: Row,
}

#[derive(Serialize)]
struct LineOf<'a> {
    mark: FolderMark,
    row: &'a Row,
}

/// The rows of the index; none if it can't be used.
pub(super) fn load(output_dir: &Path) -> Known<Row> {
    let path = path(output_dir);
    opened::read(&path).ok().and_then(|text| read(&text)).unwrap_or_default()
}

fn read(text: &[u8]) -> Option<Known<Row>> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (head, lines) = (&text[..end], &text[end + 1..]);
    if serde_json::from_slice::<Head>(head).ok()? != Head::of(lines) {
        return None;
    }
    let mut known = Known::default();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Line { mark, row } = serde_json::from_slice(line).ok()?;
        known.by_place.insert(row.place.clone(), (mark, row));
    }
    Some(known)
}

/// Leaves an index. Where none can be written, as in a folder that this user may only read, the next look takes as long as this
/// one.
pub(super) fn save(output_dir: &Path, known: &Known<Row>) {
    let written = text(known).and_then(|text| {
        opened::own_folder(output_dir, INDEX_DIR)?;
        durable::replace(&path(output_dir), &text)
    });
    if let Err(e) = written {
        tracing::debug!("{} can't be written: {e}", path(output_dir).display());
    }
}

fn text(known: &Known<Row>) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (mark, row) in known.by_place.values() {
        serde_json::to_writer(&mut lines, &LineOf { mark: *mark, row })?;
        lines.push(b'\n');
    }
    let mut text = serde_json::to_vec(&Head::of(&lines))?;
    text.push(b'\n');
    text.append(&mut lines);
    Ok(text)
}

fn path(output_dir: &Path) -> PathBuf {
    output_dir.join(INDEX_DIR).join(FILE)
}
