//! The mover with a real ring and real segments, in one process: a camera, takes and kills at random.

mod adopted;

use std::path::PathBuf;
use std::rc::Rc;

use proto::backlog;
use proto::frame::{Fps, Geometry, LossBefore, Payload, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::{RingSize, RingSpec, RingWriter, Stream};
use proto::time::MonotonicNs;

use super::*;
use crate::backlog::{NeededFrom, WithBacklog};
use crate::frames::{Frames, HeldFrame};

const RESERVE: usize = 10;
/// Beyond any test's need.
const ROOMY: u64 = 1 << 30;

/// A camera of 100 frames a second with a ring of its own, and a recorder that can be killed.
struct Rig {
    _folder: tempfile::TempDir,
    dir: RuntimeDir,
    camera: Name,
    ring: Arc<Ring>,
    writer: RingWriter,
    backlog: Arc<Backlog>,
    mover: Mover,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.listed().iter().for_each(|segment| backlog::remove(segment).unwrap());
        Ring::remove(&self.dir.segment(&self.camera)).unwrap();
    }
}

impl Rig {
    fn new(bound: u64) -> Self {
        let size = RingSize { pre_roll_slots: 14, reserve_slots: RESERVE, lease_slots: 3 };
        let geometry = Geometry::new(32, 16, PixelFormat::GRAY8).unwrap();
        Self::of(&RingSpec::planes(geometry, Fps::new(100.0).unwrap(), size), bound)
    }

    /// The same with a stream of 100 kB a second, whose frames have at most 10 kB: a second of them, and half as much.
    fn compressed(bound: u64) -> Self {
        let fps = Fps::new(100.0).unwrap();
        let stream = Stream { max_rate_bytes: 100_000, max_frame_bytes: 10_000, gop_ms: 200 };
        let (size, arena) = stream.size(200, 0, 100, fps).unwrap();
        let geometry = Geometry::new(32, 16, PixelFormat::I420).unwrap();
        Self::of(&RingSpec::compressed(geometry, fps, size, Payload::H264, arena), bound)
    }

    fn of(spec: &RingSpec, bound: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(folder.path()).unwrap();
        let camera = Name::new("left").unwrap();
        let ring = Ring::create(&dir.segment(&camera), spec).unwrap();
        let writer = ring.writer().unwrap();
        let (backlog, mover) = recorder(&dir, &camera, &ring, bound);
        Self { _folder: folder, dir, camera, ring, writer, backlog, mover }
    }

    /// Another recorder takes the place of a killed one.
    fn killed(&mut self, bound: u64) {
        for bit in [ReaderBit::RECORDER, ReaderBit::MOVER] {
            leave_behind(&self.ring, bit);
            let _ = self.ring.sweep(bit);
        }
        (self.backlog, self.mover) = recorder(&self.dir, &self.camera, &self.ring, bound);
    }

    fn left(&self) -> &Arc<CameraBacklog> {
        self.backlog.of(&self.camera).unwrap()
    }

    fn publish(&mut self, frames: u64) {
        for _ in 0..frames {
            let sequence = self.ring.head() + 1;
            let mut slot = self.writer.slot().expect("not every slot is leased");
            slot.bytes_mut().fill(sequence.to_le_bytes()[0]);
            slot.publish(sequence, MonotonicNs(sequence * 10), LossBefore::Nothing);
        }
    }

    /// Publishes a frame of so many bytes.
    fn publish_of(&mut self, bytes: usize) {
        let sequence = self.ring.head() + 1;
        // The source doesn't know beforehand how many they are.
        let mut slot = self.writer.slot().expect("there is room");
        slot.bytes_mut()[..bytes].fill(sequence.to_le_bytes()[0]);
        slot.filled(bytes).publish(sequence, MonotonicNs(sequence * 10), LossBefore::Nothing);
    }

    /// Lets the mover work until it would sleep.
    fn pass(&mut self) -> Option<Duration> {
        loop {
            let pause = self.mover.pass();
            if pause != Some(Duration::ZERO) {
                return pause;
            }
        }
    }

    fn need(&self, clip: u64, from: NeededFrom, end: u64) {
        let need = Need { ring_id: self.ring.id(), from, end: MonotonicNs(end * 10) };
        self.left().need(&folder(clip), need);
    }

    fn frames(&self) -> WithBacklog {
        let ring: Rc<dyn Frames> = Rc::new(self.ring.reader(ReaderBit::RECORDER).unwrap());
        let spec = self.ring.spec();
        let bytes = spec.arena.is_none().then(|| spec.geometry.frame_bytes());
        WithBacklog::of(Some(ring), self.ring.id(), bytes, self.left()).unwrap()
    }

