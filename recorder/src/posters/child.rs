//! The process that decodes a poster, as the recorder sees it: it reads an open file and writes a JPEG, and is killed if it takes
//! too long. It inherits the niceness of the thread that starts it, and ends with that.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use proto::process::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The executable, which lies beside the recorder.
const MEDIA: &str = "preroll-media";
/// The width of a poster.
const WIDTH: u32 = 640;
/// The child gives up by itself after 20 s. One that was stopped doesn't.
const DEADLINE: Duration = Duration::from_secs(30);
/// A JPEG of that width has a tenth of it.
const MAX_BYTES: u64 = 4 << 20;

/// A frame of a film as a JPEG.
///
/// # Errors
/// A sentence on why there is none.
pub(super) fn still(film: File, at_ns: u64) -> Result<Vec<u8>, String> {
    let program =
        beside_this_one().map_err(|e| format!("the recorder's own executable can't be found: {e}"))?;
    let mut command = Command::new(&program);
    command.args(["--parent", &Pid::this().to_string(), "still", "-", "--output", "-"]);
    command.args(["--at-ns", &at_ns.to_string(), "--width", &WIDTH.to_string()]);
    command.stdin(film).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("{} can't be run: {e}", program.display()))?;
    let read = child.stdout.take().map_or(Ok(Vec::new()), |stdout| read_all(stdout, DEADLINE));
    if read.is_err() {
        // Else it would be waited for.
        let _ = child.kill();
    }
    let said = ended(child)?;
    let jpeg = read.map_err(|e| format!("its decoding came to no end: {e}"))?;
    if said.is_empty() && jpeg.starts_with(&[0xff, 0xd8]) { Ok(jpeg) } else { Err(said) }
}

fn beside_this_one() -> io::Result<PathBuf> {
    std::env::current_exe().map(|own| own.with_file_name(MEDIA))
}

/// Reads until the child closes its output.
fn read_all(mut from: ChildStdout, within: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + within;
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        match from.read(&mut piece)? {
            0 => return Ok(bytes),
            read => bytes.extend(&piece[..read]),
        }
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
            return Err(io::Error::other("it is too large"));
        }
    }
}

/// Waits for the child's end. The words in which it failed; none if it didn't.
fn ended(child: Child) -> Result<String, String> {
    let output = child.wait_with_output().map_err(|e| format!("the end of {MEDIA} can't be awaited: {e}"))?;
    if output.status.success() {
        return Ok(String::new());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    Ok(if said.is_empty() { format!("{MEDIA} ended with {}", output.status) } else { said.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    #[test]
    fn a_child_is_read_to_its_end_and_no_longer_than_it_may_take() {
        let mut quick = shell("printf '%070000d' 7");
        assert_eq!(read_all(quick.stdout.take().unwrap(), DEADLINE).unwrap().len(), 70_000);
        assert_eq!(ended(quick), Ok(String::new()));
        let mut stopped = shell("kill -STOP $$");
        let read = read_all(stopped.stdout.take().unwrap(), Duration::from_millis(50));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        stopped.kill().unwrap();
        assert!(ended(stopped).unwrap().contains("signal: 9"));
        let mut endless = shell("cat /dev/zero");
        assert!(read_all(endless.stdout.take().unwrap(), DEADLINE).is_err());
        let _ = ended(endless);
        assert_eq!(ended(shell("echo it is no video >&2; exit 1")), Ok("it is no video".into()));
    }
}
