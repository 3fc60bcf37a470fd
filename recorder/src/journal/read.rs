//! Reading a journal back, line by line, to its last whole line. What was read is checked before it is believed: a line by
//! its own sum, and every line by the lines before it. A damaged line is passed over: its frame is lost, and those around it
//! are not. Nothing here touches the video; it is compared with the seals in [`crate::part`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use proto::fnv1a::{self, BASIS};
use proto::frame::FrameInfo;
use proto::opened;
use proto::time::{MonotonicNs, nanos};

use super::{END, Line, PartHeader, Row, SUM, Seal};

/// No line is longer. A file without line ends must not be read into memory as a whole.
const LONGEST_LINE: u64 = 64 * 1024;
/// In a line without a sum, numbers may jump by so many frames in no time, more than any ring holds in reserve …
const JUMP: u64 = 1000;
/// … and by one more for each of these: no camera makes more frames.
const SHORTEST_PERIOD_NS: u64 = 1_000_000;

/// A journal that is read back. No call here goes through [`crate::disk::ask`]: the caller knows what it reads beside it.
pub(crate) struct JournalReader {
    lines: BufReader<File>,
    header: PartHeader,
    /// The journal is of a version that wrote a sum behind each line.
    has_sums: bool,
    start: Seal,
    /// The line that was read ahead: only the one after a frame's line says where the frame's packet ends.
    ahead: Ahead,
    /// The last line that was believed.
    last: Option<(Option<Row>, Seal)>,
}

/// A line that was read ahead.
#[derive(Clone, Copy)]
struct Ahead {
    /// The line, if there is another.
    line: Option<(Option<Row>, Seal)>,
    /// Lines that can't be believed stand before it.
    follows_damage: bool,
}

impl JournalReader {
    /// Opens a journal. `None` when its first line is not whole, or damaged.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut lines = BufReader::new(opened::file(path)?);
        let Some(first) = whole_line(&mut lines)? else { return Ok(None) };
        let Some(Text { text, is_summed }) = Text::of(&first) else { return Ok(None) };
        let Some(header) = serde_json::from_str(text).ok().filter(|header| is_summed || can_be(header))
        else {
            return Ok(None);
        };
        let ahead = Ahead { line: None, follows_damage: false };
        let mut reader =
            Self { lines, header, has_sums: is_summed, start: Seal::default(), ahead, last: None };
        reader.ahead = reader.read_ahead()?;
        if let Ahead { line: Some((_, seal)), follows_damage: false } = reader.ahead {
            reader.start = seal;
        }
        Ok(Some(reader))
    }

    /// The making of the part.
    pub(crate) fn header(&self) -> &PartHeader {
        &self.header
    }

    /// The video before the first packet (or with it). Nothing, when the first frame's line is damaged.
    pub(crate) fn start(&self) -> Seal {
        self.start
    }

    /// The next frame's line.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let Ahead { line: Some((Some(row), Seal { offset, .. })), follows_damage } = self.ahead else {
            return Ok(None);
        };
        self.ahead = self.read_ahead()?;
        // Behind a damaged line stands the seal of that line's packet, not of this one's.
        let seal = self.ahead.line.map(|(_, seal)| seal).filter(|_| !self.ahead.follows_damage);
        Ok(Some(Line { row, offset, seal, follows_damage }))
    }

    /// The next line that can be believed.
    fn read_ahead(&mut self) -> io::Result<Ahead> {
        let mut follows_damage = false;
        while let Some(line) = whole_line(&mut self.lines)? {
            if let Some(line) = self.believed(&line) {
                self.last = Some(line);
                return Ok(Ahead { line: Some(line), follows_damage });
            }
            follows_damage = true;
        }
        Ok(Ahead { line: None, follows_damage })
    }

    /// The contents of a line, if they can be right.
    fn believed(&self, line: &[u8]) -> Option<(Option<Row>, Seal)> {
        let Text { text, is_summed } = Text::of(line)?;
        let (row, seal) = parse(text).filter(|_| is_summed || !self.has_sums)?;
        let follows = match (self.last, row) {
            (Some((None, _)), _) => false,
            (Some((Some(last), before)), row) => {
                before.offset <= seal.offset && row.is_none_or(|row| follows(&last, &row, is_summed))
            }
            (None, Some(row)) => is_summed || begins(&self.header, &row),
            (None, None) => true,
        };
        follows.then_some((row, seal))
    }
}

