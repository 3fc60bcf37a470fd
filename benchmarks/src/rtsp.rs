//! `benchmark rtsp`: cameras that send H.264 over RTSP. What they cost armed, the memory of everything, the frames that were sent
//! and not captured, and how soon they are live again after their streams were cut. The senders are `bad-camera`, a process of its
//! own whose cost isn't counted.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use proto::clip::{MANIFEST, Manifest};
use proto::ring::Ring;
use rig::instance::Answer;
use rig::spread::Spread;
use rig::supervisor::Supervisor;
use rig::{program, wait};
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::copied;
use crate::cost::{self, Cost};
use crate::head::Head;

/// Seconds of the film that every camera sends again and again.
const FILM_S: u32 = 10;
/// Seconds from one key frame to the next.
const GOP_S: u32 = 2;
/// Every stream begins with its next frame, be it a key frame or not: the wait for one is the camera's.
const WORDS: &str = "midgop";
/// From a cut to the next: longer than any camera takes.
const BETWEEN_CUTS: Duration = Duration::from_secs(3);
/// A frame may be on its way when frames are counted.
const ON_ITS_WAY: u64 = 1;

/// The plan of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// Number of cameras.
    pub cameras: u32,
    /// Each camera's pixels, as in 1920x1080.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// Kilobits a second of each.
    pub kbps: u32,
    /// Before a trigger.
    pub pre_ms: u64,
    /// After it.
    pub post_ms: u64,
    /// Armed and without a clip for so long.
    pub armed_s: f64,
    /// Cuts of all streams.
    pub cuts: u32,
}

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The plan that was asked for.
    pub plan: Plan,
    /// Of all processes, while no clip is open.
    pub armed: Cost,
    /// Megabytes of all rings.
    pub rings_mb: f64,
    /// Frames sent while armed.
    pub sent: u64,
    /// Frames of those that were not captured.
    pub lost: u64,
    /// Frames that should be in a clip of all cameras.
    pub clip_expected: u64,
    /// Frames that are not.
    pub clip_lost: u64,
    /// From each cut to the next frame in the ring, camera by camera.
    pub live_again_ms: Vec<f64>,
    /// Things that should not have happened, in words.
    pub broken: Vec<String>,
}

/// Measures.
///
/// # Errors
/// When Preroll or the cameras can't be started, or something that is measured doesn't happen.
pub fn measure(plan: &Plan) -> anyhow::Result<Results> {
    let head = Head::begin("rtsp");
    let folder = tempfile::tempdir()?;
    let mut senders = Senders::start(plan, folder.path())?;
    let mut supervisor = Supervisor::start(&write_config(plan, &senders.url, folder.path())?)?;
    supervisor.wait_until_ready()?;
    let rings = rings(&supervisor, plan)?;
    let bytes: usize = rings.values().map(|ring| ring.total_bytes()).sum();
    let before = (senders.sent()?, captured(&rings));
    let armed = copied::armed(&supervisor, Duration::from_secs_f64(plan.armed_s))?;
    let after = (senders.sent()?, captured(&rings));
    let (sent, lost) = lost(&before, &after);
    let (clip_expected, clip_lost) = take_clip(&supervisor)?;
    let mut live_again_ms = Vec::new();
    for _ in 0..plan.cuts {
        live_again_ms.extend(cut(&mut senders, &rings)?);
        std::thread::sleep(BETWEEN_CUTS);
    }
    let broken = Some(supervisor.stop()?).filter(|left| !left.is_empty()).into_iter().collect();
    let rings_mb = cost::mega(bytes.try_into()?);
    Ok(Results {
        head,
        plan: plan.clone(),
        armed,
        rings_mb,
        sent,
        lost,
        clip_expected,
        clip_lost,
        live_again_ms,
        broken,
    })
}

