//! A camera that streams, and whatever goes wrong with its frames.

use super::super::fake_kernel::{FakeFrame, Stamp, jpeg, p_picture};
use super::*;
use crate::source::{Arrival, PATIENCE};
use proto::frame::{DecodesFrom, FrameFlags, LossBefore};
use rustix::io::Errno;

/// A frame that arrived and was written.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Got {
    number: u64,
    before: LossBefore,
    flags: FrameFlags,
    /// After the arrival of the first frame.
    t_us: i64,
}

/// Waits for a frame, through silence, and writes it.
fn next(camera: &mut V4l2Camera, kernel: &FakeKernel) -> Result<Got, SourceError> {
    loop {
        match camera.wait()? {
            Arrival::Frame { source_sequence, t_capture, before, flags, bytes } => {
                let mut frame = vec![0; bytes.max(64 * 48)];
                let written = camera.write(&mut frame)?;
                assert!(written > 0 && (bytes == 0 || written == bytes), "{written} of {bytes}");
                let now = i64::try_from(kernel.machine().now.0).unwrap();
                let t_us = (i64::try_from(t_capture.0).unwrap() - now) / 1_000;
                return Ok(Got { number: source_sequence, before, flags, t_us });
            }
            Arrival::Silence => {}
            other => panic!("{other:?}"),
        }
    }
}

fn numbers(camera: &mut V4l2Camera, kernel: &FakeKernel, count: usize) -> Vec<(u64, LossBefore)> {
    let next = |_| next(camera, kernel).map(|got| (got.number, got.before)).unwrap();
    (0..count).map(next).collect()
}

fn frame(frame: FakeFrame) -> Step {
    Step::Frame(frame)
}

fn bytes(bytes: Vec<u8>) -> Step {
    frame(FakeFrame { bytes: Some(bytes), ..FakeFrame::default() })
}

const NOTHING: LossBefore = LossBefore::Nothing;

#[test]
fn every_frame_is_delivered_with_its_number_and_time_in_every_format() {
    for format in ["auto", "GREY", "H264"] {
        let kernel = scripted([]);
        let mut camera = open(&kernel, &mut opener("0", format, 50.0)).unwrap();
        for number in 0..100 {
            let got = next(&mut camera, &kernel).unwrap();
            assert_eq!((got.number, got.before, got.t_us), (number, NOTHING, -2_000), "{format}");
        }
        assert_no_rule_is_broken(&kernel);
    }
}

#[test]
fn a_bad_frame_is_a_gap_with_its_cause_and_its_buffer_goes_back() {
    let whole = jpeg((640, 480), 1);
    let cut = whole[..whole.len() * 2 / 3].to_vec();
    let damaged = frame(FakeFrame { is_damaged: true, ..FakeFrame::default() });
    for bad in [bytes(cut), bytes(Vec::new()), bytes(vec![0; 500]), damaged] {
        let kernel = scripted([Step::Good(2), bad.clone(), Step::Good(1)]);
        let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
        let got = numbers(&mut camera, &kernel, 4);
        assert_eq!(got, [(0, NOTHING), (1, NOTHING), (3, LossBefore::Corrupt), (4, NOTHING)], "{bad:?}");
        assert_no_rule_is_broken(&kernel);
    }
}

#[test]
fn a_hundred_short_frames_in_a_row_starve_no_driver() {
    let mut short = vec![Step::Good(1)];
    short.extend((0..100).map(|_| bytes(vec![7; 64 * 48 - 1])));
    let kernel = scripted(short);
    let mut camera = open(&kernel, &mut opener("0", "GREY", 50.0)).unwrap();
    let got = numbers(&mut camera, &kernel, 3);
    assert_eq!(got, [(0, NOTHING), (101, LossBefore::Corrupt), (102, NOTHING)]);
    assert_no_rule_is_broken(&kernel);
}

#[test]
fn a_camera_that_gives_nothing_but_damaged_frames_is_opened_again() {
    let kernel = scripted((0..1000).map(|_| bytes(Vec::new())));
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    let error = next(&mut camera, &kernel).unwrap_err();
    assert!(
        error.to_string().contains("nothing but damaged frames for 3.0 s (150; it doesn't begin as a JPEG)"),
        "{error}"
    );
    assert!(matches!(error, SourceError::Lost { cause: LossBefore::CameraStall, .. }));
}

