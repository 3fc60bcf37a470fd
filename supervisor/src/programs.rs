//! Where Preroll's other executables are found. Which of them a camera needs is said by its backend.

use std::path::PathBuf;

use crate::failure::Failure;

/// The path of a capture or of the recorder: beside the supervisor's own executable.
pub(crate) fn executable(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|e| Failure::failed(format!("can't find the supervisor's own executable: {e}")))?;
    let path = own.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::failed(format!("{} is missing; build all of Preroll (make build)", path.display())))
}
