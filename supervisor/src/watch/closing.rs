//! The end in order: clips are closed, then cameras, then what can't be asked.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use proto::messages::{RecorderOrder, RecorderReport};
use proto::refusal::Refusal;

use super::{House, LOOK_AROUND};
use crate::child::{Child, Life};
use crate::events::{Event, Report};

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

impl House {
    /// Ends everything in order: clips are closed, then cameras, then what can't be asked. A second signal ends
    /// it at once.
    pub(crate) fn close(&mut self, happening: &Receiver<Event>) {
        if let Some(service) = &self.service {
            service.stopping();
        }
        let open = self.clips.close(LAST_TRIGGERS);
        if open.is_empty() {
            tracing::info!("stopping");
        } else {
            tracing::info!("stopping: closing {} open clips", open.len());
        }
        let mut hurry = self.close_recorder(happening, &open);
        for running in self.children.iter_mut().filter_map(Child::running_mut) {
            match &running.orders {
                Some(orders) if !hurry => orders.stop(),
                // Not yet connected: there is nothing to close.
                _ => running.kill("stopping"),
            }
        }
        let until = Instant::now() + ENDING;
        while self.children.iter().any(|c| c.running().is_some()) {
            if until.elapsed() > HOPELESS {
                tracing::error!("some processes can't be ended (a disk that hangs?); they are left behind");
                break;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || hurry {
                self.children.iter_mut().filter_map(Child::running_mut).for_each(|r| r.kill("stopping"));
            }
            match happening.recv_timeout(left.max(LAST_MOMENTS)) {
                Ok(event) => hurry |= self.on_while_closing(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        self.clips.end();
    }

    /// Has the open clips closed. A recorder that dies over it, or was just being replaced, gets a successor as long as
    /// there is time: without one the clips would stay as they are. True when it is to go faster.
    fn close_recorder(&mut self, happening: &Receiver<Event>, open: &[PathBuf]) -> bool {
        let until = Instant::now() + CLOSING;
        let mut told = None;
        loop {
            match self.recorder().running() {
                Some(running) if running.orders.is_some() && told != Some(running.pid) => {
                    told = Some(running.pid);
                    if let Some(orders) = &running.orders {
                        // The word of the last ones may not have come here; it passes over what it has already.
                        open.iter().for_each(|clip| orders.to_recorder(RecorderOrder::Clip(clip.clone())));
                        orders.stop();
                    }
                }
                Some(running) if running.orders.is_none() && self.clips.open_count() == 0 => return false,
                None if self.clips.open_count() == 0 => return false,
                _ => self.start_what_is_due(),
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!("the recorder takes too long to close; the next start finishes what is open");
                self.keep_rings = self.clips.open_count() > 0;
                return false;
            }
            match happening.recv_timeout(left.min(LOOK_AROUND)) {
                Ok(Event::Exited { pid, end }) if self.recorder().running().is_some_and(|r| r.pid == pid) => {
                    if end.code == Some(0) {
                        return self.on_while_closing(Event::Exited { pid, end });
                    }
                    self.on_exited(pid, &end);
                }
                Ok(Event::Connected { pid, orders }) => self.on_connected(pid, orders),
                Ok(event) => {
                    if self.on_while_closing(event) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    /// What still counts while everything is being closed. True when it is to go faster.
    fn on_while_closing(&mut self, event: Event) -> bool {
        match event {
            Event::Signal => {
                tracing::warn!("asked twice: ending at once");
                return true;
            }
            Event::Exited { pid, .. } => {
                // Nothing is started again, whoever it was.
                for c in self.children.iter_mut().filter(|c| c.running().is_some_and(|r| r.pid == pid)) {
                    c.life = Life::Ended;
                }
            }
            Event::Report { report: Report::Recorder(report), .. } => match report {
                RecorderReport::ClipDone { folder, complete, finished_after_ms } => {
                    self.clips.finish(&folder, complete, Some(finished_after_ms));
                }
                RecorderReport::ClipLost { .. } | RecorderReport::Beat(_) | RecorderReport::Codecs(_) => {}
            },
            Event::Request { reply, .. } => {
                let _ = reply.send(Err(Refusal::Ending));
            }
            Event::Found { folder, complete } => {
                self.clips.finish(&folder, complete, None);
            }
            Event::Gone(folder) => self.clips.give_up(&folder),
            Event::Connected { .. } | Event::Report { .. } | Event::Planned(_) => {}
        }
        self.publish();
        false
    }
}
