//! Sending and receiving over one channel, with patience for failures that pass by themselves. What follows when patience
//! ends is in [`crate::link`].

use std::time::{Duration, Instant};

use ipc_channel::IpcError;
use ipc_channel::ipc::{IpcReceiver, IpcSender};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest time for which a call that fails is made again: as long as a lost order may go unnoticed.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// The pause after the first failure; it doubles from there …
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// … up to this one.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The end of a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The other side has closed it, or is gone.
    #[error("the other side has closed the link")]
    Closed,
    /// A call failed, and not in passing.
    #[error("{0}")]
    Broken(String),
}

impl From<IpcError> for LinkError {
    fn from(error: IpcError) -> Self {
        match error {
            IpcError::Disconnected => Self::Closed,
            IpcError::Io(e) if [Errno::PIPE, Errno::CONNRESET].iter().any(|gone| is(&e, *gone)) => {
                Self::Closed
            }
            other => Self::Broken(other.to_string()),
        }
    }
}

/// Sends a message.
pub(super) fn send<T: Serialize + Clone>(to: &IpcSender<T>, message: &T) -> Result<(), LinkError> {
    patiently(|| to.send(message.clone()))
}

/// Waits for the next message.
pub(super) fn receive<T: Serialize + DeserializeOwned>(from: &IpcReceiver<T>) -> Result<T, LinkError> {
    patiently(|| from.recv())
}

/// Makes a call again as long as its failure may pass.
fn patiently<T>(mut call: impl FnMut() -> Result<T, IpcError>) -> Result<T, LinkError> {
    let mut failing: Option<Instant> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match call() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let since = *failing.get_or_insert_with(Instant::now);
        if !passes(&error) || since.elapsed() >= PATIENCE {
            return Err(error.into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Has the failed call done nothing, and may the next one succeed?
fn passes(error: &IpcError) -> bool {
    let IpcError::Io(error) = error else { return false };
    [Errno::INTR, Errno::AGAIN, Errno::NOBUFS, Errno::NOMEM].iter().any(|passing| is(error, *passing))
}

fn is(error: &std::io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn failure(errno: Errno) -> IpcError {
        IpcError::Io(io::Error::from_raw_os_error(errno.raw_os_error()))
    }

    #[test]
    fn a_call_that_fails_in_passing_is_made_again() {
        let mut failures = vec![Errno::NOBUFS, Errno::INTR, Errno::NOMEM, Errno::AGAIN];
        let mut calls = 0;
        let done = patiently(|| {
            calls += 1;
            failures.pop().map_or(Ok(7), |errno| Err(failure(errno)))
        });
        assert_eq!((done, calls), (Ok(7), 5));
    }

    #[test]
    fn a_call_that_fails_for_good_is_not() {
        let mut calls = 0;
        let done: Result<(), _> = patiently(|| {
            calls += 1;
            Err(failure(Errno::BADF))
        });
        assert!(
            matches!(&done, Err(LinkError::Broken(why)) if why.contains("Bad file descriptor")),
            "{done:?}"
        );
        assert_eq!(calls, 1);
    }

    #[test]
    fn patience_has_an_end() {
        let began = Instant::now();
        let done: Result<(), _> = patiently(|| Err(failure(Errno::NOBUFS)));
        assert!(matches!(done, Err(LinkError::Broken(_))) && began.elapsed() >= PATIENCE);
    }

    #[test]
    fn a_side_that_is_gone_is_no_failure() {
        for gone in [IpcError::Disconnected, failure(Errno::PIPE), failure(Errno::CONNRESET)] {
            assert_eq!(LinkError::from(gone), LinkError::Closed);
        }
    }
}
