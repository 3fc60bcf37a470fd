//! A take: one camera's part of one clip, from the first frame of its window to the last. It owns no thread; its
//! camera's worker moves it on, a frame at a time, and lends it the feed that encodes. A step decides by the time at
//! its beginning; a pause after a failure counts from the failure's end.
//!
//! A take decides which frame is next. How it begins is in [`resume`] and [`open`], when its window is over in [`ending`], what is
//! done with the open part in [`recording`], from where on frames are copied in [`cut`], and why no longer in [`reordered`], what is given up in [`lost`], what
//! follows a failure of the disk or the encoder in [`failure`]. Frames come through [`Frames`], and packets are made by a [`Feed`].

mod cut;
mod ending;
mod failure;
mod how;
mod lead_in;
mod lost;
mod open;
mod place;
mod preset;
mod recording;
mod reordered;
mod resume;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proto::clip::Window;
use proto::codec::EncoderChoice;
use proto::config::ClipMode;
use proto::ladder::EncodeCost;
use proto::panics;
use proto::ring::Miss;
use proto::time::MonotonicNs;

use crate::assignment::{Assignment, Footage};
use crate::backlog::{Need, NeededFrom};
use crate::crash_note;
use crate::disk::output::DiskState;
use crate::evidence::Fate;
use crate::feed::Feed;
use crate::filling::Filling;
use crate::frames::{Frames, HeldFrame, NotHeld, Soundness};
use crate::journal::PartReason;
use failure::{Files, PartError};
pub(crate) use how::{Copying, Encoders, How};
use lost::SinceLevel;
use place::Place;
use recording::Recording;

/// A camera's part of a clip that is being recorded.
pub(crate) struct Take {
    assignment: Assignment,
    /// As the clip's triggers made it when this take last looked.
    window: Window,
    /// `None`: the frames' ring is gone, and the frames on disk are all there will be.
    frames: Option<Rc<dyn Frames>>,
    how: How,
    /// The config's word on compressed frames.
    asked: ClipMode,
    place: Place,
    filling: Filling,
    stage: Stage,
    fate: Fate,
    files: Files,
    since_level: SinceLevel,
}

/// The stage of a take.
#[expect(clippy::large_enum_variant, reason = "a take has one, and is recording for most of its life")]
enum Stage {
    /// The frames that an earlier recorder left have not been read. Nothing is recorded before that: frames that are on disk
    /// already would be encoded again, in a part that can't be joined to theirs.
    Unread,
    /// The window's first frame has not been captured, or not been found.
    Seeking,
    /// The window's frames are recorded.
    Recording(Recording),
    /// The last part is ended.
    Over,
}

/// The result of moving a take on.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// A frame was encoded.
    Encoded,
    /// Frames were given up, or another encoder is to be tried: there may be more to do at once.
    Moved,
    /// The next frame isn't there yet.
    Waiting,
    /// The take's file can't be written at the moment.
    Paused,
    /// The take's window is over.
    Over,
}

impl Take {
    /// Begins a take, or goes on where another recorder left off. `waited` is the time that this thread has waited for the
    /// disk by now.
    pub(crate) fn begin(
        assignment: Assignment,
        frames: Option<Rc<dyn Frames>>,
        how: How,
        asked: ClipMode,
        waited: Duration,
    ) -> Self {
        Self {
            window: assignment.window.now(),
            assignment,
            frames,
            place: Place::first(&how),
            how,
            asked,
            filling: Filling::default(),
            stage: Stage::Unread,
            fate: Fate::default(),
            files: Files::Fine,
            since_level: SinceLevel::level(waited),
        }
    }

    /// The frames that the take has yet to write. `None` when there is nothing more that it could need.
    pub(crate) fn need(&self, feed: &Feed) -> Option<Need> {
        let frames = self.frames.as_ref()?;
        let from = match &self.stage {
            Stage::Unread => NeededFrom::Unread(self.window.start_ns),
            Stage::Seeking => NeededFrom::Time(self.window.start_ns),
            // A frame inside the encoder is in no file yet.
            Stage::Recording(Recording { next, .. }) => {
                let next = feed.first_inside().map_or(*next, |inside| inside.min(*next));
                NeededFrom::Frame(if self.place.copies_h264() { next } else { frames.needed_for(next) })
            }
            Stage::Over => return None,
        };
        Some(Need { ring_id: self.assignment.camera.ring_id, from, end: self.assignment.window.now().end_ns })
    }

