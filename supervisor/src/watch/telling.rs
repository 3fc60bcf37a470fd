//! The third part of the loop's state: telling how things stand, to statistics, to systemd and to the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::Config;
use proto::status::InstanceState;

use super::children::Children;
use crate::clips::Clips;
use crate::health::Reason;
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

    /// The config in use.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Goes by another config from now on: a camera gives something else.
    pub(super) fn use_config(&mut self, config: Arc<Config>) {
        self.statistics.use_config(&config);
        self.config = config;
    }

    /// Records how long an event has waited for the loop.
    pub(super) fn event_waited(&self, waited: Duration) {
        self.statistics.event_waited(waited);
    }

    /// Publishes what only the loop knows, for the statistics.
    pub(super) fn publish(&self, children: &Children, now: Instant) {
        self.statistics.publish(View {
            state: state(children, now),
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
        let (state, cameras) = (state(children, now), count(children.cameras().len(), "camera"));
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
        let troubles = troubles(children, now);
        let status = match troubles.iter().rev().max_by_key(|trouble| trouble.grade) {
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
pub(super) fn state(children: &Children, now: Instant) -> InstanceState {
    let recorder = children.recorder();
    let cameras = children.cameras();
    let captures_come_up = cameras.iter().any(|camera| camera.holds_up_the_start(now));
    let probed = children.ladders().is_some();
    if captures_come_up || (!probed && recorder.last_exit.is_none()) {
        return InstanceState::Starting;
    }
    let captures_are_well = cameras.iter().all(|c| c.status().0.is_well());
    let recorder_is_well = recorder.orders().is_some() && recorder.beat.trouble.is_none() && probed;
    if captures_are_well && recorder_is_well { InstanceState::Ready } else { InstanceState::Degraded }
}

/// The reasons that processes are, as far as the loop knows them.
pub(super) fn troubles(children: &Children, now: Instant) -> Vec<Reason> {
    let mut troubles: Vec<Reason> = children.cameras().iter().filter_map(|c| c.reason(now)).collect();
    for camera in children.cameras() {
        let readers = camera.inflow.foreign().filter(|_| camera.inflow.standstill().is_none());
        let said = camera.ring.trouble().into_iter().chain(readers);
        troubles.extend(said.map(|said| Reason::attention(format!("camera {}: {said}", camera.name()))));
    }
    troubles.extend(children.recorder_reasons(now));
    for child in children.all() {
        let version =
            child.another_version.iter().map(|why| Reason::attention(format!("{}: {why}", child.id)));
        troubles.extend(version);
        let last_exit = child.last_exit.as_deref().unwrap_or_default();
        let said = child.kills.trouble(now);
        troubles.extend(
            said.map(|said| Reason::attention(format!("{}: {said}; the last: {last_exit}", child.id))),
        );
    }
    for (camera, ladder) in children.ladders().into_iter().flatten() {
        troubles.extend(ladder.given_up.iter().map(|choice| {
            Reason::attention(format!(
                "camera {camera}: {} ({}) was given up, since recorders crashed or were stuck in it",
                choice.codec, choice.encoder
            ))
        }));
    }
    let recorder = children.recorder();
    let said = recorder.beat.trouble.iter().chain(&recorder.beat.attention);
    troubles.extend(said.map(|said| Reason::attention(said.clone())));
    troubles
}
