//! `supervisor start`: check everything, take the lock, make or adopt what is needed, run, end in order. Whatever
//! fails before the first child is started leaves nothing behind.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use proto::clip::unfinished_clips;
use proto::config::{Config, Key};
use proto::control::Response;
use proto::exit;
use proto::instance::{ChildId, RuntimeDir};
use proto::link;
use proto::log::LogFormat;
use proto::priority;
use proto::ring::lost_pages;
use proto::storage;
use proto::time::{UtcTime, WallAnchor};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::child::{Child, Recipe};
use crate::clips::{Clips, Counts};
use crate::command::Shared;
use crate::events::{self, Event};
use crate::failure::Failure;
use crate::out_of_memory::MemoryWatch;
use crate::programs::executable;
use crate::rings::Rings;
use crate::run_file::RunFileWriter;
use crate::service::Service;
use crate::state::{self, Saved};
use crate::statistics::Statistics;
use crate::trigger::Triggers;
use crate::watch::House;
use crate::{
    check, control, descriptors, invoked, lock, output_dir, plan, price, proc, rings, run_file, source_probe,
};

/// How long the answer to `stop` may take to be on its way.
const LAST_WORD: Duration = Duration::from_millis(20);
/// How long those who wait for a clip may take to be answered at the end, and how often that is looked at.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
const GLANCE: Duration = Duration::from_millis(5);
/// How long processes of another config may take to be gone.
const EVICTION: Duration = Duration::from_secs(2);

