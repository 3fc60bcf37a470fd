//! A camera that comes and goes, by a script and a clock of its own.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::*;
use proto::frame::{CaptureTime, Fps, FrameFlags};

/// One try to open the camera.
enum Try {
    /// It takes so long, and is open.
    Opens(u64),
    /// It takes so long, and fails.
    Fails(u64, SourceError),
}

/// The camera's deliveries, over all the times that it is opened.
type Script = Arc<Mutex<VecDeque<Result<Arrival, SourceError>>>>;

struct ScriptedCamera(Script);

impl Source for ScriptedCamera {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        self.0.lock().unwrap().pop_front().unwrap_or(Ok(Arrival::Silence))
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        if frame.is_empty() { Err(lost(LossBefore::Unplugged)) } else { Ok(frame.len()) }
    }

    fn frozen(&mut self) -> Result<(), SourceError> {
        Err(lost(LossBefore::CameraStall))
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags { matrix: 9, ..PictureTags::default() }
    }

    fn time(&self) -> TimeOfSource {
        TimeOfSource { source: CaptureTime::Rtp, error_ns: Some(5), anchors: 2 }
    }
}

#[derive(Default)]
struct World {
    now_ms: Cell<u64>,
    tries: RefCell<VecDeque<Try>>,
    /// The moments at which tries began.
    began: RefCell<Vec<u64>>,
    script: Script,
}

#[derive(Clone, Default)]
struct FakeWorld(Rc<World>);

impl Time for FakeWorld {
    fn now(&self) -> MonotonicNs {
        MonotonicNs(1_000_000 * (5_000 + self.0.now_ms.get()))
    }

    fn sleep(&self, span: Duration) {
        self.0.now_ms.set(self.0.now_ms.get() + u64::try_from(span.as_millis()).unwrap());
    }
}

impl Opener for FakeWorld {
    fn begin(&mut self) {
        self.0.began.borrow_mut().push(self.0.now_ms.get());
    }

    fn opened(&mut self, patience: Duration) -> Option<Result<Live, SourceError>> {
        let mut tries = self.0.tries.borrow_mut();
        let takes = match tries.front_mut() {
            Some(Try::Opens(takes) | Try::Fails(takes, _)) => takes,
            None => panic!("one try too many, at {} ms", self.0.now_ms.get()),
        };
        let patience = u64::try_from(patience.as_millis()).unwrap();
        let waited = patience.min(*takes);
        self.0.now_ms.set(self.0.now_ms.get() + waited);
        *takes -= waited;
        if waited == patience {
            return None;
        }
        Some(match tries.pop_front()? {
            Try::Opens(_) => Ok(Box::new(ScriptedCamera(Arc::clone(&self.0.script)))),
            Try::Fails(_, error) => Err(error),
        })
    }
}

fn lost(cause: LossBefore) -> SourceError {
    let reason = cause.code().to_string();
    SourceError::Lost { input: "camera".into(), reason, cause, refused: false }
}

fn refused() -> SourceError {
    let reason = "wrong password".into();
    SourceError::Lost { input: "camera".into(), reason, cause: LossBefore::Network, refused: true }
}

/// The camera's own frame number `own`, captured at `ms`.
fn frame(own: u64, ms: u64) -> Result<Arrival, SourceError> {
    Ok(Arrival::Frame {
        source_sequence: own,
        t_capture: MonotonicNs(1_000_000 * (5_000 + ms)),
        before: LossBefore::Nothing,
        flags: FrameFlags::NONE,
        bytes: 77,
    })
}

fn reopening(
    tries: impl IntoIterator<Item = Try>,
    script: impl IntoIterator<Item = Result<Arrival, SourceError>>,
) -> (Reopening, FakeWorld) {
    let world = FakeWorld::default();
    world.0.tries.borrow_mut().extend(tries);
    world.0.script.lock().unwrap().extend(script);
    let numbers = Numbers::new(Fps::new(100.0).unwrap());
    (Reopening::with(Box::new(world.clone()), Box::new(world.clone()), numbers), world)
}