    /// The number of frames that are captured and not encoded; 0 until the first of the window is known.
    pub(crate) fn frames_left(&self) -> u64 {
        let (Some(frames), Stage::Recording(recording)) = (&self.frames, &self.stage) else { return 0 };
        let behind_the_window =
            || frames.first_at_or_after(MonotonicNs(self.window.end_ns.0.saturating_add(1)));
        let is_over = frames.newest().is_some_and(|newest| newest.t_capture > self.window.end_ns);
        let end = is_over.then(behind_the_window).flatten().map_or(frames.head() + 1, |frame| frame.sequence);
        end.saturating_sub(recording.next)
    }

    /// The clip's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.assignment.folder
    }

    /// The sequence of the next frame, or 0 while it isn't known. The lower it is, the more is the take at risk.
    pub(crate) fn next(&self) -> u64 {
        match &self.stage {
            Stage::Recording(recording) => recording.next,
            Stage::Unread | Stage::Seeking | Stage::Over => 0,
        }
    }

    /// Ends the window at this moment, if it would last longer: Preroll is being stopped.
    pub(crate) fn end_early(&mut self, end: MonotonicNs) {
        self.assignment.window.stop(end);
        self.look_at_window();
    }

    /// Moves on by one frame.
    pub(crate) fn step(&mut self, now: MonotonicNs, feed: &mut Feed, disk: &dyn DiskState) -> Step {
        let _on = panics::on_clip(&self.assignment.plan.clip_id);
        self.look_at_window();
        if matches!(self.stage, Stage::Unread)
            && let Some(instead) = self.cannot_resume(now, feed)
        {
            return instead;
        }
        let Some(frames) = self.frames.clone() else { return self.out_of_frames(now, feed) };
        let is_unnamed = match frames.soundness() {
            Soundness::Sound => false,
            Soundness::Unnamed => true,
            Soundness::Broken(broken) => {
                tracing::error!(
                    clip = self.assignment.clip_id(),
                    camera = self.assignment.camera_name(),
                    "{}: its ring broke: {broken}",
                    self.assignment
                );
                self.frames = None;
                return self.out_of_frames(now, feed);
            }
        };
        if let Some(instead) = self.encode_if_reordered(&*frames, now, feed) {
            return instead;
        }
        if matches!(self.stage, Stage::Seeking) && !self.finds_first(&*frames, now) {
            return match is_unnamed {
                true => self.out_of_frames(now, feed),
                false => self.wait_or_end(&*frames, now, feed),
            };
        }
        if now > self.window.end_ns {
            self.fate.look_behind(self.window, &*frames);
        }
        let next = self.next();
        match frames.info(next) {
            Some(frame) if frame.t_capture > self.window.end_ns => self.over(now, feed),
            _ if self.has_gone_past(&*frames) => self.over(now, feed),
            None if next > frames.head() && is_unnamed => self.out_of_frames(now, feed),
            None if next > frames.head() => {
                self.since_level = SinceLevel::level(disk.waited());
                self.wait_or_end(&*frames, now, feed)
            }
            _ => self.record(&*frames, now, feed, disk),
        }
    }

    fn record(
        &mut self,
        frames: &dyn Frames,
        now: MonotonicNs,
        feed: &mut Feed,
        disk: &dyn DiskState,
    ) -> Step {
        let next = self.next();
        if self.is_paused(now) {
            self.since_level.was_paused = true;
            self.skip_overrun(frames, next, true);
            return Step::Paused;
        }
        if let Err(source) = disk.has_room() {
            return self.stop_writing(source, feed);
        }
        let is_due = self.cut(frames, disk, feed).and_then(|()| self.await_key(frames, disk));
        let frame = match is_due.and_then(|()| self.hold(frames, disk)) {
            Ok(frame) => frame,
            // The frame may wait for others behind it that don't come.
            Err(Step::Waiting) if self.is_patience_over(frames, now) && frames.expect_no_more() => {
                return Step::Moved;
            }
            Err(instead) => return instead,
        };
        let Self { stage: Stage::Recording(recording), assignment, place, fate, how, .. } = self else {
            return Step::Waiting;
        };
        let working = crash_note::at_work(&assignment.camera.name, place.encoder());
        let encoded = recording.encode(frame, fate, feed, |because, frame, fate, feed| {
            assignment.learn_tags(frames);
            let start = assignment.plan.window.start_ns;
            let header = open::header(place, how, fate, because, frame, start);
            let setup = how.setup(place, &assignment.camera);
            open::open_track(assignment, &assignment.partial(), header, setup, feed)
        });
        drop(working);
        match encoded {
            Ok(spent) => {
                recording.next = next + 1;
                self.place.add_cost(spent);
                if self.trouble().is_some() {
                    tracing::info!(
                        clip = self.assignment.clip_id(),
                        camera = self.assignment.camera_name(),
                        "{}: writing again",
                        self.assignment
                    );
                }
                self.files = Files::Fine;
                self.change_preset_if_filling(frames, feed, disk).unwrap_or(Step::Encoded)
            }
            Err(e) => self.recover(&e, feed),
        }
    }

    /// Holds the next frame. What is to be done instead, if it can't be had.
    fn hold(&mut self, frames: &dyn Frames, disk: &dyn DiskState) -> Result<Box<dyn HeldFrame>, Step> {
        let held =
            if self.place.copies_h264() { self.hold_to_copy(frames) } else { frames.hold(self.next()) };
        held.map_err(|why| self.instead_of(why, frames, disk))
    }

    /// The step that is taken instead, since the next frame can't be had.
    fn instead_of(&mut self, why: NotHeld, frames: &dyn Frames, disk: &dyn DiskState) -> Step {
        let next = self.next();
        match why {
            // Another take of this camera has the frame in its encoder, and will give it back.
            NotHeld::Missed(Miss::NotYet | Miss::AlreadyLeased) => Step::Waiting,
            // A ring that doesn't know its newest frame is being written over: its word is no reason to give frames up.
            NotHeld::Missed(Miss::Overrun) if frames.newest().is_none() => Step::Waiting,
            NotHeld::Missed(Miss::Overrun) => {
                self.skip_overrun(frames, next + 1, self.was_kept_by(disk));
                Step::Moved
            }
            NotHeld::Lost(cause) => {
                self.give_up_next(frames, cause);
                Step::Moved
            }
            NotHeld::AtWork => Step::Moved,
        }
    }

    /// Ends the open part in order, if there is one.
    fn end_part(&mut self, feed: &mut Feed) -> Result<(), PartError> {
        let _working = crash_note::at_work(&self.assignment.camera.name, self.place.encoder());
        match &mut self.stage {
            Stage::Recording(recording) => recording.end_part(&mut self.fate, feed),
            Stage::Unread | Stage::Seeking | Stage::Over => Ok(()),
        }
    }

    /// What each encoder of this take has cost.
    pub(crate) fn costs(&self) -> &[(EncoderChoice, EncodeCost)] {
        self.place.costs()
    }

    /// Ends the take, and gathers everything that is known of the frames that it should hold.
    pub(crate) fn wrap(mut self) -> Footage {
        if matches!(self.stage, Stage::Unread)
            && let Err(e) = self.resume()
        {
            // The finisher reads it again, and waits until it can.
            tracing::error!(
                clip = self.assignment.clip_id(),
                camera = self.assignment.camera_name(),
                "{}: its parts can't be read now: {e}",
                self.assignment
            );
        }
        let period = self.assignment.camera.fps.period();
        // A picture that stood is part of what the clip should hold. Frames that are only there for others aren't.
        let begins = self.fate.written.first().filter(|_| !self.how.is_verbatim());
        let first = begins.map_or(self.window.start_ns, |first| first.t_capture);
        let window = Window { start_ns: self.window.start_ns.min(first), ..self.window };
        let evidence = self.frames.as_deref().and_then(|frames| {
            let evidence = self.fate.evidence(window, period, frames);
            // Looked at after it was asked: a ring that was written over meanwhile may have said anything.
            evidence.filter(|_| frames.soundness() == Soundness::Sound)
        });
        let mut evidence = evidence.unwrap_or_else(|| self.fate.evidence_without_ring(window, period));
        evidence.variable_rate = self.assignment.camera.variable_rate;
        if self.assignment.window.over_at() < window.start_ns {
            // Stopped before it began: nothing was due.
            evidence.silence = None;
        }
        let Assignment { folder, plan, camera, lock, window } = self.assignment;
        let (asked, moments) = (self.asked, Arc::from([plan.trigger_ns]));
        Footage { folder, plan, camera, evidence, asked, window, moments, _lock: lock }
    }
}

impl Stage {
    fn recording(next: u64, next_part_is: PartReason) -> Self {
        Self::Recording(Recording::from(next, next_part_is))
    }
}

#[cfg(test)]
mod tests;
