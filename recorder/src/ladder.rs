//! The cameras' encoder ladders, as this recorder holds them: one for each camera, shared by all threads. The operations
//! on a ladder are in [`proto::ladder`]; the supervisor stores what is reported here, and tells it to the next recorder.
//!
//! Whether an encoder works is found out in [`crate::probe`]; what it costs is measured by [`crate::take`]. A take keeps
//! only the encoder of its open part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use proto::codec::{Codec, EncoderChoice};
use proto::config::{CameraConfig, Config, RecordingConfig};
use proto::frame::{Fps, Geometry};
use proto::ladder::preset::Demand;
use proto::ladder::{Change, EncodeCost, EncoderLadder, Ladders, last_resort};
use proto::name::Name;

use crate::copying;
use crate::poison::lock;

/// How far trying the encoders has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// Nobody has asked for it.
    NotBegun,
    /// The probe runs.
    Running,
    /// Done here, or by an earlier recorder.
    Done,
}

/// The action that has to follow when the recorder is armed.
#[derive(Debug, PartialEq)]
pub(crate) enum AfterArming {
    /// Tell the supervisor these ladders.
    Report(Ladders),
    /// Start the probe.
    Probe,
    /// Nothing: the probe runs, and reports at its end.
    Wait,
}

/// The ladders of all cameras.
#[derive(Clone)]
pub(crate) struct SharedLadders(Arc<Mutex<State>>);

struct State {
    ladders: Ladders,
    demands: BTreeMap<Name, Demand>,
    trial: Trial,
}

impl SharedLadders {
    /// Ladders that nothing is known of yet.
    pub(crate) fn assumed(config: &Config) -> Self {
        let recording = &config.recording;
        let assumed = |camera: &CameraConfig| match copying::codec_of(camera, config) {
            Some(codec) => copying::ladder(codec),
            None => EncoderLadder::assumed(recording.preferred_codec, recording.preset.as_deref()),
        };
        let cameras = || config.cameras.iter();
        let ladders = cameras().map(|camera| (camera.name.clone(), assumed(camera))).collect();
        let demands = cameras().map(|camera| (camera.name.clone(), demand(camera, recording))).collect();
        Self::new(ladders, demands)
    }

