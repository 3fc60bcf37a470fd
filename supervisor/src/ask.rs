//! The commands that talk to a running supervisor.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use proto::clip::{CameraClip, Gap, Manifest};
use proto::control::{Accepted, Request, Response, TriggerRequest};
use proto::exit;
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::process::Pid;
use proto::time::{MonotonicNs, WallAnchor, parse_rfc3339};
use proto::wire::{self, FRAME_DEADLINE, FrameError};
use rustix::net::sockopt::Timeout;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Serialize;

use crate::cli::TriggerArgs;
use crate::failure::Failure;
use crate::{invoked, lock, plan, proc, show};

/// How long `stop` waits for the supervisor to be gone: it promises five seconds.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A connection to the supervisor of an instance.
struct Line {
    stream: UnixStream,
    dir: RuntimeDir,
}

impl Line {
    fn to(dir: &Path) -> Result<Self, Failure> {
        let nobody = || {
            let message = format!(
                "no supervisor is running in {}; start one with: {} start --config FILE",
                dir.display(),
                invoked::name()
            );
            Failure::with_code(exit::NOT_RUNNING, message)
        };
        let dir = RuntimeDir::open(dir).map_err(|e| match e {
            proto::instance::RuntimeDirError::System { .. } => nobody(),
            other => Failure::bad_input(other),
        })?;
        match connect(&dir.control_socket()) {
            Ok(stream) => Ok(Self { stream, dir }),
            Err(rustix::io::Errno::AGAIN) => Err(lost(&dir, &FrameError::TooSlow)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Err(nobody()),
            Err(e) => Err(lost(&dir, &FrameError::System(e.into()))),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        wire::write(&mut self.stream, request).map_err(|e| lost(&self.dir, &e))?;
        match wire::read(&mut self.stream, Some(FRAME_DEADLINE * 2)).map_err(|e| lost(&self.dir, &e))? {
            Response::Refused(refusal) => Err(refusal.into()),
            response => Ok(response),
        }
    }
}

/// Waits no longer than [`FRAME_DEADLINE`] for a supervisor that is too busy, or stopped.
fn connect(socket: &Path) -> rustix::io::Result<UnixStream> {
    let stream = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::sockopt::set_socket_timeout(&stream, Timeout::Send, Some(FRAME_DEADLINE))?;
    net::connect(&stream, &SocketAddrUnix::new(socket)?)?;
    Ok(stream.into())
}

fn lost(dir: &RuntimeDir, e: &FrameError) -> Failure {
    let stopped = |pid: &Pid| proc::sign(*pid).is_some_and(|sign| sign.is_stopped());
    let holder = matches!(e, FrameError::TooSlow).then(|| lock::holder(dir)).flatten();
    match holder.filter(stopped) {
        Some(pid) => Failure::failed(format!(
            "the supervisor (pid {pid}) is stopped, so it answers nobody; wake it with: kill -CONT {pid}. Frames \
             are captured and open clips recorded meanwhile"
        )),
        None => Failure::failed(format!("the supervisor did not answer: {e}; see its log")),
    }
}

fn unexpected(response: &Response) -> Failure {
    Failure::failed(format!("the supervisor answered something else: {response:?}; are both of one version?"))
}

/// What `trigger` prints.
#[derive(Serialize)]
struct TriggerAnswer<'a> {
    clip_id: &'a str,
    path: &'a str,
    pre_roll_ms: u64,
    asked_pre_roll_ms: u64,
    notes: &'a [String],
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    finished: Option<FinishedAnswer<'a>>,
}

#[derive(Serialize)]
struct FinishedAnswer<'a> {
    complete: bool,
    ended_early: bool,
    cameras: BTreeMap<&'a str, CameraAnswer<'a>>,
}

#[derive(Serialize)]
struct CameraAnswer<'a> {
    file: Option<&'a str>,
    frames_expected: u64,
    frames_written: u64,
    gaps: &'a [Gap],
    interruptions: usize,
}

/// `supervisor trigger`.
pub(crate) fn trigger(dir: &Path, args: &TriggerArgs) -> Result<u8, Failure> {
    let now = MonotonicNs::now();
    // The supervisor checks it too; but what is wrong in itself is wrong whoever runs.
    if let Some(label) = &args.label {
        Name::new(label).map_err(|e| Failure::bad_input(format!("--label: {e}")))?;
    }
    let request = TriggerRequest {
        label: args.label.clone(),
        cameras: args.cameras.clone(),
        at: named_moment(args, now)?,
        pre_ms: args.pre_ms,
        post_ms: args.post_ms,
        wait: args.wait,
    };
    let mut line = Line::to(dir)?;
    let accepted = match line.ask(&Request::Trigger(request))? {
        Response::Accepted(accepted) => accepted,
        other => return Err(unexpected(&other)),
    };
    if !args.wait {
        print(&answer(&accepted, None))?;
        return Ok(exit::DONE);
    }
    // However long the post-roll is. The supervisor's end ends this too.
    let manifest = match wire::read(&mut line.stream, None) {
        Ok(Response::Finished) => plan::manifest(Path::new(&accepted.path)),
        Ok(Response::Refused(refusal)) => {
            print(&answer(&accepted, None))?;
            return Err(refusal.into());
        }
        Ok(other) => return Err(unexpected(&other)),
        Err(e) => {
            print(&answer(&accepted, None))?;
            let promise = "its plan is on disk, so a running supervisor, or the next one, finishes it";
            return Err(Failure::failed(format!(
                "clip {} is not finished yet; {promise} ({})",
                accepted.clip_id,
                lost(&line.dir, &e)
            )));
        }
    };
    print(&answer(&accepted, manifest.as_ref()))?;
    let Some(manifest) = manifest else {
        return Err(Failure::failed(format!(
            "clip {} is finished, but its manifest in {} can't be read",
            accepted.clip_id, accepted.path
        )));
    };
    if manifest.complete {
        return Ok(exit::DONE);
    }
    let missing = |(name, c): (&Name, &CameraClip)| {
        let frames = c.frames_expected.saturating_sub(c.frames_written);
        (frames > 0).then(|| format!("{name} misses {frames} of {}", c.frames_expected))
    };
    let mut why: Vec<String> = manifest.cameras.iter().filter_map(missing).collect();
    if manifest.ended_early {
        why.push("it was ended early".to_owned());
    }
    Err(Failure::with_code(
        exit::INCOMPLETE,
        format!("clip {} is incomplete: {}", manifest.clip_id, why.join(", ")),
    ))
}

