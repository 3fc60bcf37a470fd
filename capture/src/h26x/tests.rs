//! Streams that encoders made (`streams/make-streams.sh`), whole, without their parameter sets, and damaged.

use proptest::prelude::*;
use proto::frame::{DecodesFrom, FrameFlags};

use super::*;

const H264: Codec = Codec::H264;
const H265: Codec = Codec::H265;
/// Three pictures from key frame to key frame, one of them a B-picture.
const PLAIN: (Codec, &[u8]) = (H264, include_bytes!("streams/plain.h264"));
/// Two slices a picture, with delimiters.
const TWO_SLICES: (Codec, &[u8]) = (H264, include_bytes!("streams/two-slices.h264"));
/// One key frame, and every eight pictures a recovery point.
const REFRESHED: (Codec, &[u8]) = (H264, include_bytes!("streams/refreshed.h264"));
/// Six pictures from start to start, each of which has two B-pictures that are shown before it and need what came before it.
const OPEN: (Codec, &[u8]) = (H264, include_bytes!("streams/open.h264"));
const PLAIN_H265: (Codec, &[u8]) = (H265, include_bytes!("streams/plain.h265"));
const OPEN_H265: (Codec, &[u8]) = (H265, include_bytes!("streams/open.h265"));
const ALL: [(Codec, &[u8]); 6] = [PLAIN, TWO_SLICES, REFRESHED, OPEN, PLAIN_H265, OPEN_H265];

/// The access units of a whole stream.
fn access_units(codec: Codec, stream: &[u8]) -> Vec<&[u8]> {
    let (mut units, mut begins, mut has_picture) = (Units::of(codec), Vec::new(), false);
    while let Some(unit) = units.next(stream) {
        if begins.is_empty() || (has_picture && codec.begins_another(unit.kind, &stream[unit.header..])) {
            begins.push(unit.start);
            has_picture = false;
        }
        has_picture |= unit.kind.is_slice();
    }
    let ends = begins.iter().skip(1).copied().chain([stream.len()]);
    begins.iter().zip(ends).map(|(begin, end)| &stream[*begin..end]).collect()
}

/// The kinds of the NAL units in some bytes.
fn kinds(codec: Codec, bytes: &[u8]) -> Vec<Kind> {
    let mut units = Units::of(codec);
    std::iter::from_fn(|| units.next(bytes)).map(|unit| unit.kind).collect()
}

/// A stream without some of its NAL units: `keeps` is asked for each with its kind and how many of its kind came before.
fn without(codec: Codec, stream: &[u8], mut keeps: impl FnMut(Kind, usize) -> bool) -> Vec<u8> {
    let (mut units, mut seen, mut kept) = (Units::of(codec), Vec::new(), Vec::new());
    let all: Vec<Unit> = std::iter::from_fn(|| units.next(stream)).collect();
    for (at, unit) in all.iter().enumerate() {
        let end = all.get(at + 1).map_or(stream.len(), |next| next.start);
        if keeps(unit.kind, seen.iter().filter(|kind| **kind == unit.kind).count()) {
            kept.extend_from_slice(&stream[unit.start..end]);
        }
        seen.push(unit.kind);
    }
    kept
}

/// The start of each access unit, by number; `None` where none is known.
fn starts((codec, stream): (Codec, &[u8])) -> Vec<Option<usize>> {
    let mut state = Stream::new(codec);
    let start = |(number, unit): (usize, &[u8])| match state.look_at(unit).unwrap().decodes_from {
        DecodesFrom::Back(back) => Some(number - usize::try_from(back).unwrap()),
        DecodesFrom::Nothing => None,
        DecodesFrom::NewestKey => panic!("a stream knows more"),
    };
    access_units(codec, stream).into_iter().enumerate().map(start).collect()
}

fn flags((codec, stream): (Codec, &[u8])) -> Vec<FrameFlags> {
    let mut state = Stream::new(codec);
    access_units(codec, stream).into_iter().map(|unit| state.look_at(unit).unwrap().flags).collect()
}

