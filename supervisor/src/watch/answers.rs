//! What the loop says of itself when it is asked.

use std::sync::atomic::Ordering;
use std::time::Instant;

use proto::control::{Request, Response};
use proto::exit;
use proto::instance::ChildId;
use proto::stats::{SCHEMA, Stats, Totals};
use proto::status::{CameraStatus, InstanceState, ProcessRole, ProcessState};

use super::{House, refuse};
use crate::child::Child;
use crate::{health, survey};

impl House {
    pub(super) fn answer(&mut self, request: &Request) -> Response {
        match request {
            Request::Stats => Response::Stats(Box::new(self.stats())),
            Request::Codecs => match &self.verdict {
                Some(verdict) => Response::Codecs(verdict.clone()),
                None => {
                    refuse(exit::FAILED, "the codecs are still being probed; ask again in a second".into())
                }
            },
            Request::Restart(what) => self.restart(what),
            // Answered where they come in.
            Request::Trigger(_) | Request::Stop => refuse(exit::FAILED, "not a question for the loop".into()),
        }
    }

    fn restart(&mut self, what: &str) -> Response {
        let is_it = |c: &Child| match &c.id {
            ChildId::Recorder => what == "recorder",
            ChildId::Standby => false,
            ChildId::Capture(camera) => what == camera.as_str(),
        };
        let known: Vec<String> = self.config.cameras.iter().map(|c| c.name.to_string()).collect();
        let Some(place) = self.children.iter().position(is_it) else {
            // Enough to recognise it by.
            let what: String = what.chars().take(80).collect();
            let message =
                format!("{what:?} is neither recorder nor a camera; there are {}", known.join(", "));
            return refuse(exit::BAD_INPUT, message);
        };
        let without_ring = self.rings.is_missing(place);
        let child = &mut self.children[place];
        let id = child.id.clone();
        let what = match child.running() {
            Some(_) => "restarting",
            None if without_ring => {
                "waits for its ring, which can't be made anew yet (supervisor status says why)"
            }
            None => "starting",
        };
        child.begin_again("restarted by command");
        Response::Done(format!("{id}: {what}"))
    }

    /// Starting until everything has come up once; then ready or degraded; stopping at the end.
    pub(super) fn state(&self) -> InstanceState {
        if self.closing.load(Ordering::Relaxed) {
            return InstanceState::Stopping;
        }
        let coming_up = |c: &Child| c.last_exit.is_none() && survey::camera_state(c).0.is_coming_up();
        let captures = &self.children[..self.config.cameras.len()];
        let recorder_up = self.recorder().running().is_some_and(|r| r.orders.is_some());
        if captures.iter().any(coming_up) || (self.verdict.is_none() && self.recorder().last_exit.is_none()) {
            return InstanceState::Starting;
        }
        let well = |c: &Child| survey::camera_state(c).0.is_well();
        let untroubled = self.recorder().beat.trouble.is_none() && self.verdict.is_some();
        if captures.iter().all(well) && recorder_up && untroubled {
            InstanceState::Ready
        } else {
            InstanceState::Degraded
        }
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        for child in &self.children[..self.config.cameras.len()] {
            let (state, reason) = survey::camera_state(child);
            let is_trouble = match state {
                CameraStatus::Failed | CameraStatus::Silent | CameraStatus::Frozen => true,
                CameraStatus::Restarting => child.record.keeps_ending(),
                CameraStatus::Starting | CameraStatus::Live | CameraStatus::Ended => false,
            };
            if is_trouble {
                troubles.push(format!("{}: {state}: {}", child.id, reason.unwrap_or_default()));
            }
        }
        for (camera, held) in self.config.cameras.iter().zip(&*self.rings.held()) {
            troubles
                .extend(held.trouble.as_ref().map(|trouble| format!("camera {}: {trouble}", camera.name)));
        }
        if self.recorder().record.keeps_ending() {
            troubles.push(format!(
                "recorder: keeps ending: {}",
                self.recorder().last_exit.clone().unwrap_or_default()
            ));
        }
        for child in &self.children {
            let last_exit = child.last_exit.as_deref().unwrap_or_default();
            let said = child.kills.trouble(Instant::now());
            troubles.extend(said.map(|said| format!("{}: {said}; the last: {last_exit}", child.id)));
        }
        for choice in self.verdict.iter().flat_map(|v| &v.given_up) {
            troubles.push(format!(
                "recorder: {} ({}) was given up, since recorders crashed or were stuck in it",
                choice.codec, choice.encoder
            ));
        }
        troubles.extend(self.recorder().beat.trouble.clone());
        troubles
    }

    pub(super) fn stats(&mut self) -> Stats {
        let captures = self.config.cameras.len();
        let held = self.rings.held();
        let cameras = self.config.cameras.iter().zip(&*held).zip(&self.children[..captures]);
        let cameras =
            cameras.map(|((camera, held), child)| survey::camera(camera, held, child, &self.rates)).collect();
        drop(held);
        let mut processes = vec![survey::process_stats(
            ProcessRole::Supervisor,
            Some(proto::process::Pid::this()),
            if self.closing.load(Ordering::Relaxed) { ProcessState::Stopping } else { ProcessState::Running },
            self.started.elapsed().as_secs_f64(),
            &self.meter,
        )];
        processes.extend(self.children.iter().map(|c| survey::process(c, &self.meter)));
        let written: f64 = processes.iter().filter_map(|p| p.pid).map(|pid| self.meter.read_rate(pid)).sum();
        let totals = Totals {
            cpu_percent: processes.iter().map(|p| p.cpu_percent).sum(),
            memory_bytes: processes.iter().map(|p| p.pss_bytes).sum(),
            written_bytes_per_s: written,
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
        let cores = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
        let mut recorder = survey::recorder(self.recorder(), self.verdict.as_ref());
        recorder.clips_completed = self.clips.completed;
        recorder.clips_incomplete = self.clips.incomplete;
        recorder.clips_open = self.desk.open_clips();
        recorder.last_finish_ms = self.clips.last_finish_ms;
        Stats {
            schema: SCHEMA,
            state: self.state(),
            health: health::verdict(&totals, cores, &self.troubles()),
            uptime_s: self.started.elapsed().as_secs_f64(),
            config: self.config.source.display().to_string(),
            rig: self.config.rig.to_string(),
            run_folder: self.desk.run_folder().display().to_string(),
            session_folder: self.desk.run_folder().display().to_string(),
            cameras,
            recorder,
            processes,
            totals,
        }
    }
}