    fn listed(&self) -> Vec<proto::ring::SegmentName> {
        backlog::list(&self.dir).unwrap().into_iter().map(|listed| listed.segment).collect()
    }
}

fn recorder(dir: &RuntimeDir, camera: &Name, ring: &Arc<Ring>, bound: u64) -> (Arc<Backlog>, Mover) {
    let backlog = Backlog::new(dir, [camera.clone()].into_iter());
    backlog.set_bound(bound);
    backlog.adopt();
    backlog.of(camera).unwrap().use_ring(Some(ring));
    let mover = Mover::new(&backlog);
    (backlog, mover)
}

fn folder(clip: u64) -> PathBuf {
    PathBuf::from(format!("clip-{clip:04}"))
}

fn assert_is(frame: &dyn HeldFrame, sequence: u64) {
    assert_eq!((frame.info().sequence, frame.info().t_capture), (sequence, MonotonicNs(sequence * 10)));
    assert!(frame.bytes().iter().all(|byte| *byte == sequence.to_le_bytes()[0]), "frame {sequence} is torn");
}

#[test]
fn without_an_open_clip_nothing_is_made_and_the_mover_sleeps() {
    let mut rig = Rig::new(ROOMY);
    rig.backlog.all_are_known();
    rig.publish(100);
    assert_eq!(rig.pass(), None);
    assert_eq!(rig.listed(), []);
}

#[test]
fn a_take_that_keeps_up_moves_nothing() {
    let mut rig = Rig::new(ROOMY);
    rig.backlog.all_are_known();
    rig.publish(100);
    // A whole pre-roll back, and then two frames for each of the camera's.
    for n in 0..200 {
        rig.need(1, NeededFrom::Frame(88 + 2 * n), 500);
        rig.publish(u64::from(88 + 2 * n < rig.ring.head()));
        let pause = rig.pass().unwrap();
        assert!((SHORTEST..=LONGEST).contains(&pause), "{pause:?}");
    }
    assert_eq!(rig.listed(), []);
    assert_eq!(rig.backlog.beat().moved_frames, 0);
}

#[test]
fn frames_are_moved_when_the_reserve_begins_and_given_back_when_they_are_written() {
    let mut rig = Rig::new(ROOMY);
    rig.backlog.all_are_known();
    rig.publish(100);
    rig.need(1, NeededFrom::Frame(90), 120);
    // 27 slots: frame 90 has room for 16 more.
    rig.publish(6);
    rig.pass();
    assert_eq!(rig.backlog.beat().moved_frames, 0, "the whole reserve is left");
    rig.publish(1);
    rig.pass();
    assert_eq!(rig.backlog.beat().moved_frames, 1);
    rig.publish(93);
    rig.pass();
    // The mover had no turn in between, so what the ring has overwritten is lost, and the rest of the window is over.
    assert_eq!(rig.backlog.beat().moved_frames, 1);
    assert_is(&*rig.frames().hold(90).unwrap(), 90);
    let beat = rig.backlog.beat();
    assert_eq!((beat.frames, beat.bound_bytes), (1, ROOMY));
    assert_eq!(beat.bytes, rig.left().segments().iter().map(|s| s.total_bytes() as u64).sum::<u64>());
    let held = rig.frames().hold(90).unwrap();
    rig.left().done(&folder(1));
    assert_eq!(rig.pass(), None);
    assert_eq!((rig.listed(), rig.backlog.beat().bytes, rig.backlog.beat().frames), (vec![], 0, 0));
    assert_is(&*held, 90);
}

/// Each twentieth frame is ten times as long as the others, which differ too.
fn length(sequence: u64) -> usize {
    let usual = 400 + usize::try_from(sequence * 7919 % 600).unwrap();
    if sequence.is_multiple_of(20) { usual * 10 } else { usual }
}

