//! A Preroll of one's own: for the demo, and for everything here that measures the real processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use proto::instance::{ChildId, RuntimeDir};
use proto::name::Name;
use proto::ring::Ring;
use proto::stats::Stats;
use proto::status::{InstanceState, ProcessRole};
use proto::time::MonotonicNs;
use rustix::process::{Pid, Signal};

/// Anything that takes longer than this has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often what gives no sign is looked at.
const GLANCE: Duration = Duration::from_millis(10);

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
    let recorder = stats.processes.iter().find(|p| p.role == ProcessRole::Recorder)?;
    recorder.pid.map(proto::process::Pid::for_rustix)
}

/// Where an instance lives, for whoever asks it things or looks at its processes.
#[derive(Clone, Debug)]
pub struct Place {
    runtime: PathBuf,
}

/// What the supervisor keeps for the next one.
#[derive(serde::Deserialize)]
struct Saved {
    children: Vec<SavedChild>,
}

#[derive(serde::Deserialize)]
struct SavedChild {
    id: ChildId,
    pid: i32,
}

impl Place {
    /// A command for this instance.
    ///
    /// # Errors
    /// When there is no `supervisor` beside this program.
    pub fn command(&self) -> anyhow::Result<Command> {
        let program = std::env::current_exe()?.with_file_name("supervisor");
        ensure!(program.is_file(), "{} is missing; build all of Preroll (make build)", program.display());
        let mut command = Command::new(program);
        command.arg("--runtime-dir").arg(&self.runtime).stdin(Stdio::null());
        Ok(command)
    }

    /// What `supervisor stats` says.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn stats(&self) -> anyhow::Result<Stats> {
        let output = self.command()?.arg("stats").output()?;
        ensure!(output.status.success(), "stats: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Who the supervisor's children are, or were when it last wrote it down: captures, recorder, standby. It is
    /// written with every change, so this is also how to see one.
    #[must_use]
    pub fn children(&self) -> Vec<(ChildId, Pid)> {
        let read = || {
            let text = std::fs::read(RuntimeDir::open(&self.runtime).ok()?.state_path()).ok()?;
            serde_json::from_slice::<Saved>(&text).ok()
        };
        let children = read().map(|saved| saved.children).unwrap_or_default();
        children.into_iter().filter_map(|c| Some((c.id, Pid::from_raw(c.pid)?))).collect()
    }

    /// One of them.
    #[must_use]
    pub fn child(&self, id: &ChildId) -> Option<Pid> {
        self.children().into_iter().find(|(child, _)| child == id).map(|(_, pid)| pid)
    }

    /// The supervisor that holds the instance, or held it last.
    #[must_use]
    pub fn supervisor(&self) -> Option<Pid> {
        let lock = RuntimeDir::open(&self.runtime).ok()?.lock_path();
        Pid::from_raw(std::fs::read_to_string(lock).ok()?.trim().parse().ok()?)
    }

    /// Every process of this instance, commands included: its runtime directory is among its arguments.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let ours = self.runtime.as_os_str().as_encoded_bytes();
        let is_ours = |pid: &Pid| {
            let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            line.split(|b| *b == 0).any(|argument| argument == ours)
        };
        let pids = entries(Path::new("/proc")).filter_map(|name| Pid::from_raw(name.parse().ok()?));
        pids.filter(is_ours).collect()
    }

    /// The instance's shared memory, by name.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        let Ok(dir) = RuntimeDir::open(&self.runtime) else { return Vec::new() };
        let ours = format!("preroll-{}", dir.instance());
        entries(Path::new("/dev/shm")).filter(|name| name.starts_with(&ours)).collect()
    }

    /// A camera's ring, to look into.
    ///
    /// # Errors
    /// When there is none.
    pub fn ring(&self, camera: &str) -> anyhow::Result<Arc<Ring>> {
        Ok(Ring::open(&RuntimeDir::open(&self.runtime)?.segment(&Name::new(camera)?))?)
    }

    /// What is left of an instance that has ended, and should not be.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let processes = self.processes().into_iter().map(|pid| format!("process {}", pid.as_raw_nonzero()));
        entries(&self.runtime).chain(self.segments()).chain(processes).collect()
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|e| e.file_name().to_string_lossy().into_owned())
}

/// A line of the log, and when it came.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was read, which is as good as when it was written.
    pub at: MonotonicNs,
    /// All of it.
    pub text: String,
}

