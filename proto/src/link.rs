//! The channel between the supervisor and a child. The messages in it are in [`crate::messages`]. No other module uses
//! `ipc-channel`.
//!
//! Theory of operation. For each child the supervisor always keeps one one-shot server open. Its name stands in a file,
//! the child's *rendezvous*. A child connects to the name it finds there and hands over two channels: one for the
//! supervisor's orders, one for its own reports. When the supervisor dies, the child notices at once and goes on with its
//! work. It looks at the rendezvous until a new supervisor has put a name there. So a first start, a restart of the child
//! and an adoption by a new supervisor take one and the same path.
//!
//! `send` blocks while the other side doesn't read, so no thread that matters ever sends. Reports go through a bounded
//! queue to a thread of their own, and are dropped when the queue is full. Every report is complete in itself, so the next
//! one makes up for a lost one.
//!
//! A call that fails for want of memory or by an interruption is made again. After any other failure, and after
//! [`PATIENCE`] of those, the side that noticed closes its end; the child then comes to its rendezvous again. Every report
//! carries the number of orders heard so far and a number of its own, so the supervisor notices what was lost without a
//! failure. The reasons are in `docs/decisions/resend.md`.

mod patience;
#[cfg(test)]
mod tests;
mod version;

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipc_channel::IpcError;
use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::parent::Parent;
use crate::process::Pid;
pub use patience::{LinkError, PATIENCE};
pub use version::Version;

/// The time that a child waits before it looks for a supervisor again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The time that a last report waits before it looks for a supervisor again.
const LAST_WORD_GLANCE: Duration = Duration::from_millis(5);

/// The number of reports that may wait for a supervisor that doesn't read.
const QUEUED_REPORTS: usize = 64;

/// The time after which a name that led nowhere is tried again, if a socket of that name is still open.
const TRY_DEAD_NAME_AGAIN: Duration = Duration::from_secs(1);

/// A child that nobody will take over may take this long to end in order, as long as a stop in order does.
const LAST_SECONDS: Duration = Duration::from_secs(5);

/// A child's first message to the supervisor. The version comes first, and stays there: it is what another version reads.
#[derive(Serialize, Deserialize)]
#[serde(bound = "O: Serialize + DeserializeOwned, R: Serialize + DeserializeOwned")]
struct Greeting<O, R> {
    version: Version,
    pid: Pid,
    orders: IpcSender<O>,
    reports: IpcReceiver<Numbered<R>>,
}

/// A report, and how far the link has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Numbered<R> {
    /// Rises by one with each report that the child makes, whether it is delivered or lost.
    pub number: u64,
    /// The orders that the child has heard over this link.
    pub orders_heard: u64,
    /// The report.
    pub report: R,
}

/// The way to send orders to a child.
#[derive(Debug)]
pub struct OrderSender<O: Serialize>(IpcSender<O>);

impl<O: Serialize + Clone> OrderSender<O> {
    /// Sends an order. Blocks while the child doesn't read.
    ///
    /// # Errors
    /// The link is broken: the order may be lost, and this end is to be dropped.
    pub fn send(&self, order: &O) -> Result<(), LinkError> {
        patience::send(&self.0, order)
    }
}

/// The way to hear a child's reports.
#[derive(Debug)]
pub struct ReportReceiver<R>(IpcReceiver<Numbered<R>>);

impl<R: Serialize + DeserializeOwned> ReportReceiver<R> {
    /// Waits for the child's next report.
    ///
    /// # Errors
    /// The child is gone, or the link is broken and this end is to be dropped.
    pub fn next(&self) -> Result<Numbered<R>, LinkError> {
        patience::receive(&self.0)
    }
}

/// A child that has come to its rendezvous.
#[derive(Debug)]
pub struct Connection<O: Serialize, R> {
    /// The child's pid, as it says. The supervisor believes it only of a pid that it has spawned or adopted.
    pub pid: Pid,
    /// The way to send it orders.
    pub orders: OrderSender<O>,
    /// The way to hear it.
    pub reports: ReportReceiver<R>,
}

/// Somebody who has come to a rendezvous.
#[derive(Debug)]
pub enum Visitor<O: Serialize, R> {
    /// A child that speaks as this program does.
    Child(Connection<O, R>),
    /// A program of another version. Nothing that it says can be understood.
    Stranger {
        /// The process and its version; `None` if not even its greeting could be read.
        said: Option<(Pid, Version)>,
    },
}

