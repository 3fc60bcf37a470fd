//! The loop with a fake camera and a real ring.

use super::*;
use std::collections::VecDeque;
use std::sync::Arc;

use proto::frame::{Fps, FrameFlags, Geometry, PictureTags, PixelFormat};
use proto::instance::RuntimeDir;
use proto::ring::{Arena, Ring, RingSize, RingSpec};

use crate::source::Away;

/// A ring of three slots in a runtime directory of its own, removed with this value.
struct TestRing {
    ring: Arc<Ring>,
    dir: RuntimeDir,
    name: Name,
    _folder: tempfile::TempDir,
}

impl TestRing {
    fn new() -> Self {
        Self::of(64, Payload::Planes)
    }

    fn of_width(width: u32) -> Self {
        Self::of(width, Payload::Planes)
    }

    /// A ring for compressed frames has room for 1000 bytes in each.
    fn of(width: u32, payload: Payload) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(&folder.path().join("run")).unwrap();
        let name: Name = "left".parse().unwrap();
        let size = RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 0 };
        let geometry = Geometry::new(width, 64, PixelFormat::GRAY8).unwrap();
        let fps = Fps::new(60.0).unwrap();
        let arena = Arena { bytes: 16_384, max_frame_bytes: 1_000, max_rate_bytes: 60_000 };
        let spec = match payload {
            Payload::Planes => RingSpec::planes(geometry, fps, size),
            payload => RingSpec::compressed(geometry, fps, size, payload, arena),
        };
        let ring = Ring::create(&dir.segment(&name), &spec).unwrap();
        Self { ring, dir, name, _folder: folder }
    }

    /// Runs the loop over what a camera delivers.
    fn run(&self, deliveries: impl IntoIterator<Item = Delivery>) -> (Result<(), SourceError>, CameraState) {
        let status = Arc::new(LoopStatus::default());
        let source = FakeSource { status: Arc::clone(&status), ..FakeSource::of(deliveries) };
        let (source, writer) = (Box::new(source), self.ring.writer().unwrap());
        let result = CaptureLoop::new(&self.name, source, writer, &status, false).run();
        let CaptureReport::Beat { camera, .. } = status.report();
        (result, camera)
    }

    fn lost_by_camera(&self) -> u64 {
        self.ring.counters().dropped_by_camera.load(Ordering::Relaxed)
    }

    fn loss_before(&self, sequence: u64) -> LossBefore {
        self.ring.frame_info(sequence).unwrap().before
    }
}

impl Drop for TestRing {
    fn drop(&mut self) {
        let _ = Ring::remove(&self.dir.segment(&self.name));
    }
}

/// A fake camera's answer to one wait.
enum Delivery {
    Frame(u64),
    /// A frame before which the camera itself reports a loss.
    AfterLoss(u64, LossBefore),
    /// A frame that can't be had when it is to be written.
    Vanishing(u64),
    Silence,
    /// No frame, since the camera is being opened again.
    Away(&'static str),
    /// No frame, and the loop is told to stop.
    Stop,
    End,
    Failure,
}

/// A camera that delivers what a test says, at once.
#[derive(Default)]
struct FakeSource {
    deliveries: VecDeque<Delivery>,
    brightness: u8,
    vanishes: bool,
    away: Option<Away>,
    status: Arc<LoopStatus>,
}

impl FakeSource {
    fn of(deliveries: impl IntoIterator<Item = Delivery>) -> Self {
        Self { deliveries: deliveries.into_iter().collect(), ..Self::default() }
    }
}

impl Source for FakeSource {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        let frame = |source_sequence, before| {
            Ok(Arrival::Frame {
                source_sequence,
                t_capture: MonotonicNs(1 + source_sequence),
                before,
                flags: FrameFlags::TIME_REPAIRED.when(before == LossBefore::CameraDrop),
                bytes: 0,
            })
        };
        let delivery = self.deliveries.pop_front().unwrap_or(Delivery::End);
        self.vanishes = matches!(delivery, Delivery::Vanishing(_));
        let away = |reason: &str| Some(Away { reason: reason.into(), cause: LossBefore::CameraStall });
        self.away = if let Delivery::Away(reason) = delivery { away(reason) } else { None };
        match delivery {
            Delivery::Frame(number) | Delivery::Vanishing(number) => frame(number, LossBefore::Nothing),
            Delivery::AfterLoss(number, before) => frame(number, before),
            Delivery::Silence | Delivery::Away(_) => Ok(Arrival::Silence),
            Delivery::Stop => {
                self.status.stop();
                self.away = away("still unplugged");
                Ok(Arrival::Silence)
            }
            Delivery::End => Ok(Arrival::End),
            Delivery::Failure => Err(SourceError::stalled("fake", "it is unplugged")),
        }
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        self.brightness = self.brightness.wrapping_add(1);
        frame.fill(self.brightness);
        Ok(if self.vanishes { 0 } else { frame.len() })
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags { transfer: self.brightness, ..PictureTags::default() }
    }