/// Runs an instance until it is told to end.
pub(crate) fn start(config_path: &Path, runtime_dir: &Path, log_format: LogFormat) -> Result<u8, Failure> {
    let config = check::load(config_path)?;
    let recipes = recipes(&config, runtime_dir, log_format)?;
    for warning in source_probe::look(&config)? {
        tracing::warn!("{warning}");
    }
    let dir = RuntimeDir::create(runtime_dir).map_err(Failure::bad_input)?;
    let _lock = lock::take(&dir)?;
    descriptors::raise_limit();
    priority::set(priority::SUPERVISOR);
    // A supervisor that was just ending may have cleared it away in between.
    let dir = RuntimeDir::create(runtime_dir).map_err(Failure::bad_input)?;
    let mut made = Made { config: &config, dir: &dir, run_folder: None, rings: false, kept: false };
    let (events, happening) = channel();
    // From here on a signal ends the start in order too.
    watch_signals(events.clone())?;
    link::keep_sockets_in(&dir.ipc_dir()).map_err(|_| Failure::failed("start was called twice"))?;
    clear_sockets(&dir);

    // Whoever cuts a ring short must not end the one who looks after all of them.
    lost_pages::survive().map_err(|e| Failure::failed(format!("can't watch for bus errors: {e}")))?;

    let left = state::load(&dir);
    let same_config = Config::load_checked(&dir.config_path()).is_ok_and(|old| same(&old, &config));
    let mut adoptable = match &left {
        Some(left) if same_config => left.children.clone(),
        Some(left) => {
            evict(left);
            // It was of the other config: what runs, and which codecs work.
            state::save(&dir, &Saved { children: Vec::new(), verdict: None, ..left.clone() });
            Vec::new()
        }
        None => Vec::new(),
    };
    let adopting = adoptable.iter().any(|child| child.alive().is_some());
    if !adopting {
        price::fits(&config).or_else(|e| if rings_exist(&config, &dir) { Ok(0) } else { Err(e) })?;
    }
    let run_folder = match &left {
        // Also when it is away just now, with its disk: another would be made on the wrong one.
        Some(left) if adopting => left.run_folder.clone(),
        _ => new_session(&config)?,
    };
    made.run_folder = (!adopting).then(|| run_folder.clone());
    for run_folder in left.iter().map(|left| &left.run_folder) {
        plan::clear_unplanned(run_folder);
    }
    let (rings, new) = rings::open(&config, &dir, same_config && left.is_some())?;
    made.rings = !adopting;
    rings::announce(&config, &rings);
    // A capture whose ring is not the one that is there now would write where nobody looks.
    let is_lost =
        |c: &mut state::SavedChild| matches!(&c.id, ChildId::Capture(camera) if new.contains(camera));
    adoptable.extract_if(.., is_lost).for_each(|child| end(&child, "has a ring that is gone"));
    if !adoptable.iter().any(|c| c.id == ChildId::Recorder && c.alive().is_some()) {
        rings::sweep_recorder(&rings);
    }
    config
        .save_checked(&dir.config_path())
        .map_err(|e| Failure::failed(format!("can't write {}: {e}", dir.config_path().display())))?;

    let run_folders = run_folders(&config, &run_folder, left.as_ref());
    let open: HashSet<PathBuf> = unfinished_clips(&run_folder).unwrap_or_default().into_iter().collect();
    if run_folders.len() > 1 || (!open.is_empty() && !adopting) {
        tracing::info!(
            "earlier runs left clips unfinished; the recorder goes on with those that nobody else works on"
        );
    }
    let no_thread = |e: std::io::Error| Failure::failed(format!("can't start a thread: {e}"));
    let counts = Counts::on_disk(&run_folder, &open);
    let shared = Arc::new(config.clone());
    let clips = Arc::new(Clips::new(run_folder.clone(), config.recording.max_open_clips, open, counts));
    clips.watch_folders(events.clone()).map_err(no_thread)?;
    let statistics = Statistics::start(Arc::clone(&shared), Arc::clone(&clips)).map_err(no_thread)?;
    let commands = Arc::new(AtomicUsize::new(0));
    let for_commands = Shared {
        triggers: Arc::new(Triggers::new(Arc::clone(&shared), rings.clone(), Arc::clone(&clips))),
        clips: Arc::clone(&clips),
        statistics: Arc::clone(&statistics),
        events: events.clone(),
        answering: Arc::clone(&commands),
    };
    control::open(&dir.control_socket(), for_commands)
        .map_err(|e| Failure::failed(format!("can't open {}: {e}", dir.control_socket().display())))?;
    let mut children: Vec<Child> = recipes
        .into_iter()
        .map(|(id, recipe)| {
            let period = match &id {
                ChildId::Capture(name) => shared.camera(name).map(|c| c.fps.period()),
                ChildId::Recorder | ChildId::Standby => None,
            };
            Child::new(id, recipe, period.unwrap_or_default())
        })
        .collect();
    for child in &mut children {
        events::meet(child.id.clone(), dir.rendezvous(&child.id), events.clone())
            .map_err(|e| Failure::failed(format!("can't start a thread: {e}")))?;
        adopt(child, &adoptable, &rings, &events);
    }
    made.kept = true;
    let mut house = House {
        clips,
        run_file: RunFileWriter::start(&run_folder, &shared)
            .map_err(|e| Failure::failed(format!("can't start a thread: {e}")))?,
        config: shared,
        dir: dir.clone(),
        rings,
        children,
        events,
        run_folders,
        verdict: left.filter(|_| same_config).and_then(|left| left.verdict),
        statistics,
        ready_said: false,
        memory: MemoryWatch::new(proc::out_of_memory_kills(), Instant::now()),
        service: Service::from_environment(),
        ring_broke: None,
        keep_rings: false,
    };
    house.write_run_file();
    if let Err(e) = storage::fit(&run_folder, house.config.recording.min_free_bytes) {
        tracing::warn!("{e}; until then nothing is recorded");
    }
    tracing::info!("clips go to {}; record one with: {} trigger", run_folder.display(), invoked::name());
    let asked_by = house.run(&happening);
    house.close(&happening);
    clean_up(&house);
    // Whoever asked for the end is answered last.
    wait_for_answers(&commands, usize::from(asked_by.is_some()));
    tracing::info!("stopped");
    if let Some(reply) = asked_by {
        let _ = reply.send(Ok(Response::Done("stopped".into())));
        // The connection's thread writes it; this process is about to end.
        std::thread::sleep(LAST_WORD);
    }
    Ok(exit::DONE)
}

