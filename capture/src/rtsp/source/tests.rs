//! Streams that were written down before, as packets, read through the whole of [`RtspSource`].

use std::time::Instant;

use capture::rtp::Packet;
use proto::frame::{DecodesFrom, Fps, FrameFlags, LossBefore, Payload};

use super::*;

/// 64x48 pixels by libx264, each third frame a key frame; the second frame decodes last.
const STREAM: &[u8] = include_bytes!("../../h26x/streams/plain.h264");
const SIZE: (u32, u32) = (64, 48);
const MOST: usize = 20_000;
/// Ticks from one frame to the next.
const STEP: i64 = 3_600;

/// A packet that is handed out.
#[derive(Clone, Debug)]
struct Scripted {
    time: i64,
    mark: bool,
    lost: u16,
    payload: Vec<u8>,
}

/// Packets that come one by one, and the end of the stream.
struct Script {
    packets: VecDeque<Scripted>,
    is_silent: bool,
    arrived: MonotonicNs,
}

impl Packets for Script {
    fn read(
        &mut self,
        _until: MonotonicNs,
        take: &mut dyn FnMut(&Packet<'_>) -> bool,
    ) -> Result<bool, SourceError> {
        while let Some(Scripted { time, mark, lost, payload }) = self.packets.pop_front() {
            self.arrived = self.arrived + Duration::from_millis(1);
            if take(&Packet { time, mark, lost, arrived: self.arrived, payload: &payload }) {
                return Ok(true);
            }
        }
        if self.is_silent { Ok(false) } else { Err(SourceError::stalled("camera", "the end")) }
    }

    fn has_reports(&self) -> bool {
        true
    }
}

fn described(payload: Payload, sets: &[u8]) -> Described {
    Described { payload, clock_rate: 90_000, rate: None, sets: sets.to_vec(), is_udp: false }
}

fn expected(size: Option<(u32, u32)>, may_change: bool) -> Expected {
    Expected {
        input: "rtsp://camera/live".into(),
        ring: size.map(|size| RingShape { size, payload: Payload::H264, most_bytes: MOST }),
        fps: Fps::new(25.0).unwrap(),
        is_rate_typed: false,
        may_change,
    }
}

fn source(expected: Expected, sets: &[u8], packets: Vec<Scripted>, is_silent: bool) -> RtspSource {
    let script = Script { packets: packets.into(), is_silent, arrived: MonotonicNs::now() };
    RtspSource::new(expected, &described(Payload::H264, sets), Newest::default(), Box::new(script))
}

/// The NAL units of a stream.
fn units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    let starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, three)| *three == [0, 0, 1]).map(|(at, _)| at).collect();
    for (at, start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(stream.len());
        let unit = &stream[start + 3..end];
        let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        units.push(unit[..length].to_vec());
    }
    units
}

fn is_set(unit: &[u8]) -> bool {
    matches!(unit[0] & 0x1F, 7 | 8)
}

/// The stream's frames in packets, a NAL unit each, for so many rounds; with the parameter sets or without.
fn packets(rounds: i64, with_sets: bool) -> Vec<Scripted> {
    let mut packets = Vec::new();
    let mut time = 90_000;
    for unit in std::iter::repeat_n(units(STREAM), usize::try_from(rounds).unwrap()).flatten() {
        let mark = !is_set(&unit);
        if mark || with_sets {
            packets.push(Scripted { time, mark, lost: 0, payload: unit });
        }
        time += if mark { STEP } else { 0 };
    }
    packets
}

/// The parameter sets with start codes, as a description gives them.
fn sets() -> Vec<u8> {
    units(STREAM)
        .iter()
        .filter(|unit| is_set(unit))
        .take(2)
        .flat_map(|unit| [&[0, 0, 0, 1], &unit[..]].concat())
        .collect()
}

/// Each frame up to the end: the camera's number, the loss before it, whether it is a key frame, its bytes.
fn frames(source: &mut RtspSource) -> Vec<(u64, LossBefore, bool, Vec<u8>)> {
    let mut frames = Vec::new();
    loop {
        match source.wait() {
            Ok(Arrival::Frame { source_sequence, before, flags, bytes, .. }) => {
                let mut frame = vec![0; bytes.min(MOST)];
                let written = if bytes > MOST { 0 } else { source.write(&mut frame).unwrap() };
                frame.truncate(written);
                frames.push((source_sequence, before, flags.contains(FrameFlags::KEY), frame));
            }
            Ok(_) => {}
            Err(_) => return frames,
        }
    }
}

