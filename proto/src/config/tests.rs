//! The config as a whole: what is refused, where the mark stands, and that docs/config.md says what the tables say.

use super::check::config;
use super::key::{Absent, Row, Shape, Table};
use super::*;

type Documented = BTreeMap<String, BTreeMap<String, (String, String)>>;

/// A file of the project, from its root.
fn project_file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Every table of keys, under the heading that its table has in docs/config.md.
fn tables() -> Vec<(String, Vec<&'static Row>)> {
    let mut tables = vec![
        ("## The whole file".to_owned(), check::TABLE.rows().collect()),
        ("## Every camera".to_owned(), camera::KEYS.to_vec()),
        ("### Compressed frames".to_owned(), compressed::KEYS.to_vec()),
        ("## `recording`".to_owned(), recording::TABLE.rows().collect()),
        ("### `keep`".to_owned(), keep::TABLE.rows().collect()),
        ("## `access`".to_owned(), access::TABLE.rows().collect()),
    ];
    for name in backend::names() {
        tables.push((format!("## `backend: {name}`"), backend::keys(name).to_vec()));
        for row in backend::keys(name) {
            if let Shape::Mapping { table, .. } = row.shape {
                tables.push((format!("### `{}`", row.name), Table::rows(table).collect()));
            }
        }
    }
    tables
}

/// The type and the default of a key as the docs say them, without their backticks.
fn in_the_docs(row: &Row) -> (String, String) {
    let kind = match row.shape {
        Shape::Whole { unit } | Shape::Number { unit } => unit.to_owned(),
        Shape::Range { first, last, .. } => format!("{first} to {last}"),
        Shape::Flag => "true, false".to_owned(),
        Shape::Text { what } => what.to_owned(),
        Shape::OneOf { words } => words().join(", "),
        Shape::NumberOrText { .. } => "number or text".to_owned(),
        Shape::Mapping { .. } | Shape::Settings { .. } | Shape::Texts { .. } => "mapping".to_owned(),
        Shape::List { .. } => "list".to_owned(),
    };
    let default = match row.absent {
        Absent::Required => "required".to_owned(),
        Absent::None => "none".to_owned(),
        Absent::Words(text) | Absent::Text(text) => text.to_owned(),
        Absent::Whole(number) => number.to_string(),
        Absent::Number(number) => number.to_string(),
        Absent::Flag(flag) => flag.to_string(),
    };
    (kind, default)
}

/// The tables of keys in docs/config.md: by heading, by key, type and default.
fn documented() -> Documented {
    let text = project_file("docs/config.md");
    let (mut heading, mut in_table, mut found) = ("", false, Documented::new());
    for line in text.lines() {
        if line.starts_with('#') {
            heading = line;
        }
        let Some(line) = line.strip_prefix("| ") else {
            in_table = in_table && line.starts_with("|--");
            continue;
        };
        if line == "key | type | default | meaning |" {
            in_table = true;
        } else if in_table {
            let line = line.replace('`', "");
            let cells: Vec<_> = line.split(" | ").collect();
            // Behind a default may stand what it comes to, in brackets.
            let default = cells[2].split(" (").next().unwrap();
            let cells = (cells[0].to_owned(), (cells[1].to_owned(), default.to_owned()));
            assert!(found.entry(heading.to_owned()).or_default().insert(cells.0, cells.1).is_none());
        }
    }
    found
}

#[test]
fn the_docs_have_every_key_with_its_type_and_default() {
    let mut expected = Documented::new();
    for (heading, rows) in tables() {
        let rows = rows.into_iter().map(|row| (row.name.to_owned(), in_the_docs(row)));
        expected.insert(heading, rows.collect());
    }
    assert_eq!(documented(), expected);
}

#[test]
fn the_docs_say_which_keys_are_a_cameras_own() {
    let text = project_file("docs/config.md");
    for row in tables().into_iter().flat_map(|(_, rows)| rows) {
        let is_its = |line: &&str| line.starts_with(&format!("| `{}` |", row.name));
        let lines: Vec<_> = text.lines().filter(is_its).collect();
        assert!(
            lines.iter().any(|line| line.contains("Only in a camera's own entry") == row.own),
            "{}: {lines:?}",
            row.name
        );
    }
}

