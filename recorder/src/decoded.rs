//! A take's frames from a source of compressed ones, decoded: for cameras whose clips are encoded anew. A frame that depends
//! on others is decoded with all of them, from the start on that the ring's ledger names: a key frame, or a recovery point. Those that were asked for by
//! nobody are thrown away. One of these serves one take, since a decoder remembers what it was given last. The frames that go
//! into a decoder, and what comes out, are in [`chain`].

mod chain;

use std::cell::RefCell;
use std::rc::Rc;

use ffmpeg_next::frame::Video;

use proto::clip::GapCause;
use proto::frame::{FrameFlags, FrameInfo, Geometry, LossBefore, Payload, PictureTags};
use proto::ring::Miss;
use proto::time::MonotonicNs;

use crate::fitting::Fitting;
use crate::frames::{Frames, HeldFrame, NotHeld, Soundness};
use chain::Chain;

/// So many frames are decoded at once before the one that was asked for: the worker has other clips, and shows that it lives
/// after each call.
const AT_ONCE: u64 = 8;

/// Frames that are decoded when they are held.
pub(crate) struct Decoded {
    compressed: Rc<dyn Frames>,
    payload: Payload,
    state: RefCell<State>,
}

/// The progress of decoding.
struct State {
    chain: Chain,
    fitting: Fitting,
    /// The last frame that could not be decoded: those that depend on it can't either.
    broken: Option<u64>,
    /// No more frames are waited for.
    is_over: bool,
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
        let (chain, fitting) = (Chain::new(payload), Fitting::new(payload, geometry));
        let state = RefCell::new(State { chain, fitting, broken: None, is_over: false });
        Self { compressed, payload, state }
    }

    /// The frame from which a frame decodes: itself, if it depends on no other. `None` if none is known.
    fn start_of(&self, frame: &FrameInfo) -> Option<u64> {
        if self.payload == Payload::Jpeg || frame.flags.contains(FrameFlags::KEY) {
            return Some(frame.sequence);
        }
        let is_its_own = frame.start_sequence == frame.sequence;
        // A recovery point whose pictures are reordered: under its number one is shown that is shown before it, and that needs
        // what came before it, as the next frame does.
        let behind = frame.sequence.checked_add(1).filter(|_| is_its_own);
        let behind = behind.and_then(|next| self.compressed.info(next)).map(|next| next.start_sequence);
        let start = behind.filter(|start| *start < frame.sequence).unwrap_or(frame.start_sequence);
        Some(start).filter(|start| *start > 0 && *start <= frame.sequence)
    }

    /// Gives the decoder its next frame, on the way to a picture.
    fn give_next(&self, state: &mut State, wanted: u64) -> Result<(), NotHeld> {
        let number = state.chain.next();
        let is_behind = number > wanted;
        let held = match self.compressed.hold(number) {
            Ok(held) => held,
            Err(NotHeld::Missed(Miss::Overrun)) if number < wanted => {
                // A frame that is gone was not lost for want of a key frame.
                drop(self.compressed.hold(wanted)?);
                return Err(NotHeld::Lost(GapCause::NoKeyFrame));
            }
            Err(wait @ NotHeld::Missed(Miss::AlreadyLeased)) => return Err(wait),
            Err(wait @ NotHeld::Missed(Miss::NotYet))
                if is_behind && !state.is_over && !self.compressed.has_ended() =>
            {
                return Err(wait);
            }
            // The picture has come in, and only its turn hasn't: nothing is shown before it any more.
            Err(_) if is_behind => {
                state.chain.drain();
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        if state.chain.give(&*held, number >= wanted).is_err() {
            state.broken = Some(number);
        }
        Ok(())
    }

    /// A picture under its number.
    fn framed(&self, info: &FrameInfo, picture: &Video, state: &mut State) -> Result<DecodedFrame, NotHeld> {
        let bytes = state.fitting.bytes(picture).map_err(|_| NotHeld::Lost(GapCause::Corrupt))?;
        let its_frame = picture.pts().and_then(|number| u64::try_from(number).ok());
        let its_frame = its_frame.and_then(|number| self.compressed.info(number)).unwrap_or(*info);
        let is_damaged = its_frame.flags.contains(FrameFlags::DAMAGED);
        let flags = info.flags.with(FrameFlags::DAMAGED.when(is_damaged));
        Ok(DecodedFrame { info: FrameInfo { flags, ..*info }, bytes })
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
        let state = &mut *self.state.borrow_mut();
        if !state.chain.serves(start, sequence) {
            state.chain.begin(start);
            if self.compressed.reorders() {
                state.chain.expect_another_order();
            }
        }
        for done in 0.. {
            if let Some(picture) = state.chain.take(sequence) {
                return Ok(Box::new(self.framed(&info, &picture, state)?));
            }
            let depends_on_broken = state.broken.is_some_and(|broken| (start..=sequence).contains(&broken));
            if depends_on_broken || state.chain.has_passed(sequence) {
                let is_corrupt = depends_on_broken || !state.chain.is_leading();
                let cause = if is_corrupt { GapCause::Corrupt } else { GapCause::NoKeyFrame };
                return Err(NotHeld::Lost(cause));
            }
            if done == AT_ONCE {
                break;
            }
            self.give_next(state, sequence)?;
        }
        Err(NotHeld::AtWork)
    }

    fn hold_as_it_came(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        self.compressed.hold(sequence)
    }

    fn needed_for(&self, sequence: u64) -> u64 {
        let known = self.compressed.info(sequence);
        known.and_then(|info| self.start_of(&info)).unwrap_or(sequence)
    }

    fn expect_no_more(&self) -> bool {
        !std::mem::replace(&mut self.state.borrow_mut().is_over, true)
    }

    fn picture_tags(&self) -> PictureTags {
        self.compressed.picture_tags()
    }

    fn decoded_tags(&self) -> Option<PictureTags> {
        self.state.borrow().fitting.tags()
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

    fn reorders(&self) -> bool {
        self.compressed.reorders()
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
