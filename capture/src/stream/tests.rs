//! Streams that were written down before, read through the whole of [`StreamSource`].

use std::collections::VecDeque;
use std::path::Path;

use proptest::prelude::*;
use proto::config::Config;
use proto::frame::{Geometry, Payload, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::layout::Arena;
use proto::ring::{Ring, RingSize, RingSpec};

use super::*;
use crate::h26x::Codec;
use crate::jpeg::tests::jpeg;

/// A stream that was written down before: pieces, and how it ends.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    /// Silent behind the last piece; else the stream ends there.
    is_silent: bool,
}

impl ByteStream for Script {
    fn read(&mut self, inbox: &mut Inbox, _until: MonotonicNs) -> Result<bool, SourceError> {
        match self.pieces.pop_front() {
            Some(piece) => {
                inbox.take_in(MonotonicNs::now(), |to| to.extend(piece));
                Ok(true)
            }
            None if self.is_silent => Ok(false),
            None => Err(SourceError::stalled("camera", "the end")),
        }
    }
}

const SIZE: (u32, u32) = (64, 48);

fn expected(fps: f64) -> Expected {
    Expected {
        input: "camera".into(),
        size: Some(SIZE),
        fps: Fps::new(fps).unwrap(),
        is_rate_typed: true,
        may_change: false,
        is_lost_when_silent: true,
    }
}

fn source(pieces: impl IntoIterator<Item = Vec<u8>>, is_silent: bool) -> StreamSource {
    let script = Script { pieces: pieces.into_iter().collect(), is_silent };
    StreamSource::new(expected(30.0), Box::new(script), Box::new(Jpegs::new(4_000)))
}

/// A JPEG whose data says which one it is.
fn numbered(number: u8) -> Vec<u8> {
    jpeg((64, 48), &[number; 200])
}

/// Each frame up to the end: the camera's number, the loss before it, its bytes. And the end.
fn frames(mut source: StreamSource) -> (Vec<(u64, LossBefore, Vec<u8>)>, String) {
    let mut frames = Vec::new();
    loop {
        match source.wait() {
            Ok(Arrival::Frame { source_sequence, before, bytes, .. }) => {
                if bytes > 4_000 {
                    frames.push((source_sequence, before, Vec::new()));
                    continue;
                }
                let mut frame = vec![0; bytes];
                let written = source.write(&mut frame).unwrap();
                frame.truncate(written);
                frames.push((source_sequence, before, frame));
            }
            Ok(_) => {}
            Err(end) => return (frames, end.to_string()),
        }
    }
}

/// Three JPEGs in a multipart stream, as a kind of server writes it.
fn multipart(boundary: &str, end_of_line: &str, has_length: bool, has_first: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..3 {
        let jpeg = numbered(number);
        let length =
            if has_length { format!("Content-Length: {}{end_of_line}", jpeg.len()) } else { String::new() };
        let head =
            format!("{boundary}{end_of_line}Content-Type: image/jpeg{end_of_line}{length}{end_of_line}");
        if number > 0 || has_first {
            bytes.extend(head.bytes());
        }
        bytes.extend(jpeg);
        bytes.extend(end_of_line.bytes());
    }
    bytes
}

/// The word on the times of a stream's last frame, where each JPEG has such a header before it.
fn time_behind(headers: &[&str]) -> TimeOfSource {
    let part = |(number, header): (u8, &&str)| [header.as_bytes(), &numbered(number)].concat();
    let mut source = source((0..).zip(headers).map(part), true);
    for _ in headers {
        assert!(matches!(source.wait().unwrap(), Arrival::Frame { .. }));
    }
    source.time()
}

