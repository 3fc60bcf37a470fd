//! The channel between the supervisor and a child, and the one user of `ipc-channel`. What is said through it is in
//! [`crate::messages`].
//!
//! Theory of operation. For each child the supervisor always keeps one one-shot server open and its name in a
//! file, the child's *rendezvous*. A child connects to the name it finds there and hands over two channels: the
//! supervisor's orders to it, its reports to the supervisor. When the supervisor dies the child notices at once,
//! goes on with its work, and looks at the rendezvous until a new supervisor has put a name there. So a first
//! start, a restart of the child and an adoption by a new supervisor are one and the same path.
//!
//! `send` blocks while the other side doesn't read. So nothing that matters ever sends: reports go through a
//! bounded queue to a thread of their own, and what doesn't fit is dropped. Every report says all there is to say
//! at that moment, so that the next one makes up for a lost one.

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

/// How long a child waits before it looks for a supervisor again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How often a last report looks for the supervisor that it is for.
const LAST_WORD_GLANCE: Duration = Duration::from_millis(5);

/// Reports that may wait for a supervisor that doesn't read.
const QUEUED_REPORTS: usize = 64;

/// The child's half of the handshake.
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
    /// Who it says it is. Believe it only if it is the pid that was spawned or adopted.
    pub pid: Pid,
    /// To it.
    pub orders: OrderSender<O>,
    reports: IpcReceiver<R>,
}

impl<O: Serialize + DeserializeOwned, R: Serialize + DeserializeOwned> Connection<O, R> {
    /// Its next report; `None` once it is gone.
    pub fn report(&self) -> Option<R> {
        receive(&self.reports)
    }
}

/// Makes sockets of channels appear in this directory, where they go when the instance goes. Before any other
/// use of this module, in the supervisor.
///
/// # Errors
/// When it was called before.
pub fn keep_sockets_in(folder: &Path) -> Result<(), PathBuf> {
    // ipc-channel makes its one-shot sockets with `tempfile`, which can be told where.
    tempfile::env::override_temp_dir(folder).map(|_| ())
}

/// Waits for one child to come, and is ready for the next. Blocks for as long as nobody does: call it from a
/// thread of its own.
///
/// # Errors
/// When no channel can be made, or its name can't be left at the rendezvous.
pub fn meet<O, R>(rendezvous: &Path) -> io::Result<Connection<O, R>>
where
    O: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    loop {
        let (server, name) = IpcOneShotServer::<Greeting<O, R>>::new()?;
        durable::replace(rendezvous, name.as_bytes())?;
        // ipc-channel panics when there are no descriptors left for those in the greeting: nobody would wait here for
        // this child's successors.
        match std::panic::catch_unwind(AssertUnwindSafe(|| server.accept())) {
            Ok(Ok((_, greeting))) => {
                let Greeting { pid, orders, reports } = greeting;
                return Ok(Connection { pid, orders, reports });
            }
            // It died between knocking and speaking; the next one gets a new channel.
            Ok(Err(_)) | Err(_) => continue,
        }
    }
}

/// A child's link to whichever supervisor there is.
pub struct Link<O, R> {
    /// Orders, from one supervisor after another.
    pub orders: Receiver<O>,
    /// The way to report.
    pub reports: Reports<R>,
}

/// Reports to the supervisor, if there is one, without ever waiting for it.
pub struct Reports<R> {
    queue: SyncSender<Parcel<R>>,
}

struct Parcel<R> {
    report: R,
    /// Dropped once the report is on its way.
    on_its_way: Option<SyncSender<()>>,
}

impl<R> Clone for Reports<R> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<R> Reports<R> {
    /// Queues a report; drops it when too many wait already.
    pub fn send(&self, report: R) {
        self.queue_up(Parcel { report, on_its_way: None });
    }

    /// Sends a last report before this process ends, and waits for that, but no longer than `at_most`.
    pub fn send_last(&self, report: R, at_most: Duration) {
        let (on_its_way, gone) = sync_channel(0);
        self.queue_up(Parcel { report, on_its_way: Some(on_its_way) });
        // Whether it was sent, dropped or the time is over: this process ends now.
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
/// When the threads can't be started.
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
    // A name that led nowhere never will: each try at one costs a descriptor that ipc-channel doesn't give back.
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

/// Whether a socket of this name is open. A supervisor that was killed leaves the name of one that isn't, and a try at
/// that costs a descriptor: one for each supervisor in the life of a child.
fn somebody_listens(name: &str) -> bool {
    // Each line ends with the path. Where the list can't be had, a try has to do.
    std::fs::read_to_string("/proc/net/unix").map_or(true, |list| {
        list.lines().any(|line| line.strip_suffix(name).is_some_and(|rest| rest.ends_with(' ')))
    })
}

fn forward<R: Serialize>(queued: &Receiver<Parcel<R>>, upward: &Upward<R>) {
    let way = || upward.lock().unwrap_or_else(PoisonError::into_inner).clone();
    while let Ok(Parcel { report, on_its_way }) = queued.recv() {
        let mut sender = way();
        // A process that fails as it starts may be faster than the handshake. Whoever sends a last word has a limit to
        // how long, and ends then, with this thread.
        while sender.is_none() && on_its_way.is_some() {
            std::thread::sleep(LAST_WORD_GLANCE);
            sender = way();
        }
        if let Some(sender) = sender {
            // A supervisor that is gone is noticed by the other thread.
            let _ = sender.send(report);
        }
        drop(on_its_way);
    }
}

fn receive<T: Serialize + DeserializeOwned>(from: &IpcReceiver<T>) -> Option<T> {
    loop {
        match from.recv() {
            Ok(message) => return Some(message),
            // A signal is no time-out and no end.
            Err(IpcError::Io(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
