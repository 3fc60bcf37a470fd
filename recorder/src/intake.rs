//! The intake of plans: finds unfinished clips, locks them, reads their plans, and hands each camera's part to that
//! camera's worker. How a part is recorded is [`crate::take`]'s subject.

mod on_trial;
mod windows;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::clip::{MANIFEST, Plan, clip_name, plan_path, unfinished_clips};
use proto::config::{ClipMode, Config};
use proto::failpoint;
use proto::instance::RuntimeDir;
use proto::ladder::EncoderLadder;
use proto::link::Reports;
use proto::messages::{RecorderOrder, RecorderReport};
use proto::name::Name;
use proto::opened;
use proto::storage;
use proto::time::MonotonicNs;

use crate::assignment::Assignment;
use crate::backlog::Backlog;
use crate::clip_lock::{self, ClipLock};
use crate::copying::ClipWishes;
use crate::disk::{self, output::OutputFolder};
use crate::finish::{self, Finishing};
use crate::ladder::{CameraLadder, SharedLadders};
use crate::left_alone::{LOOK_AGAIN, LeftAlone};
use crate::open_window::OpenWindow;
use crate::pulse::Pulse;
use crate::rings::{CameraRing, open_rings};
use crate::stop;
use crate::sums::Sums;
use crate::suspects::{self, Suspects};
use crate::take::{Encoders, How, Take};
use crate::worker::{Job, Worker};

/// A stop sets the end of open clips this far ahead. Telling every worker takes less time, so all of them end at the same
/// moment, and none has a frame from after it yet.
const LAST_FRAMES: Duration = Duration::from_millis(50);
/// The pause before another look at a folder that can't be read.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Takes plans in, and hands them out to the workers. Its many fields are the places where a clip may be: each clip is in one
/// of them, and they change together.
pub(crate) struct Intake {
    workers: HashMap<Name, (Sender<Job>, JoinHandle<()>)>,
    finisher: (Sender<Finishing>, JoinHandle<()>),
    /// Clips that were taken on, each with its window until it is finished.
    taken_on: HashMap<PathBuf, Weak<OpenWindow>>,
    /// Clips that were given up. A supervisor that tells of one again has not heard that.
    given_up: HashSet<PathBuf>,
    /// Clips that another recorder is at work on. It may end before they are finished.
    elsewhere: BTreeSet<PathBuf>,
    /// Run folders that couldn't be listed, with the reason.
    unlisted: BTreeMap<PathBuf, String>,
    /// Clips that couldn't be taken on, with the reason.
    waiting: BTreeMap<PathBuf, String>,
    left_alone: LeftAlone,
    suspects: Suspects,
    tried_again: Instant,
    reports: Reports<RecorderReport>,
    pulse: Arc<Pulse>,
    backlog: Arc<Backlog>,
    sums: Sums,
}

impl Intake {
    /// Starts the finisher and a worker for each camera.
    pub(crate) fn open(
        config: &Config,
        dir: &RuntimeDir,
        ladders: &SharedLadders,
        reports: &Reports<RecorderReport>,
        pulse: &Arc<Pulse>,
        output: &Arc<OutputFolder>,
        backlog: &Arc<Backlog>,
    ) -> io::Result<Self> {
        let (footage, queue) = channel();
        let sums = Sums::start(config.recording.poster, reports);
        let (to_supervisor, beating, room) = (reports.clone(), Arc::clone(pulse), Arc::clone(output));
        let of_finished = sums.clone();
        let finisher = std::thread::Builder::new()
            .name("finisher".into())
            .spawn(move || finish::run(&queue, &to_supervisor, &beating, &room, &of_finished))?;
        let mut workers = HashMap::new();
        // Each worker has a mapping of the ring for itself alone, and lets go of it when the ring is broken: another's
        // would keep the broken ring's memory.
        let cameras = config.cameras.iter().zip(open_rings(config, dir)).zip(backlog.cameras());
        for ((camera, ring), of_camera) in cameras {
            let (jobs_to, jobs) = channel();
            let worker = Worker {
                camera: camera.name.clone(),
                ring: CameraRing::new(camera.name.clone(), dir.segment(&camera.name), ring),
                ladder: ladders.of(&camera.name),
                quality: config.recording.codec_quality,
                wishes: ClipWishes::of(camera, &config.recording),
                reports: reports.clone(),
                jobs,
                finishing: footage.clone(),
                pulse: Arc::clone(pulse),
                output: Arc::clone(output),
                backlog: Arc::clone(of_camera),
            };
            let thread =
                std::thread::Builder::new().name(camera.name.to_string()).spawn(move || worker.run())?;
            workers.insert(camera.name.clone(), (jobs_to, thread));
        }
        Ok(Self {
            workers,
            finisher: (footage, finisher),
            taken_on: HashMap::new(),
            given_up: HashSet::new(),
            elsewhere: BTreeSet::new(),
            unlisted: BTreeMap::new(),
            waiting: BTreeMap::new(),
            left_alone: LeftAlone::new(dir, output.path()),
            suspects: Suspects::default(),
            tried_again: Instant::now(),
            reports: reports.clone(),
            pulse: Arc::clone(pulse),
            backlog: Arc::clone(backlog),
            sums,
        })
    }

