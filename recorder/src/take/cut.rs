//! The cut of a take whose H.264 is copied: up to the first clean start its frames are decoded and encoded (or, in a verbatim
//! clip, missing), from there on they are copied, as long as nobody can doubt that they are of one stream. What is decided for
//! a frame goes by what the ring's ledger says of it; see docs/decisions/smart-cut.md.

use std::rc::Rc;

use proto::clip::GapCause;
use proto::failpoint;
use proto::frame::{FrameFlags, FrameInfo, LossBefore};

use super::{Stage, Step, Take};
use crate::disk::output::DiskState;
use crate::evidence::Fate;
use crate::feed::Feed;
use crate::frames::{Frames, HeldFrame, NotHeld};
use crate::h264;
use crate::journal::PartReason;
use crate::part::Part;

/// A frame's place in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A copy can begin here.
    CleanStart,
    /// A copy that has begun goes on.
    GoesOn,
    /// Nothing is known of what came before it, or it may be of another stream.
    Apart,
}

impl Place {
    pub(super) fn of(frame: &FrameInfo) -> Self {
        // The camera was away: it may have begun anew, with other parameter sets.
        let was_away =
            matches!(frame.before, LossBefore::Unplugged | LossBefore::Network | LossBefore::CameraStall);
        let is_damaged = frame.flags.contains(FrameFlags::DAMAGED);
        match () {
            () if frame.flags.contains(FrameFlags::KEY) && !is_damaged => Self::CleanStart,
            () if was_away || frame.start_sequence == 0 => Self::Apart,
            () => Self::GoesOn,
        }
    }
}

impl Take {
    /// Decides whether the next frame is copied, and ends the open part where that changes. What has to be done instead, if it
    /// can't be decided, or the part not ended.
    pub(super) fn cut(
        &mut self,
        frames: &dyn Frames,
        disk: &dyn DiskState,
        feed: &mut Feed,
    ) -> Result<(), Step> {
        let Some(frame) = frames.info(self.next()).filter(|_| self.how.copies_a_stream()) else {
            return Ok(());
        };
        match (Place::of(&frame), self.place.copies_h264()) {
            (place, false) if place == Place::CleanStart || self.is_other_start(&frame) => {
                let first = frames.hold_as_it_came(self.next());
                let first = first.map_err(|why| self.instead_of(why, frames, disk))?;
                // Without its sets nothing can be set up for it, and it is encoded as those before it.
                if let Some(sets) = h264::parameter_sets(first.bytes()) {
                    self.end_stretch(feed)?;
                    if place != Place::CleanStart {
                        self.place.start_at(frame.sequence);
                    }
                    self.place.copy_h264(sets.into());
                }
            }
            (Place::Apart, true) => {
                self.end_stretch(feed)?;
                self.place.end_copy();
            }
            _ => {}
        }
        if self.how.is_verbatim() && !self.place.copies_h264() {
            // A frame that is gone was not lost for want of a key frame.
            let why = frames.hold_as_it_came(self.next()).err();
            let why = why.unwrap_or(NotHeld::Lost(GapCause::NoKeyFrame));
            return Err(self.instead_of(why, frames, disk));
        }
        Ok(())
    }

    /// Can a verbatim copy begin with a frame that is no key frame? Nothing is encoded before it, so a recovery point will do: the
    /// one that the window's first frame needs, and any picture that decodes by itself.
    fn is_other_start(&self, frame: &FrameInfo) -> bool {
        let stands_alone = frame.start_sequence == frame.sequence;
        self.how.is_verbatim() && (stands_alone || self.place.start() == Some(frame.sequence))
    }

    /// Ends the open part, since the next frame is made in another way. Without an open part nothing is to be ended.
    fn end_stretch(&mut self, feed: &mut Feed) -> Result<(), Step> {
        let is_open = matches!(&self.stage, Stage::Recording(recording) if recording.is_open());
        if !is_open {
            return Ok(());
        }
        let folder = self.assignment.folder.join(self.assignment.camera_name());
        failpoint::pass("take.cut", folder.display());
        self.end_part(feed).map_err(|e| self.recover(&e, feed))?;
        self.begin_next_part(PartReason::Cut);
        failpoint::pass("take.cut_off", folder.display());
        Ok(())
    }

