//! A run of a probe: a child process that looks at one camera, and is ended when that holds it up. What its answer means is in
//! [`super::source_probe`] and [`super::offers`].

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use proto::name::Name;
use proto::process::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::child::proc;

/// The config that a probe reads. The camera's URL stands there, and is no argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConfigOf<'a> {
    /// A file that a person has named.
    File(&'a Path),
    /// That of a running instance.
    RuntimeDir(&'a Path),
}

/// The command of a probe: a look at one camera of a config.
pub(crate) fn command(program: &Path, camera: &Name, config: ConfigOf<'_>) -> Command {
    let mut command = Command::new(program);
    command.args(["--probe", camera.as_str(), "--parent", &Pid::this().to_string()]);
    match config {
        // The child has another standard input, for which a config of that name would be taken.
        ConfigOf::File(file) => {
            command.arg("--config").arg(file.canonicalize().unwrap_or_else(|_| file.to_owned()))
        }
        ConfigOf::RuntimeDir(dir) => command.arg("--runtime-dir").arg(dir),
    };
    command
}

/// The time that a probe may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// Without a byte read and without any processor time: its file or its camera doesn't answer.
    pub(crate) standstill: Duration,
    /// For all of it.
    pub(crate) all: Duration,
}

impl Default for Deadlines {
    /// A film of 2 GiB, of which no more is read, takes 120 s on a card that gives 18 MB/s.
    fn default() -> Self {
        Self { standstill: Duration::from_secs(5), all: Duration::from_secs(120) }
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It has ended by itself.
    Answered(Output),
    /// It stood still for the time of [`Deadlines::standstill`], and was killed.
    StoodStill,
    /// It went on for the time of [`Deadlines::all`], and was killed.
    TookTooLong,
}

/// A probe is looked at this often.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Runs a probe. The thread that calls this must live as long as the probe, which ends with it.
///
/// # Errors
/// It can't be started, or its answer can't be read.
pub(crate) fn run(command: &mut Command, deadlines: Deadlines) -> io::Result<Ended> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let started = Instant::now();
    let (mut done, mut since) = (work_done(&child), started);
    while !has_closed_its_output(&child)? {
        let (now, work) = (Instant::now(), work_done(&child));
        if work != done {
            (done, since) = (work, now);
        }
        let ended = if now.duration_since(since) >= deadlines.standstill {
            Ended::StoodStill
        } else if now.duration_since(started) >= deadlines.all {
            Ended::TookTooLong
        } else {
            continue;
        };
        // Not waited for: one that is held up within the kernel may take its time to die.
        child.kill()?;
        return Ok(ended);
    }
    child.wait_with_output().map(Ended::Answered)
}

/// A process closes its output when it ends, at the latest. Waits for that for a glance.
fn has_closed_its_output(child: &Child) -> io::Result<bool> {
    let Some(output) = &child.stdout else { return Ok(true) };
    // A hang-up is told unasked.
    let mut output = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::empty())];
    match poll(&mut output, Some(&GLANCE)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The bytes that a process has read and the processor time that it has used. Where the kernel doesn't tell of the bytes,
/// the time alone counts.
fn work_done(child: &Child) -> (Option<u64>, Option<Duration>) {
    let pid = Pid::of(child);
    let text = std::fs::read_to_string(pid.proc("io")).unwrap_or_default();
    let read = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    (read.and_then(|bytes| bytes.parse().ok()), proc::sign(pid).map(|sign| sign.cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn shell(script: &str, standstill: Duration, all: Duration) -> Ended {
        run(Command::new("sh").args(["-c", script]), Deadlines { standstill, all }).unwrap()
    }

    #[test]
    fn a_probe_that_answers_is_heard() {
        let Ended::Answered(output) = shell("echo yes; echo no >&2; exit 2", LONG, LONG) else { panic!() };
        assert_eq!(
            (output.status.code(), &*output.stdout, &*output.stderr),
            (Some(2), &b"yes\n"[..], &b"no\n"[..])
        );
    }

    #[test]
    fn a_probe_that_stands_still_is_told_from_one_that_works_for_long() {
        let short = Duration::from_millis(300);
        assert!(matches!(shell("exec sleep 600", short, LONG), Ended::StoodStill));
        let busy = shell("while :; do :; done", Duration::from_secs(60), short);
        assert!(matches!(busy, Ended::TookTooLong), "{busy:?}");
    }
}