    fn away(&self) -> Option<&Away> {
        self.away.as_ref()
    }
}

#[test]
fn every_frame_is_published_with_its_number_and_the_end_is_shown() {
    let ring = TestRing::new();
    let (result, state) =
        ring.run([Delivery::Frame(7), Delivery::Silence, Delivery::Frame(8), Delivery::End]);
    assert!(result.is_ok());
    assert_eq!(state, CameraState::Ended);
    assert!(ring.ring.has_ended());
    let numbers: Vec<u64> = (1..=2).map(|n| ring.ring.frame_info(n).unwrap().source_sequence).collect();
    assert_eq!(numbers, [7, 8]);
    assert_eq!(ring.lost_by_camera(), 0);
    assert_eq!(ring.ring.picture_tags().transfer, 2, "the second frame's tags");
}

#[test]
fn a_failure_ends_the_loop_and_is_shown_with_its_reason() {
    let (result, state) = TestRing::new().run([Delivery::Frame(0), Delivery::Failure, Delivery::Frame(1)]);
    assert!(matches!(result, Err(SourceError::Lost { .. })));
    assert_eq!(state, CameraState::Failed("fake: it is unplugged".into()));
}

#[test]
fn numbers_that_the_camera_left_out_are_counted_as_lost() {
    let ring = TestRing::new();
    let _ = ring.run([Delivery::Frame(3), Delivery::AfterLoss(10, LossBefore::CameraDrop)]);
    assert_eq!(ring.lost_by_camera(), 6);
    assert_eq!(ring.loss_before(2), LossBefore::CameraDrop);
}

#[test]
fn a_frame_that_vanishes_while_it_is_written_is_no_frame_and_is_counted_as_lost() {
    let ring = TestRing::new();
    let (result, _) = ring.run([Delivery::Frame(0), Delivery::Vanishing(1), Delivery::Frame(2)]);
    assert!(result.is_ok());
    let numbers: Vec<u64> = (1..=2).map(|n| ring.ring.frame_info(n).unwrap().source_sequence).collect();
    assert_eq!((numbers, ring.lost_by_camera()), (vec![0, 2], 1));
}

#[test]
fn a_camera_that_is_away_is_shown_with_its_newest_reason_and_ends_nothing() {
    let ring = TestRing::new();
    let (result, state) = ring.run([Delivery::Frame(0), Delivery::Away("unplugged"), Delivery::Stop]);
    assert!(result.is_ok());
    assert_eq!(state, CameraState::Failed("still unplugged".into()));
    let back = [Delivery::Away("unplugged"), Delivery::AfterLoss(9, LossBefore::CameraStall), Delivery::End];
    assert_eq!(ring.run(back).1, CameraState::Ended);
    assert_eq!(ring.loss_before(2), LossBefore::CameraStall);
}

#[test]
fn the_next_process_counts_on_from_the_newest_frame_in_the_ring() {
    let ring = TestRing::new();
    let _ = ring.run([Delivery::Frame(3)]);
    let _ = ring.run([Delivery::Frame(6)]);
    assert_eq!(ring.lost_by_camera(), 2);
}

