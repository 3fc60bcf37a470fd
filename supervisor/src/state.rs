//! What the next supervisor has to know of this one: the run folder, and who the children are. Rewritten with every
//! change, read once at start.

use std::path::PathBuf;

use proto::codec::EncoderLadder;
use proto::durable;
use proto::instance::{ChildId, RuntimeDir, boot_id};
use proto::process::Pid;
use serde::{Deserialize, Serialize};

use crate::proc;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// Pids and rings mean nothing after a reboot.
    pub(crate) boot_id: String,
    /// Where clips go.
    #[serde(alias = "session")]
    pub(crate) run_folder: PathBuf,
    /// Who runs.
    pub(crate) children: Vec<SavedChild>,
    /// Which codecs work. When everything was killed, frames are ageing: it isn't the time to probe again.
    pub(crate) verdict: Option<EncoderLadder>,
}

/// One process. A pid alone may be somebody else's by now; with its start time it can't be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedChild {
    pub(crate) id: ChildId,
    pub(crate) pid: Pid,
    pub(crate) start_ticks: u64,
}

impl SavedChild {
    /// The process, if it is still the same one.
    pub(crate) fn alive(&self) -> Option<Pid> {
        let sign = proc::sign(self.pid)?;
        (sign.start_ticks == self.start_ticks && !sign.is_dead()).then_some(self.pid)
    }
}

/// What the last supervisor left, if it was in this boot and can be read.
pub(crate) fn load(dir: &RuntimeDir) -> Option<Saved> {
    let saved: Saved = serde_json::from_slice(&std::fs::read(dir.state_path()).ok()?).ok()?;
    (saved.boot_id == boot_id()).then_some(saved)
}

/// Keeps it.
pub(crate) fn save(dir: &RuntimeDir, saved: &Saved) {
    let written = serde_json::to_vec_pretty(saved)
        .map_err(Into::into)
        .and_then(|text| durable::replace(&dir.state_path(), &text));
    if let Err(e) = written {
        tracing::warn!(
            "can't keep {}: {e}; if this supervisor dies, its children can't be adopted",
            dir.state_path().display()
        );
    }
}
