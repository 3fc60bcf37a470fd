//! The end of a process, and the thread that notices it. All that follows from an end is the loop's business.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use proto::instance::ChildId;
use proto::process::Pid;
use rustix::process::{WaitId, WaitIdOptions};
use signal_hook::consts::{
    SIGABRT, SIGBUS, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGKILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTERM, SIGTRAP,
};

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// For a person: "exit code 1", "signal 9 (killed)".
    pub(crate) how: String,
    /// The exit code, if it had one.
    pub(crate) code: Option<i32>,
    /// The signal that ended it, if one did.
    pub(crate) signal: Option<i32>,
    /// Did it end by a fault of its own, as opposed to being ended?
    pub(crate) crashed: bool,
}

impl End {
    /// What to do about a process that has ended like this, `again` and again, to stand behind how it ended. Empty if there is
    /// nothing to say.
    pub(crate) fn advice(&self, child: &ChildId, again: bool) -> &'static str {
        let is_fault = self.signal.is_some_and(is_own_fault);
        if is_fault && again && matches!(child, ChildId::Capture(_)) {
            " again and again: its source gives what its library crashes on; try another backend for this camera"
        } else {
            ""
        }
    }
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
            let name = name(signal).map_or(String::new(), |name| format!(" ({name})"));
            let how = format!("signal {signal}{name}");
            End { how, code, signal: Some(signal), crashed: is_own_fault(signal) }
        }
        (None, None) => End { how: "unknown".into(), code, signal, crashed: false },
    }
}

/// Does a child end by this signal only by its own fault? A child ignores these signals when another process sends them
/// ([`proto::signals`]). Every other signal comes from outside, so the encoder in use has no part in it.
fn is_own_fault(signal: i32) -> bool {
    matches!(signal, SIGABRT | SIGBUS | SIGFPE | SIGILL | SIGSEGV | SIGSYS | SIGTRAP)
}

fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        SIGHUP => "hung up",
        SIGINT => "interrupted",
        SIGQUIT => "quit",
        SIGILL => "bad instruction",
        SIGABRT => "aborted",
        SIGBUS => "bus error",
        SIGFPE => "bad arithmetic",
        SIGKILL => "killed",
        SIGSEGV => "segmentation fault",
        SIGTERM => "terminated",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_backend_is_advised_for_a_camera_that_keeps_crashing_its_capture() {
        let capture = ChildId::Capture("left".parse().unwrap());
        let advised = |end: &End, child: &ChildId, again| !end.advice(child, again).is_empty();
        let (crash, killed, failed) =
            (end(None, Some(SIGSEGV)), end(None, Some(SIGKILL)), end(Some(1), None));
        assert!(advised(&crash, &capture, true) && !advised(&crash, &capture, false));
        assert!(!advised(&killed, &capture, true) && !advised(&failed, &capture, true));
        assert!(!advised(&crash, &ChildId::Recorder, true));
    }

    #[test]
    fn only_a_fault_of_its_own_is_a_crash() {
        for signal in [SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS] {
            assert!(end(None, Some(signal)).crashed, "{signal}");
        }
        // SIGHUP, SIGKILL, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, and two real-time ones.
        for signal in [1, 2, 3, 9, 10, 12, 13, 14, 15, 24, 25, 34, 64] {
            assert!(!end(None, Some(signal)).crashed, "{signal}");
        }
        assert!(end(Some(101), None).crashed && !end(Some(0), None).crashed);
        assert_eq!(end(None, Some(SIGSEGV)).how, "signal 11 (segmentation fault)");
        assert_eq!(end(None, Some(34)).how, "signal 34");
    }
}
