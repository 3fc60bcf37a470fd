//! The first part of the loop's state: the cameras with their captures, the recorder and its standby. Starting them and
//! looking after them is here; what they report is in [`super::reports`], and their ends are in [`super::deaths`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::codec::EncoderChoice;
use proto::control::Response;
use proto::instance::{ChildId, Rendezvous, boot_id};
use proto::ladder::{EncoderLadder, Ladders};
use proto::messages::{CameraState, RecorderOrder};
use proto::name::Name;
use proto::process::Pid;
use proto::refusal::Refusal;

use super::absences::RecorderAbsences;
use super::encoder::Crashes;
use super::resend::UnknownClips;
use super::{Camera, LOOK_AROUND, until};
use crate::backlog::left_over::LeftOver;
use crate::backlog::needed::Needed;
use crate::backlog::pace::Pace;
use crate::child::out_of_memory::MemoryWatch;
use crate::child::running::{EndReason, Running};
use crate::child::{Child, Life};
use crate::loop_events::Answer;
use crate::rings::{CameraRing, Look, Rings};
use crate::state::{Saved, SavedChild};
use crate::trigger::wish::beginning;
use crate::world::World;

/// Captures that wait for the recorder are looked at this often.
const GLANCE: Duration = Duration::from_millis(5);

/// The processes of an instance, and what they work with.
pub(crate) struct Children {
    /// In the config's order.
    pub(super) cameras: Vec<Camera>,
    pub(super) recorder: Child,
    pub(super) standby: Option<Child>,
    /// Each camera's encoder ladder, as the recorder last reported it. `None` until the encoders were tried.
    pub(super) ladders: Option<Ladders>,
    pub(super) crashes: Crashes,
    /// The last recorder crashed, and no encoder is held responsible.
    pub(super) after_crash: bool,
    /// The folders that may hold unfinished clips, this run's first.
    pub(super) run_folders: Vec<PathBuf>,
    pub(super) memory: MemoryWatch,
    /// The moment at which a ring was last found broken.
    pub(super) ring_broke: Option<Instant>,
    /// The most memory that the backlogs of all cameras may take together.
    pub(crate) backlog_bytes: u64,
    /// Until then captures wait for a recorder: open clips need frames that a capture would begin to overwrite.
    pub(crate) recorder_first: Option<Instant>,
    /// The pace at which the recorder encodes.
    pub(super) pace: Pace,
    /// Clips that the recorder should know of and doesn't name.
    pub(super) unknown_clips: UnknownClips,
    /// Orders given to the recorder a second time, and links to it that were made anew.
    pub(super) orders_resent: u64,
    /// The recorder and the standby, over all lives of their processes.
    pub(super) absences: RecorderAbsences,
    /// The table that triggers read.
    rings: Rings,
}

impl Children {
    /// Without a camera yet.
    pub(crate) fn new(
        recorder: Child,
        standby: Option<Child>,
        ladders: Option<Ladders>,
        run_folders: Vec<PathBuf>,
        rings: Rings,
        world: &dyn World,
    ) -> Self {
        let memory = MemoryWatch::new(world.out_of_memory_kills(), world.now());
        Self {
            cameras: Vec::new(),
            recorder,
            standby,
            ladders,
            crashes: Crashes::default(),
            after_crash: false,
            run_folders,
            memory,
            ring_broke: None,
            backlog_bytes: 0,
            recorder_first: None,
            pace: Pace::default(),
            unknown_clips: UnknownClips::default(),
            orders_resent: 0,
            absences: RecorderAbsences::new(world.now()),
            rings,
        }
    }

    /// Takes on one more camera. The next turn of the loop starts its capture, unless that was adopted.
    pub(crate) fn add(&mut self, camera: Camera) {
        self.cameras.push(camera);
        self.publish_rings();
    }

