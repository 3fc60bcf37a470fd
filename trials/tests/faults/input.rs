//! What people and programs may hand in: names, labels, configs.

use std::collections::BTreeSet;
use std::path::Path;

use proto::control::{Request, Response};
use trials::{Rig, TWO_CAMERAS, clip_of, manifest, names};

use crate::control::{ask, trigger};

/// What is no name.
fn bad_names() -> Vec<String> {
    let long = ["x".repeat(65), "x".repeat(300), "x".repeat(20_000)];
    let others = [
        "",
        ".",
        "..",
        "../x",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a\0b",
        "\0",
        "-rf",
        "--help",
        ".hidden",
        "a\nb",
        "a\rb",
        "\u{1b}[2J",
        "a b",
        "a*",
        "$(id)",
        "zürich",
        "\u{202e}x",
        "a\\b",
    ];
    others.into_iter().map(str::to_owned).chain(long).collect()
}

/// Everything under a folder, by its path.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() && !path.is_symlink() {
            all.extend(tree(&path).into_iter().map(|below| format!("{name}/{below}")));
        }
        all.insert(name);
    }
    all
}

#[test]
fn f41_a_name_that_is_none_is_refused_whoever_asks() {
    let rig = Rig::start(TWO_CAMERAS);
    let files = tree(&rig.recordings());
    let folder = names(&rig.path(""));
    for name in bad_names() {
        let mut for_camera = trigger(None);
        for_camera.cameras = vec!["left".to_owned(), name.clone()];
        let table = [
            (Request::Trigger(trigger(Some(&name))), "--label"),
            (Request::Trigger(for_camera), "--camera"),
            (Request::Restart(name.clone()), "neither recorder nor a camera"),
        ];
        for (request, says) in table {
            match ask(&rig, &request) {
                Ok(Response::Refused(why)) => {
                    let said = why.to_string();
                    assert!(why.exit_code() == 2 && said.contains(says), "{name:?}: {said}");
                    assert!(said.len() < 1000 && !said.contains(['\n', '\u{1b}']), "{said}");
                }
                other => panic!("{name:?}: {other:?}"),
            }
        }
        // A command line can't hold a zero byte.
        if !name.contains('\0') {
            for option in ["--label", "--camera"] {
                rig.command(&["trigger", option, &name]).refusal(2, &[option]);
            }
            rig.command(&["restart", "--", &name]).refusal(2, &["neither recorder nor a camera"]);
        }
    }
    assert!(rig.clips().is_empty());
    assert_eq!(tree(&rig.recordings()), files);
    assert_eq!(names(&rig.path("")), folder);
}

#[test]
fn f41_what_is_there_already_is_not_touched() {
    let rig = Rig::start(TWO_CAMERAS);
    let session = rig.recordings().join(names(&rig.recordings()).first().unwrap());
    let elsewhere = rig.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    // Where the next three clips would go, somebody has put a folder, a file and a way out.
    std::fs::create_dir(session.join("clip-0001-goal")).unwrap();
    std::fs::write(session.join("clip-0001-goal/left.mp4"), "mine").unwrap();
    std::fs::write(session.join("clip-0002-goal"), "mine").unwrap();
    std::os::unix::fs::symlink(&elsewhere, session.join("clip-0003-goal")).unwrap();
    let made: Vec<_> = (0..2)
        .map(|_| clip_of(&rig.command(&["trigger", "--label", "goal", "--wait"]).code(0).json()))
        .collect();
    assert_eq!(made, [session.join("clip-0004-goal"), session.join("clip-0005-goal")]);
    assert!(made.iter().all(|clip| manifest(clip)["complete"] == true));
    assert_eq!(names(&session.join("clip-0001-goal")), ["left.mp4".to_owned()].into());
    assert_eq!(std::fs::read(session.join("clip-0001-goal/left.mp4")).unwrap(), b"mine");
    assert_eq!(std::fs::read(session.join("clip-0002-goal")).unwrap(), b"mine");
    assert!(names(&elsewhere).is_empty());
    // The rig's own checks at the end are for clips alone.
    std::fs::remove_dir_all(session.join("clip-0001-goal")).unwrap();
    std::fs::remove_file(session.join("clip-0002-goal")).unwrap();
    std::fs::remove_file(session.join("clip-0003-goal")).unwrap();
    rig.assert_complete();
}

/// As text in double quotes, in YAML.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A table of mistakes: all of its rows are tried before it fails.
struct Mistakes {
    rig: Rig,
    not_so: Vec<String>,
}

impl Mistakes {
    fn begin() -> Self {
        Self { rig: Rig::prepare(""), not_so: Vec::new() }
    }

