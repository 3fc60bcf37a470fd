//! Other people's lines on this process's standard error, with the source's password masked.
//!
//! OpenCV, GStreamer and FFmpeg print a source as it was given to them when it can't be opened. Their log levels differ
//! from version to version, and without their lines nobody knows why a camera fails: so the lines stay and the password
//! goes. This holds for our own lines too. For a source without a password nothing is done.
//!
//! The lines that a crash prints as the process's very last may be lost on their way through.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proto::secret::Secret;

/// The time that the last lines may take to get through. A process that GStreamer has started may keep the pipe open for
/// ever.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Standard error is masked while this lives.
pub(crate) struct MaskedStderr {
    original: OwnedFd,
    done: Receiver<()>,
}

impl MaskedStderr {
    /// Begins, if the source has a password.
    pub(crate) fn start_for(source: &Secret) -> Option<Self> {
        if !source.has_password() {
            return None;
        }
        match Self::start(source.clone()) {
            Ok(masked) => Some(masked),
            Err(e) => {
                tracing::warn!("can't mask the password in the lines that OpenCV prints: {e}");
                None
            }
        }
    }

    fn start(source: Secret) -> io::Result<Self> {
        let original = io::stderr().as_fd().try_clone_to_owned()?;
        let output = File::from(original.try_clone()?);
        let (reader, writer) = io::pipe()?;
        let (ended, done) = channel();
        std::thread::Builder::new().name("stderr".into()).spawn(move || {
            copy(reader, output, &source);
            // The receiver has gone if it took too long.
            let _ = ended.send(());
        })?;
        rustix::stdio::dup2_stderr(&writer)?;
        Ok(Self { original, done })
    }
}

impl Drop for MaskedStderr {
    fn drop(&mut self) {
        // The pipe's only other end is closed by this, which ends the thread.
        if rustix::stdio::dup2_stderr(&self.original).is_ok() {
            let _ = self.done.recv_timeout(LAST_LINES);
        }
    }
}

fn copy(from: PipeReader, mut to: File, source: &Secret) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        // A reader of the log that has gone is no reason to stop emptying the pipe: printing would block.
        let _ = to.write_all(source.mask_in(&String::from_utf8_lossy(&line)).as_bytes());
        line.clear();
    }
}
