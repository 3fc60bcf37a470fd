//! Tests of journals: cut, changed, and read back.

use super::*;
use proto::codec::Codec;
use proto::frame::{FrameFlags, LossBefore};
use proto::time::MonotonicNs;

const ROWS: u64 = 6;

fn header() -> PartHeader {
    PartHeader {
        choice: EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: None },
        base_ns: MonotonicNs(1000),
        begun_because: PartReason::First,
        first_sequence: 1,
        previous: None,
        copied_into: None,
        goes_on: false,
    }
}

fn row(n: u64) -> Row {
    let frame = FrameInfo {
        sequence: n,
        source_sequence: n + 10,
        t_capture: MonotonicNs(n * 16_666_667),
        epoch: 1,
        before: LossBefore::Nothing,
        flags: FrameFlags::TIME_REPAIRED.when(n.is_multiple_of(2)),
        ..FrameInfo::default()
    };
    Row { frame, encoded: MonotonicNs(n * 16_666_667 + 1) }
}

fn seal(n: u64) -> Seal {
    Seal { offset: 100 * n, sum: n }
}

/// A journal of [`ROWS`] rows and its end, and the bytes that it holds.
fn written(path: &Path) -> Vec<u8> {
    let mut journal = Journal::create(path, &header()).unwrap();
    (1..=ROWS).for_each(|n| journal.add(&row(n), seal(n)).unwrap());
    journal.end(seal(ROWS + 1)).unwrap();
    std::fs::read(path).unwrap()
}

/// The same as an older version wrote it.
fn without_sums(journal: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(journal).unwrap();
    text.lines().flat_map(|line| [line.rsplit_once(SUM).unwrap().0, "\n"]).collect::<String>().into_bytes()
}

/// The lines of a journal with these bytes. `None` when it can't be used.
fn read_back(path: &Path, bytes: &[u8]) -> Option<Vec<Line>> {
    std::fs::write(path, bytes).unwrap();
    let mut journal = JournalReader::open(path).unwrap()?;
    let mut lines = Vec::new();
    while let Some(line) = journal.next().unwrap() {
        lines.push(line);
    }
    Some(lines)
}

/// The line of a frame in an undamaged journal.
fn line(n: u64) -> Line {
    Line { row: row(n), offset: seal(n).offset, seal: Some(seal(n + 1)), follows_damage: false }
}

#[test]
fn a_journal_cut_anywhere_reads_back_to_its_last_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let whole = written(&path);
    for whole in [without_sums(&whole), whole] {
        for cut in 0..=whole.len() {
            let whole_lines = whole[..cut].iter().filter(|b| **b == b'\n').count() as u64;
            let Some(lines) = read_back(&path, &whole[..cut]) else {
                assert_eq!(whole_lines, 0);
                continue;
            };
            let expected: Vec<Line> = (1..=ROWS.min(whole_lines - 1))
                // The line after it says where its packet ends.
                .map(|n| Line { seal: (n + 1 < whole_lines).then(|| seal(n + 1)), ..line(n) })
                .collect();
            assert_eq!(lines, expected);
        }
    }
}

#[test]
fn a_journal_of_a_version_without_flags_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let journal = "{\"choice\":{\"codec\":\"H264\",\"encoder\":\"libx264\",\"preset\":null},\"base_ns\":20,\
        \"begun_because\":\"first\",\"first_sequence\":2,\"previous\":{\"sequence\":1,\"source_sequence\":1,\
        \"t_capture\":10,\"epoch\":1,\"before\":\"camera_drop\"}}\n2,2,20,1,2,21,100,7\n";
    let lines = read_back(&folder.path().join("j"), journal.as_bytes()).unwrap();
    let frame = lines[0].row.frame;
    assert_eq!((frame.sequence, frame.before, frame.flags), (2, LossBefore::CameraStall, FrameFlags::NONE));
}

