//! One camera of a running instance: its config, its ring and its capture process, in one place.

use std::sync::Arc;
use std::time::Instant;

use proto::config::CameraConfig;
use proto::instance::ChildId;
use proto::name::Name;
use proto::status::CameraStatus;

use crate::child::Child;
use crate::child::recipe::Recipe;
use crate::inflow::InflowWatch;
use crate::rings::CameraRing;
use crate::statistics::view::camera_status;

/// A camera.
pub(crate) struct Camera {
    pub(crate) config: Arc<CameraConfig>,
    pub(crate) ring: Box<dyn CameraRing>,
    pub(crate) capture: Child,
    pub(crate) inflow: InflowWatch,
}

impl Camera {
    pub(crate) fn new(
        config: Arc<CameraConfig>,
        ring: Box<dyn CameraRing>,
        recipe: Recipe,
        now: Instant,
    ) -> Self {
        let id = ChildId::Capture(config.name.clone());
        let capture = Child::new(id, recipe, config.fps.period(), now);
        let inflow = InflowWatch::new(config.fps.period(), now);
        Self { config, ring, capture, inflow }
    }

    /// The camera's status, and what is wrong with it. A camera from which nothing comes into its ring is not live,
    /// whatever its capture says.
    pub(crate) fn status(&self) -> (CameraStatus, Option<String>) {
        match (camera_status(&self.capture), self.inflow.standstill()) {
            ((CameraStatus::Live, _), Some(why)) => (CameraStatus::Silent, Some(why.to_owned())),
            (as_said, _) => as_said,
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.config.name
    }
}
