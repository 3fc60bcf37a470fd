//! The measurement as an ordinary user. Root's recorders run at a niceness that lets them go before other programs, which
//! an ordinary user's can't.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::Plan;

/// The user `nobody` of nearly every Linux, who owns nothing.
const NOBODY: u32 = 65534;

/// Has this program measure again as an ordinary user, if this is root. False if it isn't: the caller measures itself.
///
/// # Errors
/// When that user can't run this program, or the measurement fails.
pub fn as_ordinary_user(plan: &Plan, output: Option<&Path>) -> anyhow::Result<bool> {
    if !rustix::process::geteuid().is_root() {
        return Ok(false);
    }
    let folder = tempfile::Builder::new().prefix("overload-").tempdir()?;
    chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
    let results = folder.path().join("results.json");
    let program = std::env::current_exe()?;
    let mut command = Command::new(&program);
    command.args(plan.arguments()).arg("--output").arg(&results);
    // Temporary folders of its own: root's can't be written to.
    command.current_dir(folder.path()).env("TMPDIR", folder.path()).env("HOME", folder.path());
    // std drops the supplementary groups with the user.
    command.gid(NOBODY).uid(NOBODY);
    let status = command.status().with_context(|| {
        format!(
            "{} can't be run by user {NOBODY}; put the build where every user may read it",
            program.display()
        )
    })?;
    ensure!(status.success(), "the measurement failed ({status})");
    if let Some(output) = output {
        std::fs::copy(&results, output).with_context(|| output.display().to_string())?;
    }
    Ok(true)
}
