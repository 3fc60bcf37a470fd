//! One camera's part of one clip, as it is handed from thread to thread: from the intake to a worker as an
//! [`Assignment`], from the worker to the finisher as [`Footage`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use proto::clip::{PARTIAL_DIR, Plan, PlannedCamera};
use proto::config::ClipMode;
use proto::frame::PictureTags;
use proto::time::MonotonicNs;

use crate::account::Evidence;
use crate::clip_lock::ClipLock;
use crate::frames::Frames;

/// The part of a clip that a worker is to record.
pub(crate) struct Assignment {
    pub(crate) folder: PathBuf,
    pub(crate) plan: Arc<Plan>,
    pub(crate) camera: PlannedCamera,
    /// Kept until the clip is finished.
    pub(crate) lock: Arc<ClipLock>,
    /// The moment at which an earlier Preroll was stopped in the clip. Nothing from after it belongs to the clip.
    pub(crate) stopped: Option<MonotonicNs>,
}

impl Assignment {
    /// The folder of its parts.
    pub(crate) fn partial(&self) -> PathBuf {
        self.folder.join(PARTIAL_DIR)
    }

    /// Takes what the pictures say of themselves from their ring, if the plan was made before there was a picture; and what
    /// decoded pictures say of their colours from their decoder.
    pub(crate) fn learn_tags(&mut self, frames: &dyn Frames) {
        let picture = &mut self.camera.picture;
        if *picture == PictureTags::default() {
            *picture = frames.picture_tags();
        }
        if let Some(decoded) = frames.decoded_tags() {
            let PictureTags { pixel_shape, rotation, fields, .. } = *picture;
            *picture = PictureTags { pixel_shape, rotation, fields, ..decoded };
        }
    }

    /// The clip's id, for a log line's field.
    pub(crate) fn clip_id(&self) -> &str {
        &self.plan.clip_id
    }

    /// The camera's name, for a log line's field.
    pub(crate) fn camera_name(&self) -> &str {
        self.camera.name.as_str()
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clip {}: camera {}", self.plan.clip_id, self.camera.name)
    }
}

/// A part of a clip whose window is over: its frames are in the partial folder, and this is the evidence for their account.
pub(crate) struct Footage {
    pub(crate) folder: PathBuf,
    pub(crate) plan: Arc<Plan>,
    pub(crate) camera: PlannedCamera,
    pub(crate) evidence: Evidence,
    /// The config's word on compressed frames.
    pub(crate) asked: ClipMode,
    pub(crate) ended_early: bool,
    /// Kept until the clip is finished.
    pub(crate) _lock: Arc<ClipLock>,
}
