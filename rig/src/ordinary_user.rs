//! A program run again as an ordinary user. Root's recorders run at a niceness that lets them go before other programs, which
//! an ordinary user's can't.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::Context;

/// The user `nobody` of nearly every Linux, who owns nothing.
const NOBODY: u32 = 65534;

/// Runs this program with other arguments and `--output`, as an ordinary user if this is root. `None` if it isn't: the caller
/// is an ordinary user itself. What was written to the output is copied to `output`.
///
/// # Errors
/// When that user can't run this program, or the output can't be copied.
pub fn run_again(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    output: Option<&Path>,
) -> anyhow::Result<Option<ExitStatus>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let folder = tempfile::Builder::new().prefix("preroll-nobody-").tempdir()?;
    chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
    let results = folder.path().join("results.json");
    let program = std::env::current_exe()?;
    let mut command = Command::new(&program);
    command.args(arguments).arg("--output").arg(&results);
    // Temporary folders of its own: root's can't be written to. The current folder stays, for arguments may be relative paths.
    command.env("TMPDIR", folder.path()).env("HOME", folder.path());
    // std drops the supplementary groups with the user.
    command.gid(NOBODY).uid(NOBODY);
    let status = command.status().with_context(|| {
        format!(
            "{} can't be run by user {NOBODY}; put the build where every user may read it",
            program.display()
        )
    })?;
    if let Some(output) = output.filter(|_| results.exists()) {
        std::fs::copy(&results, output).with_context(|| output.display().to_string())?;
    }
    Ok(Some(status))
}