    /// Holds the next frame as it came. One that needs frames which are not in the clip is called damaged.
    pub(super) fn hold_to_copy(&self, frames: &dyn Frames) -> Result<Box<dyn HeldFrame>, NotHeld> {
        let held = frames.hold_as_it_came(self.next())?;
        if h264::units(held.bytes()).next().is_none() {
            return Err(NotHeld::Lost(GapCause::Corrupt));
        }
        Ok(if needs_a_missing_frame(held.info(), &self.fate) { Damaged::of(held) } else { held })
    }

    /// Goes on with the copied stream of the last part that an earlier recorder left.
    pub(super) fn resume_copy(&mut self, last: &Part) -> std::io::Result<()> {
        let camera = &self.assignment.camera;
        if !(self.how.copies_a_stream() && last.header.choice.is_copied()) {
            return Ok(());
        }
        // If the part's beginning is lost, frames are encoded up to the next clean start.
        if let Some(parameters) = last.parameters(&camera.geometry, &camera.picture)? {
            self.place.copy_h264(Rc::from(crate::libav::extradata(&parameters)));
        }
        Ok(())
    }
}

/// Does a frame depend on one that the clip lost? All between its start and itself are needed.
fn needs_a_missing_frame(frame: &FrameInfo, fate: &Fate) -> bool {
    let start = frame.start_sequence;
    !frame.flags.contains(FrameFlags::KEY)
        && start > 0
        && start < frame.sequence
        && !fate.written.holds_all(start, frame.sequence - 1)
}

/// A frame that is not whole without others.
struct Damaged {
    info: FrameInfo,
    held: Box<dyn HeldFrame>,
}

impl Damaged {
    fn of(held: Box<dyn HeldFrame>) -> Box<dyn HeldFrame> {
        let info = *held.info();
        Box::new(Self { info: FrameInfo { flags: info.flags.with(FrameFlags::DAMAGED), ..info }, held })
    }
}

impl HeldFrame for Damaged {
    fn info(&self) -> &FrameInfo {
        &self.info
    }

    fn bytes(&self) -> &[u8] {
        self.held.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::frame;

    #[test]
    fn a_copy_begins_at_a_whole_key_frame_and_ends_where_the_stream_may_be_another() {
        let (key, damaged) = (FrameFlags::KEY, FrameFlags::DAMAGED);
        let (nothing, network) = (LossBefore::Nothing, LossBefore::Network);
        for (flags, before, start_sequence, place) in [
            (key, nothing, 9, Place::CleanStart),
            (key, network, 9, Place::CleanStart),
            (key.with(damaged), nothing, 9, Place::GoesOn),
            (FrameFlags::NONE, nothing, 5, Place::GoesOn),
            (damaged, LossBefore::Corrupt, 5, Place::GoesOn),
            (damaged, LossBefore::Packets, 5, Place::GoesOn),
            (FrameFlags::NONE, nothing, 0, Place::Apart),
            (FrameFlags::NONE, network, 5, Place::Apart),
            (FrameFlags::NONE, LossBefore::CameraStall, 5, Place::Apart),
        ] {
            let info = FrameInfo { flags, before, start_sequence, ..frame(9) };
            assert_eq!(Place::of(&info), place, "{info:?}");
        }
    }

    #[test]
    fn a_frame_is_damaged_if_one_since_its_start_is_missing() {
        let mut fate = Fate::default();
        (10..=30).filter(|n| *n != 20).for_each(|n| fate.written.add(&frame(n)));
        let needs = |start_sequence, sequence, flags| {
            needs_a_missing_frame(&FrameInfo { start_sequence, flags, ..frame(sequence) }, &fate)
        };
        let none = FrameFlags::NONE;
        assert!(!needs(10, 20, none) && needs(10, 21, none) && needs(19, 31, none));
        assert!(!needs(21, 31, none), "it begins anew behind the hole");
        assert!(!needs(40, 40, FrameFlags::KEY) && needs(31, 33, none));
    }
}
