//! The way of answers to a client. Any thread may give it one, and none ever waits for the client: what the socket doesn't
//! take at once is kept, and sent by the control socket's thread. What is kept is bounded, since no request is read from a
//! client that has many unanswered.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::control::{Response, Told};
use proto::refusal::Refusal;
use proto::wire::{self, FrameError};

use super::waker::Waker;

/// The answers that are under way, of all connections.
#[derive(Default)]
pub(crate) struct UnderWay {
    /// Requests without their first answer.
    pub(super) asked: AtomicUsize,
    /// Requests that wait for the end of their clip.
    pub(super) waiting: AtomicUsize,
}

impl UnderWay {
    /// The number of requests that have an answer coming.
    pub(crate) fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst) + self.waiting.load(Ordering::SeqCst)
    }
}

/// The sending half of a connection.
pub(super) struct Outbox {
    pub(super) stream: UnixStream,
    waker: Arc<Waker>,
    unsent: Mutex<Unsent>,
    /// Requests of this connection without their first answer.
    pub(super) asked: AtomicUsize,
    /// And those that wait for the end of their clip.
    pub(super) waiting: AtomicUsize,
    /// The control socket's thread wants to know when there are fewer.
    pub(super) is_watched: AtomicBool,
}

#[derive(Default)]
struct Unsent {
    bytes: VecDeque<u8>,
    /// The client takes nothing any more.
    is_broken: bool,
}

impl Outbox {
    /// The stream must not block.
    pub(super) fn new(stream: UnixStream, waker: Arc<Waker>) -> Self {
        Self {
            stream,
            waker,
            unsent: Mutex::default(),
            asked: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            is_watched: AtomicBool::new(false),
        }
    }

    /// Sends bytes, or keeps what the socket doesn't take.
    pub(super) fn send(&self, bytes: &[u8]) {
        let mut unsent = self.lock();
        let sent = if unsent.bytes.is_empty() { self.write(bytes, &mut unsent) } else { 0 };
        if unsent.is_broken || sent == bytes.len() {
            return;
        }
        unsent.bytes.extend(&bytes[sent..]);
        drop(unsent);
        self.waker.wake();
    }

    /// Sends an answer, or the reason why there is none.
    pub(super) fn answer(&self, id: u64, answer: Result<Response, Refusal>) {
        let told = Told { id, response: answer.unwrap_or_else(Response::Refused) };
        match wire::encode(&told) {
            Ok(frame) => self.send(&frame),
            Err(FrameError::TooLarge { bytes, at_most }) => {
                self.answer(id, Err(Refusal::AnswerTooLarge { bytes, at_most }));
            }
            Err(e) => tracing::error!("control socket: an answer can't be written: {e}"),
        }
    }

    /// Sends on what is kept.
    pub(super) fn flush(&self) {
        let mut unsent = self.lock();
        let mut bytes = std::mem::take(&mut unsent.bytes);
        let sent = self.write(bytes.make_contiguous(), &mut unsent);
        if !unsent.is_broken {
            bytes.drain(..sent);
            unsent.bytes = bytes;
        }
    }

    /// The bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Nothing more can be sent.
    pub(super) fn is_broken(&self) -> bool {
        self.lock().is_broken
    }

    /// No request of it has an answer coming.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.load(Ordering::SeqCst) + self.waiting.load(Ordering::SeqCst) == 0
    }

    /// Writes what the socket takes.
    fn write(&self, mut bytes: &[u8], unsent: &mut Unsent) -> usize {
        let all = bytes.len();
        while !bytes.is_empty() && !unsent.is_broken {
            match (&self.stream).write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                // A client that has gone has no use for an answer; its request is done all the same.
                Err(_) => *unsent = Unsent { is_broken: true, ..Unsent::default() },
            }
        }
        all - bytes.len()
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way back to whoever has asked. The request counts as under way as long as this is there.
pub(crate) struct Replier {
    outbox: Arc<Outbox>,
    id: u64,
    under_way: Arc<UnderWay>,
    /// The request has had its first answer, and waits for the end of its clip.
    is_waiting: bool,
}

impl Replier {
    pub(super) fn new(outbox: &Arc<Outbox>, id: u64, under_way: &Arc<UnderWay>) -> Self {
        under_way.asked.fetch_add(1, Ordering::SeqCst);
        outbox.asked.fetch_add(1, Ordering::SeqCst);
        Self { outbox: Arc::clone(outbox), id, under_way: Arc::clone(under_way), is_waiting: false }
    }

    /// Sends an answer, or the reason why there is none. Never waits for the client.
    pub(crate) fn answer(&self, answer: Result<Response, Refusal>) {
        self.outbox.answer(self.id, answer);
    }

    /// Counts among those that wait for the end of their clip, if there are fewer than `at_most`.
    pub(super) fn begin_to_wait(&mut self, at_most: usize) -> bool {
        if self.under_way.waiting.fetch_add(1, Ordering::SeqCst) >= at_most {
            self.under_way.waiting.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        self.outbox.waiting.fetch_add(1, Ordering::SeqCst);
        self.is_waiting = true;
        self.end_asking();
        true
    }

    fn end_asking(&self) {
        let all = self.under_way.asked.fetch_sub(1, Ordering::SeqCst);
        self.outbox.asked.fetch_sub(1, Ordering::SeqCst);
        if all >= super::MAX_ASKED || self.outbox.is_watched.load(Ordering::SeqCst) {
            self.outbox.waker.wake();
        }
    }
}

impl Drop for Replier {
    fn drop(&mut self) {
        if !self.is_waiting {
            return self.end_asking();
        }
        self.under_way.waiting.fetch_sub(1, Ordering::SeqCst);
        self.outbox.waiting.fetch_sub(1, Ordering::SeqCst);
        if self.outbox.is_watched.load(Ordering::SeqCst) {
            self.outbox.waker.wake();
        }
    }
}
