//! The ring between real processes that are killed (SIGKILL) in the middle of what they do: a writer inside its
//! frames, readers while they hold leases.
//!
//! ```text
//! cargo test -p proto --test two_processes -- --nocapture
//! PREROLL_SEED=17 cargo test -p proto --test two_processes     # the same order of killings again
//! ```
//!
//! The same executable plays writers and readers too: it runs itself with `PREROLL_PART` set.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scratch;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use proto::frame::LossBefore;
use proto::ring::state::State;
use proto::ring::{Lease, Miss, ReaderBit, Ring};
use proto::time::MonotonicNs;
use scratch::{ScratchRing, draw, is_whole, scramble, segment_in};

const SLOTS: usize = 8;
const READERS: usize = 2;
/// The number of frames that a reader holds while it goes on to the next.
const HELD: usize = 2;
/// The longest frame in the arena: as long as those of planes.
const MAX_FRAME_BYTES: usize = 1 << 16;
const KILLING_TIME: Duration = Duration::from_secs(4);
/// Nothing here takes long: whoever waits this long waits for ever.
const FOR_EVER: Duration = Duration::from_secs(30);

const PART: &str = "PREROLL_PART";
const RUNTIME_DIR: &str = "PREROLL_TEST_RUNTIME_DIR";
const SIGKILL: i32 = 9;

#[test]
fn killed_writers_and_readers_tear_no_frame_and_block_nobody() {
    kill_for_a_while(&ScratchRing::new(256, 256, SLOTS), SLOTS - 1 - READERS * (HELD + 1));
}

#[test]
fn killed_writers_and_readers_of_an_arena_tear_no_frame_and_block_nobody() {
    // What readers hold breaks the arena up, and the frame that comes next may be the longest, so
    // nothing is promised of the frames before.
    kill_for_a_while(&ScratchRing::compressed(4 * SLOTS, 24 << 16, MAX_FRAME_BYTES), 1);
}

