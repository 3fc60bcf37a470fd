//! A backlog between real processes: its writer is killed (SIGKILL) in the middle of what it does, while another process
//! reads, and the next writer goes on behind what was committed.
//!
//! The same executable plays the writer: it runs itself with `PREROLL_PART` set.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scratch;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::backlog::layout::{CheckedHeader, Shape};
use proto::backlog::{BacklogSegment, list, remove, segment_name};
use proto::frame::FrameInfo;
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::time::MonotonicNs;
use scratch::{draw, is_whole};

/// Large enough that a writer is often killed inside a frame.
const FRAME_BYTES: usize = 1 << 20;
const ENTRIES: usize = 8;
const RING_ID: u64 = 4711;
const KILLS: u32 = 25;
const FOR_EVER: Duration = Duration::from_secs(30);
const PART: &str = "PREROLL_PART";
const RUNTIME_DIR: &str = "PREROLL_TEST_RUNTIME_DIR";

#[test]
fn a_killed_writer_leaves_whole_frames_in_order_and_the_next_goes_on_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(folder.path()).unwrap();
    let _removed = Removed(&dir);
    let mut newest = 0;
    for kill in 0..KILLS {
        let mut writer = Writer::start(folder.path());
        let since = Instant::now();
        let at_least = newest + 1 + u64::from(kill % 5);
        while newest < at_least {
            assert!(since.elapsed() < FOR_EVER, "the writer is stuck behind frame {newest}");
            newest = newest_whole(&dir, newest);
        }
        std::thread::sleep(Duration::from_micros(u64::from(kill) * 137 % 1500));
        writer.kill();
        newest = newest_whole(&dir, newest);
        // Those that are full are given back, while they are mapped here.
        let full = list(&dir).unwrap();
        for listed in &full[..full.len().saturating_sub(2)] {
            let segment = BacklogSegment::open(&listed.segment).unwrap();
            remove(&listed.segment).unwrap();
            let last = segment.frames().last().unwrap();
            assert!(is_whole(segment.frame(last.sequence).unwrap().1, last.sequence, last.epoch));
        }
    }
    println!("{newest} frames, {KILLS} kills");
}

/// Looks at every frame that is committed: all are whole, and follow one another. Returns the newest.
fn newest_whole(dir: &RuntimeDir, seen: u64) -> u64 {
    let mut last: Option<u64> = None;
    for listed in list(dir).unwrap() {
        // The newest may have been made and not filled in yet.
        let Ok(segment) = BacklogSegment::open(&listed.segment) else { continue };
        assert_eq!((segment.header().ring_id, segment.header().number), (RING_ID, listed.number));
        for info in segment.frames() {
            assert!(
                last.is_none_or(|last| info.sequence == last + 1),
                "{last:?}, and then {}",
                info.sequence
            );
            last = Some(info.sequence);
            if info.sequence + 2 > seen {
                let (found, bytes) = segment.frame(info.sequence).unwrap();
                assert_eq!((found, bytes.len()), (info, FRAME_BYTES));
                assert!(is_whole(bytes, info.sequence, info.epoch), "frame {} is torn", info.sequence);
            }
        }
    }
    let newest = last.unwrap_or(0);
    assert!(newest >= seen, "frame {seen} is gone, of {newest}");
    newest
}

struct Removed<'a>(&'a RuntimeDir);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        list(self.0).unwrap().iter().for_each(|listed| remove(&listed.segment).unwrap());
    }
}

/// A process that writes frames until it is killed.
struct Writer(Child);

impl Writer {
    fn start(runtime_dir: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "plays_the_part_that_a_test_asked_for", "--nocapture"]);
        command.env(PART, "writer").env(RUNTIME_DIR, runtime_dir).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Not a test: what the process does that the test starts.
#[test]
fn plays_the_part_that_a_test_asked_for() {
    if std::env::var_os(PART).is_none() {
        return;
    }
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    let dir = RuntimeDir::open(Path::new(&std::env::var_os(RUNTIME_DIR).unwrap())).unwrap();
    let camera = Name::new("left").unwrap();
    let left = list(&dir).unwrap();
    let epoch = std::process::id();
    // One that was killed before its header was there is no segment.
    let whole: Vec<_> = left.iter().filter_map(|l| BacklogSegment::open(&l.segment).ok()).collect();
    let broken = left.iter().filter(|l| BacklogSegment::open(&l.segment).is_err());
    broken.for_each(|listed| remove(&listed.segment).unwrap());
    let mut number = whole.last().map_or(0, |last| last.header().number + 1);
    let mut next = whole
        .iter()
        .flat_map(|segment| segment.frames().collect::<Vec<_>>())
        .last()
        .map_or(1, |l| l.sequence + 1);
    let mut segment: Option<Arc<BacklogSegment>> = whole.last().cloned();
    let mut frame = vec![0; FRAME_BYTES];
    loop {
        let filled = segment.take().unwrap_or_else(|| {
            let shape = Shape::of(ENTRIES, FRAME_BYTES).unwrap();
            let header = CheckedHeader { shape, ring_id: RING_ID, number };
            number += 1;
            BacklogSegment::create(&segment_name(&dir, &camera, header.number), &header).unwrap()
        });
        let mut writer = filled.writer().unwrap();
        while let Some(mut place) = writer.place(FRAME_BYTES) {
            draw(&mut frame, next, epoch);
            let (first, second) = frame.split_at(FRAME_BYTES / 2);
            place.write(first).unwrap();
            place.write(second).unwrap();
            let info = FrameInfo {
                sequence: next,
                source_sequence: next,
                t_capture: MonotonicNs(next),
                epoch,
                ..FrameInfo::default()
            };
            place.commit(&info).unwrap();
            next += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
