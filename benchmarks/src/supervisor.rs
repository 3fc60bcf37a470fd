//! A Preroll of one's own: for the demo, and for everything here that measures the real processes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use proto::stats::Stats;
use rustix::process::{Pid, Signal};

/// Anything that takes longer than this has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `trigger` answers, as far as it is needed here.
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
    let recorder = stats.processes.iter().find(|p| p.role == "recorder")?;
    Pid::from_raw(i32::try_from(recorder.pid?).ok()?)
}

/// A supervisor of our own, with a runtime directory of its own. Ended with this value, in order or not.
pub struct Supervisor {
    process: Child,
    log: Receiver<String>,
    said: Vec<String>,
    runtime: tempfile::TempDir,
}

impl Supervisor {
    /// Starts one with this config, and `recordings` below the current folder unless the config says otherwise.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(config: &Path) -> anyhow::Result<Self> {
        let runtime = tempfile::tempdir()?;
        let mut process = Self::command(runtime.path())?
            .arg("start")
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .context("the supervisor can't be started")?;
        let stderr = process.stderr.take().context("the supervisor's log")?;
        let (to, log) = channel();
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|l| to.send(l))
        });
        Ok(Self { process, log, said: Vec::new(), runtime })
    }

    fn command(runtime: &Path) -> anyhow::Result<Command> {
        let program = std::env::current_exe()?.with_file_name("supervisor");
        ensure!(program.is_file(), "{} is missing; build all of Preroll (make build)", program.display());
        let mut command = Command::new(program);
        command.arg("--runtime-dir").arg(runtime);
        Ok(command)
    }

    /// Waits for a line of the log.
    ///
    /// # Errors
    /// When it doesn't come.
    pub fn wait_for(&mut self, text: &str) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = line.contains(text);
                    self.said.push(line);
                    if found {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("it is not ready after {PATIENCE:?}; its log:\n{}", self.said.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the supervisor has ended; its log:\n{}", self.said.join("\n"))
                }
            }
        }
    }

    /// What `supervisor stats` says.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn stats(&self) -> anyhow::Result<Stats> {
        let output = Self::command(self.runtime.path())?.arg("stats").output()?;
        ensure!(output.status.success(), "stats: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The stats at a time when they have settled.
    ///
    /// # Errors
    /// As [`Supervisor::stats`].
    pub fn stats_after(&self, settled: Duration) -> anyhow::Result<Stats> {
        std::thread::sleep(settled);
        self.stats()
    }

    /// Begins `supervisor trigger --wait`; the answer is on the process's standard output.
    ///
    /// # Errors
    /// When the command can't be started.
    pub fn trigger(&self, label: &str) -> anyhow::Result<Child> {
        let mut command = Self::command(self.runtime.path())?;
        command.args(["trigger", "--label", label, "--wait"]).stdout(Stdio::piped());
        command.spawn().context("the trigger")
    }

    /// Stops it, and says what it has left behind.
    ///
    /// # Errors
    /// When it can't be asked to.
    pub fn stop(mut self) -> anyhow::Result<String> {
        let stopped = Self::command(self.runtime.path())?.arg("stop").stdout(Stdio::null()).status()?;
        self.process.wait()?;
        let mut left: Vec<String> = entries(self.runtime.path()).collect();
        let dir = proto::instance::RuntimeDir::open(self.runtime.path())?;
        let ours = format!("preroll-{}", dir.instance());
        left.extend(entries(Path::new("/dev/shm")).filter(|name| name.starts_with(&ours)));
        if !stopped.success() {
            left.push("it did not stop in order".into());
        }
        Ok(if left.is_empty() { String::new() } else { format!("LEFT BEHIND: {}", left.join(", ")) })
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|e| e.file_name().to_string_lossy().into_owned())
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Only when something has gone wrong: a supervisor that was stopped is gone. SIGTERM lets it end its children.
        if matches!(self.process.try_wait(), Ok(None)) {
            if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::TERM);
            }
            let _ = self.process.wait();
        }
    }
}
