//! The real world of the loop: processes of this machine, and the files of an instance.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use proto::codec::EncoderChoice;
use proto::config::{CameraConfig, Config};
use proto::crash_note::{self, CrashNote};
use proto::instance::{ChildId, Rendezvous, RuntimeDir};
use proto::name::Name;
use proto::process::Pid;
use proto::titles;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, Signal};

use crate::check::offers;
use crate::check::probe_run::ConfigOf;
use crate::child::end;
use crate::child::proc::{self, Sign};
use crate::child::recipe::Recipe;
use crate::clips::Counts;
use crate::loop_events::{self, LoopEvent};
use crate::mappers::{self, Identity};
use crate::run_file::RunFileWriter;
use crate::settled::Settled;
use crate::state::{self, Saved};
use crate::world::{Process, World};
use crate::{descriptors, service};

/// Tells glibc to give an encoder's tens of megabytes back when it is closed, instead of keeping them for the next:
/// a recorder that is only armed should cost what it uses. Not for captures: a library asks for the same memory again
/// with each frame, and pages that come and go 60 times a second cost half of what such a capture costs. Other C
/// libraries don't know these variables and pass them over.
const FRUGAL_HEAP: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_ARENA_MAX", "2")];

/// The likelihood of a child to be chosen when memory runs out, above the supervisor's, in thousandths of all memory:
/// more than the supervisor is smaller than any child, and little enough that a program that eats the memory goes first.
const CAPTURE_OOM: i32 = 200;
const RECORDER_OOM: i32 = 300;
/// The highest that there is.
const MOST_OOM: i32 = 1000;

/// The machine, for one instance.
pub(crate) struct System {
    pub(crate) dir: RuntimeDir,
    pub(crate) events: Sender<LoopEvent>,
    pub(crate) happening: RefCell<Receiver<LoopEvent>>,
    pub(crate) run_file: Rc<RunFileWriter>,
    pub(crate) settled: Arc<Settled>,
}

impl World for System {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn next_event(&self, at_most: Duration) -> Result<LoopEvent, RecvTimeoutError> {
        self.happening.borrow().recv_timeout(at_most)
    }

    fn meet(&self, rendezvous: Rendezvous) -> io::Result<()> {
        let path = self.dir.rendezvous(&rendezvous);
        loop_events::meet(rendezvous, path, self.events.clone())
    }

    fn spawn(&self, child: &ChildId, recipe: &Recipe) -> io::Result<Box<dyn Process>> {
        let mut command = Command::new(&recipe.program);
        for variable in service::VARIABLES {
            command.env_remove(variable);
        }
        if !matches!(child, ChildId::Capture(_)) {
            command.envs(FRUGAL_HEAP);
        }
        // A group of its own: Ctrl-C at the terminal is the supervisor's to handle.
        command.arg0(titles::argv0(child)).args(&recipe.args).process_group(0);
        // Nothing of ours writes to standard output; a library that does could print a password there, unmasked.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        descriptors::room_for_a_child()?;
        let mut process = command.spawn()?;
        let pid = Pid::of(&process);
        volunteer(child, pid);
        self.adopt(child, pid).inspect_err(|_| {
            // A process that can't be watched must not run on unseen beside its successor.
            let _ = process.kill();
            let _ = process.wait();
        })
    }

    fn adopt(&self, child: &ChildId, pid: Pid) -> io::Result<Box<dyn Process>> {
        let pidfd = Arc::new(rustix::process::pidfd_open(pid.for_rustix(), PidfdFlags::empty())?);
        let events = self.events.clone();
        end::watch(child, pid, Arc::clone(&pidfd), move |pid, end| {
            // The loop ends before its threads do.
            let _ = events.send(LoopEvent::Exited { pid, end });
        })?;
        Ok(Box::new(Watched { pid, pidfd }))
    }

    fn ask(&self, camera: &CameraConfig, after: Duration) {
        let (events, camera, dir) = (self.events.clone(), camera.clone(), self.dir.path().to_owned());
        let ask = move || {
            std::thread::sleep(after);
            let answer = offers::ask(&camera, ConfigOf::RuntimeDir(&dir)).map_err(|e| e.to_string());
            // The loop ends before its threads do.
            let _ = events.send(LoopEvent::Answered { camera: camera.name, answer });
        };
        if let Err(e) = std::thread::Builder::new().name("probe".into()).spawn(ask) {
            tracing::warn!("can't start a thread that asks a camera what it gives: {e}");
        }
    }

    fn keep_config(&self, config: &Arc<Config>) {
        let path = self.dir.config_path();
        if let Err(e) = config.save_checked(&path) {
            tracing::error!(
                "can't write {}: {e}; processes that start from now on have the config before",
                path.display()
            );
        }
        self.run_file.use_config(config);
    }

    fn find_mappers(&self, camera: &Name, ring: Identity) {
        let (events, camera) = (self.events.clone(), camera.clone());
        let find = move || {
            let by = mappers::of(ring).into_iter().map(|pid| (pid, mappers::parent(pid))).collect();
            // The loop ends before its threads do.
            let _ = events.send(LoopEvent::Mapped { camera, by });
        };
        if let Err(e) = std::thread::Builder::new().name("mappers".into()).spawn(find) {
            tracing::warn!("can't start a thread to find out who maps a ring: {e}");
        }
    }

    fn out_of_memory_kills(&self) -> u64 {
        proc::out_of_memory_kills()
    }

    fn crash_note(&self, pid: Pid) -> Option<CrashNote> {
        crash_note::read(&self.dir.crash_notes(), pid)
    }

    fn keep_state(&self, saved: &Saved) {
        state::save(&self.dir, saved);
    }

    fn settle(&self, settled: bool) {
        if settled { self.settled.settle() } else { self.settled.end() }
    }

    fn write_run_file(&self, encoders: &[(Name, EncoderChoice)], counts: Counts) {
        self.run_file.write(encoders, counts);
    }
}

/// Lets a child be chosen before the supervisor when memory runs out, and the recorder, which loses nothing within the reserve,
/// before a capture. Relative to what the supervisor was started with; to go earlier is always permitted.
fn volunteer(child: &ChildId, pid: Pid) {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let more = match child {
        ChildId::Capture(_) => CAPTURE_OOM,
        ChildId::Recorder | ChildId::Standby => RECORDER_OOM,
    };
    let score = own.trim().parse::<i32>().unwrap_or(0).saturating_add(more).min(MOST_OOM);
    // If it can't be written the kernel chooses by size alone.
    let _ = std::fs::write(pid.proc("oom_score_adj"), score.to_string());
}

/// A process that is held by its pidfd, which names it and no other.
struct Watched {
    pid: Pid,
    pidfd: Arc<OwnedFd>,
}

impl Process for Watched {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn kill(&self) {
        // A process that is gone is what was wanted.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&*self.pidfd, PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    fn sign(&self) -> Option<Sign> {
        proc::sign(self.pid)
    }

    fn close_look(&self) -> Option<Sign> {
        proc::close_look(self.pid)
    }

    fn waited(&self) -> Option<Duration> {
        proc::waited(self.pid)
    }

    fn turns(&self) -> Option<u64> {
        proc::turns(self.pid)
    }
}
