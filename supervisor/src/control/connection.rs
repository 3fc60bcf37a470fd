//! A connection to the control socket: its greeting, the requests that come on it, and the events that it follows. Whether
//! it may stay is decided in [`crate::control`].

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proto::control::{Asked, Request, Response, WHOLE_CONNECTION};
use proto::refusal::Refusal;
use proto::wire::hello::{self, Hello, NoHello};
use proto::wire::{Arriving, FRAME_DEADLINE, FrameError};
use rustix::event::PollFlags;

use super::command::{self, Shared};
use super::outbox::{Outbox, Replier};
use super::waker::Waker;
use super::{AT_ONCE, MAX_ASKED, MAX_ASKED_EACH, MAX_FOLLOWERS, MAX_UNREAD_BYTES};
use crate::event_log::{EventLog, Follower};

/// A connection.
pub(super) struct Connection {
    outbox: Arc<Outbox>,
    incoming: Incoming,
    /// The moment at which it was accepted, or at which something came last.
    since: Instant,
    /// A whole request has come.
    has_asked: bool,
    /// The reason why its requests will not be done: it hears it then, and not before it can listen.
    refused: Option<Refusal>,
    /// The subscription, if the client follows the events.
    follows: Option<Following>,
    /// The client sends nothing more.
    is_at_end: bool,
}

/// The kind of message that comes next.
enum Incoming {
    Greeting(hello::Arriving),
    Request(Arriving<Asked>),
}

/// A subscription.
struct Following {
    /// The request that its events answer.
    id: u64,
    /// The number of the last event that it was told.
    place: u64,
    follower: Follower,
}

/// The future of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    Close,
}

impl Connection {
    /// The stream must not block.
    pub(super) fn new(stream: UnixStream, waker: Arc<Waker>, refused: Option<Refusal>) -> Self {
        Self {
            outbox: Arc::new(Outbox::new(stream, waker)),
            incoming: Incoming::Greeting(hello::Arriving::default()),
            since: Instant::now(),
            has_asked: false,
            refused,
            follows: None,
            is_at_end: false,
        }
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.outbox.stream
    }

