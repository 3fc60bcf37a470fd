//! A contender that is a script of `benchmarks/peers`, on two feeds. How they talk is said in `peer.py`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use proto::process::Pid;
use proto::time::MonotonicNs;
use rig::process;
use rustix::process::Signal;
use serde::Deserialize;

use super::contender::{CAMERAS, Clip, Contender, below};
use super::driver::Frame;
use super::feed::Feed;
use super::plan::Plan;

/// The interpreter that distributions install their packages for.
const PYTHON: &str = "/usr/bin/python3";
/// To import what it needs, open its cameras and see a frame of each.
const START: Duration = Duration::from_secs(20);
/// systemd's RestartSec, if nothing else is said.
const RESTART: Duration = Duration::from_millis(100);
/// A process that was killed is gone by then, and if another lives on it isn't.
const DEATH: Duration = Duration::from_millis(20);
/// From the end of its input to its own end.
const END: Duration = Duration::from_secs(3);

/// Every script, by the name of its file.
pub const SCRIPTS: [(&str, &str); 6] = [
    ("peer.py", include_str!("../../peers/peer.py")),
    ("opencv_seed.py", include_str!("../../peers/opencv_seed.py")),
    ("opencv_threads.py", include_str!("../../peers/opencv_threads.py")),
    ("gstreamer.py", include_str!("../../peers/gstreamer.py")),
    ("ffmpeg_segments.py", include_str!("../../peers/ffmpeg_segments.py")),
    ("motion.py", include_str!("../../peers/motion.py")),
];

/// Writes the scripts into a folder.
///
/// # Errors
/// When they can't be written.
pub fn unpack(folder: &Path) -> anyhow::Result<()> {
    for (name, text) in SCRIPTS {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// The reason why a script can't run here, if it can't.
#[must_use]
pub fn missing(script: &Path) -> Option<String> {
    let output = match Command::new(PYTHON).arg(script).arg("check").stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(e) => return Some(format!("{PYTHON}: {e}")),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(|| said.lines().last().unwrap_or("it can't be started").to_owned())
}

/// A line of a script's standard output.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Ready { encoder: Pid, codec: String },
    Finished { label: String, files: BTreeMap<String, Vec<PathBuf>> },
}

/// A running script.
pub struct Script {
    script: PathBuf,
    plan: Plan,
    folder: PathBuf,
    feeds: [Feed; 2],
    child: Child,
    said: Receiver<(MonotonicNs, String)>,
    encoder: Option<Pid>,
    codec: String,
    /// For what belongs into memory.
    memory: tempfile::TempDir,
}

impl Script {
    /// Starts two cameras and the script, and waits until it is ready.
    ///
    /// # Errors
    /// When it doesn't get ready; what it said last is in the error.
    pub fn start(script: &Path, plan: &Plan, folder: &Path) -> anyhow::Result<Self> {
        let (size, fps) = (plan.pixels()?, plan.fps()?);
        std::fs::create_dir_all(folder.join("clips"))?;
        let feeds = [
            Feed::start(&folder.join(CAMERAS[0]), size, fps, 0)?,
            Feed::start(&folder.join(CAMERAS[1]), size, fps, 1)?,
        ];
        let memory = tempfile::tempdir_in("/dev/shm")?;
        let (child, said) = spawn(script, plan, folder, memory.path())?;
        let mut this = Self {
            script: script.to_owned(),
            plan: plan.clone(),
            folder: folder.to_owned(),
            feeds,
            child,
            said,
            encoder: None,
            codec: String::new(),
            memory,
        };
        match this.hear(MonotonicNs::now() + START)? {
            Some((_, Said::Ready { encoder, codec })) => {
                (this.encoder, this.codec) = (Some(encoder), codec);
                Ok(this)
            }
            _ => bail!("it is not ready after {START:?}; it said: {}", this.last_words()),
        }
    }

    fn hear(&self, until: MonotonicNs) -> anyhow::Result<Option<(MonotonicNs, Said)>> {
        let Ok((at, line)) = self.said.recv_timeout(until.since(MonotonicNs::now())) else { return Ok(None) };
        let said = serde_json::from_str(&line).with_context(|| format!("it said: {line}"))?;
        Ok(Some((at, said)))
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("; ")
    }
}

fn spawn(
    script: &Path,
    plan: &Plan,
    folder: &Path,
    memory: &Path,
) -> anyhow::Result<(Child, Receiver<(MonotonicNs, String)>)> {
    let (width, height) = plan.pixels()?;
    let stderr = File::options().create(true).append(true).open(folder.join("stderr"))?;
    let mut child = Command::new(PYTHON)
        .arg(script)
        .args(CAMERAS.map(|camera| folder.join(camera)))
        .arg(folder.join("clips"))
        .args([width, height, plan.fps, plan.pre_ms, plan.post_ms].map(|n| n.to_string()))
        .env("TMPDIR", memory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .context(PYTHON)?;
    let stdout = child.stdout.take().context("its output")?;
    let (tell, said) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tell.send((MonotonicNs::now(), line)).is_err() {
                break;
            }
        }
    });
    Ok((child, said))
}

impl Contender for Script {
    fn root(&self) -> Pid {
        Pid::of(&self.child)
    }

    fn files_in_memory(&self) -> u64 {
        below(self.memory.path()).iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }

    fn encoder(&self) -> Option<Pid> {
        self.encoder
    }

    fn codec(&self) -> String {
        self.codec.clone()
    }

    fn frames(&self) -> [Vec<Frame>; 2] {
        self.feeds.each_ref().map(Feed::frames)
    }

    fn trigger(&mut self, label: &str) -> anyhow::Result<()> {
        let stdin = self.child.stdin.as_mut().context("its input")?;
        writeln!(stdin, "trigger {label}")?;
        Ok(stdin.flush()?)
    }

    fn clip(&mut self, label: &str, until: MonotonicNs) -> anyhow::Result<Option<Clip>> {
        while let Some((finished, said)) = self.hear(until)? {
            if let Said::Finished { label: of, files } = said
                && of == label
            {
                return Ok(Some(Clip { files, finished }));
            }
        }
        Ok(None)
    }

    fn output(&self) -> Vec<PathBuf> {
        below(&self.folder.join("clips"))
    }

    fn revive(&mut self) -> anyhow::Result<()> {
        std::thread::sleep(DEATH);
        if self.child.try_wait()?.is_some() {
            std::thread::sleep(RESTART.saturating_sub(DEATH));
            (self.child, self.said) = spawn(&self.script, &self.plan, &self.folder, self.memory.path())?;
        }
        Ok(())
    }

    fn stop(mut self: Box<Self>) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let until = Instant::now() + END;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < until, "it doesn't end when its input does");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for pid in process::descendants(self.root()) {
                process::signal(pid, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}
