//! One child process: how it is started, what it is doing, how it is ended.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use proto::instance::ChildId;
use proto::messages::{CameraState, RecorderBeat};
use proto::process::Pid;
use proto::titles;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, Signal};

use crate::descriptors;
use crate::events::{self, End, Event, Orders};
use crate::hung::{self, Opinion};
use crate::kills::Kills;
use crate::proc::{self, Sign};
use crate::restart::{Ending, Record};
use crate::service;

/// A camera or a codec probe may take its time before the first sign of life.
const OPENING_PATIENCE: Duration = Duration::from_secs(15);

/// Tells glibc to give an encoder's tens of megabytes back when it is closed, instead of keeping them for the next:
/// a recorder that is only armed should cost what it uses. Not for captures: what a library frees with each frame it asks
/// for again with the next, and pages that come and go 60 times a second cost half of what such a capture costs. Other C
/// libraries don't know these and pass them over.
const FRUGAL_HEAP: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_ARENA_MAX", "2")];

/// By how much likelier a child is to be chosen when memory runs out, in thousandths of all memory: more than the
/// supervisor is smaller than any child, and little enough that a program that eats the memory still goes first.
const CAPTURE_OOM: i32 = 200;
const RECORDER_OOM: i32 = 300;
/// The highest there is.
const MOST_OOM: i32 = 1000;

/// How long after a standby has taken over the next one is started.
const STANDBY_REST: Duration = Duration::from_secs(1);
/// Why a process that made no progress was ended.
const HUNG: &str = "hung";
/// The same, when it could not make any.
const STOPPED: &str = "hung: it was stopped";

/// A child, through all of its lives.
pub(crate) struct Child {
    pub(crate) id: ChildId,
    pub(crate) start: Recipe,
    pub(crate) record: Record,
    pub(crate) kills: Kills,
    pub(crate) life: Life,
    pub(crate) last_exit: Option<String>,
    /// Whose end that was.
    pub(crate) last_pid: Option<Pid>,
    /// How long it may get nowhere.
    patience: Duration,
    /// What a capture says of its camera.
    pub(crate) camera: CameraState,
    /// What the recorder says of itself.
    pub(crate) beat: RecorderBeat,
}

/// How a child is started.
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}

/// What a child is doing.
pub(crate) enum Life {
    /// To be started at this moment.
    Waiting { until: Instant },
    /// There is a process.
    Running(Running),
    /// Its camera was a file, and has played to its end.
    Ended,
}

/// A living process.
pub(crate) struct Running {
    pub(crate) pid: Pid,
    pidfd: Arc<OwnedFd>,
    pub(crate) start_ticks: u64,
    pub(crate) since: Instant,
    pub(crate) orders: Option<Orders>,
    /// A standby that has its encoders open.
    pub(crate) warm: bool,
    progress: Progress,
    /// It has been told to end, and why.
    ending: Option<&'static str>,
}

/// When a process last got anywhere.
struct Progress {
    count: Option<u64>,
    at: Instant,
    sign: Option<Sign>,
    /// Since when it is under suspicion, and how long its threads had waited for their turn by then.
    suspected: Option<(Instant, Option<Duration>)>,
    /// It was stopped when it was last looked at, and its threads had had so many turns by then.
    stopped: Option<u64>,
}

impl Progress {
    fn now(pid: Pid, count: Option<u64>) -> Self {
        Self { count, at: Instant::now(), sign: proc::sign(pid), suspected: None, stopped: None }
    }
}

impl Child {
    /// `period` is that of a capture's camera: three frames may go by before it is looked into.
    pub(crate) fn new(id: ChildId, start: Recipe, period: Duration) -> Self {
        Self {
            id,
            start,
            patience: hung::PATIENCE.max(period * 3),
            record: Record::default(),
            kills: Kills::default(),
            life: Life::Waiting { until: Instant::now() },
            last_exit: None,
            last_pid: None,
            camera: CameraState::Opening,
            beat: RecorderBeat::default(),
        }
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.life {
            Life::Running(running) => Some(running),
            Life::Waiting { .. } | Life::Ended => None,
        }
    }