#[test]
fn the_ring_says_whose_time_its_frames_have_and_what_was_subtracted_from_it() {
    let ring = TestRing::new();
    assert_eq!(ring.ring.time(), None, "no frame has come");
    let (status, latency) = (LoopStatus::default(), Duration::from_millis(40));
    let source = Box::new(FakeSource::of([Delivery::Frame(0), Delivery::Frame(1)]));
    let capture = CaptureLoop::new(&ring.name, source, ring.ring.writer().unwrap(), &status, false);
    capture.behind_by(latency).run().unwrap();
    let time = ring.ring.time().unwrap();
    assert_eq!((time.of_source, time.latency), (TimeOfSource::ARRIVAL, latency));
    assert!(time.delay > Duration::from_millis(1), "the fake camera's times are of the boot");
    let second = ring.ring.frame_info(2).unwrap();
    assert_eq!(second.t_capture, MonotonicNs(1_000), "times rise, also where the clock begins");
    assert!(second.flags.contains(FrameFlags::TIME_REPAIRED));
}

/// A frame without any remark, which needs this room.
fn announced(source_sequence: u64, bytes: usize) -> Announced {
    Announced {
        source_sequence,
        t_capture: MonotonicNs(10 + source_sequence),
        before: LossBefore::Nothing,
        flags: FrameFlags::NONE,
        bytes,
    }
}

#[test]
fn a_frame_without_a_slot_is_declared_by_the_next_one_that_has_one() {
    let ring = TestRing::new();
    let _ = ring.run((0..3).map(Delivery::Frame));
    let reader = ring.ring.reader(proto::ring::ReaderBit::new(0).unwrap()).unwrap();
    let leases: Vec<_> = (1..=3).map(|n| reader.lease(n).unwrap()).collect();
    let status = LoopStatus::default();
    let writer = ring.ring.writer().unwrap();
    let source = Box::new(FakeSource::default());
    let mut capture = CaptureLoop::new(&ring.name, source, writer, &status, false);
    capture.pass_on(announced(3, 0)).unwrap();
    capture.pass_on(announced(4, 0)).unwrap();
    assert_eq!(ring.ring.newest().unwrap().source_sequence, 2, "every slot is leased");
    drop(leases);
    capture.pass_on(announced(5, 0)).unwrap();
    capture.pass_on(announced(6, 0)).unwrap();
    let newest = ring.ring.newest().unwrap();
    assert_eq!((newest.source_sequence, newest.before), (6, LossBefore::Nothing));
    assert_eq!(ring.loss_before(newest.sequence - 1), LossBefore::RingFull);
    assert_eq!(ring.lost_by_camera(), 0, "the ring was full, and the camera did its part");
}

/// A camera that gives one picture for ever, and is to be opened again when that is noticed.
struct StillSource(u64);

impl Source for StillSource {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        self.0 += 1;
        let (source_sequence, t_capture) = (self.0, MonotonicNs(self.0));
        Ok(Arrival::Frame {
            source_sequence,
            t_capture,
            before: LossBefore::Nothing,
            flags: FrameFlags::NONE,
            bytes: 0,
        })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        frame.fill(99);
        Ok(frame.len())
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags::default()
    }

    fn frozen(&mut self) -> Result<(), SourceError> {
        Err(SourceError::stalled("still", "its picture stands still"))
    }
}

#[test]
fn a_picture_that_stands_still_is_told_to_its_source() {
    let (ring, status) = (TestRing::new(), LoopStatus::default());
    let writer = ring.ring.writer().unwrap();
    let mut capture = CaptureLoop::new(&ring.name, Box::new(StillSource(0)), writer, &status, false);
    capture.watch = CameraWatch::new(std::time::Duration::ZERO, MonotonicNs::now());
    let error = capture.run().unwrap_err();
    assert_eq!(error.to_string(), "still: its picture stands still");
    assert_eq!(ring.ring.newest().unwrap().source_sequence, 2, "the second picture is the first again");
}

/// A stream whose frame of number `n` has `bytes[n]` bytes, all of them `n`; in a room of one byte more.
struct Stream {
    bytes: Vec<usize>,
    next: usize,
}

impl Source for Stream {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        let Some(bytes) = self.bytes.get(self.next) else { return Ok(Arrival::End) };
        self.next += 1;
        let number = self.next as u64 - 1;
        Ok(Arrival::Frame {
            source_sequence: number,
            t_capture: MonotonicNs(1 + number),
            before: LossBefore::Nothing,
            flags: FrameFlags::KEY.when(number == 0),
            bytes: bytes + 1,
        })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        let (number, bytes) = (self.next - 1, self.bytes[self.next - 1]);
        assert_eq!(frame.len(), bytes + 1, "the room that was asked for");
        frame[..bytes].fill(number.to_le_bytes()[0]);
        Ok(bytes)
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags::default()
    }
}

