//! The part of the statistics that the loop alone knows. The loop makes a [`View`] and publishes it; nobody else
//! looks into a [`Child`].

use std::sync::Arc;
use std::time::Instant;

use proto::codec::EncoderChoice;
use proto::config::{Backend, ClipMode};
use proto::instance::ChildId;
use proto::messages::{CameraState, RecorderBeat};
use proto::process::Pid;
use proto::ring::Ring;
use proto::stats::TransportStats;
use proto::status::{CameraStatus, InstanceState, ProcessRole, ProcessState};

use crate::child::running::Running;
use crate::child::{Child, Life};
use crate::health::Reason;
use crate::watch::Camera;

/// The loop's knowledge at one moment.
pub(crate) struct View {
    pub(crate) state: InstanceState,
    /// Everything that is wrong.
    pub(crate) troubles: Vec<Reason>,
    /// In the config's order.
    pub(crate) cameras: Vec<CameraView>,
    /// All children.
    pub(crate) processes: Vec<ProcessView>,
    /// The encoder in use, once it is known.
    pub(crate) encoder: Option<EncoderChoice>,
    /// The recorder's last report.
    pub(crate) recorder: RecorderBeat,
    /// The most memory that the backlog may take.
    pub(crate) backlog_bytes: u64,
    /// The frames a second that the recorder encodes just now, all cameras together; `None` while that isn't known.
    pub(crate) encoded_per_s: Option<f64>,
    /// Orders that were given to it again.
    pub(crate) orders_resent: u64,
}

/// A camera.
pub(crate) struct CameraView {
    pub(crate) name: String,
    pub(crate) status: CameraStatus,
    pub(crate) reason: Option<String>,
    /// The config's rate.
    pub(crate) nominal_fps: f64,
    /// The config's word on compressed frames.
    pub(crate) clip: ClipMode,
    /// A film may show one picture for a while, and then no frame is due.
    pub(crate) may_stand_still: bool,
    pub(crate) ring: Arc<Ring>,
    /// The number of times that the ring had to be made anew.
    pub(crate) rebuilt: u64,
    /// The way that its frames come by.
    pub(crate) transport: Option<TransportStats>,
}

/// A process.
#[derive(Clone)]
pub(crate) struct ProcessView {
    pub(crate) role: ProcessRole,
    pub(crate) camera: Option<String>,
    pub(crate) pid: Option<Pid>,
    pub(crate) state: ProcessState,
    pub(crate) restarts: u64,
    pub(crate) last_exit: Option<String>,
    /// The beginning of its present life.
    pub(crate) since: Option<Instant>,
}

impl CameraView {
    pub(crate) fn of(camera: &Camera) -> Self {
        let (status, reason) = camera.status();
        Self {
            name: camera.name().to_string(),
            status,
            reason,
            nominal_fps: camera.config.fps.as_f64(),
            clip: camera.config.clip,
            may_stand_still: matches!(camera.config.backend, Backend::File(_)),
            ring: camera.ring.ring(),
            rebuilt: camera.ring.rebuilt(),
            transport: camera.capture.transport,
        }
    }
}

impl ProcessView {
    pub(crate) fn of(child: &Child) -> Self {
        let (role, camera) = match &child.id {
            ChildId::Capture(camera) => (ProcessRole::Capture, Some(camera.to_string())),
            ChildId::Recorder => (ProcessRole::Recorder, None),
            ChildId::Standby => (ProcessRole::Standby, None),
        };
        let is_standby = child.id == ChildId::Standby;
        let state = match &child.life {
            Life::Running(running) if running.warm && is_standby => ProcessState::Warm,
            Life::Running(running) if running.orders.is_some() => ProcessState::Running,
            Life::Running(_) => ProcessState::Starting,
            Life::Waiting { .. } => ProcessState::Waiting,
            Life::Ended => ProcessState::Ended,
        };
        Self {
            role,
            camera,
            pid: child.running().map(Running::pid),
            state,
            restarts: child.record.restarts,
            last_exit: child.last_exit.clone(),
            since: child.running().map(|r| r.since),
        }
    }
}

/// The status of a camera, its capture's life included, and what is wrong with it.
pub(crate) fn camera_status(capture: &Child) -> (CameraStatus, Option<String>) {
    match (&capture.life, &capture.camera) {
        (Life::Ended, _) | (Life::Running(_), CameraState::Ended) => (CameraStatus::Ended, None),
        (_, CameraState::Failed(why)) => (CameraStatus::Failed, Some(why.clone())),
        (Life::Waiting { .. }, _) => (CameraStatus::Restarting, capture.last_exit.clone()),
        (Life::Running(_), CameraState::Opening) => (CameraStatus::Starting, None),
        (Life::Running(_), CameraState::Live) => (CameraStatus::Live, None),
        (Life::Running(_), CameraState::Frozen { black }) => {
            let what = if *black { "the same black picture" } else { "the same picture" };
            (CameraStatus::Frozen, Some(format!("{what} again and again")))
        }
        (Life::Running(_), CameraState::Silent) => {
            (CameraStatus::Silent, Some("no frames from the camera".into()))
        }
    }
}
