//! A writer that is killed (SIGKILL) between any two steps of publishing a frame, while another process leases, and the next writer,
//! a third process. This executable plays the writers: it runs itself with `PREROLL_PART` set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};

use crate::frame::{Fps, Geometry, LossBefore, Payload, PixelFormat};
use crate::instance::RuntimeDir;
use crate::name::Name;
use crate::ring::{Arena, ReaderBit, Ring, RingReader, RingSize, RingSpec, SegmentName};
use crate::time::MonotonicNs;

const PART: &str = "PREROLL_PART";
const STEPS: &str = "PREROLL_STEPS";
const RUNTIME_DIR: &str = "PREROLL_TEST_RUNTIME_DIR";
const SLOTS: usize = 6;
/// Frames that a writer publishes before the one in which it may be killed: once round the ring, and more.
const BEFORE: u64 = 9;
const MOST_BYTES: usize = 4096;

thread_local! {
    /// The steps until this process dies.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Between two steps.
pub(in crate::ring) fn pass() {
    match LEFT.get() {
        None => {}
        Some(0) => {
            kill_process(getpid(), Signal::KILL).unwrap();
            std::thread::park();
        }
        Some(left) => LEFT.set(Some(left - 1)),
    }
}

#[test]
fn a_writer_process_killed_between_any_two_steps_tears_nothing_and_the_next_goes_on() {
    for payload in [Payload::Planes, Payload::H264] {
        let mut steps = 0;
        while is_killed_after(payload, steps) {
            steps += 1;
        }
        // Of planes at least: claimed, header and padding, seven of the ledger's entry, state, head, two ways to wake.
        assert!(steps >= 13, "{payload}: {steps} steps");
    }
}

/// Has a writer die after so many steps of a frame, and the next one go on. False if the frame has no so many steps.
fn is_killed_after(payload: Payload, steps: u32) -> bool {
    let scratch = Scratch::new(payload);
    let ring = &scratch.ring;
    let reader = ring.reader(ReaderBit::RECORDER).unwrap();
    let mut writer = Writer::start(&scratch, payload, steps);
    assert_eq!(ring.head(), BEFORE);
    let held = reader.lease(BEFORE - 1).unwrap();
    let status = writer.go_on();
    let is_killed = status.signal() == Some(9);
    assert!(is_killed || status.success(), "{status}");
    let head = ring.head();
    assert!(head == BEFORE + 1 || (is_killed && head == BEFORE), "{steps} steps: {head}");
    assert_eq!(ring.check_all(), Ok(()), "{steps} steps");
    assert_newest_are_whole(&reader, BEFORE - 2);
    assert!(is_whole(held.bytes(), BEFORE - 1, 1), "{steps} steps: a leased frame has changed");

    let mut next = Writer::start(&scratch, payload, u32::MAX);
    // A frame that became visible while its writer died is the newest, and none is left out.
    let published = ring.head() - BEFORE;
    assert!((head..=BEFORE + 1).contains(&published), "{steps} steps: {head}, and then {published}");
    assert!(next.go_on().success());
    assert_eq!(ring.head(), published + BEFORE + 1);
    assert_newest_are_whole(&reader, published + BEFORE - 2);
    assert!(is_whole(held.bytes(), BEFORE - 1, 1), "{steps} steps: a leased frame has changed");
    drop(held);
    for sequence in 1..=ring.head() {
        let info = ring.frame_info(sequence).unwrap();
        assert_eq!((info.sequence, info.epoch), (sequence, epoch_of(sequence, published)), "{steps} steps");
    }
    is_killed
}

/// The writer of a frame, of which the first has published so many.
fn epoch_of(sequence: u64, first_published: u64) -> u32 {
    if sequence <= first_published { 1 } else { 2 }
}

/// The frames from this one on can be had as they were written, but for those that one of this process leases.
fn assert_newest_are_whole(reader: &RingReader, first: u64) {
    for sequence in first..=reader.ring().head() {
        let info = reader.ring().frame_info(sequence).unwrap();
        match reader.lease(sequence) {
            Ok(lease) => assert!(is_whole(lease.bytes(), sequence, info.epoch), "frame {sequence} is torn"),
            Err(miss) => assert_eq!((miss, sequence), (crate::ring::Miss::AlreadyLeased, BEFORE - 1)),
        }
    }
}

/// The byte that a frame is full of.
fn byte_of(sequence: u64, epoch: u32) -> u8 {
    u8::try_from((sequence * 31 + u64::from(epoch) * 101) % 251).unwrap()
}

/// The bytes of a frame in an arena.
fn length_of(sequence: u64) -> usize {
    usize::try_from(sequence * 977 % 3000).unwrap() + 500
}

fn is_whole(bytes: &[u8], sequence: u64, epoch: u32) -> bool {
    let is_long_enough = bytes.len() == MOST_BYTES || bytes.len() == length_of(sequence);
    is_long_enough && bytes.iter().all(|byte| *byte == byte_of(sequence, epoch))
}

/// Not a test: what the process does that the test starts.
#[test]
fn plays_the_writer_that_a_test_asked_for() {
    let Ok(steps) = std::env::var(STEPS) else { return };
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let ring = Ring::open(&segment_in(Path::new(&std::env::var_os(RUNTIME_DIR).unwrap()))).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut publish = |steps: Option<u32>| {
        let (sequence, epoch) = (ring.head() + 1, writer.epoch());
        let most = ring.spec().max_frame_bytes();
        LEFT.set(steps);
        let mut slot = writer.slot_for(most).unwrap();
        let bytes = if ring.spec().arena.is_some() { length_of(sequence) } else { most };
        slot.bytes_mut()[..bytes].fill(byte_of(sequence, epoch));
        slot.filled(bytes).publish(sequence, MonotonicNs::now(), LossBefore::Nothing);
        LEFT.set(None);
    };
    (0..BEFORE).for_each(|_| publish(None));
    // The test harness has begun a line.
    println!("\nready");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    publish(Some(steps.parse().unwrap()));
    // Nobody reads any more what the test harness would print.
    std::process::exit(0);
}

struct Scratch {
    dir: tempfile::TempDir,
    name: SegmentName,
    ring: Arc<Ring>,
}

impl Scratch {
    fn new(payload: Payload) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = segment_in(dir.path());
        let size = RingSize { pre_roll_slots: SLOTS, reserve_slots: 0, lease_slots: 0 };
        let geometry = Geometry::new(64, 64, PixelFormat::GRAY8).unwrap();
        let fps = Fps::new(60.0).unwrap();
        let arena = Arena { bytes: 10 * MOST_BYTES, max_frame_bytes: MOST_BYTES, max_rate_bytes: 60_000 };
        let spec = match payload {
            Payload::Planes => RingSpec::planes(geometry, fps, size),
            _ => RingSpec::compressed(geometry, fps, size, payload, arena),
        };
        let ring = Ring::create(&name, &spec).unwrap();
        Self { dir, name, ring }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = Ring::remove(&self.name);
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

fn segment_in(runtime_dir: &Path) -> SegmentName {
    RuntimeDir::create(runtime_dir).unwrap().segment(&Name::new("test").unwrap())
}

/// A process that writes frames.
struct Writer {
    process: Child,
    input: Option<ChildStdin>,
}

impl Writer {
    /// Starts one, and waits until it has published the frames before the one in which it dies.
    fn start(scratch: &Scratch, payload: Payload, steps: u32) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "ring::step::tests::plays_the_writer_that_a_test_asked_for", "--nocapture"]);
        command.env(PART, payload.name()).env(STEPS, steps.to_string()).env(RUNTIME_DIR, scratch.dir.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        assert!(said.lines().map_while(Result::ok).any(|line| line == "ready"), "no writer");
        let input = process.stdin.take();
        Self { process, input }
    }

    /// Has it publish the last frame, and waits for its end.
    fn go_on(&mut self) -> ExitStatus {
        writeln!(self.input.take().unwrap(), "go").unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
