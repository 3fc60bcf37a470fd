//! Tests of decoded frames: from the key frame on, from the middle, and without one.

mod streams;

use std::cell::{Cell, RefCell};

use proto::codec::{Codec, EncoderChoice};
use proto::frame::{Fps, LossBefore, PixelFormat};
use proto::ladder::last_resort;

use super::*;
use crate::encode::EncoderSetup;
use crate::fakes::{Picture, frame};
use crate::libav;
use crate::media::Encode;

/// Frames from one key frame to the next.
const GOP: u64 = 20;

fn geometry() -> Geometry {
    Geometry::new(64, 48, PixelFormat::I420).unwrap()
}

fn gray_of(n: u64) -> u8 {
    (40 + n * 7 % 160).to_le_bytes()[0]
}

/// Compressed frames in ordinary memory, numbered from 1.
struct Compressed {
    frames: RefCell<Vec<(FrameInfo, Vec<u8>)>>,
    /// The oldest that is held.
    oldest: Cell<u64>,
    held: Cell<usize>,
}

impl Compressed {
    fn of(payload: Payload, frames: u64) -> Rc<Self> {
        let choice = match payload {
            Payload::H264 => EncoderChoice {
                codec: Codec::H264,
                encoder: "libx264".into(),
                preset: Some("ultrafast".into()),
            },
            _ => last_resort(),
        };
        let picture = PictureTags { range: proto::frame::Range::Full, ..PictureTags::default() };
        let setup = EncoderSetup {
            choice,
            geometry: geometry(),
            fps: Fps::new(1000.0).unwrap(),
            quality: 12,
            picture,
        };
        let mut encoder = setup.open().unwrap();
        let sets = libav::extradata(&encoder.parameters());
        let mut made = Vec::new();
        for n in 1..=frames {
            let mut bytes = vec![128; geometry().frame_bytes()];
            bytes[..64 * 48].fill(gray_of(n));
            let is_key = n % GOP == 1;
            encoder
                .send(Box::new(Picture(frame(n), bytes)), i64::try_from(n).unwrap() * 1000, is_key)
                .unwrap();
            let packet = encoder.receive().unwrap().unwrap();
            let (start, flags) = match payload {
                Payload::H264 => ((n - 1) / GOP * GOP + 1, FrameFlags::KEY.when(is_key)),
                _ => (n, FrameFlags::KEY),
            };
            let info = FrameInfo { start_sequence: start, flags, ..frame(n) };
            let before = if is_key && payload == Payload::H264 { &sets[..] } else { &[] };
            made.push((info, [before, packet.data().unwrap()].concat()));
        }
        Self::of_stream(made)
    }

    /// Frames of a stream, numbered in the order in which they came.
    fn of_stream(frames: Vec<(FrameInfo, Vec<u8>)>) -> Rc<Self> {
        Rc::new(Self { frames: RefCell::new(frames), oldest: Cell::new(1), held: Cell::default() })
    }

    fn change(&self, sequence: u64, change: impl FnOnce(&mut FrameInfo, &mut Vec<u8>)) {
        let at = usize::try_from(sequence - 1).unwrap();
        let (info, bytes) = &mut self.frames.borrow_mut()[at];
        change(info, bytes);
    }
}

impl Frames for Compressed {
    fn soundness(&self) -> Soundness {
        Soundness::Sound
    }

    fn head(&self) -> u64 {
        self.frames.borrow().len() as u64
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.frames.borrow().get(at).map(|(info, _)| *info)
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        Some(at_least.max(self.oldest.get()))
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.frames.borrow().iter().map(|(info, _)| *info).find(|info| info.t_capture >= at)
    }

    fn has_ended(&self) -> bool {
        false
    }

    fn away(&self) -> Option<LossBefore> {
        None
    }

    fn reorders(&self) -> bool {
        false
    }

    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        let info = self.info(sequence).ok_or(NotHeld::Missed(Miss::NotYet))?;
        if sequence < self.oldest.get() {
            return Err(Miss::Overrun.into());
        }
        self.held.set(self.held.get() + 1);
        let at = usize::try_from(sequence - 1).unwrap();
        Ok(Box::new(Picture(info, self.frames.borrow()[at].1.clone())))
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags::default()
    }
}

