//! The world as the loop sees it: a clock, events, processes, and two files that it keeps. The loop asks for nothing
//! else, so its tests put a world of their own in place of the real one, which is in [`crate::world::system`].

pub(crate) mod system;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use proto::codec::EncoderChoice;
use proto::config::{CameraConfig, Config};
use proto::crash_note::CrashNote;
use proto::instance::{ChildId, Rendezvous};
use proto::name::Name;
use proto::process::Pid;

use crate::child::proc::Sign;
use crate::child::recipe::Recipe;
use crate::clips::Counts;
use crate::loop_events::LoopEvent;
use crate::mappers::Identity;
use crate::state::Saved;

/// The world outside of the loop.
pub(crate) trait World {
    fn now(&self) -> Instant;

    /// Waits for the next event, but no longer than this.
    fn next_event(&self, at_most: Duration) -> Result<LoopEvent, RecvTimeoutError>;

    /// Waits for a child at its rendezvous from now on; its connection comes as an event.
    fn meet(&self, rendezvous: Rendezvous) -> io::Result<()>;

    /// Starts a child's process. Its end comes as an event.
    fn spawn(&self, child: &ChildId, recipe: &Recipe) -> io::Result<Box<dyn Process>>;

    /// Takes on a process that an earlier supervisor has started. Its end comes as an event.
    fn adopt(&self, child: &ChildId, pid: Pid) -> io::Result<Box<dyn Process>>;

    /// Has a camera asked what it gives, after a while; its answer comes as an event.
    fn ask(&self, camera: &CameraConfig, after: Duration);

    /// Keeps the config for the children that start from now on, and for the run's file.
    fn keep_config(&self, config: &Arc<Config>);

    /// Finds out which processes map a camera's ring; the answer comes as an event.
    fn find_mappers(&self, camera: &Name, ring: Identity);

    /// The kernel's count of processes that it has killed because memory ran out.
    fn out_of_memory_kills(&self) -> u64;

    /// The note of a recorder that crashed while an encoder was at work.
    fn crash_note(&self, pid: Pid) -> Option<CrashNote>;

    /// Keeps what the next supervisor has to know of this one.
    fn keep_state(&self, saved: &Saved);

    /// Says whether the children are to outlive this supervisor: see [`proto::parent`].
    fn settle(&self, settled: bool);

    /// Has the run's file written, sooner or later.
    fn write_run_file(&self, encoders: &[(Name, EncoderChoice)], counts: Counts);
}

/// A process that is watched. Dropping it doesn't end the process.
pub(crate) trait Process {
    fn pid(&self) -> Pid;

    /// Sends SIGKILL, which ends a stopped process too.
    fn kill(&self);

    /// Has the process ended, whether its end has been heard of or not?
    fn has_ended(&self) -> bool;

    /// See [`crate::child::proc::sign`].
    fn sign(&self) -> Option<Sign>;

    /// See [`crate::child::proc::close_look`].
    fn close_look(&self) -> Option<Sign>;

    /// See [`crate::child::proc::waited`].
    fn waited(&self) -> Option<Duration>;

    /// See [`crate::child::proc::turns`].
    fn turns(&self) -> Option<u64>;
}
