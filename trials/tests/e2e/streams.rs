//! Cameras whose frames come as a stream of bytes: Motion JPEG over HTTP, and what other programs write into a FIFO or a
//! socket.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, mknodat};
use serde_json::{Value, json};
use trials::http_camera::{HttpCamera, jpegs};
use trials::pipe_writer::{PipeWriter, Y4m};
use trials::{Rig, camera, clip_of, list, manifest, until};

/// The password that an HTTP camera takes.
const PASSWORD: &str = "Op3nS3same";

/// A config with these cameras, each `name: keys`, beside one that is simulated.
fn config(cameras: &[(&str, String)]) -> String {
    let cameras: String =
        cameras.iter().map(|(name, keys)| format!("  - {{ name: {name}, {keys} }}\n")).collect();
    format!(
        "cameras:\n  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30 }}\n{cameras}recording: {{ output_dir: $DIR/recordings, reserve_ms: 4000 }}\n"
    )
}

fn mjpeg(camera: &HttpCamera, words: &str) -> String {
    format!("backend: mjpeg, url: '{}'", camera.url(words))
}

fn state<'a>(stats: &'a Value, name: &str) -> &'a Value {
    &camera(stats, name)["state"]
}

/// Waits until a camera shows a trouble with these words.
#[track_caller]
fn await_trouble(rig: &Rig, name: &str, says: &str) {
    rig.await_stats(&format!("{name}: {says}"), |stats| {
        state(stats, name) == "failed" && camera(stats, name).to_string().contains(says)
    });
}

