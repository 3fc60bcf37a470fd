//! A Preroll of one's own: a temporary folder with its config, runtime directory, recordings and truth logs, and a
//! supervisor in it. When a [`Rig`] is dropped everything is stopped, and nothing may be left.
//!
//! Nothing here waits for a length of time where it can wait for an event; deadlines are for what never comes.

#![allow(dead_code, reason = "the end-to-end tests and the faults each use a part of it")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oracle::folder;
use oracle::judge::JudgedBy;
use oracle::report::Report;
use oracle::truth::{Truth, Truths};
use proto::failpoint;
use proto::instance::RuntimeDir;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before it is taken for never.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often something that gives no sign is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// How many rigs run side by side, in all test processes: more would starve each other on a small machine.
const SIDE_BY_SIDE: usize = 2;

const NOTHING: [PathBuf; 0] = [];

/// Two small cameras at 60 fps, with a reserve that outlasts any restart on a busy machine: what is tested is that
/// nothing is lost within the reserve, not how fast this machine is. More lines of `recording:` can follow.
pub(crate) const TWO_CAMERAS: &str = "\
camera: { width: 320, height: 192, fps: 60 }
cameras:
  - { name: left, backend: sim, truth_log: $DIR/left.truth }
  - { name: right, backend: sim, truth_log: $DIR/right.truth }
recording:
  output_dir: $DIR/recordings
  reserve_ms: 4000
";

