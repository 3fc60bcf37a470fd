//! `supervisor start`: check everything, take the lock, make or adopt what is needed, run, end in order. A start that
//! fails before the first child is started leaves nothing behind.

mod disk_wait;
mod inherited;
mod last_offers;
mod look_around;
mod made;
mod on_disk;
mod recipes;
mod run_folder;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use proto::clip::Stopped;
use proto::config::{CameraConfig, Config};
use proto::control::Response;
use proto::event::SupervisorState;
use proto::exit;
use proto::instance::{ChildId, RuntimeDir, empty_file};
use proto::link;
use proto::log::LogFormat;
use proto::opened;
use proto::priority;
use proto::ring::Ring;
use proto::ring::lost_pages;
use proto::time::MonotonicNs;

use crate::backlog::needed::Needed;
use crate::backlog::room::Room;
use crate::backlog::{Bound, segments};
use crate::check::groups::Groups;
use crate::check::{output_dir, patience, price};
use crate::child::Child;
use crate::child::recipe::Recipe;
use crate::clips::{Clips, Counts};
use crate::control::UnderWay;
use crate::control::command::Shared;
use crate::control::waiting::Waiting;
use crate::failure::Failure;
use crate::loop_events::{Answer, LoopEvent};
use crate::retention::Retention;
use crate::rings::{Held, Opened, Rings};
use crate::run_file::RunFileWriter;
use crate::service::Service;
use crate::settled::Settled;
use crate::statistics::Statistics;
use crate::trigger::Triggers;
use crate::trigger::planning::Planning;
use crate::watch::{Afterwards, Camera, Children, Instance, Telling};
use crate::world::World;
use crate::world::system::System;
use crate::{check, control, descriptors, event_log, invoked, lock, rings, stop_signals};
use inherited::Inherited;
use made::Made;
use on_disk::OnDisk;
use recipes::Recipes;

/// The answer to `stop` may take this long to be on its way.
const LAST_WORD: Duration = Duration::from_millis(20);
/// Commands that wait for a clip, and those that follow the events, may take this long to be told all at the end …
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// … and are looked at this often.
const GLANCE: Duration = Duration::from_millis(5);

/// While clips are open from which a ring still holds frames, its capture waits so long for the recorder, which moves them out
/// of the capture's way. A recorder is there after 100 to 200 ms.
const RECORDER_FIRST: Duration = Duration::from_secs(1);
/// The disk may take this long to say whether there is room, before a person hears that the start is done.
const GLANCE_AT_ROOM: Duration = Duration::from_millis(300);
/// The disk may take this long at the end to say which clips are open; what it hasn't said is taken to be needed.
const LAST_LOOK: Duration = Duration::from_millis(300);

