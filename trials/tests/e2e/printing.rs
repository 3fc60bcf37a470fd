//! Printing where nobody reads, or nothing fits: no command panics, and only an answer that could not be written is a
//! failure.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use trials::{Rig, TWO_CAMERAS, program};

/// A place in which what is printed is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    /// A pipe whose reader has gone: `preroll stats | true`.
    Unread,
    /// A disk without room.
    Full,
    /// Closed: `>&-`.
    Closed,
}

const LOST: [Lost; 3] = [Lost::Unread, Lost::Full, Lost::Closed];

/// The place as a program's output. A closed one is closed by the shell.
fn outlet(lost: Option<Lost>) -> Stdio {
    match lost {
        None => Stdio::piped(),
        Some(Lost::Unread) => std::io::pipe().unwrap().1.into(),
        Some(Lost::Full) => File::options().write(true).open("/dev/full").unwrap().into(),
        Some(Lost::Closed) => Stdio::null(),
    }
}

fn run(rig: &Rig, args: &[&str], stdout: Option<Lost>, stderr: Option<Lost>) -> Output {
    let close = |lost, redirect| if lost == Some(Lost::Closed) { redirect } else { "" };
    let script = format!("exec \"$0\" \"$@\" {} {}", close(stdout, ">&-"), close(stderr, "2>&-"));
    Command::new("sh")
        .args(["-c", &script])
        .arg(program("preroll"))
        .args(args)
        .env("PREROLL_RUNTIME_DIR", rig.path("run"))
        .stdin(Stdio::null())
        .stdout(outlet(stdout))
        .stderr(outlet(stderr))
        .output()
        .unwrap()
}

/// Runs a command with each of its outputs lost in each way.
#[track_caller]
fn print_in_vain(rig: &Rig, args: &[&str], code: i32) {
    let usual = run(rig, args, None, None);
    assert_eq!(usual.status.code(), Some(code), "{args:?}: {usual:?}");
    for lost in LOST {
        let output = run(rig, args, Some(lost), None);
        let said = String::from_utf8_lossy(&output.stderr);
        let is_failure = lost == Lost::Full && !usual.stdout.is_empty();
        let expected = if is_failure { 1 } else { code };
        assert_eq!(output.status.code(), Some(expected), "{args:?}, answer {lost:?}: {output:?}");
        assert_eq!(said.contains("can't write the answer"), is_failure, "{args:?}, answer {lost:?}: {said}");
        let output = run(rig, args, None, Some(lost));
        assert_eq!(output.status.code(), Some(code), "{args:?}, remarks {lost:?}: {output:?}");
        assert_eq!(
            output.stdout.is_empty(),
            usual.stdout.is_empty(),
            "{args:?}, remarks {lost:?}: {output:?}"
        );
    }
}

#[test]
fn no_command_without_an_instance_minds_where_it_prints() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let config = rig.config();
    let config = config.to_str().unwrap();
    // One that is warned about, so that there are remarks beside the answer.
    std::fs::create_dir(rig.recordings()).unwrap();
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(rig.recordings(), everybody).unwrap();
    for help in ["--help", "-h", "--version", "help"] {
        print_in_vain(&rig, &[help], 0);
    }
    print_in_vain(&rig, &["trigger", "--help"], 0);
    print_in_vain(&rig, &["check", "--config", config], 0);
    for command in ["check", "start"] {
        print_in_vain(&rig, &[command, "--config", "nowhere.yaml"], 2);
        print_in_vain(&rig, &[command], 2);
    }
    for command in [&["stats"][..], &["status"], &["codecs"], &["trigger"], &["restart", "left"], &["stop"]] {
        print_in_vain(&rig, command, 3);
    }
}

#[test]
fn no_command_of_an_instance_minds_where_it_prints() {
    let mut rig = Rig::start(TWO_CAMERAS);
    rig.await_log("Using video codec");
    for command in [&["stats"][..], &["status"], &["codecs"], &["codecs", "--json"]] {
        print_in_vain(&rig, command, 0);
    }
    print_in_vain(&rig, &["trigger", "--wait", "--pre-ms", "200", "--post-ms", "50"], 0);
    print_in_vain(&rig, &["trigger", "--camera", "nobody"], 2);
    print_in_vain(&rig, &["restart", "nobody"], 2);
    print_in_vain(&rig, &["restart", "left"], 0);
    let stopped = run(&rig, &["stop"], Some(Lost::Full), None);
    assert_eq!(stopped.status.code(), Some(1), "{stopped:?}");
    assert!(rig.await_end().success());
}

#[test]
fn a_probe_of_a_film_says_that_it_could_not_answer() {
    let Ok(libav) = rig::program::path("capture-libav") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rig.yaml");
    let none = folder.path().join("none.mp4");
    std::fs::write(
        &config,
        format!("cameras: [{{ name: film, backend: file, path: {} }}]\n", none.display()),
    )
    .unwrap();
    for (out, err) in [(None, Some(Lost::Full)), (Some(Lost::Full), Some(Lost::Unread))] {
        let mut probe = Command::new(&libav);
        probe.args(["--probe", "film", "--config"]).arg(&config).stdout(outlet(out)).stderr(outlet(err));
        // The film may come yet.
        assert_eq!(probe.status().unwrap().code(), Some(1), "{out:?} {err:?}");
    }
}
