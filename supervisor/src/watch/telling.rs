//! The third part of the loop's state: telling how things stand, to statistics, to systemd and to the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::Config;
use proto::status::{CameraStatus, InstanceState};

use super::children::Children;
use crate::clips::Clips;
use crate::service::Service;
use crate::statistics::Statistics;
use crate::statistics::view::{CameraView, ProcessView, View};

/// The listeners: statistics, the service manager and the log.
pub(crate) struct Telling {
    config: Arc<Config>,
    statistics: Arc<Statistics>,
    /// The service manager that has started this supervisor, if one has.
    service: Option<Service>,
    ready_logged: bool,
}

impl Telling {
    pub(crate) fn new(config: Arc<Config>, statistics: Arc<Statistics>, service: Option<Service>) -> Self {
        Self { config, statistics, service, ready_logged: false }
    }

    /// Records how long an event has waited for the loop.
    pub(super) fn event_waited(&self, waited: Duration) {
        self.statistics.event_waited(waited);
    }

    /// Publishes what only the loop knows, for the statistics.
    pub(super) fn publish(&self, children: &Children, now: Instant) {
        self.statistics.publish(View {
            state: state(children),
            troubles: troubles(children, now),
            cameras: children.cameras().iter().map(CameraView::of).collect(),
            processes: children.all().map(ProcessView::of).collect(),
            encoder: children.encoders().into_iter().next().map(|(_, encoder)| encoder),
            recorder: children.recorder().beat.clone(),
            backlog_bytes: children.backlog_bytes,
            encoded_per_s: children.pace.frames_per_s(),
            orders_resent: children.orders_resent(),
        });
    }

    /// Tells the log once when everything is ready, and the service manager whatever is new. By the loop itself: a
    /// supervisor whose loop stands still is not alive.
    pub(super) fn look(&mut self, children: &Children, clips: &Clips, now: Instant) {
        let (state, cameras) = (state(children), count(children.cameras().len(), "camera"));
        if !self.ready_logged && state == InstanceState::Ready {
            self.ready_logged = true;
            let recording = &self.config.recording;
            tracing::info!(
                "ready: {cameras}, armed for {} ms before and {} ms after a trigger",
                recording.pre_roll_ms,
                recording.post_roll_ms
            );
        }
        let Some(service) = &mut self.service else { return };
        let status = match troubles(children, now).first() {
            Some(trouble) => format!("{state}: {trouble}"),
            None => match clips.open_count() {
                0 => format!("{state}: {cameras}"),
                open => format!("{state}: {cameras}, {} open", count_u64(open, "clip")),
            },
        };
        service.tell(now, state != InstanceState::Starting, status);
    }

    /// Tells the service manager that the end has begun.
    pub(super) fn stopping(&self) {
        if let Some(service) = &self.service {
            service.stopping();
        }
    }
}

/// A number of things, in words.
pub(super) fn count(number: usize, thing: &str) -> String {
    count_u64(number as u64, thing)
}

fn count_u64(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Starting until everything has come up once; then ready or degraded.
pub(super) fn state(children: &Children) -> InstanceState {
    let recorder = children.recorder();
    let cameras = children.cameras();
    let captures_come_up =
        cameras.iter().any(|c| c.capture.last_exit.is_none() && c.status().0.is_coming_up());
    let probed = children.ladders().is_some();
    if captures_come_up || (!probed && recorder.last_exit.is_none()) {
        return InstanceState::Starting;
    }
    let captures_are_well = cameras.iter().all(|c| c.status().0.is_well());
    let recorder_is_well = recorder.orders().is_some() && recorder.beat.trouble.is_none() && probed;
    if captures_are_well && recorder_is_well { InstanceState::Ready } else { InstanceState::Degraded }
}

/// A sentence for each thing that is wrong.
pub(super) fn troubles(children: &Children, now: Instant) -> Vec<String> {
    let mut troubles = Vec::new();
    for camera in children.cameras() {
        let (capture, (status, reason)) = (&camera.capture, camera.status());
        let is_trouble = match status {
            CameraStatus::Failed | CameraStatus::Silent | CameraStatus::Frozen => true,
            CameraStatus::Restarting => capture.record.keeps_ending(),
            CameraStatus::Starting | CameraStatus::Live | CameraStatus::Ended => false,
        };
        if is_trouble {
            troubles.push(format!("{}: {status}: {}", capture.id, reason.unwrap_or_default()));
        }
    }
    for camera in children.cameras() {
        let readers = camera.inflow.foreign().filter(|_| camera.inflow.standstill().is_none());
        let said = camera.ring.trouble().into_iter().chain(readers);
        troubles.extend(said.map(|said| format!("camera {}: {said}", camera.name())));
    }
    let recorder = children.recorder();
    if recorder.record.keeps_ending() {
        troubles.push(format!("recorder: keeps ending: {}", recorder.last_exit.clone().unwrap_or_default()));
    }
    for child in children.all() {
        troubles.extend(child.another_version.iter().map(|why| format!("{}: {why}", child.id)));
        let last_exit = child.last_exit.as_deref().unwrap_or_default();
        let said = child.kills.trouble(now);
        troubles.extend(said.map(|said| format!("{}: {said}; the last: {last_exit}", child.id)));
    }
    for (camera, ladder) in children.ladders().into_iter().flatten() {
        troubles.extend(ladder.given_up.iter().map(|choice| {
            format!(
                "camera {camera}: {} ({}) was given up, since recorders crashed or were stuck in it",
                choice.codec, choice.encoder
            )
        }));
    }
    troubles.extend(recorder.beat.trouble.clone());
    troubles.extend(recorder.beat.attention.iter().cloned());
    troubles
}