#[test]
fn every_frame_is_passed_on_and_each_key_frame_has_its_parameter_sets() {
    for (with_sets, sets) in [(true, Vec::new()), (false, sets()), (true, sets())] {
        let mut source = source(expected(Some(SIZE), false), &sets, packets(4, with_sets), false);
        let frames = frames(&mut source);
        let numbers: Vec<u64> = frames.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, (0..24).collect::<Vec<_>>());
        assert!(frames.iter().all(|(_, before, ..)| *before == LossBefore::Nothing));
        let keys: Vec<_> = frames.iter().filter(|(_, _, is_key, _)| *is_key).collect();
        assert_eq!(keys.len(), 8);
        for (.., key) in keys {
            let kinds: Vec<u8> = units(key).iter().map(|unit| unit[0] & 0x1F).collect();
            assert_eq!(kinds, [7, 8, 5], "with sets in the stream: {with_sets}");
        }
        assert_eq!(source.time().source, CaptureTime::RtpSr);
    }
}

#[test]
fn a_loss_is_declared_with_its_number_on_the_next_frame() {
    let mut lossy = packets(5, false);
    // Ten frames of one packet each are missing, and one of which a part came.
    lossy.drain(8..18);
    lossy[8].lost = 10;
    lossy[12].payload = vec![0x7C, 0x01, 7];
    let mut source = source(expected(Some(SIZE), false), &sets(), lossy, false);
    let frames = frames(&mut source);
    let all: Vec<_> = frames.iter().map(|(number, ..)| *number).collect();
    let declared: Vec<_> = frames
        .into_iter()
        .filter(|(_, before, ..)| *before != LossBefore::Nothing)
        .map(|(number, before, ..)| (number, before))
        .collect();
    // All of them, although they came within a few milliseconds: a packet is missing for each. No number is for the part of one.
    assert_eq!(declared, [(18, LossBefore::Packets), (23, LossBefore::Corrupt)], "{all:?}");
}

#[test]
fn a_frame_that_is_too_large_keeps_its_number() {
    let mut packets = packets(3, false);
    packets[5].payload = [&[0x41, 0x9A][..], &[7; MOST]].concat();
    let mut source = source(expected(Some(SIZE), false), &sets(), packets, false);
    let frames = frames(&mut source);
    assert!(frames[5].3.is_empty() && !frames[4].3.is_empty() && frames[6].0 == 6);
}

#[test]
fn frames_that_came_before_the_connection_broke_are_passed_on() {
    let mut source = source(expected(Some(SIZE), false), &sets(), packets(6, false), false);
    assert_eq!(frames(&mut source).len(), 36);
}

#[test]
fn the_last_frame_before_the_end_of_a_short_session_is_passed_on() {
    // So few that the marks which end frames aren't believed yet.
    let packets = packets(1, false);
    let sent = packets.len();
    let mut source = source(expected(Some(SIZE), false), &sets(), packets, false);
    assert_eq!(frames(&mut source).len(), sent);
}

#[test]
fn another_size_than_the_configs_is_told_and_the_camera_is_tried_on() {
    let mut fixed = source(expected(Some((640, 480)), false), &sets(), packets(1, false), true);
    let error = loop {
        if let Err(error) = fixed.wait() {
            break error;
        }
    };
    let says = error.to_string();
    assert!(!error.is_permanent() && says.contains("64x48") && says.contains("640x480"), "{says}");
}

/// A ring of this size, and a setup with it.
fn offered(source: &mut RtspSource) -> Offer {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        assert_eq!(source.wait().unwrap(), Arrival::Silence);
        if let Some(offer) = source.offer() {
            return offer;
        }
    }
    panic!("no offer");
}

#[test]
fn a_stream_whose_ring_is_made_for_another_offers_what_it_gives_and_loses_nothing() {
    for ring in [None, Some((640, 480))] {
        let mut expected = expected(ring, true);
        expected.is_rate_typed = true;
        let mut source = source(expected, &sets(), packets(2, false), true);
        let offer = offered(&mut source);
        assert_eq!((offer.payload, offer.width, offer.height), (Payload::H264, 64, 48));
        assert_eq!(offer.capture_time, CaptureTime::Rtp);
        source.expected.ring = Some(RingShape { size: SIZE, payload: Payload::H264, most_bytes: MOST });
        source.ring = RingState::Fits;
        let Arrival::Frame { source_sequence: 0, flags, .. } = source.wait().unwrap() else { panic!() };
        assert!(flags.contains(FrameFlags::KEY), "the very first frame");
    }
}

