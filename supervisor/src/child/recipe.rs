//! The recipe of a child: its program and the arguments. The list of children is made at the start.

use std::path::PathBuf;

/// The command line of a child.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}
