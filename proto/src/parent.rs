//! A process's relation to the one that started it: when the process has to end because that one is gone. How it ends is
//! its own business.
//!
//! A probe never outlives whoever asked ([`end_with`]), and an export only for as long as it takes to clear away what it has begun
//! ([`end_in_order_with`]). A capture or a recorder outlives its supervisor on purpose, to
//! be adopted by the next, but only a supervisor that is *settled*: everything has come up once, or there is a clip
//! to record, and no end has begun. The supervisor keeps a file for that ([`RuntimeDir::settled_mark`]). Without the file
//! a process that has no supervisor ends ([`Parent::has_left`]): the start that made it was broken off, or was just
//! ending everything.

use std::io;
use std::path::PathBuf;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::instance::RuntimeDir;
use crate::process::Pid;

/// Has this process killed when the thread that has started it ends. `parent` is that thread's process.
///
/// # Errors
/// The parent is gone already, or the system refuses. The process has to end then.
pub fn end_with(parent: Pid) -> io::Result<()> {
    tie(parent, Signal::KILL)
}

/// Has this process asked to end (SIGTERM) when the thread that has started it ends. `parent` is that thread's process.
///
/// # Errors
/// As for [`end_with`].
pub fn end_in_order_with(parent: Pid) -> io::Result<()> {
    tie(parent, Signal::TERM)
}

fn tie(parent: Pid, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    // A parent that has ended before the call above sends no signal any more.
    if is_child_of(parent) {
        Ok(())
    } else {
        Err(io::Error::other(format!("the process that has started this one (pid {parent}) is gone")))
    }
}

/// The supervisor that has started this process.
#[derive(Clone, Debug)]
pub struct Parent {
    /// None if a person has started the process.
    pid: Option<Pid>,
    settled: PathBuf,
}

impl Parent {
    /// `pid` is what the supervisor has given as its own on the command line.
    #[must_use]
    pub fn new(pid: Option<Pid>, dir: &RuntimeDir) -> Self {
        Self { pid, settled: dir.settled_mark() }
    }

    /// Asked when no supervisor is connected: must this process end, because its supervisor has ended and leaves it to
    /// nobody?
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.pid.is_some_and(|pid| !is_child_of(pid)) && !self.settled.exists()
    }
}

fn is_child_of(parent: Pid) -> bool {
    getppid().map(Pid::from) == Some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_left_when_its_supervisor_is_gone_and_was_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(folder.path()).unwrap();
        let real = getppid().map(Pid::from);
        // This process is no child of itself.
        let (living, gone) = (Parent::new(real, &dir), Parent::new(Some(Pid::this()), &dir));
        assert!(!living.has_left());
        assert!(gone.has_left());
        assert!(!Parent::new(None, &dir).has_left(), "a person has started it");
        std::fs::write(dir.settled_mark(), "").unwrap();
        assert!(!gone.has_left() && !living.has_left());
    }

    #[test]
    fn nothing_is_tied_to_a_parent_that_is_gone() {
        let refused = end_with(Pid::this()).unwrap_err().to_string();
        assert!(refused.contains("is gone"), "{refused}");
        set_parent_process_death_signal(None).unwrap();
    }
}