    /// Checks a config with a mistake where the mark ¦ is: exit code 2, one message, at that place.
    fn refused_at(&mut self, marked: &str, says: &[&str]) {
        let marked = &marked.replace("$DIR", self.rig.path("").to_str().unwrap().trim_end_matches('/'));
        let before = marked.split('¦').next().unwrap();
        let line = before.split('\n').count();
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        self.rig.configure(&marked.replace('¦', ""));
        let config = self.rig.config();
        let place = format!("supervisor: {}:{line}:{column}: ", config.display());
        let answer = self.rig.command(&["check", "--config", config.to_str().unwrap()]);
        let said = &answer.stderr;
        let one = said.starts_with(&place) && said.matches("supervisor: ").count() == 1 && said.contains('^');
        let clear = says.iter().all(|words| said.contains(words)) && said.len() < 2000;
        if answer.code != Some(2) || !answer.stdout.is_empty() || !one || !clear || said.contains("panicked")
        {
            let said: String = said.chars().take(600).collect();
            self.not_so.push(format!("{marked}code {:?}, {}\n{said}", answer.code, answer.stdout));
        }
    }

    /// Asserts that every row was refused, and nothing begun.
    #[track_caller]
    fn end(self) {
        assert!(self.not_so.is_empty(), "{}", self.not_so.join("\n"));
        self.rig.assert_nothing_left();
        assert_eq!(names(&self.rig.path("")), ["rig.yaml", "run"].map(str::to_owned).into());
    }
}

const RECORDING: &str = "recording: { output_dir: $DIR/recordings }\n";

/// A kind of value, and what is none.
const WHOLE: &[&str] = &[
    "many",
    "-1",
    "1.5",
    ".nan",
    ".inf",
    "1e30",
    "99999999999999999999999999",
    "[1]",
    "{ a: 1 }",
    "true",
    "\"\"",
];
const NUMBER: &[&str] =
    &["many", "-1", "0", ".nan", ".inf", "-.inf", "1e30", "1e400", "[1]", "{ a: 1 }", "true", "\"\""];
/// A number that may be 0, and one that may be negative too.
const LATENCY: &[&str] =
    &["many", "-1", ".nan", ".inf", "-.inf", "1e30", "1e400", "[1]", "{ a: 1 }", "true", "\"\""];
const SIGNED: &[&str] =
    &["many", ".nan", ".inf", "-.inf", "1e30", "1e400", "[1]", "{ a: 1 }", "true", "\"\""];
const TRUTH: &[&str] = &["maybe", "2", "1.5", "[true]", "{ a: true }", "\"\""];
const PATH: &[&str] = &["[a]", "{ a: b }", "\"\"", "\"a\\0b\""];
const ONE_OF: &[&str] = &["other", "[sim]", "{ a: b }", "\"\"", "7", "\"a\\0b\"", ".nan"];
const MAPPING: &[&str] = &["7", "text", "[a]", "true"];

/// Every key of a camera: a backend that takes it, values that are none, others that are out of range.
const CAMERA_KEYS: &[(&str, &str, &[&str], &[&str])] = &[
    ("name", "", &["[a]", "{ a: b }", "\"\"", "../x", "\"a\\0b\"", "-rf", "\"a\\nb\"", "recorder"], &[]),
    ("backend", "", ONE_OF, &[]),
    ("width", "sim", WHOLE, &["0", "1281", "16385", "4294967295", "4294967296"]),
    ("height", "sim", WHOLE, &["0", "721", "16385", "4294967295", "4294967296"]),
    ("fps", "sim", NUMBER, &["10001"]),
    ("pixel_format", "sim", ONE_OF, &[]),
    ("latency_ms", "sim", LATENCY, &["10001"]),
    ("truth_log", "sim", PATH, &[]),
    ("speed", "sim", NUMBER, &["1001", "900"]),
    ("clock_ppm", "sim", SIGNED, &["100001", "-100001"]),
    ("faults", "sim", MAPPING, &[]),
    ("path", "file", PATH, &["$DIR"]),
    ("loop", "file", TRUTH, &[]),
    ("realtime", "file", TRUTH, &[]),
    ("scale", "file", TRUTH, &[]),
    ("source", "opencv", &["[1]", "{ a: 1 }", "\"\"", "\"a\\0b\""], &["$DIR"]),
    ("payload", "sim", ONE_OF, &[]),
    ("frame_bytes", "sim", WHOLE, &[]),
    ("flash_every_ms", "sim", WHOLE, &["0", "86400001"]),
    ("clip", "sim", ONE_OF, &[]),
    ("max_bitrate_mbps", "sim", NUMBER, &[]),
    ("max_frame_bytes", "sim", WHOLE, &["0"]),
    ("gop_ms", "sim", WHOLE, &[]),
    ("device", "v4l2", &["[1]", "{ a: 1 }", "\"\"", "\"a\\0b\""], &[]),
    ("format", "v4l2", &["[1]", "{ a: 1 }"], &[]),
    ("controls", "v4l2", MAPPING, &[]),
    ("url", "mjpeg", &["[1]", "{ a: 1 }", "\"\"", "\"a\\0b\""], &["camera.example"]),
    ("transport", "rtsp", ONE_OF, &["http"]),
    ("user", "mjpeg", &["[1]", "{ a: 1 }"], &[]),
    ("password_file", "mjpeg", &["[1]", "{ a: 1 }"], &[]),
    ("camera", "gige", &["[1]", "{ a: 1 }", "\"\"", "\"a\\0b\""], &[]),
    ("features", "gige", MAPPING, &[]),
    ("realtime_priority", "gige", WHOLE, &["100", "4294967296"]),
];

