//! A take's frames from a source of compressed ones, decoded: for cameras whose clips are encoded anew. A frame that depends
//! on others is decoded with all of them, from the key frame on that the ring's ledger names; those that were asked for by
//! nobody are thrown away. One of these serves one take, since a decoder remembers what it was given last.

use std::cell::RefCell;
use std::rc::Rc;

use proto::clip::GapCause;
use proto::frame::{FrameFlags, FrameInfo, Geometry, LossBefore, Payload, PictureTags};
use proto::ring::Miss;
use proto::time::MonotonicNs;

use crate::decode::Decoder;
use crate::frames::{Frames, HeldFrame, NotHeld, Soundness};

/// So many frames are decoded at once before the one that was asked for: the worker has other clips, and shows that it lives
/// after each call.
const AT_ONCE: u64 = 8;

/// Frames that are decoded when they are held.
pub(crate) struct Decoded {
    compressed: Rc<dyn Frames>,
    payload: Payload,
    geometry: Geometry,
    state: RefCell<State>,
}

/// The decoder, and how far it has come.
#[derive(Default)]
struct State {
    decoder: Option<Decoder>,
    /// The frame that it was given last.
    last: Option<u64>,
    /// The key frame behind which a frame could not be decoded: those up to the next key frame depend on it.
    broken_behind: Option<u64>,
}

/// A decoded picture.
struct DecodedFrame {
    info: FrameInfo,
    bytes: Vec<u8>,
}

impl HeldFrame for DecodedFrame {
    fn info(&self) -> &FrameInfo {
        &self.info
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Decoded {
    /// Frames of this payload, to be decoded into pictures of this geometry.
    pub(crate) fn of(compressed: Rc<dyn Frames>, payload: Payload, geometry: Geometry) -> Self {
        Self { compressed, payload, geometry, state: RefCell::default() }
    }

    /// The key frame from which a frame decodes: itself, if it depends on no other. `None` if none is known.
    fn start_of(&self, frame: &FrameInfo) -> Option<u64> {
        if self.payload == Payload::Jpeg || frame.flags.contains(FrameFlags::KEY) {
            return Some(frame.sequence);
        }
        Some(frame.start_sequence).filter(|start| *start > 0 && *start <= frame.sequence)
    }

    /// Decodes one frame, which is the next for the decoder.
    fn decode(&self, sequence: u64, start: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        let held = self.compressed.hold(sequence)?;
        let mut state = self.state.borrow_mut();
        let State { decoder, last, broken_behind } = &mut *state;
        let opened = match decoder.take() {
            Some(open) if sequence != start || self.payload == Payload::Jpeg => Ok(open),
            // A key frame begins anew: nothing of what came before it may be left in the decoder.
            _ => Decoder::open(self.payload, self.geometry),
        };
        *last = Some(sequence);
        let decoded = opened.and_then(|open| decoder.insert(open).decode(held.bytes()));
        match decoded {
            Ok(bytes) => Ok(Box::new(DecodedFrame { info: *held.info(), bytes })),
            Err(_) => {
                *decoder = None;
                *broken_behind = Some(start);
                Err(NotHeld::Lost(GapCause::Corrupt))
            }
        }
    }
}

impl Frames for Decoded {
    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        let Some(info) = self.compressed.info(sequence) else {
            return self.compressed.hold(sequence);
        };
        let Some(start) = self.start_of(&info) else {
            // A frame that is gone was not lost for want of a key frame.
            drop(self.compressed.hold(sequence)?);
            return Err(NotHeld::Lost(GapCause::NoKeyFrame));
        };
        let (last, broken) = {
            let state = self.state.borrow();
            (state.last, state.broken_behind == Some(start) && start != sequence)
        };
        if broken {
            return Err(NotHeld::Lost(GapCause::Corrupt));
        }
        let goes_on = last.filter(|last| (start..sequence).contains(last));
        let from = goes_on.map_or(start, |last| last + 1);
        for (before, done) in (from..sequence).zip(0..) {
            if done == AT_ONCE {
                return Err(NotHeld::AtWork);
            }
            match self.decode(before, start) {
                Ok(_) => {}
                Err(NotHeld::Missed(Miss::Overrun)) => {
                    drop(self.compressed.hold(sequence)?);
                    return Err(NotHeld::Lost(GapCause::NoKeyFrame));
                }
                Err(other) => return Err(other),
            }
        }
        self.decode(sequence, start)
    }

    fn hold_as_it_came(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        self.compressed.hold(sequence)
    }

    fn needed_for(&self, sequence: u64) -> u64 {
        let known = self.compressed.info(sequence);
        known.and_then(|info| self.start_of(&info)).unwrap_or(sequence)
    }

    fn picture_tags(&self) -> PictureTags {
        self.compressed.picture_tags()
    }

    fn decoded_tags(&self) -> Option<PictureTags> {
        self.state.borrow().decoder.as_ref().map(Decoder::tags)
    }

    fn soundness(&self) -> Soundness {
        self.compressed.soundness()
    }

    fn head(&self) -> u64 {
        self.compressed.head()
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        self.compressed.info(sequence)
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        self.compressed.next_held(at_least)
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.compressed.first_at_or_after(at)
    }

    fn has_ended(&self) -> bool {
        self.compressed.has_ended()
    }

    fn away(&self) -> Option<LossBefore> {
        self.compressed.away()
    }

    fn loss_of(&self, sequence: u64) -> GapCause {
        self.compressed.loss_of(sequence)
    }

    fn is_filling(&self) -> bool {
        self.compressed.is_filling()
    }
}

#[cfg(test)]
mod tests;