#[test]
fn a_rate_is_measured_by_the_times_of_the_packets() {
    let mut source = source(expected(None, true), &sets(), packets(2, false), true);
    let offer = offered(&mut source);
    assert!((offer.fps - 25.0).abs() < 1e-9, "{}", offer.fps);
}

#[test]
fn silence_is_a_loss_after_some_frames_time_and_says_what_came_so_far() {
    for (packets, is_udp, words) in [
        (packets(1, false), false, "nothing comes any more"),
        (Vec::new(), false, "no packet comes"),
        (Vec::new(), true, "transport: tcp"),
    ] {
        let mut silent = source(expected(Some(SIZE), false), &sets(), packets, true);
        silent.described.is_udp = is_udp;
        while matches!(silent.wait(), Ok(Arrival::Frame { .. })) {}
        let past = MonotonicNs::now().before(Duration::from_secs(3));
        silent.moments.opened = past;
        silent.moments.packet = silent.moments.packet.map(|_| past);
        let Err(SourceError::Lost { reason, cause: LossBefore::CameraStall, refused: false, .. }) =
            silent.nothing()
        else {
            panic!("not lost")
        };
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn packets_without_a_frame_that_can_be_decoded_are_no_reason_to_begin_anew() {
    let mut source = source(expected(Some(SIZE), false), &[], packets(3, false), true);
    for _ in 0..3 {
        assert_eq!(source.wait().unwrap(), Arrival::Silence);
    }
    source.moments.opened = MonotonicNs::now().before(Duration::from_secs(60));
    assert_eq!(source.nothing().unwrap(), Arrival::Silence);
    assert!(source.moments.sets_told && source.nothing_comes().contains("parameter sets"));
}

/// Of each frame of a stream that is sent once, NAL unit by NAL unit: whether it is a key frame, from which one it decodes, and its
/// bytes.
fn sent_once(codec: Codec, stream: &[u8]) -> Vec<(bool, DecodesFrom, Vec<u8>)> {
    let mut time = 0;
    let mut packets = Vec::new();
    for unit in units(stream) {
        let mark = codec.kind(&unit).is_slice();
        packets.push(Scripted { time, mark, lost: 0, payload: unit });
        time += if mark { STEP } else { 0 };
    }
    let payload = codec.payload();
    let mut expected = expected(Some(SIZE), false);
    expected.ring = Some(RingShape { size: SIZE, payload, most_bytes: MOST });
    let script = Script { packets: packets.into(), is_silent: false, arrived: MonotonicNs::now() };
    let mut source = RtspSource::new(expected, &described(payload, &[]), Newest::default(), Box::new(script));
    let mut frames = Vec::new();
    loop {
        match source.wait() {
            Ok(Arrival::Frame { flags, bytes, .. }) => {
                let mut frame = vec![0; bytes];
                source.write(&mut frame).unwrap();
                frames.push((flags.contains(FrameFlags::KEY), source.decoding().from, frame));
            }
            Ok(_) => {}
            Err(_) => return frames,
        }
    }
}

#[test]
fn streams_of_h265_are_passed_on_as_those_of_h264_are() {
    let frames = sent_once(Codec::H265, include_bytes!("../../h26x/streams/plain.h265"));
    let (_, _, key) = frames.iter().find(|(is_key, ..)| *is_key).unwrap();
    let kinds: Vec<u8> = units(key).iter().map(|unit| unit[0] >> 1).filter(|kind| *kind != 39).collect();
    assert!(matches!(kinds[..], [32, 33, 34, 19 | 20]), "{kinds:?}");
    assert!(frames.len() >= 4, "{}", frames.len());
}

#[test]
fn a_stream_without_key_frames_says_from_which_frame_each_decodes() {
    let frames = sent_once(Codec::H264, include_bytes!("../../h26x/streams/refreshed.h264"));
    let recovers =
        |(_, from, _): &(bool, DecodesFrom, Vec<u8>)| matches!(from, DecodesFrom::Back(back) if *back > 0);
    assert!(
        frames.iter().any(recovers),
        "{:?}",
        frames.iter().map(|(key, from, _)| (*key, *from)).collect::<Vec<_>>()
    );
}
