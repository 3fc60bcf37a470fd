//! Triggers on rings of their own, without a process beside this one.

mod lengths;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use proto::clip::{Plan, Verdict, plan_path};
use proto::config::Config;
use proto::control::TriggerRequest;
use proto::exit;
use proto::instance::RuntimeDir;
use proto::messages::RecorderBeat;
use proto::refusal::Refusal;
use proto::ring::Ring;
use proto::status::{CameraStatus, InstanceState};
use proto::time::MonotonicNs;

use super::*;
use crate::clips::{Clips, Counts};
use crate::rings::{self, CameraRing, OneRing, Rings};
use crate::statistics::Statistics;
use crate::statistics::view::{CameraView, View};

/// Two cameras' rings, empty, and a run folder.
pub(crate) struct Instance {
    rings: Rings,
    taking: RefCell<Taking>,
    pub(crate) clips: Arc<Clips>,
    pub(crate) config: Arc<Config>,
    statistics: Arc<Statistics>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) dir: RuntimeDir,
}

impl Instance {
    pub(crate) fn new() -> Self {
        Self::recording("max_open_clips: 1")
    }

    /// With these settings of `recording`.
    fn recording(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "camera: {{ width: 256, height: 64, fps: 10 }}\n\
             cameras: [{{ name: left, backend: sim }}, {{ name: right, backend: sim }}]\n\
             recording: {{ {settings}, min_free_bytes: 0 }}\n"
        );
        let config = Arc::new(Config::parse(Path::new("rig.yaml"), &text).unwrap());
        let dir = RuntimeDir::create(&folder.path().join("runtime")).unwrap();
        let opened = rings::open(&config, &dir, false).unwrap();
        let rings = Rings::default();
        let published = opened.rings.iter().map(|(camera, held)| (Arc::clone(camera), held.ring()));
        rings.publish(published.collect());
        let run = folder.path().join("run_20261122-091510");
        std::fs::create_dir(&run).unwrap();
        let at_most = config.recording.max_open_clips;
        let clips = Arc::new(Clips::new(run, at_most, HashSet::new(), Counts::default()));
        let statistics = Arc::new(Statistics::new(Arc::clone(&config), Arc::clone(&clips)));
        let taking = taking(planning(&config, &rings, &clips, &statistics, &dir));
        Self { rings, taking: RefCell::new(taking), clips, config, statistics, folder, dir }
    }

    /// What plans its clips.
    pub(crate) fn planning(&self) -> Planning {
        planning(&self.config, &self.rings, &self.clips, &self.statistics, &self.dir)
    }

    /// Goes on as a supervisor that was started again: it knows what is on the disk.
    fn start_again(&self) {
        *self.taking.borrow_mut() = taking(self.planning());
    }

    /// Takes a group of requests, without a flush. Returns each one's answer.
    fn take(&self, group: impl IntoIterator<Item = Wanted>) -> Vec<Result<Taken, Refusal>> {
        let (jobs, answers): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|wanted| {
                let (tell, told) = channel();
                (Arc::new(Job::new(wanted, Box::new(move |answer| tell.send(answer).unwrap()))), told)
            })
            .unzip();
        for batch in self.taking.borrow_mut().take(&jobs) {
            batch.jobs.into_iter().for_each(|(job, taken)| job.answer(Ok(taken)));
        }
        answers.into_iter().map(|told| told.try_recv().expect("each is answered")).collect()
    }

    /// Publishes what the loop would know of the two cameras.
    fn say_of_cameras(&self, cameras: [(CameraStatus, Option<&str>); 2]) {
        let rings = self.rings.now();
        let camera =
            |((config, ring), (status, reason)): (&OneRing, (CameraStatus, Option<&str>))| CameraView {
                name: config.name.to_string(),
                status,
                reason: reason.map(str::to_owned),
                nominal_fps: config.fps.as_f64(),
                clip: config.clip,
                may_stand_still: false,
                ring: Arc::clone(ring),
                rebuilt: 0,
                transport: None,
            };
        self.statistics.publish(View {
            state: InstanceState::Degraded,
            troubles: Vec::new(),
            cameras: rings.iter().zip(cameras).map(camera).collect(),
            processes: Vec::new(),
            encoder: None,
            recorder: RecorderBeat::default(),
            backlog_bytes: 0,
            encoded_per_s: None,
            orders_resent: 0,
        });
    }

    fn accept(&self, request: &TriggerRequest) -> Result<(Accepted, PathBuf), Refusal> {
        let answer = self.take([Wanted::Trigger(request.clone())]).remove(0);
        answer.map(|Taken { accepted, folder }| (accepted, folder))
    }
}

fn planning(
    config: &Arc<Config>,
    rings: &Rings,
    clips: &Arc<Clips>,
    statistics: &Arc<Statistics>,
    dir: &RuntimeDir,
) -> Planning {
    let (config, clips, statistics) = (Arc::clone(config), Arc::clone(clips), Arc::clone(statistics));
    Planning::new(config, rings.clone(), clips, statistics, dir)
}

/// What takes requests, with the ids on the disk read.
fn taking(planning: Planning) -> Taking {
    let ids = Arc::new(Ids::new(planning.config.rig.clone()));
    ids.read(planning.clips.run_folder().parent().unwrap());
    Taking::new(planning, Vec::new(), ids, Arc::default())
}