    fn new(ladders: Ladders, demands: BTreeMap<Name, Demand>) -> Self {
        Self(Arc::new(Mutex::new(State { ladders, demands, trial: Trial::NotBegun })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// One camera's ladder.
    pub(crate) fn of(&self, camera: &Name) -> CameraLadder {
        CameraLadder { all: self.clone(), camera: camera.clone() }
    }

    /// Arms the recorder with what the supervisor knows, if it knows anything. The backlog's bound is that of all cameras.
    pub(crate) fn arm(&self, known: Option<Ladders>, backlog_bytes: u64) -> AfterArming {
        let mut state = self.lock();
        let cameras = u64::try_from(state.demands.len()).unwrap_or(u64::MAX).max(1);
        state.demands.values_mut().for_each(|demand| demand.backlog_bytes = backlog_bytes / cameras);
        match (known, state.trial) {
            (Some(known), _) => state.learn(known),
            // A supervisor that has adopted this recorder asks for what is known here.
            (None, Trial::Done) => {}
            (None, Trial::Running) => return AfterArming::Wait,
            (None, Trial::NotBegun) => {
                state.trial = Trial::Running;
                return AfterArming::Probe;
            }
        }
        state.trial = Trial::Done;
        AfterArming::Report(state.ladders.clone())
    }

    /// Learns from another recorder, through the supervisor.
    pub(crate) fn learn(&self, known: Ladders) {
        self.lock().learn(known);
    }

    /// Ends the trial of the encoders. What was assumed stays for a camera without a result: a second trial would fail too.
    pub(crate) fn tried(&self, found: Ladders) -> Ladders {
        let mut state = self.lock();
        for (camera, found) in found {
            if let Some(ladder) = state.ladders.get_mut(&camera) {
                ladder.found(found);
            }
        }
        state.trial = Trial::Done;
        state.ladders.clone()
    }
}

impl State {
    fn learn(&mut self, known: Ladders) {
        for (camera, known) in known {
            match self.ladders.get_mut(&camera) {
                Some(own) => own.merge(&known),
                None => drop(self.ladders.insert(camera, known)),
            }
        }
    }
}

/// One camera's ladder: a look at the shared one, and the way to change it.
#[derive(Clone)]
pub(crate) struct CameraLadder {
    all: SharedLadders,
    camera: Name,
}

impl CameraLadder {
    /// A ladder that no recorder shares, of a camera that nothing is demanded of.
    pub(crate) fn alone(camera: &Name, ladder: EncoderLadder) -> Self {
        SharedLadders::new(Ladders::from([(camera.clone(), ladder)]), BTreeMap::new()).of(camera)
    }

    fn look<T>(&self, look: impl FnOnce(&EncoderLadder) -> T) -> Option<T> {
        self.all.lock().ladders.get(&self.camera).map(look)
    }

    /// The encoder that a clip begun now would have.
    pub(crate) fn first(&self) -> EncoderChoice {
        self.look(EncoderLadder::first).unwrap_or_else(last_resort)
    }

    /// See [`EncoderLadder::after`].
    pub(crate) fn after(&self, failed: &EncoderChoice) -> Option<EncoderChoice> {
        self.look(|ladder| ladder.after(failed).cloned()).flatten()
    }

    /// See [`EncoderLadder::resume_at`].
    pub(crate) fn resume_at(&self, before: &EncoderChoice) -> EncoderChoice {
        self.look(|ladder| ladder.resume_at(before)).unwrap_or_else(|| before.clone())
    }

    /// Learns what the encoders of a clip that has ended cost, and decides what the next clip begins with.
    pub(crate) fn clip_ended(&self, costs: &[(EncoderChoice, EncodeCost)]) -> Option<Change> {
        let mut state = self.all.lock();
        let State { ladders, demands, .. } = &mut *state;
        let ladder = ladders.get_mut(&self.camera)?;
        for (choice, cost) in costs {
            ladder.measured(choice, *cost);
        }
        // A clip that was made with another encoder says nothing of this one.
        let first = ladder.first();
        let has_used_it = costs.iter().any(|(choice, cost)| *choice == first && cost.frames > 0);
        ladder.next_clip(demands.get(&self.camera).filter(|_| has_used_it)?)
    }

    /// The camera's ring is for frames of this rate and size, whatever was assumed of it when nobody had seen it.
    pub(crate) fn demand_by(&self, fps: Fps, geometry: &Geometry) {
        if let Some(demand) = self.all.lock().demands.get_mut(&self.camera) {
            (demand.fps, demand.frame_bytes) = (fps.as_f64(), bytes_of(geometry));
        }
    }

    /// Has nothing to choose from now on: the camera's frames are passed on as they came. Returns all cameras' ladders, for the
    /// supervisor, if that is news and they are known.
    pub(crate) fn copy(&self, codec: Codec) -> Option<Ladders> {
        let mut state = self.all.lock();
        let ladder = state.ladders.get_mut(&self.camera)?;
        if ladder.first() == EncoderChoice::copied(codec) {
            return None;
        }
        ladder.found(copying::ladder(codec));
        (state.trial == Trial::Done).then(|| state.ladders.clone())
    }

    /// All cameras' ladders, for the supervisor. `None` while they are only assumed: every recorder begins with that.
    pub(crate) fn report(&self) -> Option<Ladders> {
        let state = self.all.lock();
        (state.trial == Trial::Done).then(|| state.ladders.clone())
    }
}

/// What the config demands of a camera's encoder. There is no backlog before the supervisor has said how large it may be.
fn demand(camera: &CameraConfig, recording: &RecordingConfig) -> Demand {
    Demand {
        is_auto: recording.preset.is_none(),
        fps: camera.fps.as_f64(),
        pre: Duration::from_millis(recording.pre_roll_ms),
        post: Duration::from_millis(recording.post_roll_ms),
        frame_bytes: bytes_of(&camera.geometry),
        backlog_bytes: 0,
    }
}

fn bytes_of(geometry: &Geometry) -> u64 {
    u64::try_from(geometry.frame_bytes()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proto::codec::Codec;

    use super::*;

    /// 60 frames a second.
    const TWO: &str = "camera: { backend: sim, width: 320, height: 192, fps: 60 }\ncameras: [{ name: left }, { name: right }]\n";

    fn shared() -> SharedLadders {
        SharedLadders::assumed(&Config::parse(Path::new("two.yaml"), TWO).unwrap())
    }

    fn name(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    fn x264(preset: &str) -> EncoderChoice {
        EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some(preset.into()) }
    }

    fn found(preset: &str) -> Ladders {
        let ladder = EncoderLadder::tried(vec![x264(preset), last_resort()], Vec::new());
        Ladders::from([(name("left"), ladder.clone()), (name("right"), ladder)])
    }

    fn slow_clip(ladder: &CameraLadder) -> Option<Change> {
        let cost = EncodeCost { frames: 100, spent: Duration::from_secs(5) };
        ladder.clip_ended(&[(ladder.first(), cost)])
    }

    fn reported(after: AfterArming) -> Ladders {
        let AfterArming::Report(ladders) = after else { panic!("{after:?}") };
        ladders
    }

    #[test]
    fn a_recorder_probes_once_and_tells_every_supervisor_what_it_knows() {
        let shared = shared();
        assert_eq!(shared.arm(None, 0), AfterArming::Probe);
        assert_eq!(shared.arm(None, 0), AfterArming::Wait, "the probe runs");
        assert_eq!(shared.of(&name("left")).report(), None);
        let probed = shared.tried(found("medium"));
        assert_eq!(probed[&name("left")].first(), x264("medium"));
        assert_eq!(shared.arm(None, 0), AfterArming::Report(probed.clone()));
        // A supervisor that knows an older state arms it again after a clip was too slow.
        slow_clip(&shared.of(&name("left"))).unwrap();
        let told = reported(shared.arm(Some(probed.clone()), 0));
        assert_eq!(told[&name("left")].first(), x264("superfast"));
        assert_eq!(told[&name("right")], probed[&name("right")], "another camera's ladder is as it was");
    }

    #[test]
    fn a_recorder_that_knows_nothing_takes_what_it_is_told() {
        let told = shared();
        let by_supervisor = shared().tried(found("fast"));
        assert_eq!(told.arm(Some(by_supervisor.clone()), 0), AfterArming::Report(by_supervisor));
        let failed = shared();
        assert_eq!(failed.arm(None, 0), AfterArming::Probe);
        let assumed = failed.tried(Ladders::new());
        assert_eq!(assumed[&name("left")].first(), x264("superfast"));
        assert_eq!(failed.arm(None, 0), AfterArming::Report(assumed), "it is not probed again");
    }

    #[test]
    fn a_camera_that_was_away_is_judged_by_the_rate_of_its_ring_and_not_by_the_one_that_was_assumed() {
        let shared = shared();
        let (left, right) = (shared.of(&name("left")), shared.of(&name("right")));
        left.demand_by(
            Fps::new(6.0).unwrap(),
            &Geometry::new(320, 192, proto::frame::PixelFormat::I420).unwrap(),
        );
        // 50 ms a frame.
        assert_eq!(slow_clip(&left), None);
        assert_eq!((left.first(), right.first()), (x264("superfast"), x264("superfast")));
        slow_clip(&right).unwrap();
        assert_eq!(right.first(), x264("ultrafast"), "its camera makes 60 a second");
    }

    #[test]
    fn a_clip_of_another_encoder_decides_nothing() {
        let shared = shared();
        let left = shared.of(&name("left"));
        slow_clip(&left).unwrap();
        let quick = EncodeCost { frames: 100, spent: Duration::from_millis(100) };
        assert_eq!(left.clip_ended(&[(x264("superfast"), quick)]), None);
        assert_eq!(left.first(), x264("ultrafast"));
    }
}
