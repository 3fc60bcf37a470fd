//! Configs that can't work: one clear message, exit code 2, and nothing begun.

use std::os::unix::fs::PermissionsExt;

use trials::{Rig, TWO_CAMERAS, clip_of, names};

const ONE: &str = "cameras:\n  - { name: left, backend: sim }\nrecording: { output_dir: $DIR/recordings }\n";

/// Starts on this config, expects to be refused, and looks for anything begun.
#[track_caller]
fn refused(config: &str, says: &[&str]) {
    let rig = Rig::prepare(config);
    std::fs::write(rig.path("notes.mp4"), "This is not a video, whatever its name says.\n".repeat(100))
        .unwrap();
    let answer = rig.refused_start().refusal(2, says);
    let messages = answer.stderr.lines().filter(|line| line.starts_with("supervisor: ")).count();
    assert_eq!(messages, 1, "{answer:#?}");
    assert!(!answer.stderr.contains("panicked"), "{answer:#?}");
    rig.assert_nothing_left();
    assert!(names(&rig.recordings()).is_empty(), "{:?}", names(&rig.recordings()));
    rig.command(&["check", "--config", rig.config().to_str().unwrap()]).refusal(2, says);
    rig.assert_nothing_left();
}

/// The same for a mistake that stands where the mark ¦ is.
#[track_caller]
fn refused_at(marked: &str, says: &str) {
    let before = marked.split('¦').next().unwrap();
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    refused(&marked.replace('¦', ""), &[&format!("rig.yaml:{line}:{column}: "), says, "^"]);
}

#[test]
fn a_mistake_in_a_config_is_shown_where_it_is() {
    for (left, says) in [
        ("name: left, backend: sim, ¦colour: red", "colour"),
        ("name: left, backend: sim, fps: ¦fast", "frames a second"),
        ("name: left, backend: sim, width: ¦-1280", "pixels"),
        ("name: left, backend: sim, fps: ¦0", "more than 0"),
        ("name: left, backend: sim, fps: ¦-60", "more than 0"),
        ("name: left, backend: sim, fps: ¦.nan", "more than 0"),
        ("name: left, backend: sim, fps: ¦1e9", "at most"),
        ("name: left, backend: sim, width: ¦1281", "1281"),
        ("name: left, backend: sim, width: ¦0", "0x720"),
        ("name: left, backend: sim, width: ¦64, height: 64", "256x64"),
        ("name: left, backend: sim, pixel_format: ¦RGB", "I420, NV12, YUYV"),
        ("name: ¦../left, backend: sim", "A-Z"),
        ("name: left, backend: ¦usb", "sim, file, opencv"),
        ("name: left, backend: sim, path: ¦a.mp4", "a key of file and pipe cameras"),
    ] {
        refused_at(
            &format!("cameras:\n  - {{ {left} }}\nrecording: {{ output_dir: $DIR/recordings }}\n"),
            says,
        );
    }
    for (recording, says) in [
        ("¦reserve: 3", "reserve"),
        ("codec_quality: ¦99", "0 (best) to 51"),
        ("codec_quality: ¦high", "0 to 51"),
        ("preferred_codec: ¦H265", "auto, H264, avc1, XVID, MP4V, MJPG"),
        ("pre_roll_ms: ¦half", "milliseconds"),
        ("run_name: ¦../x", "A-Z"),
        ("session: ¦game", "run_name"),
        ("min_free_bytes: ¦64M", "it takes bytes"),
        ("min_free_bytes: ¦-1", "it takes bytes"),
        ("backlog_bytes: ¦2G", "it takes bytes"),
    ] {
        refused_at(&ONE.replace("output_dir", &format!("{recording}, output_dir")), says);
    }
    refused_at(&format!("{ONE}¦speed_limit: 3\n"), "speed_limit");
    refused_at(&ONE.replace("\nrec", "\n  - { name: ¦left, backend: sim }\nrec"), "on line 2");
    refused_at("cameras: ¦[]\n", "at least one");
    for config in ["cameras:\n  - { backend: sim }\n", "cameras:\n  - { name: left, backend: file }\n"] {
        refused(config, &["rig.yaml:2:", "name"]);
    }
    refused("cameras:\n  - { name: left\n", &["rig.yaml:"]);
    refused("", &["rig.yaml", "empty"]);
}