/// Waits for the commands' threads to answer, down to so many: they end with this process.
fn wait_for_answers(commands: &AtomicUsize, others: usize) {
    let until = Instant::now() + LAST_ANSWERS;
    while commands.load(Ordering::Relaxed) > others && Instant::now() < until {
        std::thread::sleep(GLANCE);
    }
}

/// What this start has made so far. Undone when it fails; kept once the first child is about to start.
struct Made<'a> {
    config: &'a Config,
    dir: &'a RuntimeDir,
    run_folder: Option<PathBuf>,
    rings: bool,
    kept: bool,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if self.rings {
            rings::remove(self.config, self.dir);
        }
        if let Some(run_folder) = &self.run_folder {
            run_file::remove_if_empty(run_folder);
        }
        // A run that was to be adopted still needs the rest.
        if state::load(self.dir).is_none() {
            clear(self.dir);
        }
    }
}

/// Which executable each child is. Missing ones are found out before anything is started.
fn recipes(config: &Config, runtime_dir: &Path, log: LogFormat) -> Result<Vec<(ChildId, Recipe)>, Failure> {
    let common = [
        "--runtime-dir".to_owned(),
        runtime_dir.display().to_string(),
        "--log-format".to_owned(),
        log.name().to_owned(),
    ];
    let mut recipes = Vec::new();
    for camera in &config.cameras {
        let mut args = common.to_vec();
        args.extend(["--camera".to_owned(), camera.name.to_string()]);
        let program = executable(camera.backend.executable())?;
        recipes.push((ChildId::Capture(camera.name.clone()), Recipe { program, args }));
    }
    let program = executable("recorder")?;
    recipes.push((ChildId::Recorder, Recipe { program: program.clone(), args: common.to_vec() }));
    if config.recording.standby_recorder {
        let args = [&common[..], &["--standby".to_owned()]].concat();
        recipes.push((ChildId::Standby, Recipe { program, args }));
    }
    Ok(recipes)
}

fn watch_signals(events: Sender<Event>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("can't watch signals: {e}"));
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(failed)?;
    let watch = move || {
        for _ in signals.forever() {
            if events.send(Event::Signal).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed)?;
    Ok(())
}

