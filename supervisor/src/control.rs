//! The control socket: who may ask, and how many at once. What each request is answered is in [`crate::control::command`].
//!
//! One thread, the listener, accepts connections and reads from all whose request has not arrived yet. A connection
//! that sends nothing costs a descriptor and a place until others need them. A connection whose request is whole gets
//! a thread of its own, until it is answered.

pub(crate) mod command;
pub(crate) mod peer;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::control::Request;
use proto::refusal::Refusal;
use proto::wire::{Arriving, FRAME_DEADLINE, FrameError};
use rustix::event::{PollFd, PollFlags, Timespec};

use command::{Shared, reply};
use peer::{Admission, Peer};

/// Connections whose request has not arrived. The oldest of them makes room for the next …
const MAX_CONNECTIONS: usize = 256;
/// … but none before it is this old: a command line needs less than a millisecond.
const GRACE: Duration = Duration::from_millis(20);
/// Requests that are being answered. Further ones wait in the kernel until one of these is done. Those that take long
/// are triggers that wait for their clip, and there are never more of them than clips may be open.
const MAX_COMMANDS: usize = 256;
/// Connections that the kernel keeps for the listener. A further one waits in connect(), and not behind thousands that
/// have long hung up.
const QUEUE: i32 = 64;
/// Connections accepted before those that are here are read from again.
const AT_ONCE: usize = 64;
/// The time until the listener accepts again, when there is no place or no descriptor left.
const BRIEFLY: Duration = Duration::from_millis(5);
/// The stack of a connection's thread, which handles one small message.
pub(crate) const STACK_BYTES: usize = 256 * 1024;

/// Opens the socket and serves it from a thread. Its mode is 0600, or 0660 for the members of `group`.
pub(crate) fn open(path: &Path, group: Option<u32>, shared: Shared) -> io::Result<()> {
    // A socket that is there was left by a supervisor that is gone: this one holds the instance's lock.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    if group.is_some() {
        chown(path, None, group)?;
    }
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    rustix::net::listen(&listener, QUEUE)?;
    listener.set_nonblocking(true)?;
    let mut listener = Listener {
        socket: listener,
        group,
        shared,
        connections: VecDeque::new(),
        spare: spare(),
        paused: false,
    };
    std::thread::Builder::new().name("control".into()).spawn(move || {
        loop {
            listener.turn();
        }
    })?;
    Ok(())
}

/// The socket, and the connections whose request has not arrived.
struct Listener {
    socket: UnixListener,
    /// The group whose members are answered besides the instance's user.
    group: Option<u32>,
    shared: Shared,
    /// The oldest first.
    connections: VecDeque<Connection>,
    /// A descriptor kept for one command, for when there is no other left.
    spare: Option<File>,
    /// No connection can be accepted at the moment.
    paused: bool,
}

/// A connection whose request has not arrived.
struct Connection {
    stream: UnixStream,
    since: Instant,
    request: Arriving<Request>,
    /// The reason why its request will not be done: it hears it then, and not before it can listen.
    refused: Option<Refusal>,
}

/// The result of a wait: for each connection whether something has come from it, and whether another one wants in.
struct Ready {
    connections: Vec<bool>,
    socket: bool,
}

