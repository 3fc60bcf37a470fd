//! Summing one clip, and writing the file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use proto::clip::{NOTES, SUMS, plan_path};
use proto::durable;
use proto::opened;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::recorded::{Identity, Recorded};

/// The bytes that are read and summed at once: a millisecond's work at most.
const PIECE: usize = 256 << 10;
/// After each piece the thread rests for so many times as long as the piece took. So it takes a quarter of one processor and
/// of the disk at most, also where its niceness means nothing: beside an encoder that waits for the same disk.
const REST: u32 = 3;
/// The longest rest. A piece takes longer than a third of this only where the disk is slow or the processor is taken, and then
/// resting for longer would help nobody.
const LONGEST_REST: Duration = Duration::from_millis(50);

/// The end of a try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The sums are written.
    Made {
        /// The number of files.
        files: usize,
        /// The size of all of them.
        bytes: u64,
    },
    /// There is nothing to do: the clip has its sums, isn't finished, or is being removed.
    None,
    /// Another program has a lock on the clip.
    Busy,
    /// A file is not the one that was recorded, for this reason. Sums of it would say that it is.
    Refused(String),
}

/// Makes the sums of a clip. `recorded`: its files, where this recorder has finished it.
///
/// # Errors
/// The system's error. It may work another time.
pub(super) fn make(folder: &Path, recorded: Option<&Recorded>) -> io::Result<Outcome> {
    let made = sum_and_write(folder, recorded);
    match made {
        // A clip that is being removed goes file by file.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Outcome::None),
        // The sums of somebody else came first.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Outcome::None),
        other => other,
    }
}

fn sum_and_write(folder: &Path, recorded: Option<&Recorded>) -> io::Result<Outcome> {
    let path = folder.join(SUMS);
    // As long as there is a plan, a recorder may come back to the clip.
    if is_there(&path)? || is_there(&plan_path(folder))? {
        return Ok(Outcome::None);
    }
    // Another instance may have begun with the same clip: both would write beside the same name.
    let locked = opened::folder(folder)?;
    match rustix::fs::flock(&locked, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(Outcome::Busy),
        other => other?,
    }
    let by_manifest;
    let recorded = match recorded {
        Some(recorded) => recorded,
        None => {
            by_manifest = Recorded::by_manifest(folder)?;
            let Some(recorded) = &by_manifest else { return Ok(Outcome::None) };
            recorded
        }
    };
    let names = opened::names(folder)?;
    if recorded.names().any(|name| names.iter().all(|there| there != name)) {
        return Ok(Outcome::None);
    }
    let (mut text, mut files, mut bytes) = (Vec::new(), 0, 0);
    for name in names.iter().filter(|name| !is_of_sums(name) && !is_of_notes(name)) {
        let mut file = match opened::file(&folder.join(name)) {
            Ok(file) => file,
            Err(e) if opened::is_foreign(&e) && !recorded.has(name) => continue,
            Err(e) if opened::is_foreign(&e) => return Ok(Outcome::Refused(e.to_string())),
            Err(e) => return Err(e),
        };
        let before = Identity::of(&file.metadata()?);
        let sum = if recorded.can_be(name, before) { Some(sum_of(&mut file)?) } else { None };
        let Some(sum) = sum.filter(|_| file.metadata().is_ok_and(|now| Identity::of(&now) == before)) else {
            let why = format!("{} was replaced or changed after the clip was finished", name.display());
            return Ok(Outcome::Refused(why));
        };
        text.extend(line(&sum, name));
        files += 1;
        bytes += before.bytes;
    }
    durable::create_synced(&path, &text)?;
    Ok(Outcome::Made { files, bytes })
}

fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Is it the file of sums, or one that a killed recorder left of it?
fn is_of_sums(name: &OsStr) -> bool {
    name == SUMS || durable::beside(Path::new(SUMS)) == Path::new(name)
}

/// Is it what people have said of the clip? They may say more at any time.
fn is_of_notes(name: &OsStr) -> bool {
    name == NOTES || durable::beside(Path::new(NOTES)) == Path::new(name)
}

fn sum_of(file: &mut File) -> io::Result<String> {
    let (mut sum, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        let begun = Instant::now();
        let read = match file.read(&mut piece) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        sum.update(&piece[..read]);
        std::thread::sleep((begun.elapsed() * REST).min(LONGEST_REST));
    }
}

/// A line as `sha256sum` writes it: a name that would break the line is written with escapes, which a backslash in front says.
fn line(sum: &str, name: &OsStr) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in name.as_bytes() {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            _ => escaped.push(*byte),
        }
    }
    let mark: &[u8] = if escaped.len() > name.len() { b"\\" } else { b"" };
    [mark, sum.as_bytes(), b"  ", &escaped, b"\n"].concat()
}