#[test]
fn the_docs_have_every_pixel_format() {
    let text = project_file("docs/config.md");
    let formats = text.split("| pixel_format |").nth(1).unwrap();
    let rows = formats.lines().take_while(|line| line.starts_with(['|', ' '])).skip(2);
    let names: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(names, crate::frame::PixelFormat::ALL.map(crate::frame::PixelFormat::name));
}

#[test]
fn the_fuzzers_dictionary_has_every_key() {
    let dictionary = project_file("fuzz/config.dict");
    for row in tables().into_iter().flat_map(|(_, rows)| rows) {
        assert!(dictionary.contains(&format!("\"{}:", row.name)), "{}", row.name);
    }
}

#[test]
fn the_typed_file_has_the_keys_of_its_table() {
    let said = parse("nonsense: 1\n").unwrap_err().to_string();
    let list = said.lines().next().unwrap().split_once("expected one of ").unwrap().1;
    let mut named: Vec<_> = list.split(", ").collect();
    let mut keys = check::TABLE.names().to_vec();
    named.sort_unstable();
    keys.sort_unstable();
    assert_eq!(named, keys);
}

#[test]
fn keys_of_one_name_are_of_one_type() {
    // An entry's backend is known when all of it is read. What stands beside `cameras` is another mapping.
    let is_elsewhere = |heading: &str| heading == "## The whole file";
    let mut seen = BTreeMap::new();
    for row in tables().into_iter().filter(|(heading, _)| !is_elsewhere(heading)).flat_map(|(_, rows)| rows) {
        let takes = seen.entry(row.name).or_insert_with(|| row.takes());
        assert_eq!(*takes, row.takes(), "{}", row.name);
    }
}

#[test]
fn the_configs_that_come_with_preroll_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        Config::load(&entry.unwrap().path()).unwrap_or_else(|mistake| panic!("{mistake}"));
        files += 1;
    }
    assert!(files >= 5, "{files}");
}

#[test]
fn groups_are_taken_by_name_and_by_number_and_rings_are_refused_in_words() {
    let with =
        |access: &str| parse(&format!("cameras: [{{ name: left, backend: sim }}]\naccess: {access}\n"));
    let access = with("{ clips_group: video, control_group: 1001 }").unwrap().access;
    assert_eq!(access.clips_group.as_deref(), Some("video"));
    assert_eq!(access.control_group.as_deref(), Some("1001"));
    assert_eq!(with("{}").unwrap().access, AccessConfig::default());
    for (typed, said) in [
        ("{ rings_group: [] }", "a group's name or number"),
        ("{ clips_group: \"\" }", "clips_group: it is empty"),
        ("{ clip_group: video }", "expected"),
        ("{ clips_group: [video] }", "a group's name or number"),
    ] {
        let shown = with(typed).unwrap_err().to_string();
        assert!(shown.contains(said), "{typed}: {shown}");
    }
    let mut older: serde_json::Value =
        serde_json::from_slice(&with("{ clips_group: video }").unwrap().to_checked().unwrap()).unwrap();
    older.as_object_mut().unwrap().remove("access");
    let read = Config::from_checked(older.to_string().as_bytes()).unwrap();
    assert_eq!(read.access, AccessConfig::default(), "an older version's has none");
}

const WITH_PASSWORD: &str =
    "cameras:\n  - { name: left, backend: opencv, source: \"rtsp://u:s3cret@h/x\" }\n";

#[test]
fn a_password_reaches_the_children_and_nobody_else() {
    let config = parse(WITH_PASSWORD).unwrap();
    let everything = [format!("{config:?}"), serde_json::to_string(&config).unwrap()];
    for text in everything {
        assert!(text.contains("rtsp://u:***@h/x") && !text.contains("s3cret"), "{text}");
    }
    let again = Config::from_checked(&config.to_checked().unwrap()).unwrap();
    assert_eq!(again, config);
    assert_eq!(again.cameras[0].backend.secret().unwrap().reveal(), "rtsp://u:s3cret@h/x");
    let other = parse(&WITH_PASSWORD.replace("s3cret", "other")).unwrap();
    assert_ne!(other, config, "another password is another config");
}

