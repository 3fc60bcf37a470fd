//! One camera of a running instance: its config, its ring and its capture process, in one place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::CameraConfig;
use proto::instance::ChildId;
use proto::name::Name;
use proto::status::CameraStatus;

use crate::child::Child;
use crate::child::recipe::Recipe;
use crate::child::running::Running;
use crate::health::absence::Absence;
use crate::health::{Reason, processes};
use crate::inflow::InflowWatch;
use crate::rings::CameraRing;
use crate::statistics::view::camera_status;

/// A live camera's first frame is waited for at the start no longer than this.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// A camera.
pub(crate) struct Camera {
    pub(crate) config: Arc<CameraConfig>,
    pub(crate) ring: Box<dyn CameraRing>,
    pub(crate) capture: Child,
    pub(crate) inflow: InflowWatch,
    /// Over all lives of its capture.
    pub(crate) absence: Absence,
    /// A probe asks the camera what it gives, or will.
    pub(super) is_asked: bool,
}

impl Camera {
    pub(crate) fn new(
        config: Arc<CameraConfig>,
        ring: Box<dyn CameraRing>,
        recipe: Recipe,
        now: Instant,
    ) -> Self {
        let id = ChildId::Capture(config.name.clone());
        let period = config.fps.period();
        let capture = Child::new(id, recipe, period, now);
        let inflow = InflowWatch::new(period, now);
        Self { config, ring, capture, inflow, absence: Absence::of_camera(period, now), is_asked: false }
    }

    /// Takes note of whether it is at work. Called before its next capture is started too: that begins without the last
    /// one's words.
    pub(super) fn note_absence(&mut self, now: Instant) {
        let (status, why) = self.present();
        let presence = processes::presence(status, why.as_deref(), self.capture.last_exit.as_deref());
        self.absence.note(presence, now);
    }

    /// The reason that it is for a person to look, if it is one.
    pub(super) fn reason(&self, now: Instant) -> Option<Reason> {
        let (status, why) = self.present();
        let keeps_ending = self.capture.record.keeps_ending();
        processes::camera(self.name().as_str(), (status, why.as_deref()), &self.absence, keeps_ending, now)
    }

    /// Is the instance still starting, for want of its first frame? A live camera may be silent for long, and is waited for no
    /// longer than a probe would be.
    pub(super) fn holds_up_the_start(&self, now: Instant) -> bool {
        let waits_for = |running: &Running| now.saturating_duration_since(running.since);
        let is_too_late = self.capture.running().is_some_and(|running| waits_for(running) >= FIRST_FRAME);
        let comes_up = self.capture.last_exit.is_none() && self.status().0.is_coming_up();
        comes_up && !(self.config.backend.is_live() && is_too_late)
    }

    /// The camera's status, and what is wrong with it; while it is tried again, what has kept it away.
    pub(crate) fn status(&self) -> (CameraStatus, Option<String>) {
        match self.present() {
            (CameraStatus::Starting, None) => {
                let error = self.absence.last_error();
                (CameraStatus::Starting, error.map(|error| format!("tried again; the last error: {error}")))
            }
            as_it_is => as_it_is,
        }
    }

    /// Its status and what is wrong with it, as of its present process. A camera from which nothing comes into its ring is not live,
    /// whatever its capture says; but of one whose frames come at no rate none is due.
    fn present(&self) -> (CameraStatus, Option<String>) {
        let standstill = self.inflow.standstill().filter(|_| !self.ring.ring().has_variable_rate());
        match (camera_status(&self.capture), standstill) {
            ((CameraStatus::Live, _), Some(why)) => (CameraStatus::Silent, Some(why.to_owned())),
            (as_said, _) => as_said,
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.config.name
    }
}
