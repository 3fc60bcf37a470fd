//! Streams as cameras send them: H.265, recovery points in the place of key frames, B-frames.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Dictionary, Packet, codec};

use super::*;

/// So many frames each stream has.
const FRAMES: u64 = 80;

/// A stream of flat pictures by libx264 or libx265, in the order of decoding.
fn encoded(encoder: &str, parameters: &str) -> Vec<Vec<u8>> {
    encoded_at(&geometry(), encoder, parameters)
}

fn encoded_at(geometry: &Geometry, encoder: &str, parameters: &str) -> Vec<Vec<u8>> {
    let pixels = usize::try_from(geometry.width() * geometry.height()).unwrap();
    let codec = ffmpeg::encoder::find_by_name(encoder).unwrap();
    let mut video = codec::Context::new_with_codec(codec).encoder().video().unwrap();
    video.set_width(geometry.width());
    video.set_height(geometry.height());
    video.set_format(Pixel::YUV420P);
    video.set_time_base((1, 30));
    let mut options = Dictionary::new();
    options.set("preset", "ultrafast");
    options.set("crf", "10");
    options.set(&format!("{}-params", &encoder[3..]), parameters);
    let mut encoder = video.open_as_with(codec, options).unwrap();
    let mut units = Vec::new();
    for n in 1..=FRAMES {
        let mut bytes = vec![128; geometry.frame_bytes()];
        bytes[..pixels].fill(gray_of(n));
        let mut picture = libav::frame_over(Box::new(Picture(frame(n), bytes)), geometry).unwrap();
        picture.set_pts(i64::try_from(n).ok());
        encoder.send_frame(&picture).unwrap();
        take_units(&mut encoder, &mut units);
    }
    encoder.send_eof().unwrap();
    take_units(&mut encoder, &mut units);
    assert_eq!(units.len() as u64, FRAMES);
    units
}

fn take_units(encoder: &mut ffmpeg::encoder::Video, units: &mut Vec<Vec<u8>>) {
    let mut packet = Packet::empty();
    while encoder.receive_packet(&mut packet).is_ok() {
        units.push(packet.data().unwrap().to_vec());
    }
}

/// The NAL units' first bytes.
fn headers(unit: &[u8]) -> impl Iterator<Item = u8> {
    unit.windows(4).filter(|bytes| bytes.starts_with(&[0, 0, 1])).map(|bytes| bytes[3])
}

fn h265_kind(unit: &[u8]) -> u8 {
    headers(unit).map(|header| header >> 1 & 0x3f).find(|kind| *kind < 32).unwrap()
}

fn is_h264_key(unit: &[u8]) -> bool {
    headers(unit).any(|header| header & 0x1f == 5)
}

/// The frames of a stream as a ring has them. `kind`: can be decoded from here on, and is a key frame.
fn in_ring(units: Vec<Vec<u8>>, kind: impl Fn(&[u8]) -> (bool, bool)) -> Rc<Compressed> {
    let mut newest = 0;
    let frames = units.into_iter().zip(1..).map(|(unit, n)| {
        let (is_start, is_key) = kind(&unit);
        newest = if is_start { n } else { newest };
        let info = FrameInfo { start_sequence: newest, flags: FrameFlags::KEY.when(is_key), ..frame(n) };
        (info, unit)
    });
    Compressed::of_stream(frames.collect())
}

/// H.265 by libx265, whose clean random access pictures are starts and no key frames.
fn h265(parameters: &str) -> Rc<Compressed> {
    let always = "keyint=20:min-keyint=20:scenecut=0:repeat-headers=1:ctu=16:log-level=none";
    in_ring(encoded("libx265", &format!("{always}:{parameters}")), |unit| {
        let kind = h265_kind(unit);
        (matches!(kind, 19..=21), matches!(kind, 19 | 20))
    })
}

fn h264(parameters: &str) -> Vec<Vec<u8>> {
    encoded("libx264", &format!("keyint=20:min-keyint=20:scenecut=0:repeat-headers=1:{parameters}"))
}

fn h264_in_ring(units: Vec<Vec<u8>>) -> Rc<Compressed> {
    in_ring(units, |unit| (is_h264_key(unit), is_h264_key(unit)))
}

fn is_key(stream: &Compressed, n: u64) -> bool {
    stream.info(n).unwrap().flags.contains(FrameFlags::KEY)
}