/// Runs the loop over a stream of such frames.
fn run_stream(ring: &TestRing, bytes: &[usize]) {
    let status = LoopStatus::default();
    let (source, writer) = (Box::new(Stream { bytes: bytes.to_vec(), next: 0 }), ring.ring.writer().unwrap());
    CaptureLoop::new(&ring.name, source, writer, &status, false).run().unwrap();
}

#[test]
fn compressed_frames_have_their_own_lengths() {
    let ring = TestRing::of(64, Payload::Jpeg);
    run_stream(&ring, &[10, 999, 500]);
    let reader = ring.ring.reader(proto::ring::ReaderBit::new(0).unwrap()).unwrap();
    for (sequence, bytes) in [(1, vec![0; 10]), (2, vec![1; 999]), (3, vec![2; 500])] {
        let frame = reader.lease(sequence).unwrap();
        assert_eq!(frame.bytes(), bytes);
        assert_eq!(frame.frame_info().start_sequence, sequence);
    }
}

#[test]
fn a_frame_that_is_too_large_is_left_out_counted_and_declared_by_the_next() {
    let ring = TestRing::of(64, Payload::H264);
    run_stream(&ring, &[900, 1_000, 2_000, 300, 200]);
    let numbers: Vec<_> = (1..=3).map(|n| ring.ring.frame_info(n).unwrap().source_sequence).collect();
    assert_eq!(numbers, [0, 3, 4]);
    assert_eq!(
        [1, 2, 3].map(|n| ring.loss_before(n)),
        [LossBefore::Nothing, LossBefore::TooLarge, LossBefore::Nothing]
    );
    assert_eq!(ring.ring.counters().dropped_too_large.load(Ordering::Relaxed), 2);
    assert_eq!(ring.lost_by_camera(), 0);
    let newest = ring.ring.newest().unwrap();
    assert_eq!(
        (newest.start_sequence, newest.flags),
        (1, FrameFlags::DAMAGED),
        "it needs one that was left out"
    );
}

#[test]
fn a_stream_is_told_of_numbers_that_its_camera_left_out() {
    for (payload, before) in [(Payload::H264, LossBefore::CameraDrop), (Payload::Jpeg, LossBefore::Nothing)] {
        let ring = TestRing::of(64, payload);
        let status = LoopStatus::default();
        let source = Box::new(Stream { bytes: vec![5; 9], next: 0 });
        let mut capture = CaptureLoop::new(&ring.name, source, ring.ring.writer().unwrap(), &status, false);
        for number in [0, 1, 4] {
            capture.source.wait().unwrap();
            capture.pass_on(announced(number, 6)).unwrap();
        }
        assert_eq!((ring.loss_before(3), ring.lost_by_camera()), (before, 2));
    }
}

#[test]
fn compressed_pictures_are_compared_by_their_bytes() {
    let ring = TestRing::of(64, Payload::Jpeg);
    let status = LoopStatus::default();
    let source = Box::new(Stream { bytes: vec![300; 4], next: 0 });
    let mut capture = CaptureLoop::new(&ring.name, source, ring.ring.writer().unwrap(), &status, false);
    capture.watch = CameraWatch::new(std::time::Duration::ZERO, MonotonicNs::now());
    capture.run().unwrap();
    assert_eq!(ring.ring.head(), 4);
    let frozen = [[9_u8; 300]; 2].map(|frame| Compared::Bytes.digest(&frame));
    assert_eq!(frozen[0], frozen[1]);
    assert_ne!(frozen[0], Compared::Bytes.digest(&[8; 300]));
    assert_eq!(Compared::Nothing.digest(&[8; 300]), None);
}