#[test]
fn a_config_that_cannot_work_here_is_refused() {
    let film = |path: &str| format!("cameras:\n  - {{ name: left, backend: file, path: {path} }}\n");
    let pre_roll = |ms: &str| ONE.replace("recordings }", &format!("recordings, pre_roll_ms: {ms} }}"));
    let table: &[(String, &[&str])] = &[
        (film("$DIR/notes.mp4"), &["camera left", "notes.mp4"]),
        (film("$DIR"), &["camera left"]),
        (pre_roll("600000"), &["bytes", "available", "less pre-roll"]),
        (pre_roll("86400000"), &["rig.yaml:2:13: ", "more frames than any ring can hold"]),
        (
            ONE.replace("$DIR/recordings", "$DIR/rig.yaml/recordings"),
            &["output_dir", "rig.yaml", "another folder"],
        ),
    ];
    for (config, says) in table {
        refused(config, says);
    }
}

#[test]
fn an_output_folder_that_cannot_be_written_is_refused() {
    // Where not even root may make a folder.
    let rig = Rig::prepare(&ONE.replace("$DIR/recordings", "/proc/recordings"));
    rig.refused_start().refusal(2, &["output_dir", "/proc/recordings", "another folder"]);
    rig.assert_nothing_left();
}

#[test]
fn a_config_that_is_not_there_is_refused() {
    let rig = Rig::prepare(ONE);
    for command in ["start", "check"] {
        rig.command(&[command, "--config", "nowhere.yaml"]).refusal(2, &["nowhere.yaml", "--config FILE"]);
        rig.command(&[command]).refusal(2, &["--config"]);
    }
    rig.assert_nothing_left();
}

#[test]
fn a_second_start_names_the_first_and_leaves_it_alone() {
    let rig = Rig::start(TWO_CAMERAS);
    let (children, segments) = (rig.children(), rig.segments());
    let pid = format!("pid {}", rig.supervisor_pid());
    rig.refused_start().refusal(2, &["a supervisor is running in", &pid, "supervisor stop", "--runtime-dir"]);
    assert_eq!((rig.children(), rig.segments()), (children, segments));
    assert_eq!(names(&rig.recordings()).len(), 1);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

#[test]
fn a_stale_lock_with_somebody_elses_pid_is_not_believed() {
    let mut rig = Rig::start(TWO_CAMERAS);
    rig.kill_supervisor();
    std::fs::write(rig.path("run/supervisor.lock"), std::process::id().to_string()).unwrap();
    rig.command(&["stats"]).refusal(3, &["no supervisor is running"]);
    rig.launch(&[]);
    rig.await_ready();
}

#[test]
fn another_config_on_the_next_start_gets_rings_of_its_own() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let children = rig.children();
    let clip = rig.command(&["trigger", "--post-ms", "3000"]).code(0).json();
    rig.kill_supervisor();
    rig.configure(&TWO_CAMERAS.replace("fps: 60", "fps: 30"));
    rig.launch(&[]);
    rig.await_ready();
    assert!(rig.children().iter().all(|pid| !children.contains(pid)), "those of the other config are ended");
    let manifest = rig.await_manifest(&clip_of(&clip));
    assert_eq!(manifest["complete"], false);
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert!((30..=31).contains(&answer["cameras"]["left"]["frames_written"].as_u64().unwrap()), "{answer:#}");
}

#[test]
fn an_output_folder_that_others_may_write_is_warned_of_and_used() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    std::fs::create_dir(rig.recordings()).unwrap();
    let set = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(rig.recordings(), permissions).unwrap();
    };
    let warning = "others can remove or replace clips in ";
    for (mode, is_warned) in [(0o755, false), (0o1777, false), (0o777, true)] {
        set(mode);
        let checked = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
        assert_eq!(checked.stderr.contains(warning), is_warned, "{mode:o}: {checked:#?}");
        assert!(!is_warned || checked.stderr.contains("chmod go-w"), "{checked:#?}");
    }
    rig.launch(&[]);
    let line = rig.await_log(warning);
    assert!(line.contains("Z [WARN] ") && line.contains("every user of this machine"), "{line}");
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}
