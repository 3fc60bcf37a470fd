//! From a trigger to a plan on disk. Any thread may do this: the plan on disk is all that counts, and the recorder
//! finds it there, whether it is told or not. The window it gets is decided in [`window`], the plan written in [`plan`];
//! which clips are open is kept in [`crate::clips`].

pub(crate) mod plan;
pub(crate) mod window;

use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proto::clip::{PLAN_SCHEMA, Plan, PlannedCamera, PlannedTrigger, TriggerKind, TriggerSource};
use proto::config::{CameraConfig, Config};
use proto::control::{Accepted, TriggerRequest};
use proto::name::Name;
use proto::origin::Origin;
use proto::refusal::Refusal;
use proto::ring::Ring;
use proto::storage;
use proto::time::{MonotonicNs, WallAnchor, nanos};
use proto::wall_clock::ClockState;

use crate::clips::Clips;
use crate::rings::{OneRing, Rings};
use crate::statistics::{NotLive, Statistics};
use window::{Granted, Reach, grant, millis};

/// The longest post-roll: a day.
const LONGEST_POST_ROLL: Duration = Duration::from_secs(24 * 3600);
/// The part of an unknown name that a refusal repeats: enough to recognise it by.
const NAME_SHOWN: usize = 80;

/// Takes triggers.
pub(crate) struct Triggers {
    config: Arc<Config>,
    rings: Rings,
    clips: Arc<Clips>,
    statistics: Arc<Statistics>,
    origin: Origin,
    /// The number of the newest clip. Read at the first trigger: a start waits for no disk.
    last_number: OnceLock<AtomicU32>,
}

/// A camera that a trigger names, and its ring.
type Chosen = OneRing;

impl Triggers {
    pub(crate) fn new(
        config: Arc<Config>,
        rings: Rings,
        clips: Arc<Clips>,
        statistics: Arc<Statistics>,
        origin: Origin,
    ) -> Self {
        Self { config, rings, clips, statistics, origin, last_number: OnceLock::new() }
    }

    /// Checks a trigger and leaves its plan for the recorder. The plan is in the kernel's hands when this returns,
    /// on the disk once it has been synced.
    pub(crate) fn accept(
        &self,
        request: &TriggerRequest,
        now: MonotonicNs,
    ) -> Result<(Accepted, PathBuf), Refusal> {
        let label = request.label.as_deref().map(Name::new).transpose();
        let label = label.map_err(|e| Refusal::BadLabel { why: e.to_string() })?;
        let chosen = self.choose(&request.cameras)?;
        let (pre, post) = self.spans(request)?;
        let reaches: Vec<Reach> = chosen.iter().map(|(_, ring)| Reach::of(ring, now)).collect();
        let mut granted = grant(request.at, pre, post, now, &reaches)?;
        granted.notes.extend(self.notes(request, &chosen));
        let place = self.clips.reserve()?;
        let asked_start = request.at.before(pre);
        let (clip_id, folder) = self.leave_plan(
            label.as_ref(),
            request.at,
            asked_start,
            &granted,
            &chosen,
            !request.cameras.is_empty(),
        )?;
        if let Err(refusal) = place.take(folder.clone()) {
            plan::withdraw(&folder);
            return Err(refusal);
        }
        let accepted = Accepted {
            clip_id,
            path: folder.display().to_string(),
            pre_roll_ms: millis(request.at - granted.window.start_ns),
            asked_pre_roll_ms: millis(pre),
            notes: granted.notes,
        };
        Ok((accepted, folder))
    }

    /// Sentences on how exact the trigger's time is, and on the cameras that deliver nothing just now.
    fn notes(&self, request: &TriggerRequest, chosen: &[Chosen]) -> Vec<String> {
        let mut notes = Vec::new();
        if request.at_whole_second {
            notes.push(
                "the trigger's time was given in whole seconds, so the moment that was meant may be up to 1 s later; \
                 \"$(date -Ins)\" is exact"
                    .to_owned(),
            );
        }
        let is_chosen = |name: &str| chosen.iter().any(|(camera, _)| camera.name.as_str() == name);
        let not_live =
            self.statistics.cameras_not_live().into_iter().filter(|camera| is_chosen(&camera.name));
        notes.extend(not_live.map(|NotLive { name, status, reason }| {
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            format!("camera {name} was not live when the trigger came: {status}{reason}")
        }));
        notes
    }