    /// Waits for the next order, and no longer than until folders have to be looked at again.
    pub(crate) fn next(&self, orders: &Receiver<RecorderOrder>) -> Result<RecorderOrder, RecvTimeoutError> {
        let nothing_to_try = self.knows_all() && self.elsewhere.is_empty() && !self.waits_for_an_end();
        let pause = if nothing_to_try { LOOK_AGAIN } else { TRY_AGAIN };
        orders.recv_timeout(if self.suspects.are_tried() { suspects::LOOK } else { pause })
    }

    /// Looks again at every folder that couldn't be read, and at clips that were left alone.
    pub(crate) fn try_again(&mut self) {
        if self.suspects.are_tried() {
            self.try_suspects();
            if self.tried_again.elapsed() < TRY_AGAIN {
                return;
            }
        }
        self.tried_again = Instant::now();
        self.look_at_begun();
        for run_folder in self.unlisted.keys().cloned().collect::<Vec<_>>() {
            self.take_on_all(&run_folder);
        }
        for folder in self.waiting.keys().chain(&self.elsewhere).cloned().collect::<Vec<_>>() {
            self.take_on(&folder);
        }
        for folder in disk::ask(|| self.left_alone.due()) {
            self.take_on(&folder);
        }
        self.show_waiting();
    }

    /// Takes on every unfinished clip of a run folder.
    pub(crate) fn take_on_all(&mut self, run_folder: &Path) {
        self.left_alone.look_for_more();
        match disk::ask(|| unfinished_clips(run_folder)) {
            Ok(folders) => {
                self.unlisted.remove(run_folder);
                disk::ask(|| self.left_alone.find_set_aside(run_folder));
                if self.suspects.are_there() {
                    folders.iter().for_each(|folder| self.suspect(folder));
                    self.try_suspects();
                } else {
                    folders.iter().for_each(|folder| self.take_on(folder));
                }
            }
            Err(e) => {
                let why = format!("can't look for unfinished clips in {}: {e}", run_folder.display());
                if self.unlisted.get(run_folder) != Some(&why) {
                    tracing::error!("{why}; trying again until it works");
                    self.unlisted.insert(run_folder.to_owned(), why);
                }
            }
        }
    }

    /// Begins a clip, or goes on with one that another recorder left. Safe to repeat. A clip that can't be read now is tried
    /// again: its plan was accepted, and the folder may only be away.
    pub(crate) fn take_on(&mut self, folder: &Path) {
        self.take_on_or_wait(folder);
        let later = self.waiting.keys().chain(&self.elsewhere).chain(self.suspects.waiting());
        self.pulse.clips().set_waiting(later);
    }