/// Sockets of channels that a killed supervisor left.
fn clear_sockets(dir: &RuntimeDir) {
    let Ok(entries) = std::fs::read_dir(dir.ipc_dir()) else { return };
    for entry in entries.filter_map(Result::ok) {
        // What can't be removed is only litter.
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

/// The same but for the name of the file it came from.
fn same(a: &Config, b: &Config) -> bool {
    a.cameras == b.cameras && a.recording == b.recording
}

/// Ends the processes of a run with another config: they would go on with rings that no longer fit.
fn evict(left: &Saved) {
    left.children.iter().for_each(|child| end(child, "runs with another config"));
}

fn end(child: &state::SavedChild, why: &str) {
    if let Some(pid) = child.alive() {
        tracing::info!("{} (pid {pid}) {why}; ending it", child.id);
        let _ = rustix::process::kill_process(pid.for_rustix(), rustix::process::Signal::KILL);
        let _ = lock::wait_for_end(pid, EVICTION);
    }
}

fn adopt(child: &mut Child, adoptable: &[state::SavedChild], rings: &Rings, events: &Sender<Event>) {
    let Some(left) = adoptable.iter().find(|a| a.id == child.id) else { return };
    let Some(pid) = left.alive() else { return };
    match child.attach(pid, events) {
        Ok(()) => tracing::info!("{} runs already (pid {pid}); adopted", child.id),
        Err(e) => {
            // It must not run on unseen beside its successor.
            end(left, &format!("can't be adopted ({e})"));
            if left.id == ChildId::Recorder {
                rings::sweep_recorder(rings);
            }
        }
    }
}

fn rings_exist(config: &Config, dir: &RuntimeDir) -> bool {
    config.cameras.iter().all(|c| proto::ring::Ring::open(&dir.segment(&c.name)).is_ok())
}

/// Makes this run's folder: `<run_name>_<UTC date-time>`, with a number behind it if there is one of that name.
fn new_session(config: &Config) -> Result<PathBuf, Failure> {
    let recording = &config.recording;
    let no = |path: &Path, e: &std::io::Error| {
        let message = format!(
            "recording.output_dir: {} can't be written: {e}; make it so, or name another folder",
            path.display()
        );
        // What may pass is no mistake in the config: it is worth trying again.
        if is_a_mistake(e.kind()) {
            Failure::bad_input(config.mistake(Key::OutputDir, message))
        } else {
            Failure::failed(message)
        }
    };
    // Absolute, since the children and the person's other tools may stand elsewhere.
    let output = output_dir::plain(config)?;
    std::fs::create_dir_all(&output).map_err(|e| no(&output, &e))?;
    let utc = UtcTime::from_unix_ns(WallAnchor::now().unix_ns).compact();
    let name = format!("{}_{utc}", recording.run_name);
    for number in 1.. {
        let folder = output.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
        // What a camera saw is for its owner: nobody else reads it unless they open the folder to others.
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {
                proto::durable::sync_parent(&folder).map_err(|e| no(&folder, &e))?;
                return Ok(folder);
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(no(&folder, &e)),
        }
    }
    Err(Failure::failed("no name is left for a run folder"))
}

/// Is such an error the same at every try?
fn is_a_mistake(kind: ErrorKind) -> bool {
    use ErrorKind::{AlreadyExists, InvalidInput, NotADirectory, NotFound, PermissionDenied, Unsupported};
    matches!(kind, NotFound | PermissionDenied | NotADirectory | AlreadyExists | InvalidInput | Unsupported)
        || kind == ErrorKind::ReadOnlyFilesystem
}

/// Every run folder with unfinished clips, this run's first.
fn run_folders(config: &Config, run_folder: &Path, left: Option<&Saved>) -> Vec<PathBuf> {
    let mut run_folders = vec![run_folder.to_owned()];
    let output = std::path::absolute(&config.recording.output_dir).unwrap_or_default();
    let entries = std::fs::read_dir(output).into_iter().flatten().filter_map(Result::ok);
    // Not through symbolic links: what they lead to is somebody else's.
    let others = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path());
    let unfinished =
        |s: &PathBuf| s != run_folder && unfinished_clips(s).is_ok_and(|clips| !clips.is_empty());
    // The last run's may lie elsewhere: its config may have been another.
    run_folders.extend(others.chain(left.map(|l| l.run_folder.clone())).filter(unfinished));
    run_folders.dedup();
    run_folders
}

/// Leaves nothing but the clips.
fn clean_up(house: &House) {
    if house.keep_rings && house.clips.open_count() > 0 {
        tracing::warn!("the rings are kept: the next start finishes the open clips from them");
    } else {
        rings::remove(&house.config, &house.dir);
    }
    house.run_file.end(house.verdict.as_ref());
    clear(&house.dir);
}

/// Empties the runtime directory.
fn clear(dir: &RuntimeDir) {
    for path in [dir.control_socket(), dir.config_path(), dir.state_path()] {
        let _ = std::fs::remove_file(path);
    }
    for folder in ["rendezvous", "ipc", "probe"] {
        let _ = std::fs::remove_dir_all(dir.path().join(folder));
    }
    // The lock's file goes last but for the mark; whoever waits for it sees that and makes another.
    let _ = std::fs::remove_file(dir.lock_path());
    let _ = std::fs::remove_file(dir.marker());
}
