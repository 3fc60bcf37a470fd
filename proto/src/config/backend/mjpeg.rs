//! `backend: mjpeg`: a camera that sends Motion JPEG over HTTP.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::{Key, Row};
use super::BackendConfig;
use crate::clip::CaptureTime;
use crate::frame::Payload;
use crate::secret::Secret;
use crate::source::HttpUrl;

static URL: Key<String> = Key::text("url", "camera's URL").such_as("http://camera/stream").required().own();
static USER: Key<String> = Key::text("user", "user's name").such_as("viewer");
static PASSWORD_FILE: Key<String> =
    Key::text("password_file", "file's path").such_as("/etc/preroll/camera-password");
/// The keys of a camera that sends Motion JPEG over HTTP.
pub(super) static KEYS: &[&Row] = &[&URL.row, &USER.row, &PASSWORD_FILE.row];

/// A camera that sends Motion JPEG over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MjpegConfig {
    /// An `http://` URL, which [`HttpUrl::parse`] takes. It may hold a user and a password.
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
        let name = camera.name;
        let Some(typed) = camera.get(&URL) else {
            return checker.wrong(camera.here, format!("url: camera {name} needs its URL, url: http://HOST/PATH"));
        };
        let url = checker.text(&typed, URL.row.name)?;
        let parsed = HttpUrl::parse(&url).or_else(|why| checker.wrong(typed.at, format!("url: camera {name}: {why}")))?;
        let (user, file) = (camera.get(&USER), camera.get(&PASSWORD_FILE));
        let missing = match (&user, &file) {
            (Some(user), None) => Some((user.at, "user: needs password_file too, the file that holds the password")),
            (None, Some(file)) => Some((file.at, "password_file: needs user too, the user whose password it holds")),
            (Some(user), Some(_)) if parsed.login.is_some() => {
                Some((user.at, "user: the URL names a user already; take one of the two out"))
            }
            _ => None,
        };
        if let Some((at, why)) = missing {
            return checker.wrong(at, why);
        }
        if let Some(user) = user.as_ref().filter(|user| user.value.contains([':', '\r', '\n'])) {
            return checker.wrong(user.at, "user: no name of a user holds a colon or a line's end");
        }
        Ok((
            Self {
                url: url.into(),
                user: user.map(|user| checker.text(&user, USER.row.name)).transpose()?,
                password_file: file.map(|file| checker.path(&file, PASSWORD_FILE.row.name)).transpose()?,
            },
            fps,
        ))
    }

    fn secret(&self) -> Option<&Secret> {
        Some(&self.url)
    }

    fn secret_mut(&mut self) -> Option<&mut Secret> {
        Some(&mut self.url)
    }

    fn payload(&self) -> Payload {
        Payload::Jpeg
    }
}
