//! The end of a process, and the thread that notices it. All that follows from an end is the loop's business.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use proto::instance::ChildId;
use proto::process::Pid;
use rustix::process::{WaitId, WaitIdOptions};

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// For a person: "exit code 1", "signal 9 (killed)".
    pub(crate) how: String,
    /// The exit code, if it had one.
    pub(crate) code: Option<i32>,
    /// The signal that ended it, if one did.
    pub(crate) signal: Option<i32>,
    /// Did it end by going wrong, as opposed to being ended?
    pub(crate) crashed: bool,
}

/// Waits for a process to end on a thread of its own, and tells. An own child is reaped; an adopted one is somebody
/// else's to reap.
pub(crate) fn watch(
    child: &ChildId,
    pid: Pid,
    pidfd: Arc<OwnedFd>,
    tell: impl FnOnce(Pid, End) + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new().name(format!("end of {child}")).spawn(move || {
        let mut fds = [rustix::event::PollFd::new(&*pidfd, rustix::event::PollFlags::IN)];
        while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
        let status = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        let end = match status {
            Ok(Some(status)) => end(status.exit_status(), status.terminating_signal()),
            _ => End { how: "unknown (it was adopted)".into(), code: None, signal: None, crashed: false },
        };
        tell(pid, end);
    })?;
    Ok(())
}

fn end(code: Option<i32>, signal: Option<i32>) -> End {
    match (code, signal) {
        (Some(0), _) => End { how: "exit code 0".into(), code, signal, crashed: false },
        (Some(n), _) => End { how: format!("exit code {n}"), code, signal, crashed: true },
        (None, Some(signal)) => {
            let name = match signal {
                2 => " (interrupted)",
                6 => " (aborted)",
                7 => " (bus error)",
                9 => " (killed)",
                11 => " (segmentation fault)",
                15 => " (terminated)",
                _ => "",
            };
            End {
                how: format!("signal {signal}{name}"),
                code,
                signal: Some(signal),
                crashed: !matches!(signal, 2 | 9 | 15),
            }
        }
        (None, None) => End { how: "unknown".into(), code, signal, crashed: false },
    }
}