    fn take_on_or_wait(&mut self, folder: &Path) {
        let Err(e) = self.try_to_take_on(folder) else {
            self.waiting.remove(folder);
            return;
        };
        let has_no_plan = || {
            let there = |path: &Path| path.try_exists().ok();
            there(&folder.join(MANIFEST)) == Some(true) && there(&plan_path(folder)) == Some(false)
        };
        if disk::ask(|| storage::is_removed(folder) || has_no_plan()) {
            self.waiting.remove(folder);
            return self.give_up(folder, &e.to_string());
        }
        let why = format!("clip {} can't be begun or gone on with: {e}", folder.display());
        if self.waiting.get(folder) != Some(&why) {
            tracing::error!(clip = &*clip_name(folder), "{why}; trying again until it works");
            self.waiting.insert(folder.to_owned(), why);
        }
    }

    /// Shows a person why a clip has to wait. A run folder that is gone is not shown: it may have been removed with all of
    /// its clips.
    pub(crate) fn show_waiting(&self) {
        self.pulse.set_attention(self.left_alone.attention());
        let gone = |run_folder: &&PathBuf| disk::ask(|| matches!(run_folder.try_exists(), Ok(false)));
        let unlisted = self.unlisted.iter().find(|(run_folder, _)| !gone(run_folder));
        let why = self.waiting.values().next().or(unlisted.map(|(_, why)| why));
        self.pulse.set_intake_trouble(
            why.map(|why| format!("{why}. It is tried again until it works; nothing has to be restarted")),
        );
    }

    fn try_to_take_on(&mut self, folder: &Path) -> io::Result<()> {
        if let Some(window) = self.taken_on.get(folder) {
            // It has grown, or the supervisor has missed how it ended.
            window.upgrade().into_iter().for_each(|window| self.look_at(folder, &window));
            return self.tell_again(folder);
        }
        if self.suspects.is_waiting(folder) {
            return Ok(());
        }
        // A finished clip whose plan is gone needs nothing but the last of its partial folder removed.
        if disk::ask(|| -> io::Result<bool> {
            Ok(!plan_path(folder).try_exists()? && finish::already_finished(folder)?.is_some())
        })? {
            self.elsewhere.remove(folder);
            self.sums.of_earlier(folder);
            return Ok(());
        }
        disk::ask(|| storage::no_link_to(folder))?;
        let text = match clip_lock::patiently(folder, || opened::read(&plan_path(folder))) {
            Err(e) if opened::is_foreign(&e) => return self.set_aside(folder, &e.to_string()),
            other => other?,
        };
        // Before the lock: whoever has the clip must not find it locked.
        if disk::ask(|| self.left_alone.is_anothers(folder, &text)) {
            self.elsewhere.remove(folder);
            return Ok(());
        }
        let Some(lock) = ClipLock::take(folder)?.map(Arc::new) else {
            if self.elsewhere.insert(folder.to_owned()) {
                tracing::info!(
                    clip = &*clip_name(folder),
                    "clip {}: another recorder is at work on it",
                    folder.display()
                );
            }
            return Ok(());
        };
        self.elsewhere.remove(folder);
        if let Some(manifest) = disk::ask(|| finish::already_finished(folder))? {
            self.taken_on.insert(folder.to_owned(), Weak::new());
            self.pulse.clips().finish(folder);
            finish::announce(folder, &manifest, &self.reports);
            drop(lock);
            self.sums.of_earlier(folder);
            return Ok(());
        }
        let stopped = disk::ask(|| stop::read(folder))?;
        let plan = match Plan::read(&text, folder) {
            Ok(plan) => Arc::new(plan),
            Err(e) => return self.set_aside(folder, &e.to_string()),
        };
        let window = OpenWindow::read(folder, &plan, stopped)?;
        if !self.may_be_tried(folder, &plan) {
            return self.set_aside(folder, "two recorders have crashed over it");
        }
        self.taken_on.insert(folder.to_owned(), Arc::downgrade(&window));
        self.hand_out(folder, &plan, &window, &lock);
        Ok(())
    }

