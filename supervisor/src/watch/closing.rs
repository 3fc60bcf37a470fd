//! The end in order: clips are closed, then cameras, then processes that can't be asked.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use proto::event::SupervisorState;
use proto::messages::{RecorderOrder, RecorderReport};
use proto::process::Pid;
use proto::refusal::Refusal;

use super::{Instance, LOOK_AROUND, telling, until};
use crate::child::running::EndReason;
use crate::child::{Child, Life};
use crate::event_log;
use crate::loop_events::{LoopEvent, Report};

/// The recorder may take this long to close its clips at the end; with what comes after, five seconds in all.
const CLOSING: Duration = Duration::from_millis(3000);
/// Triggers that are just being written down may take this long: their clips are still recorded.
const LAST_TRIGGERS: Duration = Duration::from_millis(300);
/// A process that lives so long after it was killed is out of reach.
const HOPELESS: Duration = Duration::from_millis(500);
/// A killed process may take this long to be gone.
const LAST_MOMENTS: Duration = Duration::from_millis(50);
/// Captures have nothing to close.
const ENDING: Duration = Duration::from_millis(700);

/// The rings' fate after the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// No clip needs them any more.
    RemoveRings,
    /// Clips may need them that this end could not finish: those that have a plan on the disk.
    KeepRings,
}

/// The pace of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Every process may end by itself.
    InOrder,
    /// A second signal has come: everything ends at once.
    AtOnce,
}

impl Instance {
    /// Ends everything in order. A second signal ends it at once.
    pub(crate) fn close(&mut self) -> Afterwards {
        self.telling.stopping();
        self.clips.events().emit(event_log::of_supervisor(SupervisorState::Ending));
        // Whoever is killed from here on leaves nobody to be adopted.
        self.world.settle(false);
        let open = self.clips.close(LAST_TRIGGERS);
        if open.is_empty() {
            tracing::info!("stopping");
        } else {
            tracing::info!("stopping: closing {}", telling::count(open.len(), "open clip"));
        }
        let (pace, in_time) = self.close_recorder(&open);
        self.close_the_rest(pace);
        self.clips.end();
        // Clips of earlier runs are known to the recorder alone.
        let open = self.clips.open_count() > 0 || self.children.recorder().beat.clips_open > 0;
        if open && !in_time { Afterwards::KeepRings } else { Afterwards::RemoveRings }
    }