/// The next frame's number and the loss before it. Each wait in vain is over in time.
fn next(camera: &mut Reopening, world: &FakeWorld) -> (u64, LossBefore) {
    loop {
        let began = world.0.now_ms.get();
        let arrival = camera.wait().unwrap();
        assert!(world.0.now_ms.get() - began <= 200, "a wait took longer than its patience");
        if let Arrival::Frame { source_sequence, before, bytes: 77, .. } = arrival {
            return (source_sequence, before);
        }
        assert_eq!(arrival, Arrival::Silence);
    }
}

#[test]
fn a_camera_that_is_lost_comes_back_with_the_cause_and_the_frames_that_were_due() {
    let tries = [
        Try::Opens(30),
        Try::Fails(1, lost(LossBefore::Network)),
        Try::Fails(1, lost(LossBefore::Network)),
        Try::Opens(1),
    ];
    let script =
        [frame(4, 30), frame(5, 40), Err(lost(LossBefore::Unplugged)), frame(0, 1_540), frame(1, 1_550)];
    let (mut camera, world) = reopening(tries, script);
    assert_eq!(next(&mut camera, &world), (4, LossBefore::Nothing));
    assert_eq!(next(&mut camera, &world), (5, LossBefore::Nothing));
    assert_eq!(camera.away(), None);
    assert_eq!(camera.wait().unwrap(), Arrival::Silence);
    let away = camera.away().unwrap();
    assert!(away.reason.starts_with("camera: ") && away.cause == LossBefore::Unplugged, "{away:?}");
    assert_eq!(
        next(&mut camera, &world),
        (155, LossBefore::Unplugged),
        "why it was lost, not why it stayed away"
    );
    assert_eq!(next(&mut camera, &world), (156, LossBefore::Nothing));
    assert_eq!(camera.away(), None);
    let began = world.0.began.borrow();
    assert_eq!(*began, [0, 500, 1_000, 1_500]);
}

#[test]
fn a_camera_that_was_open_for_long_is_tried_again_at_once() {
    let (mut camera, world) = reopening(
        [Try::Opens(1), Try::Opens(1)],
        [frame(0, 10), Err(lost(LossBefore::Unplugged)), frame(0, 60_030)],
    );
    next(&mut camera, &world);
    world.0.now_ms.set(60_000);
    assert_eq!(next(&mut camera, &world), (6_002, LossBefore::Unplugged));
    assert_eq!(*world.0.began.borrow(), [0, 60_000]);
}

#[test]
fn a_refused_password_is_tried_every_five_seconds() {
    let tries = [Try::Fails(1, refused()), Try::Fails(1, refused()), Try::Opens(1)];
    let (mut camera, world) = reopening(tries, [frame(0, 20_000)]);
    assert_eq!(next(&mut camera, &world), (0, LossBefore::Network));
    assert_eq!(*world.0.began.borrow(), [0, 5_000, 10_000]);
}

#[test]
fn a_camera_that_does_not_answer_is_away_after_a_second_and_opened_once() {
    let (mut camera, world) = reopening([Try::Opens(7_000)], [frame(0, 7_000)]);
    while world.0.now_ms.get() < 1_000 {
        assert_eq!(camera.away(), None, "at {} ms", world.0.now_ms.get());
        assert_eq!(camera.wait().unwrap(), Arrival::Silence);
    }
    assert!(camera.away().unwrap().reason.contains("has not answered yet"));
    next(&mut camera, &world);
    assert_eq!((camera.away(), world.0.began.borrow().len()), (None, 1));
}

#[test]
fn a_camera_that_is_open_and_gives_nothing_is_silent_and_no_longer_away() {
    let tries = [Try::Fails(1, lost(LossBefore::Network)), Try::Opens(1)];
    let (mut camera, world) = reopening(tries, []);
    let mut waited = 0;
    while camera.away().is_some() || waited < 5 {
        camera.wait().unwrap();
        world.0.now_ms.set(world.0.now_ms.get() + 100);
        waited += 1;
    }
    assert!((2_500..3_500).contains(&world.0.now_ms.get()), "{} ms", world.0.now_ms.get());
}