#[test]
fn the_times_that_a_server_sends_count_while_they_run() {
    assert_eq!(time_behind(&["--frame\r\n\r\n"; 3]), TimeOfSource::ARRIVAL);
    let running = time_behind(&["X-Timestamp: 5.0\r\n\r\n", "X-Timestamp: 5.00001\r\n\r\n"]);
    assert_eq!((running.source, running.anchors), (CaptureTime::Device, 1));
    assert!(running.error_ns.is_some());
    let still = time_behind(&["X-Timestamp: 0.000000\r\n\r\n"; 6]);
    assert_eq!(still, TimeOfSource { anchors: 1, ..TimeOfSource::ARRIVAL }, "a clock that stands still");
    let gone = time_behind(&["X-Timestamp: 5.0\r\n\r\n", "\r\n"]);
    assert_eq!(gone, TimeOfSource { anchors: 1, ..TimeOfSource::ARRIVAL }, "no time with the last");
    let set = time_behind(&["X-Timestamp: 5000.0\r\n", "X-Timestamp: 5000.01\r\n", "X-Timestamp: 1.0\r\n"]);
    assert_eq!(set.anchors, 2);
}

#[test]
fn streams_as_servers_write_them_give_the_same_frames() {
    for (boundary, end_of_line, has_length, has_first) in [
        ("--frame", "\r\n", true, true),
        ("--frame", "\r\n", false, true),
        ("--frame", "\r\n", true, false),
        ("----frame", "\r\n", true, true),
        ("frame", "\n", false, true),
        ("", "", false, false),
    ] {
        let bytes = multipart(boundary, end_of_line, has_length, has_first);
        let (frames, end) = frames(source([bytes], false));
        let all: Vec<_> = (0..3).map(|n| (u64::from(n), LossBefore::Nothing, numbered(n))).collect();
        assert_eq!(frames, all, "{boundary} {end_of_line:?} {has_length} {has_first}");
        assert_eq!(end, "camera: the end");
    }
}

#[test]
fn a_jpeg_that_is_cut_off_is_no_frame_and_the_next_one_says_so() {
    let boundary = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
    let half = numbered(1)[..120].to_vec();
    let bytes =
        [numbered(0), boundary.clone(), half, boundary.clone(), numbered(2), boundary, numbered(3)].concat();
    let (frames, _) = frames(source([bytes], false));
    let expected = [
        (0, LossBefore::Nothing, numbered(0)),
        (2, LossBefore::Corrupt, numbered(2)),
        (3, LossBefore::Nothing, numbered(3)),
    ];
    assert_eq!(frames, expected);
}

#[test]
fn a_thumbnail_in_a_damaged_frame_is_no_frame() {
    let small = jpeg((16, 12), &[9; 20]);
    // A segment that claims to be longer than it is, with the thumbnail in it.
    let damaged = [&[0xFF, 0xD8, 0xFF, 0xE1, 0, 99][..], &small, &[0; 60]].concat();
    let (frames, end) = frames(source([[numbered(0), damaged, numbered(1)].concat()], false));
    assert_eq!(frames.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [0, 2], "{end}");
    assert_eq!(frames[1].1, LossBefore::Corrupt);
}

#[test]
fn a_frame_that_is_too_large_is_announced_and_the_next_one_is_found() {
    let large = jpeg((64, 48), &[5; 9_000]);
    let (frames, _) = frames(source([[numbered(0), large, numbered(2)].concat()], false));
    let numbers: Vec<_> = frames.iter().map(|(number, _, bytes)| (*number, bytes.len())).collect();
    let length = numbered(0).len();
    assert_eq!(numbers, [(0, length), (1, 0), (2, length)]);
}

#[test]
fn frames_of_another_size_end_the_stream_with_words() {
    let (frames, end) = frames(source([[numbered(0), jpeg((32, 48), &[1])].concat()], false));
    assert_eq!(frames.len(), 1);
    assert!(end.contains("32x48 now and its ring's are 64x48"), "{end}");
}

#[test]
fn a_stream_of_another_size_than_the_configs_is_opened_again_and_is_no_stray_picture() {
    let stream = include_bytes!("../h26x/streams/plain.h264").to_vec();
    for is_damaged in [false, true] {
        let script = Script { pieces: VecDeque::from([stream.clone()]), is_silent: false };
        let framing = Box::new(AccessUnits::new(Codec::H264, 1 << 20));
        let expected = Expected { size: Some((32, 48)), ..expected(25.0) };
        let mut source = StreamSource::new(expected, Box::new(script), framing);
        source.history.damaged = is_damaged;
        let error = source.wait().unwrap_err();
        assert!(!error.is_permanent(), "its process stays");
        let says = error.to_string();
        assert!(
            says.contains("pictures of 64x48 and the config says 32x48") && says.contains("width: 64"),
            "{says}"
        );
    }
}

