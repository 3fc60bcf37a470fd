//! A Preroll for one test: a temporary folder with its config, runtime directory, recordings and truth logs, and a
//! supervisor in it. When a [`Rig`] is dropped everything is stopped, and nothing may be left.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::rig::instance::Instance;
use ::rig::supervisor::Supervisor;
use oracle::folder;
use oracle::judge::JudgedBy;
use oracle::report::Report;
use oracle::truth::{Truth, Truths};
use proto::clip::MANIFEST;
use proto::failpoint;
use proto::process::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::clip::{entries, manifest, recorded};
use crate::command::{Answer, Asked};
use crate::stats::{list, pid_in};
use crate::{program, schemas, take_turn, until};

const NOTHING: [PathBuf; 0] = [];

/// A ring that reaches back so far holds the config's whole pre-roll.
const PRE_ROLL_MS: f64 = 700.0;

/// Two small cameras at 60 fps, with a reserve that outlasts any restart on a busy machine: what is tested is that
/// nothing is lost within the reserve, not how fast this machine is. More lines of `recording:` can follow.
pub const TWO_CAMERAS: &str = "\
camera: { width: 320, height: 192, fps: 60 }
cameras:
  - { name: left, backend: sim, truth_log: $DIR/left.truth }
  - { name: right, backend: sim, truth_log: $DIR/right.truth }
recording:
  output_dir: $DIR/recordings
  reserve_ms: 4000
";

/// A Preroll of a test's own.
pub struct Rig {
    // Dropped first: it ends the processes that use the folder.
    supervisor: Supervisor,
    folder: TempDir,
    /// Held as long as this rig runs.
    _turn: Arc<File>,
}

impl Rig {
    /// Starts a Preroll and waits until it is ready and its rings hold a whole pre-roll. `$DIR` in the config is the
    /// rig's folder.
    pub fn start(config: &str) -> Self {
        let mut rig = Self::prepare(config);
        rig.launch(&[]);
        rig.await_ready();
        rig
    }

    /// All but the start.
    pub fn prepare(config: &str) -> Self {
        let turn = take_turn();
        let folder = tempfile::Builder::new().prefix("preroll-").tempdir().unwrap();
        let runtime_dir = folder.path().join("run");
        std::fs::create_dir(&runtime_dir).unwrap();
        let supervisor = Supervisor::prepare(&folder.path().join("rig.yaml"), &runtime_dir);
        let rig = Self { supervisor, folder, _turn: turn };
        rig.configure(config);
        rig
    }

    /// Writes the config.
    pub fn configure(&self, config: &str) {
        let config = config.replace("$DIR", self.path("").to_str().unwrap().trim_end_matches('/'));
        std::fs::write(self.config(), config).unwrap();
    }

    /// A path in the rig's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The config's path.
    pub fn config(&self) -> PathBuf {
        self.path("rig.yaml")
    }

    /// The folder of all recordings.
    pub fn recordings(&self) -> PathBuf {
        self.path("recordings")
    }

    fn instance(&self) -> &Instance {
        self.supervisor.instance()
    }

    /// Starts the supervisor, with these arguments besides.
    pub fn launch(&mut self, more: &[&str]) {
        self.launch_in(more, &[]);
    }

    /// Starts the supervisor with these arguments and variables of its environment besides.
    pub fn launch_in(&mut self, more: &[&str], environment: &[(&str, &str)]) {
        let mut command = self.start_command();
        command.args(more).env(failpoint::FOLDER, self.path("failpoints")).envs(environment.iter().copied());
        self.supervisor.launch(command).unwrap();
    }

    /// Starts the supervisor through another program, which becomes it: `["setsid"]`, `["prlimit", "--fsize=1000000"]`.
    pub fn launch_through(&mut self, wrapper: &[&str]) {
        let inner = self.start_command();
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(inner.get_program()).args(inner.get_args());
        command.current_dir(self.folder.path()).env(failpoint::FOLDER, self.path("failpoints"));
        self.supervisor.launch(command).unwrap();
    }