fn all_of<const N: usize>(starts: [usize; N]) -> Vec<Option<usize>> {
    starts.map(Some).to_vec()
}

#[test]
fn each_access_unit_decodes_from_the_newest_start_that_gives_it_right() {
    for stream in [PLAIN, TWO_SLICES, PLAIN_H265] {
        assert_eq!(starts(stream), all_of([0, 0, 0, 3, 3, 3]));
        let is_key: Vec<bool> = flags(stream).iter().map(|flags| flags.contains(FrameFlags::KEY)).collect();
        assert_eq!(is_key, [true, false, false, true, false, false]);
    }
    // Pictures 5 and 6 are shown before 4, and so on.
    for stream in [OPEN, OPEN_H265] {
        assert_eq!(starts(stream), all_of([0, 0, 0, 0, 4, 0, 0, 4, 4, 4, 10, 4, 4, 10]));
        assert_eq!(flags(stream).iter().filter(|flags| flags.contains(FrameFlags::KEY)).count(), 1);
    }
    // Without the remarks nobody says that the pictures that stand alone are starts, and there are better ones.
    let (codec, open) = OPEN;
    let bare = without(codec, open, |kind, _| kind != Kind::Remarks);
    assert_eq!(starts((codec, &bare)), all_of([0; 14]));
}

#[test]
fn a_stream_that_is_made_anew_bit_by_bit_has_starts_without_a_key_frame() {
    let got = starts(REFRESHED);
    assert!(got[..8].iter().all(|start| *start == Some(0)), "{got:?}");
    let first = got.iter().position(|start| *start == Some(8)).unwrap();
    assert!((9..=16).contains(&first), "{got:?}");
    assert!(got[8..first].iter().all(|start| *start == Some(0)) && got[first] == Some(8), "{got:?}");
    // From the middle, as a camera without any key frame gives it.
    let (codec, stream) = REFRESHED;
    let middle: Vec<u8> = access_units(codec, stream)[3..].concat();
    let mut state = Stream::new(codec);
    let units = access_units(codec, &middle);
    let usable: Vec<_> = units.iter().filter_map(|unit| state.look_at(unit).ok()).collect();
    assert_eq!(usable.len(), 16, "nothing is a frame before the first parameter sets");
    assert_eq!(usable[0].decodes_from, DecodesFrom::Nothing);
    assert!(usable[usable.len() - 1].decodes_from != DecodesFrom::Nothing);
}

#[test]
fn streams_say_their_size_and_rate_and_whether_they_reorder() {
    for ((codec, stream), reorders) in ALL.into_iter().zip([true, false, false, true, false, true]) {
        let mut state = Stream::new(codec);
        state.look_at(access_units(codec, stream)[0]).unwrap();
        let picture = state.picture();
        assert_eq!((picture.size, picture.reorders), ((64, 48), reorders));
        assert_eq!(picture.rate, Some(25.0));
    }
}

#[test]
fn a_stream_whose_sets_say_nothing_of_its_order_is_known_by_its_pictures() {
    let (codec, stream) = PLAIN;
    // The stream's own set, without the usability information.
    let set = [START_CODE, &[0x67, 0x4D, 0x40, 0x0A, 0xF6, 0x23, 0xC8]].concat();
    let bare = without(codec, stream, |kind, _| kind != Kind::Sps);
    let mut state = Stream::new(codec);
    state.know(&set);
    let reorders =
        access_units(codec, &bare).into_iter().map(|unit| state.look_at(unit).unwrap().picture.reorders);
    // The third picture is shown before the second.
    assert_eq!(reorders.collect::<Vec<_>>(), [false, false, true, true, true, true]);
}

