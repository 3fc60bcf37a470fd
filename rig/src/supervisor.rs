//! A supervisor of our own: started, waited for, killed, started again, stopped. When the value is dropped, nothing of the
//! instance is left, whatever has happened to it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use proto::process::Pid;
use proto::stats::Stats;
use proto::status::InstanceState;
use rustix::process::Signal;

use crate::instance::Instance;
use crate::log::Log;
use crate::{process, wait};

/// So many lines of the log explain why something didn't happen.
const TAIL: usize = 40;

/// A supervisor, the instance that it holds, and the log of both.
pub struct Supervisor {
    process: Option<Child>,
    config: PathBuf,
    log: Log,
    instance: Instance,
    /// The runtime directory, if it was made here: removed with this value.
    _made: Option<tempfile::TempDir>,
}

impl Supervisor {
    /// Starts one with this config and a runtime directory of its own. Recordings go to `recordings` below the current folder
    /// unless the config says otherwise.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(config: &Path) -> anyhow::Result<Self> {
        let made = tempfile::tempdir().context("a folder for the runtime directory")?;
        let mut this = Self::prepare(config, made.path());
        this._made = Some(made);
        this.start_again()?;
        Ok(this)
    }

    /// All but the start, in a runtime directory that exists.
    #[must_use]
    pub fn prepare(config: &Path, runtime_dir: &Path) -> Self {
        let instance = Instance::at(runtime_dir);
        Self { process: None, config: config.to_owned(), log: Log::default(), instance, _made: None }
    }

    /// Starts one where the last was, which has ended or was killed.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.launch(self.start_command()?)
    }

    /// The command that starts it, to be changed and given to [`Supervisor::launch`].
    ///
    /// # Errors
    /// When there is no such executable.
    pub fn start_command(&self) -> anyhow::Result<Command> {
        let mut command = self.instance.command()?;
        command.arg("start").arg("--config").arg(&self.config);
        Ok(command)
    }

    /// Runs a start command. What it logs is collected.
    ///
    /// # Errors
    /// When it can't be run, or the last one still runs.
    pub fn launch(&mut self, mut command: Command) -> anyhow::Result<()> {
        command.stderr(Stdio::piped());
        let stderr = self.spawn(command)?.stderr.take().context("the supervisor's log")?;
        self.log.collect(stderr);
        Ok(())
    }

    /// Runs a start command with nobody to read the log: each line that anyone writes fails.
    ///
    /// # Errors
    /// As [`Supervisor::launch`].
    pub fn launch_unheard(&mut self, mut command: Command) -> anyhow::Result<()> {
        let (reader, writer) = std::io::pipe()?;
        command.stderr(writer);
        self.spawn(command)?;
        drop(reader);
        Ok(())
    }

    fn spawn(&mut self, mut command: Command) -> anyhow::Result<&mut Child> {
        ensure!(self.process.is_none(), "the supervisor runs already");
        let child = command.stdout(Stdio::null()).spawn().context("the supervisor can't be started")?;
        Ok(self.process.insert(child))
    }

    /// The instance that it holds.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The log so far, of every start.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its process, unless it was killed or its end was seen.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.process.as_ref().map(Pid::of)
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

    /// The exit status, if the supervisor has ended.
    ///
    /// # Errors
    /// When the kernel doesn't say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.process.as_mut().map(Child::try_wait).transpose()?.flatten())
    }

    /// Waits for its end, which somebody else brings about.
    ///
    /// # Errors
    /// When it doesn't end.
    pub fn await_end(&mut self) -> anyhow::Result<ExitStatus> {
        let process = self.process.as_mut().context("no supervisor runs")?;
        let status = wait::until("the supervisor to end", || process.try_wait().transpose())??;
        self.process = None;
        Ok(status)
    }

    /// SIGTERM, and the end in order. Nothing happens if none runs.
    ///
    /// # Errors
    /// When it ends with another exit code than 0, or not at all; then it is killed.
    pub fn terminate(&mut self) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        process::signal(pid, Signal::TERM);
        match self.await_end() {
            Ok(status) => ensure!(status.success(), "the supervisor ended with {status}"),
            Err(e) => {
                self.kill()?;
                return Err(e);
            }
        }
        Ok(())
    }

    /// Waits for a line of the log.
    ///
    /// # Errors
    /// When it doesn't come, or the supervisor ends.
    pub fn wait_for(&mut self, text: &str) -> anyhow::Result<()> {
        self.wait(&format!("{text:?} in the log"), |this| Ok(this.log.find(text).is_some()))
    }

    /// Waits until it answers, and says that all is well.
    ///
    /// # Errors
    /// When it never does.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        self.wait("the supervisor to be ready", |this| {
            Ok(this.stats().is_ok_and(|stats| stats.state == InstanceState::Ready))
        })
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When it never is, or the supervisor ends meanwhile: with the end of its log.
    pub fn wait(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let seen = wait::until(what, || {
            match is_so(self) {
                Ok(true) => return Some(Ok(())),
                Ok(false) => {}
                Err(e) => return Some(Err(e)),
            }
            match self.ended() {
                Ok(None) => None,
                Ok(Some(status)) => {
                    Some(Err(anyhow::anyhow!("the supervisor has ended ({status}) before {what}")))
                }
                Err(e) => Some(Err(e)),
            }
        });
        match seen.flatten() {
            Ok(()) => Ok(()),
            Err(e) => bail!("{e:#}; its log:\n{}", self.log.tail(TAIL)),
        }
    }

    /// The answer to `supervisor stats`.
    ///
    /// # Errors
    /// When there is none.
    pub fn stats(&self) -> anyhow::Result<Stats> {
        self.instance.stats()
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
        let mut command = self.instance.command()?;
        command.args(["trigger", "--label", label, "--wait"]).stdout(Stdio::piped());
        command.spawn().context("the trigger can't be started")
    }

    /// Stops it by `supervisor stop`, and says in words what it has left behind; nothing, if the text is empty.
    ///
    /// # Errors
    /// When it can't be asked to.
    pub fn stop(mut self) -> anyhow::Result<String> {
        let stopped = self.instance.command()?.arg("stop").stdout(Stdio::null()).status()?;
        if let Some(mut process) = self.process.take() {
            process.wait()?;
        }
        let mut left = self.instance.leftovers();
        if !stopped.success() {
            left.push("it did not stop in order".into());
        }
        Ok(if left.is_empty() { String::new() } else { format!("LEFT BEHIND: {}", left.join(", ")) })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Only when something has gone wrong: what was stopped is gone. SIGTERM lets the supervisor end its children.
        if let (Some(pid), Ok(None)) = (self.pid(), self.ended()) {
            process::signal(pid, Signal::CONT);
            let _ = self.terminate();
        }
        // Children of a killed supervisor have none to end them. Nobody else has this runtime directory.
        for pid in self.instance.processes() {
            process::signal(pid, Signal::KILL);
        }
        for segment in self.instance.segments() {
            let _ = std::fs::remove_file(segment);
        }
    }
}