/// One Preroll.
pub(crate) struct Rig {
    folder: TempDir,
    supervisor: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
    /// Held as long as this rig runs.
    _turn: File,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Answer {
    command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that has not answered yet.
pub(crate) struct Asked {
    command: String,
    pid: u32,
    answer: Receiver<std::io::Result<std::process::Output>>,
}

impl Answer {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    /// Asserts a refusal: this exit code and one message that says all of this.
    #[track_caller]
    pub(crate) fn refusal(self, code: i32, says: &[&str]) -> Self {
        let this = self.code(code);
        assert!(this.stdout.is_empty(), "{this:#?}");
        for words in says {
            assert!(this.stderr.contains(words), "{words:?} is missing: {this:#?}");
        }
        this
    }
}

impl Asked {
    /// Waits for the answer.
    #[track_caller]
    pub(crate) fn answer(self) -> Answer {
        let Ok(output) = self.answer.recv_timeout(PATIENCE) else {
            kill(self.pid, Signal::KILL);
            panic!("no answer: {}", self.command);
        };
        let output = output.unwrap();
        Answer {
            command: self.command,
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Rig {
    /// Starts a Preroll and waits until it is ready and its rings hold a whole pre-roll. `$DIR` in the config is the
    /// rig's folder.
    pub(crate) fn start(config: &str) -> Self {
        let mut rig = Self::prepare(config);
        rig.launch(&[]);
        rig.await_ready();
        rig
    }

    /// All but the start.
    pub(crate) fn prepare(config: &str) -> Self {
        let turn = take_turn();
        let folder = tempfile::Builder::new().prefix("preroll-").tempdir().unwrap();
        let rig = Self { folder, supervisor: None, log: Arc::default(), _turn: turn };
        rig.configure(config);
        std::fs::create_dir(rig.runtime_dir()).unwrap();
        rig
    }

    /// Writes the config.
    pub(crate) fn configure(&self, config: &str) {
        let config = config.replace("$DIR", self.path("").to_str().unwrap().trim_end_matches('/'));
        std::fs::write(self.config(), config).unwrap();
    }

    /// A path in the rig's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("rig.yaml")
    }

    pub(crate) fn recordings(&self) -> PathBuf {
        self.path("recordings")
    }

    fn runtime_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// Starts the supervisor, with these arguments besides.
    pub(crate) fn launch(&mut self, more: &[&str]) {
        self.launch_in(more, &[]);
    }

    /// Starts the supervisor with these arguments and variables of its environment besides.
    pub(crate) fn launch_in(&mut self, more: &[&str], environment: &[(&str, &str)]) {
        assert!(self.supervisor.is_none(), "it runs already");
        let mut supervisor = Command::new(program("supervisor"))
            .args(["start", "--config"])
            .arg(self.config())
            .arg("--runtime-dir")
            .arg(self.runtime_dir())
            .args(more)
            .env(failpoint::FOLDER, self.path("failpoints"))
            .envs(environment.iter().copied())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = (BufReader::new(supervisor.stderr.take().unwrap()).lines(), Arc::clone(&self.log));
        // Captures and the recorder write there too, so this goes on when the supervisor is killed.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        self.supervisor = Some(supervisor);
    }

    /// Starts the supervisor with nobody to read its log: each line that anyone writes fails.
    pub(crate) fn launch_unheard(&mut self) {
        let (reader, writer) = std::io::pipe().unwrap();
        let supervisor = Command::new(program("supervisor"))
            .args(["start", "--config"])
            .arg(self.config())
            .arg("--runtime-dir")
            .arg(self.runtime_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .unwrap();
        drop(reader);
        self.supervisor = Some(supervisor);
    }

    pub(crate) fn await_ready(&mut self) {
        until("the supervisor to be ready", || {
            let supervisor = self.supervisor.as_mut().unwrap();
            if let Some(status) = supervisor.try_wait().unwrap() {
                panic!("the supervisor has ended: {status}\n{}", self.log().join("\n"));
            }
            let stats = self.ask(&["stats"]).answer();
            if stats.code != Some(0) {
                return None;
            }
            let stats = stats.json();
            let full = list(&stats, "cameras").iter().all(|c| c["ring"]["reach_ms"].as_f64() > Some(700.0));
            (stats["state"] == "ready" && full).then_some(())
        });
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn await_log(&self, says: &str) -> String {
        until(says, || self.log().into_iter().find(|line| line.contains(says)))
    }

    /// Says what is to happen from now on, an entry of [`failpoint`] a line, in every process of this rig.
    pub(crate) fn arm(&self, points: &str) {
        static ARMED: AtomicUsize = AtomicUsize::new(0);
        let folder = self.path("failpoints");
        // What has happened before counts no more.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir(&folder).unwrap();
        // A remark of its own, so that processes begin to count again.
        let points = format!("# {}\n{points}\n", ARMED.fetch_add(1, Ordering::Relaxed));
        proto::durable::replace(&folder.join(failpoint::POINTS), points.as_bytes()).unwrap();
    }

    /// Has an entry happened so often?
    pub(crate) fn happened(&self, entry: &str, times: u32) -> bool {
        self.path("failpoints").join(failpoint::token(entry, times - 1)).exists()
    }

    /// Waits until an entry has happened so often.
    #[track_caller]
    pub(crate) fn await_happened(&self, entry: &str, times: u32) {
        until(&format!("{entry} to happen"), || self.happened(entry, times).then_some(()));
    }

    /// Asks, and goes on.
    pub(crate) fn ask(&self, args: &[&str]) -> Asked {
        let child = Command::new(program("supervisor"))
            .args(args)
            .env("PREROLL_RUNTIME_DIR", self.runtime_dir())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (pid, (sender, answer)) = (child.id(), channel());
        // Whoever asked may have given up.
        std::thread::spawn(move || drop(sender.send(child.wait_with_output())));
        Asked { command: format!("supervisor {args:?}"), pid, answer }
    }

    /// Asks, and waits for the answer.
    #[track_caller]
    pub(crate) fn command(&self, args: &[&str]) -> Answer {
        self.ask(args).answer()
    }

    /// Starts an instance that must be refused: waits for its end.
    #[track_caller]
    pub(crate) fn refused_start(&self) -> Answer {
        self.command(&["start", "--config", self.config().to_str().unwrap()])
    }

    #[track_caller]
    pub(crate) fn stats(&self) -> Value {
        self.command(&["stats"]).code(0).json()
    }

    /// Waits until the stats are so.
    #[track_caller]
    pub(crate) fn await_stats(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(what, || {
            let answer = self.command(&["stats"]);
            // Not 0: it has only just been started.
            (answer.code == Some(0)).then(|| answer.json()).filter(&is_so)
        })
    }

    /// The pid of "recorder" or of a camera's capture, when it is there and has been heard of.
    pub(crate) fn pid_of(&self, who: &str) -> u32 {
        until(&format!("{who} to run"), || pid_in(&self.stats(), who))
    }

    /// Every child's pid: the captures', then the recorder's.
    pub(crate) fn children(&self) -> Vec<u32> {
        ["left", "right", "recorder"].map(|who| self.pid_of(who)).to_vec()
    }

    pub(crate) fn supervisor_pid(&self) -> u32 {
        self.supervisor.as_ref().unwrap().id()
    }

    /// Kills the supervisor, and nobody else.
    pub(crate) fn kill_supervisor(&mut self) {
        let mut supervisor = self.supervisor.take().unwrap();
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
    }

    /// Waits for the supervisor's own end. False if it was killed.
    #[track_caller]
    pub(crate) fn await_end(&mut self) -> std::process::ExitStatus {
        let mut supervisor = self.supervisor.take().unwrap();
        until("the supervisor to end", || supervisor.try_wait().unwrap())
    }

    /// Waits until so many frames of a camera are in a clip that is being recorded.
    pub(crate) fn await_frames(&self, clip: &Path, camera: &str, frames: usize) {
        until("frames to be recorded", || (recorded(clip, camera) >= frames).then_some(()));
    }

    /// Waits for a clip's manifest.
    #[track_caller]
    pub(crate) fn await_manifest(&self, clip: &Path) -> Value {
        until("the manifest", || clip.join("manifest.json").is_file().then_some(()));
        manifest(clip)
    }

    /// What the cameras say they made.
    pub(crate) fn truths(&self) -> Truths {
        let read = |name: &str| {
            let path = self.path(&format!("{name}.truth"));
            path.is_file().then(|| (name.to_owned(), Truth::read(&path).unwrap()))
        };
        ["left", "right"].into_iter().filter_map(read).collect()
    }

    /// Asserts that every clip of this rig is finished and tells the truth.
    #[track_caller]
    pub(crate) fn assert_true(&self) -> Report {
        let report = folder::judge(&self.recordings(), &self.truths()).unwrap();
        assert!(report.is_true(), "{report}");
        report
    }

    /// And that not one frame is missing.
    #[track_caller]
    pub(crate) fn assert_complete(&self) -> Report {
        let report = self.assert_true();
        for clip in &report.clips {
            assert!(
                clip.cameras.values().all(|v| v.judged_by == JudgedBy::Truth && v.present == v.expected),
                "{report}"
            );
        }
        for clip in self.clips() {
            assert_eq!(manifest(&clip)["complete"], true, "{report}");
        }
        report
    }

    /// Every clip's folder, of every session.
    pub(crate) fn clips(&self) -> Vec<PathBuf> {
        let mut clips: Vec<_> = entries(&self.recordings())
            .iter()
            .flat_map(|session| entries(session))
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("clip-"))
            .collect();
        clips.sort();
        clips
    }

    /// Every process of this rig: its runtime directory is among its arguments.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let ours = self.runtime_dir();
        let ours = ours.to_str().unwrap().as_bytes();
        let is_ours = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|b| *b == 0).any(|argument| argument == ours)
        };
        entries(Path::new("/proc"))
            .iter()
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .filter(is_ours)
            .collect()
    }

    /// This rig's shared memory.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let instance = RuntimeDir::open(&self.runtime_dir()).unwrap().instance();
        let prefix = format!("preroll-{instance}-");
        let is_ours = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix);
        entries(Path::new("/dev/shm")).into_iter().filter(is_ours).collect()
    }