#[test]
fn of_frames_of_any_length_none_is_overwritten_that_a_clip_needs() {
    let mut rig = Rig::compressed(ROOMY);
    rig.backlog.all_are_known();
    (1..=100).for_each(|sequence| rig.publish_of(length(sequence)));
    let from = rig.ring.oldest().unwrap().sequence + 10;
    rig.need(1, NeededFrom::Frame(from), 600);
    for sequence in 101..=600 {
        rig.publish_of(length(sequence));
        rig.pass();
    }
    let not_moved = 601 - from - rig.backlog.beat().moved_frames;
    assert!(
        not_moved > 40,
        "{not_moved} frames of the {} in the ring were left there",
        rig.ring.spec().size.slots()
    );
    for sequence in from..=600 {
        let frame = rig.frames().hold(sequence).unwrap_or_else(|miss| panic!("frame {sequence}: {miss:?}"));
        assert_eq!(frame.bytes().len(), length(sequence));
        assert_is(&*frame, sequence);
    }
    // Some hold 32 frames, and none much more memory than its frames take.
    let segments = rig.left().segments();
    assert!(segments.iter().any(|segment| segment.frames().count() == 32));
    let held: usize = (from..=600).map(length).sum();
    assert!(rig.backlog.beat().bytes < 2 * held as u64, "{} bytes for {held}", rig.backlog.beat().bytes);
    rig.left().done(&folder(1));
    assert_eq!((rig.pass(), rig.listed()), (None, vec![]));
}

#[test]
fn the_first_frame_behind_the_window_is_moved_too() {
    let mut rig = Rig::new(ROOMY);
    rig.publish(100);
    rig.need(1, NeededFrom::Frame(100), 110);
    for _ in 0..60 {
        rig.publish(1);
        rig.pass();
    }
    assert_eq!(rig.backlog.beat().moved_frames, 12, "100 to 110, and 111");
    assert_eq!(rig.frames().first_at_or_after(MonotonicNs(1101)).unwrap().sequence, 111);
}

#[test]
fn beyond_the_bound_frames_are_refused_and_the_encoder_is_told() {
    let shape = backlog::layout::Shape::of(6, 512).unwrap();
    let bound = 2 * shape.total_bytes() as u64;
    let mut rig = Rig::new(bound);
    rig.publish(100);
    rig.need(1, NeededFrom::Frame(100), 200);
    let mut was_filling = 0;
    for _ in 0..80 {
        rig.publish(1);
        rig.pass();
        was_filling += usize::from(rig.frames().is_filling());
        assert!(rig.backlog.beat().bytes <= bound);
    }
    assert_eq!(rig.backlog.beat().moved_frames, 12, "two segments of six");
    assert!(was_filling > 40, "{was_filling}");
    let frames = rig.frames();
    assert_eq!(frames.next_held(111), Some(111));
    assert_eq!(frames.loss_of(112), proto::clip::GapCause::BacklogFull);
    assert_eq!(frames.next_held(112), Some(rig.ring.head() - 26));
    assert_eq!(frames.loss_of(99), proto::clip::GapCause::RingOverrun, "nobody wanted it moved");
}

#[test]
fn a_backlog_that_is_switched_off_refuses_nothing_and_says_that_it_is_late() {
    let mut rig = Rig::new(0);
    rig.publish(100);
    rig.need(1, NeededFrom::Frame(100), 200);
    rig.publish(20);
    rig.pass();
    assert!(rig.frames().is_filling());
    assert_eq!(rig.frames().loss_of(100), proto::clip::GapCause::RingOverrun);
    assert_eq!(rig.listed(), []);
}

#[test]
fn what_an_earlier_recorder_left_stays_until_every_plan_is_known() {
    let mut rig = Rig::new(ROOMY);
    rig.publish(100);
    rig.need(1, NeededFrom::Frame(100), 200);
    for _ in 0..50 {
        rig.publish(1);
        rig.pass();
    }
    let (made, moved) = (rig.listed(), rig.backlog.beat().moved_frames);
    rig.killed(ROOMY);
    rig.pass();
    assert_eq!(rig.listed(), made, "no plan has been read");
    rig.need(1, NeededFrom::Unread(MonotonicNs(1000)), 200);
    rig.backlog.all_are_known();
    rig.pass();
    assert_eq!(rig.listed(), made);
    assert_eq!(rig.backlog.beat().frames, moved);
    assert_is(&*rig.frames().hold(100).unwrap(), 100);
    // It goes on where the other stopped.
    rig.need(1, NeededFrom::Frame(100), 200);
    rig.publish(1);
    rig.pass();
    assert_eq!(rig.backlog.beat().frames, moved + 1);
    assert_eq!(rig.listed(), made);
    rig.left().done(&folder(1));
    rig.pass();
    assert_eq!(rig.listed(), []);
}