    /// Lets a camera go: its capture is ended, and triggers don't find it any more. Its ring is returned with it, for
    /// clips that still need the frames. A camera of the same name may be added once the capture's process is gone.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tried by the loop's tests; a command for it comes later")
    )]
    pub(crate) fn remove(&mut self, name: &Name, world: &dyn World) -> Option<Camera> {
        let place = self.cameras.iter().position(|camera| camera.name() == name)?;
        let mut camera = self.cameras.remove(place);
        if let Some(running) = camera.capture.running_mut() {
            running.kill(EndReason::Removed);
        }
        self.publish_rings();
        self.save(world);
        Some(camera)
    }

    /// Every child: the captures, the recorder, its standby.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Child> {
        self.captures().chain([&self.recorder]).chain(&self.standby)
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Child> {
        let captures = self.cameras.iter_mut().map(|camera| &mut camera.capture);
        captures.chain([&mut self.recorder]).chain(&mut self.standby)
    }

    pub(crate) fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    pub(crate) fn captures(&self) -> impl Iterator<Item = &Child> {
        self.cameras.iter().map(|camera| &camera.capture)
    }

    pub(crate) fn recorder(&self) -> &Child {
        &self.recorder
    }

    pub(crate) fn ladders(&self) -> Option<&Ladders> {
        self.ladders.as_ref()
    }

    /// The ladders in the config's order, once they are known.
    pub(crate) fn ladders_in_order(&self) -> Option<Vec<(Name, EncoderLadder)>> {
        let ladders = self.ladders.as_ref()?;
        let names = self.cameras.iter().map(Camera::name);
        Some(names.filter_map(|name| Some((name.clone(), ladders.get(name)?.clone()))).collect())
    }

    /// The encoder that each camera's clips begin with, in the config's order. None while they are not known.
    pub(crate) fn encoders(&self) -> Vec<(Name, EncoderChoice)> {
        let ladders = self.ladders_in_order().unwrap_or_default();
        ladders.into_iter().map(|(name, ladder)| (name, ladder.first())).collect()
    }

    /// The child whose present process this is.
    pub(super) fn by_pid(&mut self, pid: Pid) -> Option<&mut Child> {
        self.all_mut().find(|child| child.is_process(pid))
    }

    /// Takes the name of every camera's ring away.
    pub(crate) fn remove_rings(&self) {
        self.cameras.iter().for_each(|camera| camera.ring.remove());
    }

    /// The work that is left when the recorder has ended before these clips were finished.
    pub(crate) fn left_over(&self, needed: &Needed) -> LeftOver {
        let beat = &self.recorder.beat;
        LeftOver {
            clips: needed.clips.clone(),
            frames: beat.frames_left,
            frames_per_s: self.pace.frames_per_s(),
        }
    }

    /// Frees the frames of a recorder that is proven dead.
    pub(crate) fn sweep_recorder(&self) {
        let rings = self.cameras.iter().map(|camera| &*camera.ring);
        let swept: usize = rings.map(CameraRing::sweep).sum();
        if swept > 0 {
            tracing::debug!("{swept} frames that the last recorder held are free again");
        }
    }

    /// Waits for every child at its rendezvous from now on.
    pub(crate) fn meet(&self, world: &dyn World) -> std::io::Result<()> {
        self.all().try_for_each(|child| world.meet(Rendezvous::of(&child.id)))
    }

    /// Starts every process that it is time to start. True if there was one.
    pub(super) fn start_due(&mut self, world: &dyn World) -> bool {
        let now = world.now();
        self.note_absences(now);
        let mut has_started = self.let_standby_take_over(world, now);
        let recorder_first = self.recorder_first.filter(|until| *until > now);
        self.recorder_first = recorder_first.filter(|_| self.recorder.orders().is_none());
        for camera in &mut self.cameras {
            // A capture without a ring could only end again.
            if camera.capture.is_due(now) && (camera.ring.trouble().is_some() || camera.is_to_come()) {
                camera.capture.put_off(now + LOOK_AROUND);
            } else if camera.capture.is_due(now) && self.recorder_first.is_some() {
                camera.capture.put_off(now + GLANCE);
            }
        }
        loop {
            let Some(child) = self.all_mut().find(|child| child.is_due(now)) else { return has_started };
            has_started = true;
            // A standby that has taken over has had no end of its own.
            child.record.restarts += u64::from(child.last_exit.is_some());
            child.spawn(world, now);
            // Kept at once: a process that the next supervisor doesn't know of could be neither adopted nor ended.
            self.save(world);
        }
    }

    /// The time until the next process is due; at most [`LOOK_AROUND`].
    pub(super) fn until_next_start(&self, now: Instant) -> Duration {
        let due = self.all().filter_map(|child| match child.life {
            Life::Waiting { until: moment } => Some(until(moment, now)),
            Life::Running(_) | Life::Ended => None,
        });
        due.min().unwrap_or(LOOK_AROUND).min(LOOK_AROUND)
    }

    /// Looks at every ring and every process.
    pub(super) fn look(&mut self, world: &dyn World, since_last: Duration) {
        let now = world.now();
        self.mend_rings(now);
        self.memory.look(now, || world.out_of_memory_kills());
        let probed = self.ladders.is_some();
        for child in self.all_mut() {
            let opened = match child.id {
                ChildId::Recorder => probed,
                ChildId::Standby => child.orders().is_some(),
                ChildId::Capture(_) => child.camera != CameraState::Opening,
            };
            child.look(now, since_last, opened);
        }
        self.look_at_links(now);
        self.look_at_readers(world, now, since_last);
        self.note_absences(now);
    }

    /// Orders that were given again, and links to the recorder that were made anew.
    pub(crate) fn orders_resent(&self) -> u64 {
        self.orders_resent
    }

    /// Replaces rings that something has broken: their captures are to write to the new ones, and the recorders to let go
    /// of the old.
    pub(super) fn mend_rings(&mut self, now: Instant) {
        for place in 0..self.cameras.len() {
            let ring = &mut self.cameras[place].ring;
            let (before, look) = (Arc::as_ptr(&ring.ring()), ring.mend());
            // The table must not keep a replaced ring's memory, whatever the look found: its successor has to find room there.
            if Arc::as_ptr(&ring.ring()) != before {
                self.publish_rings();
            }
            if look == Look::AsBefore {
                continue;
            }
            self.ring_broke = Some(now);
            // A film that has played to its end has nothing to put into the new one.
            let capture = &mut self.cameras[place].capture;
            if !matches!(capture.life, Life::Ended) {
                capture.begin_again(EndReason::RingBroke, now);
            }
            self.tell_recorders(&RecorderOrder::Rings);
        }
    }

    /// Orders the recorder and the standby, as far as they are there.
    pub(super) fn tell_recorders(&self, order: &RecorderOrder) {
        for recorder in [&self.recorder].into_iter().chain(&self.standby) {
            if let Some(orders) = recorder.orders() {
                orders.to_recorder(order.clone());
            }
        }
    }

    pub(super) fn publish_rings(&self) {
        let rings = self.cameras.iter().map(|camera| (camera.config.clone(), camera.ring.ring()));
        self.rings.publish(rings.collect());
    }

    /// Ends the recorder or a capture by name, and has another started at once.
    pub(super) fn restart(&mut self, name: &str, now: Instant) -> Answer {
        let mut obstacle = None;
        let child = if name == "recorder" {
            &mut self.recorder
        } else if let Some(camera) =
            self.cameras.iter_mut().find(|camera| camera.config.name.as_str() == name)
        {
            obstacle = if camera.is_to_come() {
                Some("is asked for what it gives, and can't begin before (the command status says why)")
            } else {
                let said = "waits for its ring, which can't be made anew yet (the command status says why)";
                camera.ring.trouble().map(|_| said)
            };
            &mut camera.capture
        } else {
            let known = self.cameras.iter().map(|camera| camera.name().to_string()).collect();
            return Err(Refusal::UnknownProcess { name: beginning(name), known });
        };
        let what = match child.running() {
            Some(_) => "restarting",
            None => obstacle.unwrap_or("starting"),
        };
        child.begin_again(EndReason::Command, now);
        Ok(Response::Done(format!("{}: {what}", child.id)))
    }

    /// Keeps what the next supervisor has to know.
    pub(super) fn save(&self, world: &dyn World) {
        let saved = |child: &Child, running: &Running| SavedChild {
            id: child.id.clone(),
            pid: running.pid(),
            start_ticks: running.start_ticks,
        };
        world.keep_state(&Saved {
            boot_id: boot_id(),
            run_folder: self.run_folders.first().cloned().unwrap_or_default(),
            children: self.all().filter_map(|child| Some(saved(child, child.running()?))).collect(),
            ladders: self.ladders.clone(),
        });
    }
}
