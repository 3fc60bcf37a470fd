//! Paths that aren't UTF-8: refused in words before anything is made, and no hindrance where Preroll keeps none of them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use trials::command::{Answer, Asked};
use trials::{Rig, TWO_CAMERAS, program};

/// `café` in Latin-1.
fn odd_folder(rig: &Rig) -> PathBuf {
    let folder = rig.path("").join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).unwrap();
    folder
}

fn ask(folder: &Path, runtime_dir: &Path, args: &[&str]) -> Answer {
    let mut command = Command::new(program("supervisor"));
    command.args(args).env("PREROLL_RUNTIME_DIR", runtime_dir).current_dir(folder);
    Asked::run(command, format!("supervisor {args:?}")).answer()
}

const SAYS: [&str; 2] = ["caf\\xE9", "UTF-8"];

#[test]
fn a_path_that_is_not_utf_8_is_refused_in_words() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let (odd, run) = (odd_folder(&rig), rig.path("run"));
    let config = rig.config();
    let config = config.to_str().unwrap();
    // The config's own path, made absolute.
    std::fs::copy(rig.config(), odd.join("here.yaml")).unwrap();
    for command in ["start", "check"] {
        ask(&odd, &run, &[command, "--config", "here.yaml"]).refusal(2, &SAYS);
    }
    // The runtime directory, by its name and through a link; for commands too.
    let link = rig.path("link");
    std::os::unix::fs::symlink(&odd, &link).unwrap();
    for dir in [odd.join("run"), link] {
        for args in [&["start", "--config", config][..], &["stats"], &["stop"]] {
            ask(&rig.path(""), &dir, args).refusal(2, &SAYS);
        }
    }
    assert_eq!(std::fs::read_dir(&odd).unwrap().count(), 1, "nothing was made");
    // The output folder, made absolute.
    rig.configure(&TWO_CAMERAS.replace("$DIR/recordings", "recordings"));
    for command in ["start", "check"] {
        ask(&odd, &run, &[command, "--config", config]).refusal(2, &SAYS);
    }
    assert!(!odd.join("recordings").exists());
}

#[test]
fn a_working_folder_that_is_not_utf_8_is_no_hindrance_when_nothing_is_relative_to_it() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    odd_folder(&rig);
    rig.launch_through(&["sh", "-c", "cd caf* && exec \"$@\"", "sh"]);
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}
