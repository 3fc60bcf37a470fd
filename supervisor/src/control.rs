//! The control socket: who may ask, and how many at once. A connection is a thread that lives for one request.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use proto::control::{self, FRAME_DEADLINE, FrameError, Refused, Request, Response, TriggerRequest};
use proto::exit;
use proto::failpoint;
use proto::time::MonotonicNs;

use crate::events::Event;
use crate::trigger::{self, Desk};

/// Connections served at once. Beyond it a connection is closed: whoever opens so many is not a command line.
const MAX_CONNECTIONS: usize = 768;
/// A command sends its request at once. Whoever holds a connection without one makes room after this long.
const REQUEST_DEADLINE: Duration = Duration::from_secs(1);
/// A connection's thread decodes one small message.
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
    std::thread::Builder::new().name("control".into()).spawn(move || accept(&listener, &counter))?;
    Ok(())
}

fn accept(listener: &UnixListener, counter: &Counter) {
    let served = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(e) => {
                // Out of descriptors, say: those there are go on, and this one can ask again.
                tracing::warn!("a command could not be answered: {e}");
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if served.load(Ordering::Relaxed) >= MAX_CONNECTIONS || !is_ours(&stream) {
            continue;
        }
        served.fetch_add(1, Ordering::Relaxed);
        let (counter, done) = (counter.clone(), Arc::clone(&served));
        let spawned =
            std::thread::Builder::new().name("command".into()).stack_size(STACK_BYTES).spawn(move || {
                serve(stream, &counter);
                done.fetch_sub(1, Ordering::Relaxed);
            });
        if let Err(e) = spawned {
            served.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!("a command could not be answered: {e}");
        }
    }
}

/// Only the user whose cameras these are; and root, who could anyway.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::getuid();
    match rustix::net::sockopt::socket_peercred(stream) {
        Ok(peer) => peer.uid == own || peer.uid.is_root(),
        Err(_) => false,
    }
}

fn serve(mut stream: UnixStream, counter: &Counter) {
    // Nobody is waited for: a command that doesn't read its answer loses it.
    if stream.set_write_timeout(Some(FRAME_DEADLINE)).is_err() {
        return;
    }
    let answered = match control::read::<Request>(&mut stream, Some(REQUEST_DEADLINE)) {
        Ok(Request::Trigger(request)) => trigger(&mut stream, &request, counter),
        Ok(request) => control::write(&mut stream, &ask_the_loop(request, &counter.events)),
        Err(FrameError::Closed) => Ok(()),
        Err(e) => {
            let message = format!("the request can't be understood: {e}; are both programs of one version?");
            control::write(&mut stream, &Response::Refused(Refused { exit_code: exit::FAILED, message }))
        }
    };
    // The other side is gone; what it asked has been done all the same.
    drop(answered);
}

fn ask_the_loop(request: Request, events: &Sender<Event>) -> Response {
    let (reply, answer) = channel();
    let asked = events.send(Event::Request { request, reply });
    asked.ok().and_then(|()| answer.recv().ok()).unwrap_or_else(|| refuse("the supervisor is ending"))
}

fn trigger(stream: &mut UnixStream, request: &TriggerRequest, counter: &Counter) -> Result<(), FrameError> {
    if counter.closing.load(Ordering::Relaxed) {
        return control::write(stream, &refuse("the supervisor is ending; this moment was not recorded"));
    }
    let (mut accepted, folder) = match counter.desk.accept(request, MonotonicNs::now()) {
        Ok(accepted) => accepted,
        Err(refused) => return control::write(stream, &Response::Refused(refused)),
    };
    failpoint::pass("plan.written", folder.display());
    // The recorder begins while the disk is still busy with the plan: the pre-roll is ageing.
    let _ = counter.events.send(Event::Planned(folder.clone()));
    if let Err(e) = trigger::sync_plan(&folder) {
        tracing::error!("{}: the plan may not be on the disk yet: {e}", folder.display());
        accepted
            .notes
            .push(format!("the plan may not be on the disk yet, so it may not outlive a power cut: {e}"));
    }
    failpoint::pass("plan.synced", folder.display());
    control::write(stream, &Response::Accepted(accepted))?;
    if !request.wait {
        return Ok(());
    }
    match counter.desk.wait(&folder, &counter.over) {
        Some(manifest) => control::write(stream, &Response::Finished(Box::new(manifest))),
        None => control::write(stream, &refuse("the supervisor ended before the clip was finished")),
    }
}

fn refuse(why: &str) -> Response {
    Response::Refused(Refused { exit_code: exit::FAILED, message: why.into() })
}