#[test]
fn a_start_gets_the_parameter_sets_that_it_lacks() {
    for (codec, stream) in ALL {
        // As many encoders write it: the sets once, at the very beginning.
        let is_set = |kind| matches!(kind, Kind::Vps | Kind::Sps | Kind::Pps);
        let bare = without(codec, stream, |kind, before| !is_set(kind) || before == 0);
        assert!(bare.len() < stream.len());
        let (mut state, mut written) = (Stream::new(codec), Vec::new());
        for unit in access_units(codec, &bare) {
            let found = state.look_at(unit).unwrap();
            let mut room = vec![0; found.room];
            assert_eq!(state.write(unit, &mut room), found.room);
            written.push(room);
        }
        let whole = access_units(codec, stream);
        for (one, other) in written.iter().zip(&whole) {
            assert_eq!(kinds(codec, one), kinds(codec, other));
        }
        assert_eq!(written.len(), whole.len());
        assert_eq!(starts((codec, &written.concat())), starts((codec, stream)));
    }
}

#[test]
fn parameter_sets_that_came_beside_the_stream_count_and_new_ones_are_told() {
    for (codec, stream) in [PLAIN, PLAIN_H265] {
        let is_set = |kind| matches!(kind, Kind::Vps | Kind::Sps | Kind::Pps);
        let (sets, bare) = (
            without(codec, stream, |kind, before| is_set(kind) && before == 0),
            without(codec, stream, |kind, _| !is_set(kind)),
        );
        let mut state = Stream::new(codec);
        let units = access_units(codec, &bare);
        assert_eq!(state.look_at(units[0]), Err(Flaw::NoSets));
        state.know(&sets);
        let found = state.look_at(units[0]).unwrap();
        assert_eq!((found.flags, found.room), (FrameFlags::KEY, units[0].len() + sets.len()));
        // The same sets in band are no news, others are.
        let whole = access_units(codec, stream);
        assert_eq!(state.look_at(whole[0]).unwrap().flags, FrameFlags::KEY);
        let (_, other) = if codec == H264 { OPEN } else { OPEN_H265 };
        let other = state.look_at(access_units(codec, other)[0]).unwrap();
        assert!(other.flags.contains(FrameFlags::NEW_PARAMETERS));
    }
}

#[test]
fn bytes_that_can_t_be_used_say_why() {
    for codec in [H264, H265] {
        let mut state = Stream::new(codec);
        assert_eq!(state.look_at(&[]), Err(Flaw::NoPicture));
        assert_eq!(state.look_at(&[0xAB; 300]), Err(Flaw::NoPicture));
    }
    let (codec, stream) = TWO_SLICES;
    let unit = access_units(codec, stream)[1];
    let mut state = Stream::new(codec);
    assert_eq!(state.look_at(unit), Err(Flaw::NoSets));
    let second = without(codec, unit, |kind, before| kind == Kind::Slice && before == 1);
    assert_eq!(state.look_at(&second), Err(Flaw::NoBeginning));
}

proptest! {
    /// No bytes make it panic, or write beyond the room that was asked for.
    #[test]
    fn damaged_streams_do_no_harm(
        which in 0..ALL.len(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<proptest::sample::Index>(),
        as_other in any::<bool>(),
    ) {
        let (codec, stream) = ALL[which];
        let mut bytes = stream[cut.index(stream.len())..].to_vec();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let codec = match (as_other, codec) {
            (false, codec) => codec,
            (true, Codec::H264) => Codec::H265,
            (true, Codec::H265) => Codec::H264,
        };
        let mut state = Stream::new(codec);
        for (number, unit) in access_units(codec, &bytes).into_iter().enumerate() {
            let Ok(found) = state.look_at(unit) else { continue };
            let mut room = vec![0; found.room];
            prop_assert_eq!(state.write(unit, &mut room), found.room);
            if let DecodesFrom::Back(back) = found.decodes_from {
                prop_assert!(usize::try_from(back).unwrap() <= number);
            }
        }
    }

    #[test]
    fn any_bytes_are_an_access_unit_or_none(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..12),
        codec in prop_oneof![Just(H264), Just(H265)],
    ) {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| [START_CODE, piece].concat()).collect();
        let mut state = Stream::new(codec);
        state.know(&bytes);
        let _ = state.look_at(&bytes);
    }
}