#[test]
fn a_changed_byte_costs_the_line_that_it_stands_in_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let whole = written(&path);
    for at in 0..whole.len() {
        let its_line = whole[..at].iter().filter(|b| **b == b'\n').count() as u64;
        // A line end that is changed costs both lines.
        let lost = its_line..=its_line + u64::from(whole[at] == b'\n');
        let flipped = (0..8).map(|bit| whole[at] ^ 1 << bit);
        for other in flipped.chain(*b"\n,*9{").filter(|other| *other != whole[at]) {
            let mut changed = whole.clone();
            changed[at] = other;
            let lines = read_back(&path, &changed);
            if lost.contains(&0) {
                // Without its header a part is lost, unless only the header's sum is.
                let rows = lines.map(|lines| lines.iter().map(|line| line.row).collect::<Vec<_>>());
                assert!(rows.is_none_or(|rows| rows == (1..=ROWS).map(row).collect::<Vec<_>>()));
                continue;
            }
            let expected: Vec<Line> = (1..=ROWS)
                .filter(|n| !lost.contains(n))
                .map(|n| Line {
                    seal: (!lost.contains(&(n + 1))).then(|| seal(n + 1)),
                    follows_damage: lost.contains(&(n - 1)) && n > 1,
                    ..line(n)
                })
                .collect();
            assert_eq!(lines.unwrap(), expected, "byte {at} is {other}");
        }
    }
}

#[test]
fn a_changed_byte_without_a_sum_makes_no_frames_that_never_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let whole = without_sums(&written(&path));
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            let lines = read_back(&path, &changed).unwrap_or_default();
            assert!(lines.len() as u64 <= ROWS);
            let rises = |pair: &[Line]| {
                let [a, b] = [pair[0].row.frame, pair[1].row.frame];
                a.sequence < b.sequence && a.t_capture <= b.t_capture && pair[0].offset <= pair[1].offset
            };
            assert!(lines.windows(2).all(rises), "byte {at}, bit {bit}: {lines:?}");
            let highest = lines.last().map_or(0, |line| line.row.frame.sequence);
            assert!(highest <= ROWS + 1100, "byte {at}, bit {bit}: frame {highest}");
        }
    }
}

#[test]
fn a_line_that_does_not_go_on_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let mut journal = Journal::create(&path, &header()).unwrap();
    for (n, before) in [(1, 1), (2, 2), (1, 3), (3, 1), (4, 4)] {
        journal.add(&row(n), seal(before)).unwrap();
    }
    let lines = read_back(&path, &std::fs::read(&path).unwrap()).unwrap();
    let frames: Vec<(u64, bool)> =
        lines.iter().map(|line| (line.row.frame.sequence, line.follows_damage)).collect();
    assert_eq!(frames, [(1, false), (2, false), (4, true)]);
}

#[test]
fn a_file_without_line_ends_is_not_read_as_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    assert_eq!(read_back(&path, &vec![b'1'; 1 << 20]), None);
    let whole = written(&folder.path().join("whole"));
    let end = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    let filled = [&whole[..end], &vec![b'1'; 1 << 20], b"\n", &whole[end..]].concat();
    let lines = read_back(&path, &filled).unwrap();
    assert_eq!(lines.len() as u64, ROWS);
    assert!(lines[0].follows_damage);
}

#[test]
fn a_copied_parts_header_says_so_and_an_older_header_is_an_encoded_parts() {
    let encoded = serde_json::to_string(&header()).unwrap();
    assert!(!encoded.contains("copied_into"), "{encoded}");
    let read: PartHeader = serde_json::from_str(&encoded).unwrap();
    assert_eq!((read.how(), read.extension(), read.part_extension()), (StretchHow::Encoded, ".mp4", ".mp4"));
    let copied =
        |into| PartHeader { choice: EncoderChoice::copied(Codec::Mjpg), copied_into: Some(into), ..header() };
    for (into, extension) in [(JpegContainer::Mov, ".mov"), (JpegContainer::Avi, ".avi")] {
        let text = serde_json::to_string(&copied(into)).unwrap();
        let read: PartHeader = serde_json::from_str(&text).unwrap();
        assert_eq!(read, copied(into));
        assert_eq!((read.how(), read.extension()), (StretchHow::Copied, extension));
        assert_eq!(read.part_extension(), ".mov", "a part is never AVI");
        assert_ne!(read.sum_of(b"some bytes"), header().sum_of(b"some bytes"));
    }
}
