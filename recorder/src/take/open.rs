//! The beginning of a take's part: an encoder is opened, and the files of its packets.

use std::path::Path;

use proto::codec::EncoderChoice;
use proto::frame::FrameInfo;
use proto::storage;
use proto::time::MonotonicNs;

use super::failure::PartError;
use crate::assignment::Assignment;
use crate::disk;
use crate::encode::EncoderSetup;
use crate::evidence::{Fate, First};
use crate::feed::Feed;
use crate::journal::{PartHeader, PartReason};
use crate::track::TrackWriter;
use crate::video_time::video_base;

/// The header of a part whose first frame is `frame`.
pub(super) fn header(
    choice: EncoderChoice,
    fate: &Fate,
    begun_because: PartReason,
    frame: &FrameInfo,
    window_start: MonotonicNs,
) -> PartHeader {
    let first = fate.first.unwrap_or(First { sequence: frame.sequence, previous: None });
    PartHeader {
        choice,
        base_ns: video_base(fate.written.first().unwrap_or(*frame).t_capture, window_start),
        begun_because,
        first_sequence: first.sequence,
        previous: first.previous,
    }
}

/// Opens the feed with the header's encoder, and the files of a part for its packets.
pub(super) fn open_track(
    assignment: &Assignment,
    partial: &Path,
    header: PartHeader,
    quality: u8,
    feed: &mut Feed,
) -> Result<TrackWriter, PartError> {
    let unwritable = |source| PartError::Disk { path: partial.to_owned(), source };
    disk::ask(|| storage::no_link_to(&assignment.folder)).map_err(|e| unwritable(e.into()))?;
    let camera = &assignment.camera;
    let path = TrackWriter::next_path(partial, camera).map_err(unwritable)?;
    let choice = header.choice.clone();
    let encoder = choice.encoder.clone();
    let setup =
        EncoderSetup { choice, geometry: camera.geometry, fps: camera.fps, quality, picture: camera.picture };
    let parameters =
        feed.open(&setup).map_err(|source| PartError::Encoder { encoder: encoder.clone(), source })?;
    TrackWriter::create(&path, header, camera.fps, parameters, feed.media())
        .map_err(|e| PartError::of_file(e, &path, &encoder))
}