#[test]
fn holes_in_the_drivers_count_are_camera_drops_and_repeats_are_none() {
    let step = |step| frame(FakeFrame { step: Some(step), ..FakeFrame::default() });
    let kernel = scripted([Step::Good(1), step(3), step(0), Step::Good(1), step(-100), Step::Good(1)]);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    let got = numbers(&mut camera, &kernel, 6);
    let drop = LossBefore::CameraDrop;
    assert_eq!(got, [(0, NOTHING), (3, drop), (4, NOTHING), (5, NOTHING), (6, NOTHING), (7, NOTHING)]);
}

#[test]
fn odd_times_are_replaced_and_marked() {
    let stamped = |stamp| frame(FakeFrame { stamp: Some(stamp), ..FakeFrame::default() });
    let kernel = scripted([
        Step::Good(1),
        stamped(Stamp::Zero),
        stamped(Stamp::After(14 * MS)),
        stamped(Stamp::None),
        stamped(Stamp::Before(500 * MS)),
        Step::Good(1),
    ]);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    let got: Vec<_> =
        (0..6).map(|_| next(&mut camera, &kernel).unwrap()).map(|got| (got.t_us, got.flags)).collect();
    let (plain, repaired) = (FrameFlags::NONE, FrameFlags::TIME_REPAIRED);
    // The fifth is a nanosecond behind the fourth, which came 20 ms before it.
    let expected =
        [(-2_000, plain), (0, repaired), (0, plain), (0, plain), (-19_999, repaired), (-2_000, plain)];
    assert_eq!(got, expected);
}

#[test]
fn a_process_that_was_away_gets_what_the_driver_kept_and_the_rest_is_declared() {
    let kernel = scripted([]);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    assert_eq!(numbers(&mut camera, &kernel, 1), [(0, NOTHING)]);
    kernel.sleep(Duration::from_secs(1));
    let got = numbers(&mut camera, &kernel, 9);
    let kept: Vec<_> = (1..9).map(|number| (number, NOTHING)).collect();
    assert_eq!(got[..8], kept);
    assert_eq!(got[8], (51, LossBefore::CameraDrop));
}

#[test]
fn a_silence_is_told_in_time_and_queues_nothing() {
    let kernel = scripted([Step::Good(1), Step::Silence(Duration::from_secs(1)), Step::Good(1)]);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    next(&mut camera, &kernel).unwrap();
    let queued = || kernel.machine().calls.iter().filter(|call| **call == "qbuf").count();
    let (before, began) = (queued(), kernel.now());
    for waits in 1..=4 {
        assert_eq!(camera.wait().unwrap(), Arrival::Silence);
        assert_eq!(kernel.now().since(began), PATIENCE * waits);
    }
    assert_eq!(queued(), before);
    // The driver's count has no hole: the camera made no frame meanwhile.
    assert_eq!(numbers(&mut camera, &kernel, 2), [(1, NOTHING), (2, NOTHING)]);
    assert_no_rule_is_broken(&kernel);
}

#[test]
fn a_camera_without_a_frame_for_long_is_opened_again_by_its_own_rate() {
    for (fps, stalls_after) in [(50.0, 3_000), (25.0, 3_000), (1.0, 20_000)] {
        let kernel = scripted([Step::Good(1), Step::Silence(Duration::from_secs(1000))]);
        let mut camera = open(&kernel, &mut opener("0", "MJPG", fps)).unwrap();
        next(&mut camera, &kernel).unwrap();
        let began = kernel.now();
        let error = next(&mut camera, &kernel).unwrap_err();
        let after = kernel.now().since(began);
        assert!((stalls_after * MS..=(stalls_after + 200) * MS).contains(&after), "{fps}: {after:?}");
        assert!(matches!(error, SourceError::Lost { cause: LossBefore::CameraStall, .. }), "{error:?}");
        assert!(error.to_string().starts_with("0: it has given no frame for "), "{error}");
    }
}