impl Drop for Instance {
    fn drop(&mut self) {
        for camera in &self.config.cameras {
            let _ = Ring::remove(&self.dir.segment(&camera.name));
        }
    }
}

pub(crate) fn request() -> TriggerRequest {
    TriggerRequest::of(MonotonicNs::now())
}

#[test]
fn a_trigger_leaves_the_plan_of_the_cameras_that_it_names() {
    let instance = Instance::new();
    let asked = TriggerRequest { label: Some("goal".into()), cameras: vec!["right".into()], ..request() };
    let (accepted, folder) = instance.accept(&asked).unwrap();
    assert_eq!(accepted.clip_id, "20261122-091510-clip-0001-goal");
    assert_eq!(accepted.trigger_id, "20261122-091510-trigger-0001");
    assert_eq!(folder, instance.clips.run_folder().join("clip-0001-goal"));
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan_path(&folder)).unwrap()).unwrap();
    let cameras: Vec<&str> = plan.cameras.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        (cameras, plan.trigger_ns, plan.rig),
        (vec!["right"], asked.at, Some(instance.config.rig.clone()))
    );
    assert_eq!(instance.clips.open_count(), 1);
}

#[test]
fn a_trigger_that_makes_no_sense_is_refused_and_leaves_nothing() {
    let instance = Instance::new();
    let known = vec!["left".to_owned(), "right".to_owned()];
    let name = "x".repeat(1000);
    let table = [
        (
            TriggerRequest { cameras: vec!["left".into(), name], ..request() },
            Refusal::UnknownCamera { name: "x".repeat(80), known },
        ),
        (TriggerRequest { pre_ms: Some(0), post_ms: Some(0), ..request() }, Refusal::NoLength),
        (
            TriggerRequest { post_ms: Some(86_400_001), ..request() },
            Refusal::PostRollTooLong { at_most_ms: 86_400_000 },
        ),
    ];
    for (request, refusal) in table {
        assert_eq!(instance.accept(&request), Err(refusal.clone()));
        assert_eq!(refusal.exit_code(), exit::BAD_INPUT);
    }
    let bad_label = instance.accept(&TriggerRequest { label: Some("../x".into()), ..request() });
    assert!(matches!(bad_label, Err(Refusal::BadLabel { .. })), "{bad_label:?}");
    assert_eq!(std::fs::read_dir(instance.clips.run_folder()).unwrap().count(), 0);
}

#[test]
fn a_trigger_over_the_limit_is_refused_until_a_clip_is_finished() {
    let instance = Instance::new();
    let (_, first) = instance.accept(&request()).unwrap();
    assert_eq!(instance.accept(&request()), Err(Refusal::TooManyOpenClips { open: 1 }));
    instance.clips.finish(&first, Verdict::Complete, None);
    assert_eq!(instance.accept(&request()).unwrap().0.clip_id, "20261122-091510-clip-0002");
}

#[test]
fn a_plan_that_can_not_be_written_is_no_open_clip() {
    let instance = Instance::new();
    std::fs::remove_dir(instance.clips.run_folder()).unwrap();
    let refusal = instance.accept(&request()).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::PlanNotWritten { folder, .. } if folder == instance.clips.run_folder())
    );
    assert!(refusal.to_string().contains("nothing was recorded"), "{refusal}");
    assert_eq!(instance.clips.open_count(), 0);
    std::fs::create_dir(instance.clips.run_folder()).unwrap();
    instance.accept(&request()).unwrap();
}

#[test]
fn a_trigger_after_the_recorder_was_told_to_close_leaves_nothing() {
    let instance = Instance::new();
    assert!(instance.clips.close(Duration::ZERO).is_empty());
    assert_eq!(instance.accept(&request()), Err(Refusal::EndingTrigger));
    assert_eq!(std::fs::read_dir(instance.clips.run_folder()).unwrap().count(), 0);
}

#[test]
fn a_camera_that_is_not_live_at_the_trigger_is_named_with_its_trouble() {
    let instance = Instance::new();
    instance.say_of_cameras([
        (CameraStatus::Failed, Some("no such device")),
        (CameraStatus::Live, Some("a trouble that is over")),
    ]);
    let (accepted, folder) = instance.accept(&request()).unwrap();
    let said = "camera left was not live when the trigger came: failed (no such device)";
    assert_eq!(accepted.notes, [said]);
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan_path(&folder)).unwrap()).unwrap();
    assert_eq!(plan.notes, accepted.notes);
    instance.clips.finish(&folder, Verdict::Complete, None);

    let of_right = TriggerRequest { cameras: vec!["right".into()], ..request() };
    let (accepted, folder) = instance.accept(&of_right).unwrap();
    assert_eq!(accepted.notes, [""; 0], "the other camera is not asked for");
    instance.clips.finish(&folder, Verdict::Complete, None);

    instance.say_of_cameras([(CameraStatus::Starting, None), (CameraStatus::Silent, None)]);
    let notes = instance.accept(&request()).unwrap().0.notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].ends_with("starting") && notes[1].contains("right") && notes[1].ends_with("silent"));
}

#[test]
fn a_time_in_whole_seconds_is_taken_and_said_to_be_inexact() {
    let instance = Instance::new();
    let asked = TriggerRequest { at_whole_second: true, ..request() };
    let notes = instance.accept(&asked).unwrap().0.notes;
    assert!(matches!(&notes[..], [note] if note.contains("up to 1 s later")), "{notes:?}");
}
