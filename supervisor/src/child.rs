//! One child through all of its lives: when its process is started, what became of it, when the next one follows. How a
//! process is started, killed and looked at is in [`crate::world::system`].

pub(crate) mod end;
pub(crate) mod hung;
pub(crate) mod kills;
pub(crate) mod link;
pub(crate) mod out_of_memory;
pub(crate) mod proc;
pub(crate) mod recipe;
pub(crate) mod restart;
pub(crate) mod running;

use std::time::{Duration, Instant};

use proto::exit;
use proto::instance::ChildId;
use proto::messages::{CameraState, RecorderBeat};
use proto::name::Name;
use proto::process::Pid;
use proto::stats::TransportStats;

use crate::loop_events::Orders;
use crate::programs;
use crate::world::{Process, World};
use end::End;
use hung::Opinion;
use kills::Kills;
use link::LinkFault;
use recipe::Recipe;
use restart::{Ending, Record};
use running::{EndReason, Running};

/// A camera or a codec probe may take its time before the first sign of life.
const OPENING_PATIENCE: Duration = Duration::from_secs(15);
/// The time from a standby's taking over until the next standby is started.
const STANDBY_REST: Duration = Duration::from_secs(1);
/// A pause between two looks that is longer than this has missed something: time in which the loop didn't get its turn,
/// or the whole machine stood still, is nobody's fault.
pub(crate) const LATE: Duration = Duration::from_millis(200);

/// A child, through all of its lives.
pub(crate) struct Child {
    /// The work that it does.
    pub(crate) id: ChildId,
    recipe: Recipe,
    pub(crate) record: Record,
    pub(crate) kills: Kills,
    pub(crate) life: Life,
    /// The end of its last process, for a person.
    pub(crate) last_exit: Option<String>,
    /// The pid of its last process that has ended.
    last_pid: Option<Pid>,
    /// The longest time without progress.
    patience: Duration,
    /// A capture's last word on its camera.
    pub(crate) camera: CameraState,
    /// A capture's last word on the way that its frames come by.
    pub(crate) transport: Option<TransportStats>,
    /// The recorder's last word on itself.
    pub(crate) beat: RecorderBeat,
    /// For a person: the difference, if its last process was of another version than this supervisor.
    pub(crate) another_version: Option<String>,
}

/// A child's present life.
pub(crate) enum Life {
    /// A process is to be started at this moment.
    Waiting { until: Instant },
    /// There is a process.
    Running(Running),
    /// No process is wanted any more: the camera was a file, and has played to its end; or everything ends.
    Ended,
}

impl Child {
    /// `period` is that of a capture's camera: three frames may go by before it is looked into.
    pub(crate) fn new(id: ChildId, recipe: Recipe, period: Duration, now: Instant) -> Self {
        Self {
            id,
            recipe,
            patience: hung::PATIENCE.max(period * 3),
            record: Record::default(),
            kills: Kills::default(),
            life: Life::Waiting { until: now },
            last_exit: None,
            last_pid: None,
            camera: CameraState::Opening,
            transport: None,
            beat: RecorderBeat::default(),
            another_version: None,
        }
    }

    /// The longest time without progress follows from the rate of its camera, which may have become another.
    pub(crate) fn expect_frames_every(&mut self, period: Duration) {
        self.patience = hung::PATIENCE.max(period * 3);
    }

    /// The path of its executable.
    pub(crate) fn executable(&self) -> std::path::Display<'_> {
        self.recipe.program.display()
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

    /// Is this the child's present process?
    pub(crate) fn is_process(&self, pid: Pid) -> bool {
        self.running().is_some_and(|running| running.pid() == pid)
    }

    /// Is this the child's last process, with no other in its place yet?
    pub(crate) fn was_process(&self, pid: Pid) -> bool {
        self.last_pid == Some(pid) && matches!(self.life, Life::Waiting { .. })
    }

    /// The way to its process, once that has come to its rendezvous.
    pub(crate) fn orders(&self) -> Option<&Orders> {
        self.running()?.orders.as_ref()
    }

