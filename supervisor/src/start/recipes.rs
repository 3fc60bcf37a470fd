//! The command lines of an instance's children.

use std::path::Path;

use proto::config::{CameraConfig, Config};
use proto::log::LogFormat;
use proto::name::Name;
use proto::process::Pid;

use crate::child::recipe::Recipe;
use crate::failure::Failure;
use crate::programs::executable;

/// The command line of each child.
pub(super) struct Recipes {
    captures: Vec<(Name, Recipe)>,
    pub(super) recorder: Recipe,
    pub(super) standby: Option<Recipe>,
}

impl Recipes {
    /// A missing executable is found out before anything is started.
    pub(super) fn find(config: &Config, runtime_dir: &Path, log: LogFormat) -> Result<Self, Failure> {
        let recipe = |name: &str, more: &[&str]| {
            let runtime_dir = runtime_dir.display().to_string();
            let own_pid = Pid::this().to_string();
            let common = ["--runtime-dir", &runtime_dir, "--log-format", log.name(), "--parent", &own_pid];
            let args = common.iter().chain(more).map(|arg| (*arg).to_owned()).collect();
            Ok::<_, Failure>(Recipe { program: executable(name)?, args })
        };
        let capture = |camera: &CameraConfig| {
            let recipe = recipe(camera.backend.executable(), &["--camera", camera.name.as_str()])?;
            Ok((camera.name.clone(), recipe))
        };
        let standby = config.recording.standby_recorder.then(|| recipe("recorder", &["--standby"]));
        Ok(Self {
            captures: config.cameras.iter().map(capture).collect::<Result<_, Failure>>()?,
            recorder: recipe("recorder", &[])?,
            standby: standby.transpose()?,
        })
    }

    pub(super) fn of_capture(&self, camera: &Name) -> Option<&Recipe> {
        self.captures.iter().find(|(name, _)| name == camera).map(|(_, recipe)| recipe)
    }
}