#[test]
fn what_no_new_try_can_mend_ends_the_source() {
    let unusable = || SourceError::Unusable { input: "camera".into(), reason: "it is a directory".into() };
    let (mut camera, _) = reopening([Try::Fails(1, unusable())], []);
    camera.wait().unwrap();
    assert!(matches!(camera.wait(), Err(SourceError::Unusable { .. })));
    let (mut camera, _) = reopening([Try::Opens(1)], [Err(unusable())]);
    camera.wait().unwrap();
    camera.wait().unwrap();
    assert!(matches!(camera.wait(), Err(SourceError::Unusable { .. })));
}

#[test]
fn a_camera_lost_while_its_frame_is_written_or_for_its_frozen_picture_is_opened_again() {
    let tries = [Try::Opens(1), Try::Opens(1), Try::Opens(1)];
    let (mut camera, world) = reopening(tries, [frame(0, 0), frame(0, 500), frame(1, 1_000)]);
    next(&mut camera, &world);
    assert_eq!((camera.write(&mut [0; 9]).unwrap(), camera.picture_tags().matrix), (9, 9));
    assert_eq!(camera.write(&mut []).unwrap(), 0, "the frame can't be had");
    assert_eq!(camera.picture_tags(), PictureTags::default());
    assert_eq!(next(&mut camera, &world), (50, LossBefore::Unplugged));
    camera.frozen().unwrap();
    assert!(camera.away().is_some());
    assert_eq!(next(&mut camera, &world), (100, LossBefore::CameraStall));
}

#[test]
fn the_anchors_of_a_cameras_clock_are_counted_over_all_the_times_that_it_is_open() {
    let script = [frame(0, 0), Err(lost(LossBefore::Network)), frame(0, 900)];
    let tries = [Try::Opens(0), Try::Fails(0, lost(LossBefore::Network)), Try::Opens(0)];
    let (mut camera, world) = reopening(tries, script);
    assert_eq!(camera.time(), TimeOfSource::ARRIVAL);
    next(&mut camera, &world);
    assert_eq!(camera.time().anchors, 2);
    camera.wait().unwrap();
    let away = TimeOfSource { source: CaptureTime::Rtp, error_ns: Some(5), anchors: 2 };
    assert_eq!(camera.time(), away, "the last word holds while it is away");
    next(&mut camera, &world);
    assert_eq!(camera.time(), TimeOfSource { anchors: 4, ..away });
}

#[test]
fn the_first_frame_of_a_clock_that_was_tied_anew_says_so() {
    let script = [frame(0, 0), frame(1, 10), Err(lost(LossBefore::Network)), frame(0, 900), frame(1, 910)];
    let (mut camera, _world) = reopening([Try::Opens(0), Try::Opens(0)], script);
    let mut anchors = Vec::new();
    while anchors.len() < 4 {
        if let Arrival::Frame { flags, .. } = camera.wait().unwrap() {
            anchors.push(flags.contains(FrameFlags::NEW_ANCHOR));
        }
    }
    assert_eq!(anchors, [false, false, true, false]);
}

#[test]
fn a_thread_opens_the_camera_and_hands_it_over() {
    let mut times = 0;
    let mut opener = OpenOnThread::new(Box::new(move || {
        times += 1;
        if times == 1 {
            Err(lost(LossBefore::Network))
        } else {
            Ok(Box::new(ScriptedCamera(Script::default())))
        }
    }));
    assert!(opener.opened(Duration::ZERO).is_none(), "nothing was begun");
    let patience = Duration::from_secs(60);
    opener.begin();
    assert!(matches!(opener.opened(patience), Some(Err(SourceError::Lost { .. }))));
    opener.begin();
    assert!(matches!(opener.opened(patience), Some(Ok(_))));
    assert!(opener.opened(Duration::ZERO).is_none());
}