/// Makes the sockets of channels appear in this directory, which goes when the instance goes. The supervisor calls it
/// once, before it uses this module otherwise.
///
/// # Errors
/// The directory that an earlier call has set.
pub fn keep_sockets_in(folder: &Path) -> Result<(), PathBuf> {
    // ipc-channel makes its one-shot sockets with `tempfile`, which takes a directory.
    tempfile::env::override_temp_dir(folder).map(|_| ())
}

/// Waits until a child connects at the rendezvous. Blocks for as long as none does, so it is called from a thread of its
/// own, again for each child.
///
/// # Errors
/// No channel can be made, or its name can't be written to the rendezvous.
pub fn meet<O, R>(rendezvous: &Path) -> io::Result<Visitor<O, R>>
where
    O: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    loop {
        let (server, name) = IpcOneShotServer::<Greeting<O, R>>::new()?;
        durable::replace(rendezvous, name.as_bytes())?;
        // ipc-channel panics when no descriptors are left for those in the greeting. Without the catch, nobody would wait
        // here for this child's successors.
        match std::panic::catch_unwind(AssertUnwindSafe(|| server.accept())) {
            Ok(Ok((_, greeting))) => return Ok(greeting.visitor()),
            Ok(Err(IpcError::SerializationError(_))) => return Ok(Visitor::Stranger { said: None }),
            // The child died between connecting and sending, or the call failed; the next one gets a new channel.
            Ok(Err(_)) | Err(_) => continue,
        }
    }
}

impl<O: Serialize + DeserializeOwned, R: Serialize + DeserializeOwned> Greeting<O, R> {
    fn visitor(self) -> Visitor<O, R> {
        let Self { version, pid, orders, reports } = self;
        if version.speaks_as_this() {
            Visitor::Child(Connection { pid, orders: OrderSender(orders), reports: ReportReceiver(reports) })
        } else {
            Visitor::Stranger { said: Some((pid, version)) }
        }
    }
}

/// A child's link to the supervisor of the moment.
pub struct Link<O, R> {
    /// The orders, of one supervisor after another.
    pub orders: Receiver<O>,
    /// The way to report.
    pub reports: Reports<R>,
}

/// The way to report to the supervisor, if there is one, without ever waiting for it.
pub struct Reports<R> {
    queue: SyncSender<Parcel<R>>,
    /// The number of the next report.
    next: Arc<AtomicU64>,
}

struct Parcel<R> {
    report: R,
    /// The end of a channel that is dropped once the report was sent.
    on_its_way: Option<SyncSender<()>>,
}

impl<R> Clone for Reports<R> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), next: Arc::clone(&self.next) }
    }
}

impl<R> Reports<R> {
    /// Queues a report. Drops it when too many wait already.
    pub fn send(&self, report: R) {
        self.queue_up(Parcel { report, on_its_way: None });
    }

    /// Sends a last report before this process ends. Waits until it is sent, but no longer than `at_most`.
    pub fn send_last(&self, report: R, at_most: Duration) {
        let (on_its_way, gone) = sync_channel(0);
        self.queue_up(Parcel { report, on_its_way: Some(on_its_way) });
        // This process ends now, whether the report was sent, was dropped, or took too long.
        let _ = gone.recv_timeout(at_most);
    }

    fn queue_up(&self, parcel: Parcel<R>) {
        match self.queue.try_send(parcel) {
            Ok(()) => {}
            // A report that is dropped uses its number up, so that the supervisor sees a hole.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.next.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A child's way to one supervisor.
struct Way<R> {
    sender: IpcSender<Numbered<R>>,
    /// The orders that were heard from the same supervisor.
    orders_heard: Arc<AtomicU64>,
}

impl<R: Serialize> Clone for Way<R> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), orders_heard: Arc::clone(&self.orders_heard) }
    }
}

/// The way to the supervisor of the moment.
type Upward<R> = Arc<Mutex<Option<Way<R>>>>;

/// Starts a child's link: two threads that live as long as the process.
///
/// When `parent` has left the child to nobody, the orders end, which the child takes as one to stop. A child that has
/// not stopped after five seconds is ended here.
///
/// # Errors
/// A thread can't be started.
pub fn start<O, R>(rendezvous: &Path, parent: Parent) -> io::Result<Link<O, R>>
where
    O: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Clone + Send + 'static,
{
    let upward: Upward<R> = Arc::new(Mutex::new(None));
    let (order_to, orders) = channel();
    let (queue, queued) = sync_channel(QUEUED_REPORTS);
    let rendezvous = rendezvous.to_owned();
    let to_supervisor = Arc::clone(&upward);
    std::thread::Builder::new().name("orders".into()).spawn(move || {
        if follow(&rendezvous, &parent, &to_supervisor, &order_to) == Followed::UntilLeft {
            drop(order_to);
            std::thread::sleep(LAST_SECONDS);
            std::process::exit(i32::from(crate::exit::FAILED));
        }
    })?;
    let next = Arc::new(AtomicU64::new(0));
    let numbers = Arc::clone(&next);
    std::thread::Builder::new().name("reports".into()).spawn(move || forward(&queued, &numbers, &upward))?;
    Ok(Link { orders, reports: Reports { queue, next } })
}

