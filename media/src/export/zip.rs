//! A writer of ZIP archives (APPNOTE 6.3), for files that are compressed already: they are stored as they are. Archives and files
//! of more than 4 GiB are written as ZIP64.

use std::io::{self, Read, Seek, SeekFrom, Write};

use proto::time::UtcTime;

use super::crc32;
use crate::deadline;

const PIECE: usize = 1 << 20;
/// A number that stands in a field of 32 bits for one that doesn't fit.
const ELSEWHERE_32: u32 = u32::MAX;
const ELSEWHERE_16: u16 = u16::MAX;
/// The versions of ZIP that a reader has to know: for stored files, and for ZIP64.
const PLAIN: u16 = 20;
const ZIP64: u16 = 45;
/// Made on Unix.
const MADE_BY: u16 = 3 << 8 | ZIP64;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// A regular file that all may read.
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// An archive while it is written.
pub(crate) struct Zip<W> {
    to: W,
    at: u64,
    entries: Vec<Entry>,
    piece: Vec<u8>,
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    bytes: u64,
    sum: u32,
    /// The place of its header.
    offset: u64,
    /// Seconds since 1970.
    modified: u64,
}

impl<W: Write + Seek> Zip<W> {
    /// Begins an archive at the beginning of an empty file.
    pub(crate) fn new(to: W) -> Self {
        Self { to, at: 0, entries: Vec::new(), piece: vec![0; PIECE] }
    }

