//! `SHA256SUMS` compared with the files that lie beside it.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use proto::clip::SUMS;
use sha2::{Digest, Sha256};

use crate::deadline;
use crate::plain_file;

const PIECE: usize = 256 << 10;
const MAX_BYTES: u64 = 16 << 20;

/// The comparison of a folder with its sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The files that have a sum.
    pub(crate) files: usize,
    /// The files that are wrong, each with a sentence.
    pub(crate) wrong: Vec<(String, String)>,
}

/// Checks each line; none if there are no sums.
pub(crate) fn check(folder: &Path) -> Option<Checked> {
    let mut text = Vec::new();
    let mut checked = Checked::default();
    match plain_file::open(&folder.join(SUMS)).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => {
            checked.wrong.push((SUMS.to_owned(), format!("it can't be read: {e}")));
            return Some(checked);
        }
        Ok(_) => {}
    }
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        checked.files += 1;
        let Some((sum, name)) = parse(line) else {
            let what = "it has a line that is no sum of a file in this folder";
            checked.wrong.push((SUMS.to_owned(), what.to_owned()));
            continue;
        };
        let shown = name.to_string_lossy().into_owned();
        match sum_of(&folder.join(&name)) {
            Ok(found) if found == sum => {}
            Ok(_) => checked.wrong.push((shown, format!("it is not as it was when {SUMS} was made"))),
            Err(e) => checked.wrong.push((shown, format!("{SUMS} names it, and it can't be read: {e}"))),
        }
    }
    Some(checked)
}

/// A line as `sha256sum` writes it: a backslash in front says that the name is written with escapes.
fn parse(line: &[u8]) -> Option<(String, OsString)> {
    let (escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (sum, name) = line.split_at_checked(64)?;
    let sum = std::str::from_utf8(sum).ok().filter(|sum| sum.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let name = name.strip_prefix(b"  ").or_else(|| name.strip_prefix(b" *"))?;
    let name = if escaped { unescape(name)? } else { name.to_vec() };
    let is_plain = !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..";
    is_plain.then(|| (sum.to_ascii_lowercase(), OsString::from_vec(name)))
}

fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(plain)
}

fn sum_of(path: &Path) -> io::Result<String> {
    let mut file = plain_file::open(path)?;
    let (mut sum, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        deadline::step();
        let read = match file.read(&mut piece) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        sum.update(&piece[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_changed_and_a_missing_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("good", ""), ("changed", "x")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(check(folder.path()), None);
        let text = format!("{EMPTY}  good\n{EMPTY}  changed\n{EMPTY}  gone\n{EMPTY}  ../good\n");
        std::fs::write(folder.path().join(SUMS), text).unwrap();
        let checked = check(folder.path()).unwrap();
        assert_eq!(checked.files, 4);
        let named: Vec<_> = checked.wrong.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(named, ["changed", "gone", SUMS]);
    }

    #[test]
    fn names_with_escapes_are_read_as_sha256sum_writes_them() {
        let line = format!("\\{EMPTY}  a\\\\b\\nc");
        assert_eq!(parse(line.as_bytes()), Some((EMPTY.to_owned(), OsString::from("a\\b\nc"))));
        assert_eq!(parse(format!("{EMPTY}  a\\b").as_bytes()).unwrap().1, OsString::from("a\\b"));
        assert_eq!(parse(format!("\\{EMPTY}  a\\x").as_bytes()), None);
    }
}
