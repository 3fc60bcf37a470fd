//! A camera that is unplugged and comes back, again and again, in one process, beside another that stays.

use super::*;
use crate::reopening::{Numbers, Opener as BeginOpening, Time};
use crate::source::Arrival;
use proto::frame::LossBefore;

/// Opens a camera at once, on the fake kernel and by its clock.
struct AtOnce {
    kernel: FakeKernel,
    opener: Opener,
    opened: Option<Result<Live, SourceError>>,
}

impl BeginOpening for AtOnce {
    fn begin(&mut self) {
        let camera = open(&self.kernel, &mut self.opener);
        self.opened = Some(camera.map(|camera| Box::new(camera) as Live));
    }

    fn opened(&mut self, _: Duration) -> Option<Result<Live, SourceError>> {
        self.opened.take()
    }
}

impl Time for FakeKernel {
    fn now(&self) -> MonotonicNs {
        Kernel::now(self)
    }

    fn sleep(&self, span: Duration) {
        Kernel::sleep(self, span);
    }
}

fn reopening(kernel: &FakeKernel, device: &str, fps: f64) -> Reopening {
    let opener = AtOnce { kernel: kernel.clone(), opener: opener(device, "MJPG", fps), opened: None };
    let numbers = Numbers::new(Fps::new(fps).unwrap());
    Reopening::with(Box::new(opener), Box::new(kernel.clone()), numbers)
}

/// A frame: its number, its time, the cause of the gap before it.
type Got = (u64, MonotonicNs, LossBefore);

/// Waits once, and writes the frame that came.
fn turn(camera: &mut Reopening) -> Option<Got> {
    match camera.wait().unwrap() {
        Arrival::Frame { source_sequence, t_capture, before, bytes, .. } => {
            assert_eq!(camera.write(&mut vec![0; bytes]).unwrap(), bytes);
            Some((source_sequence, t_capture, before))
        }
        Arrival::Silence => None,
        other => panic!("{other:?}"),
    }
}

/// Two cameras, of which the right one's frames are fetched whenever the left one has been waited for.
struct Pair {
    kernel: FakeKernel,
    left: Reopening,
    right: Reopening,
    /// The right one's first frame's arrival, and the frames that it has had.
    right_since: MonotonicNs,
    right_frames: u64,
}

impl Pair {
    fn new(device: &str) -> Self {
        let mut right = webcam();
        right.node = node(9, "1-9", "Z9");
        let kernel = FakeKernel::with([webcam(), right]);
        let (left, mut right) = (reopening(&kernel, device, 50.0), reopening(&kernel, "Z9", 25.0));
        while turn(&mut right).is_none() {}
        let right_since = Kernel::now(&kernel);
        Self { kernel, left, right, right_since, right_frames: 1 }
    }

    fn now(&self) -> MonotonicNs {
        Kernel::now(&self.kernel)
    }

    /// A turn of the left camera, and as many of the right one as are due.
    fn turn(&mut self) -> Option<Got> {
        let got = turn(&mut self.left);
        let due = Fps::new(25.0).unwrap().frames_in(proto::time::nanos(self.now().since(self.right_since)));
        while self.right_frames <= due {
            let (number, _, before) = turn(&mut self.right).unwrap();
            assert_eq!((number, before), (self.right_frames, LossBefore::Nothing), "the other camera");
            self.right_frames += 1;
        }
        got
    }

    fn until_live(&mut self) -> Got {
        loop {
            if let Some(got) = self.turn() {
                return got;
            }
        }
    }
}

/// The frames of 20 ms that were due from one time to the other.
fn due(from: MonotonicNs, to: MonotonicNs) -> u64 {
    u64::try_from((to.since(from) + 10 * MS).as_millis() / 20).unwrap()
}

#[test]
fn a_camera_gone_and_back_fifty_times_is_live_within_a_second_and_its_gaps_are_counted() {
    for device in ["/dev/v4l/by-id/usb-HD_A1-video-index0", "0"] {
        let mut pair = Pair::new(device);
        let (mut last, mut t, _) = pair.until_live();
        for round in 0..50_u32 {
            for _ in 0..round % 7 {
                (last, t, _) = pair.until_live();
            }
            pair.kernel.machine().cameras[0].unplug();
            let back = pair.now() + (round * 97 % 1_700 + 20) * MS;
            while pair.now() < back {
                assert_eq!(pair.turn(), None);
            }
            let returned = pair.now();
            pair.kernel.machine().cameras[0].plug_in(round % 5);
            let (number, now, before) = pair.until_live();
            let live_after = pair.now().since(returned);
            assert!(live_after <= 1_000 * MS, "{device}, round {round}: {live_after:?}");
            assert_eq!(before, LossBefore::Unplugged);
            assert_eq!(number - last, due(t, now), "{device}, round {round}");
            (last, t) = (number, now);
        }
        assert_no_rule_is_broken(&pair.kernel);
        assert!(pair.right_frames > 500, "{}", pair.right_frames);
    }
}

#[test]
fn a_camera_that_stalls_is_opened_again_and_the_gap_says_so() {
    let mut pair = Pair::new("A1");
    pair.kernel.machine().cameras[0].script = [Step::Good(2), Step::Silence(Duration::from_secs(100))].into();
    let (first, ..) = pair.until_live();
    let (second, t, _) = pair.until_live();
    assert_eq!((first, second), (0, 1));
    let (number, now, before) = pair.until_live();
    assert_eq!(before, LossBefore::CameraStall);
    assert!(now.since(t) < 4_000 * MS, "{:?}", now.since(t));
    assert_eq!(number - second, due(t, now));
    assert_no_rule_is_broken(&pair.kernel);
}
