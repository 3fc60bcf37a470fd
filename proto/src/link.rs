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

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipc_channel::IpcError;
use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::process::Pid;

/// The time that a child waits before it looks for a supervisor again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The time that a last report waits before it looks for a supervisor again.
const LAST_WORD_GLANCE: Duration = Duration::from_millis(5);

/// The number of reports that may wait for a supervisor that doesn't read.
const QUEUED_REPORTS: usize = 64;

/// A child's first message to the supervisor.
#[derive(Serialize, Deserialize)]
#[serde(bound = "O: Serialize + DeserializeOwned, R: Serialize + DeserializeOwned")]
struct Greeting<O, R> {
    pid: Pid,
    orders: IpcSender<O>,
    reports: IpcReceiver<R>,
}

/// The way to send orders to a child. Sending blocks while the child doesn't read.
pub type OrderSender<O> = IpcSender<O>;

/// A child that has come to its rendezvous.
pub struct Connection<O: Serialize, R> {
    /// The child's pid, as it says. The supervisor believes it only of a pid that it has spawned or adopted.
    pub pid: Pid,
    /// The way to send it orders.
    pub orders: OrderSender<O>,
    reports: IpcReceiver<R>,
}

impl<O: Serialize + DeserializeOwned, R: Serialize + DeserializeOwned> Connection<O, R> {
    /// Waits for the child's next report. `None` once the child is gone.
    pub fn report(&self) -> Option<R> {
        receive(&self.reports)
    }
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
pub fn meet<O, R>(rendezvous: &Path) -> io::Result<Connection<O, R>>
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
            Ok(Ok((_, greeting))) => {
                let Greeting { pid, orders, reports } = greeting;
                return Ok(Connection { pid, orders, reports });
            }
            // The child died between connecting and sending; the next one gets a new channel.
            Ok(Err(_)) | Err(_) => continue,
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
}

struct Parcel<R> {
    report: R,
    /// The end of a channel that is dropped once the report was sent.
    on_its_way: Option<SyncSender<()>>,
}

impl<R> Clone for Reports<R> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
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
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

type Upward<R> = Arc<Mutex<Option<IpcSender<R>>>>;

/// Starts a child's link: two threads that live as long as the process.
///
/// # Errors
/// A thread can't be started.
pub fn start<O, R>(rendezvous: &Path) -> io::Result<Link<O, R>>
where
    O: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let upward: Upward<R> = Arc::new(Mutex::new(None));
    let (order_to, orders) = channel();
    let (queue, queued) = sync_channel(QUEUED_REPORTS);
    let rendezvous = rendezvous.to_owned();
    let to_supervisor = Arc::clone(&upward);
    std::thread::Builder::new()
        .name("orders".into())
        .spawn(move || follow(&rendezvous, &to_supervisor, &order_to))?;
    std::thread::Builder::new().name("reports".into()).spawn(move || forward(&queued, &upward))?;
    Ok(Link { orders, reports: Reports { queue } })
}

fn follow<O, R>(rendezvous: &Path, upward: &Upward<R>, order_to: &Sender<O>)
where
    O: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    // A name that led nowhere is not tried again: each try costs a descriptor that ipc-channel doesn't give back.
    let mut dead = String::new();
    loop {
        let name = std::fs::read_to_string(rendezvous).unwrap_or_default();
        let orders = if name.is_empty() || name == dead { None } else { greet::<O, R>(&name, upward) };
        let Some(orders) = orders else {
            dead = name;
            std::thread::sleep(LOOK_AGAIN);
            continue;
        };
        while let Some(order) = receive(&orders) {
            if order_to.send(order).is_err() {
                return;
            }
        }
        *upward.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn greet<O, R>(name: &str, upward: &Upward<R>) -> Option<IpcReceiver<O>>
where
    O: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    if !somebody_listens(name) {
        return None;
    }
    let supervisor = IpcSender::<Greeting<O, R>>::connect(name.to_owned()).ok()?;
    let (orders_to_us, orders) = ipc::channel::<O>().ok()?;
    let (ours, reports) = ipc::channel::<R>().ok()?;
    supervisor.send(Greeting { pid: Pid::this(), orders: orders_to_us, reports }).ok()?;
    *upward.lock().unwrap_or_else(PoisonError::into_inner) = Some(ours);
    Some(orders)
}

/// True if a socket of this name is open. A supervisor that was killed leaves the name of a closed one, and a try at that
/// costs a descriptor.
fn somebody_listens(name: &str) -> bool {
    // Each line of the list ends with a path. Without the list, the name is tried.
    std::fs::read_to_string("/proc/net/unix").map_or(true, |list| {
        list.lines().any(|line| line.strip_suffix(name).is_some_and(|rest| rest.ends_with(' ')))
    })
}

fn forward<R: Serialize>(queued: &Receiver<Parcel<R>>, upward: &Upward<R>) {
    let way = || upward.lock().unwrap_or_else(PoisonError::into_inner).clone();
    while let Ok(Parcel { report, on_its_way }) = queued.recv() {
        let mut sender = way();
        // A process that fails as it starts may be faster than the handshake. Its sender waits only so long, and then ends
        // the process and this thread with it.
        while sender.is_none() && on_its_way.is_some() {
            std::thread::sleep(LAST_WORD_GLANCE);
            sender = way();
        }
        if let Some(sender) = sender {
            // The other thread notices a supervisor that is gone.
            let _ = sender.send(report);
        }
        drop(on_its_way);
    }
}

fn receive<T: Serialize + DeserializeOwned>(from: &IpcReceiver<T>) -> Option<T> {
    loop {
        match from.recv() {
            Ok(message) => return Some(message),
            // An interrupted call has received nothing; the channel is still good.
            Err(IpcError::Io(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