    /// Is it time to start a process?
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        matches!(self.life, Life::Waiting { until } if until <= now)
    }

    /// Starts a process, or puts it off when that fails.
    pub(crate) fn spawn(&mut self, world: &dyn World, now: Instant) {
        match world.spawn(&self.id, &self.recipe) {
            Ok(process) => self.attach(process, now),
            Err(e) => {
                let when = self.wait_for_next(Duration::ZERO, Ending::Crashed, now);
                let why = programs::why_not_started(&self.recipe.program, &e);
                let program = self.recipe.program.display();
                tracing::error!(
                    camera = self.id.camera(),
                    "{}: can't start {program}: {why}; trying again {when}",
                    self.id
                );
                self.last_exit = Some(format!("could not be started: {why}"));
            }
        }
    }

    /// Takes on a process that runs: one just started, or one that another supervisor has left.
    pub(crate) fn attach(&mut self, process: Box<dyn Process>, now: Instant) {
        self.camera = CameraState::Opening;
        self.transport = None;
        self.beat = RecorderBeat::default();
        self.life = Life::Running(Running::new(process, now));
    }

    /// Takes on a process that another supervisor has left.
    pub(crate) fn adopt(&mut self, process: Box<dyn Process>, now: Instant) {
        self.attach(process, now);
        if let Some(running) = self.running_mut() {
            running.adopted = true;
        }
    }

    /// Looks for a fault of the link to its process, unless that ends anyway.
    pub(crate) fn look_at_link(&mut self, now: Instant) -> Option<LinkFault> {
        self.running_mut()?.look_at_link(now)
    }

    /// The camera in whose encoder its process is stuck, if it is being ended because the encoder did not return.
    pub(crate) fn stuck_in_an_encoder(&self) -> Option<Name> {
        self.running().filter(|r| r.ending() == Some(EndReason::Hung))?;
        self.beat.stuck.clone()
    }

    /// Takes note of its process's end, and says what kind of end it was. `None` when no other process is wanted.
    pub(crate) fn ended(&mut self, end: &End, now: Instant) -> Option<Ending> {
        let running = self.running()?;
        let life = now.saturating_duration_since(running.since);
        let (why, adopted) = (running.ending(), running.adopted);
        self.last_pid = Some(running.pid());
        self.last_exit = Some(match why {
            Some(why) => format!("{} ({why})", end.how),
            None => end.how.clone(),
        });
        // The exit code of an adopted process is somebody else's to know.
        if self.camera == CameraState::Ended && end.signal.is_none() && end.code.unwrap_or(0) == 0 {
            tracing::info!(camera = self.id.camera(), "{}: its file has played to the end", self.id);
            self.life = Life::Ended;
            return None;
        }
        let ending = self.kind_of(end, why, adopted);
        let when = self.wait_for_next(life, ending, now);
        tracing::warn!(
            camera = self.id.camera(),
            "{} ended after {:.1} s: {}{}; another takes its place {when}",
            self.id,
            life.as_secs_f64(),
            self.last_exit.as_deref().unwrap_or_default(),
            end.advice(&self.id, self.record.keeps_ending()),
        );
        Some(ending)
    }

    fn kind_of(&self, end: &End, why: Option<EndReason>, adopted: bool) -> Ending {
        let is_capture = matches!(self.id, ChildId::Capture(_));
        // The executable that is there now may be of this version. One that was started from it and is not stays so.
        if why == Some(EndReason::OtherVersion) {
            return if adopted { Ending::Killed } else { Ending::Misconfigured };
        }
        // A process that the supervisor was ending says nothing of its camera's config, whatever its exit code.
        if is_capture && why.is_none() && end.code == Some(i32::from(exit::BAD_INPUT)) {
            Ending::Misconfigured
        } else if why == Some(EndReason::Hung) || (why.is_none() && end.crashed) {
            Ending::Crashed
        } else {
            Ending::Killed
        }
    }

    /// Puts the next process off, and says until when, in words.
    fn wait_for_next(&mut self, life: Duration, ending: Ending, now: Instant) -> String {
        let mut wait = self.record.next(&self.id, life, ending);
        if ending == Ending::Killed {
            wait = wait.max(self.kills.another(now));
        }
        self.life = Life::Waiting { until: now + wait };
        if wait.is_zero() { "at once".to_owned() } else { format!("in {:.1} s", wait.as_secs_f64()) }
    }

    /// Starts the next process at once: the cause of the crashes is thought to be gone.
    pub(crate) fn start_afresh(&mut self, now: Instant) {
        self.record.forgive();
        self.life = Life::Waiting { until: now };
    }

    /// Puts a standby's process in this child's place, if it is up. The next standby is started a little later: the
    /// process that has just taken over needs the processor more.
    pub(crate) fn take_place_from(&mut self, standby: &mut Self, now: Instant) -> bool {
        if !standby.running().is_some_and(Running::can_take_over) {
            return false;
        }
        let later = Life::Waiting { until: now + STANDBY_REST };
        self.life = std::mem::replace(&mut standby.life, later);
        self.beat = std::mem::take(&mut standby.beat);
        if let Some(running) = self.running_mut() {
            running.since = now;
        }
        true
    }

    /// Ends the process if there is one, and has another started at once.
    pub(crate) fn begin_again(&mut self, why: EndReason, now: Instant) {
        match &mut self.life {
            Life::Running(running) => running.kill(why),
            Life::Waiting { .. } | Life::Ended => self.life = Life::Waiting { until: now },
        }
    }

    /// Puts the next process off.
    pub(crate) fn put_off(&mut self, until: Instant) {
        self.life = Life::Waiting { until };
    }

    /// Looks at its process: forgives what a long life or a pause of the machine forgives, and ends it when it is stopped
    /// or has got nowhere for too long. `opened`: it has come up, and needs no more patience than that.
    pub(crate) fn look(&mut self, now: Instant, since_last: Duration, opened: bool) {
        let Life::Running(running) = &mut self.life else { return };
        if since_last > LATE {
            running.forgive(since_last, now);
        }
        if now.saturating_duration_since(running.since) >= restart::HEALTHY_LIFE {
            self.record.forgive();
        }
        if running.ending().is_some() {
            return;
        }
        let silent_for = running.without_progress(now).as_secs_f64();
        let patience = if opened { self.patience } else { OPENING_PATIENCE };
        match running.judge(now, patience) {
            Opinion::Stopped => {
                tracing::error!(
                    camera = self.id.camera(),
                    "{} (pid {}) was stopped; replacing it",
                    self.id,
                    running.pid()
                );
                running.kill(EndReason::Stopped);
            }
            Opinion::Hung => {
                let stuck = self.beat.stuck.as_ref();
                let stuck = stuck.map_or(String::new(), |c| format!(": camera {c} is stuck in its encoder"));
                tracing::error!(
                    camera = self.id.camera(),
                    "{} has made no progress for {silent_for:.1} s{stuck}; replacing it",
                    self.id
                );
                running.kill(EndReason::Hung);
            }
            Opinion::Starved | Opinion::Fine => {}
        }
    }
}