    /// The pre-roll and the post-roll that are asked for.
    fn spans(&self, request: &TriggerRequest) -> Result<(Duration, Duration), Refusal> {
        let recording = &self.config.recording;
        let pre = Duration::from_millis(request.pre_ms.unwrap_or(recording.pre_roll_ms));
        let post = Duration::from_millis(request.post_ms.unwrap_or(recording.post_roll_ms));
        if (pre + post).is_zero() {
            return Err(Refusal::NoLength);
        }
        if post > LONGEST_POST_ROLL {
            return Err(Refusal::PostRollTooLong { at_most_ms: millis(LONGEST_POST_ROLL) });
        }
        Ok((pre, post))
    }

    /// Writes the plan. `named`: the trigger named the cameras. Returns the clip's name and its folder.
    fn leave_plan(
        &self,
        label: Option<&Name>,
        at: MonotonicNs,
        asked_start: MonotonicNs,
        granted: &Granted,
        chosen: &[Chosen],
        named: bool,
    ) -> Result<(String, PathBuf), Refusal> {
        let plan = |clip_id: &str| Plan {
            schema: PLAN_SCHEMA,
            clip_id: clip_id.to_owned(),
            label: label.cloned(),
            rig: Some(self.config.rig.clone()),
            boot_id: proto::instance::boot_id(),
            origin: Some(self.origin.clone()),
            wall: WallAnchor::now(),
            clock: ClockState::now(),
            trigger: Some(PlannedTrigger {
                id: plan::trigger_id(self.clips.run_folder(), clip_id),
                source: TriggerSource::Command,
                kind: TriggerKind::Trigger,
                meta: None,
                note: None,
            }),
            trigger_ns: at,
            window: granted.window,
            asked_start_ns: asked_start,
            notes: granted.notes.clone(),
            cameras_asked: named.then(|| chosen.iter().map(|(camera, _)| camera.name.clone()).collect()),
            cameras: chosen.iter().map(|(camera, ring)| planned(camera, ring)).collect(),
        };
        let run_folder = self.clips.run_folder();
        storage::fit(run_folder, self.config.recording.min_free_bytes)
            .map_err(Into::into)
            .and_then(|()| {
                let read = || AtomicU32::new(plan::last_number(run_folder));
                plan::leave(run_folder, self.last_number.get_or_init(read), label, plan)
            })
            .map_err(|e: std::io::Error| Refusal::PlanNotWritten {
                folder: run_folder.to_owned(),
                error: e.to_string(),
            })
    }

    /// The cameras that a trigger names; all of them when it names none.
    fn choose(&self, names: &[String]) -> Result<Vec<Chosen>, Refusal> {
        let mut cameras = self.rings.now();
        if let Some(name) = names.iter().find(|name| !cameras.iter().any(|(c, _)| c.name.as_str() == *name)) {
            return Err(Refusal::UnknownCamera {
                name: beginning(name),
                known: cameras.iter().map(|(c, _)| c.name.to_string()).collect(),
            });
        }
        cameras.retain(|(c, _)| names.is_empty() || names.iter().any(|n| n == c.name.as_str()));
        Ok(cameras)
    }
}

/// The beginning of a name from outside, for a refusal.
pub(crate) fn beginning(name: &str) -> String {
    name.chars().take(NAME_SHOWN).collect()
}

fn planned(camera: &CameraConfig, ring: &Ring) -> PlannedCamera {
    let time = ring.time();
    PlannedCamera {
        name: camera.name.clone(),
        index: camera.index,
        ring_id: ring.id(),
        geometry: camera.geometry,
        payload: ring.spec().payload,
        fps: camera.fps,
        capture_time: time.map_or_else(|| camera.capture_time(), |time| time.of_source.source),
        time_error_ns: time.and_then(|time| time.of_source.error_ns),
        latency_ns: time.map_or(camera.latency_ns, |time| nanos(time.latency)),
        variable_rate: ring.has_variable_rate(),
        reorders: ring.reorders(),
        picture: ring.picture_tags(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