#[test]
fn a_line_that_is_shown_with_a_mistake_shows_no_password() {
    for mistake in [
        parse(&WITH_PASSWORD.replace(" }", ", fps: 0 }")).unwrap_err(),
        parse(&WITH_PASSWORD.replace("opencv", "sim")).unwrap_err(),
        parse(&WITH_PASSWORD.replace("opencv", "file").replace("source", "path")).unwrap_err(),
        parse(&WITH_PASSWORD.replace("name: left", "name: \"rtsp://u:s3cret@h/x\"")).unwrap_err(),
        parse(&WITH_PASSWORD.replace("source: ", "fps: ")).unwrap_err(),
        parse(&WITH_PASSWORD.replace("source: ", "backend: ")).unwrap_err(),
        parse(&WITH_PASSWORD.replace("source: \"", "\"source")).unwrap_err(),
    ] {
        let shown = mistake.to_string();
        assert!(shown.contains("rtsp://u:***@h/x") && !shown.contains("s3cret"), "{shown}");
        assert!(!format!("{mistake:?}").contains("s3cret"), "{mistake:?}");
    }
    // The mark stays under its place although the line got shorter.
    let shown = parse(&WITH_PASSWORD.replace(" }", ", fps: 0 }")).unwrap_err().to_string();
    let lines: Vec<_> = shown.lines().collect();
    let mark = lines[3].find('^').unwrap();
    assert_eq!(&lines[2][mark..], "0 }", "{shown}");
}

#[test]
fn a_config_that_is_no_small_plain_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let says = |path: &Path| Config::load(path).unwrap_err().to_string();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(says(&pipe).contains("a named pipe, not a file"), "{}", says(&pipe));
    assert!(says(Path::new("/dev/zero")).contains("not a file"), "{}", says(Path::new("/dev/zero")));
    assert!(says(folder.path()).contains("a folder, not a file"), "{}", says(folder.path()));
    let large = folder.path().join("large.yaml");
    std::fs::File::create(&large).unwrap().set_len(3 << 30).unwrap();
    assert!(says(&large).contains("1 MiB"), "{}", says(&large));
    let image = folder.path().join("image.yaml");
    std::fs::write(&image, [0x89, 0x50, 0xff, 0xfe]).unwrap();
    assert!(says(&image).contains("not UTF-8"), "{}", says(&image));
}

fn parse(text: &str) -> Result<Config, Mistake> {
    config(Path::new("test.yaml"), text)
}

/// The mistake is expected where the mark ¦ stands.
#[track_caller]
fn refused(marked: &str, says: &str) {
    let before = marked.split('¦').next().unwrap();
    let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    let mistake = parse(&marked.replace('¦', "")).unwrap_err();
    let shown = mistake.to_string();
    assert_eq!((mistake.line(), mistake.column()), (Some(line), Some(column)), "{shown}");
    assert!(shown.contains(says), "{shown}");
    assert!(shown.contains('^'), "{shown}");
}

#[test]
fn an_episode_needs_a_beginning_and_lasts_a_day_at_most() {
    for what in ["stall", "unplug", "freeze", "black", "resize"] {
        let faults =
            |faults: &str| format!("cameras:\n  - {{ name: left, backend: sim, faults: {{ {faults} }} }}\n");
        refused(&faults(&format!("{what}_ms: ¦5")), &format!("{what}_ms: needs {what}_after_frames too"));
        let long = format!("{what}_after_frames: 1, {what}_ms: ¦86400001");
        refused(&faults(&long), "more than a day");
        let good = faults(&format!("{what}_after_frames: 1, {what}_ms: 86400000"));
        assert!(parse(&good).is_ok(), "{what}");
    }
}

#[test]
fn two_lines_are_a_config() {
    let config = parse("cameras:\n  - { name: left, backend: sim }\n").unwrap();
    let camera = &config.cameras[0];
    assert_eq!(camera.geometry.to_string(), "1280x720 I420");
    assert_eq!((camera.fps, camera.index), (Fps::new(60.0).unwrap(), 0));
    assert_eq!(config.recording.pre_roll_ms, 500);
    assert_eq!(config.ring_spec(camera).unwrap().size.pre_roll_slots, 36);
}