const FAULT_KEYS: &[(&str, &[&str])] = &[
    ("crash_after_frames", &[]),
    ("stall_after_frames", &[]),
    ("stall_ms", &["1000", "99999999999"]),
    ("drop_every", &["0"]),
    ("jitter_ms", &["99999999999"]),
    ("latency_ms", &["10001"]),
    ("slow_start_ms", &["99999999999"]),
    ("unplug_after_frames", &[]),
    ("unplug_ms", &["99999999999"]),
    ("freeze_after_frames", &[]),
    ("freeze_ms", &["99999999999"]),
    ("black_after_frames", &[]),
    ("black_ms", &["99999999999"]),
    ("resize_after_frames", &[]),
    ("resize_ms", &["99999999999"]),
];

const RECORDING_KEYS: &[(&str, &[&str], &[&str])] = &[
    ("output_dir", PATH, &["/proc/recordings", "$DIR/rig.yaml/recordings"]),
    ("run_name", &["[a]", "{ a: b }", "\"\"", "../x", "\"a\\0b\"", "-rf", "\"a\\nb\""], &[]),
    ("pre_roll_ms", WHOLE, &["86400001"]),
    ("post_roll_ms", WHOLE, &["86400001"]),
    ("late_ms", WHOLE, &["86400001"]),
    ("reserve_ms", WHOLE, &["86400001"]),
    ("backlog_bytes", WHOLE, &["2G"]),
    ("preferred_codec", ONE_OF, &[]),
    ("codec_quality", WHOLE, &["52", "256"]),
    ("preset", ONE_OF, &[]),
    ("jpeg_container", ONE_OF, &[]),
    ("overlap", ONE_OF, &[]),
    ("max_clip_ms", WHOLE, &["0", "86400001"]),
    ("max_open_clips", WHOLE, &["0", "65"]),
    ("poster", TRUTH, &[]),
    ("standby_recorder", TRUTH, &[]),
    ("min_free_bytes", WHOLE, &["64M"]),
    ("keep", MAPPING, &[]),
];

const KEEP_KEYS: &[(&str, &[&str], &[&str])] = &[
    ("max_bytes", WHOLE, &["0", "500G"]),
    ("max_age_h", NUMBER, &["1000000", "30d"]),
    ("free_bytes", WHOLE, &["0", "67108864", "20G"]),
];

/// What a camera of this backend has to say.
fn needed(backend: &str) -> &'static str {
    match backend {
        "file" => "name: left, backend: file, path: $DIR/rig.yaml",
        "opencv" => "name: left, backend: opencv, source: 0",
        "v4l2" => "name: left, backend: v4l2, device: 0",
        "mjpeg" => "name: left, backend: mjpeg, url: http://127.0.0.1:1/",
        "gige" => "name: left, backend: gige, camera: 7",
        "rtsp" => "name: left, backend: rtsp, url: rtsp://127.0.0.1:1/",
        _ => "name: left, backend: sim",
    }
}

/// What a camera says, with one key said as here.
fn camera_with(key: &str, backend: &str, said: &str) -> String {
    let rest = needed(backend).split(", ").filter(|item| !item.starts_with(&format!("{key}:")));
    rest.chain([said]).collect::<Vec<_>>().join(", ")
}

/// Something that can be said of a key, before it is said again.
fn possible(key: &str) -> &'static str {
    match key {
        "faults" | "controls" | "features" | "keep" => "{}",
        "loop" | "realtime" | "scale" | "poster" | "standby_recorder" => "true",
        _ => "1",
    }
}

