//! A look at who may read a config: one that holds a camera's password should be its owner's and its group's alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proto::config::{CameraConfig, Config};

/// Read permission for everybody.
const READ_BY_OTHERS: u32 = 0o004;

/// The warning about a config that shows a password to every user of the machine.
pub(crate) fn warning(config: &Config, path: &Path) -> Option<String> {
    let has_password =
        |camera: &&CameraConfig| camera.backend.secret().is_some_and(|secret| secret.has_password());
    let camera = config.cameras.iter().find(has_password)?;
    // A config that has gone since it was read shows nothing.
    let mode = path.metadata().ok()?.permissions().mode();
    let path = path.display();
    (mode & READ_BY_OTHERS != 0).then(|| {
        format!(
            "camera {}: its source holds a password, and every user of this machine can read it in {path}; \
             chmod o-r {path} takes that away",
            camera.name
        )
    })
}
