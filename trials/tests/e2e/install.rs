//! `make install` and `make uninstall`: the installed program records, and nothing of it stays.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal};
use trials::{program, take_turn};

const CONFIG: &str = "\
camera: { width: 320, height: 192, fps: 60 }
cameras: [{ name: left, backend: sim }]
recording: { output_dir: recordings, reserve_ms: 4000 }
";

/// A folder that Preroll is installed into, and what a test needs to run it from there.
struct Installed {
    folder: tempfile::TempDir,
}

impl Installed {
    /// Installs the executables that lie beside the tests, under a umask that denies everything to others.
    fn new() -> Self {
        let this = Self::empty();
        std::fs::write(this.path("rig.yaml"), CONFIG).unwrap();
        std::fs::create_dir(this.path("run")).unwrap();
        succeeds(this.make("install"));
        this
    }

    /// A folder that nothing is installed into yet.
    fn empty() -> Self {
        Self { folder: tempfile::Builder::new().prefix("preroll-").tempdir().unwrap() }
    }

    /// Writes a file under `/` that no install has put there.
    fn foreign(&self, name: &str) -> PathBuf {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "foreign").unwrap();
        path
    }

    /// `make` with one more variable, which wins over those of [`Self::make`].
    fn make_with(&self, target: &str, variable: &str) -> Command {
        let mut command = self.make(target);
        command.arg(variable);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that stands for `/`.
    fn root(&self) -> PathBuf {
        self.path("root")
    }

    fn make(&self, target: &str) -> Command {
        let build = program("preroll").parent().unwrap().to_owned();
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 077 && exec make \"$@\"", "sh", target, "PREFIX=/opt/preroll-1"])
            .arg(format!("DESTDIR={}", self.root().display()))
            .arg(format!("BUILD={}", build.display()))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            // Variables of the make that runs the tests.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL");
        command
    }

    /// A command of the installed program.
    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.root().join("opt/preroll-1/bin").join(name));
        command.args(arguments).current_dir(self.folder.path()).env("PREROLL_RUNTIME_DIR", self.path("run"));
        command
    }

    /// Every file under `/`, without its folder's name.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

/// A supervisor that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