/// A supervisor of our own, with a runtime directory of its own. Ended with this value, in order or not.
pub struct Supervisor {
    process: Option<Child>,
    config: PathBuf,
    log: Arc<Mutex<Vec<Line>>>,
    place: Place,
    _runtime: tempfile::TempDir,
}

impl Supervisor {
    /// Starts one with this config, and `recordings` below the current folder unless the config says otherwise.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(config: &Path) -> anyhow::Result<Self> {
        let runtime = tempfile::tempdir()?;
        let place = Place { runtime: runtime.path().to_owned() };
        let mut this =
            Self { process: None, config: config.to_owned(), log: Arc::default(), place, _runtime: runtime };
        this.start_again()?;
        Ok(this)
    }

    /// Starts one where the last was, which has been killed.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the supervisor runs already");
        let mut command = self.place.command()?;
        command.arg("start").arg("--config").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().context("the supervisor can't be started")?;
        let stderr = process.stderr.take().context("the supervisor's log")?;
        self.process = Some(process);
        let log = Arc::clone(&self.log);
        // The children write there too, so this goes on when the supervisor is killed.
        std::thread::spawn(move || {
            for text in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = Line { at: MonotonicNs::now(), text };
                log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Ok(())
    }

    /// Where it lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its process, unless it was killed.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        i32::try_from(self.process.as_ref()?.id()).ok().and_then(Pid::from_raw)
    }

    /// kill -9, of the supervisor alone.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("no supervisor runs")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// The log from a moment on.
    #[must_use]
    pub fn log_since(&self, moment: MonotonicNs) -> Vec<Line> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log[log.partition_point(|line| line.at < moment)..].to_vec()
    }

    /// Waits for a line of the log.
    ///
    /// # Errors
    /// When it doesn't come.
    pub fn wait_for(&mut self, text: &str) -> anyhow::Result<()> {
        self.wait("it is not ready", |this| {
            Ok(this.log_since(MonotonicNs(0)).iter().any(|line| line.text.contains(text)))
        })
    }

    /// Waits until it answers, and says that all is well.
    ///
    /// # Errors
    /// When it never does.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        self.wait("it is not ready", |this| {
            Ok(this.stats().is_ok_and(|stats| stats.state == InstanceState::Ready))
        })
    }

    /// Waits until it is so.
    ///
    /// # Errors
    /// When it never is, or the supervisor ends meanwhile.
    pub fn wait(
        &mut self,
        otherwise: &str,
        is_so: impl Fn(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !is_so(self)? {
            let ended = self.process.as_mut().map(Child::try_wait).transpose()?.flatten();
            let tail = || {
                let log = self.log_since(MonotonicNs(0));
                let last = log.iter().rev().take(40).rev().map(|line| line.text.as_str());
                last.collect::<Vec<_>>().join("\n")
            };
            if let Some(status) = ended {
                bail!("the supervisor has ended ({status}); its log:\n{}", tail());
            }
            if Instant::now() > until {
                bail!("{otherwise} after {PATIENCE:?}; its log:\n{}", tail());
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// What `supervisor stats` says.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn stats(&self) -> anyhow::Result<Stats> {
        self.place.stats()
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
        let mut command = self.place.command()?;
        command.args(["trigger", "--label", label, "--wait"]).stdout(Stdio::piped());
        command.spawn().context("the trigger")
    }

    /// Stops it, and says what it has left behind.
    ///
    /// # Errors
    /// When it can't be asked to.
    pub fn stop(mut self) -> anyhow::Result<String> {
        let stopped = self.place.command()?.arg("stop").stdout(Stdio::null()).status()?;
        if let Some(mut process) = self.process.take() {
            process.wait()?;
        }
        let mut left = self.place.leftovers();
        if !stopped.success() {
            left.push("it did not stop in order".into());
        }
        Ok(if left.is_empty() { String::new() } else { format!("LEFT BEHIND: {}", left.join(", ")) })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Only when something has gone wrong: what was stopped is gone. SIGTERM lets the supervisor end its children.
        if let (Some(pid), Some(mut process)) = (self.pid(), self.process.take())
            && matches!(process.try_wait(), Ok(None))
        {
            let _ = rustix::process::kill_process(pid, Signal::CONT);
            let _ = rustix::process::kill_process(pid, Signal::TERM);
            let _ = process.wait();
        }
        // And these had none to end them. Nobody else has this runtime directory.
        for pid in self.place.processes() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        for segment in self.place.segments() {
            let _ = std::fs::remove_file(Path::new("/dev/shm").join(segment));
        }
    }
}