    /// Starts the supervisor of another folder of executables, which starts its children from there.
    pub fn launch_from(&mut self, programs: &Path) {
        let mut command = Command::new(programs.join("supervisor"));
        command.arg("--runtime-dir").arg(self.instance().runtime_dir());
        command.args(["start", "--config"]).arg(self.config()).current_dir(self.folder.path());
        self.supervisor.launch(command).unwrap();
    }

    /// Starts the supervisor with nobody to read its log: each line that anyone writes fails.
    pub fn launch_unheard(&mut self) {
        self.supervisor.launch_unheard(self.start_command()).unwrap();
    }

    fn start_command(&self) -> Command {
        let mut command = self.supervisor.start_command().unwrap();
        command.current_dir(self.folder.path());
        command
    }

    /// Waits until the supervisor is ready and its rings hold a whole pre-roll.
    pub fn await_ready(&mut self) {
        until("the supervisor to be ready", || {
            if let Some(status) = self.supervisor.ended().unwrap() {
                panic!("the supervisor has ended: {status}\n{}", self.log().join("\n"));
            }
            let stats = self.command(&["stats"]);
            if stats.code != Some(0) {
                return None;
            }
            let stats = stats.json();
            let reaches = |camera: &Value| camera["ring"]["reach_ms"].as_f64() > Some(PRE_ROLL_MS);
            (stats["state"] == "ready" && list(&stats, "cameras").iter().all(reaches)).then_some(())
        });
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.supervisor.log().texts()
    }

    /// Waits for a line of the log that says this.
    #[track_caller]
    pub fn await_log(&self, says: &str) -> String {
        until(says, || self.supervisor.log().find(says))
    }

    /// Says what is to happen from now on, an entry of [`failpoint`] a line, in every process of this rig.
    pub fn arm(&self, points: &str) {
        static ARMED: AtomicUsize = AtomicUsize::new(0);
        let folder = self.path("failpoints");
        // Earlier happenings count no more.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir(&folder).unwrap();
        // A remark of its own, so that processes begin to count again.
        let points = format!("# {}\n{points}\n", ARMED.fetch_add(1, Ordering::Relaxed));
        proto::durable::replace(&folder.join(failpoint::POINTS), points.as_bytes()).unwrap();
    }

    /// Has an entry happened so often?
    pub fn happened(&self, entry: &str, times: u32) -> bool {
        self.path("failpoints").join(failpoint::token(entry, times - 1)).exists()
    }

    /// Waits until an entry has happened so often.
    #[track_caller]
    pub fn await_happened(&self, entry: &str, times: u32) {
        until(&format!("{entry} to happen"), || self.happened(entry, times).then_some(()));
    }

    /// Asks, and goes on.
    pub fn ask(&self, args: &[&str]) -> Asked {
        let mut command = Command::new(program("supervisor"));
        command.args(args).env("PREROLL_RUNTIME_DIR", self.instance().runtime_dir());
        command.current_dir(self.folder.path());
        Asked::run(command, format!("supervisor {args:?}")).printing(schemas::of_command(args))
    }

    /// Asks, and waits for the answer.
    #[track_caller]
    pub fn command(&self, args: &[&str]) -> Answer {
        self.ask(args).answer()
    }

    /// Starts an instance that must be refused: waits for its end.
    #[track_caller]
    pub fn refused_start(&self) -> Answer {
        self.command(&["start", "--config", self.config().to_str().unwrap()])
    }

    /// The stats.
    #[track_caller]
    pub fn stats(&self) -> Value {
        self.command(&["stats"]).code(0).json()
    }

    /// Waits until the stats are so.
    #[track_caller]
    pub fn await_stats(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(what, || {
            let answer = self.command(&["stats"]);
            // Not 0: it has only just been started.
            (answer.code == Some(0)).then(|| answer.json()).filter(&is_so)
        })
    }

    /// The pid of "recorder" or of a camera's capture, when it is there and has been heard of.
    pub fn pid_of(&self, who: &str) -> Pid {
        until(&format!("{who} to run"), || pid_in(&self.stats(), who))
    }

    /// Every child's pid: the captures', then the recorder's.
    pub fn children(&self) -> Vec<Pid> {
        ["left", "right", "recorder"].map(|who| self.pid_of(who)).to_vec()
    }

    /// The supervisor's pid.
    pub fn supervisor_pid(&self) -> Pid {
        self.supervisor.pid().unwrap()
    }

