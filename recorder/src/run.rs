//! The recorder as a whole: arms itself, takes orders, hands plans to workers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use proto::clip::{MANIFEST, Plan, plan_path, unfinished_clips};
use proto::codec::EncoderLadder;
use proto::config::{CameraConfig, Config};
use proto::failpoint;
use proto::instance::{ChildId, RuntimeDir};
use proto::link::{self, Link, Reports};
use proto::messages::{BEAT, RecorderOrder, RecorderReport};
use proto::name::Name;
use proto::ring::Ring;
use proto::storage;
use proto::time::MonotonicNs;

use crate::disk::{self, Disk};
use crate::finish::{self, Finishing};
use crate::hold::{self, Hold};
use crate::probe::{self, SharedLadder};
use crate::pulse::Pulse;
use crate::worker::{Job, Worker};

/// How far ahead a stop sets the end of open clips: longer than it takes to tell every worker.
const LAST_FRAMES: Duration = Duration::from_millis(50);
/// How often a folder that can't be read is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// `recorder --probe`: tries every codec and prints the verdict as JSON.
pub(crate) fn probe(runtime_dir: &Path) -> anyhow::Result<()> {
    // Not a moment longer than the recorder that asks.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let dir = RuntimeDir::open(runtime_dir)?;
    let config = Config::load_checked(&dir.config_path()).context("the instance's config")?;
    let verdict = probe::probe(&config, &open_rings(&config, &dir), &dir.path().join("probe"));
    serde_json::to_writer(std::io::stdout(), &verdict)?;
    Ok(())
}

