//! What the loop says of itself: to commands that ask it, and to the statistics.

use std::time::Instant;

use proto::control::Response;
use proto::instance::ChildId;
use proto::refusal::Refusal;
use proto::status::{CameraStatus, InstanceState};

use super::House;
use crate::child::Child;
use crate::events::{Answer, LoopRequest};
use crate::statistics::view::{CameraView, ProcessView, View, camera_status};
use crate::trigger::beginning;

impl House {
    pub(super) fn answer(&mut self, request: &LoopRequest) -> Answer {
        match request {
            LoopRequest::Codecs => self.verdict.clone().map(Response::Codecs).ok_or(Refusal::CodecsNotProbed),
            LoopRequest::Restart(what) => self.restart(what),
            LoopRequest::Stop => Err(Refusal::Ending),
        }
    }

    fn restart(&mut self, what: &str) -> Answer {
        let is_it = |c: &Child| match &c.id {
            ChildId::Recorder => what == "recorder",
            ChildId::Standby => false,
            ChildId::Capture(camera) => what == camera.as_str(),
        };
        let known: Vec<String> = self.config.cameras.iter().map(|c| c.name.to_string()).collect();
        let Some(place) = self.children.iter().position(is_it) else {
            return Err(Refusal::UnknownProcess { name: beginning(what), known });
        };
        let without_ring = self.rings.is_missing(place);
        let child = &mut self.children[place];
        let id = child.id.clone();
        let what = match child.running() {
            Some(_) => "restarting",
            None if without_ring => {
                "waits for its ring, which can't be made anew yet (the command status says why)"
            }
            None => "starting",
        };
        child.begin_again("restarted by command");
        Ok(Response::Done(format!("{id}: {what}")))
    }

    /// Starting until everything has come up once; then ready or degraded.
    pub(super) fn state(&self) -> InstanceState {
        let coming_up = |c: &Child| c.last_exit.is_none() && camera_status(c).0.is_coming_up();
        let captures = &self.children[..self.config.cameras.len()];
        let recorder_up = self.recorder().running().is_some_and(|r| r.orders.is_some());
        if captures.iter().any(coming_up) || (self.verdict.is_none() && self.recorder().last_exit.is_none()) {
            return InstanceState::Starting;
        }
        let well = |c: &Child| camera_status(c).0.is_well();
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
            let (state, reason) = camera_status(child);
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

    /// Publishes what only the loop knows, for the statistics.
    pub(super) fn publish(&self) {
        let captures = self.config.cameras.len();
        let held = self.rings.held();
        let cameras = self.config.cameras.iter().zip(&*held).zip(&self.children[..captures]);
        let cameras = cameras.map(|((camera, held), child)| CameraView::of(camera, held, child)).collect();
        drop(held);
        self.statistics.publish(View {
            state: self.state(),
            troubles: self.troubles(),
            cameras,
            processes: self.children.iter().map(ProcessView::of).collect(),
            encoder: self.verdict.as_ref().and_then(|verdict| verdict.chain.first().cloned()),
            recorder: self.recorder().beat.clone(),
        });
    }
}