#[test]
fn a_driver_that_is_ready_for_ever_and_gives_nothing_is_asked_calmly_and_given_up() {
    let kernel = scripted((0..1000).map(|_| Step::Fails(Errno::AGAIN)));
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    let began = kernel.now();
    assert!(next(&mut camera, &kernel).is_err());
    assert!(kernel.now().since(began) >= 3_000 * MS);
    let fetched = kernel.machine().calls.iter().filter(|call| **call == "dqbuf").count();
    assert!(fetched <= 3_000 / 5, "{fetched} calls in 3 s");
}

#[test]
fn an_unplugged_camera_ends_the_wait_at_once() {
    let kernel = scripted([Step::Good(3), Step::Unplug]);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    numbers(&mut camera, &kernel, 3);
    let began = kernel.now();
    let error = camera.wait().unwrap_err();
    assert!(kernel.now().since(began) <= 20 * MS);
    assert_eq!(error.to_string(), "0: it is unplugged");
    assert!(matches!(error, SourceError::Lost { cause: LossBefore::Unplugged, .. }), "{error:?}");
    // While a frame is in hand, too.
    let kernel = scripted([]);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    assert!(matches!(camera.wait(), Ok(Arrival::Frame { .. })));
    kernel.machine().cameras[0].unplug();
    let error = camera.write(&mut [0; 100]).unwrap_err();
    assert!(matches!(error, SourceError::Lost { cause: LossBefore::Unplugged, .. }), "{error:?}");
}

#[test]
fn a_failing_driver_is_a_stall_and_names_its_error() {
    for error in [Errno::IO, Errno::INVAL, Errno::PIPE] {
        let kernel = scripted([Step::Good(1), Step::Fails(error)]);
        let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
        next(&mut camera, &kernel).unwrap();
        let told = camera.wait().unwrap_err();
        assert!(told.to_string().contains(&error.to_string()), "{told}");
        assert!(matches!(told, SourceError::Lost { cause: LossBefore::CameraStall, .. }), "{told:?}");
    }
}

#[test]
fn a_frame_that_finds_no_place_in_the_ring_gives_its_buffer_back() {
    let kernel = scripted([]);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    for number in 0..50 {
        let arrival = camera.wait().unwrap();
        assert!(matches!(arrival, Arrival::Frame { source_sequence, .. } if source_sequence == number));
    }
    assert_no_rule_is_broken(&kernel);
}

#[test]
fn a_driver_with_two_buffers_loses_no_frame_of_a_process_that_keeps_up() {
    let kernel = scripted([]);
    kernel.machine().cameras[0].buffers = Some(2);
    let mut camera = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    let got = numbers(&mut camera, &kernel, 50);
    assert!(got.iter().all(|(_, before)| *before == NOTHING));
    assert_eq!(got[49].0, 49);
}

#[test]
fn a_loss_in_a_stream_of_h264_is_told_with_the_next_frame_and_each_frame_says_from_which_it_decodes() {
    let p = || bytes(p_picture(3));
    let lost = FakeFrame { bytes: Some(p_picture(3)), step: Some(2), ..FakeFrame::default() };
    let kernel = scripted([Step::Good(1), p(), frame(lost), p(), Step::Good(1), p()]);
    let mut camera = open(&kernel, &mut opener("0", "H264", 50.0)).unwrap();
    let mut got = || {
        let got = next(&mut camera, &kernel).unwrap();
        (got.flags, got.before, camera.decoding().from)
    };
    let (none, back) = (FrameFlags::NONE, DecodesFrom::Back);
    let first = FrameFlags::KEY.with(FrameFlags::NEW_PARAMETERS);
    assert_eq!([got(), got()], [(first, NOTHING, back(0)), (none, NOTHING, back(1))]);
    // The ring's writer marks what follows (proto/src/ring/starts.rs).
    assert_eq!([got(), got()], [(none, LossBefore::CameraDrop, back(2)), (none, NOTHING, back(3))]);
    assert_eq!([got(), got()], [(FrameFlags::KEY, NOTHING, back(0)), (none, NOTHING, back(1))]);
}