/// `newest`: so many of the newest frames are there whenever a writer was killed.
fn kill_for_a_while(scratch: &ScratchRing, newest: usize) {
    let seed = match std::env::var("PREROLL_SEED") {
        Ok(seed) => seed.parse().expect("PREROLL_SEED is a number"),
        Err(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into(),
    };
    println!("PREROLL_SEED={seed}");
    let segment = scratch.name().path();
    let ring = Arc::clone(scratch.ring());
    let mut rng = Rng(seed);
    let mut stage = Stage::new(scratch);

    let started = Instant::now();
    let mut count = Count::default();
    while started.elapsed() < KILLING_TIME || count.writers_in_a_frame == 0 || count.readers_with_a_lease == 0
    {
        assert!(started.elapsed() < FOR_EVER, "nobody was killed in the right info: {count:?}");
        match rng.below(3) {
            0 => {
                assert!(ring.wait_newer(ring.head() + rng.below(4), FOR_EVER), "no more frames");
                rng.dawdle();
                stage.writer.kill();
                let head = ring.head();
                count.writers += 1;
                count.writers_in_a_frame += usize::from(a_slot_is_half_written(&ring, &segment));
                // A published frame is there without any writer.
                assert_newest_are_whole(&ring, head, newest);
                assert_eq!(ring.check_all(), Ok(()));
                stage.writer = Actor::new("writer", scratch, &stage.seen);
            }
            victim => {
                let number = usize::try_from(victim).unwrap() - 1;
                stage.readers[number].wait_for_a_frame();
                rng.dawdle();
                stage.readers[number].kill();
                let bit = bit(number);
                count.readers += 1;
                count.readers_with_a_lease += usize::from(ring.sweep(bit) > 0);
                assert_eq!(ring.sweep(bit), 0, "a sweep is done once");
                let twice_round = ring.head() + 2 * ring.spec().size.slots() as u64;
                assert!(ring.wait_newer(twice_round, FOR_EVER), "the writer is stuck");
                stage.readers[number] = Actor::new(READER_PARTS[number], scratch, &stage.seen);
            }
        }
    }
    let seen = stage.end();
    println!("{} frames, {} of them seen by readers; killed: {count:?}", ring.head(), seen.len());

    for number in 0..READERS {
        let _ = ring.sweep(bit(number));
    }
    assert_history_is_one(&ring, &seen);
    assert_every_slot_is_free(&ring);
}

#[test]
fn a_test_that_panics_leaves_no_shared_memory_behind() {
    let name = Mutex::new(None);
    let panicked = std::panic::catch_unwind(|| {
        let scratch = ScratchRing::new(64, 16, 2);
        *name.lock().unwrap() = Some(scratch.name().path());
        assert!(scratch.name().path().exists());
        let _stage = Stage::new(&scratch);
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(panicked.is_err());
    assert!(!name.into_inner().unwrap().unwrap().exists());
}

/// Not a test: what the processes do that the tests start.
#[test]
fn plays_the_part_that_a_test_asked_for() {
    let Ok(part) = std::env::var(PART) else { return };
    let parent_died = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(parent_died).unwrap();
    let runtime_dir = std::env::var_os(RUNTIME_DIR).unwrap();
    let ring = Ring::open(&segment_in(Path::new(&runtime_dir))).unwrap();
    match READER_PARTS.iter().position(|reader| *reader == part) {
        Some(number) => read_for_ever(&ring, bit(number)),
        None => write_for_ever(&ring),
    }
}

const READER_PARTS: [&str; READERS] = ["reader 0", "reader 1"];

fn write_for_ever(ring: &Arc<Ring>) {
    let mut writer = ring.writer().unwrap();
    loop {
        let (sequence, epoch) = (ring.head() + 1, writer.epoch());
        if let Some(mut slot) = writer.slot() {
            let bytes = length(ring, sequence, epoch);
            draw(&mut slot.bytes_mut()[..bytes], sequence, epoch);
            let slot = slot.filled(bytes);
            let published =
                slot.publish(source_sequence(sequence, epoch), MonotonicNs::now(), LossBefore::Nothing);
            assert_eq!(published, sequence);
        }
    }
}

fn read_for_ever(ring: &Arc<Ring>, bit: ReaderBit) {
    let reader = ring.reader(bit).unwrap();
    let mut held: VecDeque<Lease> = VecDeque::new();
    let mut next = ring.head().max(1);
    // The test harness has begun a line.
    println!();
    loop {
        match reader.lease(next) {
            Ok(lease) => {
                assert_is_whole(&lease);
                let info = lease.frame_info();
                println!("saw {} {}", info.sequence, info.epoch);
                held.push_back(lease);
                next += 1;
            }
            Err(Miss::NotYet) => {
                let _ = ring.wait_newer(next - 1, FOR_EVER);
            }
            Err(Miss::Overrun) => next = ring.head().max(next + 1),
            Err(Miss::AlreadyLeased) => panic!("nobody else has this bit, and {next} is new"),
        }
        while held.len() > HELD {
            let oldest = held.pop_front().unwrap();
            // No writer touched the frame in all the time that it was held.
            assert_is_whole(&oldest);
        }
    }
}

fn assert_is_whole(lease: &Lease) {
    let info = lease.frame_info();
    assert_eq!(info.source_sequence, source_sequence(info.sequence, info.epoch), "torn header");
    assert_eq!(lease.bytes().len(), length(lease.ring(), info.sequence, info.epoch), "torn length");
    assert!(is_whole(lease.bytes(), info.sequence, info.epoch), "torn frame {}", info.sequence);
}

/// The length of a frame, which its writer and its readers know: of planes, that of each.
fn length(ring: &Ring, sequence: u64, epoch: u32) -> usize {
    let most = ring.spec().max_frame_bytes();
    let random = usize::try_from(scramble(sequence << 16 ^ u64::from(epoch)) % (most as u64 / 8)).unwrap();
    if ring.spec().arena.is_some() { random * 8 } else { most }
}

/// Tells epochs apart, so that a header of one and a ledger entry of another would be noticed.
fn source_sequence(sequence: u64, epoch: u32) -> u64 {
    sequence * 1_000_000 + u64::from(epoch)
}

/// The newest frames can be had as they were written. A frame in the slot that a writer took is gone.
fn assert_newest_are_whole(ring: &Arc<Ring>, head: u64, frames: usize) {
    let reader = ring.reader(bit(READERS)).unwrap();
    for sequence in (head + 1).saturating_sub(frames as u64).max(1)..=head {
        assert_is_whole(
            &reader.lease(sequence).unwrap_or_else(|miss| panic!("{sequence} of {head}: {miss}")),
        );
    }
}

fn assert_history_is_one(ring: &Ring, seen: &BTreeMap<u64, u32>) {
    let mut last = None;
    for info in (1..=ring.head()).filter_map(|sequence| ring.frame_info(sequence)) {
        if let Some(epoch) = seen.get(&info.sequence) {
            assert_eq!(*epoch, info.epoch, "frame {} changed after it was seen", info.sequence);
        }
        let now = (info.sequence - 1, info.epoch, info.t_capture);
        if let Some((sequence, epoch, t_capture)) = last.replace((info.sequence, info.epoch, info.t_capture))
        {
            assert!(sequence == now.0 && epoch <= now.1 && t_capture <= now.2, "{last:?} behind {now:?}");
        }
    }
    assert_eq!(last.map(|last| last.0), Some(ring.head()));
}

fn assert_every_slot_is_free(ring: &Arc<Ring>) {
    let mut writer = ring.writer().unwrap();
    for _ in 0..SLOTS {
        let (sequence, epoch) = (ring.head() + 1, writer.epoch());
        let bytes = length(ring, sequence, epoch);
        let mut slot = writer.slot_for(bytes).expect("nobody is left to hold it");
        draw(slot.bytes_mut(), sequence, epoch);
        slot.publish(source_sequence(sequence, epoch), MonotonicNs::now(), LossBefore::Nothing);
    }
    assert_newest_are_whole(ring, ring.head(), SLOTS);
}

/// Did the writer that was just killed die inside a slot? From the bytes, for the ring doesn't say.
fn a_slot_is_half_written(ring: &Ring, segment: &Path) -> bool {
    let layout = ring.spec().layout().unwrap();
    let file = File::open(segment).unwrap();
    (0..ring.spec().size.slots()).any(|slot| {
        let mut word = [0; 8];
        let at = layout.slots_offset + slot * size_of::<proto::ring::protocol::Slot>();
        file.read_exact_at(&mut word, at as u64).unwrap();
        State::from_word(u64::from_ne_bytes(word)).is_writing()
    })
}

fn bit(number: usize) -> ReaderBit {
    ReaderBit::new(u8::try_from(number).unwrap()).unwrap()
}

#[derive(Debug, Default)]
struct Count {
    writers: usize,
    writers_in_a_frame: usize,
    readers: usize,
    readers_with_a_lease: usize,
}

/// The epoch of the frame that readers saw under each sequence.
type Seen = Arc<Mutex<BTreeMap<u64, u32>>>;

/// All processes of one test.
struct Stage {
    writer: Actor,
    readers: [Actor; READERS],
    seen: Seen,
}

impl Stage {
    fn new(scratch: &ScratchRing) -> Self {
        let seen = Seen::default();
        Self {
            writer: Actor::new("writer", scratch, &seen),
            readers: READER_PARTS.map(|part| Actor::new(part, scratch, &seen)),
            seen,
        }
    }

    /// Kills everyone, and says what the readers saw.
    fn end(mut self) -> BTreeMap<u64, u32> {
        self.writer.kill();
        self.readers.iter_mut().for_each(Actor::kill);
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

/// A process of a test. It never ends by itself, and not later than this value.
struct Actor {
    part: &'static str,
    process: Child,
    frames: Receiver<()>,
    listener: Option<std::thread::JoinHandle<()>>,
}

impl Actor {
    fn new(part: &'static str, scratch: &ScratchRing, seen: &Seen) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "plays_the_part_that_a_test_asked_for", "--nocapture"])
            .env(PART, part)
            .env(RUNTIME_DIR, scratch.runtime_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let (report, frames) = channel();
        let seen = Arc::clone(seen);
        let listener = std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let Some((sequence, epoch)) = line.strip_prefix("saw ").and_then(|s| s.split_once(' '))
                else {
                    continue;
                };
                let epoch: u32 = epoch.parse().unwrap();
                let before = seen.lock().unwrap().insert(sequence.parse().unwrap(), epoch);
                assert!(
                    before.is_none_or(|b| b == epoch),
                    "frame {sequence} was seen in epochs {before:?}, {epoch}"
                );
                let _ = report.send(());
            }
        });
        Self { part, process, frames, listener: Some(listener) }
    }

    /// Waits until it has leased a frame that it had not when this was called.
    fn wait_for_a_frame(&mut self) {
        while self.frames.try_recv().is_ok() {}
        self.frames.recv_timeout(FOR_EVER).unwrap_or_else(|e| panic!("the {} sees no frame: {e}", self.part));
    }

    /// Kills it, and demands that it had not ended by itself.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.signal(), Some(SIGKILL), "the {} ended by itself: {status}", self.part);
        if let Some(listener) = self.listener.take() {
            assert!(listener.join().is_ok(), "what the {} said is above", self.part);
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::io::stdout().flush();
    }
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        scramble(self.0) % end
    }

    /// Passes a random time of up to about a frame, without sleeping: a sleep ends when the scheduler likes.
    fn dawdle(&mut self) {
        let until = Instant::now() + Duration::from_micros(self.below(2_000));
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }
}
