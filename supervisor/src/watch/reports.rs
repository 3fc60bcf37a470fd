//! Reports of children, and the orders that follow from them.

use std::time::{Duration, Instant};

use proto::instance::ChildId;
use proto::ladder::Ladders;
use proto::messages::{CameraState, CaptureReport, RecorderBeat, RecorderOrder, RecorderReport};
use proto::process::Pid;

use super::children::Children;
use crate::loop_events::{Orders, Report};
use crate::world::World;

/// A camera that takes longer than this to open will not.
const LONGEST_OPENING: Duration = Duration::from_secs(60);

impl Children {
    /// A child has come to its rendezvous. It is known by its pid alone: a standby goes on speaking from its own
    /// rendezvous after it has become the recorder.
    pub(super) fn on_connected(&mut self, pid: Pid, orders: Orders, now: Instant) {
        let Some(child) = self.by_pid(pid) else {
            // A left-over of a supervisor that was killed at its start: neither started nor adopted by this one.
            orders.stop();
            return;
        };
        let is_recorder = child.id == ChildId::Recorder;
        if child.id == ChildId::Standby {
            // Another supervisor may have told it to open encoders.
            orders.to_recorder(RecorderOrder::Cool);
        }
        if !matches!(child.id, ChildId::Capture(_)) {
            // Over an earlier link it may not have heard of a ring that was made anew.
            orders.to_recorder(RecorderOrder::Rings);
        }
        child.another_version = None;
        if let Some(running) = child.running_mut() {
            running.connect(orders, now);
        }
        if is_recorder {
            self.arm();
        }
    }

    /// Tells the recorder what is known of encoders, and where clips may be waiting.
    pub(super) fn arm(&mut self) {
        self.unknown_clips.clear();
        let (ladders, run_folders) = (self.ladders.clone(), self.run_folders.clone());
        let (backlog_bytes, after_crash) = (self.backlog_bytes, self.after_crash);
        self.tell_recorder(RecorderOrder::Arm { ladders, run_folders, backlog_bytes, after_crash });
    }

    /// Orders the recorder, if it is there.
    pub(super) fn tell_recorder(&self, order: RecorderOrder) {
        if let Some(orders) = self.recorder.orders() {
            orders.to_recorder(order);
        }
    }

    /// Takes a report. True when it was about the encoder ladders.
    pub(super) fn on_report(&mut self, world: &dyn World, pid: Pid, report: Report) -> bool {
        let now = world.now();
        if self.by_pid(pid).is_none() {
            self.on_last_word(pid, report);
            return false;
        }
        match report {
            Report::Capture(CaptureReport::Beat { progress, camera, transport, .. }) => {
                if let Some(child) = self.by_pid(pid) {
                    child.transport = transport;
                }
                self.on_capture_beat(pid, progress, camera, now);
            }
            Report::Recorder(RecorderReport::Beat(beat)) => self.on_recorder_beat(pid, beat, now),
            Report::Recorder(RecorderReport::Ladders(ladders)) => {
                self.on_ladders(ladders);
                self.save(world);
                return true;
            }
            // Clips are another part's.
            Report::Recorder(
                RecorderReport::ClipDone { .. }
                | RecorderReport::ClipLost { .. }
                | RecorderReport::SumsMade { .. },
            ) => {}
        }
        false
    }

    fn on_capture_beat(&mut self, pid: Pid, progress: u64, camera: CameraState, now: Instant) {
        let Some(child) = self.by_pid(pid) else { return };
        // While a camera is being opened (a long film is counted through) it is enough to be alive.
        let opening = camera == CameraState::Opening;
        child.camera = camera;
        if let Some(running) = child.running_mut() {
            let patient = opening && now.saturating_duration_since(running.since) < LONGEST_OPENING;
            running.progressed(progress, patient, now);
        }
    }

    fn on_recorder_beat(&mut self, pid: Pid, beat: RecorderBeat, now: Instant) {
        let probed = self.ladders.is_some();
        let Some(child) = self.by_pid(pid) else { return };
        let was_troubled = child.id == ChildId::Recorder && child.beat.trouble.is_some();
        // Idling is what it should do, and the codec probe has its own deadline. While it waits for a disk, which is not
        // its fault, its progress goes on.
        let idle = !beat.busy || !probed;
        let progress = beat.progress;
        let encoded = (child.id == ChildId::Recorder).then_some(beat.frames_encoded);
        child.beat = beat;
        if let Some(running) = child.running_mut() {
            running.progressed(progress, idle, now);
        }
        if let Some(encoded) = encoded {
            self.pace.heard(now, encoded);
        }
        self.keep_standby_warm();
        // Clips that it could not read while its disk was away are there again.
        if was_troubled && self.recorder.beat.trouble.is_none() {
            self.arm();
        }
    }

    /// A recorder's beat while everything is being closed: nothing follows from it but what is told of it.
    pub(super) fn on_last_beat(&mut self, pid: Pid, beat: RecorderBeat, now: Instant) {
        if self.recorder.is_process(pid) {
            self.pace.heard(now, beat.frames_encoded);
            self.recorder.beat = beat;
        }
    }

    fn on_ladders(&mut self, ladders: Ladders) {
        let before = self.encoders();
        match &mut self.ladders {
            // A report of a recorder that has ended doesn't know what was given up since.
            Some(known) => {
                for (camera, ladder) in ladders {
                    known.entry(camera).or_default().merge(&ladder);
                }
            }
            None => self.ladders = Some(ladders),
        }
        if self.encoders() != before {
            self.cool_standby();
        }
    }

    /// A capture's report that is heard after its end still says why its camera failed.
    fn on_last_word(&mut self, pid: Pid, report: Report) {
        let Report::Capture(CaptureReport::Beat { camera: camera @ CameraState::Failed(_), .. }) = report
        else {
            return;
        };
        if let Some(child) = self.all_mut().find(|child| child.was_process(pid)) {
            child.camera = camera;
        }
    }
}