#[test]
fn a_stream_that_says_its_own_size_shows_the_new_one_when_it_changes() {
    let stream = include_bytes!("../h26x/streams/plain.h264").to_vec();
    let script = Script { pieces: VecDeque::from([stream]), is_silent: true };
    let framing = Box::new(AccessUnits::new(Codec::H264, 1 << 20));
    let expected = Expected { size: Some((32, 48)), may_change: true, ..expected(25.0) };
    let mut source = StreamSource::new(expected, Box::new(script), framing);
    while source.offer().is_none() {
        assert_eq!(source.wait().ok(), Some(Arrival::Silence), "nothing of it goes into the old ring");
    }
    let offer = source.offer().unwrap();
    assert_eq!((offer.width, offer.height, offer.fps, offer.reorders), (64, 48, 25.0, true));
}

#[test]
fn frames_that_arrive_together_have_times_that_rise_and_are_marked() {
    let mut source = source([(0..4).flat_map(numbered).collect::<Vec<_>>()], false);
    let mut times = Vec::new();
    while let Ok(Arrival::Frame { t_capture, flags, .. }) = source.wait() {
        times.push((t_capture, flags.contains(FrameFlags::TIME_REPAIRED)));
    }
    assert!(times.windows(2).all(|pair| pair[0].0 + LEAST_STEP <= pair[1].0), "{times:?}");
    assert_eq!(times.iter().map(|(_, repaired)| *repaired).collect::<Vec<_>>(), [false, true, true, true]);
}

#[test]
fn a_silent_stream_is_lost_when_its_camera_would_have_sent_long_ago() {
    let mut silent = source([numbered(0)], true);
    silent.expected.fps = Fps::new(10_000.0).unwrap();
    let mut lost = None;
    let long_ago = MonotonicNs::now().before(Duration::from_secs(3));
    assert!(matches!(silent.wait(), Ok(Arrival::Frame { .. })));
    assert_eq!(silent.wait().ok(), Some(Arrival::Silence));
    silent.history.last = Some(long_ago);
    if let Err(SourceError::Lost { reason, cause, .. }) = silent.wait() {
        lost = Some((reason, cause));
    }
    let (reason, cause) = lost.unwrap();
    assert!(reason.contains("no frame for 2.0 s: it is connected, and nothing comes"), "{reason}");
    assert_eq!(cause, LossBefore::CameraStall);
    // A pipe can only be waited for.
    silent.expected.is_lost_when_silent = false;
    assert_eq!(silent.wait().ok(), Some(Arrival::Silence));
}

#[test]
fn bytes_without_a_frame_among_them_are_said_to_be_that() {
    let mut source = source(std::iter::repeat_n(b"no picture ".to_vec(), 3), true);
    source.opened = MonotonicNs::now().before(Duration::from_secs(3));
    let error = source.wait().unwrap_err().to_string();
    assert!(error.contains("bytes come, and no whole JPEG is among them"), "{error}");
}

#[test]
fn a_pause_of_a_stream_that_stays_open_leaves_out_what_was_due() {
    let mut source = source([numbered(0), numbered(1)], false);
    assert!(matches!(source.wait(), Ok(Arrival::Frame { source_sequence: 0, .. })));
    let paused = source.history.last.unwrap().before(Duration::from_secs(3));
    source.history.last = Some(paused);
    let Ok(Arrival::Frame { source_sequence, before, .. }) = source.wait() else { panic!("no second frame") };
    assert_eq!(before, LossBefore::CameraStall);
    assert!((90..=92).contains(&source_sequence), "{source_sequence}");
}