#[test]
fn frames_in_the_backlog_outlive_a_broken_ring() {
    let mut rig = Rig::new(ROOMY);
    rig.publish(100);
    rig.need(1, NeededFrom::Frame(100), 200);
    for _ in 0..40 {
        rig.publish(1);
        rig.pass();
    }
    let frames = rig.frames();
    assert_eq!(frames.head(), 140);
    // Another program writes over the ring's header.
    let ring = std::fs::OpenOptions::new().write(true).open(rig.dir.segment(&rig.camera).path()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&ring, &[0xff; 64], 0).unwrap();
    assert_eq!(frames.soundness(), crate::frames::Soundness::Unnamed);
    let newest = frames.head();
    assert!((110..130).contains(&newest), "{newest}");
    (100..=newest).for_each(|n| assert_is(&*frames.hold(n).unwrap(), n));
    assert!(frames.hold(newest + 1).is_err());
    assert_eq!(frames.loss_of(newest + 1), proto::clip::GapCause::RingGone);
}

/// What the recorder's death does to one of its bits.
#[expect(unsafe_code, reason = "plays a recorder's death")]
fn leave_behind(ring: &Ring, bit: ReaderBit) {
    // SAFETY: the killed recorder's leases are forgotten, or were given back.
    unsafe { ring.leave_behind(bit) }
}

/// xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A clip, as far as it is written.
struct Clip {
    number: u64,
    window: std::ops::RangeInclusive<u64>,
    next: u64,
}

/// Clips overlap, encoders are slow and fast, recorders are killed while they hold frames: as long as each outage is within
/// the reserve, every frame that a clip needs is written, in the ring, or in the backlog, whole.
#[test]
fn no_needed_frame_is_lost_whatever_happens_within_the_reserve() {
    for seed in 1..=30 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed << 32));
        let mut rig = Rig::new(ROOMY);
        rig.publish(30);
        let mut clips: Vec<Clip> = Vec::new();
        let mut begun = 0;
        let (mut killed, mut moved) = (0, 0);
        for _ in 0..250 {
            if random.below(20) == 0 && clips.len() < 3 {
                begun += 1;
                let start = rig.ring.head() - random.below(14);
                let window = start..=start + 20 + random.below(60);
                rig.need(begun, NeededFrom::Unread(MonotonicNs(start * 10)), *window.end());
                clips.push(Clip { number: begun, window, next: start });
            }
            if random.below(25) == 0 {
                moved += rig.backlog.beat().moved_frames;
                killed += 1;
                outage(&mut rig, &clips, &mut random);
            } else {
                rig.publish(random.below(RESERVE as u64 / 2));
            }
            rig.pass();
            write_some(&rig, &mut clips, &mut random);
            for clip in &clips {
                for needed in clip.next..=(*clip.window.end()).min(rig.ring.head()) {
                    let held = rig.frames().hold(needed);
                    assert_is(
                        &*held.unwrap_or_else(|e| panic!("seed {seed}: frame {needed}: {e:?}")),
                        needed,
                    );
                }
            }
        }
        clips.iter().for_each(|clip| rig.left().done(&folder(clip.number)));
        rig.backlog.all_are_known();
        rig.pass();
        assert_eq!(rig.listed(), [], "seed {seed}");
        assert!(killed > 0 && begun > 2, "seed {seed}: {killed} kills, {begun} clips, {moved} moved");
    }
}

/// The recorder is killed while it holds frames, and another takes over before the reserve is used up.
fn outage(rig: &mut Rig, clips: &[Clip], random: &mut Random) {
    let frame = rig.ring.head() - random.below(RESERVE as u64);
    for bit in [ReaderBit::MOVER, ReaderBit::RECORDER] {
        // A killed process gives nothing back.
        std::mem::forget(rig.ring.reader(bit).unwrap().lease(frame));
    }
    rig.publish(random.below(RESERVE as u64));
    rig.killed(ROOMY);
    for clip in clips {
        rig.need(clip.number, NeededFrom::Frame(clip.next), *clip.window.end());
    }
    rig.backlog.all_are_known();
}

fn write_some(rig: &Rig, clips: &mut Vec<Clip>, random: &mut Random) {
    for clip in clips.iter_mut() {
        let written = clip.next + random.below(5);
        clip.next = written.min(rig.ring.head() + 1).min(*clip.window.end() + 1).max(clip.next);
        rig.need(clip.number, NeededFrom::Frame(clip.next), *clip.window.end());
    }
    clips.retain(|clip| {
        let is_open = clip.next <= *clip.window.end();
        if !is_open {
            rig.left().done(&folder(clip.number));
        }
        is_open
    });
}