/// Runs an instance until it is told to end.
pub(crate) fn start(config_path: &Path, runtime_dir: &Path, log_format: LogFormat) -> Result<u8, Failure> {
    let hangup = stop_signals::prepare();
    let config = check::load(config_path)?;
    let recipes = Recipes::find(&config, runtime_dir, log_format)?;
    let groups = Groups::of(&config)?;
    let unanswered = look_around::look(&config, config_path, groups)?;
    let (dir, new_folders) = RuntimeDir::claim(runtime_dir).map_err(Failure::bad_input)?;
    let _lock = lock::take(&dir)?;
    descriptors::raise_limit();
    priority::set(priority::SUPERVISOR);
    // A supervisor that was just ending may have cleared it away in between.
    let dir = RuntimeDir::create(runtime_dir).map_err(Failure::bad_input)?;
    let mut made = Made::only(&dir, new_folders);
    let (events, happening) = channel();
    // From here on a signal ends the start in order too.
    stop_signals::watch(hangup, events.clone())?;
    prepare_links(&dir)?;
    groups.clips.inspect(|gid| opened::let_in(*gid, dir.path()));
    groups.rings.inspect(|gid| Ring::let_look(*gid));
    let mut inherited = Inherited::find(&config, &dir, unanswered)?;
    let settled = Arc::new(Settled::new(&dir));
    if !inherited.is_adopting {
        settled.begin_anew();
    }
    if !disk_wait::wait(&config, &inherited, &happening)? {
        return Ok(exit::DONE);
    }
    let (config, absent) = look_around::ask_cameras(&config, &inherited)?;
    let run_folder = choose_run_folder(&config, &inherited, &mut made)?;
    let OnDisk { run_folders, needed, clips } =
        OnDisk::look(&config, &run_folder, &inherited).inspect_err(|_| made.leave_run_folder())?;
    let opened = rings::open(&config, &dir, inherited.had_rings())?;
    if !inherited.is_adopting {
        made.rings.clone_from(&opened.new);
    }
    rings::announce(&config, &opened.rings);
    let backlog = backlog_bound(&config, segments::keep_needed(&config, &dir, &needed), &opened);
    inherited.end_captures_of(&opened.new);
    leave_config(&config, &dir)?;
    let parts = Parts::make(&config, run_folders, clips, &inherited, &events, settled)?;
    let system = parts.system(&dir, events, happening);
    let mut children = parts.children(&recipes, opened.rings, inherited.ladders(), &system);
    children.begin_without(&absent, &system);
    children.backlog_bytes = backlog.bytes;
    let mut instance = parts.instance(system, children);
    parts.open_control(&dir, groups)?;
    adopt(&mut instance, &inherited)?;
    instance.children.recorder_first = (!needed.is_nothing()).then(|| Instant::now() + RECORDER_FIRST);
    made.kept = true;
    instance.begin_run_file();
    on_disk::warn_of_no_room(&config, &run_folder, GLANCE_AT_ROOM);
    tracing::info!("clips go to {}; record one with: {} trigger", run_folder.display(), invoked::name());
    let asked_by = instance.run();
    let stopped = Stopped { end_ns: MonotonicNs::now() };
    let afterwards = instance.close();
    let left = clean_up(&instance, afterwards, &parts, stopped, &dir);
    parts.say_last_word(asked_by, left);
    Ok(exit::DONE)
}

/// Leaves the config, with all that cameras have offered, for the children.
fn leave_config(config: &Config, dir: &RuntimeDir) -> Result<(), Failure> {
    let path = dir.config_path();
    config.save_checked(&path).map_err(|e| Failure::failed(format!("can't write {}: {e}", path.display())))
}

/// Makes the instance ready to be met by its children, and to outlive a ring that is cut short: whoever does that must
/// not end the one who looks after all rings.
fn prepare_links(dir: &RuntimeDir) -> Result<(), Failure> {
    link::keep_sockets_in(&dir.ipc_dir()).map_err(|_| Failure::failed("start was called twice"))?;
    clear_sockets(dir);
    // Empty: earlier notes were of earlier recorders. One that is adopted goes on writing behind the end of this file.
    empty_file(&dir.crash_notes())
        .map_err(|e| Failure::failed(format!("can't write {}: {e}", dir.crash_notes().display())))?;
    lost_pages::survive().map_err(|e| Failure::failed(format!("can't watch for bus errors: {e}")))
}