#[test]
fn the_ring_says_why_its_camera_is_away_until_it_is_back() {
    let ring = TestRing::new();
    let _ = ring.run([Delivery::Frame(0), Delivery::Away("unplugged"), Delivery::Stop]);
    assert_eq!(ring.ring.away(), Some(LossBefore::CameraStall));
    let writer = ring.ring.writer().unwrap();
    assert_eq!(ring.ring.away(), None, "the next capture will say it anew");
    writer.set_away(Some(LossBefore::Network));
    assert_eq!(ring.ring.away(), Some(LossBefore::Network));
    drop(writer);
    let _ = ring.run([Delivery::Away("unplugged"), Delivery::Frame(9), Delivery::End]);
    assert_eq!(ring.ring.away(), None);
}

#[test]
fn a_loop_that_is_told_to_stop_takes_no_further_frame() {
    let ring = TestRing::new();
    let status = LoopStatus::default();
    status.stop();
    let source = Box::new(FakeSource::of([Delivery::Frame(0)]));
    let writer = ring.ring.writer().unwrap();
    CaptureLoop::new(&ring.name, source, writer, &status, false).run().unwrap();
    assert!(ring.ring.newest().is_none());
    assert!(!ring.ring.has_ended());
}

/// A camera that gives frames of another size than its ring's, and goes on when it has the right one.
struct Larger {
    offer: Option<Offer>,
    fitted: bool,
    frames: u64,
    status: Arc<LoopStatus>,
}

impl Source for Larger {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        if !self.fitted {
            // The supervisor hears of it, and makes the ring.
            let CaptureReport::Beat { offer, .. } = self.status.report();
            if offer.is_some() {
                assert_eq!(offer, self.offer);
                self.status.ring_is_there();
            }
            return Ok(Arrival::Silence);
        }
        self.frames += 1;
        if self.frames > 3 {
            return Ok(Arrival::End);
        }
        Ok(Arrival::Frame {
            source_sequence: self.frames,
            t_capture: MonotonicNs(self.frames),
            before: LossBefore::Nothing,
            flags: FrameFlags::NONE,
            bytes: 0,
        })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        frame.fill(u8::try_from(self.frames).unwrap());
        Ok(frame.len())
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags::default()
    }

    fn offer(&self) -> Option<Offer> {
        self.offer.filter(|_| !self.fitted)
    }

    fn fit(&mut self, setup: &CameraSetup) {
        assert_eq!(setup.ring.spec().geometry.width(), 128);
        self.fitted = true;
    }
}

#[test]
fn a_camera_that_gives_something_else_goes_on_in_the_ring_that_is_made_for_it() {
    let (small, large) = (TestRing::new(), TestRing::of_width(128));
    let text = "cameras: [{ name: left, backend: pipe, path: /nowhere, format: y4m }]\n";
    let camera = proto::config::Config::parse("rig.yaml".as_ref(), text).unwrap().cameras.remove(0);
    let offer = Offer { width: 128, height: 64, ..crate::sim::offer(&camera) };
    let status = Arc::new(LoopStatus::default());
    let source = Larger { offer: Some(offer), fitted: false, frames: 0, status: Arc::clone(&status) };
    let ring = Arc::clone(&large.ring);
    let open_ring: OpenRing = Box::new(move || {
        let setup = CameraSetup { camera: camera.clone(), ring: Arc::clone(&ring) };
        Some((setup, ring.writer().unwrap()))
    });
    let turning =
        CaptureLoop::new(&small.name, Box::new(source), small.ring.writer().unwrap(), &status, true);
    turning.with_other_rings(open_ring).run().unwrap();
    assert_eq!((small.ring.head(), large.ring.head()), (0, 3));
    let CaptureReport::Beat { offer, .. } = status.report();
    assert_eq!(offer, None, "it has its ring");
}

#[test]
fn an_order_that_comes_twice_opens_no_other_ring() {
    let ring = TestRing::new();
    let status = Arc::new(LoopStatus::default());
    status.ring_is_there();
    let source =
        FakeSource { status: Arc::clone(&status), ..FakeSource::of([Delivery::Frame(1), Delivery::End]) };
    let turning = CaptureLoop::new(&ring.name, Box::new(source), ring.ring.writer().unwrap(), &status, false);
    turning.with_other_rings(Box::new(|| panic!("nothing was offered"))).run().unwrap();
    assert_eq!(ring.ring.head(), 1);
}
