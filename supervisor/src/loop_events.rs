//! Everything that happens to the supervisor, and the threads that notice it. The loop in [`crate::watch`] is the
//! only place that acts. Ends of processes are noticed in [`crate::child::end`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use proto::clip::Verdict;
use proto::control::Response;
use proto::instance::Rendezvous;
use proto::link::{self, Connection, Numbered, OrderSender, ReportReceiver, Version, Visitor};
use proto::messages::{self, CaptureOrder, CaptureReport, RecorderOrder, RecorderReport};
use proto::name::Name;
use proto::offer::Offer;
use proto::process::Pid;
use proto::refusal::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::check::offers::Answer as Answered;
use crate::child::end::End;
use crate::child::link::Traffic;

/// Something happened.
pub(crate) enum LoopEvent {
    /// A signal that ends the supervisor: see [`crate::stop_signals`].
    Signal,
    /// A child has come to its rendezvous.
    Connected { pid: Pid, orders: Orders },
    /// A process of another version has come to a child's rendezvous, and has said its pid and version if that could be
    /// read.
    Stranger { rendezvous: Rendezvous, said: Option<(Pid, Version)> },
    /// The processes that map a camera's ring, each with its parent.
    Mapped { camera: Name, by: Vec<(Pid, Option<Pid>)> },
    /// A probe has ended that was to ask a camera what it gives; the error of one that couldn't be run.
    Answered { camera: Name, answer: Result<Answered, String> },
    /// A child says something.
    Report { pid: Pid, report: Report, heard: Instant },
    /// A process has ended.
    Exited { pid: Pid, end: End },
    /// A command asks for something that only the loop can do.
    Request { request: LoopRequest, reply: Sender<Answer> },
    /// A clip's plan is on disk.
    Planned(PathBuf),
    /// A clip is finished, and its recorder has not said so.
    Found { folder: PathBuf, verdict: Verdict },
    /// A clip's plan is gone, and there is no manifest.
    Gone(PathBuf),
}

impl LoopEvent {
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

impl Report {
    /// The frames that come from a camera whose ring isn't made for them.
    pub(crate) fn offer(&self) -> Option<Offer> {
        let Self::Capture(CaptureReport::Beat { offer, .. }) = self else { return None };
        *offer
    }
}

/// The way to a child. Sending never waits: what a stuck child doesn't take is dropped, counted as given, and by that
/// noticed ([`crate::child::link`]).
pub(crate) struct Orders {
    way: Way,
    pub(crate) traffic: Arc<Traffic>,
}

/// A way by the kind of child at its end.
pub(crate) enum Way {
    Capture(SyncSender<CaptureOrder>),
    Recorder(SyncSender<RecorderOrder>),
}

impl Orders {
    pub(crate) fn new(way: Way, traffic: Arc<Traffic>) -> Self {
        Self { way, traffic }
    }

    /// To the recorder.
    pub(crate) fn to_recorder(&self, order: RecorderOrder) {
        if let Way::Recorder(way) = &self.way {
            self.traffic.gave();
            match way.try_send(order) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }

    /// To a capture.
    pub(crate) fn to_capture(&self, order: CaptureOrder) {
        if let Way::Capture(way) = &self.way {
            self.traffic.gave();
            match way.try_send(order) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }

    /// To whichever it is.
    pub(crate) fn stop(&self) {
        self.traffic.gave();
        match &self.way {
            Way::Capture(way) => drop(way.try_send(CaptureOrder::Stop)),
            Way::Recorder(way) => drop(way.try_send(RecorderOrder::Stop)),
        }
    }
}

/// Orders that may wait for a child: more than a burst of triggers that the limit on open clips lets through.
const QUEUED_ORDERS: usize = 256;

/// Waits for a child at its rendezvous, again and again.
pub(crate) fn meet(rendezvous: Rendezvous, path: PathBuf, events: Sender<LoopEvent>) -> std::io::Result<()> {
    let name = format!("meet {rendezvous}");
    std::thread::Builder::new().name(name).spawn(move || match &rendezvous {
        Rendezvous::Capture(_) => serve(&rendezvous, &path, &events, Way::Capture, Report::Capture),
        Rendezvous::Recorder | Rendezvous::Standby => {
            serve(&rendezvous, &path, &events, Way::Recorder, Report::Recorder)
        }
    })?;
    Ok(())
}

fn serve<O, R>(
    rendezvous: &Rendezvous,
    path: &Path,
    events: &Sender<LoopEvent>,
    way_to: fn(SyncSender<O>) -> Way,
    wrap: fn(R) -> Report,
) where
    O: Serialize + DeserializeOwned + Clone + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    loop {
        let connection: Connection<O, R> = match link::meet(path) {
            Ok(Visitor::Child(connection)) => connection,
            Ok(Visitor::Stranger { said }) => {
                if events.send(LoopEvent::Stranger { rendezvous: rendezvous.clone(), said }).is_err() {
                    return;
                }
                // The stranger comes again and again until somebody ends it.
                std::thread::sleep(messages::BEAT);
                continue;
            }
            Err(e) => {
                tracing::error!("{rendezvous}: no channel can be made: {e}");
                std::thread::sleep(messages::BEAT);
                continue;
            }
        };
        let Connection { pid, orders, reports } = connection;
        let (way, queued) = sync_channel::<O>(QUEUED_ORDERS);
        let traffic = Arc::new(Traffic::default());
        let (given, heard, to) = (Arc::clone(&traffic), Arc::clone(&traffic), events.clone());
        let is_told = spawn("orders", move || forward(&queued, &orders, &given));
        if !(is_told && spawn("reports", move || hear(pid, &reports, &heard, &to, wrap))) {
            // Out of threads. With both ends dropped it notices that nobody listens, and comes again.
            std::thread::sleep(messages::BEAT);
            continue;
        }
        if events.send(LoopEvent::Connected { pid, orders: Orders::new(way_to(way), traffic) }).is_err() {
            return;
        }
    }
}

/// Sends a child its orders. Ends when the link does; the loop sees that in the traffic.
fn forward<O: Serialize + Clone>(queued: &Receiver<O>, orders: &OrderSender<O>, traffic: &Traffic) {
    while let Ok(order) = queued.recv() {
        if let Err(error) = orders.send(&order) {
            return traffic.broke(error);
        }
    }
}

/// Hears a child's reports. Ends when the link does.
fn hear<R: Serialize + DeserializeOwned>(
    pid: Pid,
    reports: &ReportReceiver<R>,
    traffic: &Traffic,
    events: &Sender<LoopEvent>,
    wrap: fn(R) -> Report,
) {
    loop {
        let Numbered { number, orders_heard, report } = match reports.next() {
            Ok(numbered) => numbered,
            Err(error) => return traffic.broke(error),
        };
        traffic.reported(number, orders_heard);
        if events.send(LoopEvent::Report { pid, report: wrap(report), heard: Instant::now() }).is_err() {
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
