//! `state.json`: the run folder, the children and the encoders of this supervisor, for the next one. Rewritten with every
//! change, read once at start.

use std::path::PathBuf;

use proto::durable;
use proto::instance::{ChildId, RuntimeDir, boot_id};
use proto::ladder::Ladders;
use proto::opened;
use proto::process::Pid;
use serde::{Deserialize, Serialize};

use crate::child::proc;

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// Pids and rings mean nothing after a reboot.
    pub(crate) boot_id: String,
    /// The folder that clips go to.
    #[serde(alias = "session")]
    pub(crate) run_folder: PathBuf,
    /// The processes that run.
    pub(crate) children: Vec<SavedChild>,
    /// Each camera's encoder ladder. After everything was killed frames are ageing, so codecs are not probed again. An older
    /// version's document has none, and they are.
    #[serde(default)]
    pub(crate) ladders: Option<Ladders>,
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

/// Reads the last supervisor's document; `None` when it is of another boot or can't be read.
pub(crate) fn load(dir: &RuntimeDir) -> Option<Saved> {
    let saved: Saved = serde_json::from_slice(&opened::read(&dir.state_path()).ok()?).ok()?;
    (saved.boot_id == boot_id()).then_some(saved)
}

/// Says whether this supervisor's children are to outlive it: see [`proto::parent`].
pub(crate) fn settle(dir: &RuntimeDir, settled: bool) {
    let mark = dir.settled_mark();
    let done = match settled {
        true => std::fs::write(&mark, ""),
        false => std::fs::remove_file(&mark),
    };
    match done {
        Err(e) if settled => tracing::warn!(
            "can't write {}: {e}; if this supervisor dies, its children end too, and frames are missed until the next \
             start",
            mark.display()
        ),
        // There was none.
        Err(_) | Ok(()) => {}
    }
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