    /// Adds a file of so many bytes. `modified` in seconds since 1970.
    ///
    /// # Errors
    /// The system's error; the file has another length.
    pub(crate) fn add(
        &mut self,
        name: &str,
        bytes: u64,
        modified: u64,
        mut from: impl Read,
    ) -> io::Result<()> {
        let mut entry = Entry { name: name.to_owned(), bytes, sum: 0, offset: self.at, modified };
        self.put(&entry.header())?;
        let mut left = bytes;
        loop {
            let read = match from.read(&mut self.piece) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let counted = u64::try_from(read).unwrap_or(u64::MAX);
            if read == 0 && left == 0 {
                break;
            }
            if read == 0 || counted > left {
                return Err(io::Error::other(format!("{name} was changed meanwhile")));
            }
            left -= counted;
            let piece = &self.piece[..read];
            entry.sum = crc32::add(entry.sum, piece);
            self.to.write_all(piece)?;
            self.at += counted;
            deadline::step();
        }
        // The file's sum is known only now, and stands in front of it.
        self.to.seek(SeekFrom::Start(entry.offset))?;
        self.to.write_all(&entry.header())?;
        self.to.seek(SeekFrom::Start(self.at))?;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the list of the files, and gives the file back.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn end(mut self) -> io::Result<W> {
        let start = self.at;
        let listed: Vec<u8> = self.entries.iter().flat_map(Entry::listed).collect();
        self.put(&listed)?;
        let end = end_of(self.entries.len(), start, self.at);
        self.put(&end)?;
        Ok(self.to)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.at += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}

impl Entry {
    /// The header in front of the file.
    fn header(&self) -> Vec<u8> {
        let large = if is_small(self.bytes) { Vec::new() } else { wide(&[self.bytes, self.bytes]) };
        let mut header = 0x0403_4b50_u32.to_le_bytes().to_vec();
        header.extend(self.fields(self.needs(large.is_empty()), &large));
        header.extend(self.name.as_bytes());
        header.extend(large);
        header.extend(self.time());
        header
    }

    /// The file's entry in the list.
    fn listed(&self) -> Vec<u8> {
        let sizes = (!is_small(self.bytes)).then_some([self.bytes; 2]);
        let offset = (!is_small(self.offset)).then_some(self.offset);
        let numbers: Vec<u64> = sizes.into_iter().flatten().chain(offset).collect();
        let large = if numbers.is_empty() { Vec::new() } else { wide(&numbers) };
        let mut listed = 0x0201_4b50_u32.to_le_bytes().to_vec();
        listed.extend(MADE_BY.to_le_bytes());
        listed.extend(self.fields(self.needs(large.is_empty()), &large));
        // No remark, one disk, no kind of text.
        listed.extend([0; 6]);
        listed.extend(ATTRIBUTES.to_le_bytes());
        listed.extend(narrow(self.offset).to_le_bytes());
        listed.extend(self.name.as_bytes());
        listed.extend(large);
        listed.extend(self.time());
        listed
    }

    fn needs(&self, is_plain: bool) -> u16 {
        if is_plain { PLAIN } else { ZIP64 }
    }

    /// The fields that header and list have in common.
    fn fields(&self, needs: u16, large: &[u8]) -> Vec<u8> {
        let (date, time) = dos(self.modified);
        let bytes = narrow(self.bytes);
        let name = u16::try_from(self.name.len()).unwrap_or(u16::MAX);
        let extra = u16::try_from(large.len() + self.time().len()).unwrap_or(u16::MAX);
        let mut fields = Vec::new();
        // Stored: method 0.
        [needs, UTF8, 0, time, date].iter().for_each(|field| fields.extend(field.to_le_bytes()));
        [self.sum, bytes, bytes].iter().for_each(|field| fields.extend(field.to_le_bytes()));
        [name, extra].iter().for_each(|field| fields.extend(field.to_le_bytes()));
        fields
    }

    /// The extra field with the exact time of the last change (Info-ZIP's `UT`).
    fn time(&self) -> [u8; 9] {
        let [a, b, c, d] = u32::try_from(self.modified).unwrap_or(u32::MAX).to_le_bytes();
        [0x55, 0x54, 5, 0, 1, a, b, c, d]
    }
}

/// Does a number fit into a field of 32 bits?
fn is_small(number: u64) -> bool {
    number < u64::from(ELSEWHERE_32)
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE_32)
}

/// The extra field of ZIP64.
fn wide(numbers: &[u64]) -> Vec<u8> {
    let bytes = u16::try_from(8 * numbers.len()).unwrap_or(0).to_le_bytes();
    [1, 0].into_iter().chain(bytes).chain(numbers.iter().flat_map(|number| number.to_le_bytes())).collect()
}

/// The end of an archive whose list of so many files lies between these places.
fn end_of(files: usize, start: u64, end: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = u64::try_from(files).unwrap_or(u64::MAX);
    if count >= u64::from(ELSEWHERE_16) || !is_small(start) || !is_small(end - start) {
        bytes.extend(0x0606_4b50_u32.to_le_bytes());
        bytes.extend(44_u64.to_le_bytes());
        bytes.extend(MADE_BY.to_le_bytes());
        bytes.extend(ZIP64.to_le_bytes());
        bytes.extend([0; 8]);
        [count, count, end - start, start].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        // The place of that record, on the first of one disk.
        bytes.extend(0x0706_4b50_u32.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(end.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    let count = u16::try_from(files).unwrap_or(ELSEWHERE_16);
    bytes.extend(0x0605_4b50_u32.to_le_bytes());
    bytes.extend([0; 4]);
    [count, count].iter().for_each(|count| bytes.extend(count.to_le_bytes()));
    [narrow(end - start), narrow(start)].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend([0; 2]);
    bytes
}

/// Date and time as DOS has them, in UTC: from 1980 on, to two seconds.
fn dos(unix_s: u64) -> (u16, u16) {
    const YEARS: std::ops::RangeInclusive<u64> = 1980..=2107;
    let t = UtcTime::from_unix_ns(unix_s.saturating_mul(1_000_000_000));
    if !YEARS.contains(&t.year) {
        // The first day that DOS knows.
        return (1 << 5 | 1, 0);
    }
    let small = |number: u64| u16::try_from(number).unwrap_or(0);
    let date = small(t.year - YEARS.start()) << 9 | small(t.month) << 5 | small(t.day);
    (date, small(t.hour) << 11 | small(t.minute) << 5 | small(t.second / 2))
}

#[cfg(test)]
mod tests;
