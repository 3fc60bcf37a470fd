//! What commands answer, on a day when nothing goes wrong.

use std::path::Path;

use serde_json::Value;
use trials::{
    Rig, TWO_CAMERAS, assert_sums, camera, clip_of, finished, list, manifest, pid_in, process, program,
};

/// A name, and what is right for its value.
type Key = (&'static str, fn(&Value) -> bool);

/// Asserts that a document has these keys, and that each is of its kind.
#[track_caller]
fn assert_keys(of: &Value, keys: &[Key]) {
    for (key, is_right) in keys {
        let value = of.get(key).unwrap_or_else(|| panic!("{key} is missing in {of:#}"));
        assert!(is_right(value), "{key} is {value}");
    }
}

fn maybe_number(value: &Value) -> bool {
    value.is_null() || value.is_u64()
}

fn maybe_text(value: &Value) -> bool {
    value.is_null() || value.is_string()
}

#[test]
fn a_trigger_gives_every_frame_of_the_window_of_every_camera() {
    let rig = Rig::start(TWO_CAMERAS);
    let answer = rig.command(&["trigger", "--label", "goal", "--wait"]).code(0).json();
    assert_keys(
        &answer,
        &[
            ("trigger_id", Value::is_string),
            ("clip_id", Value::is_string),
            ("path", Value::is_string),
            ("verdict", Value::is_string),
            ("complete", Value::is_boolean),
        ],
    );
    let clip = clip_of(&answer);
    let run = clip.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let clip_id = format!("{}-clip-0001-goal", run.rsplit_once('_').unwrap().1);
    assert_eq!((&answer["clip_id"], &answer["complete"]), (&clip_id.into(), &true.into()));
    let files = [
        "SHA256SUMS",
        "left.mp4",
        "left_poster.jpg",
        "left_timestamps.csv",
        "manifest.json",
        "right.mp4",
        "right_poster.jpg",
        "right_timestamps.csv",
    ];
    assert_eq!(finished(&clip), files.map(str::to_owned).into());
    assert_sums(&clip);
    rig.await_log("clip clip-0001-goal: SHA256SUMS made: 7 files of ");
    let report = rig.assert_complete();
    let manifest = manifest(&clip);
    let span = |key: &str| manifest["window"][key].as_u64().unwrap();
    assert_eq!(span("end_ns") - span("start_ns"), 1_000_000_000);
    assert_eq!((&manifest["clip_id"], &manifest["label"]), (&answer["clip_id"], &"goal".into()));
    assert_eq!((&manifest["verdict"], &answer["verdict"]), (&"complete".into(), &"complete".into()));
    assert_eq!((&manifest["asked_window"], &manifest["schema"]), (&manifest["window"], &2.into()));
    let trigger = &manifest["trigger"];
    assert_eq!((&manifest["triggers"][0], &trigger["source"]), (trigger, &"command".into()));
    assert_eq!((&trigger["id"], &trigger["end_ns"]), (&answer["trigger_id"], &answer["end_ns"]));
    assert_eq!((&trigger["t_ns"], &trigger["utc"]), (&manifest["trigger_ns"], &manifest["trigger_utc"]));
    for name in ["left", "right"] {
        let counts = &answer["cameras"][name];
        assert_eq!(counts["frames_expected"], counts["frames_written"]);
        assert_keys(
            &manifest["cameras"][name],
            &[
                ("file", Value::is_string),
                ("codec", Value::is_string),
                ("encoder", Value::is_string),
                ("frames_expected", Value::is_u64),
                ("frames_written", Value::is_u64),
                ("gaps", Value::is_array),
                ("interruptions", Value::is_array),
            ],
        );
        let expected = report.clips[0].cameras[name].expected;
        assert!((60..=61).contains(&expected), "{report}");
        assert_eq!(counts["frames_written"], expected);
        assert_eq!(manifest["cameras"][name]["time"]["source"], "device");
        // The trigger's frame is in the middle of a second, less than a frame after the trigger.
        let offset_s = trigger["offset_s"][name].as_f64().unwrap();
        assert!((0.48..=0.5).contains(&offset_s), "{manifest:#}");
        assert_timestamps(&clip, name, expected);
    }

    // Without --wait the answer comes before the clip does.
    let answer = rig.command(&["trigger"]).code(0).json();
    assert_keys(&answer, &[("clip_id", Value::is_string), ("path", Value::is_string)]);
    assert!(answer.get("complete").is_none(), "{answer}");
    assert_eq!(rig.await_manifest(&clip_of(&answer))["complete"], true);
    rig.assert_complete();
    rig.await_stats("both clips to be counted", |s| s["recorder"]["clips_completed"] == 2);
    assert_eq!(rig.command(&["stop"]).code(0).stdout, "stopped\n");
    rig.assert_nothing_left();
    rig.assert_complete();
}

#[track_caller]
fn assert_timestamps(clip: &Path, camera: &str, frames: u64) {
    let text = std::fs::read_to_string(clip.join(format!("{camera}_timestamps.csv"))).unwrap();
    let mut lines = text.lines();
    let header = "camera_id,frame_index,t_capture_monotonic_ns,sequence,t_rel_us,flags";
    assert_eq!(lines.next(), Some(header));
    // The oracle compares the times; here, the ring's numbers have no hole, and nothing is special about a frame.
    let number = |line: &str| line.split(',').nth(3).unwrap().parse::<u64>().unwrap();
    let rows: Vec<&str> = lines.collect();
    assert!(rows.windows(2).all(|pair| number(pair[1]) == number(pair[0]) + 1), "{text}");
    assert!(rows.iter().all(|row| row.ends_with(',')), "{text}");
    assert_eq!(rows.len() as u64, frames);
}

#[test]
fn stats_tell_all_of_it_under_the_documented_names() {
    let rig = Rig::start(TWO_CAMERAS);
    rig.command(&["trigger", "--wait"]).code(0);
    // Rates are of the last second: wait until there was one. The standby closes its encoders a moment after the clip.
    let stats = rig.await_stats("a second to be measured", |s| {
        s["recorder"]["clips_completed"] == 1
            && list(s, "processes").iter().all(|p| p["state"] == "running")
            && s["totals"]["cpu_percent"].as_f64() > Some(0.0)
            && list(s, "cameras").iter().all(|c| c["fps"].as_f64() > Some(0.0))
    });
    let keys: &[Key] = &[
        ("schema", Value::is_u64),
        ("state", Value::is_string),
        ("health", Value::is_object),
        ("cameras", Value::is_array),
        ("recorder", Value::is_object),
        ("processes", Value::is_array),
        ("totals", Value::is_object),
        ("loop_delay_ms", Value::is_object),
    ];
    assert_keys(&stats, keys);
    assert_keys(&stats["health"], &[("status", Value::is_string), ("reasons", Value::is_array)]);
    for name in ["left", "right"] {
        let camera = camera(&stats, name);
        assert_keys(
            camera,
            &[
                ("name", Value::is_string),
                ("state", Value::is_string),
                ("fps", Value::is_number),
                ("captured_frames", Value::is_u64),
                ("dropped_frames", Value::is_u64),
                ("ring", Value::is_object),
            ],
        );
        assert_eq!(camera["state"], "live");
        let ring = &camera["ring"];
        let sizes = ["slots", "pre_roll_slots", "reserve_slots", "bytes"];
        let [slots, pre_roll, reserve, bytes] = sizes.map(|key| ring[key].as_u64().unwrap());
        // 500 ms at 60 fps and a fifth more; 4000 ms at 60 fps.
        assert_eq!((pre_roll, reserve), (36, 240));
        assert!(slots > pre_roll + reserve);
        let segments: Vec<u64> = rig.segments().iter().map(|path| path.metadata().unwrap().len()).collect();
        assert_eq!(segments, [bytes; 2]);
    }
    assert_keys(
        &stats["recorder"],
        &[
            ("codec", Value::is_string),
            ("encoder", Value::is_string),
            ("clips_completed", Value::is_u64),
            ("clips_incomplete", Value::is_u64),
            ("clips_open", Value::is_u64),
            ("lag_frames", Value::is_u64),
        ],
    );
    assert_eq!(stats["recorder"]["clips_incomplete"], 0);
    let roles: Vec<&str> = list(&stats, "processes").iter().filter_map(|p| p["role"].as_str()).collect();
    assert_eq!(roles[..4], ["supervisor", "capture", "capture", "recorder"]);
    let mut resident = 0;
    for process in list(&stats, "processes") {
        assert_keys(
            process,
            &[
                ("role", Value::is_string),
                ("camera", maybe_text),
                ("pid", maybe_number),
                ("state", Value::is_string),
                ("restarts", Value::is_u64),
                ("last_exit", maybe_text),
                ("uptime_s", Value::is_number),
                ("cpu_percent", Value::is_number),
                ("rss_bytes", Value::is_u64),
                ("pss_bytes", Value::is_u64),
                ("written_bytes", Value::is_u64),
                ("fds", Value::is_u64),
                ("threads", Value::is_u64),
            ],
        );
        let [rss, pss, fds, threads] =
            ["rss_bytes", "pss_bytes", "fds", "threads"].map(|key| process[key].as_u64().unwrap());
        assert!(pss > 0 && pss <= rss && fds > 0 && threads > 0, "{process:#}");
        assert_eq!((&process["state"], &process["restarts"]), (&"running".into(), &0.into()));
        resident += rss;
    }
    assert_eq!(pid_in(&stats, "supervisor"), Some(rig.supervisor_pid()));
    assert_eq!(process(&stats, "left")["role"], "capture");
    assert_keys(
        &stats["totals"],
        &[
            ("cpu_percent", Value::is_number),
            ("memory_bytes", Value::is_u64),
            ("written_bytes_per_s", Value::is_number),
        ],
    );
    let memory = stats["totals"]["memory_bytes"].as_u64().unwrap();
    assert!(memory > 0 && memory < resident, "a ring is counted once: {memory} of {resident}");
    let captured = |stats: &Value| camera(stats, "left")["captured_frames"].as_u64();
    rig.await_stats("more frames", |later| captured(later) > captured(&stats));
}

#[test]
fn every_command_answers_and_the_runtime_directory_may_stand_anywhere() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    let config = rig.config();
    let config = config.to_str().unwrap();
    for command in
        [["stats"].as_slice(), &["status"], &["codecs"], &["trigger"], &["restart", "recorder"], &["stop"]]
    {
        rig.command(command).refusal(3, &["no supervisor is running in", "supervisor start --config FILE"]);
    }
    let check = rig.command(&["check", "--config", config]).code(0).stdout;
    for said in ["left: 320x192 I420 at 60 fps", "36 pre-roll", "240 reserve", "memory: ", "disk: "] {
        assert!(check.contains(said), "{said:?} is missing:\n{check}");
    }
    rig.assert_nothing_left();
    assert!(!rig.recordings().exists(), "a check makes nothing");

    rig.launch(&["--log-format", "json"]);
    rig.await_ready();
    let status = rig.command(&["status"]).code(0).stdout;
    for said in ["ready, health", "left", "right", "recorder"] {
        assert!(status.contains(said), "{said:?} is missing:\n{status}");
    }
    let table = rig.command(&["codecs"]).code(0).stdout;
    assert!(table.contains("H264") && table.contains("in use: "), "{table}");
    let codecs = rig.command(&["codecs", "--json"]).code(0).json();
    let trials = list(&codecs, "trials");
    let tried = |codec: &str| trials.iter().any(|t| t["choice"]["codec"] == codec && t["works"] == true);
    assert!(tried("H264") && tried("avc1") && tried("MJPG"), "{codecs:#}");
    assert!(trials.iter().all(|t| t["verdict"].as_str().is_some_and(|v| !v.is_empty())), "{codecs:#}");

    let dir = rig.path("run");
    let dir = dir.to_str().unwrap();
    rig.command(&["--runtime-dir", dir, "stats"]).code(0);
    rig.command(&["stats", "--runtime-dir", dir]).code(0);

    let before = rig.children();
    rig.command(&["restart", "nobody"]).refusal(2, &["nobody", "left, right"]);
    rig.command(&["restart", "left"]).code(0);
    rig.await_stats("left's second life", |s| {
        pid_in(s, "left").is_some_and(|pid| pid != before[0]) && camera(s, "left")["state"] == "live"
    });
    rig.command(&["restart", "recorder"]).code(0);
    rig.await_stats("another recorder", |s| pid_in(s, "recorder").is_some_and(|pid| pid != before[2]));
    assert_eq!(rig.pid_of("right"), before[1]);

    for line in rig.log() {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
}

#[test]
fn every_command_has_help_and_an_unknown_one_is_bad_input() {
    for command in ["start", "trigger", "stats", "status", "codecs", "check", "restart", "stop"] {
        let help =
            std::process::Command::new(program("supervisor")).args([command, "--help"]).output().unwrap();
        assert!(help.status.success() && help.stdout.len() > 200, "{command}: {help:?}");
    }
    let help = std::process::Command::new(program("supervisor")).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for code in ["0  done", "1  failed", "2  bad input", "3  no supervisor", "4  a clip came out incomplete"]
    {
        assert!(text.contains(code), "{code:?} is missing:\n{text}");
    }
    let unknown = std::process::Command::new(program("supervisor")).arg("rewind").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
