//! Everything that happens to the supervisor, and the threads that notice it. The loop in [`crate::watch`] is the
//! only place that acts. Ends of processes are noticed in [`crate::child::end`].

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use proto::control::Response;
use proto::instance::Rendezvous;
use proto::link::{self, Connection, OrderSender};
use proto::messages::{self, CaptureOrder, CaptureReport, RecorderOrder, RecorderReport};
use proto::process::Pid;
use proto::refusal::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::child::end::End;

/// Something happened.
pub(crate) enum Event {
    /// A signal that ends the supervisor: see [`crate::stop_signals`].
    Signal,
    /// A child has come to its rendezvous.
    Connected { pid: Pid, orders: Orders },
    /// A child says something.
    Report { pid: Pid, report: Report, heard: Instant },
    /// A process has ended.
    Exited { pid: Pid, end: End },
    /// A command asks for something that only the loop can do.
    Request { request: LoopRequest, reply: Sender<Answer> },
    /// A clip's plan is on disk.
    Planned(PathBuf),
    /// A clip is finished, and its recorder has not said so.
    Found { folder: PathBuf, complete: bool },
    /// A clip's plan is gone, and there is no manifest.
    Gone(PathBuf),
}

impl Event {
    /// Is it one of the reports that come several times a second from every capture?
    pub(crate) fn is_beat(&self) -> bool {
        matches!(self, Self::Report { report: Report::Capture(CaptureReport::Beat { .. }), .. })
    }
}

/// A request that the loop answers. All others are answered by the command's own thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LoopRequest {
    /// The encoder ladder.
    Codecs,
    /// End a child and start it again: "recorder" or a camera's name.
    Restart(String),
    /// End everything in order.
    Stop,
}

/// The loop's answer to a command.
pub(crate) type Answer = Result<Response, Refusal>;

/// A child's report.
pub(crate) enum Report {
    Capture(CaptureReport),
    Recorder(RecorderReport),
}

/// The way to a child. Sending never waits: what a stuck child doesn't take is dropped, and the child replaced.
pub(crate) enum Orders {
    Capture(SyncSender<CaptureOrder>),
    Recorder(SyncSender<RecorderOrder>),
}

impl Orders {
    /// To the recorder.
    pub(crate) fn to_recorder(&self, order: RecorderOrder) {
        if let Self::Recorder(way) = self {
            match way.try_send(order) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }

    /// To whichever it is.
    pub(crate) fn stop(&self) {
        match self {
            Self::Capture(way) => drop(way.try_send(CaptureOrder::Stop)),
            Self::Recorder(way) => drop(way.try_send(RecorderOrder::Stop)),
        }
    }
}

/// Orders that may wait for a child: more than a burst of triggers that the limit on open clips lets through.
const QUEUED_ORDERS: usize = 256;

/// Waits for a child at its rendezvous, again and again.
pub(crate) fn meet(rendezvous: Rendezvous, path: PathBuf, events: Sender<Event>) -> std::io::Result<()> {
    let name = format!("meet {rendezvous}");
    std::thread::Builder::new().name(name).spawn(move || match &rendezvous {
        Rendezvous::Capture(_) => serve(&rendezvous, &path, &events, Orders::Capture, Report::Capture),
        Rendezvous::Recorder | Rendezvous::Standby => {
            serve(&rendezvous, &path, &events, Orders::Recorder, Report::Recorder)
        }
    })?;
    Ok(())
}

fn serve<O, R>(
    rendezvous: &Rendezvous,
    path: &Path,
    events: &Sender<Event>,
    orders: fn(SyncSender<O>) -> Orders,
    wrap: fn(R) -> Report,
) where
    O: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    loop {
        let connection: Connection<O, R> = match link::meet(path) {
            Ok(connection) => connection,
            Err(e) => {
                tracing::error!("{rendezvous}: no channel can be made: {e}");
                std::thread::sleep(messages::BEAT);
                continue;
            }
        };
        let (way, queued) = sync_channel::<O>(QUEUED_ORDERS);
        let pid = connection.pid;
        let sender = connection.orders.clone();
        let is_told = spawn("orders", move || forward(&queued, &sender));
        let to = events.clone();
        let hears = move || {
            while let Some(report) = connection.report() {
                if to.send(Event::Report { pid, report: wrap(report), heard: Instant::now() }).is_err() {
                    return;
                }
            }
        };
        if !(is_told && spawn("reports", hears)) {
            // Out of threads. With both ends dropped it notices that nobody listens, and comes again.
            std::thread::sleep(messages::BEAT);
            continue;
        }
        if events.send(Event::Connected { pid, orders: orders(way) }).is_err() {
            return;
        }
    }
}

fn forward<O: Serialize>(queued: &Receiver<O>, sender: &OrderSender<O>) {
    while let Ok(order) = queued.recv() {
        if sender.send(order).is_err() {
            return;
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> bool {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|e| tracing::error!("can't start a thread: {e}"))
        .is_ok()
}