#[test]
fn limits_of_what_is_kept_are_taken_and_what_can_not_be_kept_is_refused() {
    let with = |keep: &str| format!("cameras: [{{ name: left, backend: sim }}]\nrecording: {{ {keep} }}\n");
    let keep = parse(&with("keep: { max_bytes: 5000, max_age_h: 0.5, free_bytes: 67108865 }"))
        .unwrap()
        .recording
        .keep;
    let expected = KeepConfig { max_bytes: Some(5000), max_age_h: Some(0.5), free_bytes: Some(67_108_865) };
    assert_eq!(keep, expected);
    assert_eq!(parse(&with("keep: {}")).unwrap().recording.keep, KeepConfig::default());
    let above = parse(&with("min_free_bytes: 0, keep: { free_bytes: 1 }")).unwrap().recording.keep;
    assert_eq!(above.free_bytes, Some(1));
    for (keep, says) in [
        ("keep: { free_bytes: ¦67108864 }", "not more than min_free_bytes (67108864)"),
        ("min_free_bytes: 5000, keep: { free_bytes: ¦5000 }", "not more than min_free_bytes (5000)"),
        ("keep: { max_bytes: ¦0 }", "every clip"),
        ("keep: { max_age_h: ¦0 }", "not more than 0"),
        ("keep: { max_age_h: ¦1e9 }", "at most"),
    ] {
        refused(&with(keep), says);
    }
}

#[test]
fn a_backlog_that_is_left_out_is_not_one_of_no_bytes() {
    let bound = |recording: &str| {
        let text = format!("cameras: [{{ name: a, backend: sim }}]\nrecording: {{ {recording} }}\n");
        parse(&text).unwrap().recording.backlog_bytes
    };
    assert_eq!([bound(""), bound("backlog_bytes: 0"), bound("backlog_bytes: 5")], [None, Some(0), Some(5)]);
}

#[test]
fn a_camera_overrides_the_defaults() {
    let text = "camera: { fps: 25, width: 640, height: 480 }\ncameras:\n  - { name: a, backend: sim, fps: 30 }\n  - { name: b, backend: file, path: x.mp4, loop: true }\n";
    let config = parse(text).unwrap();
    assert_eq!(config.cameras[0].fps, Fps::new(30.0).unwrap());
    assert_eq!(config.cameras[1].fps, Fps::new(25.0).unwrap());
    let Backend::File(file) = &config.cameras[1].backend else { panic!("not a file") };
    assert!(file.looping && file.realtime && !file.scale);
}