fn write_config(plan: &Plan, url: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let mbps = plan.kbps.div_ceil(1000);
    let gop_ms = GOP_S * 1000;
    let mut text = "cameras:\n".to_owned();
    for name in (1..=plan.cameras).map(Cameras::name) {
        text += &format!(
            "  - {{ name: {name}, backend: rtsp, url: '{url}{WORDS}/{name}', max_bitrate_mbps: {mbps}, gop_ms: {gop_ms} }}\n"
        );
    }
    let recordings = folder.join("recordings").display().to_string();
    text += &format!(
        "recording: {{ output_dir: {recordings:?}, pre_roll_ms: {}, post_roll_ms: {} }}\n",
        plan.pre_ms, plan.post_ms
    );
    let path = folder.join("rtsp.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Waits until every ring holds its pre-roll.
fn rings(supervisor: &Supervisor, plan: &Plan) -> anyhow::Result<BTreeMap<String, Arc<Ring>>> {
    let frames = plan.pre_ms * u64::from(plan.fps) / 1000;
    let mut rings = BTreeMap::new();
    for name in (1..=plan.cameras).map(Cameras::name) {
        let ring = wait::until(&format!("camera {name} to fill its ring"), || {
            supervisor.instance().ring(&name).ok().filter(|ring| ring.head() > frames)
        })?;
        rings.insert(name, ring);
    }
    Ok(rings)
}

fn captured(rings: &BTreeMap<String, Arc<Ring>>) -> BTreeMap<String, u64> {
    rings.iter().map(|(name, ring)| (name.clone(), ring.head())).collect()
}

type Counted = BTreeMap<String, u64>;

/// The frames that were sent between two looks, and how many of them were not captured.
fn lost(before: &(Counted, Counted), after: &(Counted, Counted)) -> (u64, u64) {
    let grown = |before: &Counted, after: &Counted, name: &str| {
        let count = |counted: &Counted| counted.get(name).copied().unwrap_or(0);
        count(after) - count(before)
    };
    after.0.keys().fold((0, 0), |(sent, lost), name| {
        let of_camera = grown(&before.0, &after.0, name);
        let missing = of_camera.saturating_sub(grown(&before.1, &after.1, name) + ON_ITS_WAY);
        (sent + of_camera, lost + missing)
    })
}

/// Takes a clip. Returns the frames that should be in it, and those that are not.
fn take_clip(supervisor: &Supervisor) -> anyhow::Result<(u64, u64)> {
    let output = supervisor.trigger("rtsp")?.wait_with_output()?;
    let answer: Answer = serde_json::from_slice(&output.stdout).context("a trigger's answer")?;
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(Path::new(&answer.path).join(MANIFEST))?)?;
    let cameras = manifest.cameras.values();
    Ok(cameras.fold((0, 0), |(expected, lost), camera| {
        (expected + camera.frames_expected, lost + camera.frames_expected - camera.frames_written)
    }))
}

/// Cuts every stream, and waits until each camera is captured again. Milliseconds from the cut, camera by camera.
fn cut(senders: &mut Senders, rings: &BTreeMap<String, Arc<Ring>>) -> anyhow::Result<Vec<f64>> {
    senders.sent()?;
    let sessions = senders.sessions.clone();
    let mut back: BTreeMap<&str, Option<u64>> = rings.keys().map(|name| (name.as_str(), None)).collect();
    let mut took = Vec::new();
    let began = Instant::now();
    senders.command("cut")?;
    wait::until_every(wait::CLOSE, "the cameras to be back", || {
        let read = senders.sent();
        back.retain(|name, seen_at| {
            let ring = &rings[*name];
            if seen_at.is_none() && senders.sessions.get(*name) > sessions.get(*name) {
                *seen_at = Some(ring.head());
            }
            // A frame behind those that were there when the new session was seen is of that session.
            let is_live = seen_at.is_some_and(|head| ring.head() > head);
            took.extend(is_live.then(|| began.elapsed().as_secs_f64() * 1e3));
            !is_live
        });
        match read {
            Err(error) => Some(Err(error)),
            Ok(_) => back.is_empty().then_some(Ok(())),
        }
    })??;
    Ok(took)
}

/// The cameras: a process of its own.
struct Senders {
    process: Child,
    commands: ChildStdin,
    url: String,
    log: BufReader<File>,
    /// A line of the log that isn't whole yet.
    line: String,
    /// Frames that each camera has sent.
    frames: Counted,
    /// The session of each camera's newest frame.
    sessions: Counted,
}

impl Senders {
    /// Starts them, and waits until they can be asked.
    fn start(plan: &Plan, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join("sent");
        let mut command = Command::new(program::path("bad-camera")?);
        let number = |number: u32| number.to_string();
        command.args(["--commands", "--size", &plan.size, "--prepare", WORDS, "--truth-log"]).arg(&log);
        command.args(["--fps", &number(plan.fps), "--kbps", &number(plan.kbps)]);
        command.args(["--seconds", &number(FILM_S), "--gop", &number(GOP_S * plan.fps)]);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("bad-camera")?;
        let commands = process.stdin.take().context("bad-camera's input")?;
        let mut url = String::new();
        BufReader::new(process.stdout.take().context("bad-camera's output")?).read_line(&mut url)?;
        ensure!(url.starts_with("rtsp://"), "bad-camera didn't start");
        Ok(Self {
            process,
            commands,
            url: url.trim().to_owned(),
            log: BufReader::new(File::open(&log)?),
            line: String::new(),
            frames: Counted::new(),
            sessions: Counted::new(),
        })
    }

    fn command(&mut self, command: &str) -> anyhow::Result<()> {
        writeln!(self.commands, "{command}").context("bad-camera has ended")
    }

    /// The frames that each camera has sent so far.
    fn sent(&mut self) -> anyhow::Result<Counted> {
        while self.log.read_line(&mut self.line)? > 0 && self.line.ends_with('\n') {
            let mut fields = self.line.split(',');
            let name = fields.next().and_then(|path| path.rsplit('/').next()).context("a line of the log")?;
            let session = fields.next().context("a line of the log")?.parse()?;
            *self.frames.entry(name.to_owned()).or_default() += 1;
            self.sessions.insert(name.to_owned(), session);
            self.line.clear();
        }
        Ok(self.frames.clone())
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        // One that has ended can't be killed, and needn't be.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, plan, armed, .. } = self;
        writeln!(
            f,
            "{} cameras (RTSP, H.264), {} at {} fps, {} kb/s each, {} + {} ms; {} cores, load {}",
            plan.cameras,
            plan.size,
            plan.fps,
            plan.kbps,
            plan.pre_ms,
            plan.post_ms,
            head.machine.cores,
            head.machine.load
        )?;
        writeln!(
            f,
            "armed: {:.1} % of a core, {:.0} MB (PSS), rings {:.1} MB of that",
            armed.cpu_percent.average, armed.memory_mb.average, self.rings_mb
        )?;
        for (role, (mb, cpu)) in &armed.roles {
            writeln!(f, "  {role}: {:.1} % of a core, {:.0} MB", cpu.average, mb.average)?;
        }
        writeln!(
            f,
            "frames lost: {} of {} armed, {} of {} in a clip",
            self.lost, self.sent, self.clip_lost, self.clip_expected
        )?;
        let Spread { of, p50, p99, worst } = Spread::of(self.live_again_ms.iter().copied());
        writeln!(f, "live again after a cut: {p50:.0} / {p99:.0} / {worst:.0} ms (half, 99 %, all) of {of}")?;
        self.broken.iter().try_for_each(|why| writeln!(f, "BROKEN: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(frames: u64) -> Counted {
        Counted::from([("camera1".to_owned(), frames)])
    }

    #[test]
    fn a_frame_that_was_sent_and_not_captured_is_lost_but_for_one_on_its_way() {
        let before = (counted(100), counted(90));
        assert_eq!(lost(&before, &(counted(200), counted(190))), (100, 0));
        assert_eq!(lost(&before, &(counted(200), counted(189))), (100, 0));
        assert_eq!(lost(&before, &(counted(200), counted(187))), (100, 2));
    }

    #[test]
    fn the_senders_are_counted_camera_by_camera_and_cut_together() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("sent");
        std::fs::write(
            &log,
            "midgop/a,1,0,0,5,whole,key,sure\nmidgop/b,2,0,0,6,whole,key,sure\nmidgop/a,3,1",
        )
        .unwrap();
        let mut process = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let commands = process.stdin.take().unwrap();
        let log = BufReader::new(File::open(log).unwrap());
        let (line, frames, sessions) = (String::new(), Counted::new(), Counted::new());
        let mut senders = Senders { process, commands, url: String::new(), log, line, frames, sessions };
        let sent = senders.sent().unwrap();
        assert_eq!(sent, Counted::from([("a".to_owned(), 1), ("b".to_owned(), 1)]));
        assert_eq!(senders.sessions["b"], 2);
    }
}