fn named_moment(args: &TriggerArgs, now: MonotonicNs) -> Result<MonotonicNs, Failure> {
    if let Some(ago) = &args.ago {
        let ms: u64 = ago.parse().map_err(|_| {
            Failure::bad_input(format!("--ago {ago:?}: must be milliseconds, a whole number such as 400"))
        })?;
        return Ok(now.before(Duration::from_millis(ms)));
    }
    let Some(at) = &args.at else { return Ok(now) };
    if let Ok(ns) = at.parse() {
        return Ok(MonotonicNs(ns));
    }
    parse_rfc3339(at).and_then(|unix_ns| WallAnchor::now().monotonic(unix_ns)).ok_or_else(|| {
        Failure::bad_input(format!(
            "--at {at:?}: must be nanoseconds of CLOCK_MONOTONIC, or a date and time with its zone, such as \
             2026-11-22T10:15:00.250Z or $(date -Is)"
        ))
    })
}

fn answer<'a>(accepted: &'a Accepted, manifest: Option<&'a Manifest>) -> TriggerAnswer<'a> {
    let finished = manifest.map(|m| {
        let camera = |c: &'a CameraClip| CameraAnswer {
            file: c.file.as_deref(),
            frames_expected: c.frames_expected,
            frames_written: c.frames_written,
            gaps: &c.gaps,
            interruptions: c.interruptions.len(),
        };
        let cameras = m.cameras.iter().map(|(name, c)| (name.as_str(), camera(c))).collect();
        FinishedAnswer { complete: m.complete, ended_early: m.ended_early, cameras }
    });
    let Accepted { clip_id, path, pre_roll_ms, asked_pre_roll_ms, notes } = accepted;
    let (pre_roll_ms, asked_pre_roll_ms) = (*pre_roll_ms, *asked_pre_roll_ms);
    // The manifest has these and what came to light since.
    let notes = manifest.map_or(notes, |m| &m.notes);
    TriggerAnswer { clip_id, path, pre_roll_ms, asked_pre_roll_ms, notes, finished }
}

/// `supervisor stats`.
pub(crate) fn stats(dir: &Path) -> Result<u8, Failure> {
    match Line::to(dir)?.ask(&Request::Stats)? {
        Response::Stats(stats) => print(&stats).map(|()| exit::DONE),
        other => Err(unexpected(&other)),
    }
}

/// `supervisor status`.
pub(crate) fn status(dir: &Path) -> Result<u8, Failure> {
    match Line::to(dir)?.ask(&Request::Stats)? {
        Response::Stats(stats) => say(&show::status(&stats)).map(|()| exit::DONE),
        other => Err(unexpected(&other)),
    }
}

/// `supervisor codecs`.
pub(crate) fn codecs(dir: &Path, json: bool) -> Result<u8, Failure> {
    match Line::to(dir)?.ask(&Request::Codecs)? {
        Response::Codecs(verdict) if json => print(&verdict).map(|()| exit::DONE),
        Response::Codecs(verdict) => say(&show::codecs(&verdict)).map(|()| exit::DONE),
        other => Err(unexpected(&other)),
    }
}

/// A command that is done or not.
pub(crate) fn plain(dir: &Path, request: &Request) -> Result<u8, Failure> {
    match Line::to(dir)?.ask(request)? {
        Response::Done(what) => say(&format!("{what}\n")).map(|()| exit::DONE),
        other => Err(unexpected(&other)),
    }
}

/// `supervisor stop`: returns when everything is gone.
pub(crate) fn stop(dir: &Path) -> Result<u8, Failure> {
    let mut line = Line::to(dir)?;
    let holder = lock::holder(&line.dir);
    match line.ask(&Request::Stop)? {
        Response::Done(_) => {}
        other => return Err(unexpected(&other)),
    }
    if let Some(pid) = holder
        && !lock::wait_for_end(pid, STOP_PATIENCE)
    {
        return Err(Failure::failed(format!("the supervisor (pid {pid}) has not ended; see its log")));
    }
    say("stopped\n").map(|()| exit::DONE)
}

fn print(document: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(document).map_err(|e| Failure::failed(format!("no JSON: {e}")))?;
    say(&format!("{text}\n"))
}

/// Prints an answer. Nobody reading it any more is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read has read enough (`supervisor stats | head`).
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| Failure::failed(format!("can't write the answer: {e}"))),
    }
}

/// Prints a remark beside the answer; what can't be printed is lost.
pub(crate) fn say_aside(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
