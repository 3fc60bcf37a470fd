//! The loop: everything that happens comes in as an [`Event`], and only here is anything done about it.

mod answers;
mod closing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use proto::codec::EncoderLadder;
use proto::config::Config;
use proto::instance::{ChildId, RuntimeDir};
use proto::messages::{CameraState, CaptureReport, RecorderOrder, RecorderReport};
use proto::process::Pid;
use proto::status::InstanceState;
use signal_hook::consts::SIGKILL;

use crate::child::{Child, Life};
use crate::clips::Clips;
use crate::events::{Answer, End, Event, LoopRequest, Orders, Report};
use crate::out_of_memory::MemoryWatch;
use crate::proc;
use crate::restart;
use crate::restart::Ending;
use crate::rings::{self, Look, Rings};
use crate::run_file::RunFileWriter;
use crate::service::Service;
use crate::state::{self, Saved, SavedChild};
use crate::statistics::Statistics;

/// How often the loop looks around when nothing happens.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// All that was said comes before anybody is judged by it, but a look is not put off for longer than this.
const HEARING: Duration = Duration::from_millis(150);
/// A look around that comes later than this has missed something: time in which this loop didn't get its turn, or the
/// whole machine stood still, is nobody's fault.
const LATE: Duration = Duration::from_millis(200);
/// A camera that takes longer than this to open will not.
const LONGEST_OPENING: Duration = Duration::from_secs(60);
/// A recorder this close behind the cameras has its first rush behind it.
const CAUGHT_UP: u64 = 4;
/// Who crashes so soon after a ring broke has done nothing wrong.
const AFTER_A_BREAK: Duration = Duration::from_secs(1);

/// A running instance.
pub(crate) struct House {
    pub(crate) config: Arc<Config>,
    pub(crate) dir: RuntimeDir,
    pub(crate) rings: Rings,
    /// Captures in the config's order, then the recorder, then its standby if there is one.
    pub(crate) children: Vec<Child>,
    pub(crate) clips: Arc<Clips>,
    pub(crate) events: Sender<Event>,
    /// Session folders that may hold unfinished clips, this run's first.
    pub(crate) run_folders: Vec<PathBuf>,
    pub(crate) verdict: Option<EncoderLadder>,
    pub(crate) run_file: RunFileWriter,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) ready_said: bool,
    pub(crate) memory: MemoryWatch,
    /// Who started this, and wants to be told.
    pub(crate) service: Option<Service>,
    /// When a ring was last found broken.
    pub(crate) ring_broke: Option<Instant>,
    /// The next start needs the frames to finish clips that this one could not.
    pub(crate) keep_rings: bool,
}

