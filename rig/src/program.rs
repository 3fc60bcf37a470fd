//! The executables of Preroll. Nothing is searched for: they are built into one folder.

use std::path::PathBuf;

use anyhow::{Context, ensure};

/// An executable that was built with this one.
///
/// # Errors
/// When it is missing: Cargo builds only what a package names.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this executable lies in no folder")?;
    // Tests lie in `deps`, one folder below the executables.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    ensure!(path.is_file(), "{} is missing: run `make build`, or `make test` for the tests", path.display());
    Ok(path)
}