    pub(crate) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.life {
            Life::Running(running) => Some(running),
            Life::Waiting { .. } | Life::Ended => None,
        }
    }

    /// Has it been told to end?
    pub(crate) fn is_being_ended(&self) -> bool {
        self.running().is_some_and(|r| r.ending.is_some())
    }

    /// Starts a process.
    pub(crate) fn spawn(&mut self, events: &Sender<Event>) {
        let mut command = Command::new(&self.start.program);
        for variable in service::VARIABLES {
            command.env_remove(variable);
        }
        if !matches!(self.id, ChildId::Capture(_)) {
            command.envs(FRUGAL_HEAP);
        }
        command
            .arg0(titles::argv0(&self.id))
            .args(&self.start.args)
            .stdin(Stdio::null())
            // A group of its own: Ctrl-C at the terminal is the supervisor's to handle.
            .process_group(0);
        let started = descriptors::room_for_a_child().and_then(|()| command.spawn());
        if let Ok(process) = &started {
            self.volunteer(Pid::of(process));
        }
        let attached = started.and_then(|mut process| {
            self.attach(Pid::of(&process), events).inspect_err(|_| {
                // One that can't be watched must not run on unseen beside its successor.
                let _ = process.kill();
                let _ = process.wait();
            })
        });
        if let Err(e) = attached {
            let when = self.wait_for_next(Duration::ZERO, Ending::Crashed);
            tracing::error!(
                "{}: can't start {}: {e}; trying again {when}",
                self.id,
                self.start.program.display()
            );
            self.last_exit = Some(format!("could not be started: {e}"));
        }
    }

    /// When memory runs out, a child goes before the supervisor, and the recorder, which loses nothing within the
    /// reserve, before a capture. Relative to what the supervisor was started with; to go earlier is always permitted.
    fn volunteer(&self, pid: Pid) {
        let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        let more = match self.id {
            ChildId::Capture(_) => CAPTURE_OOM,
            ChildId::Recorder | ChildId::Standby => RECORDER_OOM,
        };
        let score = own.trim().parse::<i32>().unwrap_or(0).saturating_add(more).min(MOST_OOM);
        // Where this can't be said the kernel chooses by size alone.
        let _ = std::fs::write(pid.proc("oom_score_adj"), score.to_string());
    }

    /// Takes on a process that runs: one just started, or one that another supervisor has left.
    pub(crate) fn attach(&mut self, pid: Pid, events: &Sender<Event>) -> std::io::Result<()> {
        let pidfd = Arc::new(rustix::process::pidfd_open(pid.for_rustix(), PidfdFlags::empty())?);
        events::watch_end(self.id.clone(), pid, Arc::clone(&pidfd), events.clone())?;
        let sign = proc::sign(pid);
        self.camera = CameraState::Opening;
        self.beat = RecorderBeat::default();
        self.life = Life::Running(Running {
            pid,
            pidfd,
            start_ticks: sign.map_or(0, |s| s.start_ticks),
            since: Instant::now(),
            orders: None,
            warm: false,
            progress: Progress { count: None, at: Instant::now(), sign, suspected: None, stopped: None },
            ending: None,
        });
        Ok(())
    }

    /// A process that was killed because an encoder did not return.
    pub(crate) fn was_stuck_in_an_encoder(&self) -> bool {
        self.beat.stuck.is_some() && self.running().is_some_and(|r| r.ending == Some(HUNG))
    }

    /// The process has ended: when will there be another?
    pub(crate) fn ended(&mut self, end: &End) -> Option<Ending> {
        let running = self.running()?;
        let life = running.since.elapsed();
        let why = running.ending;
        self.last_pid = Some(running.pid);
        self.last_exit = Some(match why {
            Some(why) => format!("{} ({why})", end.how),
            None => end.how.clone(),
        });
        if self.camera == CameraState::Ended && end.code == Some(0) {
            tracing::info!("{}: its file has played to the end", self.id);
            self.life = Life::Ended;
            return None;
        }
        let well = !end.crashed && why != Some(HUNG);
        let ending = if well { Ending::Killed } else { Ending::Crashed };
        let when = self.wait_for_next(life, ending);
        tracing::warn!(
            "{} ended after {:.1} s: {}; another takes its place {when}",
            self.id,
            life.as_secs_f64(),
            self.last_exit.as_deref().unwrap_or_default(),
        );
        Some(ending)
    }

    /// Says when, in words.
    fn wait_for_next(&mut self, life: Duration, ending: Ending) -> String {
        let mut wait = self.record.next(&self.id, life, ending);
        if ending == Ending::Killed {
            wait = wait.max(self.kills.another(Instant::now()));
        }
        self.life = Life::Waiting { until: Instant::now() + wait };
        if wait.is_zero() { "at once".to_owned() } else { format!("in {:.1} s", wait.as_secs_f64()) }
    }

    /// What made it crash is thought to be gone.
    pub(crate) fn start_afresh(&mut self) {
        self.record.forgive();
        self.life = Life::Waiting { until: Instant::now() };
    }

    /// Lets a standby that is up take this child's place. The standby is then to be started anew, a little later: the
    /// one that has just taken over needs the processor more.
    pub(crate) fn take_place_from(&mut self, standby: &mut Child) -> bool {
        if standby.running().is_none_or(|r| r.orders.is_none() || r.ending.is_some() || r.has_ended()) {
            return false;
        }
        let later = Life::Waiting { until: Instant::now() + STANDBY_REST };
        self.life = std::mem::replace(&mut standby.life, later);
        self.beat = std::mem::take(&mut standby.beat);
        if let Some(running) = self.running_mut() {
            running.since = Instant::now();
        }
        true
    }

    /// Ends the process if there is one, and has another started at once.
    pub(crate) fn begin_again(&mut self, why: &'static str) {
        match &mut self.life {
            Life::Running(running) => running.kill(why),
            Life::Waiting { .. } | Life::Ended => self.life = Life::Waiting { until: Instant::now() },
        }
    }

    /// Is it time to start it?
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        matches!(self.life, Life::Waiting { until } if until <= now)
    }

    /// It is to be started, and not before then.
    pub(crate) fn put_off(&mut self, until: Instant) {
        self.life = Life::Waiting { until };
    }

    /// Ends a process that somebody has stopped, or that has got nowhere for too long.
    pub(crate) fn end_if_hung(&mut self, now: Instant, opened: bool) {
        let id = self.id.clone();
        let patience = if opened { self.patience } else { OPENING_PATIENCE };
        let stuck = self.beat.stuck.clone();
        let Some(running) = self.running_mut() else { return };
        if running.ending.is_some() {
            return;
        }
        let silent_for = now.saturating_duration_since(running.progress.at);
        if running.stands_still(silent_for) {
            tracing::error!("{id} (pid {}) was stopped; replacing it", running.pid);
            running.kill(STOPPED);
            return;
        }
        if silent_for < patience / 2 {
            return;
        }
        let pid = running.pid;
        let (since, before) = *running.progress.suspected.get_or_insert_with(|| (now, proc::waited(pid)));
        if silent_for < patience {
            return;
        }
        let waited = proc::waited(pid).zip(before).map(|(waited, before)| waited.saturating_sub(before));
        let sign = proc::close_look(pid);
        let why = match hung::judge(running.progress.sign, sign, now.saturating_duration_since(since), waited)
        {
            Opinion::Stopped => STOPPED,
            Opinion::Hung => HUNG,
            Opinion::Starved | Opinion::Fine => return,
        };
        let stuck =
            stuck.map_or(String::new(), |camera| format!(": camera {camera} is stuck in its encoder"));
        tracing::error!(
            "{id} has made no progress for {:.1} s{stuck}; replacing it",
            silent_for.as_secs_f64()
        );
        running.kill(why);
    }
}