impl Listener {
    fn turn(&mut self) {
        if self.shared.answering.load(Ordering::Relaxed) >= MAX_COMMANDS {
            return std::thread::sleep(BRIEFLY);
        }
        if self.spare.is_none() {
            self.spare = spare();
        }
        match self.wait() {
            Ok(ready) => {
                self.read(&ready.connections);
                if ready.socket || self.paused {
                    self.accept();
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            // More connections than the limit on descriptors lets poll() take: the limit was lowered.
            Err(_) => {
                std::thread::sleep(GRACE.max(BRIEFLY));
                self.make_room();
            }
        }
    }

    fn wait(&self) -> rustix::io::Result<Ready> {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(self.connections.len() + 1);
        // While it is paused the socket is left out: a poll that can't be followed by an accept would spin.
        let flags = if self.paused { PollFlags::empty() } else { PollFlags::IN };
        fds.push(PollFd::from_borrowed_fd(self.socket.as_fd(), flags));
        fds.extend(self.connections.iter().map(|c| PollFd::new(&c.stream, PollFlags::IN)));
        let patience = self.connections.front().map(|c| FRAME_DEADLINE.saturating_sub(c.since.elapsed()));
        let patience = if self.paused { Some(BRIEFLY) } else { patience };
        let timeout = patience.map(|p| Timespec {
            tv_sec: i64::try_from(p.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: p.subsec_nanos().into(),
        });
        rustix::event::poll(&mut fds, timeout.as_ref())?;
        let happened = |fd: &PollFd<'_>| !fd.revents().is_empty();
        Ok(Ready { connections: fds[1..].iter().map(happened).collect(), socket: happened(&fds[0]) })
    }

    /// Reads what has come, serves the requests that are whole, and refuses those that took too long.
    fn read(&mut self, ready: &[bool]) {
        let connections = std::mem::take(&mut self.connections);
        for (mut connection, is_ready) in connections.into_iter().zip(ready) {
            let read = if *is_ready { connection.request.read(&mut connection.stream) } else { Ok(None) };
            match read {
                Ok(Some(request)) => match connection.refused.take() {
                    Some(why) => connection.refuse(why),
                    None => self.serve(connection.stream, request),
                },
                Ok(None) if connection.since.elapsed() < FRAME_DEADLINE => {
                    self.connections.push_back(connection);
                }
                Ok(None) => {
                    connection.refuse(Refusal::RequestTooSlow { at_most_s: FRAME_DEADLINE.as_secs() });
                }
                Err(FrameError::Closed) => {}
                Err(e) => connection.refuse(Refusal::NotUnderstood { why: e.to_string() }),
            }
        }
    }

    /// Accepts the connections that are waiting in the kernel.
    fn accept(&mut self) {
        self.paused = false;
        for _ in 0..AT_ONCE {
            if self.connections.len() >= MAX_CONNECTIONS && !self.make_room() {
                self.paused = true;
                return;
            }
            match self.socket.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e)
                    if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                Err(e) if self.spare.take().is_some() => {
                    tracing::warn!(
                        "control socket: a command can't be accepted: {e}; it gets the descriptor that is kept \
                         for this"
                    );
                }
                Err(_) if self.make_room() => {}
                // Accepted commands go on; the next is accepted when one of them has gone.
                Err(_) => {
                    self.paused = true;
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let Ok(peer) = Peer::of(&stream) else { return };
        let refused = match peer.admission(rustix::process::getuid().as_raw(), self.group) {
            Admission::Granted => None,
            // Nobody listens to a stranger.
            Admission::Stranger => return,
            Admission::OtherPidNamespace => Some(Refusal::OtherPidNamespace),
        };
        self.connections.push_back(Connection {
            stream,
            since: Instant::now(),
            request: Arriving::default(),
            refused,
        });
    }

    /// Refuses the oldest connection. False if it is younger than [`GRACE`], or there is none.
    fn make_room(&mut self) -> bool {
        if self.connections.front().is_none_or(|c| c.since.elapsed() < GRACE) {
            return false;
        }
        let oldest = self.connections.pop_front();
        oldest.into_iter().for_each(|connection| connection.refuse(Refusal::TooManyConnections));
        true
    }

    /// Answers a request from a thread of its own.
    fn serve(&self, stream: UnixStream, request: Request) {
        // No thread waits for a command: one that doesn't read its answer loses it.
        if stream.set_nonblocking(false).is_err() || stream.set_write_timeout(Some(FRAME_DEADLINE)).is_err() {
            return;
        }
        let (stream, counted) = (Arc::new(stream), Counted::in_(&self.shared.answering));
        let (theirs, shared) = (Arc::clone(&stream), self.shared.clone());
        let spawned =
            std::thread::Builder::new().name("command".into()).stack_size(STACK_BYTES).spawn(move || {
                // If the command has gone away, what it asked for has been done all the same.
                drop(command::answer(&theirs, request, &shared));
                drop(counted);
            });
        if let Err(e) = spawned {
            tracing::warn!("control socket: a command can't be answered: can't start a thread: {e}");
            let _ = reply(&stream, Err(Refusal::NoThread { error: e.to_string() }));
        }
    }
}

impl Connection {
    fn refuse(self, why: Refusal) {
        // A command that has gone, or doesn't read, has no use for the reason.
        let _ = reply(&self.stream, Err(why));
    }
}

/// A request that is being answered, counted until this is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn in_(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

#[cfg(test)]
mod tests;
