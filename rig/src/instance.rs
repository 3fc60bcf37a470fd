//! An instance, by its runtime directory: how it is asked, which processes are its children, what its rings hold. Starting
//! and stopping one is not here (`supervisor.rs`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::ensure;
use proto::instance::{ChildId, RuntimeDir};
use proto::name::Name;
use proto::process::Pid;
use proto::ring::Ring;
use proto::stats::Stats;
use proto::status::ProcessRole;

use crate::program;

/// The answer to `trigger`, as far as it is needed here.
#[derive(Debug, serde::Deserialize)]
pub struct Answer {
    /// The clip's folder.
    pub path: String,
    /// With `--wait`: nothing is missing.
    #[serde(default)]
    pub complete: bool,
}

/// The recorder's process, if there is one.
#[must_use]
pub fn recorder_pid(stats: &Stats) -> Option<Pid> {
    stats.processes.iter().find(|p| p.role == ProcessRole::Recorder)?.pid
}

/// An instance seen from outside. It need not run; then most answers are empty.
#[derive(Clone, Debug)]
pub struct Instance {
    runtime_dir: PathBuf,
}

/// The part of the supervisor's `state.json` that is read here.
#[derive(serde::Deserialize)]
struct Saved {
    children: Vec<SavedChild>,
}

#[derive(serde::Deserialize)]
struct SavedChild {
    id: ChildId,
    pid: Pid,
}

impl Instance {
    /// The instance with this runtime directory.
    #[must_use]
    pub fn at(runtime_dir: &Path) -> Self {
        Self { runtime_dir: runtime_dir.to_owned() }
    }

    /// The runtime directory.
    #[must_use]
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime_dir
    }

    /// A command for this instance, without its name: `supervisor --runtime-dir …`.
    ///
    /// # Errors
    /// When there is no `supervisor` beside this program.
    pub fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(program::path("supervisor")?);
        command.arg("--runtime-dir").arg(&self.runtime_dir).stdin(Stdio::null());
        Ok(command)
    }

    /// The answer to `supervisor stats`.
    ///
    /// # Errors
    /// When there is none.
    pub fn stats(&self) -> anyhow::Result<Stats> {
        let output = self.command()?.arg("stats").output()?;
        ensure!(output.status.success(), "stats: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The supervisor's children, as it last wrote them down: captures, recorder, standby. It writes with every change, so
    /// a change is seen here first.
    #[must_use]
    pub fn children(&self) -> Vec<(ChildId, Pid)> {
        let read = || {
            let text = std::fs::read(RuntimeDir::open(&self.runtime_dir).ok()?.state_path()).ok()?;
            serde_json::from_slice::<Saved>(&text).ok()
        };
        let children = read().map(|saved| saved.children).unwrap_or_default();
        children.into_iter().map(|child| (child.id, child.pid)).collect()
    }

    /// The process of a child, if it runs.
    #[must_use]
    pub fn child(&self, id: &ChildId) -> Option<Pid> {
        self.children().into_iter().find(|(child, _)| child == id).map(|(_, pid)| pid)
    }

    /// The supervisor that holds the instance, or held it last.
    #[must_use]
    pub fn supervisor(&self) -> Option<Pid> {
        let lock = RuntimeDir::open(&self.runtime_dir).ok()?.lock_path();
        std::fs::read_to_string(lock).ok()?.trim().parse().ok()
    }

    /// The supervisor and its children.
    #[must_use]
    pub fn family(&self) -> Vec<(Member, Pid)> {
        let supervisor = self.supervisor().map(|pid| (Member::Supervisor, pid));
        let children = self.children().into_iter().map(|(id, pid)| (Member::Child(id), pid));
        supervisor.into_iter().chain(children).collect()
    }

    /// A camera's ring, to look into.
    ///
    /// # Errors
    /// When there is none.
    pub fn ring(&self, camera: &str) -> anyhow::Result<Arc<Ring>> {
        Ok(Ring::open(&RuntimeDir::open(&self.runtime_dir)?.segment(&Name::new(camera)?))?)
    }
}

/// One process of an instance, by what it does there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// The supervisor itself.
    Supervisor,
    /// A child of it.
    Child(ChildId),
}

impl Member {
    /// `supervisor`, `capture`, `recorder` or `standby`.
    #[must_use]
    pub fn role(&self) -> String {
        // A capture's name goes on with its camera.
        self.to_string().split(' ').next().unwrap_or_default().to_owned()
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Supervisor => f.write_str("supervisor"),
            Self::Child(id) => id.fmt(f),
        }
    }
}
