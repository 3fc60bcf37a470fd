//! A chain: frames one after the other that a decoder is given from a start on, and the pictures that come out of it. Which
//! frames those are is decided in [`super`].
//!
//! Pictures come out in the order of display and are numbered in that order: the third picture of a chain is the one of its
//! third frame's number. For a stream without B-frames that is the picture of this very frame. With B-frames frames come in another order
//! than their pictures are shown in, and a clip shows pictures.

use std::collections::VecDeque;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::frame::Video;

use proto::frame::{FrameFlags, Payload};

use crate::decode::{Beginning, Decoder};
use crate::frames::HeldFrame;

/// Frames that are decoded one after the other.
pub(super) struct Chain {
    payload: Payload,
    decoder: Option<Decoder>,
    /// The first frame.
    begun: u64,
    /// The frame at which the decoder was opened.
    opened: u64,
    /// The frame that is given next.
    next: u64,
    /// The number of the picture that comes next.
    picture: u64,
    /// Pictures that came out and have not been taken, each with its number.
    ready: VecDeque<(u64, Video)>,
    /// The stream has B-frames.
    reorders: bool,
    /// The stream has B-frames, and does not say so before they come.
    has_silent_order: bool,
    /// No frame behind the first was shown after it yet.
    is_leading: bool,
}

impl Chain {
    /// A chain without frames.
    pub(super) fn new(payload: Payload) -> Self {
        Self {
            payload,
            decoder: None,
            begun: 0,
            opened: 0,
            next: 0,
            picture: 0,
            ready: VecDeque::new(),
            reorders: false,
            has_silent_order: false,
            is_leading: false,
        }
    }

    /// Says whether a picture that decodes from this start on will come out of this chain.
    pub(super) fn serves(&self, start: u64, picture: u64) -> bool {
        let first_left = self.ready.front().map_or(self.picture, |(number, _)| *number);
        let is_open = self.decoder.is_some() || picture < self.picture;
        is_open && (self.begun..=self.next).contains(&start) && picture >= first_left
    }

    /// Begins anew with this frame.
    pub(super) fn begin(&mut self, start: u64) {
        self.decoder = None;
        self.ready.clear();
        (self.begun, self.opened, self.next, self.picture) = (start, start, start, start);
        self.is_leading = true;
    }

    /// The stream has B-frames, whether it says so itself or not. Told before the first frame, no picture is numbered in the
    /// order of coming.
    pub(super) fn expect_another_order(&mut self) {
        (self.reorders, self.has_silent_order) = (true, true);
    }

    /// The frame that is to be given next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Takes a picture, if it has come out, and forgets those before it.
    pub(super) fn take(&mut self, picture: u64) -> Option<Video> {
        while self.ready.front().is_some_and(|(number, _)| *number < picture) {
            self.ready.pop_front();
        }
        let is_there = self.ready.front().is_some_and(|(number, _)| *number == picture);
        is_there.then(|| self.ready.pop_front()).flatten().map(|(_, picture)| picture)
    }

    /// Says whether a picture that isn't there will never come.
    pub(super) fn has_passed(&self, picture: u64) -> bool {
        picture < self.picture
    }

    /// Says whether the pictures so far may depend on frames before the chain.
    pub(super) fn is_leading(&self) -> bool {
        self.is_leading
    }

    /// Gives the decoder the next frame. `counts`: its picture is of use. Where a chain begins with a recovery point the first
    /// pictures aren't, and may be broken.
    ///
    /// # Errors
    /// The frame could not be decoded. The chain has ended, and the pictures that the decoder had kept back are ready.
    pub(super) fn give(&mut self, frame: &dyn HeldFrame, counts: bool) -> Result<(), ffmpeg::Error> {
        let given = self.try_to_give(frame, counts);
        if given.is_err() {
            self.drain();
        }
        given
    }