#[test]
fn every_mistake_is_shown_where_it_stands() {
    let sim = "cameras: [{ name: a, backend: sim }]\n";
    refused("cameras:\n  - { name: a, backend: sim, ¦fsp: 60 }\n", "unknown field `fsp`");
    refused("cameras:\n  - { name: a, backend: sim, fps: ¦sixty }\n", "fps: ");
    refused("cameras:\n  - { name: a, backend: sim, fps: ¦0 }\n", "is not more than 0");
    refused("cameras:\n  - { name: a, backend: sim, fps: ¦.nan }\n", "is not more than 0");
    refused("cameras:\n  - { name: a, backend: sim, fps: ¦-60 }\n", "is not more than 0");
    refused("cameras:\n  - { name: a, backend: sim, width: ¦-4 }\n", "it takes pixels");
    refused("cameras:\n  - { name: a, backend: sim, width: ¦1281 }\n", "must be even");
    refused("cameras:\n  - { name: a, backend: sim, width: ¦99999999 }\n", "no picture size");
    refused("cameras:\n  - { name: a, backend: sim, width: ¦128, height: 32 }\n", "size of its stamp");
    refused(
        "cameras:\n  - { name: a, backend: sim }\n  - { name: ¦a, backend: sim }\n",
        "already, on line 2",
    );
    refused("cameras:\n  - { name: ¦../a, backend: sim }\n", "can't be a name");
    refused("cameras:\n  - { name: a, backend: ¦usb }\n", "not one of sim, file, opencv");
    refused("cameras:\n  - { name: a, backend: sim, path: ¦x }\n", "a key of file and pipe cameras");
    refused("cameras:\n  - { name: a, backend: sim, scale: ¦true }\n", "a key of file and opencv cameras");
    let film = "name: a, backend: file, path: x";
    refused(&format!("cameras:\n  - {{ {film}, ¦faults: {{ drop_every: 2 }} }}\n"), "a key of sim cameras");
    refused(&format!("cameras:\n  - {{ {film}, ¦fautls: {{}} }}\n"), "unknown field `fautls`");
    refused("cameras:\n  - { name: a, backend: file, path: ¦'rtsp://h/x' }\n", "backend: opencv");
    refused("cameras:\n  - ¦{ name: a, backend: file }\n", "plays a file: name it");
    refused("cameras:\n  - { name: a, ¦name: b, backend: sim }\n", "duplicate");
    refused("camera: { path: ¦x }\ncameras: [{ name: a, backend: sim }]\n", "can't be a default");
    refused("cameras: ¦[]\n", "at least one");
    refused("¦recording: {}\n", "missing field `cameras`");
    refused(&format!("{sim}recording: {{ codec_quality: ¦52 }}\n"), "0 (best) to 51");
    refused(&format!("{sim}recording: {{ codec_quality: ¦high }}\n"), "a whole number from 0 to 51");
    refused(&format!("{sim}recording: {{ preferred_codec: ¦VP9 }}\n"), "not one of auto");
    refused(&format!("{sim}recording: {{ preset: ¦turbo }}\n"), "not auto or one of");
    refused(&format!("{sim}recording: {{ pre_roll_ms: ¦1e30 }}\n"), "milliseconds");
    refused(&format!("{sim}recording: {{ min_free_bytes: ¦64M }}\n"), "it takes bytes");
    refused(&format!("{sim}recording: {{ min_free_bytes: ¦-1 }}\n"), "it takes bytes");
    refused(&format!("{sim}recording: {{ backlog_bytes: ¦2G }}\n"), "it takes bytes, a whole number such as");
    refused(&format!("{sim}recording: {{ pre_roll_ms: ¦99999999999 }}\n"), "more than a day");
}

#[test]
fn a_value_of_the_wrong_type_is_told_an_example() {
    let mut rows: Vec<&Row> = Vec::new();
    for table in [&check::TABLE, &camera::TABLE, &recording::TABLE] {
        rows.extend(table.rows().flat_map(|row| std::iter::once(row).chain(row.below())));
    }
    for row in rows {
        let takes = row.takes();
        let needs_example =
            matches!(row.shape, Shape::Whole { .. } | Shape::Number { .. } | Shape::Text { .. });
        assert!(!needs_example || takes.contains(" such as "), "{}: {takes}", row.name);
        assert!(!takes.ends_with(" such as 0"), "{}: {takes}", row.name);
    }
    let sim = "cameras:\n  - { name: a, backend: sim, ";
    refused(&format!("{sim}fps: ¦sixty }}\n"), "fps: it takes frames a second, a number such as 60 or 59.94");
    refused(&format!("{sim}speed: ¦fast }}\n"), "speed: it takes a factor, a number such as 2");
    refused("rig: ¦[a]\n", "rig: it takes a name, a text such as pitch-2");
    let output_dir = "output_dir: it takes a folder's path, a text such as recordings";
    refused("recording: { output_dir: ¦[a] }\n", output_dir);
}

#[test]
fn an_empty_file_and_a_missing_one_say_so() {
    assert!(parse("").unwrap_err().to_string().contains("it is empty"));
    let missing = Config::load(Path::new("/nonexistent/x.yaml")).unwrap_err().to_string();
    assert!(missing.contains("x.yaml") && missing.contains("No such file"), "{missing}");
}

#[test]
fn a_pre_roll_beyond_any_ring_is_refused() {
    let text = "cameras: [{ name: ¦a, backend: sim, fps: 10000 }]\nrecording: { pre_roll_ms: 86400000 }\n";
    refused(text, "more frames than any ring");
}

fn one(keys: &str) -> CameraConfig {
    parse(&format!("cameras: [{{ name: a, {keys} }}]\n")).unwrap_or_else(|e| panic!("{e}")).cameras.remove(0)
}

