//! A take whose H.264 was to be copied, and turns out after its clip was planned to be shown in another order than it comes in
//! (B-frames): it is encoded, like that of a camera of which that was known. A picture that was copied stands at the time of
//! another as soon as one is shown before it. So the copied parts before are removed and their frames recorded anew, if they
//! are all still there. Else they stay, and nothing is recorded up to the next key frame, behind which no such picture can be.

use std::io;

use proto::clip::GapCause;
use proto::time::MonotonicNs;

use super::cut::Place as InStream;
use super::failure::PartError;
use super::{How, Recording, Stage, Step, Take};
use crate::disk::{self, output::DiskState};
use crate::evidence::Fate;
use crate::feed::Feed;
use crate::frames::{Frames, NotHeld};
use crate::journal::PartReason;
use crate::part::{self, Part};

impl Take {
    /// Has the take's frames encoded from here on, if they can't be copied since their pictures are shown in another order. What
    /// has to be done instead, if the files can't be written.
    pub(super) fn encode_if_reordered(
        &mut self,
        frames: &dyn Frames,
        now: MonotonicNs,
        feed: &mut Feed,
    ) -> Option<Step> {
        let encoders =
            self.how.stream_encoders().filter(|_| frames.reorders() && !self.is_paused(now))?.clone();
        if self.place.copies_h264()
            && let Err(e) = self.end_part(feed)
        {
            return Some(self.recover(&e, feed));
        }
        if let Err(source) = self.take_back_copies(frames) {
            let path = self.assignment.partial();
            return Some(self.recover(&PartError::Disk { path, source }, feed));
        }
        self.how = How::Encoded(encoders);
        if self.place.encoder().is_copied() {
            self.place.encode(&self.how);
        }
        self.assignment.camera.reorders = true;
        tracing::warn!(
            clip = self.assignment.clip_id(),
            camera = self.assignment.camera_name(),
            "{}: its pictures turn out to be shown in another order than they come in (B-frames), so {}",
            self.assignment,
            match self.next() {
                0 => "all of it is encoded again".to_owned(),
                next if self.place.awaits_key() =>
                    format!("it is encoded again from the first key frame behind frame {next} on"),
                next => format!("it is encoded again from frame {next} on"),
            }
        );
        None
    }

    /// Removes the copied parts behind the last encoded one, and goes back to their first frame, if nothing has been overwritten
    /// since. Behind those that stay nothing is recorded up to the next key frame.
    fn take_back_copies(&mut self, frames: &dyn Frames) -> io::Result<()> {
        let parts = disk::ask(|| part::read_all(&self.assignment.partial(), &self.assignment.camera.name))?;
        let encoded = parts.iter().rposition(|part| !part.header.choice.is_copied());
        let mut copied = parts.into_iter().skip(encoded.map_or(0, |last| last + 1)).collect::<Vec<Part>>();
        let Some(first) = copied.first().map(|part| part.first.frame.sequence) else { return Ok(()) };
        if frames.next_held(first) != Some(first) {
            self.place.await_key(true);
            return Ok(());
        }
        // The newest first: a recorder that is killed meanwhile leaves parts without a hole between them.
        while let Some(part) = copied.pop() {
            part.remove()?;
        }
        if self.how.is_verbatim() {
            // It may have begun before the window.
            (self.stage, self.fate) = (Stage::Seeking, Fate::default());
        } else {
            self.fate.go_back_to(first);
            let is_first = self.fate.written.first().is_none();
            let reason = if is_first { PartReason::First } else { PartReason::Cut };
            self.stage = Stage::Recording(Recording::from(first, reason));
        }
        Ok(())
    }

    /// Gives up the next frame while a key frame is awaited. `Ok` when it can be recorded.
    pub(super) fn await_key(&mut self, frames: &dyn Frames, disk: &dyn DiskState) -> Result<(), Step> {
        let frame = frames.info(self.next()).filter(|_| self.place.awaits_key());
        match frame.map(|frame| InStream::of(&frame)) {
            None => Ok(()),
            Some(InStream::CleanStart) => {
                self.place.await_key(false);
                Ok(())
            }
            Some(InStream::GoesOn | InStream::Apart) => {
                // A frame that is gone was not lost for want of a key frame.
                let why = frames.hold_as_it_came(self.next()).err();
                Err(self.instead_of(why.unwrap_or(NotHeld::Lost(GapCause::NoKeyFrame)), frames, disk))
            }
        }
    }
}
