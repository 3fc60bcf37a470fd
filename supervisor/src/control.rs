//! The control socket: who may ask, and how many at once.
//!
//! One thread, the door, accepts connections and listens to all that have not said what they want. Whoever connects
//! and says nothing costs a descriptor and a place, for which there are others to come. A connection whose request
//! is whole gets a thread of its own, until it is answered.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use proto::control::{Accepted, Refused, Request, Response, TriggerRequest};
use proto::exit;
use proto::failpoint;
use proto::time::MonotonicNs;
use proto::wire::{self, Arriving, FRAME_DEADLINE, FrameError};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::events::Event;
use crate::plan;
use crate::trigger::{self, Desk, Outcome};

/// Connections that have not said what they want. The one that has been here longest makes room for the next …
const MAX_VISITORS: usize = 256;
/// … but everybody has this long: a command line needs less than a millisecond.
const GRACE: Duration = Duration::from_millis(20);
/// Requests that are being answered. More wait in the kernel until one of these is done. Those that take long are
/// triggers that wait for their clip, and there are never more of them than clips may be open.
const MAX_COMMANDS: usize = 256;
/// Connections that the kernel keeps at the door. Whoever comes after them waits in connect(), and not behind thousands
/// that have long hung up.
const QUEUE: i32 = 64;
/// Connections accepted before those that are here are listened to again.
const AT_ONCE: usize = 64;
/// How long the door stays shut when there is no place or no descriptor left.
const BRIEFLY: Duration = Duration::from_millis(5);
/// A disk that takes longer than this to take a plan, or to flush it, has stalled. Both fit into the time in which a
/// command expects its answer.
const DISK_PATIENCE: Duration = Duration::from_secs(4);
/// A connection's thread handles one small message.
const STACK_BYTES: usize = 256 * 1024;

/// What a connection's thread needs.
#[derive(Clone)]
pub(crate) struct Counter {
    pub(crate) desk: Arc<Desk>,
    pub(crate) events: Sender<Event>,
    /// The supervisor is ending: no more triggers.
    pub(crate) closing: Arc<AtomicBool>,
    /// Everything has ended: what is not finished by now will not be.
    pub(crate) over: Arc<AtomicBool>,
    /// How many requests are being answered.
    pub(crate) commands: Arc<AtomicUsize>,
}

/// Opens the socket, mode 0600, and serves it from a thread.
pub(crate) fn open(path: &Path, counter: Counter) -> io::Result<()> {
    // Ours by the instance's lock: what is there was left by a supervisor that is gone.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&listener, QUEUE)?;
    listener.set_nonblocking(true)?;
    let mut door = Door { listener, counter, visitors: VecDeque::new(), spare: spare(), shut: false };
    std::thread::Builder::new().name("control".into()).spawn(move || {
        loop {
            door.turn();
        }
    })?;
    Ok(())
}

/// Where connections come in.
struct Door {
    listener: UnixListener,
    counter: Counter,
    /// The longest here first.
    visitors: VecDeque<Visitor>,
    /// A descriptor kept for a command, for when there is no other left.
    spare: Option<File>,
    /// Nobody can be let in just now.
    shut: bool,
}

/// A connection that has not yet said what it wants.
struct Visitor {
    stream: UnixStream,
    since: Instant,
    request: Arriving<Request>,
}

