//! The rig of a take's tests: a take with a ring, an encoder, a disk and a clock that are made up, and a look into its parts.

use std::path::Path;
use std::sync::Arc;

use proto::clip::{PARTIAL_DIR, PlannedCamera, PlannedTrigger, TriggerKind, TriggerSource, plan_path};
use proto::codec::Codec;
use proto::config::JpegContainer;
use proto::frame::Payload;
use proto::ladder::EncoderLadder;
use proto::name::Name;

use super::*;
use crate::account::Account;
use crate::clip_lock::ClipLock;
use crate::fakes::{FakeClock, FakeDisk, FakeMedia, FakeRing, ms, payloads, plan, planned_camera};
use crate::finish::{Recorded, up_to_the_end};
use crate::ladder::CameraLadder;
use crate::open_window::OpenWindow;
use crate::part;
use crate::runs::Runs;

/// A camera of 100 frames a second, and a clip from 1000 to 2000 ms: frames 100 to 200.
pub(in crate::take) struct Rig {
    pub(in crate::take) take: Take,
    pub(in crate::take) feed: Feed,
    pub(in crate::take) ring: Rc<FakeRing>,
    pub(in crate::take) media: Arc<FakeMedia>,
    pub(in crate::take) clock: Arc<FakeClock>,
    pub(in crate::take) disk: FakeDisk,
    lock: Arc<ClipLock>,
    kind: Kind,
    trigger: TriggerKind,
    pub(in crate::take) folder: tempfile::TempDir,
}

const WINDOW: Window = Window { start_ns: MonotonicNs(1_000_000_000), end_ns: MonotonicNs(2_000_000_000) };

fn choice(codec: Codec, encoder: &str, preset: Option<&str>) -> EncoderChoice {
    EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) }
}

fn ladder(rungs: usize) -> CameraLadder {
    let mut chain = vec![choice(Codec::H264, "libx264", Some("medium")), choice(Codec::Mjpg, "mjpeg", None)];
    chain.truncate(rungs);
    CameraLadder::alone(&Name::new("left").unwrap(), EncoderLadder::tried(chain, Vec::new()))
}

/// The kind of camera.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Steady,
    /// Its frames come at no rate.
    Variable,
    /// Frames are JPEGs, and are copied.
    Jpeg,
    /// Frames are H.264, and are copied from a key frame on. There is one encoder.
    H264,
    /// The same as it came.
    Verbatim,
}

impl Kind {
    fn how(self) -> How {
        let copying = Copying { codec: Codec::Mjpg, into: JpegContainer::Mov, adds_tables: true };
        match self {
            Self::Jpeg => How::Copied(copying),
            Self::Verbatim => How::Verbatim(Encoders { ladder: ladder(1), quality: 23 }),
            Self::H264 => How::Cut(Encoders { ladder: ladder(1), quality: 23 }),
            Self::Steady | Self::Variable => How::Encoded(Encoders { ladder: ladder(2), quality: 23 }),
        }
    }

    fn payload(self) -> Payload {
        match self {
            Self::Jpeg => Payload::Jpeg,
            Self::H264 | Self::Verbatim => Payload::H264,
            Self::Steady | Self::Variable => Payload::Planes,
        }
    }
}

fn assignment(
    folder: &Path,
    lock: &Arc<ClipLock>,
    ring: &FakeRing,
    kind: Kind,
    trigger: TriggerKind,
) -> Assignment {
    let variable_rate = kind == Kind::Variable;
    let planned = planned_camera(ring.spec().geometry, ring.spec().fps);
    let camera = PlannedCamera { variable_rate, payload: kind.payload(), ..planned };
    let mut plan = plan(WINDOW, vec![camera.clone()]);
    plan.wall.monotonic_ns = ring.planned_at.get();
    plan.boot_id = proto::instance::boot_id();
    plan.trigger = Some(PlannedTrigger {
        id: "first".into(),
        source: TriggerSource::Command,
        kind: trigger,
        meta: None,
        note: None,
    });
    let (plan, lock) = (Arc::new(plan), Arc::clone(lock));
    let window = OpenWindow::read(folder, &plan, None).unwrap();
    Assignment { folder: folder.to_owned(), plan, camera, lock, window }
}

impl Rig {
    pub(in crate::take) fn new() -> Self {
        Self::of(Kind::Steady, FakeRing::new())
    }

    /// A camera of variable rate.
    pub(in crate::take) fn variable() -> Self {
        Self::of(Kind::Variable, FakeRing::new())
    }

    /// A camera whose JPEGs are copied, with a clip that was planned at this moment.
    pub(in crate::take) fn jpeg(planned_at_ms: u64) -> Self {
        let ring = FakeRing::new();
        ring.planned_at.set(ms(planned_at_ms));
        Self::of(Kind::Jpeg, ring)
    }

    /// A camera whose H.264 is copied, with a key frame every so many frames.
    pub(in crate::take) fn h264(gop: u64) -> Self {
        let ring = FakeRing::new();
        ring.gop.set(gop);
        Self::of(Kind::H264, ring)
    }

    /// A camera whose H.264 is in clips as it came, with a key frame every so many frames.
    pub(in crate::take) fn verbatim(gop: u64) -> Self {
        let ring = FakeRing::new();
        ring.gop.set(gop);
        Self::of(Kind::Verbatim, ring)
    }

