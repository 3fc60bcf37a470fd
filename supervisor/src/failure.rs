//! A command that failed: its exit code, and the sentence that a person reads.

use std::fmt::Display;
use std::path::PathBuf;

use proto::exit;
use proto::refusal::Refusal;

use crate::invoked;

/// A command that was not done. The text says what was attempted, what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An argument or the config can't be followed. Nothing was done.
    #[error("{0}")]
    BadInput(String),
    /// The attempt failed.
    #[error("{0}")]
    Failed(String),
    /// A file system gave no answer in time. It may give one later.
    #[error("{0}")]
    NoAnswer(String),
    /// The supervisor refused the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No supervisor holds this runtime directory.
    #[error("no supervisor is running in {}; start one with: {} start --config FILE", dir.display(), invoked::name())]
    NotRunning { dir: PathBuf },
    /// A clip is finished, and lacks something.
    #[error("{0}")]
    Incomplete(String),
    /// The time that the command was to wait is over.
    #[error("{0}")]
    TimedOut(String),
}

impl Failure {
    /// See [`Failure::BadInput`].
    pub(crate) fn bad_input(message: impl Display) -> Self {
        Self::BadInput(message.to_string())
    }

    /// See [`Failure::Failed`].
    pub(crate) fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// The code that the program ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::BadInput(_) => exit::BAD_INPUT,
            Self::Failed(_) | Self::NoAnswer(_) => exit::FAILED,
            Self::Refused(refusal) => refusal.exit_code(),
            Self::NotRunning { .. } => exit::NOT_RUNNING,
            Self::Incomplete(_) => exit::INCOMPLETE,
            Self::TimedOut(_) => exit::TIMED_OUT,
        }
    }
}