impl Running {
    /// It is dead, and its end has only not been heard of yet.
    fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&*self.pidfd, PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// It has got somewhere, if its count has moved on.
    pub(crate) fn progressed(&mut self, count: u64, idle: bool) {
        if idle || self.progress.count != Some(count) {
            self.progress = Progress::now(self.pid, Some(count));
        }
    }

    /// Is it stopped, now and when it was last looked at, and has it done nothing in between? One look might meet somebody
    /// who wakes a whole group of processes one after the other, and two somebody who slows one down by stopping it again
    /// and again.
    fn stands_still(&mut self, silent_for: Duration) -> bool {
        if silent_for < hung::GLANCE {
            return false;
        }
        let stopped = proc::sign(self.pid).is_some_and(|sign| sign.state == 'T');
        let turns = stopped.then(|| proc::turns(self.pid).unwrap_or(0));
        std::mem::replace(&mut self.progress.stopped, turns) == turns && stopped
    }

    /// This machine (or this supervisor) stood still or was late: what others did meanwhile could not be heard.
    pub(crate) fn forgive(&mut self, pause: Duration) {
        // What lies ahead has not gone by without progress.
        self.progress.at = (self.progress.at + pause).min(Instant::now());
        self.progress.stopped = None;
    }

    /// SIGKILL. Ends a stopped process too.
    pub(crate) fn kill(&mut self, why: &'static str) {
        self.ending = Some(why);
        // The pidfd names this process and no other; if it is gone, that is what was wanted.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}
