//! One supervisor an instance: a lock that the kernel drops with its holder, and the holder's pid in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use proto::instance::RuntimeDir;
use proto::process::Pid;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::FlockOperation;
use rustix::process::PidfdFlags;

use crate::failure::Failure;
use crate::invoked;

/// The instance's lock, held until this value is dropped.
pub(crate) struct Lock {
    _file: File,
}

/// Takes the lock.
pub(crate) fn take(dir: &RuntimeDir) -> Result<Lock, Failure> {
    let path = dir.lock_path();
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        Failure::failed(format!("{}: can't {what}: {e}", path.display()))
    };
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| failed("open", &e))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let who = holder(dir).map_or(String::new(), |pid| format!(" (pid {pid})"));
                return Err(Failure::bad_input(format!(
                    "a supervisor is running in {} already{who}; stop it with: {} stop, or name another \
                     directory with --runtime-dir",
                    dir.path().display(),
                    invoked::name()
                )));
            }
            Err(e) => return Err(failed("lock", &e)),
        }
        // The last holder may have removed the file between our opening and locking it.
        let (ours, there) = (file.metadata(), path.metadata());
        if !matches!((ours, there), (Ok(a), Ok(b)) if a.ino() == b.ino()) {
            continue;
        }
        let pid = Pid::this().to_string();
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(pid.as_bytes()))
            .map_err(|e| failed("write", &e))?;
        return Ok(Lock { _file: file });
    }
}

/// The pid of the supervisor that holds the lock, if one does.
pub(crate) fn holder(dir: &RuntimeDir) -> Option<Pid> {
    let mut file = OpenOptions::new().read(true).open(dir.lock_path()).ok()?;
    // A lock that can be had is held by nobody; closing the file gives it back.
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Waits for a process to end. False if it still runs after `at_most`.
pub(crate) fn wait_for_end(pid: Pid, at_most: Duration) -> bool {
    // A process that can't be opened is gone.
    let Ok(pidfd) = rustix::process::pidfd_open(pid.for_rustix(), PidfdFlags::empty()) else { return true };
    let until = Instant::now() + at_most;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = rustix::event::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return false,
            Ok(_) => return true,
        }
    }
}