#[test]
fn live_cameras_have_the_keys_of_their_backends() {
    let Backend::V4l2(v4l2) =
        one("backend: v4l2, device: 2, format: mjpg, controls: { gain: -3, auto_focus: true, auto_exposure: Manual Mode }").backend
    else {
        panic!("not v4l2")
    };
    assert_eq!(v4l2.video_device(), crate::source::VideoDevice::Number(2));
    let (number, name) = (ControlValue::Number, ControlValue::Choice("Manual Mode".into()));
    let controls = [("auto_focus", number(1)), ("gain", number(-3)), ("auto_exposure", name)]
        .map(|(name, value)| (name.to_owned(), value));
    let controls = controls.into();
    assert_eq!((v4l2.format, v4l2.controls), (V4l2Format::Mjpg, controls));
    let mjpeg = "backend: mjpeg, url: 'http://h/x', user: viewer, password_file: /etc/pw";
    let Backend::Mjpeg(mjpeg) = one(mjpeg).backend else { panic!("not mjpeg") };
    assert_eq!(
        (mjpeg.url.reveal(), mjpeg.user.as_deref(), mjpeg.password_file.as_deref()),
        ("http://h/x", Some("viewer"), Some(Path::new("/etc/pw")))
    );
    let rtsp = "backend: rtsp, url: 'rtsp://h/x', user: viewer, password_file: /etc/pw";
    for (more, transport) in [
        ("", RtspTransport::Tcp),
        (", transport: TCP", RtspTransport::Tcp),
        (", transport: udp", RtspTransport::Udp),
    ] {
        let camera = one(&format!("{rtsp}{more}"));
        assert_eq!((camera.payload, camera.is_known), (Payload::H264, false), "until the camera has said it");
        let Backend::Rtsp(rtsp) = camera.backend else { panic!("not rtsp") };
        assert_eq!(
            (rtsp.url.reveal(), rtsp.user.as_deref(), rtsp.transport),
            ("rtsp://h/x", Some("viewer"), transport)
        );
    }
    let Backend::Pipe(pipe) = one("backend: pipe, path: /run/x, format: Y4M").backend else {
        panic!("not a pipe")
    };
    assert_eq!((&*pipe.path, pipe.format), (Path::new("/run/x"), PipeFormat::Y4m));
    let gige = "backend: gige, camera: 0012, features: { TriggerMode: On, ExposureTime: 5e3, Gain: 0.50, ReverseX: true }";
    let Backend::Gige(gige) = one(gige).backend else { panic!("not gige") };
    let features: Vec<_> = gige.features.iter().map(|f| (f.name.as_str(), f.value.as_str())).collect();
    // As they were typed, in their order: what they are the camera knows.
    let typed = [("TriggerMode", "On"), ("ExposureTime", "5e3"), ("Gain", "0.50"), ("ReverseX", "true")];
    assert_eq!((gige.camera.as_str(), features.as_slice()), ("0012", typed.as_slice()));
    assert_eq!(gige.realtime_priority, 0);
    let camera = one("backend: sim, payload: h264, frame_bytes: 90000, gop_ms: 500, clip: exact");
    let Backend::Sim(sim) = &camera.backend else { panic!("not sim") };
    assert_eq!((sim.payload, sim.frame_bytes), (Payload::H264, Some(90000)));
    assert_eq!(
        (camera.payload, camera.compressed.gop_ms, camera.clip),
        (Payload::H264, 500, ClipMode::Exact)
    );
    assert_eq!(camera.stream().unwrap().max_frame_bytes, 90000);
}

