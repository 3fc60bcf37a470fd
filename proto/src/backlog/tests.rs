//! Backlog segments of a scratch instance, within one process.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::layout::{CheckedHeader, DATA_OFFSET, ENTRIES_OFFSET, Entry, Shape};
use super::*;
use crate::frame::{FrameFlags, FrameInfo, LossBefore};
use crate::time::MonotonicNs;

/// An instance of its own, whose segments are removed with it.
struct Scratch {
    _folder: tempfile::TempDir,
    dir: RuntimeDir,
    left: Name,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(folder.path()).unwrap();
        Self { _folder: folder, dir, left: Name::new("left").unwrap() }
    }

    fn name(&self, number: u32) -> SegmentName {
        segment_name(&self.dir, &self.left, number)
    }

    fn make(&self, number: u32, entries: usize) -> Arc<BacklogSegment> {
        let shape = Shape::of(entries, FRAME_BYTES).unwrap();
        BacklogSegment::create(&self.name(number), &CheckedHeader { shape, ring_id: 77, number }).unwrap()
    }

    fn file(&self, number: u32) -> std::fs::File {
        std::fs::OpenOptions::new().read(true).write(true).open(self.name(number).path()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        list(&self.dir).unwrap().iter().for_each(|listed| remove(&listed.segment).unwrap());
    }
}

const FRAME_BYTES: usize = 1000;

fn info(sequence: u64) -> FrameInfo {
    FrameInfo {
        sequence,
        source_sequence: sequence + 5,
        t_capture: MonotonicNs(sequence * 10),
        epoch: 3,
        before: LossBefore::CameraStall,
        flags: FrameFlags::TIME_REPAIRED,
        start_sequence: sequence.saturating_sub(2),
        picture_offset_ns: -7,
    }
}

fn append(writer: &mut BacklogWriter, sequence: u64, length: usize) -> bool {
    let Some(mut place) = writer.place(length) else { return false };
    place.write(&vec![sequence.to_le_bytes()[0]; length]).unwrap();
    place.commit(&info(sequence)).unwrap();
    true
}

fn assert_holds(segment: &BacklogSegment, sequence: u64, length: usize) {
    let (found, bytes) = segment.frame(sequence).unwrap();
    assert_eq!(found, info(sequence));
    assert_eq!(bytes, vec![sequence.to_le_bytes()[0]; length]);
}

#[test]
fn a_later_recorder_finds_every_frame_and_goes_on_behind_them() {
    let scratch = Scratch::new();
    let made = scratch.make(0, 4);
    let mut writer = made.writer().unwrap();
    assert!(append(&mut writer, 100, FRAME_BYTES) && append(&mut writer, 101, 17));
    assert!(made.writer().is_err(), "there is one writer at a time");
    // Half of a frame, and then the recorder is killed.
    writer.place(FRAME_BYTES).unwrap().write(&[9; 500]).unwrap();
    drop((writer, made));
    let found = BacklogSegment::open(&scratch.name(0)).unwrap();
    assert_eq!(found.frames().collect::<Vec<_>>(), [info(100), info(101)]);
    let mut writer = found.writer().unwrap();
    assert_eq!(writer.entries_left(), 2);
    assert!(append(&mut writer, 102, FRAME_BYTES) && append(&mut writer, 103, FRAME_BYTES));
    assert!(!append(&mut writer, 104, 1), "it is full");
    for (sequence, length) in [(100, FRAME_BYTES), (101, 17), (102, FRAME_BYTES), (103, FRAME_BYTES)] {
        assert_holds(&found, sequence, length);
    }
    assert!(found.frame(104).is_none());
}

#[test]
fn a_segment_is_full_when_its_bytes_are_too() {
    let scratch = Scratch::new();
    let mut writer = scratch.make(0, 2).writer().unwrap();
    assert!(writer.place(2 * FRAME_BYTES + 200).is_none(), "longer than two");
    assert!(append(&mut writer, 1, 2 * FRAME_BYTES));
    assert_eq!((writer.entries_left(), writer.has_room_for(1)), (1, false));
    assert!(!append(&mut writer, 2, FRAME_BYTES));
}

