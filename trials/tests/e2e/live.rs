//! Cameras that say their own size: what `check` and a probe say of them, and an instance that has some that aren't there.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use proto::failpoint;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use trials::command::{Answer, Asked};
use trials::stats::camera;
use trials::{Rig, list, no_failpoints, program, until};

fn check(rig: &Rig, more: &[&str]) -> Answer {
    let config = rig.config();
    let mut args = vec!["check", "--config", config.to_str().unwrap()];
    args.extend(more);
    rig.command(&args)
}

/// Two simulated cameras beside one of these keys.
fn beside(keys: &str) -> String {
    format!(
        "cameras:
  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30 }}
  - {{ name: live, {keys} }}
  - {{ name: right, backend: sim, width: 320, height: 192, fps: 30 }}
recording: {{ output_dir: $DIR/recordings, pre_roll_ms: 300, post_roll_ms: 200 }}
"
    )
}

/// Is a camera live, and does its ring hold the pre-roll of these tests?
fn has_its_pre_roll(camera: &serde_json::Value) -> bool {
    camera["state"] == "live" && camera["ring"]["reach_ms"].as_f64() > Some(400.0)
}

#[test]
fn what_can_never_work_is_refused_in_one_clear_message() {
    let rig = Rig::prepare("");
    std::fs::create_dir(rig.path("folder")).unwrap();
    for (name, text) in [("file", "x"), ("empty", ""), ("two", "a\nb\n"), ("password", "x\n")] {
        std::fs::write(rig.path(name), text).unwrap();
    }
    std::fs::set_permissions(rig.path("password"), std::fs::Permissions::from_mode(0o600)).unwrap();
    mknodat(CWD, rig.path("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let login =
        |file: &str| format!("backend: mjpeg, url: 'http://127.0.0.1:1/', user: me, password_file: {file}");
    for (keys, says) in [
        ("backend: v4l2, device: $DIR/file".to_owned(), "is a plain file"),
        ("backend: v4l2, device: $DIR/folder".to_owned(), "is a folder"),
        ("backend: v4l2, device: $DIR/fifo".to_owned(), "no camera's device"),
        ("backend: v4l2".to_owned(), "needs a device's number"),
        ("backend: v4l2, device: 0, format: VP8".to_owned(), "is not one of auto, YUYV"),
        ("backend: mjpeg, url: camera/stream".to_owned(), "this is no URL"),
        ("backend: mjpeg, url: 'https://camera/stream'".to_owned(), "only http://"),
        ("backend: mjpeg, url: 'http://:80/'".to_owned(), "names no host"),
        (login("$DIR/none"), "No such file"),
        (login("$DIR/folder"), "a folder"),
        (login("$DIR/fifo"), "a named pipe"),
        (login("$DIR/empty"), "is empty"),
        (login("$DIR/two"), "on one line"),
        ("backend: pipe, path: $DIR/file, format: y4m".to_owned(), "is a plain file"),
        ("backend: pipe, path: $DIR/folder, format: y4m".to_owned(), "is a folder"),
        ("backend: pipe, path: $DIR/fifo, format: raw".to_owned(), "write width and height"),
    ] {
        rig.configure(&beside(&keys));
        check(&rig, &[]).refusal(2, &["live", says]);
        rig.refused_start().refusal(2, &["live", says]);
    }
    rig.assert_nothing_left();
}

#[test]
fn a_probe_prints_what_a_camera_gives_and_keeps_its_url_to_itself() {
    let mut rig = Rig::prepare(&beside("backend: sim, payload: jpeg, width: 640, height: 480, fps: 15"));
    rig.launch(&[]);
    rig.await_stats("the cameras", |stats| stats["state"] == "ready");
    let probe = |args: &[&str]| {
        let mut command = Command::new(program("capture"));
        command.args(["--probe", "live"]).args(args);
        Asked::run(command, "capture --probe".into()).answer()
    };
    let (config, run) = (rig.config(), rig.path("run"));
    for args in [["--config", config.to_str().unwrap()], ["--runtime-dir", run.to_str().unwrap()]] {
        let said = probe(&args).code(0);
        assert_eq!(said.stdout.lines().count(), 1, "{said:#?}");
        let expected = serde_json::json!({
            "payload": "jpeg", "pixel_format": "I420", "width": 640, "height": 480, "fps": 15.0,
            "variable_rate": false, "capture_time": "device", "reorders": false,
        });
        assert_eq!(said.json(), expected);
    }
    assert!(probe(&[]).code(2).stderr.contains("--config"));
    let mut other = Command::new(program("capture"));
    other.args(["--probe", "nobody", "--config"]).arg(&config);
    let said = Asked::run(other, "capture --probe".into()).answer().code(2);
    assert!(said.stderr.contains("there is no camera nobody; the config has left, live, right"), "{said:#?}");
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
}

#[test]
fn a_camera_that_is_not_there_is_failed_from_the_start_and_the_others_are_recorded() {
    for keys in [
        "backend: v4l2, device: /dev/v4l/by-id/nobody",
        "backend: v4l2, device: 65000, width: 640, height: 480, fps: 30",
        "backend: mjpeg, url: 'http://127.0.0.1:1/stream'",
        "backend: pipe, path: $DIR/nobody, format: y4m",
    ] {
        let mut rig = Rig::prepare(&beside(keys));
        let checked = check(&rig, &[]).code(0);
        assert!(checked.stderr.contains("warning: camera live: "), "{checked:#?}");
        rig.launch(&[]);
        let stats = rig.await_stats("the others", |stats| {
            stats["state"] == "degraded"
                && ["left", "right"].iter().all(|name| has_its_pre_roll(camera(stats, name)))
        });
        assert_eq!(camera(&stats, "live")["state"], "failed", "{stats}");
        let reasons = list(&stats["health"], "reasons");
        let is_named =
            |reason: &serde_json::Value| reason.as_str().unwrap().contains("capture live: failed: ");
        assert!(reasons.iter().any(is_named), "{stats}");
        let answer =
            rig.command(&["trigger", "--wait", "--camera", "left", "--camera", "right"]).code(0).json();
        assert_eq!(answer["verdict"], "complete", "{answer}");
        let answer = rig.command(&["trigger", "--wait"]).code(4).json();
        assert_eq!(answer["verdict"], "gaps", "{answer}");
        rig.command(&["stop"]).code(0);
        assert!(rig.await_end().success());
        rig.assert_nothing_left();
    }
}

#[test]
fn check_fails_on_demand_when_a_camera_gives_no_picture() {
    let rig = Rig::prepare(&beside("backend: v4l2, device: 65000"));
    check(&rig, &[]).code(0);
    let failed = check(&rig, &["--open"]).code(1);
    assert!(failed.stderr.contains("no picture comes from live"), "{failed:#?}");
    rig.configure(&beside("backend: sim"));
    check(&rig, &["--open"]).code(0);
}

#[test]
fn a_probe_of_a_camera_ends_with_whoever_asked_and_holds_nobody_up() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::prepare(&beside("backend: v4l2, device: 65000"));
    rig.arm("probe.open:live=sleep(60000)");
    let config = rig.config().canonicalize().unwrap().display().to_string();
    let probes = || {
        let all = rig::process::all();
        all.filter(|pid| rig::process::has_argument(*pid, b"--probe"))
            .filter(|pid| rig::process::has_argument(*pid, config.as_bytes()))
            .count()
    };
    let checking = || {
        let mut command = Command::new(program("supervisor"));
        command.args(["check", "--config"]).arg(rig.config()).env(failpoint::FOLDER, rig.path("failpoints"));
        command
    };
    let mut asking =
        checking().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    rig.await_happened("probe.open:live=sleep(60000)", 1);
    assert_eq!(probes(), 1);
    asking.kill().unwrap();
    asking.wait().unwrap();
    until("the probe to end", || (probes() == 0).then_some(()));
    // A driver that doesn't answer is given up, and is a warning.
    rig.arm("probe.open:live=sleep(60000)");
    let checked = Asked::run(checking(), "check".into()).answer().code(0);
    assert!(checked.stderr.contains("camera live: it gives no answer within 5 s"), "{checked:#?}");
}

/// A program that writes grey pictures into a FIFO at 30 fps until nobody reads them, and how many it wrote.
fn write_y4m(fifo: &std::path::Path, (width, height): (usize, usize)) -> std::thread::JoinHandle<u32> {
    let mut to = std::fs::File::options().write(true).open(fifo).unwrap();
    std::thread::spawn(move || {
        let mut bytes = format!("YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg\n").into_bytes();
        for number in 0..u8::MAX {
            bytes.extend(b"FRAME\n");
            bytes.extend(std::iter::repeat_n(number, width * height * 3 / 2));
            if to.write_all(&bytes).is_err() {
                return u32::from(number);
            }
            bytes.clear();
            std::thread::sleep(Duration::from_millis(33));
        }
        u32::from(u8::MAX)
    })
}

#[test]
fn a_pipes_first_frame_makes_its_ring_and_its_writer_is_none_the_wiser() {
    let mut rig = Rig::prepare(&beside("backend: pipe, path: $DIR/fifo, format: y4m"));
    let fifo = rig.path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    rig.launch(&[]);
    rig.await_stats("the others", |stats| stats["state"] == "degraded");
    let capture = rig.pid_of("live");
    let writer = write_y4m(&fifo, (320, 240));
    let stats = rig.await_stats("its frames", |stats| {
        let live = camera(stats, "live");
        live["state"] == "live" && live["captured_frames"].as_u64() > Some(30)
    });
    assert_eq!((stats["state"].as_str(), rig.pid_of("live")), (Some("ready"), capture), "{stats}");
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert_eq!(answer["verdict"], "complete", "{answer}");
    let manifest = trials::clip::manifest(&trials::clip::clip_of(&answer));
    assert_eq!(manifest["cameras"]["live"]["width"], 320, "{manifest}");
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
    let written = writer.join().unwrap();
    assert!(written > 30 && written < 255, "it ends with its reader: {written}");
    rig.assert_nothing_left();
}
