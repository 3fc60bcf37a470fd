//! The control socket: who may ask, and how many at once. What each request is answered is in [`command`].
//!
//! One thread, the listener, accepts connections, reads their requests, and sends on what a socket did not take at once
//! ([`outbox`]). It never waits for a client, nor for an answer: requests are answered by other threads, and requests that
//! wait for the end of a clip by one thread for all ([`waiting`]). A connection that sends nothing costs a descriptor and a
//! place until others need them; one that reads nothing costs besides what a few answers take.

pub(crate) mod command;
mod connection;
mod outbox;
pub(crate) mod peer;
pub(crate) mod waiting;
pub(crate) mod waker;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proto::refusal::Refusal;
use proto::wire::Hello;
use rustix::event::{PollFd, PollFlags, Timespec};

use command::Shared;
use connection::{Connection, Next, may_read};
pub(crate) use outbox::{Replier, UnderWay};
use peer::{Admission, Peer};
use waker::Waker;

/// Connections. Where there are as many, one that nothing is under way for makes room for the next …
const MAX_CONNECTIONS: usize = 512;
/// … but none before it is this old: a command line needs less than a millisecond.
const GRACE: Duration = Duration::from_millis(20);
/// Requests without their first answer, of all connections. Further ones are not read until one of these has its answer.
const MAX_ASKED: usize = 256;
/// And of one connection, so that others are heard while it has many.
const MAX_ASKED_EACH: usize = 128;
/// Requests that wait for the end of their clip.
const MAX_WAITING: usize = 256;
/// Connections that follow the events.
const MAX_FOLLOWERS: usize = 64;
/// Bytes of answers that a connection may leave unread before its next request is read.
const MAX_UNREAD_BYTES: usize = 64 * 1024;
/// Connections that the kernel keeps for the listener. A further one waits in connect(), and not behind thousands that
/// have long hung up.
const QUEUE: i32 = 64;
/// Connections accepted, and requests read from one connection, before the others have their turn.
const AT_ONCE: usize = 64;
/// The time until the listener accepts again, when there is no place or no descriptor left.
const BRIEFLY: Duration = Duration::from_millis(5);
/// The stack of a request's thread, which handles one small message.
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
    let waker = Arc::new(Waker::new()?);
    shared.clips.events().wakes(Arc::clone(&waker));
    let mut listener = Listener {
        socket: listener,
        group,
        shared,
        waker,
        connections: Vec::new(),
        spare: spare(),
        paused: false,
        stranger: None,
    };
    std::thread::Builder::new().name("control".into()).spawn(move || {
        loop {
            listener.turn();
        }
    })?;
    Ok(())
}

/// The socket, and its connections.
struct Listener {
    socket: UnixListener,
    /// The group whose members are answered besides the instance's user.
    group: Option<u32>,
    shared: Shared,
    /// Wakes the listener from its wait.
    waker: Arc<Waker>,
    /// The oldest first.
    connections: Vec<Connection>,
    /// A descriptor kept for one command, for when there is no other left.
    spare: Option<File>,
    /// No connection can be accepted at the moment.
    paused: bool,
    /// The program of another version that came last, which the log names once.
    stranger: Option<Hello>,
}

/// The result of a wait: what has come of each connection, and whether another one wants in.
struct Ready {
    connections: Vec<PollFlags>,
    socket: bool,
}

impl Listener {
    fn turn(&mut self) {
        if self.spare.is_none() {
            self.spare = spare();
        }
        match self.wait() {
            Ok(ready) => {
                self.waker.rest();
                self.serve(&ready.connections);
                // A connection that isn't read from because there are too many requests is no idle one.
                if (ready.socket || self.paused) && may_read(&self.shared) {
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
        let may_read = may_read(&self.shared);
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(self.connections.len() + 2);
        // While it is paused the socket is left out: a poll that can't be followed by an accept would spin.
        let flags = if self.paused || !may_read { PollFlags::empty() } else { PollFlags::IN };
        fds.push(PollFd::from_borrowed_fd(self.socket.as_fd(), flags));
        fds.push(PollFd::from_borrowed_fd(self.waker.as_fd(), PollFlags::IN));
        fds.extend(self.connections.iter().map(|connection| match connection.waits_for(may_read) {
            Some(flags) => PollFd::new(connection.stream(), flags),
            // Nothing ever comes of it.
            None => PollFd::from_borrowed_fd(self.waker.as_fd(), PollFlags::empty()),
        }));
        let patience = self.connections.iter().filter_map(Connection::patience).min();
        let patience = if self.paused && may_read { Some(BRIEFLY) } else { patience };
        let timeout = patience.map(|p| Timespec {
            tv_sec: i64::try_from(p.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: p.subsec_nanos().into(),
        });
        rustix::event::poll(&mut fds, timeout.as_ref())?;
        Ok(Ready {
            connections: fds[2..].iter().map(PollFd::revents).collect(),
            socket: !fds[0].revents().is_empty(),
        })
    }

    /// Reads what has come, sends what there is to send, and lets go of connections that are over.
    fn serve(&mut self, ready: &[PollFlags]) {
        let events = Arc::clone(self.shared.clips.events());
        let newest = events.newest();
        let mut came = ready.iter().copied();
        self.connections.retain_mut(|connection| {
            let came = came.next().unwrap_or(PollFlags::empty());
            connection.turn(came, &self.shared, &mut self.stranger) == Next::Stay
        });
        events.note_told(self.connections.iter().filter_map(Connection::told).fold(newest, u64::min));
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
        self.connections.push(Connection::new(stream, Arc::clone(&self.waker), refused));
    }

    /// Refuses the connection that is idle for longest, one that has never asked for anything before others. False if none has
    /// been idle for [`GRACE`].
    fn make_room(&mut self) -> bool {
        let idle = self.connections.iter().enumerate();
        let idle = idle.filter_map(|(n, connection)| {
            let (has_asked, since) = connection.idle()?;
            (since.elapsed() >= GRACE).then_some((has_asked, since, n))
        });
        let Some((_, _, longest)) = idle.min() else { return false };
        self.connections.remove(longest).refuse(Refusal::TooManyConnections);
        true
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

#[cfg(test)]
mod tests;
