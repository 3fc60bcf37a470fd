//! Sends and receives that fail in Preroll's processes. A library does it that is preloaded into them
//! (`trials/examples/failing_calls.rs`), which this program starts itself anew with: every process of the run inherits it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use proto::durable;
use proto::process::Pid;
use rustix::io::Errno;

/// The variable that names the folder of orders, as the library has it.
const FOLDER: &str = "PREROLL_FAILING_CALLS";
const ERRORS: [Errno; 4] = [Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN, Errno::INTR];
const CALLS: [&str; 2] = ["sendmsg", "recvmsg"];

/// The folder of orders, if this process was started with the library.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Starts this program anew, with the library in it and in all that it starts. Returns only if that fails.
#[must_use]
pub fn start_anew(library: &Path, folder: &Path, arguments: impl Iterator<Item = OsString>) -> io::Error {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(e) => return e,
    };
    Command::new(own).args(arguments).env("LD_PRELOAD", library).env(FOLDER, folder).exec()
}

/// Lets so many calls of a process fail, from the next one on. `chance` picks call and error.
///
/// # Errors
/// When the order can't be written.
pub fn fail(folder: &Path, number: u64, pid: Pid, times: u64, chance: usize) -> io::Result<()> {
    let (call, errno) = (CALLS[chance % 2], ERRORS[chance / 2 % 4].raw_os_error());
    let order = format!("{number} {} {call} 1 {times} {errno}\n", pid.as_u32());
    durable::replace(&folder.join("order"), order.as_bytes())
}