/// Can a header without a sum be right?
fn can_be(header: &PartHeader) -> bool {
    let PartHeader { first_sequence, previous, .. } = header;
    *first_sequence > 0 && previous.is_none_or(|previous| previous.sequence < *first_sequence)
}

/// Can a row without a sum be a part's first?
fn begins(header: &PartHeader, row: &Row) -> bool {
    let first = FrameInfo { sequence: header.first_sequence, t_capture: header.base_ns, ..row.frame };
    let is_first = row.frame.sequence == first.sequence;
    row.frame.t_capture <= row.encoded
        && row.frame.sequence >= first.sequence
        && (is_first || is_plausible_jump(&first, &row.frame))
}

/// Can this row come after the last one?
fn follows(last: &Row, row: &Row, is_summed: bool) -> bool {
    let (before, frame) = (&last.frame, &row.frame);
    // What has a sum was written so. Of the rest a flipped bit must not make frames that never were.
    let is_sane = || {
        before.t_capture <= frame.t_capture
            && frame.t_capture <= row.encoded
            && last.encoded <= row.encoded
            && before.epoch <= frame.epoch
            // A camera that was opened anew may count anew.
            && (before.epoch < frame.epoch || before.source_sequence <= frame.source_sequence)
            && is_plausible_jump(before, frame)
    };
    before.sequence < frame.sequence && (is_summed || is_sane())
}

/// Can so many frames lie between two?
fn is_plausible_jump(before: &FrameInfo, frame: &FrameInfo) -> bool {
    let most = JUMP + nanos(frame.t_capture - before.t_capture) / SHORTEST_PERIOD_NS;
    frame.sequence.saturating_sub(before.sequence) <= most
}

/// The next line, without its end. `None` when there is none, or it was cut off. Of a line that is too long, a piece.
fn whole_line(lines: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(line));
    }
    Ok((read as u64 == LONGEST_LINE).then_some(line))
}

/// A line's text, once its sum is compared.
struct Text<'a> {
    text: &'a str,
    /// It had a sum.
    is_summed: bool,
}

impl<'a> Text<'a> {
    /// `None` for a line that isn't what was written.
    fn of(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        // A header without a sum may hold the sign in a text.
        let Some((text, sum)) = line.rsplit_once(SUM).filter(|(_, sum)| !sum.ends_with('}')) else {
            return Some(Self { text: line, is_summed: false });
        };
        let is_right = sum == format!("{:016x}", fnv1a::sum(BASIS, text.as_bytes()));
        is_right.then_some(Self { text, is_summed: true })
    }
}

fn parse(line: &str) -> Option<(Option<Row>, Seal)> {
    let (row, line) = match line.strip_prefix(END).and_then(|rest| rest.strip_prefix(',')) {
        Some(rest) => (None, rest),
        None => {
            let comma = line.match_indices(',').nth(5)?.0;
            (Some(row(&line[..comma])?), &line[comma + 1..])
        }
    };
    let (offset, sum) = line.split_once(',')?;
    Some((row, Seal { offset: offset.parse().ok()?, sum: sum.parse().ok()? }))
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split(',').map(str::parse::<u64>);
    let mut field = || fields.next()?.ok();
    let (sequence, source_sequence, t_capture) = (field()?, field()?, MonotonicNs(field()?));
    let epoch = u32::try_from(field()?).ok()?;
    let (before, flags) = FrameInfo::from_marks(u16::try_from(field()?).ok()?);
    let frame =
        FrameInfo { sequence, source_sequence, t_capture, epoch, before, flags, ..FrameInfo::default() };
    Some(Row { frame, encoded: MonotonicNs(field()?) })
}