/// The reason why no supervisor is followed any more.
#[derive(PartialEq, Eq)]
enum Followed {
    /// The process listens to no order any more.
    UntilUnheard,
    /// The supervisor has left the process to nobody.
    UntilLeft,
}

fn follow<O, R>(rendezvous: &Path, parent: &Parent, upward: &Upward<R>, order_to: &Sender<O>) -> Followed
where
    O: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    // A name that led nowhere is not tried again at once: each try costs a descriptor that ipc-channel doesn't give back.
    let mut dead: Option<(String, Instant)> = None;
    loop {
        let name = std::fs::read_to_string(rendezvous).unwrap_or_default();
        let is_dead =
            dead.as_ref().is_some_and(|(dead, since)| *dead == name && since.elapsed() < TRY_DEAD_NAME_AGAIN);
        let orders = if name.is_empty() || is_dead { None } else { greet::<O, R>(&name, upward) };
        let Some((orders, heard)) = orders else {
            if !is_dead {
                dead = Some((name, Instant::now()));
            }
            if parent.has_left() {
                return Followed::UntilLeft;
            }
            std::thread::sleep(LOOK_AGAIN);
            continue;
        };
        while let Ok(order) = patience::receive(&orders) {
            if order_to.send(order).is_err() {
                return Followed::UntilUnheard;
            }
            heard.fetch_add(1, Ordering::Relaxed);
        }
        *upward.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Hands the ends of two new channels to the supervisor that listens at this name. Returns this child's end for orders,
/// and the count of those that are heard.
fn greet<O, R>(name: &str, upward: &Upward<R>) -> Option<(IpcReceiver<O>, Arc<AtomicU64>)>
where
    O: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    if !somebody_listens(name) {
        return None;
    }
    let supervisor = IpcSender::<Greeting<O, R>>::connect(name.to_owned()).ok()?;
    let (orders_to_us, orders) = ipc::channel::<O>().ok()?;
    let (ours, reports) = ipc::channel::<Numbered<R>>().ok()?;
    let greeting = Greeting { version: Version::own(), pid: Pid::this(), orders: orders_to_us, reports };
    supervisor.send(greeting).ok()?;
    let orders_heard = Arc::new(AtomicU64::new(0));
    let way = Way { sender: ours, orders_heard: Arc::clone(&orders_heard) };
    *upward.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
    Some((orders, orders_heard))
}

/// True if a socket of this name is open. A supervisor that was killed leaves the name of a closed one, and a try at that
/// costs a descriptor.
fn somebody_listens(name: &str) -> bool {
    // Each line of the list ends with a path. Without the list, the name is tried.
    std::fs::read_to_string("/proc/net/unix").map_or(true, |list| {
        list.lines().any(|line| line.strip_suffix(name).is_some_and(|rest| rest.ends_with(' ')))
    })
}

fn forward<R>(queued: &Receiver<Parcel<R>>, next: &AtomicU64, upward: &Upward<R>)
where
    R: Serialize + DeserializeOwned + Clone,
{
    let way = || upward.lock().unwrap_or_else(PoisonError::into_inner).clone();
    while let Ok(Parcel { report, on_its_way }) = queued.recv() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let mut upwards = way();
        // A process that fails as it starts may be faster than the handshake. Its sender waits only so long, and then ends
        // the process and this thread with it.
        while upwards.is_none() && on_its_way.is_some() {
            std::thread::sleep(LAST_WORD_GLANCE);
            upwards = way();
        }
        if let Some(Way { sender, orders_heard }) = upwards {
            let heard = orders_heard.load(Ordering::Relaxed);
            if patience::send(&sender, &Numbered { number, orders_heard: heard, report }).is_err() {
                close(upward, &orders_heard);
            }
        }
        drop(on_its_way);
    }
}

/// Closes the way to a supervisor that doesn't get reports any more. The supervisor sees that, closes its own end, and by
/// that has this child come to its rendezvous again.
fn close<R>(upward: &Upward<R>, orders_heard: &Arc<AtomicU64>) {
    let mut way = upward.lock().unwrap_or_else(PoisonError::into_inner);
    if way.as_ref().is_some_and(|way| Arc::ptr_eq(&way.orders_heard, orders_heard)) {
        *way = None;
    }
}
