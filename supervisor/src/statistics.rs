//! The statistics that `stats` and `status` print.
//!
//! They come from three places. The loop publishes its [`View`] whenever something in it changes. A thread of this
//! module reads /proc once a second, shared memory included, which takes milliseconds with many rings. Rings and
//! clips are read at the moment of the question, from memory. The document is put together on the thread of the
//! command that asks, so the loop does nothing for a question.

mod changes;
mod delay;
mod figures;
mod in_use;
pub(crate) mod meter;
mod ring;
mod trends;
pub(crate) mod view;

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use proto::config::Config;
use proto::event::Event;
use proto::messages::BacklogBeat;
use proto::priority;
use proto::process::Pid;
use proto::stats::{
    BacklogStats, DelayStats, DiskStats, Health, ProcessStats, RecorderStats, SCHEMA, Stats, Totals,
};
use proto::status::{CameraStatus, InstanceState, ProcessRole, ProcessState};

use crate::check::price;
use crate::clips::{Clips, Phase};
use crate::config_on_disk::ConfigOnDisk;
use crate::health::load::{Expected, Load};
use crate::health::surroundings::DiskRoom;
use crate::health::{self, Behind, Situation};
use crate::retention::Retention;
use delay::{LoopDelay, Recent};
use figures::{camera_stats, process_stats, totals};
use in_use::InUse;
use meter::{Meter, Reading};
use ring::FrameRates;
use trends::{Counted, Second, TrendWatch, Trends};
use view::{ProcessView, View};

/// The time between two readings of /proc.
const EVERY: Duration = Duration::from_secs(1);
/// Readings older than this say nothing of the present: the thread that reads may be stuck in a question to the kernel.
const STALE: Duration = Duration::from_secs(3);

/// The meeting place of the loop, which publishes, and the commands, which read.
pub(crate) struct Statistics {
    in_use: InUse,
    clips: Arc<Clips>,
    on_disk: Arc<ConfigOnDisk>,
    /// Not set in tests of other things.
    retention: OnceLock<Arc<Retention>>,
    started: Instant,
    /// `None` until the loop has published for the first time.
    view: Mutex<Option<Arc<View>>>,
    published: Condvar,
    readings: Mutex<Arc<Readings>>,
    loop_delay: LoopDelay,
}

/// A camera that delivers no live frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotLive {
    pub(crate) name: String,
    pub(crate) status: CameraStatus,
    /// For a person: its trouble, as far as it is known.
    pub(crate) reason: Option<String>,
}

/// The readings of one second.
#[derive(Default)]
struct Readings {
    /// `None` before the first.
    at: Option<Instant>,
    /// By pid.
    processes: HashMap<Pid, Reading>,
    /// Frames a second, by camera.
    rates: HashMap<String, f64>,
    loop_delay: DelayStats,
    /// The processors that this instance may use.
    cores: f64,
    trends: Trends,
}

/// What a reading needs of the view.
struct Looked {
    pids: Vec<Pid>,
    rates: HashMap<String, f64>,
    cameras: Vec<Counted>,
    backlog_bytes: u64,
    clips_open: u64,
}

impl Statistics {
    /// Nothing is read before the loop has published for the first time.
    pub(crate) fn start(config: Arc<Config>, clips: Arc<Clips>) -> std::io::Result<Arc<Self>> {
        let statistics = Arc::new(Self::new(config, clips));
        statistics.on_disk.watch()?;
        let reader = Arc::clone(&statistics);
        std::thread::Builder::new().name("statistics".into()).spawn(move || reader.read_for_ever())?;
        Ok(statistics)
    }

    /// Without the thread that reads.
    pub(crate) fn new(config: Arc<Config>, clips: Arc<Clips>) -> Self {
        Self {
            on_disk: Arc::new(ConfigOnDisk::new(Arc::clone(&config))),
            in_use: InUse::new(config),
            clips,
            retention: OnceLock::new(),
            started: Instant::now(),
            view: Mutex::new(None),
            published: Condvar::new(),
            readings: Mutex::default(),
            loop_delay: LoopDelay::default(),
        }
    }

    /// Goes by another config from now on: a camera gives something else. The file on the disk is the same.
    pub(crate) fn use_config(&self, config: &Arc<Config>) {
        self.in_use.replace(config);
    }

    /// Shows what retention knows of the clips on the disk from now on.
    pub(crate) fn show_disk_of(&self, retention: Arc<Retention>) {
        let _ = self.retention.set(retention);
    }

