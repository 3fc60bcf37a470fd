//! A camera that OpenCV opens.

use crate::source::{Site, Source, SourceError};

/// A video file.
pub struct CvCamera;

impl CvCamera {
    /// Opens the file of this site.
    ///
    /// # Errors
    /// When it is not there, not a video, or of another size than the config's.
    pub fn open(site: &Site) -> Result<Box<dyn Source>, SourceError> {
        Err(SourceError::Config(format!("{}: not built yet", site.camera.name)))
    }
}