/// The keys that the program says it knows, from what it says of one that it doesn't.
fn known_keys(rig: &Rig, config: &str) -> BTreeSet<String> {
    rig.configure(config);
    let said = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(2).stderr;
    let list = said.split_once("expected one of ").unwrap_or_else(|| panic!("{said}")).1;
    list.lines().next().unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn f42_every_mistake_in_a_camera_is_one_message_with_its_place() {
    let mut table = Mistakes::begin();
    let all = known_keys(&table.rig, &format!("cameras: [{{ nonsense: 1 }}]\n{RECORDING}"));
    assert_eq!(
        all,
        CAMERA_KEYS.iter().map(|(key, ..)| (*key).to_owned()).collect(),
        "a key is not in the table"
    );
    for (key, backend, no_values, out_of_range) in CAMERA_KEYS {
        for value in no_values.iter().chain(*out_of_range) {
            let camera = camera_with(key, backend, &format!("{key}: ¦{value}"));
            table.refused_at(&format!("cameras:\n  - {{ {camera} }}\n{RECORDING}"), &[]);
        }
        let said = format!("{key}: {}", possible(key));
        let twice = format!("{}, ¦{said}", camera_with(key, backend, &said));
        table.refused_at(&format!("cameras:\n  - {{ {twice} }}\n{RECORDING}"), &["duplicate"]);
    }
    for (fault, out_of_range) in FAULT_KEYS {
        let none = if *fault == "latency_ms" { LATENCY } else { WHOLE };
        for value in none.iter().chain(*out_of_range) {
            let camera = format!("name: left, backend: sim, faults: {{ {fault}: ¦{value} }}");
            table.refused_at(&format!("cameras:\n  - {{ {camera} }}\n{RECORDING}"), &[]);
        }
    }
    // What has to be said, and isn't; shown where the camera begins.
    for (camera, missing) in [
        ("backend: sim", "name"),
        ("name: left", "backend"),
        ("name: left, backend: file", "path"),
        ("name: left, backend: opencv", "source"),
        ("name: left, backend: v4l2", "device"),
        ("name: left, backend: mjpeg", "url"),
        ("name: left, backend: pipe", "path"),
        ("name: left, backend: gige", "camera"),
        ("name: left, backend: rtsp", "url"),
    ] {
        table.refused_at(&format!("cameras:\n  - ¦{{ {camera} }}\n{RECORDING}"), &[missing]);
    }
    table.refused_at(&format!("cameras¦:\n{RECORDING}"), &["cameras: it takes a list"]);
    for value in ["¦7", "¦text", "¦{ name: left }", "¦[]", "¦~", "[¦7]", "[¦left]", "[¦[]]", "[¦~]"]
    {
        table.refused_at(&format!("cameras: {value}\n{RECORDING}"), &[]);
    }
    let many = (0..257).map(|n| format!("  - {{ name: c{n}, backend: sim }}\n")).collect::<String>();
    table.refused_at(&format!("cameras:\n  ¦{}{RECORDING}", many.trim_start()), &["at most 256"]);
    table.end();
}

#[test]
fn f42_every_mistake_in_a_default_is_one_message_with_its_place() {
    let mut table = Mistakes::begin();
    // Each camera says all there is to say: a default that nobody takes is looked at all the same.
    let cameras = "cameras: [{ name: left, backend: sim, width: 640, height: 480, fps: 30, pixel_format: I420, \
                   speed: 1, faults: {} }]\n";
    for (key, _, no_values, out_of_range) in CAMERA_KEYS {
        // Whether it is even, and whether two of them fit together, is each camera's matter; what a file is, too.
        let beside = |value: &&&str| {
            !matches!((*key, **value), ("width", "1281") | ("height", "721") | ("speed", "900"))
        };
        let own = matches!(*key, "name" | "path" | "source" | "truth_log" | "device" | "url");
        for value in no_values.iter().chain(*out_of_range).filter(beside) {
            let says: &[&str] =
                if own && !value.starts_with(['[', '{']) { &["each camera needs its own"] } else { &[] };
            table.refused_at(&format!("camera: {{ {key}: ¦{value} }}\n{cameras}{RECORDING}"), says);
        }
        let said = format!("{key}: {}", possible(key));
        table.refused_at(&format!("camera: {{ {said}, ¦{said} }}\n{cameras}{RECORDING}"), &["duplicate"]);
    }
    for (fault, out_of_range) in FAULT_KEYS {
        let none = if *fault == "latency_ms" { LATENCY } else { WHOLE };
        for value in none.iter().chain(*out_of_range) {
            table.refused_at(
                &format!("camera: {{ faults: {{ {fault}: ¦{value} }} }}\n{cameras}{RECORDING}"),
                &[],
            );
        }
    }
    table.refused_at(&format!("camera: {{ ¦colour: red }}\n{cameras}{RECORDING}"), &["unknown field"]);
    table.end();
}

#[test]
fn f42_every_mistake_in_what_is_recorded_is_one_message_with_its_place() {
    let mut table = Mistakes::begin();
    let cameras = "cameras: [{ name: left, backend: sim }]\n";
    let all = known_keys(&table.rig, &format!("{cameras}recording: {{ nonsense: 1 }}\n"));
    assert_eq!(
        all,
        RECORDING_KEYS.iter().map(|(key, ..)| (*key).to_owned()).collect(),
        "a key is not in the table"
    );
    let elsewhere = |key: &str| if key == "output_dir" { "" } else { ", output_dir: $DIR/recordings" };
    for (key, no_values, out_of_range) in RECORDING_KEYS {
        let beside = elsewhere(key);
        for value in no_values.iter().chain(*out_of_range) {
            table.refused_at(&format!("{cameras}recording: {{ {key}: ¦{value}{beside} }}\n"), &[]);
        }
        let said = format!("{key}: {}", possible(key));
        table.refused_at(&format!("{cameras}recording: {{ {said}, ¦{said} }}\n"), &["duplicate"]);
    }
    for (key, no_values, out_of_range) in KEEP_KEYS {
        for value in no_values.iter().chain(*out_of_range) {
            table.refused_at(
                &format!("{cameras}recording: {{ keep: {{ {key}: ¦{value} }}{} }}\n", elsewhere("keep")),
                &[],
            );
        }
    }
    table.refused_at(
        "cameras: [{ name: ¦left, backend: sim }]\nrecording: { pre_roll_ms: 80000000 }\n",
        &["more frames than any ring can hold"],
    );
    // What could be, and is too much for this machine.
    table.refused_at(
        &format!("{cameras}recording: {{ pre_roll_ms: ¦8000000, output_dir: $DIR/recordings }}\n"),
        &["bytes", "available"],
    );
    table.refused_at(&format!("{cameras}recording: {{ ¦speed_limit: 3 }}\n"), &["unknown field"]);
    table.end();
}

#[test]
fn f42_a_text_that_is_no_config_is_one_message() {
    let mut table = Mistakes::begin();
    let cameras = "cameras: [{ name: left, backend: sim }]\n";
    for value in MAPPING {
        for key in ["camera", "recording"] {
            table.refused_at(&format!("{cameras}{key}: ¦{value}\n"), &[]);
        }
    }
    table.refused_at(&format!("{cameras}¦nonsense: 1\n"), &["unknown field"]);
    table.refused_at(&format!("{cameras}¦cameras: []\n"), &["duplicate"]);
    table.refused_at("¦recording: {}\n", &["missing field `cameras`"]);
    for name in bad_names().iter().filter(|name| name.len() < 1000) {
        table.refused_at(
            &format!("cameras: [{{ name: ¦{}, backend: sim }}]\n", quoted(name)),
            &["can't be a name"],
        );
    }
    // Not even that: a message all the same, with the file and, where there is one, a place.
    let nested = format!("cameras: {}", "[".repeat(10_000));
    let aliases = "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b]\n";
    let long = format!("cameras: {}", "x".repeat(1_000_000));
    let texts: &[&[u8]] = &[
        b"",
        b"\n",
        b"~",
        b"7",
        b"cameras",
        b"[]",
        b"cameras: [",
        b"cameras: {",
        b"cameras: \"",
        b"\t- x",
        b"%",
        b"&a *a",
        b"cameras: *nobody",
        b"\xff\xfe\x00",
        b"cameras: \xff",
        b"\0",
        b"--- \n---\n",
        b"cameras: !!binary x",
        nested.as_bytes(),
        aliases.as_bytes(),
        long.as_bytes(),
    ];
    for text in texts {
        let config = table.rig.config();
        std::fs::write(&config, text).unwrap();
        let answer =
            table.rig.command(&["check", "--config", config.to_str().unwrap()]).refusal(2, &["rig.yaml"]);
        assert_eq!(answer.stderr.matches("supervisor: ").count(), 1, "{answer:#?}");
        let shown = answer.stderr.chars().take(300).collect::<String>();
        assert!(!answer.stderr.contains("panicked") && answer.stderr.len() < 3000, "{shown}");
    }
    table.end();
}
