//! The live cameras that need no library: each opened by its own module, through a [`crate::reopening::Reopening`]. Cameras
//! that need one are modules of executables of their own.

use proto::config::Backend;

use crate::mjpeg;
use crate::pipe;
use crate::sim::SimulatedCamera;
use crate::source::{CameraSetup, Source, SourceError};
use crate::v4l2;

/// Opens a live camera.
///
/// # Errors
/// When the config's camera belongs to another executable.
pub fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
    match &setup.camera.backend {
        Backend::Sim(sim) => Ok(SimulatedCamera::reopening(setup, sim)),
        Backend::V4l2(config) => Ok(v4l2::reopening(setup, config)),
        Backend::Mjpeg(config) => Ok(mjpeg::reopening(setup, config)),
        Backend::Pipe(config) => Ok(pipe::reopening(setup, config)),
        other => Err(SourceError::WrongBackend { opens: "live", configured: other.name() }),
    }
}
