//! A process by its number: the one type for it in Preroll, on the wire, on disk and for the system's calls.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A process id. Serialised as a plain number, so that JSON for scripts holds what `ps` shows.
///
/// The kernel gives a number out again after the process has ended. To be sure of a process, keep its start time beside
/// the pid, or hold a pidfd.
///
/// ```
/// use proto::process::Pid;
///
/// let this = Pid::this();
/// assert_eq!(this.as_u32(), std::process::id());
/// assert_eq!("417".parse::<Pid>().ok(), Pid::new(417));
/// assert_eq!(Pid::new(0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Pid(rustix::process::Pid);

/// A number or a text that can't be a process id: 0, or more than Linux counts to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a process id")]
pub struct BadPid(String);

impl Pid {
    /// The process of this number; `None` for 0 and for what is beyond `i32::MAX`, the kernel's own type.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw).map(Self)
    }

    /// This process.
    #[must_use]
    pub fn this() -> Self {
        Self(rustix::process::getpid())
    }

    /// A child process that was just spawned.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self(rustix::process::Pid::from_child(child))
    }

    /// The number.
    #[must_use]
    pub fn as_u32(self) -> u32 {
        self.0.as_raw_pid().unsigned_abs()
    }

    /// The same pid as rustix's calls take it.
    #[must_use]
    pub fn for_rustix(self) -> rustix::process::Pid {
        self.0
    }

    /// `/proc/<pid>/<entry>`.
    #[must_use]
    pub fn proc(self, entry: &str) -> PathBuf {
        Path::new("/proc").join(self.to_string()).join(entry)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({self})")
    }
}

impl FromStr for Pid {
    type Err = BadPid;
    /// Reads a number as it stands in `/proc` or in a lock file, with white space around it.
    fn from_str(text: &str) -> Result<Self, BadPid> {
        let number = text.trim().parse().ok();
        number.and_then(Self::new).ok_or_else(|| BadPid(text.trim().chars().take(80).collect()))
    }
}

impl TryFrom<u32> for Pid {
    type Error = BadPid;
    fn try_from(number: u32) -> Result<Self, BadPid> {
        Self::new(number).ok_or_else(|| BadPid(number.to_string()))
    }
}

impl From<Pid> for u32 {
    fn from(pid: Pid) -> Self {
        pid.as_u32()
    }
}

impl From<rustix::process::Pid> for Pid {
    fn from(pid: rustix::process::Pid) -> Self {
        Self(pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_is_a_number_in_json_and_nothing_else_is_a_pid() {
        let pid = Pid::new(4711).unwrap();
        assert_eq!(serde_json::to_string(&pid).unwrap(), "4711");
        assert_eq!(serde_json::from_str::<Pid>("4711").unwrap(), pid);
        for bad in ["0", "-1", "2147483648", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Pid>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_with_a_line_end_is_read_as_a_lock_file_holds_it() {
        assert_eq!("417\n".parse(), Ok(Pid::new(417).unwrap()));
        for bad in ["", "0", "-3", "3 4", "x", "99999999999"] {
            assert!(bad.parse::<Pid>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_entry_of_proc_is_this_process_s() {
        let status = std::fs::read_to_string(Pid::this().proc("status")).unwrap();
        assert!(status.lines().any(|line| line == format!("Pid:\t{}", std::process::id())), "{status}");
    }
}
