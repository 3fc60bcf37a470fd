//! `backend: opencv`: a source that OpenCV opens.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::{Key, Row};
use super::{BackendConfig, SCALE};
use crate::clip::CaptureTime;
use crate::secret::Secret;
use crate::source;

/// The values of `source`, for messages.
const SOURCES: &str = "a device's number or path, a URL, a GStreamer pipeline, numbered pictures or a file";

static SOURCE: Key<String> = Key::number_or_text("source", SOURCES).required().own();
/// The keys of a source that OpenCV opens.
pub(super) static KEYS: &[&Row] = &[&SOURCE.row, &SCALE.row];

/// A camera that OpenCV opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpencvConfig {
    /// A source as [`crate::source::SourceKind`] classifies it. A URL may hold a password.
    pub source: Secret,
    /// Scale frames of another size to the config's. Otherwise they are an error.
    pub scale: bool,
}

impl BackendConfig for OpencvConfig {
    const NAME: &'static str = "opencv";
    const EXECUTABLE: &'static str = "capture-opencv";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Arrival;
    const SOURCE_KEY: Option<&'static str> = Some("source");

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let Some(typed) = camera.get(&SOURCE) else {
            return checker.wrong(camera.here, format!("source: camera {} needs {SOURCES}", camera.name));
        };
        let source = checker.text(&typed, "source")?;
        // OpenCV would play it as fast as it can be read, as if it were a camera.
        if source::is_file_url(&source) && !Path::new(&source).is_file() {
            let message = format!(
                "source: camera {} names a file by a URL; write its path: source: PATH, or better backend: file and path: PATH",
                camera.name
            );
            return checker.wrong(typed.at, message);
        }
        let source = source.into();
        Ok((Self { source, scale: camera.or_default(&SCALE) }, fps))
    }

    fn secret(&self) -> Option<&Secret> {
        Some(&self.source)
    }

    fn secret_mut(&mut self) -> Option<&mut Secret> {
        Some(&mut self.source)
    }
}
