//! The loop: everything that happens comes in as an [`LoopEvent`], and only here is anything done about it. Its state has
//! three parts: the [`Children`], the clips ([`crate::clips`]), and the [`Telling`] of how things stand.

mod absences;
mod camera;
mod children;
mod closing;
mod coming;
mod deaths;
mod encoder;
mod links;
mod readers;
mod reports;
mod resend;
mod standby;
mod telling;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use proto::clip::{Verdict, clip_name};
use proto::control::Response;
use proto::messages::{RecorderOrder, RecorderReport};
use proto::process::Pid;
use proto::refusal::Refusal;
use proto::status::InstanceState;

use crate::clips::Clips;
use crate::loop_events::{Answer, LoopEvent, LoopRequest, Report};
use crate::world::World;
pub(crate) use camera::Camera;
pub(crate) use children::Children;
pub(crate) use closing::Afterwards;
pub(crate) use telling::Telling;

/// The longest time between two looks when nothing happens.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// All reports that have come are heard before anybody is judged by them, but a look is not put off for longer than this.
const HEARING: Duration = Duration::from_millis(150);

/// A running instance.
pub(crate) struct Instance {
    pub(crate) world: Box<dyn World>,
    pub(crate) children: Children,
    pub(crate) clips: Arc<Clips>,
    pub(crate) telling: Telling,
    /// The children are to outlive this supervisor: see [`proto::parent`].
    pub(crate) settled: bool,
}

impl Instance {
    /// Runs until it is told to end. Returns the way to the command that asked for it, to be answered when all is over.
    pub(crate) fn run(&mut self) -> Option<Sender<Answer>> {
        if self.clips.open_count() > 0 || self.children.run_folders.len() > 1 {
            // Clips of an earlier run go on.
            self.settle();
        }
        self.publish();
        let mut looked = self.world.now();
        loop {
            if self.children.start_due(&*self.world) {
                self.tell();
            }
            let now = self.world.now();
            let is_late = now.saturating_duration_since(looked) >= LOOK_AROUND;
            let wait = if is_late { Duration::ZERO } else { self.children.until_next_start(now) };
            let heard_all = match self.world.next_event(wait.min(LOOK_AROUND)) {
                Ok(LoopEvent::Signal) => return None,
                Ok(LoopEvent::Request { request: LoopRequest::Stop, reply }) => return Some(reply),
                Ok(event) => {
                    // Captures' beats are many, and change little: the next look around publishes them.
                    let is_beat = event.is_beat();
                    self.on(event);
                    if !is_beat {
                        self.tell();
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            let since_last = self.world.now().saturating_duration_since(looked);
            if since_last >= if heard_all { LOOK_AROUND } else { HEARING } {
                self.look_around(since_last);
                // The look's own length is no pause that anybody has to be forgiven for.
                looked = self.world.now();
            }
        }
    }

    fn on(&mut self, event: LoopEvent) {
        match event {
            // The loop ends by it, and so does its end: both see to it themselves.
            LoopEvent::Signal => {}
            LoopEvent::Connected { pid, orders } => {
                self.children.on_connected(pid, orders, self.world.now());
            }
            LoopEvent::Mapped { camera, by } => self.children.on_mapped(&camera, &by),
            LoopEvent::Answered { camera, answer } => self.on_answer(&camera, answer),
            LoopEvent::Stranger { rendezvous, said } => self.children.on_stranger(&rendezvous, said),
            LoopEvent::Report { pid, report, heard } => {
                self.telling.event_waited(self.world.now().saturating_duration_since(heard));
                self.on_report(pid, report);
            }
            LoopEvent::Exited { pid, end } => {
                let ladder_changed = self.children.on_exited(&*self.world, pid, &end);
                self.write_run_file_if(ladder_changed);
            }
            LoopEvent::Request { request, reply } => {
                let answer = self.answer(&request);
                // A command that asks for statistics next finds what this one has changed.
                self.tell();
                // A command that has gone away needs no answer.
                let _ = reply.send(answer);
            }
            LoopEvent::Found { folder, verdict } => self.on_finished(&folder, verdict, None),
            LoopEvent::Gone(folder) => {
                let shown = folder.display();
                tracing::warn!(
                    clip = &*clip_name(&folder),
                    "clip {shown}: its folder or its plan is gone; nobody waits for it any more"
                );
                self.clips.give_up(&folder, "its folder or its plan is gone");
            }
            LoopEvent::Planned(folder) => {
                self.children.tell_recorder(RecorderOrder::Clip(folder));
            }
        }
    }

    fn on_report(&mut self, pid: Pid, report: Report) {
        match report {
            Report::Recorder(RecorderReport::ClipDone { folder, verdict, finished_after_ms }) => {
                self.on_finished(&folder, verdict, Some(finished_after_ms));
            }
            Report::Recorder(RecorderReport::ClipLost { folder }) => {
                // A recorder that has ended doesn't know what its successor can still record.
                if self.children.recorder().is_process(pid) {
                    self.clips.give_up(&folder, "the recorder has given it up; the log says why");
                }
            }
            Report::Recorder(RecorderReport::SumsMade { folder }) => self.clips.sums_made(&folder),
            report => {
                let offer = report.offer();
                let is_recorders = self.children.recorder().is_process(pid);
                let ladder_came = self.children.on_report(&*self.world, pid, report);
                self.write_run_file_if(ladder_came);
                if is_recorders {
                    self.children.compare_clips(&self.clips.open(), self.world.now());
                }
                if let Some(offer) = offer {
                    self.on_offer(pid, &offer);
                }
            }
        }
    }

    fn answer(&mut self, request: &LoopRequest) -> Answer {
        match request {
            LoopRequest::Codecs => {
                self.children.ladders_in_order().map(Response::Codecs).ok_or(Refusal::CodecsNotProbed)
            }
            LoopRequest::Restart(name) => self.children.restart(name, self.world.now()),
            LoopRequest::Stop => Err(Refusal::Ending),
        }
    }

    fn on_finished(&mut self, folder: &Path, verdict: Verdict, after_ms: Option<u64>) {
        let was_open = self.clips.finish(folder, verdict, after_ms);
        self.write_run_file_if(was_open);
    }

    fn look_around(&mut self, since_last: Duration) {
        self.children.look(&*self.world, since_last);
        let now = self.world.now();
        self.settle_if_come_up();
        self.telling.look(&self.children, &self.clips, now);
        self.publish();
    }

    /// Lets the children outlive this supervisor from now on.
    fn settle(&mut self) {
        if !self.settled {
            self.settled = true;
            self.world.settle(true);
        }
    }

    /// Settles when everything has come up once. This comes before anybody is told: who has heard "ready" counts on captures
    /// that outlive this supervisor.
    fn settle_if_come_up(&mut self) {
        if telling::state(&self.children, self.world.now()) != InstanceState::Starting {
            self.settle();
        }
    }

    /// Publishes, outside the end.
    fn tell(&mut self) {
        self.settle_if_come_up();
        self.publish();
    }

    fn publish(&self) {
        self.telling.publish(&self.children, self.world.now());
    }

    fn write_run_file_if(&self, changed: bool) {
        if changed {
            self.world.write_run_file(&self.children.encoders(), self.clips.counts());
        }
    }

    /// Has the run's file written for the first time.
    pub(crate) fn begin_run_file(&self) {
        self.write_run_file_if(true);
    }
}

/// The time from one moment to a later one, or none.
fn until(later: Instant, now: Instant) -> Duration {
    later.saturating_duration_since(now)
}
