//! The probe's own process, as the recorder that asks sees it.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context;
use proto::codec::EncoderLadder;
use proto::instance::RuntimeDir;
use proto::process::Pid;

/// The whole probe takes one to three seconds for two cameras. It takes this long only if a driver hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Has every encoder tried by a process of its own.
pub(crate) fn run(dir: &RuntimeDir) -> anyhow::Result<EncoderLadder> {
    let own =
        std::env::current_exe().context("codec probe: this recorder's own executable can't be found")?;
    let mut child = Command::new(own)
        .arg0("preroll-codec-probe")
        .args(["--probe", "--parent", &Pid::this().to_string(), "--runtime-dir"])
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the codec probe can't be started")?;
    let mut stdout = child.stdout.take().context("the codec probe has no output to read")?;
    let (told, answer) = channel();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.read_to_end(&mut text);
        // The receiver is gone if the probe took too long.
        let _ = told.send(read.map(|_| text));
    });
    let answer = answer.recv_timeout(DEADLINE);
    if answer.is_err() {
        // A driver hangs. The probe's death closes its end of the pipe, and the reader ends.
        let _ = child.kill();
    }
    let pid = Pid::of(&child);
    let status = child.wait().context("the codec probe's end can't be awaited")?;
    // A failure is harmless: the folder goes with the instance.
    let _ = std::fs::remove_dir_all(dir.probe_dir().join(pid.to_string()));
    let _ = reader.join();
    let text = answer
        .with_context(|| format!("the codec probe gave no answer in {} s", DEADLINE.as_secs()))?
        .context("the codec probe's answer can't be read")?;
    anyhow::ensure!(status.success(), "the codec probe ended with {status}");
    serde_json::from_slice(&text).context("the codec probe's answer is no list of encoders")
}