#[test]
fn mistakes_of_live_cameras_are_shown_where_they_stand() {
    let v4l2 = "cameras:\n  - { name: a, backend: v4l2, device: 0, ";
    let mjpeg = "cameras:\n  - { name: a, backend: mjpeg, ";
    let pipe = "cameras:\n  - { name: a, backend: pipe, path: /run/x, ";
    refused("cameras:\n  - ¦{ name: a, backend: v4l2 }\n", "device: camera a needs a device's number");
    refused(&format!("{v4l2}format: ¦VP8 }}\n"), "is not one of auto, YUYV");
    refused(&format!("{v4l2}width: ¦640 }}\n"), "write height too, or neither");
    refused(&format!("{v4l2}format: YUYV, pixel_format: ¦NV12 }}\n"), "leave pixel_format out");
    refused(&format!("{v4l2}max_bitrate_mbps: ¦0 }}\n"), "not more than 0");
    refused(&format!("{v4l2}max_frame_bytes: ¦0 }}\n"), "is not 1 to");
    refused(&format!("{v4l2}gop_ms: ¦0 }}\n"), "must be at least 1");
    refused(&format!("{v4l2}clip: ¦copied }}\n"), "is not one of smart, exact, verbatim");
    refused(&format!("{v4l2}¦controls: {{ 'gain;': 1 }} }}\n"), "no control's name");
    refused(
        &format!("{v4l2}controls: {{ ¦gain: 1.5 }} }}\n"),
        "a whole number, true or false, or the name of a menu's choice",
    );
    refused(&format!("{v4l2}¦controls: {{ gain: '' }} }}\n"), "the name of a menu's choice");
    let gige = "cameras:\n  - { name: a, backend: gige, camera: 7, ";
    refused("cameras:\n  - ¦{ name: a, backend: gige }\n", "camera: camera a needs its serial number");
    refused(&format!("{gige}¦features: {{ 'Exposure Time': 1 }} }}\n"), "no feature's name");
    refused(&format!("{gige}features: ¦[Gain] }}\n"), "a mapping such as { ExposureTime: 5000 }");
    refused(&format!("{gige}features: {{ Gain: ¦[1] }} }}\n"), "");
    refused(&format!("{gige}realtime_priority: ¦100 }}\n"), "it takes 0 (no real-time thread) to 99");
    refused("cameras:\n  - ¦{ name: a, backend: mjpeg }\n", "needs its URL");
    refused(&format!("{mjpeg}url: ¦camera.local }}\n"), "this is no URL");
    refused(&format!("{mjpeg}url: ¦'https://h/' }}\n"), "backend: opencv");
    refused(&format!("{mjpeg}url: 'http://h/', user: ¦me }}\n"), "needs password_file too");
    refused(&format!("{mjpeg}url: 'http://h/', password_file: ¦/x }}\n"), "needs user too");
    refused(
        &format!("{mjpeg}url: 'http://me:x@h/', user: ¦me, password_file: /x }}\n"),
        "names a user already",
    );
    let rtsp = "cameras:\n  - { name: a, backend: rtsp, ";
    refused("cameras:\n  - ¦{ name: a, backend: rtsp }\n", "needs its URL, url: rtsp://HOST/PATH");
    refused(&format!("{rtsp}url: ¦camera.local }}\n"), "write rtsp://HOST/PATH");
    refused(&format!("{rtsp}url: ¦'rtsps://h/' }}\n"), "backend: opencv");
    refused(&format!("{rtsp}url: 'rtsp://h/', transport: ¦http }}\n"), "is not one of tcp, udp");
    refused(&format!("{rtsp}url: 'rtsp://h/', password_file: ¦/x }}\n"), "needs user too");
    refused("camera: { transport: ¦x }\ncameras: [{ name: a, backend: sim }]\n", "is not one of tcp, udp");
    refused("cameras:\n  - ¦{ name: a, backend: pipe, format: y4m }\n", "the path of a FIFO");
    refused(
        "cameras:\n  - ¦{ name: a, backend: pipe, path: /run/x }\n",
        "needs one of y4m, raw, mjpeg, h264, h265",
    );
    refused(&format!("{pipe}format: ¦avi }}\n"), "those of a pipe");
    refused(&format!("{pipe}format: ¦raw }}\n"), "write width and height");
    let sim = "cameras:\n  - { name: a, backend: sim, ";
    refused(&format!("{sim}payload: ¦vp9 }}\n"), "is not one of raw, jpeg, h264");
    refused(&format!("{sim}frame_bytes: ¦1 }}\n"), "is not 1024 to");
    refused(&format!("{sim}payload: jpeg, frame_bytes: ¦2000 }}\n"), "can't put its stamp into 2000 bytes");
    refused(
        "cameras: [{ name: a, backend: sim }]\nrecording: { jpeg_container: ¦mkv }\n",
        "is not one of mov, avi",
    );
    let overlap = "cameras: [{ name: a, backend: sim }]\nrecording: { overlap: ¦both }\n";
    refused(overlap, "overlap: \"both\" is not one of extend, separate");
    refused(
        "cameras: [{ name: a, backend: sim }]\nrecording: { max_clip_ms: ¦0 }\n",
        "max_clip_ms: 0 is out of range; it takes 1 to 86400000",
    );
    refused("camera: { format: ¦x }\ncameras: [{ name: a, backend: sim }]\n", "is not one of auto");
}

