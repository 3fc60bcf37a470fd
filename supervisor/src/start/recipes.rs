//! The command lines of an instance's children.

use std::path::{Path, PathBuf};

use proto::config::{CameraConfig, Config};
use proto::log::LogFormat;
use proto::name::Name;
use proto::process::Pid;

use crate::child::recipe::Recipe;
use crate::failure::Failure;
use crate::programs::{self, executable};

/// The command line of each child.
pub(super) struct Recipes {
    captures: Vec<(Name, Recipe)>,
    pub(super) recorder: Recipe,
    pub(super) standby: Option<Recipe>,
}

impl Recipes {
    /// A missing executable is found out before anything is started.
    pub(super) fn find(config: &Config, runtime_dir: &Path, log: LogFormat) -> Result<Self, Failure> {
        let recipe = |program: PathBuf, more: &[&str]| {
            let runtime_dir = runtime_dir.display().to_string();
            let own_pid = Pid::this().to_string();
            let common = ["--runtime-dir", &runtime_dir, "--log-format", log.name(), "--parent", &own_pid];
            let args = common.iter().chain(more).map(|arg| (*arg).to_owned()).collect();
            Recipe { program, args }
        };
        let capture = |camera: &CameraConfig| {
            let name = camera.backend.executable();
            // Of one that this build lacks the camera says so, as often as it is tried.
            let program = programs::of_camera(name)?.or_else(|_| programs::place_of(name))?;
            Ok((camera.name.clone(), recipe(program, &["--camera", camera.name.as_str()])))
        };
        let recorder = executable("recorder")?;
        let standby = config.recording.standby_recorder.then(|| recipe(recorder.clone(), &["--standby"]));
        Ok(Self {
            captures: config.cameras.iter().map(capture).collect::<Result<_, Failure>>()?,
            recorder: recipe(recorder, &[]),
            standby,
        })
    }

    pub(super) fn of_capture(&self, camera: &Name) -> Option<&Recipe> {
        self.captures.iter().find(|(name, _)| name == camera).map(|(_, recipe)| recipe)
    }
}
