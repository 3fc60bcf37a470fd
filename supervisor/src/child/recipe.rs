//! How a child is started: its program and what the program is told. Which children there are is decided at the start.

use std::path::PathBuf;

/// The command line of a child.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}
