//! The recorder's own tables of a clip take kilobytes, however many frames it has. An allocator counts them: in the
//! open take, in the reading of its parts and their packets, and in the account.
//!
//! Not counted is what libav has, which allocates past Rust, and not run is the join's writing of the joined file: see
//! docs/decisions/runs.md. The part of a million frames has no packets, so their reading is counted up to 100,000
//! frames.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use proto::clip::{GapCause, Window};
use proto::codec::{Codec, EncoderChoice};
use proto::frame::{Fps, FrameFlags, FrameInfo, Geometry, LossBefore, PictureTags, PixelFormat};
use proto::name::Name;
use proto::ring::Miss;
use proto::time::MonotonicNs;

use crate::account::Account;
use crate::encode::EncoderSetup;
use crate::evidence::{Fate, First};
use crate::feed::FeedPacket;
use crate::frames::{Frames, HeldFrame, NotHeld, Soundness};
use crate::journal::{Journal, PartHeader, PartReason, Row, Seal};
use crate::opening::{Libav, Media};
use crate::runs::Runs;
use crate::timestamps::Timestamps;
use crate::track::TrackWriter;
use ffmpeg_next::Packet;
use ffmpeg_next::codec::packet::Flags;

thread_local! {
    /// Bytes that this thread has now, and the most it has had since that was last asked for.
    static BYTES: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn count(more: usize, less: usize) {
    // Memory of other threads may be freed here.
    let (now, most) = BYTES.get();
    let now = (now + more).saturating_sub(less);
    BYTES.set((now, most.max(now)));
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator is; this one hands everything on to the system's")]
// SAFETY: every request is handed to the system's allocator unchanged. Counting needs no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is the same, and the memory is the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The result, and the most memory that was held meanwhile, beyond what was held before.
pub(crate) fn most_bytes<T>(during: impl FnOnce() -> T) -> (T, usize) {
    let before = BYTES.get().0;
    BYTES.set((before, before));
    let result = during();
    (result, BYTES.get().1 - before)
}

/// A camera of 60 frames a second with an eventful life: every 100,000 frames it loses one, its capture is restarted a
/// while later, and the ring overtakes the take for ten frames a while after that.
const EVENTS_EVERY: u64 = 100_000;
const PERIOD: Duration = Duration::from_nanos(16_666_667);

fn frame(n: u64) -> FrameInfo {
    let source = n + n / EVENTS_EVERY;
    FrameInfo {
        sequence: n,
        source_sequence: source,
        t_capture: MonotonicNs(source * 16_666_667),
        epoch: u32::try_from((n + 5_000) / EVENTS_EVERY).unwrap() + 1,
        before: if n.is_multiple_of(EVENTS_EVERY) { LossBefore::CameraDrop } else { LossBefore::Nothing },
        flags: FrameFlags::NONE,
        ..FrameInfo::default()
    }
}

fn is_overtaken(n: u64) -> bool {
    (50_000..50_010).contains(&(n % EVENTS_EVERY))
}

/// A ring whose ledger remembers the last 4096 frames.
struct Ledger {
    head: u64,
}

impl Frames for Ledger {
    fn soundness(&self) -> Soundness {
        Soundness::Sound
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags::default()
    }

    fn head(&self) -> u64 {
        self.head
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        (sequence <= self.head && sequence + 4096 > self.head).then(|| frame(sequence))
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        Some(self.head.saturating_sub(80).max(at_least))
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        let oldest = self.head.saturating_sub(4095).max(1);
        (oldest..=self.head).map(frame).find(|frame| frame.t_capture >= at)
    }

    fn has_ended(&self) -> bool {
        false
    }

    fn away(&self) -> Option<LossBefore> {
        None
    }

    fn reorders(&self) -> bool {
        false
    }

    fn hold(&self, _: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        Err(Miss::NotYet.into())
    }
}

fn left() -> Name {
    Name::new("left").unwrap()
}

fn setup() -> EncoderSetup {
    let choice = EncoderChoice { codec: Codec::Mp4v, encoder: "mpeg4".into(), preset: None };
    let geometry = Geometry::new(64, 64, PixelFormat::I420).unwrap();
    EncoderSetup {
        choice,
        geometry,
        fps: Fps::new(60.0).unwrap(),
        quality: 23,
        picture: PictureTags::default(),
    }
}

fn header() -> PartHeader {
    PartHeader {
        choice: setup().choice,
        base_ns: frame(1).t_capture,
        begun_because: PartReason::First,
        first_sequence: 1,
        previous: None,
        copied_into: None,
        goes_on: false,
    }
}

fn rows(rows: u64) -> impl Iterator<Item = Row> {
    let row = |n| Row { frame: frame(n), encoded: frame(n).t_capture };
    (1..=rows).filter(|n| !is_overtaken(*n)).map(row)
}

/// Writes a part with frames 1 to `last` as far as its journal goes: the video is a hole of the right length.
fn write_hollow_part(partial: &Path, last: u64) {
    let video = crate::part::video_path(partial, &left(), 1, ".mp4");
    let mut journal = Journal::create(&video.with_extension("journal"), &header()).unwrap();
    for row in rows(last) {
        journal.add(&row, Seal { offset: row.frame.sequence * 1000, sum: 0 }).unwrap();
    }
    journal.end(Seal { offset: (last + 1) * 1000, sum: 0 }).unwrap();
    std::fs::File::create_new(video).unwrap().set_len((last + 1) * 1000).unwrap();
}

/// Writes a part with frames 1 to `last`, as a take does but for the pictures in the packets.
fn write_part(partial: &Path, last: u64) {
    let parameters = Rc::new(Libav.open_encoder(&setup()).unwrap().parameters());
    let video = crate::part::video_path(partial, &left(), 1, ".mp4");
    let mut track =
        TrackWriter::create(&video, header(), setup().fps, Rc::clone(&parameters), &Libav).unwrap();
    for row in rows(last) {
        let mut data = Packet::copy(&[row.frame.sequence.to_le_bytes()[0]; 20]);
        data.set_flags(Flags::KEY);
        track.write(&mut FeedPacket { row, is_key: true, parameters: Rc::clone(&parameters), data }).unwrap();
    }
    track.finish().unwrap();
}

/// An open take's knowledge of its frames.
fn fate(rows: u64) -> Fate {
    let mut fate = Fate::default();
    fate.first = Some(First { sequence: 1, previous: None });
    for n in 1..=rows {
        if is_overtaken(n) {
            fate.give_up(n, n + 1, GapCause::RingOverrun);
        } else {
            fate.written.add(&frame(n));
        }
    }
    fate
}

/// Reads how far the parts got, as a recorder that takes over does, and as the join begins.
fn read_all(partial: &Path) -> Runs {
    let parts = crate::part::read_all(partial, &left()).unwrap();
    let [part] = &parts[..] else { panic!("{} parts", parts.len()) };
    part.frames.clone()
}

/// Reads every packet, with the timestamps written beside it, as the join does.
fn read_packets(folder: &Path, partial: &Path) -> Runs {
    let mut timestamps = Timestamps::create(folder, &left(), MonotonicNs(0), MonotonicNs(0)).unwrap();
    let mut written = Runs::default();
    for part in crate::part::read_all(partial, &left()).unwrap() {
        part.each_packet(false, |row, _| {
            written.add(&row.frame);
            timestamps.add(&row.frame).map_err(crate::media::WriteError::Disk)
        })
        .unwrap();
    }
    timestamps.finish().unwrap();
    written
}

#[test]
fn a_clip_of_any_length_takes_kilobytes() {
    for rows in [10_000, 100_000, 1_000_000] {
        let folder = tempfile::tempdir().unwrap();
        write_hollow_part(folder.path(), rows);
        let (fate, open) = most_bytes(|| fate(rows));
        let (written, read) = most_bytes(|| read_all(folder.path()));
        let window = Window { start_ns: frame(1).t_capture, end_ns: frame(rows).t_capture };
        let (account, accounted) = most_bytes(|| {
            let mut evidence = fate.evidence(window, PERIOD, &Ledger { head: rows + 100 }).unwrap();
            evidence.correct_by(&written);
            evidence.account()
        });
        println!("{rows} rows: open take {open} bytes, reading back {read}, account {accounted}");
        assert!(open < 8 * 1024, "{rows} rows: the open take has {open} bytes");
        // A fixed buffer is in it: what is read ahead of the journal.
        assert!(read < 24 * 1024, "{rows} rows: reading back takes {read} bytes");
        assert!(accounted < 16 * 1024, "{rows} rows: the account takes {accounted} bytes");
        assert_eq!(account, expected(rows));
    }
}

#[test]
fn reading_the_packets_of_a_part_of_any_length_takes_kilobytes() {
    for rows in [10_000, 100_000] {
        let (partial, ready) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_part(partial.path(), rows);
        let (written, read) = most_bytes(|| read_packets(ready.path(), partial.path()));
        println!("{rows} rows: reading the packets {read} bytes");
        // Two fixed buffers are in it: the timestamps' text, and what is read ahead of the journal.
        assert!(read < 200 * 1024, "{rows} rows: reading the packets takes {read} bytes");
        assert_eq!(written, fate(rows).written);
    }
}

/// The account that the camera's life asks for.
fn expected(rows: u64) -> Account {
    let overtaken = (1..=rows).filter(|n| is_overtaken(*n)).count() as u64;
    let dropped = rows / EVENTS_EVERY;
    let written = rows - overtaken;
    let gaps = (1..=rows)
        .filter_map(|n| {
            let gap =
                |after_sequence, missing, cause| Some(proto::clip::Gap { after_sequence, missing, cause });
            match n % EVENTS_EVERY {
                0 => gap(n - 1, 1, GapCause::CameraDrop),
                50_000 => gap(n - 1, 10, GapCause::RingOverrun),
                _ => None,
            }
        })
        .collect();
    Account { expected: written + overtaken + dropped, written, gaps, live: true }
}
