//! A start or a check that is refused leaves the world as it was: the same table of refusals, looked at from outside.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use trials::{Rig, TWO_CAMERAS, program};

/// Every file and folder below a folder, with its mode.
fn tree(folder: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let there = path.symlink_metadata().unwrap();
            if there.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, there.mode());
        }
    }
    found
}

fn run(rig: &Rig, command: &str, runtime_dir: &str, umask: &str) -> Output {
    Command::new("sh")
        .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
        .arg(program("preroll"))
        .args([command, "--config", "rig.yaml", "--runtime-dir", runtime_dir])
        .current_dir(rig.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_refusal_leaves_no_folder_behind() {
    let output = |folder: &str| TWO_CAMERAS.replace("$DIR/recordings", folder);
    let pre_roll = format!("{TWO_CAMERAS}  pre_roll_ms: 6000000\n");
    let long = format!("new/{}/run", "x".repeat(100));
    let film = "cameras: [{ name: left, backend: file, path: rig.yaml }]\n".to_owned();
    let table: &[(&str, &str, String, &str)] = &[
        ("the runtime directory's path is too long", &long, output("$DIR/a/b"), "too long a path"),
        (
            "a part of its name is too long",
            &format!("new/{}", "x".repeat(300)),
            output("$DIR/a/b"),
            "can't create",
        ),
        ("it holds something else", "theirs", output("$DIR/a/b"), "not Preroll's"),
        ("it is a file", "rig.yaml", output("$DIR/a/b"), "rig.yaml"),
        ("it is below a file", "rig.yaml/run", output("$DIR/a/b"), "rig.yaml"),
        ("the config has a mistake", "new/run", format!("{TWO_CAMERAS}  colour: red\n"), "colour"),
        (
            "a clip would have no length",
            "new/run",
            format!("{TWO_CAMERAS}  pre_roll_ms: 0\n  post_roll_ms: 0\n"),
            "no length",
        ),
        ("a film holds no video", "new/run", film, "rig.yaml"),
        ("the rings don't fit", "new/run", pre_roll, "less pre-roll"),
        ("clips can't be written", "new/run", output("/proc/new/recordings"), "output_dir"),
        ("clips would go through a link", "new/run", output("$DIR/link"), "symbolic link"),
        ("clips would go below a file", "new/run", output("$DIR/rig.yaml/a/b"), "output_dir"),
        (
            "a part of the output folder's name is too long",
            "new/run",
            output(&format!("$DIR/a/{}", "x".repeat(300))),
            "output_dir",
        ),
    ];
    let rig = Rig::prepare(TWO_CAMERAS);
    std::fs::create_dir(rig.path("theirs")).unwrap();
    std::fs::write(rig.path("theirs/notes.txt"), "mine").unwrap();
    std::os::unix::fs::symlink(rig.path("theirs"), rig.path("link")).unwrap();
    for (what, runtime_dir, config, says) in table {
        rig.configure(config);
        let before = tree(&rig.path(""));
        for umask in ["022", "0777"] {
            let started = run(&rig, "start", runtime_dir, umask);
            let said = String::from_utf8_lossy(&started.stderr);
            assert!(matches!(started.status.code(), Some(1 | 2)), "{what}: {started:?}");
            assert!(said.contains(says), "{what}: {said}");
            run(&rig, "check", runtime_dir, umask);
            assert_eq!(tree(&rig.path("")), before, "{what}, umask {umask}: something is left");
        }
    }
}

#[test]
fn a_umask_takes_no_right_from_the_owner() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    rig.launch_through(&["sh", "-c", "umask 0777; exec \"$0\" \"$@\""]);
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
    for (path, mode) in tree(&rig.recordings()) {
        let is_usable = if path.is_dir() { mode & 0o700 == 0o700 } else { mode & 0o600 == 0o600 };
        assert!(is_usable && mode & 0o077 == 0, "{}: {mode:o}", path.display());
    }
    rig.assert_complete();
}

#[test]
fn a_start_that_is_not_refused_keeps_the_folders_that_it_made() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    assert!(!rig.path("recordings").exists());
    rig.launch(&[]);
    rig.await_ready();
    assert!(rig.path("recordings").is_dir());
    rig.command(&["stop"]).code(0);
    rig.await_end();
    let mode = rig.path("run").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