#[test]
fn h265_is_decoded_from_its_key_frames() {
    let stream = h265("bframes=0:open-gop=0");
    let frames = decoded(&stream, Payload::H265);
    assert_eq!(frames.needed_for(35), 21);
    (35..=FRAMES).for_each(|n| assert_shows(&frames, n));
    // Each once, from frame 21 on.
    assert_eq!(stream.held.get() as u64, FRAMES - 20);
}

#[test]
fn h265_without_key_frames_is_decoded_from_its_random_access_pictures_and_broken_frames_are_refused() {
    let stream = h265("bframes=0:open-gop=1");
    assert!(is_key(&stream, 1) && !(2..=FRAMES).any(|n| is_key(&stream, n)), "libx265 makes one key frame");
    let frames = decoded(&stream, Payload::H265);
    assert_eq!(frames.needed_for(35), 21);
    (35..=45).for_each(|n| assert_shows(&frames, n));
    stream.change(46, |_, bytes| bytes.iter_mut().skip(8).for_each(|byte| *byte = 0xff));
    (46..=60).for_each(|n| assert_lost(&frames, n, GapCause::Corrupt));
    (61..=FRAMES).for_each(|n| assert_shows(&frames, n));
}

#[test]
fn pictures_of_a_stream_with_b_frames_come_in_the_order_of_display() {
    let streams = [
        (Payload::H265, h265("bframes=3:b-adapt=0:open-gop=0")),
        (Payload::H264, h264_in_ring(h264("bframes=3:b-adapt=0"))),
    ];
    for (payload, stream) in streams {
        let frames = decoded(&stream, payload);
        let last = FRAMES - 4;
        (30..=last).for_each(|n| assert_shows(&frames, n));
        // Frames may come whose pictures are shown before the last ones.
        assert_eq!(hold(&frames, FRAMES).0.err(), Some(NotHeld::Missed(Miss::NotYet)), "{payload}");
        assert!(frames.expect_no_more() && !frames.expect_no_more());
        (last + 1..=FRAMES).for_each(|n| assert_shows(&frames, n));
    }
}

#[test]
fn pictures_before_a_random_access_picture_are_missing_where_a_take_begins_with_it() {
    let stream = h265("bframes=3:b-adapt=0:open-gop=1");
    let first = (2..=FRAMES).find(|n| stream.info(*n).unwrap().start_sequence == *n).unwrap();
    let kind_of = |n: u64| h265_kind(&stream.frames.borrow()[usize::try_from(n - 1).unwrap()].1);
    let behind = (first + 1..).find(|n| !matches!(kind_of(*n), 6..=9)).unwrap();
    assert!(behind > first + 1, "there are pictures before it");
    stream.oldest.set(first);
    let frames = decoded(&stream, Payload::H265);
    // The first numbers are theirs, since they would be shown first.
    let seen = first + (behind - first - 1);
    (first..seen).for_each(|n| assert_lost(&frames, n, GapCause::NoKeyFrame));
    (seen..=FRAMES - 5).for_each(|n| assert_shows(&frames, n));
}

#[test]
fn pictures_before_a_recovery_point_are_right_where_a_take_begins_with_it() {
    let units = h264("open-gop=1:bframes=2:b-adapt=0");
    let points: Vec<u64> = (1..)
        .zip(&units)
        .filter(|(_, unit)| headers(unit).any(|header| header & 0x1f == 7))
        .map(|(n, _)| n)
        .collect();
    let stream = h264_in_ring(units);
    assert!(points.len() > 3 && !is_key(&stream, points[1]), "libx264 makes one key frame: {points:?}");
    // As a capture says it: the two frames behind each point are shown before it.
    for n in 1..=FRAMES {
        let newest = points.iter().rposition(|point| *point <= n).unwrap();
        let is_shown_before = newest > 0 && (1..=2).contains(&(n - points[newest]));
        let start = points[if is_shown_before { newest - 1 } else { newest }];
        stream.change(n, |info, _| info.start_sequence = start);
    }
    for first in [points[2], points[2] + 1, points[2] + 4] {
        let frames = decoded(&stream, Payload::H264);
        (first..=FRAMES - 4).for_each(|n| assert_shows(&frames, n));
    }
    // Without what came before it.
    stream.oldest.set(points[2]);
    let frames = decoded(&stream, Payload::H264);
    (points[2]..points[2] + 3).for_each(|n| assert_lost(&frames, n, GapCause::NoKeyFrame));
    (points[2] + 3..=FRAMES - 4).for_each(|n| assert_shows(&frames, n));
}

