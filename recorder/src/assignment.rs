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
use crate::open_window::{ClosedWindow, OpenWindow};

/// The part of a clip that a worker is to record.
pub(crate) struct Assignment {
    pub(crate) folder: PathBuf,
    pub(crate) plan: Arc<Plan>,
    pub(crate) camera: PlannedCamera,
    /// Kept until the clip is finished.
    pub(crate) lock: Arc<ClipLock>,
    /// The clip's window, which all of its cameras share.
    pub(crate) window: Arc<OpenWindow>,
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
#[derive(Clone)]
pub(crate) struct Footage {
    pub(crate) folder: PathBuf,
    pub(crate) plan: Arc<Plan>,
    pub(crate) camera: PlannedCamera,
    pub(crate) evidence: Evidence,
    /// The config's word on compressed frames.
    pub(crate) asked: ClipMode,
    /// The clip's window, which all of its cameras share.
    pub(crate) window: Arc<OpenWindow>,
    /// The moments of the clip's triggers, in order, once the window is closed.
    pub(crate) moments: Arc<[MonotonicNs]>,
    /// Kept until the clip is finished.
    pub(crate) _lock: Arc<ClipLock>,
}

impl Footage {
    /// Takes on the window that the clip was closed with. A take whose ring was gone has ended before that.
    pub(crate) fn close(&mut self, window: &ClosedWindow) {
        self.evidence.window.end_ns = window.recorded.end_ns;
        self.moments = window.moments();
    }
}