/// Runs until it is told to stop. A standby differs only in where it meets the supervisor: it is idle until it is
/// armed, and then it is the recorder.
pub(crate) fn run(runtime_dir: &Path, standby: bool) -> anyhow::Result<()> {
    let dir = RuntimeDir::open(runtime_dir)?;
    let id = if standby { ChildId::Standby } else { ChildId::Recorder };
    let Link { orders, reports } = link::start(&dir.rendezvous(&id))?;
    let pulse = Arc::new(Pulse::default());
    beat(&reports, &pulse)?;
    let config = Config::load_checked(&dir.config_path()).context("the instance's config")?;
    let verdict: SharedLadder = Arc::new(Mutex::new(probe::unprobed(&config)));
    let disk = Disk::watch(&config.recording)?;
    pulse.show_disk(&disk);
    let mut desk = Desk::open(&config, &dir, &verdict, &reports, &pulse, &disk)?;
    // The probe has begun, or need not; and it has ended, or need not begin.
    let (mut probing, known_by_now) = (false, Arc::new(AtomicBool::new(false)));
    loop {
        let order = match desk.next(&orders) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => {
                desk.try_again();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        match order {
            RecorderOrder::Arm { verdict: known, run_folders } => {
                match known {
                    // It may be one step down the chain from ours.
                    Some(known) => {
                        probing = true;
                        let ours = known_by_now.swap(true, Ordering::AcqRel).then(|| get(&verdict));
                        set(&verdict, ours.map_or(known.clone(), |ours| probe::merged(known, &ours)));
                        reports.send(RecorderReport::Codecs(get(&verdict)));
                    }
                    // Another supervisor has adopted us: it wants to know what we know, as soon as we do.
                    None if probing => {
                        if known_by_now.load(Ordering::Acquire) {
                            reports.send(RecorderReport::Codecs(get(&verdict)));
                        }
                    }
                    None => {
                        probing = true;
                        start_probe(&dir, &config, &verdict, &known_by_now, &reports)?;
                    }
                }
                if let Some(run_folder) = run_folders.first() {
                    disk.use_run_folder(run_folder);
                }
                for run_folder in run_folders {
                    desk.take_on_all(&run_folder);
                }
                desk.show_waiting();
                // What no clip has taken is not needed.
                desk.tell_all(|| Job::Cool);
            }
            RecorderOrder::Warm(known) => {
                set(&verdict, known);
                desk.tell_all(|| Job::Warm);
            }
            RecorderOrder::Cool => desk.tell_all(|| Job::Cool),
            RecorderOrder::Clip(folder) => {
                failpoint::pass("clip.told", folder.display());
                desk.take_on(&folder);
                desk.show_waiting();
            }
            RecorderOrder::Rings => desk.look_at_rings(),
            RecorderOrder::Stop => break,
        }
    }
    desk.close();
    Ok(())
}

fn set(verdict: &SharedLadder, known: EncoderLadder) {
    *verdict.lock().unwrap_or_else(PoisonError::into_inner) = known;
}

fn get(verdict: &SharedLadder) -> EncoderLadder {
    verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn open_rings(config: &Config, dir: &RuntimeDir) -> Vec<Option<Arc<Ring>>> {
    let open = |camera: &CameraConfig| {
        let ring = Ring::open(&dir.segment(&camera.name));
        ring.map_err(|e| tracing::error!("camera {}: {e}", camera.name)).ok()
    };
    config.cameras.iter().map(open).collect()
}

/// Probes beside everything else: a trigger that comes meanwhile is recorded with what is known to work nearly
/// everywhere.
fn start_probe(
    dir: &RuntimeDir,
    config: &Config,
    verdict: &SharedLadder,
    known_by_now: &Arc<AtomicBool>,
    reports: &Reports<RecorderReport>,
) -> std::io::Result<()> {
    let known_by_now = Arc::clone(known_by_now);
    let (dir, config) = (dir.clone(), config.clone());
    let (verdict, reports) = (Arc::clone(verdict), reports.clone());
    std::thread::Builder::new().name("probe".into()).spawn(move || {
        match probe::in_a_process_of_its_own(dir.path()) {
            Ok(found) => set(&verdict, found),
            Err(e) => tracing::warn!("{e:#}; going by what works nearly everywhere"),
        }
        // The probe has ended, however it did. Its leases are in the rings that are there now; none of them is kept.
        let _ = open_rings(&config, &dir)
            .iter()
            .flatten()
            .map(|ring| ring.sweep(probe::reader_bit()))
            .sum::<usize>();
        known_by_now.store(true, Ordering::Release);
        let found = get(&verdict);
        probe::say(&found, &config);
        reports.send(RecorderReport::Codecs(found));
    })?;
    Ok(())
}

fn beat(reports: &Reports<RecorderReport>, pulse: &Arc<Pulse>) -> std::io::Result<()> {
    let (reports, pulse) = (reports.clone(), Arc::clone(pulse));
    std::thread::Builder::new().name("beat".into()).spawn(move || {
        loop {
            reports.send(RecorderReport::Beat(pulse.beat()));
            std::thread::sleep(BEAT);
        }
    })?;
    Ok(())
}

/// Where plans come in and are handed out.
struct Desk {
    verdict: SharedLadder,
    workers: HashMap<Name, (Sender<Job>, JoinHandle<()>)>,
    finisher: (Sender<Finishing>, JoinHandle<()>),
    taken_on: HashSet<PathBuf>,
    /// Sessions that couldn't be listed, and clips that couldn't be taken on, with the reason.
    unlisted: BTreeMap<PathBuf, String>,
    waiting: BTreeMap<PathBuf, String>,
    reports: Reports<RecorderReport>,
    pulse: Arc<Pulse>,
}

impl Desk {
    fn open(
        config: &Config,
        dir: &RuntimeDir,
        verdict: &SharedLadder,
        reports: &Reports<RecorderReport>,
        pulse: &Arc<Pulse>,
        disk: &Arc<Disk>,
    ) -> std::io::Result<Self> {
        let (footage, queue) = channel();
        let (to_supervisor, beating, folder) = (reports.clone(), Arc::clone(pulse), Arc::clone(disk));
        let finisher = std::thread::Builder::new()
            .name("finisher".into())
            .spawn(move || finish::run(&queue, &to_supervisor, &beating, &folder))?;
        let mut workers = HashMap::new();
        // Each worker has its own, and lets go of it when it is broken: nobody else may keep its memory.
        for (camera, ring) in config.cameras.iter().zip(open_rings(config, dir)) {
            let (jobs_to, jobs) = channel();
            let worker = Worker {
                camera: camera.name.clone(),
                segment: dir.segment(&camera.name),
                ring,
                verdict: Arc::clone(verdict),
                quality: config.recording.codec_quality,
                may_hurry: config.recording.preset.is_none(),
                reports: reports.clone(),
                jobs,
                finishing: footage.clone(),
                pulse: Arc::clone(pulse),
                disk: Arc::clone(disk),
            };
            let thread =
                std::thread::Builder::new().name(camera.name.to_string()).spawn(move || worker.run())?;
            workers.insert(camera.name.clone(), (jobs_to, thread));
        }
        Ok(Self {
            verdict: Arc::clone(verdict),
            workers,
            finisher: (footage, finisher),
            taken_on: HashSet::new(),
            unlisted: BTreeMap::new(),
            waiting: BTreeMap::new(),
            reports: reports.clone(),
            pulse: Arc::clone(pulse),
        })
    }

    /// The next order. Only while something has to be tried again, it is not waited for longer than that.
    fn next(&self, orders: &Receiver<RecorderOrder>) -> Result<RecorderOrder, RecvTimeoutError> {
        if self.unlisted.is_empty() && self.waiting.is_empty() {
            orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            orders.recv_timeout(TRY_AGAIN)
        }
    }

    /// Looks again for what couldn't be read.
    fn try_again(&mut self) {
        for run_folder in self.unlisted.keys().cloned().collect::<Vec<_>>() {
            self.take_on_all(&run_folder);
        }
        for folder in self.waiting.keys().cloned().collect::<Vec<_>>() {
            self.take_on(&folder);
        }
        self.show_waiting();
    }

    /// Takes on whatever is unfinished in a run folder.
    fn take_on_all(&mut self, run_folder: &Path) {
        match disk::ask(|| unfinished_clips(run_folder)) {
            Ok(folders) => {
                self.unlisted.remove(run_folder);
                folders.iter().for_each(|folder| self.take_on(folder));
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

    /// Begins a clip, or goes on with one that another recorder left. Safe to repeat. One that can't be read now is
    /// tried again: its plan was accepted, and the folder may only be away.
    fn take_on(&mut self, folder: &Path) {
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
            return self.lose(folder, &e.into());
        }
        let why = format!("clip {} can't be taken on: {e}", folder.display());
        if self.waiting.get(folder) != Some(&why) {
            tracing::error!("{why}; trying again until it works");
            self.waiting.insert(folder.to_owned(), why);
        }
    }

    /// Shows a person why a clip has to wait. That a run folder is gone says nothing of any clip: it may have been removed
    /// with all of them, and is only looked for.
    fn show_waiting(&self) {
        let gone = |run_folder: &&PathBuf| disk::ask(|| matches!(run_folder.try_exists(), Ok(false)));
        let unlisted = self.unlisted.iter().find(|(run_folder, _)| !gone(run_folder));
        let why = self.waiting.values().next().or(unlisted.map(|(_, why)| why));
        self.pulse.set_intake_trouble(
            why.map(|why| format!("{why}. It is tried again until it works; nothing has to be restarted")),
        );
    }

    fn try_to_take_on(&mut self, folder: &Path) -> io::Result<()> {
        if self.taken_on.contains(folder) {
            return Ok(());
        }
        // Nothing is left in it but the plan's empty place.
        if disk::ask(|| -> io::Result<bool> {
            Ok(!plan_path(folder).try_exists()? && finish::already_finished(folder)?.is_some())
        })? {
            return Ok(());
        }
        disk::ask(|| storage::no_link_to(folder))?;
        let Some(hold) = Hold::take(folder)?.map(Arc::new) else {
            tracing::info!("clip {}: another recorder is at work on it", folder.display());
            return Ok(());
        };
        if let Some(manifest) = disk::ask(|| finish::already_finished(folder))? {
            self.taken_on.insert(folder.to_owned());
            finish::announce(folder, &manifest, &self.reports);
            return Ok(());
        }
        let text = hold::patiently(folder, || std::fs::read(plan_path(folder)))?;
        self.taken_on.insert(folder.to_owned());
        let plan: Arc<Plan> = match serde_json::from_slice(&text) {
            Ok(plan) => Arc::new(plan),
            Err(e) => {
                self.lose(folder, &e.into());
                return Ok(());
            }
        };
        failpoint::pass("clip.taken_on", folder.display());
        self.pulse.clip_opened();
        for camera in &plan.cameras {
            let job = Job::Record {
                folder: folder.to_owned(),
                plan: Arc::clone(&plan),
                camera: camera.clone(),
                hold: Arc::clone(&hold),
            };
            match self.workers.get(&camera.name) {
                // A worker ends only after the desk is closed.
                Some((jobs, _)) => drop(jobs.send(job)),
                None => self.without_worker(job),
            }
        }
        Ok(())
    }

    /// Has every worker make sure of its ring.
    fn look_at_rings(&self) {
        self.workers.values().for_each(|(jobs, _)| drop(jobs.send(Job::LookAtRing)));
    }

    /// A clip without a plan that can be read can't be recorded, and nobody should wait for it.
    fn lose(&self, folder: &Path, why: &anyhow::Error) {
        tracing::error!(
            "clip {}: its plan can't be read, so it can't be recorded: {why:#}",
            folder.display()
        );
        self.reports.send(RecorderReport::ClipLost { folder: folder.to_owned() });
    }

    /// A camera that this config no longer has: what is on disk of it is all there will be.
    fn without_worker(&self, job: Job) {
        let Job::Record { folder, plan, camera, hold } = job else { return };
        let studio = crate::take::Studio {
            ring: None,
            reader: None,
            verdict: &get(&self.verdict),
            quality: 0,
            may_hurry: false,
            warm: None,
        };
        let footage = crate::take::Take::begin(&folder, plan, camera, hold, studio).wrap();
        let _ = self.finisher.0.send(Finishing::Camera(Box::new(footage)));
    }

    fn tell_all(&self, job: impl Fn() -> Job) {
        // A worker ends only after the desk is closed.
        self.workers.values().for_each(|(jobs, _)| drop(jobs.send(job())));
    }

    /// Closes every open clip as it is, and waits until all are finished.
    fn close(self) {
        let (jobs, threads): (Vec<_>, Vec<_>) = self.workers.into_values().unzip();
        // One window on one clock for every camera, and none has a frame from after its end yet.
        let end = MonotonicNs::now() + LAST_FRAMES;
        jobs.iter().for_each(|j| drop(j.send(Job::Stop { end })));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a camera's worker panicked; its clip stays unfinished until the next start");
            }
        }
        let (footage, thread) = self.finisher;
        let _ = footage.send(Finishing::End);
        let _ = thread.join();
    }
}