/// Removes the sockets of channels that a killed supervisor left.
fn clear_sockets(dir: &RuntimeDir) {
    let Ok(entries) = std::fs::read_dir(dir.ipc_dir()) else { return };
    for entry in entries.filter_map(Result::ok) {
        // A socket that can't be removed is only litter.
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

/// The run's folder: the last run's when its processes are adopted, else a new one. Memory is checked before a new one
/// is made.
fn choose_run_folder(
    config: &Config,
    inherited: &Inherited,
    made: &mut Made<'_>,
) -> Result<PathBuf, Failure> {
    match inherited.run_folder() {
        // Also when it is away just now, with its disk: another would be made on the wrong one.
        Some(last) if inherited.is_adopting => Ok(last.to_owned()),
        _ => {
            let has_ring = |camera: &CameraConfig| Ring::open(&made.dir.segment(&camera.name)).is_ok();
            let rings_exist = || config.cameras.iter().all(has_ring);
            price::fits(config).or_else(|e| if rings_exist() { Ok(0) } else { Err(e) })?;
            let owned = config.clone();
            let (run_folder, above) =
                patience::within(output_dir::named(config), move || run_folder::make(&owned))??;
            made.folders.push(above);
            made.run_folder = Some(run_folder.clone());
            Ok(run_folder)
        }
    }
}

/// The bound of the backlog, now that the rings are there; `taken_bytes` of it are taken already, and the rings of
/// cameras that will come are counted. More than there is was asked for in vain, and is no reason not to start: with less
/// memory frames are still recorded.
fn backlog_bound(config: &Config, taken_bytes: u64, rings: &Opened) -> Bound {
    let room = Room::now().and(taken_bytes).beside(rings.to_come_bytes(config));
    let bound = Bound::of(config.recording.backlog_bytes, &room);
    if let Some(warning) = bound.warning() {
        tracing::warn!("{warning}");
    }
    tracing::info!("backlog: {bound}");
    bound
}

/// The parts that the loop shares with the threads of commands.
struct Parts {
    config: Arc<Config>,
    clips: Arc<Clips>,
    statistics: Arc<Statistics>,
    rings: Rings,
    run_file: Rc<RunFileWriter>,
    /// The folders that may hold unfinished clips, this run's first.
    run_folders: Vec<PathBuf>,
    events: Sender<LoopEvent>,
    /// The requests that have an answer coming.
    under_way: Arc<UnderWay>,
    waiting: Arc<Waiting>,
    settled: Arc<Settled>,
}

impl Parts {
    fn make(
        config: &Config,
        run_folders: Vec<PathBuf>,
        on_disk: Option<(HashSet<PathBuf>, Counts)>,
        inherited: &Inherited,
        events: &Sender<LoopEvent>,
        settled: Arc<Settled>,
    ) -> Result<Self, Failure> {
        let no_thread = |e: std::io::Error| Failure::failed(format!("can't start a thread: {e}"));
        // The first is always this run's own.
        let run_folder = run_folders.first().cloned().unwrap_or_default();
        let run_folder = run_folder.as_path();
        let is_read = on_disk.is_some();
        let (open, counts) = on_disk.unwrap_or_default();
        if run_folders.len() > 1 || (!open.is_empty() && !inherited.is_adopting) {
            tracing::info!(
                "earlier runs left clips unfinished; the recorder goes on with those that nobody else works on"
            );
        }
        let config = Arc::new(config.clone());
        let at_most_open = config.recording.max_open_clips;
        let clips = Arc::new(Clips::new(run_folder.to_owned(), at_most_open, open, counts));
        clips.watch_folders(events.clone(), is_read).map_err(no_thread)?;
        let statistics = Statistics::start(Arc::clone(&config), Arc::clone(&clips)).map_err(no_thread)?;
        statistics.show_disk_of(Retention::start(&config, &clips).map_err(no_thread)?);
        Ok(Self {
            statistics,
            run_file: Rc::new(RunFileWriter::start(run_folder, &config).map_err(no_thread)?),
            rings: Rings::default(),
            events: events.clone(),
            under_way: Arc::default(),
            waiting: Waiting::start(&clips).map_err(no_thread)?,
            settled,
            run_folders,
            config,
            clips,
        })
    }

    fn system(&self, dir: &RuntimeDir, events: Sender<LoopEvent>, happening: Receiver<LoopEvent>) -> System {
        let happening = RefCell::new(happening);
        let (run_file, settled) = (Rc::clone(&self.run_file), Arc::clone(&self.settled));
        System { dir: dir.clone(), events, happening, run_file, settled }
    }

    /// The children, none of them started yet.
    fn children(
        &self,
        recipes: &Recipes,
        rings: Vec<(Arc<CameraConfig>, Held)>,
        ladders: Option<proto::ladder::Ladders>,
        world: &dyn World,
    ) -> Children {
        let now = world.now();
        let child = |id, recipe: &Recipe| Child::new(id, recipe.clone(), Duration::ZERO, now);
        let recorder = child(ChildId::Recorder, &recipes.recorder);
        let standby = recipes.standby.as_ref().map(|recipe| child(ChildId::Standby, recipe));
        let (run_folders, table) = (self.run_folders.clone(), self.rings.clone());
        let mut children = Children::new(recorder, standby, ladders, run_folders, table, world);
        for (config, held) in rings {
            // Recipes and rings follow from the same config.
            if let Some(recipe) = recipes.of_capture(&config.name) {
                children.add(Camera::new(config, Box::new(held), recipe.clone(), now));
            }
        }
        children
    }

    fn instance(&self, system: System, children: Children) -> Instance {
        let (config, statistics) = (Arc::clone(&self.config), Arc::clone(&self.statistics));
        Instance {
            world: Box::new(system),
            children,
            clips: Arc::clone(&self.clips),
            telling: Telling::new(config, statistics, Service::from_environment()),
            settled: false,
        }
    }

    /// Lets commands in.
    fn open_control(&self, dir: &RuntimeDir, groups: Groups) -> Result<(), Failure> {
        let (config, rings, clips) = (Arc::clone(&self.config), self.rings.clone(), Arc::clone(&self.clips));
        let planning = Planning::new(config, rings, clips, Arc::clone(&self.statistics), dir);
        let earlier = self.run_folders.iter().skip(1).cloned().collect();
        let triggers = Triggers::start(planning, earlier, self.events.clone(), Arc::clone(&self.settled))
            .map_err(|e| Failure::failed(format!("can't start a thread: {e}")))?;
        let shared = Shared {
            triggers: Arc::new(triggers),
            clips: Arc::clone(&self.clips),
            statistics: Arc::clone(&self.statistics),
            events: self.events.clone(),
            under_way: Arc::clone(&self.under_way),
            waiting: Arc::clone(&self.waiting),
        };
        let socket = dir.control_socket();
        self.clips.events().emit(event_log::of_supervisor(SupervisorState::Started));
        control::open(&socket, groups.control, shared)
            .map_err(|e| Failure::failed(format!("can't open {}: {e}", socket.display())))?;
        groups.let_control_in(dir)
    }

    /// Answers the command that asked for the end, after all others. `left`: what is left to the next start.
    fn say_last_word(&self, asked_by: Option<Sender<Answer>>, left: Option<String>) {
        let others = usize::from(asked_by.is_some());
        let until = Instant::now() + LAST_ANSWERS;
        let events = self.clips.events();
        while (self.under_way.count() > others || events.is_being_told()) && Instant::now() < until {
            std::thread::sleep(GLANCE);
        }
        tracing::info!("stopped");
        if let Some(reply) = asked_by {
            let said = left.map_or_else(|| "stopped".to_owned(), |left| format!("stopped; {left}"));
            let _ = reply.send(Ok(Response::Done(said)));
            // The request's thread sends it; this process is about to end.
            std::thread::sleep(LAST_WORD);
        }
    }
}

/// Waits for the children at their rendezvous, and takes over those that run already.
fn adopt(instance: &mut Instance, inherited: &Inherited) -> Result<(), Failure> {
    let Instance { world, children, .. } = instance;
    children.meet(&**world).map_err(|e| Failure::failed(format!("can't start a thread: {e}")))?;
    children.all_mut().for_each(|child| inherited.adopt(child, &**world));
    if children.recorder().running().is_none() {
        children.sweep_recorder();
    }
    Ok(())
}

/// Leaves nothing but the clips, and the frames that they still need. Returns a sentence about those.
fn clean_up(
    instance: &Instance,
    afterwards: Afterwards,
    parts: &Parts,
    stopped: Stopped,
    dir: &RuntimeDir,
) -> Option<String> {
    let needed = match afterwards {
        Afterwards::KeepRings => {
            Needed::at_the_end(parts.run_folders.clone(), dir.instance().to_string(), stopped, LAST_LOOK)
        }
        Afterwards::RemoveRings => Needed::default(),
    };
    let left = (!needed.is_nothing()).then(|| instance.children.left_over(&needed).to_string());
    if let Some(left) = &left {
        tracing::warn!("{left}");
    } else {
        instance.children.remove_rings();
        segments::remove_all(dir);
    }
    parts.run_file.end(&instance.children.encoders());
    dir.clear();
    left
}