/// A camera and a ring for JPEGs of this size.
fn setup(width: u32, height: u32) -> CameraSetup {
    let folder = tempfile::tempdir().unwrap();
    let name = RuntimeDir::create(folder.path()).unwrap().segment(&Name::new("door").unwrap());
    let text = "cameras: [{ name: door, backend: mjpeg, url: 'http://h/' }]";
    let camera = Config::parse(Path::new("rig.yaml"), text).unwrap().cameras.remove(0);
    let spec = RingSpec {
        geometry: Geometry::new(width, height, PixelFormat::I420).unwrap(),
        fps: Fps::new(30.0).unwrap(),
        size: RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 0 },
        payload: Payload::Jpeg,
        arena: Some(Arena { bytes: 1 << 20, max_frame_bytes: 4_000, max_rate_bytes: 1 << 20 }),
    };
    let ring = Ring::create(&name, &spec).unwrap();
    Ring::remove(&name).unwrap();
    CameraSetup { camera, ring }
}

#[test]
fn an_offer_takes_no_frame() {
    let mut source = source([(0..4).flat_map(numbered).collect::<Vec<_>>()], true);
    source.expected.size = None;
    source.begin_to_look();
    let offer = source.look(MonotonicNs::now()).unwrap();
    assert_eq!((offer.width, offer.height, offer.payload), (64, 48, Payload::Jpeg));
    assert!((offer.fps - 30.0).abs() < 1e-9, "the config's");
    assert_eq!(
        (source.wait().ok(), source.offer()),
        (Some(Arrival::Silence), Some(offer)),
        "until there is a ring"
    );
    source.fit(&setup(64, 48));
    assert_eq!(source.offer(), None);
    for number in 0..4 {
        let Ok(Arrival::Frame { source_sequence, .. }) = source.wait() else {
            panic!("frame {number} is gone")
        };
        assert_eq!(source_sequence, number);
    }
}

#[test]
fn a_stream_that_may_change_offers_its_new_size_and_loses_nothing() {
    let other = jpeg((32, 16), &[3; 50]);
    let mut source = source([[numbered(0), other.clone(), other].concat()], false);
    source.expected.may_change = true;
    assert!(matches!(source.wait(), Ok(Arrival::Frame { source_sequence: 0, .. })));
    let offer = source.look(MonotonicNs::now() + PATIENCE).unwrap();
    assert_eq!((offer.width, offer.height), (32, 16));
    source.fit(&setup(32, 16));
    for number in 1..3 {
        let Ok(Arrival::Frame { source_sequence, .. }) = source.wait() else {
            panic!("frame {number} is gone")
        };
        assert_eq!(source_sequence, number);
    }
    assert!(source.wait().is_err());
}

#[test]
fn a_short_stream_is_offered_before_its_rate_is_measured() {
    let mut source = source([numbered(0)], false);
    source.expected.size = None;
    source.expected.is_rate_typed = false;
    source.begin_to_look();
    let offer = source.look(MonotonicNs::now()).unwrap();
    assert_eq!((offer.width, offer.height), (64, 48));
    source.fit(&setup(64, 48));
    assert!(matches!(source.wait(), Ok(Arrival::Frame { .. })));
}

proptest! {
    #[test]
    fn pieces_give_what_the_whole_gives(
        kinds in proptest::collection::vec((0_u8..5, 0_usize..260), 1..8),
        cuts in proptest::collection::vec(1_usize..700, 0..30),
        bytewise in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        for (number, (kind, place)) in (0..).zip(kinds) {
            let mut jpeg = numbered(number);
            match kind {
                0 => jpeg.truncate(place),
                1 => jpeg[place.min(200)] ^= 0x55,
                2 => bytes.extend(b"\r\n--frame\r\n\r\n"),
                _ => {}
            }
            bytes.extend(jpeg);
        }
        let (whole, _) = frames(source([bytes.clone()], false));
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces.extend(if bytewise { rest.chunks(1).map(<[u8]>::to_vec).collect() } else { vec![rest.to_vec()] });
        let (in_pieces, _) = frames(source(pieces, false));
        prop_assert_eq!(in_pieces, whole);
    }
}
