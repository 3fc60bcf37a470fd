//! The beginning of a take's part: an encoder is opened, and the files of its packets.

use std::path::Path;

use proto::frame::{FrameFlags, FrameInfo};
use proto::storage;
use proto::time::MonotonicNs;

use super::failure::PartError;
use super::how::{How, Setup};
use super::place::Place;
use crate::assignment::Assignment;
use crate::disk;
use crate::evidence::{Fate, First};
use crate::feed::Feed;
use crate::journal::{PartHeader, PartReason};
use crate::track::TrackWriter;
use crate::video_time::video_base;

/// The header of a part whose first frame is `frame`.
pub(super) fn header(
    place: &Place,
    how: &How,
    fate: &Fate,
    begun_because: PartReason,
    frame: &FrameInfo,
    window_start: MonotonicNs,
) -> PartHeader {
    let first = fate.first.unwrap_or(First { sequence: frame.sequence, previous: None });
    let begins = fate.written.first().unwrap_or(*frame).t_capture;
    let is_start = frame.flags.contains(FrameFlags::KEY) || place.start() == Some(frame.sequence);
    PartHeader {
        choice: place.encoder().clone(),
        // Frames before the window have their own times, and players are told to begin behind them.
        base_ns: if how.is_verbatim() { begins } else { video_base(begins, window_start) },
        begun_because,
        first_sequence: first.sequence,
        previous: first.previous,
        copied_into: how.copied_into(),
        goes_on: place.copies_h264() && !is_start,
    }
}

/// Opens the feed with this setup, and the files of a part for its packets.
pub(super) fn open_track(
    assignment: &Assignment,
    partial: &Path,
    header: PartHeader,
    setup: Setup,
    feed: &mut Feed,
) -> Result<TrackWriter, PartError> {
    let unwritable = |source| PartError::Disk { path: partial.to_owned(), source };
    disk::ask(|| storage::no_link_to(&assignment.folder)).map_err(|e| unwritable(e.into()))?;
    let camera = &assignment.camera;
    let path = TrackWriter::next_path(partial, camera, &header).map_err(unwritable)?;
    let encoder = header.choice.encoder.clone();
    let parameters = match setup {
        Setup::Encode(setup) => {
            feed.open(&setup).map_err(|source| PartError::Encoder { encoder: encoder.clone(), source })?
        }
        Setup::Copy(setup) => feed.pass_on(setup),
    };
    TrackWriter::create(&path, header, camera.fps, parameters, feed.media())
        .map_err(|e| PartError::of_file(e, &path, &encoder))
}