    /// A clip that was taken on is told of again. The supervisor does that when it has missed how the clip ended.
    fn tell_again(&self, folder: &Path) -> io::Result<()> {
        if self.given_up.contains(folder) {
            self.reports.send(RecorderReport::ClipLost { folder: folder.to_owned() });
        } else if !self.pulse.clips().is_open(folder)
            && let Some(manifest) = disk::ask(|| finish::already_finished(folder))?
        {
            finish::announce(folder, &manifest, &self.reports);
        }
        Ok(())
    }

    /// Hands a plan to the workers of its cameras.
    fn hand_out(&self, folder: &Path, plan: &Arc<Plan>, window: &Arc<OpenWindow>, lock: &Arc<ClipLock>) {
        failpoint::pass("clip.taken_on", folder.display());
        self.need(folder, plan, window.now());
        self.pulse.clips().open(folder);
        for camera in &plan.cameras {
            let assignment = Assignment {
                folder: folder.to_owned(),
                plan: Arc::clone(plan),
                camera: camera.clone(),
                lock: Arc::clone(lock),
                window: Arc::clone(window),
            };
            match self.workers.get(&camera.name) {
                // A worker ends only after the intake is closed, so it hears this.
                Some((jobs, _)) => drop(jobs.send(Job::Record(assignment))),
                None => self.without_worker(assignment),
            }
        }
    }

    /// True when every plan that was looked for has been read.
    pub(crate) fn knows_all(&self) -> bool {
        self.unlisted.is_empty() && self.waiting.is_empty() && self.suspects.waiting().next().is_none()
    }

    /// Sets aside a clip that can't be recorded. Nobody should wait for it.
    fn set_aside(&mut self, folder: &Path, why: &str) -> io::Result<()> {
        disk::ask(|| self.left_alone.set_aside(folder, why))?;
        self.given_up.insert(folder.to_owned());
        self.elsewhere.remove(folder);
        self.reports.send(RecorderReport::ClipLost { folder: folder.to_owned() });
        Ok(())
    }

    /// Gives up a clip whose folder or plan was removed. It can't be recorded, and nobody should wait for it.
    fn give_up(&mut self, folder: &Path, why: &str) {
        self.given_up.insert(folder.to_owned());
        self.elsewhere.remove(folder);
        tracing::error!(
            clip = &*clip_name(folder),
            "clip {}: its folder or its plan is gone, so it can't be recorded: {why}",
            folder.display()
        );
        self.reports.send(RecorderReport::ClipLost { folder: folder.to_owned() });
    }

    /// Ends the part of a camera that this config no longer has. The frames on disk are all there will be of it.
    fn without_worker(&self, assignment: Assignment) {
        let ladder = CameraLadder::alone(&assignment.camera.name, EncoderLadder::default());
        let how = How::Encoded(Encoders { ladder, quality: 0 });
        let footage = Take::begin(assignment, None, how, ClipMode::default(), Duration::ZERO).wrap();
        let _ = self.finisher.0.send(Finishing::Camera(Box::new(footage)));
    }

    /// Has the sums made of clips whose recorder was killed before it came to them.
    pub(crate) fn sum_all_earlier(&self, output: &OutputFolder) {
        self.sums.of_all_earlier(output.path());
    }

    /// Gives every worker the same job.
    pub(crate) fn tell_all(&self, job: impl Fn() -> Job) {
        // A worker ends only after the intake is closed, so it hears this.
        self.workers.values().for_each(|(jobs, _)| drop(jobs.send(job())));
    }

    /// Ends every open clip in a moment, and waits until all are finished.
    pub(crate) fn close(self) {
        let end = MonotonicNs::now() + LAST_FRAMES;
        self.tell_all(|| Job::Stop { end });
        // A clip that isn't done in time is gone on with by the next start, up to here and no further.
        self.lasting_beyond(end).for_each(|folder| stop::note(folder, end));
        let (_jobs, threads): (Vec<_>, Vec<_>) = self.workers.into_values().unzip();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!(
                    "a camera's worker panicked; its clips stay unfinished until the next start finishes them"
                );
            }
        }
        let (footage, thread) = self.finisher;
        let _ = footage.send(Finishing::End);
        let _ = thread.join();
        self.sums.end();
    }
}