    /// Asserts that nothing is left but what was recorded.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.processes(), [0; 0], "processes are left");
        assert_eq!(self.segments(), NOTHING, "shared memory is left");
        assert_eq!(entries(&self.runtime_dir()), NOTHING, "the runtime directory isn't empty");
    }

    /// SIGTERM, and the end in order.
    fn stop(&mut self) -> Result<(), String> {
        let Some(mut supervisor) = self.supervisor.take() else { return Ok(()) };
        kill(supervisor.id(), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match supervisor.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("the supervisor ended with {status}")),
                Ok(None) => std::thread::sleep(GLANCE),
                Err(e) => return Err(e.to_string()),
            }
        }
        supervisor.kill().and_then(|()| supervisor.wait()).map_err(|e| e.to_string())?;
        Err("the supervisor did not end".to_owned())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let stopped = self.stop();
        if !std::thread::panicking() && stopped.is_ok() {
            let log = self.log().join("\n");
            assert!(!log.contains("panicked"), "{log}");
            self.assert_nothing_left();
            return;
        }
        // These are this rig's own: nobody else has its folder.
        self.processes().into_iter().for_each(|pid| kill(pid, Signal::KILL));
        self.segments().into_iter().for_each(|path| drop(std::fs::remove_file(path)));
        println!("the rig's log:\n{}", self.log().join("\n"));
        if std::env::var_os("PREROLL_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            println!("kept: {}", self.folder.path().display());
        }
        if !std::thread::panicking() {
            stopped.unwrap();
        }
    }
}