    /// The events of the socket to wait for. `None` for nothing at all: even its end would only be in the way. `may_read`: there may be more
    /// requests.
    pub(super) fn waits_for(&self, may_read: bool) -> Option<PollFlags> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, may_read && self.may_ask());
        let has_news = self.follows.as_ref().is_some_and(Following::has_news);
        flags.set(PollFlags::OUT, self.outbox.kept() > 0 || has_news);
        (self.is_at_end || !flags.is_empty()).then_some(flags)
    }

    /// May its next request be read? If not, the end of one that is under way wakes the listener.
    fn may_ask(&self) -> bool {
        let may = || {
            self.outbox.asked.load(Ordering::SeqCst) < MAX_ASKED_EACH && self.outbox.kept() < MAX_UNREAD_BYTES
        };
        self.outbox.is_watched.store(self.is_at_end || !may(), Ordering::SeqCst);
        // A request may have ended before that.
        !self.is_at_end && may()
    }

    /// The time that is left for what it has begun to say; none while it says nothing that is awaited.
    pub(super) fn patience(&self) -> Option<Duration> {
        let is_awaited = (!self.has_asked || self.incoming.has_begun()) && !self.is_at_end;
        is_awaited.then(|| FRAME_DEADLINE.saturating_sub(self.since.elapsed()))
    }

    /// Has it ever asked for anything, and since when has it been idle? None while it is not.
    pub(super) fn idle(&self) -> Option<(bool, Instant)> {
        let is_idle = self.outbox.is_idle() && self.follows.is_none();
        is_idle.then_some((self.has_asked, self.since))
    }

    /// The last event that it was told, if it follows and takes what it is told.
    pub(super) fn told(&self) -> Option<u64> {
        self.follows.as_ref().filter(|_| self.outbox.kept() == 0).map(|following| following.place)
    }

    /// Does what is to be done after a wait.
    pub(super) fn turn(&mut self, came: PollFlags, shared: &Shared, stranger: &mut Option<Hello>) -> Next {
        let is_gone = came.intersects(PollFlags::HUP | PollFlags::ERR);
        if !may_read(shared) || !self.may_ask() {
            // The time in which nobody listens to it doesn't count.
            self.since = Instant::now();
        } else if (is_gone || came.contains(PollFlags::IN)) && self.read(shared, stranger) == Next::Close {
            return Next::Close;
        }
        if self.patience().is_some_and(|left| left.is_zero()) {
            self.tell_of_all(Refusal::RequestTooSlow { at_most_s: FRAME_DEADLINE.as_secs() });
            return Next::Close;
        }
        self.outbox.flush();
        self.tell_events();
        if self.outbox.is_broken() {
            self.follows = None;
        }
        let is_over = self.outbox.is_idle() && self.outbox.kept() == 0 && self.follows.is_none();
        if self.is_at_end && (is_gone || is_over) { Next::Close } else { Next::Stay }
    }

    /// Reads what has come.
    fn read(&mut self, shared: &Shared, stranger: &mut Option<Hello>) -> Next {
        for _ in 0..AT_ONCE {
            if !may_read(shared) || !self.may_ask() {
                return Next::Stay;
            }
            let had_begun = self.incoming.has_begun();
            match self.incoming.read(&mut &self.outbox.stream) {
                Ok(Came::Nothing) => return Next::Stay,
                // A request has its time from its first byte on, the first one from the connection's beginning on.
                Ok(Came::Piece) if self.has_asked && !had_begun => self.since = Instant::now(),
                Ok(Came::Piece) => {}
                Ok(Came::Hello(theirs)) => {
                    self.outbox.send(&Hello::own().encode());
                    if !theirs.speaks_as_this() {
                        say_once(theirs, stranger);
                        return Next::Close;
                    }
                    self.incoming = Incoming::Request(Arriving::default());
                }
                Ok(Came::Request(Asked { id, request })) => {
                    (self.has_asked, self.since) = (true, Instant::now());
                    self.serve(id, request, shared);
                }
                Err(FrameError::Closed | FrameError::System(_)) => {
                    self.is_at_end = true;
                    return Next::Stay;
                }
                Err(FrameError::NoHello(NoHello::OtherBytes)) => {
                    // In the language in which it would have been understood before there were greetings.
                    self.outbox.send(&hello::for_version_1());
                    return Next::Close;
                }
                Err(e) => {
                    self.tell_of_all(Refusal::NotUnderstood { why: e.to_string() });
                    return Next::Close;
                }
            }
        }
        Next::Stay
    }

    fn serve(&mut self, id: u64, request: Request, shared: &Shared) {
        if let Some(why) = &self.refused {
            return self.outbox.answer(id, Err(why.clone()));
        }
        let Request::Subscribe { since } = request else {
            let replier = Replier::new(&self.outbox, id, &shared.under_way);
            if let Err(why) = command::serve(replier, request, shared) {
                self.outbox.answer(id, Err(why));
            }
            return;
        };
        // A client that subscribes again has one place at a time.
        self.follows = None;
        match EventLog::follow(shared.clips.events(), MAX_FOLLOWERS) {
            Some(follower) => {
                let place = follower.log().place_after(since);
                self.outbox.answer(id, Ok(Response::Subscribed { newest: follower.log().newest() }));
                self.follows = Some(Following { id, place, follower });
            }
            None => self.outbox.answer(id, Err(Refusal::TooManySubscribers { at_most: MAX_FOLLOWERS })),
        }
    }

    /// Tells it the events that it doesn't know yet, as long as it takes them.
    fn tell_events(&mut self) {
        let Some(Following { id, place, follower }) = &mut self.follows else { return };
        for _ in 0..AT_ONCE {
            if self.outbox.kept() > 0 {
                return;
            }
            let Some(event) = follower.log().after(*place) else { return };
            *place = event.seq;
            self.outbox.answer(*id, Ok(Response::Event((*event).clone())));
        }
    }

    /// Tells it something that concerns the whole connection.
    fn tell_of_all(&self, why: Refusal) {
        if matches!(self.incoming, Incoming::Greeting(_)) {
            self.outbox.send(&Hello::own().encode());
        }
        self.outbox.answer(WHOLE_CONNECTION, Err(why));
    }

    /// Ends it with a reason.
    pub(super) fn refuse(self, why: Refusal) {
        self.tell_of_all(why);
    }
}

/// May there be more requests, of all connections?
pub(super) fn may_read(shared: &Shared) -> bool {
    shared.under_way.asked.load(Ordering::SeqCst) < MAX_ASKED
}

/// Tells the log of a program of another version, which is told the same. One that comes again and again is told of once.
fn say_once(theirs: Hello, last: &mut Option<Hello>) {
    if last.as_ref() != Some(&theirs) {
        tracing::warn!(
            "control socket: a command of another version was turned away: it is {theirs}, and this supervisor is {}; \
             use the command that belongs to this supervisor",
            Hello::own()
        );
        *last = Some(theirs);
    }
}

impl Following {
    fn has_news(&self) -> bool {
        self.place < self.follower.log().newest()
    }
}

/// The yield of one read.
enum Came {
    Nothing,
    Piece,
    Hello(Hello),
    Request(Asked),
}

impl Incoming {
    fn has_begun(&self) -> bool {
        match self {
            Self::Greeting(arriving) => arriving.has_begun(),
            Self::Request(arriving) => arriving.has_begun(),
        }
    }

    fn missing(&self) -> usize {
        match self {
            Self::Greeting(arriving) => arriving.missing(),
            Self::Request(arriving) => arriving.missing(),
        }
    }

    fn read(&mut self, from: &mut impl Read) -> Result<Came, FrameError> {
        let missing = self.missing();
        let whole = match self {
            Self::Greeting(arriving) => arriving.read(from)?.map(Came::Hello),
            Self::Request(arriving) => arriving.read(from)?.map(Came::Request),
        };
        // A message of four bytes lacks as many as its length did; the next read finds that out.
        Ok(whole.unwrap_or(if self.missing() == missing { Came::Nothing } else { Came::Piece }))
    }
}
