//! The world of a [`Reopening`](super::Reopening) behind two small traits, so that it is tested without a camera and without
//! waiting: the thread that opens the camera, and the time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::time::MonotonicNs;

use crate::source::{Source, SourceError};

/// A camera that was opened by another thread.
pub type Live = Box<dyn Source + Send>;
/// Opens a live camera, as often as it is called. What it keeps from one time to the next is its own.
pub type OpenLive = Box<dyn FnMut() -> Result<Live, SourceError> + Send>;

/// Opens a camera beside the caller.
pub(crate) trait Opener {
    /// Begins to open it.
    fn begin(&mut self);

    /// The camera that was begun, once it is open; waits for that no longer than `patience`.
    fn opened(&mut self, patience: Duration) -> Option<Result<Live, SourceError>>;
}

/// The time, and waiting.
pub(crate) trait Time {
    fn now(&self) -> MonotonicNs;
    fn sleep(&self, span: Duration);
}

/// The machine's own time.
pub(super) struct Clock;

impl Time for Clock {
    fn now(&self) -> MonotonicNs {
        MonotonicNs::now()
    }

    fn sleep(&self, span: Duration) {
        std::thread::sleep(span);
    }
}

/// Opens the camera on a thread, one at a time.
pub(super) struct OpenOnThread {
    open: Arc<Mutex<OpenLive>>,
    opening: Option<Receiver<Result<Live, SourceError>>>,
}

impl OpenOnThread {
    pub(super) fn new(open: OpenLive) -> Self {
        Self { open: Arc::new(Mutex::new(open)), opening: None }
    }
}

impl Opener for OpenOnThread {
    fn begin(&mut self) {
        let (sender, receiver) = channel();
        let open = Arc::clone(&self.open);
        let opening = move || {
            let opened = open.lock().unwrap_or_else(PoisonError::into_inner)();
            // Nobody receives it when the process ends meanwhile.
            let _ = sender.send(opened);
        };
        // A thread that doesn't start drops the sender, which `opened` tells as a loss.
        let _ = std::thread::Builder::new().name("open".into()).spawn(opening);
        self.opening = Some(receiver);
    }

    fn opened(&mut self, patience: Duration) -> Option<Result<Live, SourceError>> {
        let opened = match self.opening.as_ref()?.recv_timeout(patience) {
            Ok(opened) => opened,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "the thread that opens it did not start, or has failed";
                Err(SourceError::stalled("the camera", reason))
            }
        };
        self.opening = None;
        Some(opened)
    }
}