    /// Has the open clips closed. A recorder that dies over it, or was just being replaced, gets a successor as long as
    /// there is time: without one the clips would stay as they are. Returns the pace to go on with, and whether a recorder
    /// has closed all clips.
    fn close_recorder(&mut self, open: &[PathBuf]) -> (Pace, bool) {
        let deadline = self.world.now() + CLOSING;
        let mut told = None;
        loop {
            self.children.look_at_links(self.world.now());
            if self.recorder_is_done(open, &mut told) {
                // A recorder that hasn't come back has finished nothing since.
                return (Pace::InOrder, false);
            }
            let left = until(deadline, self.world.now());
            if left.is_zero() {
                tracing::warn!("the recorder takes too long to close; the next start finishes what is open");
                return (Pace::InOrder, false);
            }
            match self.world.next_event(left.min(LOOK_AROUND)) {
                Ok(LoopEvent::Exited { pid, end })
                    if self.children.recorder().is_process(pid) && end.code == Some(0) =>
                {
                    return (self.on_while_closing(LoopEvent::Exited { pid, end }), true);
                }
                Ok(LoopEvent::Exited { pid, end }) if self.children.recorder().is_process(pid) => {
                    self.children.on_exited(&*self.world, pid, &end);
                    self.publish();
                }
                Ok(LoopEvent::Connected { pid, orders }) => {
                    // Over the link that it had before it may not have heard what it was told.
                    told = told.filter(|told| *told != pid);
                    self.children.on_connected(pid, orders, self.world.now());
                    self.publish();
                }
                Ok(event) => {
                    if self.on_while_closing(event) == Pace::AtOnce {
                        return (Pace::AtOnce, false);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return (Pace::AtOnce, false),
            }
        }
    }

    /// Tells a recorder that has not been told yet to close, and starts one if there is none and clips are open. True
    /// when there is nothing to wait for. `told`: the recorder that was told last.
    fn recorder_is_done(&mut self, open: &[PathBuf], told: &mut Option<Pid>) -> bool {
        let nothing_open = self.clips.open_count() == 0;
        let Some(running) = self.children.recorder().running() else {
            if !nothing_open && self.children.start_due(&*self.world) {
                self.publish();
            }
            return nothing_open;
        };
        match &running.orders {
            None => return nothing_open,
            Some(orders) if *told != Some(running.pid()) => {
                *told = Some(running.pid());
                // The recorder may not have heard of the last clips; it passes over those that it has already.
                open.iter().for_each(|clip| orders.to_recorder(RecorderOrder::Clip(clip.clone())));
                orders.stop();
            }
            Some(_) => {}
        }
        false
    }

    /// Ends every process that is left: by an order, and by SIGKILL where that is not followed in time.
    fn close_the_rest(&mut self, mut pace: Pace) {
        for running in self.children.all_mut().filter_map(Child::running_mut) {
            match &running.orders {
                Some(orders) if pace == Pace::InOrder => orders.stop(),
                // Not yet connected: there is nothing to close.
                _ => running.kill(EndReason::Stopping),
            }
        }
        let deadline = self.world.now() + ENDING;
        while self.children.all().any(|child| child.running().is_some()) {
            let now = self.world.now();
            if now.saturating_duration_since(deadline) > HOPELESS {
                tracing::error!("some processes can't be ended (a disk that hangs?); they are left behind");
                break;
            }
            let left = until(deadline, now);
            if left.is_zero() || pace == Pace::AtOnce {
                let left_over = self.children.all_mut().filter_map(Child::running_mut);
                left_over.for_each(|running| running.kill(EndReason::Stopping));
            }
            match self.world.next_event(left.max(LAST_MOMENTS)) {
                Ok(event) => {
                    if self.on_while_closing(event) == Pace::AtOnce {
                        pace = Pace::AtOnce;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Takes an event that still counts while everything is being closed.
    fn on_while_closing(&mut self, event: LoopEvent) -> Pace {
        match event {
            LoopEvent::Signal => {
                tracing::warn!("asked twice: ending at once");
                return Pace::AtOnce;
            }
            LoopEvent::Exited { pid, .. } => {
                // No process is started again, whichever it was.
                if let Some(child) = self.children.by_pid(pid) {
                    child.life = Life::Ended;
                }
            }
            LoopEvent::Report { report: Report::Recorder(report), pid, .. } => match report {
                RecorderReport::ClipDone { folder, verdict, finished_after_ms } => {
                    self.clips.finish(&folder, verdict, Some(finished_after_ms));
                }
                // Until the end it says how many frames are left.
                RecorderReport::Beat(beat) => self.children.on_last_beat(pid, beat, self.world.now()),
                RecorderReport::SumsMade { folder } => self.clips.sums_made(&folder),
                RecorderReport::ClipLost { .. } | RecorderReport::Ladders(_) => {}
            },
            LoopEvent::Request { reply, .. } => {
                let _ = reply.send(Err(Refusal::Ending));
            }
            LoopEvent::Found { folder, verdict } => {
                self.clips.finish(&folder, verdict, None);
            }
            LoopEvent::Gone(folder) => self.clips.give_up(&folder, "its folder or its plan is gone"),
            LoopEvent::Connected { .. }
            | LoopEvent::Stranger { .. }
            | LoopEvent::Mapped { .. }
            | LoopEvent::Answered { .. }
            | LoopEvent::Report { .. }
            | LoopEvent::Planned(_) => {}
        }
        self.publish();
        Pace::InOrder
    }
}
