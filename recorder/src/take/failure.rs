//! Failures of a take: of the disk, after which it tries again unless its clip was removed, and of the encoder, after
//! which it goes on with another.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ffmpeg_next as ffmpeg;

use proto::clip::GapCause;
use proto::storage;
use proto::time::MonotonicNs;

use super::{Recording, Stage, Step, Take};
use crate::disk::{self, advice};
use crate::feed::{Feed, FeedError};
use crate::journal::PartReason;
use crate::media::WriteError;

/// The pause after a file couldn't be written for the second time in a row.
const DISK_PAUSE: Duration = Duration::from_millis(250);

/// Can the files be written?
pub(super) enum Files {
    Fine,
    /// Not at the moment.
    Troubled {
        again: MonotonicNs,
        why: String,
    },
}

/// The reason why a part can't go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error("can't write {}: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
    #[error("encoder {encoder} failed: {source}")]
    Encoder { encoder: String, source: ffmpeg::Error },
    #[error("encoder {encoder} failed: its first packet is no key frame")]
    NoKeyFrame { encoder: String },
}

impl PartError {
    pub(super) fn of_feed(error: FeedError, path: &Path, encoder: &str) -> Self {
        match error {
            FeedError::Reader(error) => Self::of_file(error, path, encoder),
            FeedError::Encoder(source) => Self::Encoder { encoder: encoder.to_owned(), source },
        }
    }

    /// A muxer that refuses a packet counts as a failure of the encoder that made it.
    pub(super) fn of_file(error: WriteError, path: &Path, encoder: &str) -> Self {
        match error {
            WriteError::Disk(source) => Self::Disk { path: path.to_owned(), source },
            WriteError::NoKeyFrame => Self::NoKeyFrame { encoder: encoder.to_owned() },
            WriteError::Libav(source) => Self::Encoder { encoder: encoder.to_owned(), source },
        }
    }
}

impl Take {
    /// The take's trouble with its files, for a person.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match &self.files {
            Files::Fine => None,
            Files::Troubled { why, .. } => Some(why),
        }
    }

    /// Stops writing, since the disk is as full as it may become. A part that was begun can still be ended in order.
    pub(super) fn stop_writing(&mut self, source: io::Error, feed: &mut Feed) -> Step {
        if let Err(e) = self.end_part(feed) {
            tracing::error!(
                clip = self.assignment.clip_id(),
                camera = self.assignment.camera_name(),
                "{}: {e}",
                self.assignment
            );
        }
        let path = self.assignment.folder.clone();
        self.recover(&PartError::Disk { path, source }, feed)
    }

    /// Gives the open part up after a failure, and finds the frame to go on with, and how.
    pub(super) fn recover(&mut self, error: &PartError, feed: &mut Feed) -> Step {
        let failed_at = self.next();
        let has_frames = matches!(&self.stage, Stage::Recording(recording) if recording.has_frames());
        if let Stage::Recording(recording) = &mut self.stage {
            recording.abandon_part(&mut self.fate, feed);
        }
        match error {
            // Another part can hold as many frames again. One that can't hold a single frame is no way to go on.
            PartError::Disk { source, .. } if has_frames && source.kind() == io::ErrorKind::FileTooLarge => {
                tracing::warn!(
                    clip = self.assignment.clip_id(),
                    camera = self.assignment.camera_name(),
                    "{}: {error}; going on in another part",
                    self.assignment
                );
                self.begin_next_part(PartReason::FileFull);
                Step::Moved
            }
            PartError::Disk { source, .. } => {
                let why = error.to_string();
                self.leave_if_removed(&why).unwrap_or_else(|| {
                    self.begin_next_part(PartReason::Disk);
                    self.pause(feed.now(), advice::with_advice(&why, source));
                    Step::Paused
                })
            }
            PartError::Encoder { .. } | PartError::NoKeyFrame { .. } => {
                self.step_down(error, failed_at);
                Step::Moved
            }
        }
    }

    /// Goes on with the next encoder. When there is none, gives up the frame at which the last one failed.
    pub(super) fn step_down(&mut self, error: &PartError, failed_at: u64) {
        if self.place.step_down() {
            let to = self.place.encoder();
            tracing::warn!(
                clip = self.assignment.clip_id(),
                camera = self.assignment.camera_name(),
                "{}: {error}; going on with {} ({})",
                self.assignment,
                to.codec,
                to.encoder
            );
            self.begin_next_part(PartReason::CodecChange);
            return;
        }
        tracing::error!(
            clip = self.assignment.clip_id(),
            camera = self.assignment.camera_name(),
            "{}: {error}, and no other encoder is left; a frame is given up",
            self.assignment
        );
        if let Stage::Recording(Recording { next, .. }) = &mut self.stage
            // Unless the frame at which it failed is in the file.
            && *next <= failed_at
        {
            self.fate.give_up(*next, *next + 1, GapCause::Encoder);
            *next += 1;
        }
    }

    pub(super) fn begin_next_part(&mut self, because: PartReason) {
        if let Stage::Recording(recording) = &mut self.stage {
            recording.next_part_is = because;
        }
    }

    /// Ends the take if a person has removed its clip. The backlog keeps frames as long as a clip needs them, and a removed
    /// one would need them for ever.
    pub(super) fn leave_if_removed(&mut self, error: &str) -> Option<Step> {
        disk::ask(|| storage::is_removed(&self.assignment.folder)).then(|| {
            tracing::warn!(
                clip = self.assignment.clip_id(),
                camera = self.assignment.camera_name(),
                "{}: its folder is gone, so no more of it is recorded: {error}",
                self.assignment
            );
            self.stage = Stage::Over;
            Step::Over
        })
    }

    pub(super) fn is_paused(&self, now: MonotonicNs) -> bool {
        matches!(self.files, Files::Troubled { again, .. } if now < again)
    }

    /// Leaves the files alone for a while after a failure. The pause counts from the failure's end: a disk that fails slowly
    /// would otherwise be tried again at once, each time, and the camera's other clips would wait for it. A first failure is
    /// tried again at once all the same: frames are ageing, and it may have been the only one.
    pub(super) fn pause(&mut self, failed: MonotonicNs, why: String) {
        let again = match &self.files {
            Files::Troubled { .. } => failed + DISK_PAUSE,
            Files::Fine => {
                tracing::error!(
                    clip = self.assignment.clip_id(),
                    camera = self.assignment.camera_name(),
                    "{}: {why}; trying again until it works",
                    self.assignment
                );
                failed
            }
        };
        self.files = Files::Troubled { again, why };
    }
}