    /// Kills the supervisor, and nobody else.
    pub fn kill_supervisor(&mut self) {
        self.supervisor.kill().unwrap();
    }

    /// Waits for the supervisor's own end.
    #[track_caller]
    pub fn await_end(&mut self) -> ExitStatus {
        self.supervisor.await_end().unwrap()
    }

    /// Waits until so many frames of a camera are in a clip that is being recorded.
    pub fn await_frames(&self, clip: &Path, camera: &str, frames: usize) {
        until("frames to be recorded", || (recorded(clip, camera) >= frames).then_some(()));
    }

    /// Waits for a clip's manifest.
    #[track_caller]
    pub fn await_manifest(&self, clip: &Path) -> Value {
        until("the manifest", || clip.join(MANIFEST).is_file().then_some(()));
        manifest(clip)
    }

    /// The truth logs of the cameras.
    pub fn truths(&self) -> Truths {
        let read = |name: &str| {
            let path = self.path(&format!("{name}.truth"));
            path.is_file().then(|| (name.to_owned(), Truth::read(&path).unwrap()))
        };
        ["left", "right"].into_iter().filter_map(read).collect()
    }

    /// Asserts that every clip of this rig is finished and tells the truth.
    #[track_caller]
    pub fn assert_true(&self) -> Report {
        let report = folder::judge(&self.recordings(), &self.truths()).unwrap();
        assert!(report.is_true(), "{report}");
        report
    }

    /// And that not one frame is missing of what was asked for.
    #[track_caller]
    pub fn assert_complete(&self) -> Report {
        let report = self.assert_whole();
        for clip in self.clips() {
            assert_eq!(manifest(&clip)["complete"], true, "{report}");
        }
        report
    }

    /// Asserts that every clip is true and lacks nothing of the window that it was given, which may be a short one.
    #[track_caller]
    pub fn assert_whole(&self) -> Report {
        let report = self.assert_true();
        for clip in &report.clips {
            assert!(
                clip.cameras.values().all(|v| v.judged_by == JudgedBy::Truth && v.present == v.expected),
                "{report}"
            );
        }
        report
    }

    /// Every clip's folder, of every run.
    pub fn clips(&self) -> Vec<PathBuf> {
        let mut clips: Vec<_> = entries(&self.recordings())
            .iter()
            .flat_map(|run| entries(run))
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("clip-"))
            .collect();
        clips.sort();
        clips
    }

    /// Asserts that every manifest and every run file of this rig is as its schema says.
    #[track_caller]
    fn assert_documents(&self) {
        let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
        let runs = entries(&self.recordings());
        runs.iter()
            .filter_map(|run| read(&run.join("run.json")))
            .for_each(|run| schemas::assert_valid("run", &run));
        let manifests = self.clips().into_iter().filter_map(|clip| read(&clip.join(MANIFEST)));
        manifests.for_each(|manifest| schemas::assert_valid_manifest(&manifest));
    }

    /// Every process of this rig.
    pub fn processes(&self) -> Vec<Pid> {
        self.instance().processes()
    }

    /// The files of this rig's shared memory.
    pub fn segments(&self) -> Vec<PathBuf> {
        self.instance().segments()
    }

    /// Asserts that nothing is left but what was recorded.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        // A probe ends with the process that asked for it, by a signal that the kernel sends as that one ends.
        until("every process to be gone", || self.processes().is_empty().then_some(()));
        assert_eq!(self.segments(), NOTHING, "shared memory is left");
        assert_eq!(entries(self.instance().runtime_dir()), NOTHING, "the runtime directory isn't empty");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // After a failure, dropping `supervisor` ends whatever is left.
        let stopped = self.supervisor.terminate();
        if !std::thread::panicking() && stopped.is_ok() {
            // One that a failpoint was asked for is the test's own.
            let is_panic = |line: &&String| {
                ["panicked at", "a panic at"].iter().any(|says| line.contains(says))
                    && !line.contains("proto/src/failpoint.rs")
            };
            let log = self.log();
            assert!(log.iter().find(is_panic).is_none(), "{}", log.join("\n"));
            self.assert_nothing_left();
            self.assert_documents();
            return;
        }
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