    /// The clips on the disk. The room there is known four times a second, all else as of retention's last look.
    fn disk(&self) -> DiskStats {
        let known = self.retention.get().map(|retention| retention.stats()).unwrap_or_default();
        DiskStats { free_bytes: self.clips.free_bytes(), ..known }
    }

    /// Replaces what is known of the loop. Called by the loop alone.
    pub(crate) fn publish(&self, view: View) {
        let view = Arc::new(view);
        // The last view is dropped after the lock.
        let last = lock(&self.view).replace(Arc::clone(&view));
        self.published.notify_all();
        self.emit(changes::of_cameras(last.as_deref(), &view));
    }

    fn emit(&self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.clips.events().emit(event));
    }

    /// Records how long an event has waited for the loop. Called by the loop alone.
    pub(crate) fn event_waited(&self, waited: Duration) {
        self.loop_delay.record(waited);
    }

    /// The document, as of now. Waits until the loop has published for the first time.
    pub(crate) fn document(&self) -> Stats {
        let (view, readings) = (self.view(), self.readings(Instant::now()));
        let is_ending = self.clips.phase() > Phase::Running;
        let state = if is_ending { InstanceState::Stopping } else { view.state };
        let processes = self.processes(&view, &readings, is_ending);
        let totals = totals(&processes, &readings);
        let run_folder = self.clips.run_folder().display().to_string();
        let in_use = self.in_use.now();
        Stats {
            schema: SCHEMA,
            state,
            health: self.health(&totals, &readings, &view),
            uptime_s: self.started.elapsed().as_secs_f64(),
            config: in_use.config.source.display().to_string(),
            config_changed: self.on_disk.is_changed(),
            rig: in_use.config.rig.to_string(),
            session_folder: run_folder.clone(),
            run_folder,
            cameras: view.cameras.iter().map(|camera| camera_stats(camera, &readings)).collect(),
            recorder: self.recorder(&view),
            disk: self.disk(),
            processes,
            totals,
            loop_delay_ms: readings.loop_delay,
        }
    }

    /// The cameras that deliver nothing just now, or nothing new, in the config's order. None before the loop has published
    /// for the first time.
    pub(crate) fn cameras_not_live(&self) -> Vec<NotLive> {
        let view = lock(&self.view).clone();
        let cameras = view.iter().flat_map(|view| &view.cameras);
        let not_live = cameras.filter(|camera| camera.status != CameraStatus::Live);
        not_live
            .map(|camera| NotLive {
                name: camera.name.clone(),
                status: camera.status,
                reason: camera.reason.clone(),
            })
            .collect()
    }

    fn health(&self, totals: &Totals, readings: &Readings, view: &View) -> Health {
        let in_use = self.in_use.now();
        let (behind, recording) = (behind(view), &in_use.config.recording);
        let written_bytes_per_s = price::recording_bytes_per_s(&in_use.config);
        let wanted_ms = recording.pre_roll_ms.saturating_add(recording.late_ms);
        let reaches: Vec<_> = view.cameras.iter().filter_map(|c| ring::reach(c, wanted_ms)).collect();
        let clip_ms = recording.pre_roll_ms.saturating_add(recording.post_roll_ms);
        health::verdict(&Situation {
            told: &view.troubles,
            flows: &readings.trends.flows,
            reaches: &reaches,
            load: Load {
                cpu_percent: readings.trends.cpu_percent / readings.cores.max(1.0),
                memory_bytes: totals.memory_bytes.saturating_sub(behind.backlog.bytes),
                growth: readings.trends.growth,
                written_bytes_per_s: totals.written_bytes_per_s,
                loop_p99_ms: readings.loop_delay.p99,
            },
            expected: Expected {
                // What the heap has once held for clips that overlapped, it may keep.
                memory_bytes: in_use
                    .memory
                    .with_clips(readings.trends.most_open.max(view.recorder.clips_open).max(1)),
                written_bytes_per_s,
            },
            disk: DiskRoom {
                free_bytes: self.clips.free_bytes(),
                floor_bytes: recording.min_free_bytes,
                clip_bytes: written_bytes_per_s * Duration::from_millis(clip_ms).as_secs_f64(),
            },
            retention: self.disk().trouble,
            clock: readings.trends.clock.clone(),
            behind,
        })
    }

    fn processes(&self, view: &View, readings: &Readings, is_ending: bool) -> Vec<ProcessStats> {
        std::iter::once(self.own_process(is_ending))
            .chain(view.processes.iter().cloned())
            .map(|process| process_stats(process, readings))
            .collect()
    }

    /// Tells of changes that nobody has to ask for.
    fn tell_changes(&self, watch: &mut changes::Watch) {
        let (view, readings) = (self.view(), self.readings(Instant::now()));
        let totals = totals(&self.processes(&view, &readings, false), &readings);
        let min_free_bytes = self.in_use.now().config.recording.min_free_bytes;
        self.emit(watch.disk(self.clips.free_bytes(), min_free_bytes));
        self.emit(watch.health(&self.health(&totals, &readings, &view)));
    }

    fn own_process(&self, is_ending: bool) -> ProcessView {
        ProcessView {
            role: ProcessRole::Supervisor,
            camera: None,
            pid: Some(Pid::this()),
            state: if is_ending { ProcessState::Stopping } else { ProcessState::Running },
            restarts: 0,
            last_exit: None,
            since: Some(self.started),
        }
    }

    /// The counts of clips are those of this moment: a command that has waited for a clip finds it counted.
    fn recorder(&self, view: &View) -> RecorderStats {
        let (open, finished) = self.clips.open_and_finished();
        let encoder = view.encoder.as_ref();
        RecorderStats {
            codec: encoder.map_or(String::new(), |e| e.codec.name().to_owned()),
            encoder: encoder.map_or(String::new(), |e| e.encoder.clone()),
            preset: encoder.and_then(|e| e.preset.clone()),
            clips_completed: finished.completed,
            clips_incomplete: finished.incomplete,
            clips_open: open,
            lag_frames: view.recorder.lag_frames,
            frames_encoded: view.recorder.frames_encoded,
            last_finish_ms: finished.last_finish_ms,
            backlog: backlog(view),
            orders_resent: view.orders_resent,
            trouble: view.recorder.trouble.clone(),
        }
    }

    fn view(&self) -> Arc<View> {
        let mut view = lock(&self.view);
        loop {
            match &*view {
                Some(view) => return Arc::clone(view),
                None => view = self.published.wait(view).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// The last readings; those of nothing where they are [`STALE`].
    fn readings(&self, now: Instant) -> Arc<Readings> {
        let readings = Arc::clone(&lock(&self.readings));
        let is_stale = readings.at.is_some_and(|at| now.saturating_duration_since(at) > STALE);
        if is_stale { Arc::default() } else { readings }
    }

    /// The processes to read, and the cameras' frame rates. The view is dropped before anything slow is done: it keeps
    /// the memory of each of its rings, in which the successor of a broken one has to find room.
    fn look(&self, rates: &mut FrameRates) -> Looked {
        let view = self.view();
        Looked {
            pids: view.processes.iter().filter_map(|p| p.pid).chain([Pid::this()]).collect(),
            rates: rates.measure(&view.cameras, Instant::now()),
            cameras: view.cameras.iter().map(Counted::of).collect(),
            backlog_bytes: backlog(&view).bytes,
            clips_open: view.recorder.clips_open.max(self.clips.open_count()),
        }
    }

    fn read_for_ever(&self) {
        priority::set(priority::STATISTICS);
        let (mut meter, mut frame_rates, mut recent) =
            (Meter::new(), FrameRates::default(), Recent::default());
        // The first second begins when the loop has published.
        drop(self.view());
        let mut next = Instant::now();
        let mut trends = TrendWatch::new(next);
        let mut watch = changes::Watch::default();
        loop {
            let looked = self.look(&mut frame_rates);
            let processes = meter.read(&looked.pids);
            let pss: u64 = processes.values().map(|p| p.pss_bytes).sum();
            let second = Second {
                cpu_percent: processes.values().map(|p| p.cpu_percent).sum(),
                memory_bytes: pss.saturating_sub(looked.backlog_bytes),
                clips_open: looked.clips_open,
                cameras: looked.cameras,
            };
            let now = Instant::now();
            let readings = Readings {
                at: Some(now),
                trends: trends.note(second, now),
                processes,
                rates: looked.rates,
                loop_delay: recent.add(self.loop_delay.take()),
                cores: cores(),
            };
            *lock(&self.readings) = Arc::new(readings);
            self.tell_changes(&mut watch);
            // A machine that stood still is not made up for.
            next = (next + EVERY).max(Instant::now());
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}

fn behind(view: &View) -> Behind {
    Behind {
        backlog: backlog(view),
        frames_left: view.recorder.frames_left,
        encoded_per_s: view.encoded_per_s,
    }
}

/// The bound is the supervisor's own: the recorder's word of it is missing while no recorder is there.
fn backlog(view: &View) -> BacklogStats {
    let BacklogBeat { frames, bytes, moved_frames, .. } = view.recorder.backlog;
    BacklogStats { frames, bytes, bound_bytes: view.backlog_bytes, moved_frames }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cores() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

#[cfg(test)]
mod tests;