fn fifo(rig: &Rig, name: &str) {
    mknodat(CWD, rig.path(name), FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn an_http_camera_is_read_however_it_writes_its_parts() {
    let server = HttpCamera::start(jpegs(320, 192, 30), 30);
    let words = [
        "ok",
        "doubled",
        "nofirst",
        "nolength",
        "barelf",
        "chunked",
        "nofirst+nolength+barelf+doubled",
        "redirect",
        "basic",
        "digest",
    ];
    let keys = |words: &str| {
        let login = if ["basic", "digest"].contains(&words) {
            ", user: keeper, password_file: $DIR/password"
        } else {
            ""
        };
        format!("{}{login}", mjpeg(&server, words))
    };
    let names: Vec<String> = (0..words.len()).map(|n| format!("c{n}")).collect();
    let cameras: Vec<(&str, String)> = names.iter().map(String::as_str).zip(words.map(keys)).collect();
    let mut rig = Rig::prepare(&config(&cameras));
    std::fs::write(rig.path("password"), format!("{PASSWORD}\n")).unwrap();
    rig.launch(&[]);
    let stats = rig.await_stats("every camera", |stats| {
        list(stats, "cameras")
            .iter()
            .all(|c| c["state"] == "live" && c["captured_frames"].as_u64() > Some(60))
    });
    for name in &names {
        let camera = camera(&stats, name);
        let found = (&camera["dropped"]["by_camera"], &camera["ring"]["payload"]);
        assert_eq!(found, (&json!(0), &json!("jpeg")), "{camera:#}");
    }
    assert!(!rig.log().join("\n").contains(PASSWORD));
}

#[test]
fn an_http_camera_without_a_stream_says_why() {
    let server = HttpCamera::start(jpegs(320, 192, 2), 30);
    let size = "width: 320, height: 192, fps: 30";
    let login = "user: keeper, password_file: $DIR/password";
    let with = |words: &str, more: &str| format!("{}, {size}{more}", mjpeg(&server, words));
    let mut rig = Rig::prepare(&config(&[
        ("gone", with("404", "")),
        ("busy", with("503", "")),
        ("page", with("page", "")),
        ("picture", with("picture", "")),
        ("closed", with("basic", "")),
        ("wrong", with("basic", &format!(", {login}"))),
        ("elsewhere", with("elsewhere", "")),
        ("nobody", format!("backend: mjpeg, url: 'http://127.0.0.1:1/x', {size}")),
        ("small", format!("{}, width: 640, height: 480, fps: 30", mjpeg(&server, "ok"))),
    ]));
    std::fs::write(rig.path("password"), "wr0ngW0rd").unwrap();
    rig.launch(&[]);
    for (name, says) in [
        ("gone", "nothing at this path (404)"),
        ("busy", "it is busy (503)"),
        ("page", "a page of text"),
        ("picture", "one picture and no stream"),
        ("closed", "asks for a password (401 unauthorised)"),
        ("wrong", "refuses the password of user keeper (401 unauthorised)"),
        ("elsewhere", "http://other.example/x?token=***"),
        ("nobody", "Connection refused"),
        ("small", "320x192"),
    ] {
        await_trouble(&rig, name, says);
    }
    let stats = rig.await_stats("the other camera", |stats| state(stats, "left") == "live");
    assert!(!stats.to_string().contains("T0k3nValue"), "{stats}");
    let log = rig.log().join("\n");
    assert!(!log.contains("wr0ngW0rd") && !log.contains("T0k3nValue"), "{log}");
}

#[test]
fn a_jpeg_that_is_cut_off_is_declared_and_its_neighbours_are_recorded() {
    let server = HttpCamera::start(jpegs(320, 192, 30), 30);
    let mut rig = Rig::prepare(&config(&[("door", mjpeg(&server, "cut"))]));
    rig.launch(&[]);
    rig.await_stats("the camera", |stats| camera(stats, "door")["captured_frames"].as_u64() > Some(30));
    rig.await_log("(the JPEG is cut off)");
    let answer = rig.command(&["trigger", "--wait", "--pre-ms", "300", "--post-ms", "1500"]).code(4).json();
    let door = &answer["cameras"]["door"];
    let gaps = list(door, "gaps");
    assert!(
        gaps.len() >= 5 && gaps.iter().all(|gap| gap["cause"] == "corrupt" && gap["missing"] == 1),
        "{door:#}"
    );
    assert_eq!(answer["cameras"]["left"]["gaps"], json!([]), "{answer:#}");
    assert_eq!(manifest(&clip_of(&answer))["cameras"]["door"]["time"]["source"], "arrival", "{answer:#}");
}

/// An encoder's parameters: groups of ten frames, two B-frames at a time.
const WITH_B_FRAMES: &str =
    "keyint=10:min-keyint=10:scenecut=0:bframes=2:b-adapt=0:rc-lookahead=3:repeat-headers=1";

#[test]
fn a_pipe_says_its_own_size_whatever_its_form() {
    let mut rig = Rig::prepare(&config(&[
        ("y4m", "backend: pipe, path: $DIR/y4m.fifo, format: y4m".into()),
        ("raw", "backend: pipe, path: $DIR/raw.fifo, format: raw, width: 64, height: 48, fps: 25, pixel_format: NV12".into()),
        ("mjpeg", "backend: pipe, path: $DIR/mjpeg.fifo, format: mjpeg".into()),
        ("h264", "backend: pipe, path: $DIR/h264.fifo, format: h264".into()),
        ("reordered", "backend: pipe, path: $DIR/reordered.fifo, format: h264".into()),
        ("h265", "backend: pipe, path: $DIR/h265.fifo, format: h265".into()),
        ("socket", "backend: pipe, path: $DIR/y4m.socket, format: y4m".into()),
    ]));
    for name in ["y4m.fifo", "raw.fifo", "mjpeg.fifo", "h264.fifo", "reordered.fifo", "h265.fifo"] {
        fifo(&rig, name);
    }
    let listener = UnixListener::bind(rig.path("y4m.socket")).unwrap();
    rig.launch(&[]);
    rig.await_stats("the supervisor", |stats| state(stats, "left") == "live");
    let ffmpeg = |size: &str, args: &[&str], to: &str| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args([
            "-nostdin",
            "-v",
            "error",
            "-y",
            "-re",
            "-f",
            "lavfi",
            "-i",
            &format!("testsrc=size={size}:rate=25"),
        ]);
        ffmpeg.args(args).arg(rig.path(to)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut writers = [
        ffmpeg("640x360", &["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe"], "y4m.fifo"),
        ffmpeg("64x48", &["-pix_fmt", "nv12", "-f", "rawvideo"], "raw.fifo"),
        ffmpeg("320x240", &["-pix_fmt", "yuvj420p", "-f", "mjpeg"], "mjpeg.fifo"),
        ffmpeg(
            "480x270",
            &[
                "-pix_fmt",
                "yuv420p",
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
                "-g",
                "10",
                "-f",
                "h264",
            ],
            "h264.fifo",
        ),
        ffmpeg(
            "320x192",
            &[
                "-pix_fmt",
                "yuv420p",
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-x264-params",
                WITH_B_FRAMES,
                "-f",
                "h264",
            ],
            "reordered.fifo",
        ),
        ffmpeg(
            "256x128",
            &[
                "-pix_fmt",
                "yuv420p",
                "-c:v",
                "libx265",
                "-preset",
                "ultrafast",
                "-x265-params",
                WITH_B_FRAMES,
                "-f",
                "hevc",
            ],
            "h265.fifo",
        ),
    ];
    let socket = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let bytes = Y4m::new(160, 120, 25).bytes(500);
        // The rig may be gone before the end.
        bytes.chunks(160 * 120).try_for_each(|piece| {
            std::thread::sleep(std::time::Duration::from_millis(26));
            socket.write_all(piece)
        })
    });
    let stats = rig.await_stats("every pipe", |stats| {
        list(stats, "cameras")
            .iter()
            .all(|c| c["state"] == "live" && c["captured_frames"].as_u64() > Some(20))
    });
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    let manifest = manifest(&clip_of(&answer));
    for (name, width, height, payload, how) in [
        ("y4m", 640, 360, "planes", "encoded"),
        ("raw", 64, 48, "planes", "encoded"),
        ("mjpeg", 320, 240, "jpeg", "copied"),
        ("h264", 480, 270, "h264", "copied"),
        ("reordered", 320, 192, "h264", "encoded"),
        ("h265", 256, 128, "h265", "encoded"),
        ("socket", 160, 120, "planes", "encoded"),
    ] {
        assert_eq!(camera(&stats, name)["ring"]["payload"], payload, "{name}");
        let recorded = &manifest["cameras"][name];
        // H.264 is encoded up to its first key frame.
        let last = list(recorded, "stretches").last().unwrap();
        let found = (&recorded["width"], &recorded["height"], &last["how"]);
        assert_eq!(found, (&json!(width), &json!(height), &json!(how)), "{name}: {recorded:#}");
    }
    assert_eq!(manifest["cameras"]["reordered"]["why"], "b_frames", "{manifest:#}");
    assert!(
        rig.log()
            .iter()
            .any(|line| line.contains("camera reordered: its pictures are shown in another order"))
    );
    for writer in &mut writers {
        assert!(writer.try_wait().unwrap().is_none(), "a writer has ended");
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
    drop(rig);
    // Ended by the rig's end, or behind its last frame.
    let _ = socket.join().unwrap();
}

#[test]
fn a_pipe_that_can_be_none_is_refused_and_one_that_may_come_is_waited_for() {
    let mut rig = Rig::prepare(&config(&[(
        "pipe",
        "backend: pipe, path: $DIR/left.fifo, format: y4m, width: 64, height: 48, fps: 25".into(),
    )]));
    let checked = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
    assert!(checked.stderr.contains("camera pipe") && checked.stderr.contains("mkfifo"), "{checked:#?}");
    rig.launch(&[]);
    await_trouble(&rig, "pipe", "mkfifo");
    fifo(&rig, "left.fifo");
    await_trouble(&rig, "pipe", "no program writes to it");
    let writer = PipeWriter::start(&rig.path("left.fifo"), Y4m::new(64, 48, 25), 25);
    rig.await_stats("the pipe", |stats| state(stats, "pipe") == "live");
    // While a program writes, nobody else's look ends it.
    rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
    let before = camera(&rig.stats(), "pipe")["captured_frames"].as_u64();
    rig.await_stats("more frames", |stats| {
        camera(stats, "pipe")["captured_frames"].as_u64() > before.map(|n| n + 10)
    });
    assert!(writer.stop() > 10);
    rig.await_log("the program that wrote to it has gone");
    await_trouble(&rig, "pipe", "no program writes to it");
    // A writer of frames of another size than the config's.
    let writer = PipeWriter::start(&rig.path("left.fifo"), Y4m::new(128, 96, 25), 25);
    await_trouble(&rig, "pipe", "128x96");
    drop(writer);
    until("the log to say it", || rig.log().iter().any(|line| line.contains("128x96")).then_some(()));
}