#[track_caller]
fn succeeds(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// The message of a command that fails.
#[track_caller]
fn fails(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The arguments of a process's children, joined by spaces.
fn children(of: u32) -> Vec<String> {
    let listed = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
    let line = |pid: &str| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = |line: Vec<u8>| String::from_utf8(line).unwrap().replace('\0', " ");
    listed.split_whitespace().map(line).map(text).collect()
}

#[test]
fn an_installed_preroll_records_and_uninstall_removes_all_of_it() {
    let _turn = take_turn();
    let installed = Installed::new();
    for file in installed.files() {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        let is_program = ["bin", "libexec"].iter().any(|part| file.iter().any(|name| name == *part));
        assert_eq!(mode, if is_program { 0o755 } else { 0o644 }, "{}", file.display());
    }
    let unit = installed.root().join("opt/preroll-1/lib/systemd/system/preroll.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    assert!(unit.contains("ExecStart=/opt/preroll-1/bin/preroll start "), "{unit}");

    succeeds(installed.command("preroll", &["check", "--config", "rig.yaml"]));
    let mut start = installed.command("preroll", &["start", "--config", "rig.yaml"]);
    let mut running = Running(start.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let until_ready: Vec<String> = log.by_ref().take_while(|line| !line.contains("ready: ")).collect();
    // The supervisor must not wait for a reader of its log.
    std::thread::spawn(move || log.for_each(drop));
    assert!(
        until_ready.iter().any(|line| line.ends_with("record one with: preroll trigger")),
        "{until_ready:#?}"
    );
    let children = children(running.0.id());
    for title in ["preroll-capture left --", "preroll-recorder --", "preroll-standby --"] {
        assert!(children.iter().any(|line| line.starts_with(title)), "{title}: {children:#?}");
    }
    // The rings hold little of the past yet.
    succeeds(installed.command("supervisor", &["trigger", "--wait", "--pre-ms", "0"]));
    succeeds(installed.command("preroll", &["stop"]));
    assert!(running.0.wait().unwrap().success());

    // Files that an administrator has put beside it stay.
    let foreign = installed.root().join("opt/preroll-1/bin/other");
    std::fs::write(&foreign, "").unwrap();
    succeeds(installed.make("uninstall"));
    assert_eq!(installed.files(), [foreign]);
    let own =
        ["opt/preroll-1/libexec/preroll", "opt/preroll-1/share/preroll", "opt/preroll-1/share/doc/preroll"];
    assert!(own.iter().all(|folder| !installed.root().join(folder).exists()));
}

#[test]
fn a_later_install_removes_files_that_are_no_longer_part_of_preroll() {
    let installed = Installed::new();
    let share = installed.root().join("opt/preroll-1/share/preroll");
    let (old, list) = (share.join("configs/old.yaml"), share.join("installed-files"));
    std::fs::write(&old, "").unwrap();
    let listed = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, format!("{listed}/opt/preroll-1/share/preroll/configs/old.yaml\n")).unwrap();
    succeeds(installed.make("install"));
    assert!(!old.exists());
    assert!(share.join("configs/default.yaml").exists());
    assert_eq!(std::fs::read_to_string(&list).unwrap(), listed);
}

#[test]
fn a_prefix_spelled_otherwise_is_the_same_place() {
    let installed = Installed::new();
    let sorted = || {
        let mut files = installed.files();
        files.sort();
        files
    };
    let before = sorted();
    for spelled in ["PREFIX=/opt/preroll-1/", "PREFIX=/opt//preroll-1", "PREFIX=/opt/./preroll-1"] {
        succeeds(installed.make_with("install", spelled));
        assert_eq!(sorted(), before, "{spelled}");
    }
    // A list that an earlier version wrote with the slash that was typed.
    let list = installed.root().join("opt/preroll-1/share/preroll/installed-files");
    let listed = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, listed.replace("/opt/preroll-1/", "/opt/preroll-1//")).unwrap();
    succeeds(installed.make("install"));
    assert_eq!(sorted(), before);
    assert_eq!(std::fs::read_to_string(&list).unwrap(), listed);
    succeeds(installed.make_with("uninstall", "PREFIX=/opt/preroll-1/"));
    assert!(installed.files().is_empty(), "{:?}", installed.files());
}

#[test]
fn an_interrupted_install_can_be_undone_and_repeated() {
    let installed = Installed::empty();
    // A folder's place is taken by a file: the install ends in the middle.
    let foreign = installed.foreign("opt/preroll-1/share/doc");
    fails(installed.make("install"));
    assert!(installed.root().join("opt/preroll-1/bin/preroll").is_file());
    succeeds(installed.make("uninstall"));
    assert_eq!(installed.files(), std::slice::from_ref(&foreign));
    fails(installed.make("install"));
    std::fs::remove_file(&foreign).unwrap();
    succeeds(installed.make("install"));
    succeeds(installed.make("uninstall"));
    assert!(installed.files().is_empty(), "{:?}", installed.files());
}

#[test]
fn uninstall_goes_on_where_a_folder_has_gone() {
    let installed = Installed::new();
    std::fs::remove_dir_all(installed.root().join("opt/preroll-1/libexec")).unwrap();
    succeeds(installed.make("uninstall"));
    assert!(installed.files().is_empty(), "{:?}", installed.files());
    assert!(!installed.root().join("opt/preroll-1/share/doc/preroll").exists());
}

#[test]
fn a_program_of_somebody_else_is_replaced_only_by_force() {
    let installed = Installed::empty();
    let foreign = installed.foreign("opt/preroll-1/bin/supervisor");
    let said = fails(installed.make("install"));
    assert!(said.contains(foreign.to_str().unwrap()) && said.contains("FORCE=1"), "{said}");
    assert_eq!(installed.files(), std::slice::from_ref(&foreign));
    assert_eq!(std::fs::read(&foreign).unwrap(), b"foreign");
    succeeds(installed.make_with("install", "FORCE=1"));
    assert_ne!(std::fs::read(&foreign).unwrap(), b"foreign");
}

#[test]
fn a_prefix_that_the_unit_cannot_hold_is_refused() {
    let installed = Installed::empty();
    for prefix in ["/opt/a b", "/opt/50%", "/opt/a|b", "/opt/a&b"] {
        for target in ["install", "uninstall"] {
            let said = fails(installed.make_with(target, &format!("PREFIX={prefix}")));
            assert!(said.contains(prefix) && said.contains("choose another folder"), "{said}");
        }
    }
    assert!(!installed.root().exists());
}

#[test]
fn each_name_of_the_program_tells_people_to_type_that_name() {
    for name in ["preroll", "supervisor"] {
        let folder = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let output = Command::new(program(name))
                .args(arguments)
                .args(["--runtime-dir".as_ref(), folder.path().join("none").as_os_str()])
                .output()
                .unwrap();
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
        };
        let refusal = run(&["stop"]);
        assert!(refusal.starts_with(&format!("{name}: ")), "{refusal}");
        assert!(refusal.contains(&format!("start one with: {name} start --config FILE")), "{refusal}");
        assert!(run(&["--version"]).starts_with(&format!("{name} ")));
        let help = run(&["--help"]);
        assert!(help.contains(&format!("Usage: {name} ")), "{help}");
        assert!(help.contains(&format!("{name} trigger --label first --wait")), "{help}");
    }
}
