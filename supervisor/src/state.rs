//! `state.json`: the run folder, the children and the encoders of this supervisor, for the next one. Rewritten with every
//! change, read once at start.

use std::path::{Component, PathBuf};

use proto::durable;
use proto::instance::{ChildId, RuntimeDir, boot_id};
use proto::ladder::{EncoderLadder, Ladders};
use proto::opened;
use proto::process::Pid;
use serde::{Deserialize, Serialize};

use crate::child::proc;

/// A capture for each of as many cameras as a config may have, a recorder and a standby.
const MOST_CHILDREN: usize = 256 + 2;
/// More encoders, with their presets, than any ladder has.
const MOST_RUNGS: usize = 256;

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

/// Reads the last supervisor's document; `None` when there is none, when it is of another boot, or when it can't be right.
pub(crate) fn load(dir: &RuntimeDir) -> Option<Saved> {
    let path = dir.state_path();
    let said = match opened::read(&path) {
        Ok(text) => read(&text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
        Err(e) => Err(e.to_string()),
    };
    match said {
        Ok(saved) => (saved.boot_id == boot_id()).then_some(saved),
        Err(why) => {
            tracing::warn!(
                "{}: {why}; it is passed over: no process of the last supervisor is adopted, and a new run begins",
                path.display()
            );
            None
        }
    }
}

/// Reads a document: what it says, then whether that can be.
fn read(text: &[u8]) -> Result<Saved, String> {
    let saved: Saved = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    saved.check()?;
    Ok(saved)
}

impl Saved {
    fn check(&self) -> Result<(), String> {
        let Self { boot_id: _, run_folder, children, ladders } = self;
        if !run_folder.is_absolute() || run_folder.components().any(|part| part == Component::ParentDir) {
            return Err(format!("run_folder is {run_folder:?}, which is no absolute path"));
        }
        if children.len() > MOST_CHILDREN {
            return Err(format!("it names {} processes", children.len()));
        }
        for (place, SavedChild { id, pid, start_ticks }) in children.iter().enumerate() {
            if pid.as_u32() <= 1 || *pid == Pid::this() || *start_ticks == 0 {
                return Err(format!("{id} can't be process {pid} that began at {start_ticks}"));
            }
            if children[..place].iter().any(|other| other.id == *id || other.pid == *pid) {
                return Err(format!("it names {id} or process {pid} twice"));
            }
        }
        let rungs = |ladder: &EncoderLadder| {
            [ladder.chain.len(), ladder.trials.len(), ladder.given_up.len()].into_iter().max()
        };
        let ladders = ladders.iter().flatten();
        match ladders.clone().find(|(_, ladder)| rungs(ladder) > Some(MOST_RUNGS)) {
            Some((camera, _)) => Err(format!("the encoder ladder of {camera} has no end")),
            None if ladders.count() > MOST_CHILDREN => Err("it has more ladders than cameras can be".into()),
            None => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        let pid = |id: ChildId, pid: u32| json!({ "id": id, "pid": pid, "start_ticks": 77 });
        json!({
            "boot_id": boot_id(),
            "run_folder": "/recordings/run_1",
            "children": [pid(ChildId::Recorder, 4_000_001), pid(ChildId::Standby, 4_000_002)],
            "ladders": null,
        })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut document = good();
        change(&mut document);
        document.to_string().into_bytes()
    }

    #[test]
    fn a_document_that_can_not_be_right_is_passed_over_with_the_reason() {
        assert!(read(&with(|_| ())).is_ok());
        let set = |pointer: &str, value: Value| with(|d| *d.pointer_mut(pointer).unwrap() = value);
        let this = Pid::this().as_u32();
        for (text, words) in [
            (set("/run_folder", json!("run_1")), "run_folder"),
            (set("/run_folder", json!("/recordings/../etc")), "run_folder"),
            (set("/children/0/pid", json!(1)), "process 1 "),
            (set("/children/0/pid", json!(this)), "can't be process"),
            (set("/children/0/pid", json!(0)), "process id"),
            (set("/children/0/pid", json!(4_000_002)), "twice"),
            (set("/children/0/start_ticks", json!(0)), "began at 0"),
            (set("/children", Value::Array(vec![good()["children"][0].clone(); 300])), "300 processes"),
            (b"{".to_vec(), "EOF"),
            (Vec::new(), "EOF"),
        ] {
            let why = read(&text).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn a_document_cut_or_changed_anywhere_is_read_or_passed_over() {
        let text = with(|_| ());
        for at in 0..text.len() {
            let _ = read(&text[..at]);
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[at] ^= 1 << bit;
                if let Ok(saved) = read(&changed) {
                    assert!(saved.run_folder.is_absolute());
                    assert!(saved.children.iter().all(|child| child.pid.as_u32() > 1));
                }
            }
        }
    }
}
