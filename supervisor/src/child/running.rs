//! A living process of a child: its orders, its progress, and why it is being ended.

use std::fmt;
use std::time::{Duration, Instant};

use proto::process::Pid;

use crate::child::hung::{self, Opinion};
use crate::child::link::{LinkFault, LinkWatch};
use crate::child::proc::Sign;
use crate::loop_events::Orders;
use crate::world::Process;

/// The supervisor's reason to end a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// No progress, though it could have made some.
    Hung,
    /// No progress, because a signal or a debugger had stopped it.
    Stopped,
    /// Its ring was made anew.
    RingBroke,
    /// A person asked for another.
    Command,
    /// Its camera was taken away.
    Removed,
    /// The recorder was told of a clip again and again, and doesn't know of it.
    Deaf,
    /// The process is of another version than this supervisor.
    OtherVersion,
    /// Everything ends.
    Stopping,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hung => "hung",
            Self::Stopped => "hung: it was stopped",
            Self::RingBroke => "its ring broke",
            Self::Command => "restarted by command",
            Self::Removed => "its camera was removed",
            Self::Deaf => "it did not hear its orders",
            Self::OtherVersion => "it is of another version",
            Self::Stopping => "stopping",
        })
    }
}

/// A living process.
pub(crate) struct Running {
    process: Box<dyn Process>,
    /// With the pid, the process's identity.
    pub(crate) start_ticks: u64,
    pub(crate) since: Instant,
    /// The way to the process, once it has come to its rendezvous.
    pub(crate) orders: Option<Orders>,
    /// A standby that has its encoders open.
    pub(crate) warm: bool,
    /// Another supervisor has started it.
    pub(crate) adopted: bool,
    link: Box<LinkWatch>,
    progress: Progress,
    ending: Option<EndReason>,
}

/// The last progress of a process, and what has been noticed since.
struct Progress {
    count: Option<u64>,
    at: Instant,
    sign: Option<Sign>,
    /// The moment since when it is under suspicion, and the time that its threads had waited for their turn by then.
    suspected: Option<(Instant, Option<Duration>)>,
    /// The turns that its threads had had at the last look, if it was stopped then.
    stopped: Option<u64>,
}

impl Running {
    pub(crate) fn new(process: Box<dyn Process>, now: Instant) -> Self {
        let sign = process.sign();
        Self {
            start_ticks: sign.map_or(0, |sign| sign.start_ticks),
            process,
            since: now,
            orders: None,
            warm: false,
            adopted: false,
            link: Box::new(LinkWatch::new(now)),
            progress: Progress { count: None, at: now, sign, suspected: None, stopped: None },
            ending: None,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// The reason why the supervisor is ending it, if it is.
    pub(crate) fn ending(&self) -> Option<EndReason> {
        self.ending
    }

    /// Takes on the way to the process, which has come to its rendezvous.
    pub(crate) fn connect(&mut self, orders: Orders, now: Instant) {
        (self.orders, self.warm) = (Some(orders), false);
        *self.link = LinkWatch::new(now);
    }

    /// Looks for a fault of its link, unless it ends anyway and the link with it.
    pub(crate) fn look_at_link(&mut self, now: Instant) -> Option<LinkFault> {
        if self.ending.is_some() || self.process.has_ended() {
            return None;
        }
        self.link.look(&self.orders.as_ref()?.traffic, now)
    }

    /// Is it up, and not about to end?
    pub(crate) fn can_take_over(&self) -> bool {
        self.orders.is_some() && self.ending.is_none() && !self.process.has_ended()
    }

    /// Takes a report's count of progress. `idle`: progress is not expected at the moment.
    pub(crate) fn progressed(&mut self, count: u64, idle: bool, now: Instant) {
        if idle || self.progress.count != Some(count) {
            self.progress = Progress {
                count: Some(count),
                at: now,
                sign: self.process.sign(),
                suspected: None,
                stopped: None,
            };
        }
    }

    /// The time since its last progress.
    pub(crate) fn without_progress(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.progress.at)
    }

    /// Forgives a pause in which this machine or this supervisor stood still: progress could not be heard meanwhile.
    pub(crate) fn forgive(&mut self, pause: Duration, now: Instant) {
        // Never ahead of now: time that has not come yet has not gone by without progress.
        self.progress.at = (self.progress.at + pause).min(now);
        self.progress.stopped = None;
        self.link.forgive(pause, now);
    }

    /// Judges a process that may have got nowhere for longer than `patience`.
    pub(crate) fn judge(&mut self, now: Instant, patience: Duration) -> Opinion {
        let silent_for = self.without_progress(now);
        if self.stands_still(silent_for) {
            return Opinion::Stopped;
        }
        if silent_for < patience / 2 {
            return Opinion::Fine;
        }
        let process = &self.process;
        let (since, before) = *self.progress.suspected.get_or_insert_with(|| (now, process.waited()));
        if silent_for < patience {
            return Opinion::Fine;
        }
        let waited = process.waited().zip(before).map(|(waited, before)| waited.saturating_sub(before));
        let watched = now.saturating_duration_since(since);
        hung::judge(self.progress.sign, process.close_look(), watched, waited)
    }

    /// Is it stopped, now and at the last look, and has it done nothing in between? A single look might meet somebody who
    /// wakes a whole group of processes one after the other, and two looks somebody who slows a process down by stopping
    /// it again and again.
    fn stands_still(&mut self, silent_for: Duration) -> bool {
        if silent_for < hung::GLANCE {
            return false;
        }
        let stopped = self.process.sign().is_some_and(|sign| sign.state == 'T');
        let turns = stopped.then(|| self.process.turns().unwrap_or(0));
        std::mem::replace(&mut self.progress.stopped, turns) == turns && stopped
    }

    /// Ends the process, a stopped one too.
    pub(crate) fn kill(&mut self, why: EndReason) {
        self.ending = Some(why);
        self.process.kill();
    }
}