    /// A clip of a trigger that was begun.
    pub(in crate::take) fn begun() -> Self {
        Self::triggered(Kind::Steady, FakeRing::new(), TriggerKind::Begin)
    }

    fn of(kind: Kind, ring: Rc<FakeRing>) -> Self {
        Self::triggered(kind, ring, TriggerKind::Trigger)
    }

    fn triggered(kind: Kind, ring: Rc<FakeRing>, trigger: TriggerKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan_path(folder.path());
        std::fs::create_dir_all(plan.parent().unwrap()).unwrap();
        std::fs::write(plan, "{}").unwrap();
        let lock = Arc::new(ClipLock::take(folder.path()).unwrap().unwrap());
        let (media, clock) = (Arc::<FakeMedia>::default(), Arc::<FakeClock>::default());
        let (frames, disk): (Rc<dyn Frames>, _) = (ring.clone(), FakeDisk::default());
        let assignment = assignment(folder.path(), &lock, &ring, kind, trigger);
        let take = Take::begin(assignment, Some(frames), kind.how(), ClipMode::Smart, disk.waited());
        let feed = Feed::new(media.clone(), clock.clone(), None);
        Self { take, feed, ring, media, clock, disk, lock, kind, trigger, folder }
    }

    /// The take of another recorder, after the first was killed: its feed and its encoder's frames are gone with it.
    pub(in crate::take) fn killed(mut self) -> Self {
        let frames: Rc<dyn Frames> = self.ring.clone();
        let assignment = assignment(self.folder.path(), &self.lock, &self.ring, self.kind, self.trigger);
        let (how, waited) = (self.kind.how(), self.disk.waited());
        self.take = Take::begin(assignment, Some(frames), how, ClipMode::Smart, waited);
        self.feed = Feed::new(self.media.clone(), self.clock.clone(), None);
        self
    }

    pub(in crate::take) fn step(&mut self, now_ms: u64) -> Step {
        self.clock.set(ms(now_ms));
        self.take.step(ms(now_ms), &mut self.feed, &self.disk)
    }

    /// Publishes the frames of up to this moment, and moves the take on until it can't.
    pub(in crate::take) fn run_to(&mut self, now_ms: u64) -> Step {
        self.ring.publish_to(now_ms / 10);
        self.go_on(now_ms)
    }

    /// Moves the take on until it can't.
    pub(in crate::take) fn go_on(&mut self, now_ms: u64) -> Step {
        loop {
            let step = self.step(now_ms);
            if !matches!(step, Step::Encoded | Step::Moved) {
                return step;
            }
        }
    }

    /// Runs a camera and the take side by side, frame by frame.
    pub(in crate::take) fn run(&mut self, frames: std::ops::RangeInclusive<u64>) {
        frames.for_each(|n| {
            self.run_to(n * 10);
        });
    }

    pub(in crate::take) fn parts(&self) -> Vec<part::Part> {
        part::read_all(&self.folder.path().join(PARTIAL_DIR), &Name::new("left").unwrap()).unwrap()
    }

    pub(in crate::take) fn reasons(&self) -> Vec<PartReason> {
        self.parts().iter().map(|part| part.header.begun_because).collect()
    }

    /// The frames whose packets are in the parts' videos.
    pub(in crate::take) fn payloads(&self) -> Vec<u64> {
        let (partial, left) = (self.folder.path().join(PARTIAL_DIR), Name::new("left").unwrap());
        let extension = if self.kind == Kind::Jpeg { ".mov" } else { ".mp4" };
        let videos = (1..).map(|number| part::video_path(&partial, &left, number, extension));
        videos.take_while(|video| video.exists()).flat_map(|video| payloads(&video)).collect()
    }

    /// The account of the finished take, by what is really in the parts.
    pub(in crate::take) fn account(self) -> Account {
        self.finish().1
    }

    /// The frames that the finished clip has, by what is really in the parts, and their account. No packet may be under another
    /// frame's row, and no frame may still be held.
    pub(in crate::take) fn finish(self) -> (Vec<u64>, Account) {
        let (all, _) = rows(&self.parts());
        assert_eq!(self.payloads(), all, "each packet is under its own frame's row");
        assert_eq!(self.ring.frames_held(), 0, "frames are still held");
        let mut footage = self.take.wrap();
        footage.close(&footage.window.close_for_good().unwrap());
        let Recorded { parts, footage } = up_to_the_end(&footage, self.folder.path()).unwrap();
        let (rows, written) = rows(&parts);
        let mut evidence = footage.evidence;
        evidence.correct_by(&written);
        (rows, evidence.account())
    }
}

/// The frames of these parts, in order.
fn rows(parts: &[part::Part]) -> (Vec<u64>, Runs) {
    let (mut rows, mut written) = (Vec::new(), Runs::default());
    let runs = parts.iter().flat_map(|part| part.frames.iter());
    for frame in runs.flat_map(|run| (run.first().sequence..=run.last().sequence).map(|n| run.at(n))) {
        let newest = written.last().map_or(0, |newest| newest.sequence);
        assert!(frame.sequence > newest, "frame {} is doubled, or out of order", frame.sequence);
        written.add(&frame);
        rows.push(frame.sequence);
    }
    (rows, written)
}
