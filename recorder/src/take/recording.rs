//! A take between its first frame and its last: the part that is open, and what is done with it. Which frame is next,
//! and what follows a failure, is decided in [`super`].

use std::time::Duration;

use proto::frame::FrameInfo;

use super::failure::PartError;
use crate::evidence::Fate;
use crate::feed::{Feed, FeedPacket};
use crate::frames::HeldFrame;
use crate::journal::PartReason;
use crate::media::WriteError;
use crate::track::TrackWriter;

/// A take between its first frame and its last.
pub(super) struct Recording {
    /// The sequence of the next frame.
    pub(super) next: u64,
    /// The part that is being written. The feed is open exactly while there is one.
    track: Option<TrackWriter>,
    pub(super) next_part_is: PartReason,
}

impl Recording {
    /// No part is open yet.
    pub(super) fn from(next: u64, next_part_is: PartReason) -> Self {
        Self { next, track: None, next_part_is }
    }

    /// Has the feed encode a frame, and writes what comes out. While no part is open, `open` opens one for the frame.
    /// Returns the time that passed in the encoder: opening it and waiting for the disk are no part of a frame's cost.
    pub(super) fn encode(
        &mut self,
        frame: Box<dyn HeldFrame>,
        fate: &mut Fate,
        feed: &mut Feed,
        open: impl FnOnce(PartReason, &FrameInfo, &Fate, &mut Feed) -> Result<TrackWriter, PartError>,
    ) -> Result<Duration, PartError> {
        let track = match &mut self.track {
            Some(track) => track,
            None => self.track.insert(open(self.next_part_is, frame.info(), fate, feed)?),
        };
        let clock = feed.clock();
        let (begun, mut writing) = (clock.now(), Duration::ZERO);
        track.pass_encode();
        let encoded = feed.take(frame, &mut |packet| {
            let from = clock.now();
            let written = write_and_note(track, fate, packet);
            writing += clock.now().since(from);
            written
        });
        encoded.map_err(|e| PartError::of_feed(e, track.path(), track.encoder()))?;
        Ok(clock.now().since(begun).saturating_sub(writing))
    }

    /// Says whether a part is open.
    pub(super) fn is_open(&self) -> bool {
        self.track.is_some()
    }

    /// Says whether a part is open that holds a frame.
    pub(super) fn has_frames(&self) -> bool {
        self.track.as_ref().is_some_and(TrackWriter::has_frames)
    }

    /// Ends the open part in order, if there is one.
    pub(super) fn end_part(&mut self, fate: &mut Fate, feed: &mut Feed) -> Result<(), PartError> {
        let Some(track) = &mut self.track else { return Ok(()) };
        let drained = feed.drain(&mut |packet| write_and_note(track, fate, packet));
        drained.map_err(|e| PartError::of_feed(e, track.path(), track.encoder()))?;
        track.finish().map_err(|source| PartError::Disk { path: track.path().to_owned(), source })?;
        self.track = None;
        feed.close();
        Ok(())
    }

    /// Gives the open part up where it is, if there is one, and finds the frame to go on with.
    pub(super) fn abandon_part(&mut self, fate: &mut Fate, feed: &mut Feed) {
        let inside = feed.first_inside();
        feed.close();
        let Some(track) = self.track.take() else { return };
        // The frame at which it failed may have come as far as into the file.
        if let Some(last) = track.abandon() {
            self.next = self.next.max(last.sequence.saturating_add(1));
        }
        // Frames that were inside the encoder are in no file. The ring still has them.
        if let Some(first) = inside {
            fate.take_back(first);
            self.next = first;
        }
    }
}

/// Writes a packet, and notes that its frame is in a part.
fn write_and_note(
    track: &mut TrackWriter,
    fate: &mut Fate,
    packet: &mut FeedPacket,
) -> Result<(), WriteError> {
    track.write(packet)?;
    fate.written.add(&packet.row.frame);
    Ok(())
}
