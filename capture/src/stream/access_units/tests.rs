//! Streams that an encoder made, whole, in pieces, and damaged.

use proptest::prelude::*;
use proto::frame::FrameFlags;

use super::*;

/// Made by `make-streams.sh` beside it: 64x48, six frames, a key frame every three, two slices each, with delimiters.
const TWO_SLICES: &[u8] = include_bytes!("../../h26x/streams/two-slices.h264");
/// Without delimiters, one slice a frame, B-frames, parameter sets before each key frame.
const PLAIN: &[u8] = include_bytes!("../../h26x/streams/plain.h264");

/// Anything that is found in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Frame { bytes: Vec<u8>, size: (u32, u32), is_key: bool, is_new: bool },
    Damaged(&'static str),
    TooLarge,
    Unusable(&'static str),
}

/// Everything in bytes that come in these pieces; `quiet`: nothing comes for a while behind the last one.
fn all(framing: &mut AccessUnits, pieces: &[&[u8]], quiet: bool) -> Vec<Got> {
    let (mut got, mut bytes) = (Vec::new(), Vec::new());
    for (number, piece) in pieces.iter().enumerate() {
        bytes.extend_from_slice(piece);
        loop {
            let mut found = framing.find(&bytes);
            if found == Found::More && quiet && number + 1 == pieces.len() {
                found = framing.find_when_quiet(&bytes);
            }
            let used = match found {
                Found::More => break,
                Found::Nothing { bytes } => bytes,
                Found::Frame(frame) => {
                    let mut written = vec![0; frame.room];
                    assert_eq!(framing.write(&bytes, &mut written), frame.room);
                    let is = |flag| frame.flags.contains(flag);
                    let (is_key, is_new) = (is(FrameFlags::KEY), is(FrameFlags::NEW_PARAMETERS));
                    got.push(Got::Frame { bytes: written, size: frame.size, is_key, is_new });
                    frame.end
                }
                Found::Damaged { bytes, damage } => {
                    got.push(Got::Damaged(damage));
                    bytes
                }
                Found::TooLarge { bytes } => {
                    got.push(Got::TooLarge);
                    bytes
                }
                Found::Unusable(why) => {
                    got.push(Got::Unusable(why));
                    return got;
                }
            };
            assert!(used > 0 && used <= bytes.len(), "it gets on");
            bytes.drain(..used);
        }
    }
    got
}

fn units() -> AccessUnits {
    AccessUnits::new(Codec::H264, 1 << 20)
}

fn frames(got: &[Got]) -> Vec<(&[u8], bool, bool)> {
    got.iter()
        .map(|got| match got {
            Got::Frame { bytes, size, is_key, is_new } => {
                assert_eq!(*size, (64, 48));
                (&bytes[..], *is_key, *is_new)
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

/// The NAL units of some bytes, each with its start code.
fn nal_units(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = memchr::memmem::find_iter(bytes, START_CODE)
        .map(|place| if place > 0 && bytes[place - 1] == 0 { place - 1 } else { place })
        .collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| &bytes[*start..end]).collect()
}

fn kind(nal_unit: &[u8]) -> u8 {
    nal_unit[memchr::memmem::find(nal_unit, START_CODE).unwrap() + START_CODE.len()] & 0x1F
}

#[test]
fn streams_of_an_encoder_are_split_into_their_pictures() {
    for stream in [TWO_SLICES, PLAIN] {
        let got = all(&mut units(), &[stream], true);
        let frames = frames(&got);
        assert_eq!(
            frames.iter().map(|(_, is_key, _)| *is_key).collect::<Vec<_>>(),
            [true, false, false, true, false, false]
        );
        assert_eq!(
            frames.iter().map(|(.., is_new)| *is_new).collect::<Vec<_>>(),
            [true, false, false, false, false, false]
        );
        let joined: Vec<u8> = frames.iter().flat_map(|(bytes, ..)| *bytes).copied().collect();
        assert_eq!(joined, stream, "nothing is added to a stream that has everything");
    }
    // The last picture ends with the next one, or with silence.
    assert_eq!(all(&mut units(), &[TWO_SLICES], false).len(), 5);
}

#[test]
fn a_key_frame_gets_the_parameter_sets_that_it_lacks() {
    for stream in [TWO_SLICES, PLAIN] {
        let whole = all(&mut units(), &[stream], true);
        let mut seen = Vec::new();
        // As many encoders write it: the sets once, at the very beginning.
        let bare: Vec<u8> = nal_units(stream)
            .into_iter()
            .filter(|unit| {
                let is_set = matches!(kind(unit), 7 | 8);
                let keeps = !is_set || !seen.contains(&kind(unit));
                seen.push(kind(unit));
                keeps
            })
            .flatten()
            .copied()
            .collect();
        assert!(bare.len() < stream.len());
        let got = all(&mut units(), &[&bare], true);
        for (one, other) in frames(&got).into_iter().zip(frames(&whole)) {
            let kinds =
                |bytes| nal_units(bytes).into_iter().map(kind).filter(|kind| *kind != 6).collect::<Vec<_>>();
            assert_eq!((kinds(one.0), one.1), (kinds(other.0), other.1));
        }
        assert_eq!(got.len(), whole.len());
    }
}

#[test]
fn nothing_is_a_frame_before_the_first_parameter_sets() {
    let got = all(&mut units(), &[PLAIN], true);
    let frames = frames(&got);
    // A capture that begins in the middle of a stream.
    let middle = [&frames[1].0[7..], frames[2].0, frames[3].0, frames[4].0, frames[5].0].concat();
    assert_eq!(all(&mut units(), &[&middle], true), got[3..].iter().map(as_new).collect::<Vec<_>>());
}

/// The same frame as the first of a stream.
fn as_new(got: &Got) -> Got {
    match got.clone() {
        Got::Frame { bytes, size, is_key: true, .. } => {
            Got::Frame { bytes, size, is_key: true, is_new: true }
        }
        other => other,
    }
}

#[test]
fn a_pause_inside_a_frame_costs_the_next_one_its_clean_past() {
    let got = all(&mut units(), &[TWO_SLICES], true);
    let frames = frames(&got);
    let mut framing = units();
    let cut = frames[1].0.len() - 4;
    let first = [frames[0].0, &frames[1].0[..cut]].concat();
    assert_eq!(all(&mut framing, &[&first], true).len(), 2, "silence ends a frame");
    let rest = [&frames[1].0[cut..], frames[2].0, frames[3].0].concat();
    let after = all(&mut framing, &[&rest], true);
    assert_eq!(after[0], Got::Damaged("it went on after a pause inside a frame"));
    assert_eq!(after[1..], got[2..4]);
    // A pause between two slices.
    let slices = nal_units(frames[1].0);
    let (first, last) = slices.split_at(slices.len() - 1);
    let mut framing = units();
    let before = all(&mut framing, &[&[frames[0].0, &first.concat()].concat()], true);
    assert_eq!(before.len(), 2);
    let after = all(&mut framing, &[&[last[0], frames[2].0].concat()], true);
    assert_eq!(after, [Got::Damaged("the beginning of its picture is missing"), got[2].clone()]);
}

#[test]
fn an_access_unit_that_is_too_large_is_passed_over() {
    let got = all(&mut units(), &[PLAIN], true);
    let frames = frames(&got);
    let large = frames.iter().map(|(bytes, ..)| bytes.len()).max().unwrap();
    let limited = all(&mut AccessUnits::new(Codec::H264, large - 1), &[PLAIN], true);
    assert_eq!(limited.iter().filter(|got| **got == Got::TooLarge).count(), 1, "{limited:?}");
    // Without any start code the bytes aren't kept for ever.
    let endless = [START_CODE, &[0x67], &vec![0xAB; 5_000]].concat();
    assert_eq!(all(&mut AccessUnits::new(Codec::H264, 1_000), &[&endless], false), [Got::TooLarge]);
}

#[test]
fn bytes_that_are_no_h264_are_no_frame() {
    assert_eq!(all(&mut units(), &[&[0xAB; 3_000], &[0; 3_000]], true), []);
}

#[test]
fn pictures_of_single_fields_are_refused_in_words() {
    // Of an encoder that codes fields as pictures of their own, these are the first bytes: the sets and a slice whose mark says
    // field.
    let sps = field_sps();
    let pps = [0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80];
    // First macroblock 0, slice type 7, set 0, frame number 0 in four bits, a field.
    let slice = [0, 0, 0, 1, 0x65, 0b1000_1000, 0b1000_0110, 0x11, 0x22];
    let got = all(&mut units(), &[&[&sps[..], &pps, &slice].concat()], true);
    assert!(matches!(got[..], [Got::Unusable(why)] if why.contains("fields")), "{got:?}");
    // The same slice without the mark is a picture.
    let whole = [0, 0, 0, 1, 0x65, 0b1000_1000, 0b1000_0010, 0x11, 0x22];
    let got = all(&mut units(), &[&[&sps[..], &pps, &whole].concat()], true);
    assert!(matches!(got[..], [Got::Frame { size: (64, 64), is_key: true, .. }]), "{got:?}");
}

/// Main profile, 4 by 2 pairs of macroblocks, fields allowed.
fn field_sps() -> Vec<u8> {
    // Set 0, numbers of 4 bits, order 2, one reference, no gaps: 1 1 011 010 0. Columns and rows: 00100 010. Fields allowed, not
    // mixed in one picture, direct inference, no cropping, nothing more, the end: 0 0 1 0 0 1.
    vec![0, 0, 0, 1, 0x67, 77, 0, 30, 0b1101_1010, 0b0001_0001, 0b0001_0010]
}

proptest! {
    #[test]
    fn pieces_give_what_the_whole_gives(
        size in 1_usize..400,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        plain in any::<bool>(),
    ) {
        let mut stream = if plain { PLAIN } else { TWO_SLICES }.to_vec();
        for (place, byte) in damage {
            let place = place.index(stream.len());
            stream[place] = byte;
        }
        let pieces: Vec<&[u8]> = stream.chunks(size).collect();
        prop_assert_eq!(all(&mut units(), &pieces, true), all(&mut units(), &[&stream], true));
    }
}
