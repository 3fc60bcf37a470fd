//! `benchmark encode`: what a frame costs the recorder, beside what it costs the `ffmpeg` command: frames of the same camera,
//! the same settings of libx264, the same pace; one after the other, several times.
//!
//! The recorder pays for more: it leases, writes a journal, ends a fragment after each frame, and joins the parts. `ffmpeg`
//! reads the frames from a file in memory, which the recorder doesn't have to.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use proto::clip::{MANIFEST, Manifest};
use proto::instance::ChildId;
use proto::process::Pid;
use proto::ring::ReaderBit;
use rig::instance::Answer;
use rig::process;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::head::Head;

const SIZE: (u32, u32) = (1280, 720);
const FPS: u32 = 60;
const PRESET: &str = "superfast";
const CRF: u32 = 23;
const SECONDS: u32 = 5;
/// The codec probe's bit: the probe is over by then.
const BIT: u8 = 1;
const FOR_EVER: Duration = Duration::from_secs(10);

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// Milliseconds of processor time a frame: the recorder's, then ffmpeg's, round by round.
    pub rounds: Vec<(f64, f64)>,
    /// The median of one over the other.
    pub ratio: f64,
}

/// Measures so many rounds.
///
/// # Errors
/// When there is no `ffmpeg`, or Preroll doesn't run.
pub fn measure(rounds: u32) -> anyhow::Result<Results> {
    let head = Head::begin("encode");
    let folder = tempfile::tempdir()?;
    // In memory: the disk is not what is measured.
    let memory = tempfile::tempdir_in("/dev/shm")?;
    let config = folder.path().join("encode.yaml");
    let (width, height) = SIZE;
    std::fs::write(
        &config,
        format!(
            "cameras: [{{ name: left, backend: sim, width: {width}, height: {height}, fps: {FPS} }}]\nrecording: {{ \
             output_dir: {:?}, preset: {PRESET}, codec_quality: {CRF}, reserve_ms: 2000, min_free_bytes: 0 }}\n",
            memory.path().join("recordings").display().to_string()
        ),
    )?;
    let mut supervisor = Supervisor::start(&config)?;
    supervisor.wait_until_ready()?;
    let raw = memory.path().join("frames.yuv");
    let frames = save_frames(&supervisor, &raw)?;
    let rounds: Vec<(f64, f64)> = (0..rounds)
        .map(|_| Ok((by_recorder(&supervisor)?, by_ffmpeg(&raw, memory.path(), frames)?)))
        .collect::<anyhow::Result<_>>()?;
    let leftover = supervisor.stop()?;
    ensure!(leftover.is_empty(), "{leftover}");
    let mut ratios: Vec<f64> = rounds.iter().map(|(ours, theirs)| ours / theirs).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios.get(ratios.len() / 2).copied().unwrap_or(0.0);
    Ok(Results { head, rounds, ratio })
}

/// The camera's frames, as they come.
fn save_frames(supervisor: &Supervisor, to: &Path) -> anyhow::Result<u32> {
    let ring = supervisor.instance().ring("left")?;
    let reader = ring.reader(ReaderBit::new(BIT).context("a reader's bit")?)?;
    let mut file = File::create(to)?;
    let frames = SECONDS * FPS;
    let first = ring.head() + 1;
    for next in first..first + u64::from(frames) {
        ensure!(ring.wait_newer(next - 1, FOR_EVER), "the camera is silent");
        let Ok(lease) = reader.lease(next) else { bail!("a frame was gone before it was saved") };
        file.write_all(lease.bytes())?;
    }
    Ok(frames)
}

/// Milliseconds of processor time that a process has used.
fn used(pid: Pid) -> anyhow::Result<f64> {
    Ok(process::used(pid).context("the recorder has ended")?.cpu.as_secs_f64() * 1e3)
}

/// Milliseconds of processor time for each frame of a clip, from the trigger to the finished file.
fn by_recorder(supervisor: &Supervisor) -> anyhow::Result<f64> {
    let recorder = supervisor.instance().child(&ChildId::Recorder).context("the recorder")?;
    let before = used(recorder)?;
    let mut trigger = supervisor.instance().command()?;
    let post_ms = (SECONDS * 1000).to_string();
    let output = trigger.args(["trigger", "--wait", "--pre-ms", "0", "--post-ms", &post_ms]).output()?;
    let answer: Answer = serde_json::from_slice(&output.stdout).context("the trigger's answer")?;
    let after = used(recorder)?;
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(Path::new(&answer.path).join(MANIFEST))?)?;
    let written: u64 = manifest.cameras.values().map(|camera| camera.frames_written).sum();
    std::fs::remove_dir_all(&answer.path)?;
    Ok((after - before) / f64::from(u32::try_from(written.max(1))?))
}

fn by_ffmpeg(raw: &Path, folder: &Path, frames: u32) -> anyhow::Result<f64> {
    let (width, height) = SIZE;
    let output = Command::new("ffmpeg")
        // At the camera's pace, as the recorder works: a processor that rests between frames is slower with each.
        .args(["-nostdin", "-hide_banner", "-benchmark", "-y", "-re"])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p"])
        .args(["-s", &format!("{width}x{height}"), "-r", &FPS.to_string(), "-i"])
        .arg(raw)
        .args(["-c:v", "libx264", "-threads", "1", "-preset", PRESET, "-crf", &CRF.to_string(), "-bf", "0"])
        .args(["-g", &FPS.to_string(), "-x264-params", "rc-lookahead=0:sync-lookahead=0:force-cfr=1"])
        .args(["-movflags", "faststart"])
        .arg(folder.join("ffmpeg.mp4"))
        .output()
        .context("ffmpeg")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffmpeg: {said}");
    // bench: utime=1.234s stime=0.056s rtime=…
    let seconds = |key: &str| -> Option<f64> {
        let line = said.lines().rfind(|line| line.contains("bench: utime="))?;
        line.split_once(key)?.1.split_once('s')?.0.parse().ok()
    };
    let both = seconds("utime=").zip(seconds("stime=")).context("ffmpeg says nothing of its time")?;
    Ok((both.0 + both.1) * 1e3 / f64::from(frames))
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}x{} at {FPS} fps, libx264 {PRESET}, CRF {CRF}, one thread; ms of processor time a frame; load {}",
            SIZE.0, SIZE.1, self.head.machine.load
        )?;
        writeln!(f, "{:<8} {:>9} {:>9} {:>7}", "", "recorder", "ffmpeg", "ratio")?;
        for (n, (ours, theirs)) in self.rounds.iter().enumerate() {
            writeln!(f, "round {:<2} {ours:>9.3} {theirs:>9.3} {:>7.3}", n + 1, ours / theirs)?;
        }
        writeln!(f, "{:<8} {:>27.3}", "median", self.ratio)
    }
}
