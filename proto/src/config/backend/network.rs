//! The keys that cameras in a network share: the URL, and the login to it. No backend; [`super::mjpeg`] and [`super::rtsp`]
//! are.

use std::path::PathBuf;

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::Key;
use crate::secret::Secret;
use crate::source::{CameraUrl, Scheme};

pub(super) static URL: Key<String> =
    Key::text("url", "camera's URL").such_as("http://camera/stream").required().own();
pub(super) static USER: Key<String> = Key::text("user", "user's name").such_as("viewer");
pub(super) static PASSWORD_FILE: Key<String> =
    Key::text("password_file", "file's path").such_as("/etc/preroll/camera-password");

/// The values of these keys.
pub(super) struct NetworkCamera {
    pub(super) url: Secret,
    pub(super) user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

impl NetworkCamera {
    /// Checks the keys of one camera whose URL has this scheme.
    pub(super) fn check(checker: &Checker<'_>, camera: &Camera<'_>, scheme: Scheme) -> Result<Self, Mistake> {
        let name = camera.name;
        let Some(typed) = camera.get(&URL) else {
            let message = format!("url: camera {name} needs its URL, url: {}://HOST/PATH", scheme.name());
            return checker.wrong(camera.here, message);
        };
        let url = checker.text(&typed, URL.row.name)?;
        let parsed = CameraUrl::parse(scheme, &url)
            .or_else(|why| checker.wrong(typed.at, format!("url: camera {name}: {why}")))?;
        let (user, file) = (camera.get(&USER), camera.get(&PASSWORD_FILE));
        let missing = match (&user, &file) {
            (Some(user), None) => {
                Some((user.at, "user: needs password_file too, the file that holds the password"))
            }
            (None, Some(file)) => {
                Some((file.at, "password_file: needs user too, the user whose password it holds"))
            }
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
        Ok(Self {
            url: url.into(),
            user: user.map(|user| checker.text(&user, USER.row.name)).transpose()?,
            password_file: file.map(|file| checker.path(&file, PASSWORD_FILE.row.name)).transpose()?,
        })
    }
}