impl House {
    /// Runs until it is told to end. Returns who asked by command, to be answered when all is over.
    pub(crate) fn run(&mut self, happening: &Receiver<Event>) -> Option<Sender<Answer>> {
        self.publish();
        let mut looked = Instant::now();
        loop {
            self.start_what_is_due();
            let late = looked.elapsed() >= LOOK_AROUND;
            let wait = if late { Duration::ZERO } else { self.until_next_start().min(LOOK_AROUND) };
            let heard_all = match happening.recv_timeout(wait) {
                Ok(Event::Signal) => return None,
                Ok(Event::Request { request: LoopRequest::Stop, reply }) => return Some(reply),
                Ok(event) => {
                    // Beats are many, and change little: the next look around publishes them.
                    let is_beat = event.is_beat();
                    self.on(event);
                    if !is_beat {
                        self.publish();
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            let since_last = looked.elapsed();
            if since_last >= if heard_all { LOOK_AROUND } else { HEARING } {
                self.look_around(since_last);
                looked = Instant::now();
            }
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Signal => {}
            Event::Connected { pid, orders } => self.on_connected(pid, orders),
            Event::Report { pid, report, heard } => {
                self.statistics.event_waited(heard.elapsed());
                self.on_report(pid, report);
            }
            Event::Exited { pid, end } => self.on_exited(pid, &end),
            Event::Request { request, reply } => {
                let response = self.answer(&request);
                // A command that has gone away needs no answer.
                let _ = reply.send(response);
            }
            Event::Found { folder, complete } => self.on_finished(&folder, complete, None),
            Event::Gone(folder) => {
                tracing::warn!(
                    "clip {}: its folder or its plan is gone; nobody waits for it any more",
                    folder.display()
                );
                self.clips.give_up(&folder);
            }
            Event::Planned(folder) => {
                if let Some(orders) = self.recorder().running().and_then(|r| r.orders.as_ref()) {
                    orders.to_recorder(RecorderOrder::Clip(folder));
                }
            }
        }
    }

    fn recorder(&self) -> &Child {
        // Made by start(), after one a camera, and never removed.
        &self.children[self.config.cameras.len()]
    }

    /// The child whose process this is. By pid alone: a standby goes on speaking from its own rendezvous after it
    /// has become the recorder.
    fn speaker(&mut self, pid: Pid) -> Option<&mut Child> {
        self.children.iter_mut().find(|c| c.running().is_some_and(|r| r.pid == pid))
    }

    fn on_connected(&mut self, pid: Pid, orders: Orders) {
        let Some(child) = self.speaker(pid) else {
            // Nobody that we have started or adopted: a left-over of a supervisor that was killed at its start.
            orders.stop();
            return;
        };
        let is_recorder = child.id == ChildId::Recorder;
        if child.id == ChildId::Standby {
            // Whatever another supervisor told it.
            orders.to_recorder(RecorderOrder::Cool);
        }
        if let Some(running) = child.running_mut() {
            running.orders = Some(orders);
            running.warm = false;
        }
        if is_recorder {
            self.arm();
        }
    }

    /// Tells the recorder what is known of codecs, and where clips may be waiting.
    fn arm(&self) {
        let order =
            RecorderOrder::Arm { verdict: self.verdict.clone(), run_folders: self.run_folders.clone() };
        if let Some(orders) = self.recorder().running().and_then(|r| r.orders.as_ref()) {
            orders.to_recorder(order);
        }
    }

    fn on_report(&mut self, pid: Pid, report: Report) {
        let probed = self.verdict.is_some();
        let Some(child) = self.speaker(pid) else { return self.on_last_word(pid, report) };
        let was_troubled = child.id == ChildId::Recorder && child.beat.trouble.is_some();
        match report {
            Report::Capture(CaptureReport::Beat { progress, camera }) => {
                // While a camera is being opened (a long film is counted through) it is enough to be alive.
                let opening = camera == CameraState::Opening;
                child.camera = camera;
                if let Some(running) = child.running_mut() {
                    let patient = opening && running.since.elapsed() < LONGEST_OPENING;
                    running.progressed(progress, patient);
                }
            }
            Report::Recorder(RecorderReport::Beat(beat)) => {
                // Idling is what it should do, and the codec probe has its own deadline. While it waits for a disk,
                // which is not its fault, its progress goes on.
                let idle = !beat.busy || !probed;
                let progress = beat.progress;
                child.beat = beat;
                if let Some(running) = child.running_mut() {
                    running.progressed(progress, idle);
                }
                self.keep_standby_warm();
                // What it could not read while its disk was away is there again.
                if was_troubled && self.recorder().beat.trouble.is_none() {
                    self.arm();
                }
            }
            Report::Recorder(RecorderReport::Codecs(verdict)) => {
                let first = |verdict: &EncoderLadder| verdict.chain.first().cloned();
                let as_before = self.verdict.as_ref().map(first) == Some(first(&verdict));
                self.verdict = Some(verdict);
                if !as_before {
                    self.cool_standby();
                }
                self.save();
                self.write_run_file();
            }
            Report::Recorder(RecorderReport::ClipDone { folder, complete, finished_after_ms }) => {
                self.on_finished(&folder, complete, Some(finished_after_ms));
            }
            Report::Recorder(RecorderReport::ClipLost { folder }) => {
                self.clips.give_up(&folder);
            }
        }
    }

    /// What encoders it has open are no longer those that it would need.
    fn cool_standby(&mut self) {
        let standby = self.children.iter_mut().find(|child| child.id == ChildId::Standby);
        let Some(running) = standby.and_then(Child::running_mut).filter(|running| running.warm) else {
            return;
        };
        if let Some(orders) = &running.orders {
            orders.to_recorder(RecorderOrder::Cool);
        }
        running.warm = false;
    }

    /// While clips are being recorded the standby has the encoders open that it would need; before that they would only
    /// take memory, and until the recorder has caught up with the cameras they would take its processor.
    fn keep_standby_warm(&mut self) {
        let [recorder, standby] = &mut self.children[self.config.cameras.len()..] else { return };
        let recording = recorder.beat.clips_open > 0;
        let caught_up = recorder.beat.lag_frames <= CAUGHT_UP;
        let Some(running) = standby.running_mut() else { return };
        let Some(orders) = &running.orders else { return };
        match (&self.verdict, running.warm) {
            (Some(verdict), false) if recording && caught_up => {
                orders.to_recorder(RecorderOrder::Warm(verdict.clone()));
                running.warm = true;
            }
            (_, true) if !recording => {
                orders.to_recorder(RecorderOrder::Cool);
                running.warm = false;
            }
            _ => {}
        }
    }

    /// What a capture said before it ended may be heard after its end: why it failed is worth keeping.
    fn on_last_word(&mut self, pid: Pid, report: Report) {
        let Report::Capture(CaptureReport::Beat { camera: camera @ CameraState::Failed(_), .. }) = report
        else {
            return;
        };
        let is_its = |c: &&mut Child| c.last_pid == Some(pid) && matches!(c.life, Life::Waiting { .. });
        if let Some(child) = self.children.iter_mut().find(is_its) {
            child.camera = camera;
        }
    }

    fn on_finished(&mut self, folder: &Path, complete: bool, after_ms: Option<u64>) {
        if self.clips.finish(folder, complete, after_ms) {
            self.write_run_file();
        }
    }

    fn on_exited(&mut self, pid: Pid, end: &End) {
        // It may have died of a ring that was cut short: then that is put right first.
        self.mend_rings();
        let crashed = end.crashed && self.ring_broke.is_none_or(|at| at.elapsed() > AFTER_A_BREAK);
        let end = &End { crashed, ..end.clone() };
        let Some(child) = self.children.iter_mut().find(|c| c.running().is_some_and(|r| r.pid == pid)) else {
            return;
        };
        let mut end = end.clone();
        if end.signal == Some(SIGKILL)
            && !child.is_being_ended()
            && self.memory.ran_out(proc::out_of_memory_kills())
        {
            end.how = "signal 9 (killed: out of memory?)".into();
        }
        let stuck = child.was_stuck_in_an_encoder();
        // Those of earlier run folders too.
        let recorded = child.beat.clips_open > 0;
        let ending = child.ended(&end);
        if child.id == ChildId::Recorder {
            // Before the next one can hold anything: they share a reader's bit.
            rings::sweep_recorder(&self.rings);
            if ending == Some(Ending::Crashed) && (recorded || self.clips.open_count() > 0) {
                self.doubt_the_codec(stuck);
            }
        }
        self.save();
    }

    /// A recorder that has crashed twice over its clips, or has been stuck in an encoder, gets the next codec of the
    /// chain, and at once: frames are ageing.
    fn doubt_the_codec(&mut self, stuck: bool) {
        if !stuck && !self.recorder().record.is_suspicious() {
            return;
        }
        let Some(verdict) = self.verdict.as_mut().filter(|v| v.chain.len() > 1) else { return };
        let given_up = verdict.chain.remove(0);
        let why = if stuck { "was stuck in it" } else { "kept crashing with it" };
        for trial in verdict.trials.iter_mut().filter(|t| t.choice == given_up) {
            trial.verdict = format!("given up: the recorder {why}");
        }
        let next = &verdict.chain[0];
        tracing::error!(
            "{} ({}) is given up: the recorder {why}; going on with {} ({}) at once",
            given_up.codec,
            given_up.encoder,
            next.codec,
            next.encoder
        );
        verdict.given_up.push(given_up);
        self.children[self.config.cameras.len()].start_afresh();
        self.write_run_file();
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        self.let_standby_take_over(now);
        for i in 0..self.children.len() {
            let child = &mut self.children[i];
            if child.is_due(now) && self.rings.is_missing(i) {
                // A capture without a ring could only end again.
                child.put_off(now + LOOK_AROUND);
            } else if child.is_due(now) {
                // A standby that has taken over has had no end of its own.
                child.record.restarts += u64::from(child.last_exit.is_some());
                child.spawn(&self.events);
                // Kept at once: a process that the next supervisor doesn't know of could be neither adopted nor ended.
                self.save();
            }
        }
    }

    fn let_standby_take_over(&mut self, now: Instant) {
        let [recorder, standby] = &mut self.children[self.config.cameras.len()..] else { return };
        if recorder.last_exit.is_none() || !recorder.is_due(now) || !recorder.take_place_from(standby) {
            return;
        }
        recorder.record.restarts += 1;
        let pid = recorder.running().map_or(String::new(), |r| format!(" (pid {})", r.pid));
        tracing::info!("the standby{pid} is the recorder now");
        // Kept before it holds anything: whoever comes next must know that it is the recorder.
        self.save();
        self.arm();
    }

    fn until_next_start(&self) -> Duration {
        let now = Instant::now();
        let due = self.children.iter().filter_map(|c| match c.life {
            Life::Waiting { until } => Some(until.saturating_duration_since(now)),
            Life::Running(_) | Life::Ended => None,
        });
        due.min().unwrap_or(LOOK_AROUND)
    }

    fn look_around(&mut self, since_last: Duration) {
        let now = Instant::now();
        self.mend_rings();
        self.memory.look(now, proc::out_of_memory_kills);
        let probed = self.verdict.is_some();
        for child in &mut self.children {
            let opened = match child.id {
                ChildId::Recorder => probed,
                ChildId::Standby => child.running().is_some_and(|r| r.orders.is_some()),
                ChildId::Capture(_) => child.camera != CameraState::Opening,
            };
            if let Some(running) = child.running_mut() {
                if since_last > LATE {
                    running.forgive(since_last);
                }
                if running.since.elapsed() >= restart::HEALTHY_LIFE {
                    child.record.forgive();
                }
            }
            child.end_if_hung(now, opened);
        }
        if !self.ready_said && self.state() == InstanceState::Ready {
            self.ready_said = true;
            tracing::info!(
                "ready: {} cameras, armed for {} ms before and {} ms after a trigger",
                self.config.cameras.len(),
                self.config.recording.pre_roll_ms,
                self.config.recording.post_roll_ms
            );
        }
        self.tell_service(now);
        self.publish();
    }

    /// Told by the loop itself: a supervisor whose loop stands still is not alive.
    fn tell_service(&mut self, now: Instant) {
        let Some(mut service) = self.service.take() else { return };
        let state = self.state();
        let clips = match self.clips.open_count() {
            0 => String::new(),
            open => format!(", {open} clips open"),
        };
        let status = match self.troubles().first() {
            Some(trouble) => format!("{state}: {trouble}"),
            None => format!("{state}: {} cameras{clips}", self.config.cameras.len()),
        };
        service.tell(now, state != InstanceState::Starting, status);
        self.service = Some(service);
    }

    /// Replaces rings that something has broken: the captures are to write to the new ones, and the recorders to let
    /// go of the old.
    fn mend_rings(&mut self) {
        for (place, camera) in self.config.cameras.iter().enumerate() {
            let look = self.rings.mend(place, camera, &self.dir.segment(&camera.name));
            if look == Look::AsBefore {
                continue;
            }
            self.ring_broke = Some(Instant::now());
            let (captures, recorders) = self.children.split_at_mut(self.config.cameras.len());
            // A film that has played to its end has nothing to put into the new one.
            if !matches!(captures[place].life, Life::Ended) {
                captures[place].begin_again("its ring broke");
            }
            for orders in recorders.iter().filter_map(|r| r.running()?.orders.as_ref()) {
                orders.to_recorder(RecorderOrder::Rings);
            }
        }
    }

    fn save(&self) {
        let saved = |c: &Child| {
            let running = c.running()?;
            Some(SavedChild { id: c.id.clone(), pid: running.pid, start_ticks: running.start_ticks })
        };
        let children = self.children.iter().filter_map(saved).collect();
        let run_folder = self.clips.run_folder().to_owned();
        let saved = Saved {
            boot_id: proto::instance::boot_id(),
            run_folder,
            children,
            verdict: self.verdict.clone(),
        };
        state::save(&self.dir, &saved);
    }

    pub(crate) fn write_run_file(&self) {
        self.run_file.write(self.verdict.as_ref(), self.clips.counts());
    }
}