    fn try_to_give(&mut self, frame: &dyn HeldFrame, counts: bool) -> Result<(), ffmpeg::Error> {
        let number = frame.info().sequence;
        let is_jpeg = self.payload == Payload::Jpeg;
        let is_key = is_jpeg || frame.info().flags.contains(FrameFlags::KEY);
        if is_key && !is_jpeg {
            // A key frame begins anew: nothing of what came before it may be left in the decoder.
            self.drain();
        }
        self.next = number.saturating_add(1);
        let decoder = match self.decoder.take() {
            Some(open) => open,
            None => {
                self.opened = number;
                let begins_with = if is_key { Beginning::KeyFrame } else { Beginning::RecoveryPoint };
                Decoder::open(self.payload, begins_with, self.has_silent_order)?
            }
        };
        let decoder = self.decoder.insert(decoder);
        if counts {
            decoder.refuse_broken();
        }
        let is_strict = decoder.refuses_broken();
        let sent = decoder.send(number, frame.bytes());
        let decoded = sent.and_then(|()| self.collect());
        if self.learns_that_it_reorders() {
            return Ok(());
        }
        let is_skipped = self.is_skipped(number, frame.bytes());
        let is_kept_back = self.reorders && decoded.is_ok() && !is_skipped;
        if is_kept_back || self.picture > number {
            return Ok(());
        }
        if is_strict && !is_skipped {
            return decoded.and(Err(ffmpeg::Error::InvalidData));
        }
        // There is no such picture.
        self.picture = if self.reorders { self.picture.saturating_add(1) } else { self.next };
        Ok(())
    }

    /// Takes the pictures that have come out.
    fn collect(&mut self) -> Result<(), ffmpeg::Error> {
        while let Some(decoder) = &mut self.decoder
            && let Some(picture) = decoder.receive()?
        {
            self.ready.push_back((self.picture, picture));
            self.picture = self.picture.saturating_add(1);
        }
        Ok(())
    }

    /// Notes that the stream has B-frames. True if that shows only now, and pictures were numbered without that knowledge: the
    /// chain begins anew with the frame at which the decoder was opened.
    fn learns_that_it_reorders(&mut self) -> bool {
        if self.reorders || !self.decoder.as_ref().is_some_and(Decoder::reorders) {
            return false;
        }
        self.reorders = true;
        self.has_silent_order = self.picture > self.opened;
        if self.has_silent_order {
            self.begin(self.opened);
        }
        self.has_silent_order
    }

    /// Is this one of the pictures that are shown before the chain's first one and depend on frames before it? No decoder gives
    /// them out.
    fn is_skipped(&mut self, number: u64, frame: &[u8]) -> bool {
        /// `RASL_N` and `RASL_R`, and `RADL_N` and `RADL_R` before them (H.265, table 7-1).
        const SKIPPED: std::ops::RangeInclusive<u8> = 8..=9;
        const LEADING: std::ops::RangeInclusive<u8> = 6..=9;
        if number == self.begun || !self.is_leading {
            return false;
        }
        let kind = if self.payload == Payload::H265 { first_slice_kind(frame) } else { None };
        self.is_leading = kind.is_some_and(|kind| LEADING.contains(&kind));
        kind.is_some_and(|kind| SKIPPED.contains(&kind))
    }

    /// Ends the decoder. The pictures that it had kept back come out.
    pub(super) fn drain(&mut self) {
        if let Some(mut decoder) = self.decoder.take() {
            decoder.end();
            while let Ok(Some(picture)) = decoder.receive() {
                self.ready.push_back((self.picture, picture));
                self.picture = self.picture.saturating_add(1);
            }
        }
        self.picture = self.next;
    }
}

/// The kind of the first slice in an access unit of H.265: the type of its NAL unit, which is below 32 for slices.
fn first_slice_kind(frame: &[u8]) -> Option<u8> {
    let headers = frame.windows(4).filter(|bytes| bytes.starts_with(&[0, 0, 1]));
    headers.map(|bytes| bytes[3] >> 1 & 0x3f).find(|kind| *kind < 32)
}
