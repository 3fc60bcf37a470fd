//! One camera of a running instance: its config, its ring and its capture process, in one place.

use std::sync::Arc;
use std::time::Instant;

use proto::config::CameraConfig;
use proto::instance::ChildId;
use proto::name::Name;

use crate::child::Child;
use crate::child::recipe::Recipe;
use crate::rings::CameraRing;

/// A camera.
pub(crate) struct Camera {
    pub(crate) config: Arc<CameraConfig>,
    pub(crate) ring: Box<dyn CameraRing>,
    pub(crate) capture: Child,
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
        Self { config, ring, capture }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.config.name
    }
}
