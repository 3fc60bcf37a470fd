//! Sources of cameras, as `check`, `start` and the captures see them: numbered pictures, cameras that aren't there yet,
//! pipes that would hold everything up, and passwords in URLs.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proto::failpoint;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use trials::clip::entries;
use trials::command::{Answer, Asked};
use trials::stats::camera;
use trials::{Rig, list, no_opencv, program, until};

/// The error of reading what `/proc` has on a process that has ended.
const ESRCH: i32 = 3;
const PASSWORD: &str = "Op3nS3same";
const TOKEN: &str = "T0k3nValue";

fn check(rig: &Rig) -> Answer {
    rig.command(&["check", "--config", rig.config().to_str().unwrap()])
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut all): (Vec<_>, Vec<_>) =
        entries(folder).into_iter().partition(|path| path.is_dir() && !path.is_symlink());
    all.retain(|path| path.is_file());
    folders.iter().for_each(|folder| all.extend(files(folder)));
    all
}

fn holds_a_secret(bytes: &[u8]) -> bool {
    [PASSWORD, TOKEN].iter().any(|secret| bytes.windows(secret.len()).any(|w| w == secret.as_bytes()))
}

/// Cameras whose URLs nobody answers at, beside one that works.
fn rig_with_passwords() -> String {
    format!(
        "camera: {{ width: 320, height: 192, fps: 30 }}
cameras:
  - {{ name: left, backend: sim }}
  - {{ name: door, backend: opencv, source: \"rtsp://keeper:{PASSWORD}@127.0.0.1:1/stream?token={TOKEN}\" }}
  - {{ name: gate, backend: opencv, source: \"http://keeper:{PASSWORD}@127.0.0.1:1/video.mjpg\" }}
  - {{ name: yard, backend: opencv, source: \"rtspsrc location=rtsp://keeper:{PASSWORD}@127.0.0.1:1/x user-pw={TOKEN} ! appsink\" }}
recording: {{ output_dir: $DIR/recordings }}
"
    )
}

/// Asserts that neither the processes of a running rig nor its files show a secret, but for the two files that may.
fn assert_nothing_shows_it(rig: &Rig) {
    let mut seen = Vec::new();
    for pid in rig.processes() {
        for what in ["cmdline", "environ", "comm"] {
            seen.push(PathBuf::from(format!("/proc/{pid}/{what}")));
        }
    }
    seen.extend(rig.segments());
    seen.extend(files(&rig.path("")).into_iter().filter(|path| path != &rig.config()));
    let may = rig.path("run/config.json");
    for path in seen.into_iter().filter(|path| *path != may) {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // A process or a file that has gone shows nothing.
            Err(e) if e.kind() == ErrorKind::NotFound || e.raw_os_error() == Some(ESRCH) => continue,
            Err(e) => panic!("can't read {}: {e}", path.display()),
        };
        assert!(!holds_a_secret(&bytes), "{} shows a password", path.display());
    }
}

#[test]
fn a_password_is_shown_nowhere() {
    if no_opencv() {
        return;
    }
    let mut rig = Rig::prepare(&rig_with_passwords());
    let mut said = vec![check(&rig).code(0)];
    for name in ["door", "gate"] {
        assert!(said[0].stderr.contains(&format!("camera {name}: source: ")), "{:#?}", said[0]);
    }
    std::fs::set_permissions(rig.config(), Permissions::from_mode(0o644)).unwrap();
    rig.launch(&[]);
    rig.await_log("can read it in");
    for name in ["door", "gate", "yard"] {
        rig.await_log(&format!("[ERROR] camera {name}: "));
    }
    // The children have got it, in the one file of the instance that may hold it and that its owner alone can read.
    let checked = rig.path("run/config.json");
    assert!(holds_a_secret(&std::fs::read(&checked).unwrap()));
    assert_eq!(checked.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for command in [
        &["trigger", "--wait", "--label", "goal"][..],
        &["stats"],
        &["status"],
        &["codecs"],
        &["codecs", "--json"],
        &["restart", "door"],
        &["trigger", "--camera", "door"],
    ] {
        said.push(rig.command(command));
    }
    assert_nothing_shows_it(&rig);
    // Lines that a library prints to standard output are not masked: they go nowhere.
    for pid in rig.processes() {
        let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if title.starts_with("preroll-capture") {
            let Ok(output) = std::fs::read_link(format!("/proc/{pid}/fd/1")) else { continue };
            assert_eq!(output, Path::new("/dev/null"), "{title}");
        }
    }
    let config = std::fs::read_to_string(rig.config()).unwrap();
    // Mistakes whose line is shown, in the URL's own line and in its key.
    for (from, to) in [("name: door", "fps: 0, name: door"), ("name: gate", "colour: red, name: gate")] {
        std::fs::write(rig.config(), config.replace(from, to)).unwrap();
        said.push(check(&rig).refusal(2, &["^", "keeper:***@"]));
    }
    for (from, to) in [("opencv, source", "file, path"), ("source: \"rtsp", "fps: \"rtsp")] {
        std::fs::write(rig.config(), config.replace(from, to)).unwrap();
        said.push(check(&rig).refusal(2, &["^"]));
    }
    said.push(rig.command(&["stop"]).code(0));
    assert!(rig.await_end().success());
    for answer in &said {
        let text = format!("{answer:#?}");
        assert!(!holds_a_secret(text.as_bytes()), "{text}");
    }
    let log = rig.log().join("\n");
    assert!(!holds_a_secret(log.as_bytes()), "{log}");
    // The search would have found something: the source is named, masked.
    assert!(log.contains("keeper:***@127.0.0.1:1"), "{log}");
    // OpenCV's own lines come through, masked. They begin otherwise than ours, as in `[ERROR:0@1.234]`.
    let ours = ["Z [INFO] ", "Z [WARN] ", "Z [ERROR] "];
    let mut theirs = log.lines().filter(|line| !ours.iter().any(|level| line.contains(level)));
    assert!(theirs.any(|line| line.contains("keeper:***@")), "no line of OpenCV names a source: {log}");
    assert_nothing_shows_it(&rig);
    let run_file = files(&rig.recordings()).into_iter().find(|path| path.ends_with("run.json")).unwrap();
    assert!(std::fs::read_to_string(run_file).unwrap().contains("keeper:***@127.0.0.1:1"));
}

#[test]
fn a_config_that_shows_a_password_to_everybody_is_a_warning() {
    let rig = Rig::prepare(&rig_with_passwords());
    let warning = "camera door: its source holds a password, and every user of this machine can read it in ";
    for (mode, is_warned) in [(0o644, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(rig.config(), Permissions::from_mode(mode)).unwrap();
        let checked = check(&rig).code(0);
        assert_eq!(checked.stderr.contains(warning), is_warned, "{mode:o}: {checked:#?}");
    }
    rig.configure("cameras: [{ name: left, backend: sim }]\nrecording: { output_dir: $DIR/x }\n");
    std::fs::set_permissions(rig.config(), Permissions::from_mode(0o644)).unwrap();
    let checked = check(&rig).code(0);
    assert!(checked.stderr.is_empty(), "{checked:#?}");
}

#[test]
fn numbered_pictures_are_a_camera() {
    if no_opencv() {
        return;
    }
    let config = "camera: { width: 64, height: 48, fps: 25 }
cameras: [{ name: left, backend: opencv, source: $DIR/frames/%04d.ppm }]
recording: { output_dir: $DIR/recordings }
";
    let mut rig = Rig::prepare(config);
    check(&rig).refusal(2, &["camera left", "no picture", "%04d.ppm", "rig.yaml:2:"]);
    std::fs::create_dir(rig.path("frames")).unwrap();
    for number in 0..20_u8 {
        let mut picture = b"P6\n64 48\n255\n".to_vec();
        picture.extend(std::iter::repeat_n(number * 10, 64 * 48 * 3));
        std::fs::write(rig.path(&format!("frames/{number:04}.ppm")), picture).unwrap();
    }
    let checked = check(&rig).code(0);
    assert!(checked.stderr.is_empty(), "{checked:#?}");
    rig.launch(&[]);
    let stats = rig.await_stats("the last picture", |stats| camera(stats, "left")["state"] == "ended");
    assert_eq!(camera(&stats, "left")["captured_frames"], 20, "{stats}");
}

#[test]
fn a_picture_that_cannot_be_decoded_is_declared_and_ends_nothing() {
    if no_opencv() {
        return;
    }
    let config = "camera: { width: 64, height: 48, fps: 25 }
cameras: [{ name: left, backend: opencv, source: $DIR/frames/%04d.ppm }]
recording: { output_dir: $DIR/recordings, pre_roll_ms: 3000, post_roll_ms: 1000 }
";
    let mut rig = Rig::prepare(config);
    std::fs::create_dir(rig.path("frames")).unwrap();
    for number in 0..40_u8 {
        let mut picture = b"P6\n64 48\n255\n".to_vec();
        // The eleventh is cut off.
        let pixels = if number == 10 { 7 } else { 64 * 48 * 3 };
        picture.extend(std::iter::repeat_n(number * 6, pixels));
        std::fs::write(rig.path(&format!("frames/{number:04}.ppm")), picture).unwrap();
    }
    rig.launch(&[]);
    rig.await_stats("some pictures", |stats| camera(stats, "left")["captured_frames"].as_u64() > Some(15));
    let answer = rig.command(&["trigger", "--wait"]).code(4).json();
    let gaps = list(&answer["cameras"]["left"], "gaps");
    let lost = gaps.iter().find(|gap| gap["cause"] == "camera_drop").unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(lost["missing"], 1, "{answer}");
    let stats = rig.await_stats("the last picture", |stats| camera(stats, "left")["state"] == "ended");
    assert_eq!(camera(&stats, "left")["captured_frames"], 39, "{stats}");
}

#[test]
fn a_camera_that_is_not_there_yet_is_a_warning() {
    let rig = Rig::prepare(
        "cameras:
  - { name: left, backend: opencv, source: 60000 }
  - { name: right, backend: opencv, source: /dev/v4l/by-id/nobody }
  - { name: door, backend: opencv, source: \"rtsp://127.0.0.1:1/x\" }
recording: { output_dir: $DIR/recordings }
",
    );
    let checked = check(&rig).code(0);
    for name in ["left", "right", "door"] {
        assert!(checked.stderr.contains(&format!("warning: camera {name}: ")), "{checked:#?}");
    }
    assert!(checked.stdout.contains(": good"), "{checked:#?}");
    // A folder will never be a device.
    rig.configure("cameras: [{ name: left, backend: opencv, source: /dev }]\n");
    check(&rig).refusal(2, &["camera left", "is a folder"]);
}

#[test]
fn a_pipe_or_a_terminal_holds_nothing_up() {
    let rig = Rig::prepare("cameras: [{ name: left, backend: file, path: $DIR/pipe }]\n");
    mknodat(CWD, rig.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let says = ["camera left", "a named pipe, not a file"];
    check(&rig).refusal(2, &says);
    rig.refused_start().refusal(2, &says);
    rig.configure("cameras: [{ name: left, backend: file, path: /dev/tty }]\n");
    check(&rig).refusal(2, &["camera left", "not a file"]);
    for command in ["check", "start"] {
        let pipe = rig.path("pipe");
        rig.command(&[command, "--config", pipe.to_str().unwrap()]).refusal(2, &["a named pipe, not a file"]);
        rig.command(&[command, "--config", "/dev/zero"]).refusal(2, &["not a file"]);
    }
    let large = rig.path("large.yaml");
    File::create(&large).unwrap().set_len(3 << 30).unwrap();
    rig.command(&["check", "--config", large.to_str().unwrap()]).refusal(2, &["1 MiB"]);
    rig.assert_nothing_left();
}

#[test]
fn a_film_on_a_dead_mount_holds_nothing_up() {
    let rig = Rig::prepare(
        "camera: { width: 64, height: 64, fps: 10, backend: file }
cameras:
  - { name: left, path: $DIR/left.mp4 }
  - { name: right, path: $DIR/right.mp4 }
recording: { output_dir: $DIR/recordings }
",
    );
    for name in ["left.mp4", "right.mp4"] {
        std::fs::write(rig.path(name), "not looked into").unwrap();
    }
    let checked = |command: &str| {
        let mut asked = Command::new(program("supervisor"));
        asked.args([command, "--config"]).arg(rig.config()).env(failpoint::FOLDER, rig.path("failpoints"));
        asked.arg("--runtime-dir").arg(rig.path("run"));
        Asked::run(asked, command.to_owned()).answer()
    };
    // A probe that waits for its file for ever, as within a read that a server never answers. Both at once: side by
    // side they take the time of one.
    for command in ["check", "start"] {
        rig.arm("probe.open:left=stop\nprobe.open:right=stop");
        checked(command).refusal(1, &["camera left", "left.mp4", "no answer within 5 s", "mount"]);
        assert!(rig.happened("probe.open:left=stop", 1) && rig.happened("probe.open:right=stop", 1));
    }
    // A look of the command itself: at the film, at where clips go, at the config.
    for (place, says) in
        [("left.mp4", "camera left"), ("recordings", "recording.output_dir"), ("rig.yaml", "the config")]
    {
        if place == "recordings" {
            rig.configure(
                "cameras: [{ name: left, backend: sim }]\nrecording: { output_dir: $DIR/recordings }\n",
            );
        }
        for command in ["check", "start"] {
            rig.arm(&format!("check.look:{place}=sleep(60000)"));
            checked(command).refusal(1, &[says, place, "no answer within 5 s"]);
        }
    }
    rig.assert_nothing_left();
}

#[test]
fn a_probe_ends_with_whoever_asked() {
    let rig = Rig::prepare("cameras: [{ name: left, backend: file, path: $DIR/left.mp4 }]\n");
    std::fs::write(rig.path("left.mp4"), "not looked into").unwrap();
    rig.arm("probe.open=sleep(60000)");
    let mut command = Command::new(program("supervisor"));
    command.args(["check", "--config"]).arg(rig.config()).env(failpoint::FOLDER, rig.path("failpoints"));
    let mut check = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    rig.await_happened("probe.open=sleep(60000)", 1);
    let config = rig.config().canonicalize().unwrap().display().to_string();
    let probes = || {
        let all = entries(Path::new("/proc")).into_iter();
        all.filter(|process| {
            let said = std::fs::read_to_string(process.join("cmdline")).unwrap_or_default();
            said.contains("--probe") && said.contains(&config)
        })
        .count()
    };
    assert_eq!(probes(), 1);
    check.kill().unwrap();
    check.wait().unwrap();
    until("the probe to end", || (probes() == 0).then_some(()));
}

#[test]
fn a_source_with_the_wrong_backend_is_told_the_right_one() {
    let rig = Rig::prepare("");
    for (camera, says) in [
        ("backend: file, path: \"rtsp://h/x\"", "a URL; write backend: opencv and source: URL"),
        ("backend: file, path: 0", "a device's number; write backend: opencv and source: NUMBER"),
        ("backend: file, path: /dev/video7", "a device; write backend: opencv"),
        ("backend: file, path: \"v4l2src ! appsink\"", "a GStreamer pipeline; write backend: opencv"),
        ("backend: file, path: \"f/%04d.png\"", "numbered pictures; write backend: opencv"),
        ("backend: file, path: \"file:///x.mp4\"", "a file's URL; write its path"),
        ("backend: opencv, source: \"file:///x.mp4\"", "a file by a URL; write its path"),
        ("backend: file, source: \"rtsp://h/x\"", "source: a key of opencv cameras; this one is file"),
        ("backend: sim, path: x.mp4", "path: a key of file and pipe cameras; this one is sim"),
    ] {
        rig.configure(&format!("cameras: [{{ name: left, {camera} }}]\n"));
        check(&rig).refusal(2, &["rig.yaml:1:", says]);
    }
}

#[test]
fn an_odd_camera_gets_motion_jpeg_with_the_reason_and_the_others_keep_h264() {
    let rig = Rig::prepare(
        "camera: { backend: sim, width: 320, height: 192, fps: 30 }
cameras:
  - { name: left }
  - { name: odd, width: 321, pixel_format: GRAY8 }
recording: { output_dir: $DIR/recordings, reserve_ms: 2000 }
",
    );
    let checked = check(&rig).code(0);
    assert!(checked.stderr.contains("camera odd: its clips are Motion JPEG"), "{checked:#?}");
    assert!(checked.stderr.contains("321x192") && !checked.stderr.contains("camera left"), "{checked:#?}");
    let mut rig = rig;
    rig.launch(&[]);
    rig.await_ready();
    let why = rig.await_log("camera odd: No supported video codec found");
    assert!(why.contains("H264 (libx264) does not take 321x192"), "{why}");
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert_eq!(answer["cameras"]["left"]["file"], "left.mp4", "{answer}");
    assert_eq!(answer["cameras"]["odd"]["file"], "odd.avi", "{answer}");
}

#[test]
fn a_check_whose_answer_nobody_takes_does_not_panic() {
    let rig = Rig::prepare("cameras: [{ name: left, backend: sim }]\nrecording: { output_dir: $DIR/x }\n");
    let run = |stdout: Stdio| {
        let mut command = Command::new(program("supervisor"));
        command.args(["check", "--config"]).arg(rig.config()).stdin(Stdio::null()).stdout(stdout);
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()), (Some(0), String::new()));
    let (code, said) = run(File::options().write(true).open("/dev/full").unwrap().into());
    assert!(code == Some(1) && said.contains("No space left"), "{code:?} {said}");
}
