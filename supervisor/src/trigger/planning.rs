//! From what a trigger asks for to a clip of its own: the plan's contents. How a plan gets onto the disk is in
//! [`super::plan`]; which clips are open is kept in [`crate::clips`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::clip::{self, PLAN_SCHEMA, Plan, PlannedCamera, PlannedTrigger, TriggerKind, TriggerSource};
use proto::config::{CameraConfig, Config};
use proto::control::{Accepted, TriggerRequest};
use proto::instance::RuntimeDir;
use proto::origin::Origin;
use proto::refusal::Refusal;
use proto::ring::Ring;
use proto::storage;
use proto::time::{MonotonicNs, WallAnchor, nanos};
use proto::wall_clock::ClockState;

use super::Taken;
use super::numbers::Numbers;
use super::plan;
use super::window::{Granted, grant, millis};
use super::wish::Wish;
use crate::clips::Clips;
use crate::rings::Rings;
use crate::statistics::{NotLive, Statistics};

/// Plans clips.
pub(crate) struct Planning {
    pub(super) config: Arc<Config>,
    pub(super) rings: Rings,
    pub(super) clips: Arc<Clips>,
    pub(super) statistics: Arc<Statistics>,
    pub(super) origin: Origin,
    numbers: Numbers,
}

impl Planning {
    pub(crate) fn new(
        config: Arc<Config>,
        rings: Rings,
        clips: Arc<Clips>,
        statistics: Arc<Statistics>,
        dir: &RuntimeDir,
    ) -> Self {
        let numbers = Numbers::new(clips.run_folder(), dir.last_clip_path());
        Self { config, rings, clips, statistics, origin: Origin::of(dir), numbers }
    }

    /// Checks a trigger.
    pub(crate) fn wish(&self, request: &TriggerRequest, came: MonotonicNs) -> Result<Wish, Refusal> {
        Wish::of(request, &self.config, self.rings.now(), came)
    }

    /// Sentences on how exact the trigger's time is, and on the cameras that deliver nothing just now.
    pub(crate) fn notes(&self, wish: &Wish) -> Vec<String> {
        let mut notes: Vec<String> = whole_second_note(wish.at_whole_second).into_iter().collect();
        let is_chosen = |name: &str| wish.chosen.iter().any(|(camera, _)| camera.name.as_str() == name);
        let not_live =
            self.statistics.cameras_not_live().into_iter().filter(|camera| is_chosen(&camera.name));
        notes.extend(not_live.map(|NotLive { name, status, reason }| {
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            format!("camera {name} was not live when the trigger came: {status}{reason}")
        }));
        notes
    }

    /// Makes a clip for a trigger, and leaves its plan for the recorder. The plan is in the kernel's hands when this returns,
    /// on the disk once it has been synced.
    pub(crate) fn new_clip(&self, wish: &Wish, notes: Vec<String>) -> Result<(Taken, Plan), Refusal> {
        let ahead = Duration::from_millis(self.config.recording.max_clip_ms);
        let mut granted = grant(wish.at, wish.pre, wish.post, wish.came, ahead, &wish.reaches())?;
        granted.notes.extend(notes);
        let place = self.clips.reserve()?;
        let (plan, folder) = self.leave_plan(wish, &granted)?;
        if let Err(refusal) = place.take(folder.clone()) {
            plan::withdraw(&folder);
            return Err(refusal);
        }
        let accepted = Accepted {
            trigger_id: plan.trigger.as_ref().map_or_else(String::new, |trigger| trigger.id.clone()),
            clip_id: clip::clip_id(&folder),
            path: folder.display().to_string(),
            pre_roll_ms: millis(wish.at - granted.window.start_ns),
            asked_pre_roll_ms: millis(wish.pre),
            end_ns: (wish.kind == TriggerKind::Trigger).then_some(granted.window.end_ns),
            notes: granted.notes,
        };
        Ok((Taken { accepted, folder }, plan))
    }

    /// Writes the plan. Returns it with its clip's folder.
    fn leave_plan(&self, wish: &Wish, granted: &Granted) -> Result<(Plan, PathBuf), Refusal> {
        let run_folder = self.clips.run_folder();
        let plan = |clip_name: &str| {
            let folder = run_folder.join(clip_name);
            let names = || wish.chosen.iter().map(|(camera, _)| camera.name.clone()).collect();
            Plan {
                schema: PLAN_SCHEMA,
                clip_id: clip_name.to_owned(),
                label: wish.label.clone(),
                rig: Some(self.config.rig.clone()),
                boot_id: proto::instance::boot_id(),
                origin: Some(self.origin.clone()),
                wall: WallAnchor::now(),
                clock: ClockState::now(),
                trigger: Some(PlannedTrigger {
                    id: wish.id.clone().unwrap_or_else(|| clip::trigger_id(&folder, 1)),
                    source: TriggerSource::Command,
                    kind: wish.kind,
                    meta: wish.meta.clone(),
                    note: wish.note.clone(),
                }),
                trigger_ns: wish.at,
                window: granted.window,
                asked_start_ns: wish.asked_start(),
                notes: granted.notes.clone(),
                cameras_asked: wish.names_cameras.then(names),
                cameras: wish.chosen.iter().map(|(camera, ring)| planned(camera, ring)).collect(),
            }
        };
        storage::fit(run_folder, self.config.recording.min_free_bytes)
            .map_err(Into::into)
            .and_then(|()| {
                let left = plan::leave(run_folder, self.numbers.last(), wish.label.as_ref(), plan);
                left.inspect(|_| self.numbers.keep())
            })
            .map_err(|e: std::io::Error| Refusal::PlanNotWritten {
                folder: run_folder.to_owned(),
                error: e.to_string(),
            })
    }
}

/// The note for a time that was typed in whole seconds.
pub(super) fn whole_second_note(at_whole_second: bool) -> Option<String> {
    at_whole_second.then(|| {
        "the trigger's time was given in whole seconds, so the moment that was meant may be up to 1 s later; \
         \"$(date -Ins)\" is exact"
            .to_owned()
    })
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
