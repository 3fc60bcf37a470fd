//! `backend: mjpeg`: a camera that sends Motion JPEG over HTTP.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::Row;
use super::BackendConfig;
use super::network::{NetworkCamera, PASSWORD_FILE, URL, USER};
use crate::clip::CaptureTime;
use crate::frame::Payload;
use crate::secret::Secret;
use crate::source::Scheme;

/// The keys of a camera that sends Motion JPEG over HTTP.
pub(super) static KEYS: &[&Row] = &[&URL.row, &USER.row, &PASSWORD_FILE.row];

/// A camera that sends Motion JPEG over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MjpegConfig {
    /// An `http://` URL, which [`CameraUrl::parse`](crate::source::CameraUrl::parse) takes. It may hold a user and a password.
    pub url: Secret,
    /// The user, when the URL names none.
    pub user: Option<String>,
    /// The file that holds the user's password and nothing else; read by [`crate::secret::Password::read`] whenever the
    /// camera is opened.
    pub password_file: Option<PathBuf>,
}

impl BackendConfig for MjpegConfig {
    const NAME: &'static str = "mjpeg";
    const EXECUTABLE: &'static str = "capture";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Arrival;
    const SOURCE_KEY: Option<&'static str> = Some("url");
    const IS_LIVE: bool = true;

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let NetworkCamera { url, user, password_file } =
            NetworkCamera::check(checker, camera, Scheme::Http)?;
        Ok((Self { url, user, password_file }, fps))
    }

    fn secret(&self) -> Option<&Secret> {
        Some(&self.url)
    }

    fn secret_mut(&mut self) -> Option<&mut Secret> {
        Some(&mut self.url)
    }

    fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    fn payload(&self) -> Payload {
        Payload::Jpeg
    }
}
