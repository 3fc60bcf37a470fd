//! A feed turns one camera's frames into packets: it encodes them, or passes compressed ones on as they came. It belongs to
//! the camera's worker; track writers read it.
//!
//! A feed knows nothing of clips: each of its packets carries its frame's row, whether it is a key frame, and the
//! parameter set that a decoder needs, so several writers may read one feed. A reader that joins in the middle passes
//! over packets up to the next key frame, which can be asked for; a writer refuses to begin with any other packet. Why
//! the worker opens a feed for each clip all the same is in docs/decisions/feeds.md.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Packet, codec};

use proto::time::MonotonicNs;

use crate::clock::Clock;
use crate::encode::EncoderSetup;
use crate::frames::HeldFrame;
use crate::journal::Row;
use crate::media::Encode;
use crate::media::WriteError;
use crate::opening::Media;
use crate::passing::{CopySetup, Passing};
use crate::video_time::pts_us;

/// One frame's packet.
pub(crate) struct FeedPacket {
    pub(crate) row: Row,
    /// Decoding can begin here.
    pub(crate) is_key: bool,
    /// The parameter set that it was encoded with, the same value for all packets of it.
    pub(crate) parameters: Rc<codec::Parameters>,
    pub(crate) data: Packet,
}

/// The reader of a feed, or several: takes a packet. An error stops the feed at this packet, which it keeps as unread.
pub(crate) type Reader<'a> = dyn FnMut(&mut FeedPacket) -> Result<(), WriteError> + 'a;

/// The reason why a feed stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    /// The encoder failed.
    #[error("{0}")]
    Encoder(ffmpeg::Error),
    /// The reader failed.
    #[error("{0}")]
    Reader(WriteError),
}

/// An encoder that was opened before there was a frame for it.
pub(crate) struct WarmEncoder {
    setup: EncoderSetup,
    encoder: Box<dyn Encode>,
}

impl WarmEncoder {
    /// Opens an encoder. `None` if that fails: it is tried again when it is needed, and the reason is told then.
    pub(crate) fn open(media: &dyn Media, setup: EncoderSetup) -> Option<Self> {
        let encoder = media.open_encoder(&setup).ok()?;
        Some(Self { setup, encoder })
    }

    /// The purpose it was opened for.
    pub(crate) fn setup(&self) -> &EncoderSetup {
        &self.setup
    }
}

/// A feed, with an encoder (or what passes frames on) while it is open.
pub(crate) struct Feed {
    media: Arc<dyn Media>,
    clock: Arc<dyn Clock>,
    warm: Option<WarmEncoder>,
    open: Option<Open>,
}

struct Open {
    encoder: Box<dyn Encode>,
    parameters: Rc<codec::Parameters>,
    /// The capture time of the first frame, which the encoder counts from.
    base: Option<MonotonicNs>,
    /// Frames that were taken and have not been read as packets, oldest first.
    inside: VecDeque<Row>,
    key_is_asked_for: bool,
}

impl Feed {
    /// A feed without an encoder, and perhaps one to begin with.
    pub(crate) fn new(media: Arc<dyn Media>, clock: Arc<dyn Clock>, warm: Option<WarmEncoder>) -> Self {
        Self { media, clock, warm, open: None }
    }

    /// Opens encoders and files for this feed and its readers.
    pub(crate) fn media(&self) -> &dyn Media {
        &*self.media
    }

    /// The clock that times the feed's frames.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The time, by that clock.
    pub(crate) fn now(&self) -> MonotonicNs {
        self.clock.now()
    }

    /// Opens an encoder: the warm one if it fits, else a new one, which takes 5 to 15 ms for x264 at 720p. Returns the
    /// parameter set of its packets.
    pub(crate) fn open(&mut self, setup: &EncoderSetup) -> Result<Rc<codec::Parameters>, ffmpeg::Error> {
        let encoder = match self.warm.take() {
            Some(warm) if warm.setup == *setup => warm.encoder,
            _ => self.media.open_encoder(setup)?,
        };
        Ok(self.begin(encoder))
    }

    /// Begins to pass frames on as they came. Returns the parameter set of their packets.
    pub(crate) fn pass_on(&mut self, setup: CopySetup) -> Rc<codec::Parameters> {
        self.begin(Box::new(Passing::new(setup)))
    }

    fn begin(&mut self, encoder: Box<dyn Encode>) -> Rc<codec::Parameters> {
        let parameters = Rc::new(encoder.parameters());
        let inside = VecDeque::new();
        let open = Open { encoder, parameters, base: None, inside, key_is_asked_for: false };
        Rc::clone(&self.open.insert(open).parameters)
    }

    /// Makes a key frame of the next frame that is taken. Overlapping clips of one camera will call this: the later clip's
    /// writer joins the earlier clip's feed and begins with that frame.
    #[cfg_attr(not(test), expect(dead_code, reason = "for a writer that joins an open feed"))]
    pub(crate) fn ask_for_key_frame(&mut self) {
        if let Some(open) = &mut self.open {
            open.key_is_asked_for = true;
        }
    }

    /// Takes a frame, and has every packet that is ready read.
    pub(crate) fn take(
        &mut self,
        frame: Box<dyn HeldFrame>,
        reader: &mut Reader<'_>,
    ) -> Result<(), FeedError> {
        let row = Row { frame: *frame.info(), encoded: self.clock.now() };
        let open = self.open.as_mut().ok_or(FeedError::Encoder(ffmpeg::Error::EncoderNotFound))?;
        let base = *open.base.get_or_insert(row.frame.t_capture);
        // Before the encoder has it: a frame at which the encoder fails is inside too.
        open.inside.push_back(row);
        let key = std::mem::take(&mut open.key_is_asked_for);
        open.encoder.send(frame, pts_us(row.frame.t_capture, base), key).map_err(FeedError::Encoder)?;
        open.give(reader)
    }

    /// Has the packets read that the encoder still holds. It takes no more frames after that.
    pub(crate) fn drain(&mut self, reader: &mut Reader<'_>) -> Result<(), FeedError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.encoder.end().map_err(FeedError::Encoder)?;
        open.give(reader)
    }

    /// The oldest frame that was taken and whose packet has not been read.
    pub(crate) fn first_inside(&self) -> Option<u64> {
        self.open.as_ref().and_then(|open| open.inside.front()).map(|row| row.frame.sequence)
    }

    /// Closes the encoder, with whatever is inside.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }
}

impl Open {
    fn give(&mut self, reader: &mut Reader<'_>) -> Result<(), FeedError> {
        while let Some(data) = self.encoder.receive().map_err(FeedError::Encoder)? {
            let row = *self.inside.front().ok_or(FeedError::Encoder(ffmpeg::Error::Bug))?;
            let (is_key, parameters) = (data.is_key(), Rc::clone(&self.parameters));
            reader(&mut FeedPacket { row, is_key, parameters, data }).map_err(FeedError::Reader)?;
            self.inside.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
