//! The head of every result file: the version and the kind, by which `benchmark report` tells files apart, and the machine.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// The version of all result files.
pub const SCHEMA: u32 = 1;

/// The fields that stand first in every result file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The measurement's name, as on the command line. The first `run` files had none.
    #[serde(default)]
    pub kind: String,
    /// The machine that was measured on, as it was when the measurement began.
    pub machine: Machine,
}

impl Head {
    /// Begins a measurement of this kind, on this machine.
    #[must_use]
    pub fn begin(kind: &str) -> Self {
        Self { schema: SCHEMA, kind: kind.to_owned(), machine: Machine::here() }
    }
}
