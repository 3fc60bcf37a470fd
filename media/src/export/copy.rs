//! The files of a clip as they are: copied into a folder of the clip's name, or stored in one archive.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use proto::clip::SUMS;
use proto::failpoint;

use super::zip::Zip;
use crate::deadline;
use crate::plain_file;
use crate::sums;

const PIECE: usize = 1 << 20;
/// The end of the name of a file that is being written, and gets another name when it is whole.
const BEING_WRITTEN: &str = "~new";

/// The reason why a clip can't be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CantCopy {
    #[error("{0}: {1}")]
    Read(String, #[source] io::Error),
    #[error("{0} can't be written: {1}")]
    Write(String, #[source] io::Error),
    #[error("{0}: {1}")]
    Wrong(String, String),
}

/// A file of a clip, opened.
pub(crate) struct ClipFile {
    name: String,
    file: File,
    bytes: u64,
    modified: SystemTime,
}

/// The files of a clip's folder, in the order of their names. Folders and links are none of them, and nor is a file that is just
/// being written.
///
/// # Errors
/// One of them can't be opened.
pub(crate) fn files(folder: &Path) -> Result<Vec<ClipFile>, CantCopy> {
    let of_folder = |e| CantCopy::Read(folder.display().to_string(), e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(of_folder)? {
        let entry = entry.map_err(of_folder)?;
        if !entry.file_type().map_err(of_folder)?.is_file() {
            continue;
        }
        let name = entry.file_name().into_string().map_err(|name| {
            CantCopy::Wrong(
                name.display().to_string(),
                "its name is not UTF-8, so it can't be exported".into(),
            )
        })?;
        if name.ends_with(BEING_WRITTEN) {
            continue;
        }
        let cant = |e| CantCopy::Read(name.clone(), e);
        let file = plain_file::open(&entry.path()).map_err(cant)?;
        let about = file.metadata().map_err(cant)?;
        let modified = about.modified().map_err(cant)?;
        files.push(ClipFile { bytes: about.len(), modified, name, file });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The bytes of all files.
pub(crate) fn bytes(files: &[ClipFile]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

/// Compares files with their sums. The number of files that have one; none if there are no sums.
///
/// # Errors
/// The first file that is not as it was.
pub(crate) fn verify(folder: &Path) -> Result<Option<usize>, CantCopy> {
    let Some(checked) = sums::check(folder) else { return Ok(None) };
    match checked.wrong.into_iter().next() {
        Some((file, what)) => Err(CantCopy::Wrong(file, what)),
        None => Ok(Some(checked.files)),
    }
}

/// Copies the files into a new folder.
///
/// # Errors
/// As it says.
pub(crate) fn to_folder(files: Vec<ClipFile>, folder: &Path) -> Result<(), CantCopy> {
    let made = std::fs::create_dir(folder);
    made.map_err(|e| CantCopy::Write(folder.display().to_string(), e))?;
    for ClipFile { name, mut file, modified, .. } in files {
        let cant = |e| CantCopy::Write(name.clone(), e);
        let mut copy = plain_file::create(&folder.join(&name)).map_err(cant)?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = match file.read(&mut piece) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(|e| CantCopy::Read(name.clone(), e))?,
            };
            if read == 0 {
                break;
            }
            failpoint::check("export.write", &name).map_err(cant)?;
            copy.write_all(&piece[..read]).map_err(cant)?;
            deadline::step();
        }
        copy.set_modified(modified).map_err(cant)?;
    }
    Ok(())
}

/// Stores the files in a new archive, by their base names.
///
/// # Errors
/// As it says.
pub(crate) fn to_zip(files: Vec<ClipFile>, path: &Path) -> Result<(), CantCopy> {
    let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let cant = |e| CantCopy::Write(shown.clone(), e);
    let mut zip = Zip::new(plain_file::create(path).map_err(cant)?);
    for ClipFile { name, file, bytes, modified } in files {
        let modified = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        failpoint::check("export.write", &name).map_err(cant)?;
        zip.add(&name, bytes, modified, file).map_err(cant)?;
    }
    zip.end().map(drop).map_err(cant)
}

/// The words on a clip that has no sums yet.
pub(crate) fn unsummed() -> String {
    format!("it has no {SUMS} yet, so its files are not compared with it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_the_files_of_a_clip_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (clip, copy) = (folder.path().join("clip"), folder.path().join("copy"));
        std::fs::create_dir_all(clip.join("folder")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", clip.join("link")).unwrap();
        for (name, text) in [("left.mp4", "film"), ("notes.json", "{}"), ("SHA256SUMS~new", "half")] {
            std::fs::write(clip.join(name), text).unwrap();
        }
        let found = files(&clip).unwrap();
        assert_eq!(bytes(&found), 6);
        to_folder(found, &copy).unwrap();
        let names: Vec<_> = files(&copy).unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["left.mp4", "notes.json"]);
        assert_eq!(std::fs::read_to_string(copy.join("left.mp4")).unwrap(), "film");
        let changed = |name: &str| clip.join(name).metadata().unwrap().modified().unwrap();
        assert_eq!(copy.join("left.mp4").metadata().unwrap().modified().unwrap(), changed("left.mp4"));
        let again = to_folder(files(&clip).unwrap(), &copy).unwrap_err();
        assert!(again.to_string().contains("copy can't be written"), "{again}");
    }
}
