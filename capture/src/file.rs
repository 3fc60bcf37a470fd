//! A video file as a camera: decoded by libav, paced by its own timestamps.

use crate::source::{Site, Source, SourceError};

/// A video file.
pub struct VideoFile;

impl VideoFile {
    /// Opens the file of this site.
    ///
    /// # Errors
    /// When it is not there, not a video, or of another size than the config's.
    pub fn open(site: &Site) -> Result<Box<dyn Source>, SourceError> {
        Err(SourceError::Config(format!("{}: not built yet", site.camera.name)))
    }
}