#[test]
fn frames_of_any_length_lie_apart_with_zeros_behind_each() {
    let scratch = Scratch::new();
    let shape = Shape::with_bytes(5, 4096).unwrap();
    let name = scratch.name(0);
    let made = BacklogSegment::create(&name, &CheckedHeader { shape, ring_id: 77, number: 0 }).unwrap();
    let mut writer = made.writer().unwrap();
    let lengths = [(3, 64), (4, 1), (5, 2000), (6, 63)];
    for (sequence, length) in lengths {
        assert!(append(&mut writer, sequence, length));
        drop(writer);
        // Each by another recorder, which goes on behind them.
        writer = made.writer().unwrap();
    }
    let file = std::fs::read(name.path()).unwrap();
    for (sequence, length) in lengths {
        assert_holds(&made, sequence, length);
        let frame = vec![sequence.to_le_bytes()[0]; length];
        let at = file[DATA_OFFSET..].windows(length).position(|piece| piece == frame).unwrap();
        assert_eq!(file[DATA_OFFSET + at + length..][..64], [0; 64], "behind {length} bytes");
    }
    assert!(!writer.has_room_for(1900) && writer.has_room_for(1500), "so many bytes are left");
    assert!(!writer.has_room_for(0) && writer.place(0).is_none(), "a frame has some bytes");
}

#[test]
fn segments_are_found_by_their_names_and_nothing_else_is() {
    let scratch = Scratch::new();
    for number in [3, 0, 12] {
        scratch.make(number, 1);
    }
    let other = format!("preroll-{}-left~x", scratch.dir.instance());
    let others = [other.clone(), other.replace("~x", "~01"), other.replace("left~x", "~1")];
    let paths = others.map(|other| std::path::Path::new(SHM_DIR).join(other));
    paths.iter().for_each(|path| std::fs::write(path, "").unwrap());
    let found = list(&scratch.dir).unwrap();
    paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    assert_eq!(found.iter().map(|l| l.number).collect::<Vec<_>>(), [0, 3, 12]);
    assert!(found.iter().all(|l| l.camera == scratch.left && l.bytes > DATA_OFFSET as u64));
    assert_eq!(ring_id(&found[0].segment), Some(77));
    assert!(is_backlog(&found[0].segment.to_string()));
    assert!(!is_backlog(&scratch.dir.segment(&scratch.left).to_string()));
    remove(&found[0].segment).unwrap();
    remove(&found[0].segment).unwrap();
    assert_eq!(ring_id(&found[0].segment), None);
}

#[test]
fn a_segment_that_was_cut_short_or_written_over_is_refused() {
    let scratch = Scratch::new();
    scratch.make(0, 2);
    let file = scratch.file(0);
    let whole = file.metadata().unwrap().len();
    for word in 0..7 {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, word * 8).unwrap();
        let changed = (u64::from_ne_bytes(bytes) ^ (1 << 40)).to_ne_bytes();
        file.write_all_at(&changed, word * 8).unwrap();
        // The ring's id may be anything.
        let is_refused = matches!(BacklogSegment::open(&scratch.name(0)), Err(BacklogError::Bad(_)));
        assert_eq!(is_refused, word != 3, "word {word}");
        file.write_all_at(&bytes, word * 8).unwrap();
    }
    assert!(BacklogSegment::open(&scratch.name(0)).is_ok());
    for length in [whole - 1, 4096, 100] {
        file.set_len(length).unwrap();
        assert!(BacklogSegment::open(&scratch.name(0)).is_err(), "{length} bytes");
    }
    assert_eq!(ring_id(&scratch.name(0)), Some(77));
    file.set_len(0).unwrap();
    assert_eq!(ring_id(&scratch.name(0)), None);
}

#[test]
fn an_entry_that_points_outside_is_no_frame() {
    let scratch = Scratch::new();
    let mut writer = scratch.make(0, 2).writer().unwrap();
    assert!(append(&mut writer, 5, FRAME_BYTES));
    let entry = ENTRIES_OFFSET as u64;
    // Its offset and its length.
    for (word, value) in
        [(4, 2048), (4, u64::MAX - 63), (4, 1), (5, 1 << 30), (5, u64::MAX), (0, u64::MAX)] as [(u64, u64); 6]
    {
        let file = scratch.file(0);
        let mut before = [0; 8];
        file.read_exact_at(&mut before, entry + word * 8).unwrap();
        file.write_all_at(&value.to_ne_bytes(), entry + word * 8).unwrap();
        assert!(writer.segment().frame(5).is_none(), "word {word} is {value}");
        file.write_all_at(&before, entry + word * 8).unwrap();
        assert_holds(writer.segment(), 5, FRAME_BYTES);
    }
    assert_eq!(size_of::<Entry>(), 64);
}

#[test]
fn a_segment_has_a_shape_that_fits() {
    for (entries, bytes) in [(0, 10), (33, 10), (1, usize::MAX), (32, usize::MAX / 16)] {
        assert_eq!(Shape::of(entries, bytes), None);
    }
    let bytes: usize = 32 * (1_382_400 + 64) + 2 * 4096;
    assert_eq!(Shape::of(32, 1_382_400).unwrap().total_bytes(), bytes.next_multiple_of(4096));
    assert_eq!(Shape::with_bytes(4, 0), None);
}