#[test]
fn a_password_in_a_cameras_url_is_shown_nowhere() {
    for (backend, scheme) in [("mjpeg", "http"), ("rtsp", "rtsp")] {
        let url = format!("{scheme}://me:s3cret@h/x");
        let text = format!("cameras:\n  - {{ name: a, backend: {backend}, url: '{url}' }}\n");
        let config = parse(&text).unwrap();
        assert!(!format!("{config:?}{}", serde_json::to_string(&config).unwrap()).contains("s3cret"));
        let again = Config::from_checked(&config.to_checked().unwrap()).unwrap();
        assert_eq!((&again, again.cameras[0].backend.secret().unwrap().reveal()), (&config, &*url));
        for wrong in [", fps: 0 }", ", user: me, password_file: /x }"] {
            let shown = parse(&text.replace(" }", wrong)).unwrap_err().to_string();
            assert!(shown.contains("://me:***@h/x") && !shown.contains("s3cret"), "{shown}");
        }
    }
}

#[test]
fn the_checked_config_of_an_older_version_is_read() {
    let config = parse("cameras: [{ name: left, backend: sim }]\n").unwrap();
    let mut older: serde_json::Value = serde_json::from_slice(&config.to_checked().unwrap()).unwrap();
    let camera = older["cameras"][0].as_object_mut().unwrap();
    for key in ["payload", "typed", "clip", "compressed", "capture_time", "latency_ns", "is_known"] {
        assert!(camera.remove(key).is_some(), "{key}");
    }
    let sim = camera["backend"]["Sim"].as_object_mut().unwrap();
    assert!(sim.remove("clock_ppm").is_some());
    assert!(sim["faults"].as_object_mut().unwrap().remove("latency_ns").is_some());
    let recording = older["recording"].as_object_mut().unwrap();
    for key in ["jpeg_container", "overlap", "max_clip_ms", "keep"] {
        assert!(recording.remove(key).is_some(), "{key}");
    }
    assert_eq!(Config::from_checked(older.to_string().as_bytes()).unwrap(), config);
}

#[test]
fn the_time_that_a_camera_lies_behind_is_kept_to_the_nanosecond() {
    let latency = |keys: &str| {
        let text = format!("cameras: [{{ name: left, backend: sim{keys} }}]\n");
        parse(&text).unwrap().cameras[0].latency()
    };
    assert_eq!(latency(""), Duration::ZERO);
    assert_eq!(latency(", latency_ms: 41.25"), Duration::from_micros(41_250));
    let all = "camera: { latency_ms: 12 }\ncameras: [{ name: left, backend: sim }]\n";
    assert_eq!(parse(all).unwrap().cameras[0].latency(), Duration::from_millis(12));
    refused("cameras: [{ name: left, backend: sim, latency_ms: ¦-1 }]\n", "latency_ms: -1 is not 0 to 10000");
    refused("camera: { latency_ms: ¦10001 }\ncameras: [{ name: a, backend: sim }]\n", "is not 0 to 10000");
}

#[test]
fn the_delay_of_a_simulated_camera_is_a_fault_and_not_its_correction() {
    let text = "cameras: [{ name: left, backend: sim, clock_ppm: -80.5, latency_ms: 40, faults: { latency_ms: 30.5 } }]\n";
    let camera = parse(text).unwrap().cameras.remove(0);
    let Backend::Sim(sim) = &camera.backend else { panic!("{camera:?}") };
    assert_eq!((sim.clock_ppm, sim.faults.latency_ns), (-80.5, 30_500_000));
    assert_eq!(camera.latency(), Duration::from_millis(40));
    refused(
        "cameras: [{ name: left, backend: sim, clock_ppm: ¦100001 }]\n",
        "clock_ppm: 100001 is not -100000 to 100000",
    );
}
