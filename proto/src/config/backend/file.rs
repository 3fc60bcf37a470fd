//! `backend: file`: a video file as a camera.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::{Key, KeyOr, Row};
use super::{BackendConfig, PATH_EXAMPLE, PATH_WHAT, SCALE};
use crate::clip::CaptureTime;
use crate::source;

static PATH: Key<String> = Key::text("path", PATH_WHAT).such_as(PATH_EXAMPLE).required().own();
static LOOP: KeyOr<bool> = Key::flag("loop").or(false);
static REALTIME: KeyOr<bool> = Key::flag("realtime").or(true);
/// The keys of a film.
pub(super) static KEYS: &[&Row] = &[&PATH.row, &LOOP.row, &REALTIME.row, &SCALE.row];

/// A video file as a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
    /// Begin again at its end.
    pub looping: bool,
    /// At the pace of its own timestamps; otherwise as fast as it can be decoded.
    pub realtime: bool,
    /// Scale frames of another size to the config's. Otherwise they are an error.
    pub scale: bool,
}

impl BackendConfig for FileConfig {
    const NAME: &'static str = "file";
    const EXECUTABLE: &'static str = "capture-libav";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Device;
    const SOURCE_KEY: Option<&'static str> = Some("path");

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let Some(typed) = camera.get(&PATH) else {
            let message = format!("path: camera {} plays a file: name it, path: FILE", camera.name);
            return checker.wrong(camera.here, message);
        };
        let path = checker.path(&typed, "path")?;
        // A path ends up in argument lists and in messages; a URL may hold a password and must not get there.
        if source::is_file_url(&typed.value) && !path.is_file() {
            let message = format!(
                "path: camera {} plays a file, and this is a file's URL; write its path, without file://",
                camera.name
            );
            return checker.wrong(typed.at, message);
        }
        if let Some((what, placeholder)) = source::not_a_film(&typed.value).filter(|_| !path.is_file()) {
            let message = format!(
                "path: camera {} plays a file, and this is {what}; write backend: opencv and source: {placeholder}",
                camera.name
            );
            return checker.wrong(typed.at, message);
        }
        let config = Self {
            path,
            looping: camera.or_default(&LOOP),
            realtime: camera.or_default(&REALTIME),
            scale: camera.or_default(&SCALE),
        };
        Ok((config, fps))
    }
}
