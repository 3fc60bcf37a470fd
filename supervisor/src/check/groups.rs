//! A look at the groups that `access` lets in: whether they are there, this user may give files to them, and their members
//! come as far as that.

use std::path::Path;

use proto::access;
use proto::config::{Config, ValueOf};
use proto::instance::RuntimeDir;

use super::output_dir;
use crate::failure::Failure;

/// The numbers of the groups that are let in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Groups {
    pub(crate) clips: Option<u32>,
    pub(crate) control: Option<u32>,
    pub(crate) rings: Option<u32>,
}

impl Groups {
    /// Finds the config's groups.
    pub(crate) fn of(config: &Config) -> Result<Self, Failure> {
        let find = |group: &Option<String>, value, key| {
            let found = group.as_deref().map(access::find).transpose();
            found.map_err(|e| Failure::bad_input(config.mistake(value, format!("access.{key}: {e}"))))
        };
        let groups = &config.access;
        Ok(Self {
            clips: find(&groups.clips_group, ValueOf::ClipsGroup, "clips_group")?,
            control: find(&groups.control_group, ValueOf::ControlGroup, "control_group")?,
            rings: find(&groups.rings_group, ValueOf::RingsGroup, "rings_group")?,
        })
    }

    /// The warning about an output folder that the readers of clips can't come to.
    pub(crate) fn clips_warning(self, config: &Config) -> Option<String> {
        // The run folders below are opened to them.
        let run_folder = output_dir::plain(config).ok()?.join("run");
        unreachable("clips_group", self.clips?, &run_folder)
    }

    /// Lets those who give commands come to the control socket in the runtime directory.
    pub(crate) fn let_control_in(self, dir: &RuntimeDir) -> Result<(), Failure> {
        let Some(gid) = self.control else { return Ok(()) };
        dir.let_in(gid).map_err(|e| {
            Failure::failed(format!("can't let the group {gid} into {}: {e}", dir.path().display()))
        })?;
        if let Some(warning) = unreachable("control_group", gid, dir.path()) {
            tracing::warn!("{warning}");
        }
        Ok(())
    }
}

fn unreachable(key: &str, gid: u32, path: &Path) -> Option<String> {
    let closed = access::closed_on_the_way(path, gid)?;
    Some(format!(
        "access.{key}: {} lets the members of the group {gid} not pass, so they don't come to what is below; open it with: \
         chmod o+x {}",
        closed.display(),
        closed.display()
    ))
}