#[test]
fn a_stream_that_is_refreshed_piece_by_piece_is_decoded_from_its_recovery_points() {
    // Four columns of macroblocks are renewed one after the other, from each twentieth frame on.
    let stream = h264_in_ring(h264("intra-refresh=1:bframes=0:ref=1"));
    assert!(is_key(&stream, 1) && !(2..=FRAMES).any(|n| is_key(&stream, n)), "libx264 makes one key frame");
    for n in 5..=FRAMES {
        // A frame is right from the recovery point on that is at least four frames before it.
        stream.change(n, |info, _| info.start_sequence = (n - 5) / 20 * 20 + 1);
    }
    stream.oldest.set(21);
    let frames = decoded(&stream, Payload::H264);
    assert_eq!((frames.needed_for(24), frames.needed_for(25), frames.needed_for(41)), (1, 21, 21));
    (25..=FRAMES).for_each(|n| assert_shows(&frames, n));
}

#[test]
fn a_stream_that_changes_its_size_goes_on_in_the_size_of_the_clip() {
    let large = Geometry::new(192, 128, PixelFormat::I420).unwrap();
    for (payload, encoder, codec) in
        [(Payload::H264, "libx264", ""), (Payload::H265, "libx265", ":log-level=none:ctu=16")]
    {
        let parameters = format!("keyint=20:min-keyint=20:scenecut=0:repeat-headers=1:bframes=0{codec}");
        let mut units = encoded(encoder, &parameters);
        units.truncate(40);
        units.extend(encoded_at(&large, encoder, &parameters).split_off(40));
        let is_key = |n: usize| n.is_multiple_of(20);
        let frames = units.into_iter().enumerate().map(|(n, unit)| {
            let sequence = n as u64 + 1;
            let start_sequence = (sequence - 1) / 20 * 20 + 1;
            (FrameInfo { start_sequence, flags: FrameFlags::KEY.when(is_key(n)), ..frame(sequence) }, unit)
        });
        let frames = decoded(&Compressed::of_stream(frames.collect()), payload);
        (30..=FRAMES).for_each(|n| assert_shows(&frames, n));
    }
}

#[test]
fn b_frames_that_a_stream_is_silent_of_are_noticed() {
    let mut units = h264("bframes=2:b-adapt=0");
    units.iter_mut().for_each(without_restrictions);
    let frames = decoded(&h264_in_ring(units), Payload::H264);
    (30..=50).for_each(|n| assert_shows(&frames, n));
}

/// Takes the last piece of the VUI out of an SPS (H.264, E.1.1): the one that says how many pictures are kept back.
fn without_restrictions(unit: &mut Vec<u8>) {
    let is_sps = |bytes: &[u8]| bytes.starts_with(&[0, 0, 1]) && bytes[3] & 0x1f == 7;
    let Some(sps) = unit.windows(4).position(is_sps).map(|at| at + 3) else { return };
    let end = sps + unit[sps..].windows(3).position(|bytes| bytes == [0, 0, 1]).unwrap();
    let end = if unit[end - 1] == 0 { end - 1 } else { end };
    let bits: Vec<bool> =
        unit[sps..end].iter().flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0)).collect();
    let stop = bits.iter().rposition(|bit| *bit).unwrap();
    // Two flags, and six numbers up to the stop bit: 0, 0, two alike, and that of the pictures kept back.
    let is_its_place = |flag: &usize| {
        let numbers = numbers(&bits[flag + 2..stop]);
        let fits = matches!(numbers[..], [0, 0, h, v, kept_back, _] if h == v && kept_back > 0);
        bits[*flag] && bits[flag + 1] && fits
    };
    let flag = (0..stop - 2).find(is_its_place).unwrap();
    let mut kept = bits[..flag].to_vec();
    kept.extend([false, true]);
    kept.resize(kept.len().next_multiple_of(8), false);
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    unit.splice(sps..end, kept.chunks(8).map(byte).collect::<Vec<u8>>());
}

/// The numbers in bits that are nothing but numbers (H.264, 9.1); none if they aren't.
fn numbers(mut bits: &[bool]) -> Vec<u32> {
    let mut numbers = Vec::new();
    while !bits.is_empty() {
        let zeros = bits.iter().take_while(|bit| !**bit).count();
        let Some((number, rest)) = bits.split_at_checked(2 * zeros + 1).filter(|_| zeros < 32) else {
            return Vec::new();
        };
        numbers.push(number.iter().fold(0_u32, |value, bit| value << 1 | u32::from(*bit)).wrapping_sub(1));
        bits = rest;
    }
    numbers
}
