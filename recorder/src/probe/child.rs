//! The probe's own process, as the recorder that asks sees it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use proto::instance::RuntimeDir;
use proto::ladder::Ladders;
use proto::process::Pid;

/// The whole probe takes less than a second for cameras of one kind. It takes this long only if a driver hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Has the encoders tried by a process of its own. Returns what was found before it ended, and how it ended.
pub(crate) fn run(dir: &RuntimeDir) -> (Ladders, anyhow::Result<()>) {
    let mut found = Ladders::new();
    let ended = run_to_its_end(dir, &mut found);
    (found, ended)
}

fn run_to_its_end(dir: &RuntimeDir, found: &mut Ladders) -> anyhow::Result<()> {
    let mut child = start(dir)?;
    let stdout = child.stdout.take().context("the codec probe has no output to read")?;
    let answered = lines(stdout).and_then(|lines| collect(&lines, found));
    if answered.is_err() {
        // A driver hangs, or nobody reads. The probe's death closes its end of the pipe, and the reader ends.
        let _ = child.kill();
    }
    let pid = Pid::of(&child);
    let status = child.wait().context("the codec probe's end can't be awaited")?;
    // A failure is harmless: the folder goes with the instance.
    let _ = std::fs::remove_dir_all(dir.probe_dir().join(pid.to_string()));
    answered?;
    anyhow::ensure!(status.success(), "the codec probe ended with {status}");
    Ok(())
}

fn start(dir: &RuntimeDir) -> anyhow::Result<Child> {
    let own =
        std::env::current_exe().context("codec probe: this recorder's own executable can't be found")?;
    Command::new(own)
        .arg0("preroll-codec-probe")
        .args(["--probe", "--parent", &Pid::this().to_string(), "--runtime-dir"])
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the codec probe can't be started")
}

/// The probe's lines, each when it comes.
fn lines(stdout: ChildStdout) -> anyhow::Result<Receiver<std::io::Result<String>>> {
    let (told, lines) = channel();
    let reading = std::thread::Builder::new().name("probe's lines".into()).spawn(move || {
        // The receiver is gone if the probe took too long.
        let _ = BufReader::new(stdout).lines().try_for_each(|line| told.send(line));
    });
    reading.context("the codec probe's answer can't be read: no thread for it")?;
    Ok(lines)
}

/// Gathers the ladders until the probe has closed its output, or its time is over.
fn collect(lines: &Receiver<std::io::Result<String>>, found: &mut Ladders) -> anyhow::Result<()> {
    let until = Instant::now() + DEADLINE;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let line = line.context("the codec probe's answer can't be read")?;
                let ladders: Ladders =
                    serde_json::from_str(&line).context("the codec probe's answer is no list of encoders")?;
                found.extend(ladders);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                anyhow::bail!("the codec probe did not end within {} s", DEADLINE.as_secs())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::ladder::EncoderLadder;
    use proto::name::Name;

    use super::*;

    #[test]
    fn what_was_found_before_the_probe_failed_counts() {
        let ladders = Ladders::from([(Name::new("left").unwrap(), EncoderLadder::assumed(None, None))]);
        let (told, lines) = channel();
        told.send(Ok(serde_json::to_string(&ladders).unwrap())).unwrap();
        // The probe was killed in the middle of its second line.
        told.send(Ok("{\"right\":{\"ch".to_owned())).unwrap();
        drop(told);
        let mut found = Ladders::new();
        assert!(collect(&lines, &mut found).is_err());
        assert_eq!(found, ladders);
    }
}
