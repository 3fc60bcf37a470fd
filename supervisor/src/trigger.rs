//! From a request about a trigger to what is on the disk, and to the answer. What is on the disk is all that counts, and the
//! recorder finds it there, whether it is told or not.
//!
//! | | |
//! |---|---|
//! | [`queue`] | the requests that are under way |
//! | [`taking`] | the thread that takes them in groups, and writes what they come to |
//! | [`flushing`] | the thread that flushes it, tells the recorder and answers; and the one that watches it |
//! | [`wish`], [`window`], [`planning`], [`plan`] | from a trigger to a clip of its own |
//! | [`growing`] | triggers, ends and extensions that come to an open clip |
//! | [`ids`], [`numbers`] | the ids that triggers have brought, and the numbers of clips |
//!
//! Which clips are open is kept in [`crate::clips`].

mod flushing;
mod growing;
mod ids;
mod numbers;
pub(crate) mod plan;
pub(crate) mod planning;
pub(crate) mod queue;
mod taking;
pub(crate) mod window;
pub(crate) mod wish;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use proto::control::Accepted;

use crate::control::STACK_BYTES;
use crate::loop_events::LoopEvent;
use crate::settled::Settled;
use flushing::Flushing;
use ids::Ids;
use planning::Planning;
use queue::{Job, Queue};
pub(crate) use queue::{Reply, Wanted};
use taking::Taking;

/// A request that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) accepted: Accepted,
    /// The folder of the clip that it is about.
    pub(crate) folder: PathBuf,
}

/// Takes requests about triggers, from any thread.
pub(crate) struct Triggers {
    queue: Arc<Queue>,
}

impl Triggers {
    /// Starts the threads. `earlier_runs`: folders that may hold unfinished clips.
    pub(crate) fn start(
        planning: Planning,
        earlier_runs: Vec<PathBuf>,
        events: Sender<LoopEvent>,
        settled: Arc<Settled>,
    ) -> io::Result<Self> {
        let (queue, doubtful) = (Arc::new(Queue::default()), Arc::default());
        let run_folder = planning.clips.run_folder().to_owned();
        let ids = Arc::new(Ids::new(planning.config.rig.clone()));
        if let Some(output) = run_folder.parent() {
            ids.read_from(output.to_owned())?;
        }
        let flushing = Arc::new(Flushing {
            queue: Arc::clone(&queue),
            events,
            settled,
            run_folder,
            doubtful: Arc::clone(&doubtful),
        });
        let taking = Taking::new(planning, earlier_runs, ids, doubtful);
        let (to_take, watching) = (Arc::clone(&queue), Arc::clone(&flushing));
        spawn("triggers", move || taking.run(&to_take))?;
        spawn("flush", move || flushing.run())?;
        spawn("watch", move || watching.watch())?;
        Ok(Self { queue })
    }

    /// Asks for something. `reply` is called once, from another thread.
    pub(crate) fn ask(&self, wanted: Wanted, reply: Reply) {
        self.queue.ask(Job::new(wanted, reply));
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // Manifests and plans are read on one of them, and replies made on all.
    let stack = 4 * STACK_BYTES;
    std::thread::Builder::new().name(name.into()).stack_size(stack).spawn(run)?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
