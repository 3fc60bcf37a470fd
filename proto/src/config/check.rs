//! From what was typed to what is meant: the file as a whole. A camera's own checks are in [`super::camera`] and in its
//! backend's file, those of `recording` in [`super::recording`], those that they share in [`super::checker`].

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::access::{self, TypedAccess};
use super::camera::{self, TypedCamera};
use super::checker::Checker;
use super::key::{Key, Table};
use super::recording::{self, RecordingConfig, TypedRecording};
use super::value::Mapping;
use super::{CameraConfig, Config, Mistake, ValueOf};
use crate::name::Name;

/// A frame's stamp has one byte for the camera's index.
const MAX_CAMERAS: usize = 256;

static RIG: Key<String> = Key::text("rig", "name").such_as("pitch-2").or_words("the host's name");
static CAMERA: Key<Mapping> = Key::mapping("camera", &camera::TABLE, "{ fps: 60 }");
static CAMERAS: Key<Mapping> = Key::list("cameras", "[{ name: left, backend: sim }]").required();
static RECORDING: Key<Mapping> = Key::mapping("recording", &recording::TABLE, "{ output_dir: recordings }");
static ACCESS: Key<Mapping> = Key::mapping("access", &access::TABLE, "{ clips_group: video }");
/// The keys of the whole file.
pub(super) static TABLE: Table =
    Table::new(&[&[&RIG.row, &CAMERA.row, &CAMERAS.row, &RECORDING.row, &ACCESS.row]]);

/// The file as it was typed. Its keys are those of [`TABLE`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedConfig {
    rig: Option<Spanned<String>>,
    #[serde(default)]
    camera: TypedCamera,
    pub(super) cameras: Spanned<Vec<Spanned<TypedCamera>>>,
    #[serde(default)]
    pub(super) recording: TypedRecording,
    #[serde(default)]
    access: TypedAccess,
}

pub(super) fn config(path: &Path, text: &str) -> Result<Config, Mistake> {
    let typed: TypedConfig = serde_saphyr::from_str(text).map_err(|e| Mistake::syntax(path, text, &e))?;
    let checker = Checker { path, text };
    let recording = checker.recording(&typed.recording.0)?;
    let cameras = checker.cameras(&typed, &recording)?;
    let access = checker.access(&typed.access.0)?;
    let rig = match typed.rig {
        Some(rig) => checker.name(&rig.into(), "rig")?,
        None => Name::of_host(),
    };
    Ok(Config { source: path.to_owned(), rig, cameras, recording, access })
}

impl Checker<'_> {
    fn cameras(
        &self,
        typed: &TypedConfig,
        recording: &RecordingConfig,
    ) -> Result<Vec<CameraConfig>, Mistake> {
        let list = &typed.cameras.value;
        if list.is_empty() {
            return self.wrong(typed.cameras.referenced, "cameras: there must be at least one");
        }
        if list.len() > MAX_CAMERAS {
            return self.wrong(typed.cameras.referenced, format!("cameras: at most {MAX_CAMERAS}"));
        }
        self.defaults(&typed.camera.0)?;
        let mut cameras = Vec::new();
        let mut seen: HashMap<Name, Location> = HashMap::new();
        for (index, entry) in list.iter().enumerate() {
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            let camera = self.camera(&entry.value.0, &typed.camera.0, entry.referenced, index)?;
            let at = entry.value.0.place("name").unwrap_or(entry.referenced);
            if let Some(first) = seen.insert(camera.name.clone(), at) {
                let message = format!(
                    "name: there is a camera {} already, on line {}; each needs its own",
                    camera.name,
                    first.line()
                );
                return self.wrong(at, message);
            }
            if recording.ring_spec(&camera).is_none() {
                let &RecordingConfig { pre_roll_ms, late_ms, .. } = recording;
                let late = if late_ms > 0 { format!(" with late_ms {late_ms}") } else { String::new() };
                let message = format!(
                    "camera {}: a pre-roll of {pre_roll_ms} ms{late} at {} fps is more frames than any ring can hold",
                    camera.name, camera.fps
                );
                return self.wrong(at, message);
            }
            cameras.push(camera);
        }
        Ok(cameras)
    }
}

/// The place of a key's value in the text, for a mistake that shows only when the config is tried out. `None` when the
/// key isn't typed there, or the text is no longer the one that was checked.
pub(super) fn place(text: &str, value: ValueOf<'_>) -> Option<Location> {
    let typed: TypedConfig = serde_saphyr::from_str(text).ok()?;
    let camera = |name: &Name| typed.cameras.value.iter().find(|c| c.value.is_named(name));
    match value {
        ValueOf::Source(name) => camera::place_of_source(&camera(name)?.value),
        ValueOf::Camera(name) => camera(name).map(|camera| camera.referenced),
        ValueOf::Cameras => Some(typed.cameras.referenced),
        ValueOf::PreRoll => typed.recording.0.place("pre_roll_ms"),
        ValueOf::OutputDir => typed.recording.0.place("output_dir"),
        ValueOf::ClipsGroup => typed.access.0.place("clips_group"),
        ValueOf::ControlGroup => typed.access.0.place("control_group"),
        ValueOf::RingsGroup => typed.access.0.place("rings_group"),
    }
}