impl Door {
    fn turn(&mut self) {
        if self.counter.commands.load(Ordering::Relaxed) >= MAX_COMMANDS {
            return std::thread::sleep(BRIEFLY);
        }
        if self.spare.is_none() {
            self.spare = spare();
        }
        match self.wait() {
            Ok((speaking, knocking)) => {
                self.listen(&speaking);
                if knocking || self.shut {
                    self.let_in();
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            // More connections than the limit on descriptors allows to be asked for, since it was lowered.
            Err(_) => {
                std::thread::sleep(GRACE.max(BRIEFLY));
                self.make_room();
            }
        }
    }

    /// Waits for something to happen: which visitors speak, and whether somebody is at the door.
    fn wait(&self) -> rustix::io::Result<(Vec<bool>, bool)> {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(self.visitors.len() + 1);
        // Behind a shut door nobody is heard: a poll that can't be followed by an accept would spin.
        let listener = if self.shut { PollFlags::empty() } else { PollFlags::IN };
        fds.push(PollFd::from_borrowed_fd(self.listener.as_fd(), listener));
        fds.extend(self.visitors.iter().map(|v| PollFd::new(&v.stream, PollFlags::IN)));
        let patience = self.visitors.front().map(|v| FRAME_DEADLINE.saturating_sub(v.since.elapsed()));
        let patience = if self.shut { Some(BRIEFLY) } else { patience };
        let timeout = patience.map(|p| Timespec {
            tv_sec: i64::try_from(p.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: p.subsec_nanos().into(),
        });
        rustix::event::poll(&mut fds, timeout.as_ref())?;
        let happened = |fd: &PollFd<'_>| !fd.revents().is_empty();
        Ok((fds[1..].iter().map(happened).collect(), happened(&fds[0])))
    }

    /// Hears those who speak, and sends away who has taken too long.
    fn listen(&mut self, speaking: &[bool]) {
        let here = std::mem::take(&mut self.visitors);
        for (mut visitor, speaks) in here.into_iter().zip(speaking) {
            let heard = if *speaks { visitor.request.read(&mut visitor.stream) } else { Ok(None) };
            match heard {
                Ok(Some(request)) => self.serve(visitor.stream, request),
                Ok(None) if visitor.since.elapsed() < FRAME_DEADLINE => self.visitors.push_back(visitor),
                Ok(None) => visitor.send_away(&FrameError::TooSlow.to_string()),
                Err(FrameError::Closed) => {}
                Err(e) => visitor.send_away(&format!(
                    "the request can't be understood: {e}; are both programs of one version?"
                )),
            }
        }
    }

    /// Lets in whoever is at the door.
    fn let_in(&mut self) {
        self.shut = false;
        for _ in 0..AT_ONCE {
            if self.visitors.len() >= MAX_VISITORS && !self.make_room() {
                self.shut = true;
                return;
            }
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e)
                    if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                Err(e) if self.spare.take().is_some() => {
                    tracing::warn!("a command could hardly be answered: {e}");
                }
                Err(_) if self.make_room() => {}
                // Those there are go on; whoever is at the door is let in when one of them has gone.
                Err(_) => {
                    self.shut = true;
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        if !is_ours(&stream) || stream.set_nonblocking(true).is_err() {
            return;
        }
        self.visitors.push_back(Visitor { stream, since: Instant::now(), request: Arriving::default() });
    }

    /// Sends away who has been here longest. False if that isn't long, or nobody is here.
    fn make_room(&mut self) -> bool {
        if self.visitors.front().is_none_or(|v| v.since.elapsed() < GRACE) {
            return false;
        }
        let oldest = self.visitors.pop_front();
        oldest.into_iter().for_each(|v| v.send_away("too many others are waiting to be heard; ask again"));
        true
    }

    /// Answers a request from a thread of its own.
    fn serve(&self, stream: UnixStream, request: Request) {
        // Nobody is waited for: a command that doesn't read its answer loses it.
        if stream.set_nonblocking(false).is_err() || stream.set_write_timeout(Some(FRAME_DEADLINE)).is_err() {
            return;
        }
        let (stream, place) = (Arc::new(stream), Place::taken(&self.counter.commands));
        let (theirs, counter) = (Arc::clone(&stream), self.counter.clone());
        let spawned =
            std::thread::Builder::new().name("command".into()).stack_size(STACK_BYTES).spawn(move || {
                // If the other side is gone, what it asked has been done all the same.
                drop(answer(&theirs, request, &counter));
                drop(place);
            });
        if let Err(e) = spawned {
            tracing::warn!("a command could not be answered: can't start a thread: {e}");
            let _ = say(&stream, &refuse(&format!("the supervisor can't start a thread for it: {e}")));
        }
    }
}

/// A place among the requests that are being answered, given back by whatever ends it.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn taken(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Visitor {
    fn send_away(self, why: &str) {
        // It may have gone, or not read: that is its own affair.
        let _ = say(&self.stream, &refuse(why));
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Only the user whose cameras these are; and root, who could anyway.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::getuid();
    match rustix::net::sockopt::socket_peercred(stream) {
        Ok(peer) => peer.uid == own || peer.uid.is_root(),
        Err(_) => false,
    }
}

fn say(mut stream: &UnixStream, response: &Response) -> Result<(), FrameError> {
    match wire::write(&mut stream, response) {
        Err(e @ FrameError::TooLarge { .. }) => {
            wire::write(&mut stream, &refuse(&format!("the answer can't be given: {e}")))
        }
        other => other,
    }
}

fn answer(stream: &UnixStream, request: Request, counter: &Counter) -> Result<(), FrameError> {
    match request {
        Request::Trigger(request) => trigger(stream, &request, counter),
        request => say(stream, &ask_the_loop(request, &counter.events)),
    }
}

fn ask_the_loop(request: Request, events: &Sender<Event>) -> Response {
    let (reply, answer) = channel();
    let asked = events.send(Event::Request { request, reply });
    asked.ok().and_then(|()| answer.recv().ok()).unwrap_or_else(|| refuse("the supervisor is ending"))
}

fn trigger(stream: &UnixStream, request: &TriggerRequest, counter: &Counter) -> Result<(), FrameError> {
    if counter.closing.load(Ordering::Relaxed) {
        return say(stream, &Response::Refused(trigger::ending()));
    }
    let Ok(steps) = plan(request, counter) else {
        return say(stream, &refuse("can't start a thread; this moment was not recorded"));
    };
    let taken = match steps.recv_timeout(DISK_PATIENCE) {
        Ok(Planning::Taken(taken)) => taken,
        Err(RecvTimeoutError::Disconnected) => {
            return say(stream, &refuse("the supervisor failed over this trigger; see its log"));
        }
        Ok(Planning::Synced(_)) | Err(RecvTimeoutError::Timeout) => {
            let why = format!(
                "disk stalled: {} has not answered for {} s; if it does, what the rings hold by then is recorded",
                counter.desk.run_folder().display(),
                DISK_PATIENCE.as_secs()
            );
            return say(stream, &refuse(&why));
        }
    };
    let (mut accepted, folder) = match taken {
        Ok(accepted) => accepted,
        Err(refused) => return say(stream, &Response::Refused(refused)),
    };
    let synced = match steps.recv_timeout(DISK_PATIENCE) {
        Ok(Planning::Synced(synced)) => synced.map_err(|e| e.to_string()),
        Err(RecvTimeoutError::Disconnected) => Err("its thread has ended".to_owned()),
        Ok(Planning::Taken(_)) | Err(RecvTimeoutError::Timeout) => {
            Err(format!("the disk has not answered for {} s", DISK_PATIENCE.as_secs()))
        }
    };
    if let Err(e) = synced {
        tracing::error!("{}: the plan may not be on the disk yet: {e}", folder.display());
        accepted
            .notes
            .push(format!("the plan may not be on the disk yet, so it may not outlive a power cut: {e}"));
    }
    failpoint::pass("plan.synced", folder.display());
    let clip = accepted.clip_id.clone();
    say(stream, &Response::Accepted(accepted))?;
    if !request.wait {
        return Ok(());
    }
    match counter.desk.wait(&folder, &counter.over) {
        Outcome::Finished => say(stream, &Response::Finished),
        Outcome::Ended => {
            let promise = "its plan is on disk, so the next supervisor finishes it";
            say(stream, &refuse(&format!("clip {clip} is not finished: the supervisor has ended; {promise}")))
        }
        Outcome::Removed => say(
            stream,
            &refuse(&format!("clip {clip} was removed before it was finished: {}", folder.display())),
        ),
        Outcome::Lost => say(
            stream,
            &refuse(&format!(
                "clip {clip} is given up, and {} has no manifest that can be read; see the supervisor's log",
                folder.display()
            )),
        ),
    }
}

/// What becomes of a trigger.
enum Planning {
    /// Its plan is there, or it was refused.
    Taken(Result<(Accepted, PathBuf), Refused>),
    /// The plan was flushed to the disk.
    Synced(io::Result<()>),
}

/// Takes a trigger from a thread of its own: a disk that hangs must not keep whoever asks without an answer.
fn plan(request: &TriggerRequest, counter: &Counter) -> io::Result<Receiver<Planning>> {
    let (step, steps) = channel();
    let (request, counter, now) = (request.clone(), counter.clone(), MonotonicNs::now());
    std::thread::Builder::new().name("plan".into()).stack_size(STACK_BYTES).spawn(move || {
        let taken = counter.desk.accept(&request, now);
        let folder = taken.as_ref().ok().map(|(_, folder)| folder.clone());
        if let Some(folder) = &folder {
            failpoint::pass("plan.written", folder.display());
            // The recorder begins while the disk is still busy with the plan: the pre-roll is ageing.
            let _ = counter.events.send(Event::Planned(folder.clone()));
        }
        // Whoever asked may have been told to wait no longer.
        let _ = step.send(Planning::Taken(taken));
        if let Some(folder) = &folder {
            let _ = step.send(Planning::Synced(plan::sync_plan(folder)));
        }
    })?;
    Ok(steps)
}

fn refuse(why: &str) -> Response {
    Response::Refused(Refused { exit_code: exit::FAILED, message: why.into() })
}
