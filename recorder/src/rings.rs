//! Opening the rings of the config's cameras.

use std::sync::Arc;

use proto::config::{CameraConfig, Config};
use proto::instance::RuntimeDir;
use proto::ring::Ring;

/// Opens every camera's ring. One that can't be opened is logged, and tried again when the supervisor has made it anew.
pub(crate) fn open_rings(config: &Config, dir: &RuntimeDir) -> Vec<Option<Arc<Ring>>> {
    let open = |camera: &CameraConfig| {
        let ring = Ring::open(&dir.segment(&camera.name));
        ring.map_err(|e| {
            tracing::error!(
                camera = camera.name.as_str(),
                "camera {}: its ring can't be opened: {e}",
                camera.name
            )
        })
        .ok()
    };
    config.cameras.iter().map(open).collect()
}