/// Waits for a turn: only so many rigs run at once, whichever process they belong to.
pub(crate) fn take_turn() -> File {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let place = NEXT.fetch_add(1, Ordering::Relaxed) % SIDE_BY_SIDE;
    let turn =
        File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rig-{place}.lock"))).unwrap();
    turn.lock().unwrap();
    turn
}

/// An executable of Preroll, which lies beside the tests' own folder.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `make test`, or `cargo build --workspace` first",
        path.display()
    );
    path
}

/// Are there no failpoints in this build? Then says that the test is skipped.
pub(crate) fn no_failpoints() -> bool {
    if cfg!(debug_assertions) {
        return false;
    }
    println!("skipped: a release build has no failpoints");
    true
}

/// Looks again and again until there is something to see.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(GLANCE);
    }
}

/// Sends a signal. A process that is gone is no concern.
pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

/// A process of the stats: "recorder", "supervisor" or a camera's name.
pub(crate) fn process<'a>(stats: &'a Value, who: &str) -> &'a Value {
    let is_it = |p: &&Value| p["role"] == who || p["camera"] == who;
    list(stats, "processes").iter().find(is_it).unwrap()
}

pub(crate) fn pid_in(stats: &Value, who: &str) -> Option<u32> {
    process(stats, who)["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
}

pub(crate) fn camera<'a>(stats: &'a Value, name: &str) -> &'a Value {
    list(stats, "cameras").iter().find(|c| c["name"] == name).unwrap()
}

#[track_caller]
pub(crate) fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().unwrap_or_else(|| panic!("{key} is no list in {of}"))
}

/// The clip that an answer names.
pub(crate) fn clip_of(answer: &Value) -> PathBuf {
    PathBuf::from(answer["path"].as_str().unwrap())
}

pub(crate) fn manifest(clip: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(clip.join("manifest.json")).unwrap()).unwrap()
}

/// The names in a finished clip's folder. What it was made from is removed right after the manifest is written.
pub(crate) fn finished(clip: &Path) -> BTreeSet<String> {
    until("the workshop to be cleared", || (!clip.join(".partial").exists()).then(|| names(clip)))
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries(folder).iter().map(name).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// How many frames of a camera are in a clip's journals.
fn recorded(clip: &Path, camera: &str) -> usize {
    let is_journal = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&format!("{camera}.part")) && name.ends_with(".journal")
    };
    let lines = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    let journals = entries(&clip.join(".partial")).into_iter().filter(is_journal);
    journals.map(|path| lines(path).saturating_sub(1)).sum()
}

/// Numbers that look random and can be had again.
pub(crate) struct Dice(u64);

impl Dice {
    /// Prints its seed.
    pub(crate) fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let given = std::env::var("PREROLL_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or(u64::from(now.subsec_nanos()) | 1);
        println!("PREROLL_SEED={seed}");
        Self(seed)
    }

    /// One of `0..below`, by xorshift64.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    /// Waits for a while: the one thing here that isn't an event, since the moment is meant to be any.
    pub(crate) fn pause(&mut self, at_most_ms: u64) -> u64 {
        let ms = self.below(at_most_ms);
        std::thread::sleep(Duration::from_millis(ms));
        ms
    }
}