fn decoded(compressed: &Rc<Compressed>, payload: Payload) -> Decoded {
    Decoded::of(compressed.clone(), payload, geometry())
}

/// Asks for a frame until it is there. Returns how often it was asked for.
fn hold(frames: &Decoded, sequence: u64) -> (Result<Box<dyn HeldFrame>, NotHeld>, usize) {
    for asked in 1.. {
        match frames.hold(sequence) {
            Err(NotHeld::AtWork) => {}
            held => return (held, asked),
        }
    }
    unreachable!()
}

#[track_caller]
fn assert_shows(frames: &Decoded, sequence: u64) {
    let held = hold(frames, sequence).0.unwrap_or_else(|missed| panic!("frame {sequence}: {missed:?}"));
    assert_eq!(held.info().sequence, sequence);
    assert_eq!(held.bytes().len(), geometry().frame_bytes());
    assert!(held.bytes()[0].abs_diff(gray_of(sequence)) <= 3, "frame {sequence} shows {}", held.bytes()[0]);
}

#[track_caller]
fn assert_lost(frames: &Decoded, sequence: u64, cause: GapCause) {
    assert_eq!(hold(frames, sequence).0.err(), Some(NotHeld::Lost(cause)), "frame {sequence}");
}

#[test]
fn a_take_that_begins_in_the_middle_decodes_from_the_key_frame_and_then_each_frame_once() {
    let compressed = Compressed::of(Payload::H264, 60);
    let frames = decoded(&compressed, Payload::H264);
    assert_eq!((frames.needed_for(35), frames.needed_for(21)), (21, 21));
    let (held, asked) = hold(&frames, 35);
    assert_eq!(held.unwrap().bytes()[0].abs_diff(gray_of(35)) / 4, 0);
    // Fourteen frames before it, eight at once.
    assert_eq!((asked, compressed.held.get()), (2, 15));
    (36..=60).for_each(|n| assert_shows(&frames, n));
    assert_eq!(compressed.held.get(), 15 + 25);
    // Asked for again, since the encoder has failed: from the key frame on.
    assert_shows(&frames, 45);
    assert_eq!(frames.decoded_tags().unwrap().range, proto::frame::Range::Full);
}

#[test]
fn without_its_key_frame_a_frame_is_lost_and_with_the_next_key_frame_it_goes_on() {
    let compressed = Compressed::of(Payload::H264, 60);
    compressed.oldest.set(25);
    let frames = decoded(&compressed, Payload::H264);
    (25..=40).for_each(|n| assert_lost(&frames, n, GapCause::NoKeyFrame));
    (41..=60).for_each(|n| assert_shows(&frames, n));
    compressed.change(50, |info, _| info.start_sequence = 0);
    assert_lost(&decoded(&compressed, Payload::H264), 50, GapCause::NoKeyFrame);
    // An overwritten frame is no matter of key frames.
    assert_eq!(hold(&frames, 3).0.err(), Some(NotHeld::Missed(Miss::Overrun)));
}

#[test]
fn behind_a_broken_frame_all_are_lost_up_to_the_next_key_frame() {
    let compressed = Compressed::of(Payload::H264, 60);
    compressed.change(30, |_, bytes| bytes.iter_mut().skip(5).for_each(|byte| *byte = 0xff));
    let frames = decoded(&compressed, Payload::H264);
    (21..30).for_each(|n| assert_shows(&frames, n));
    (30..=40).for_each(|n| assert_lost(&frames, n, GapCause::Corrupt));
    (41..=60).for_each(|n| assert_shows(&frames, n));
}

#[test]
fn a_broken_jpeg_costs_itself_alone() {
    let compressed = Compressed::of(Payload::Jpeg, 30);
    compressed.change(10, |_, bytes| bytes.truncate(bytes.len() / 2));
    let frames = decoded(&compressed, Payload::Jpeg);
    (1..10).for_each(|n| assert_shows(&frames, n));
    assert_lost(&frames, 10, GapCause::Corrupt);
    (11..=30).for_each(|n| assert_shows(&frames, n));
    assert_eq!(frames.needed_for(20), 20);
}
