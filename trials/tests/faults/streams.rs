//! Cameras whose frames come as a stream, and stop coming: over HTTP, from another program, and over RTSP.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};
use trials::http_camera::{HttpCamera, jpegs};
use trials::pipe_writer::{PipeWriter, Y4m};
use trials::rtsp_camera::{Options, RtspCamera};
use trials::{Rig, camera, clip_of, kill, list, until};

use crate::rtsp::{IN_STAMPS, Part};

/// So often each camera goes and comes back.
const ROUNDS: usize = 50;

fn state<'a>(stats: &'a Value, name: &str) -> &'a Value {
    &camera(stats, name)["state"]
}

fn writer(rig: &Rig) -> PipeWriter {
    PipeWriter::start(&rig.path("gate.fifo"), Y4m::new(160, 96, 30), 30)
}

/// The cameras that go and come back.
const GOING: [&str; 3] = ["door", "gate", "yard"];

/// Waits until these cameras are live; the time that each took, as far as looking at the stats again and again shows it.
fn await_return(rig: &Rig) -> [Duration; 3] {
    let back = Instant::now();
    let took: [Cell<Option<Duration>>; 3] = Default::default();
    rig.await_stats("the cameras to be back", |stats| {
        for (took, name) in took.iter().zip(GOING) {
            if took.get().is_none() && state(stats, name) == "live" {
                took.set(Some(back.elapsed()));
            }
        }
        took.iter().all(|took| took.get().is_some())
    });
    took.map(|took| took.get().unwrap())
}

#[test]
fn f95_f96_f97_streams_that_go_and_come_back_are_live_again_and_touch_no_other_camera() {
    let mut server = HttpCamera::start(jpegs(320, 192, 30), 30);
    let mut options = Options::small(300);
    options.pictures.camera_index = IN_STAMPS;
    let mut rtsp = RtspCamera::start(options).unwrap();
    rtsp.prepare(&["ok"]);
    let mut rig = Rig::prepare(&format!(
        "cameras:
  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30, truth_log: $DIR/left.truth }}
  - {{ name: door, backend: mjpeg, url: '{}' }}
  - {{ name: gate, backend: pipe, path: $DIR/gate.fifo, format: y4m }}
  - {{ name: yard, backend: rtsp, url: '{}', max_bitrate_mbps: 1, max_frame_bytes: 30000, gop_ms: 1000 }}
recording: {{ output_dir: $DIR/recordings, reserve_ms: 4000 }}
",
        server.url("ok"),
        rtsp.url("ok")
    ));
    mknodat(CWD, rig.path("gate.fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    rig.launch(&[]);
    let mut pipe = writer(&rig);
    let is_live = |stats: &Value| list(stats, "cameras").iter().all(|c| c["state"] == "live");
    rig.await_stats("every camera", is_live);
    let all = ["left", "door", "gate", "yard"];
    let captures = all.map(|name| rig.pid_of(name));
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "600000"]);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        server.leave();
        pipe.stop();
        rtsp.leave();
        rig.await_stats("the cameras to be missed", |stats| {
            GOING.iter().all(|name| state(stats, name) == "failed")
        });
        server.come_back();
        rtsp.come_back();
        pipe = writer(&rig);
        times.extend(await_return(&rig));
    }
    let stats = rig.stats();
    assert_eq!(all.map(|name| rig.pid_of(name)), captures, "{stats:#}");
    assert!(list(&stats, "cameras").iter().all(|camera| camera["epoch"] == 1), "{stats:#}");
    kill(rig.supervisor_pid(), Signal::TERM);
    let answer = trigger.answer().code(4).json();
    assert!(rig.await_end().success());
    for (name, cause) in [("door", "network"), ("gate", "unplugged"), ("yard", "network")] {
        let gaps = list(&answer["cameras"][name], "gaps");
        let causes = gaps.iter().filter(|gap| gap["cause"] == cause).count();
        assert_eq!((causes, gaps.len()), (ROUNDS, ROUNDS), "{name}: {gaps:#?}");
    }
    assert_eq!(answer["cameras"]["left"]["gaps"], json!([]), "{answer:#}");
    assert_eq!(Part::of(&clip_of(&answer), "yard", rtsp.sent("ok")).wrong(), [] as [String; 0]);
    times.sort();
    let of = |part: usize| times[(times.len() - 1) * part / 100].as_millis();
    println!(
        "live again after {} / {} / {} ms (half, 95 %, all) of {}",
        of(50),
        of(95),
        of(100),
        times.len()
    );
}

#[test]
fn f95_a_camera_that_stalls_or_is_busy_for_a_while_is_asked_again_until_it_delivers() {
    let mut server = HttpCamera::start(jpegs(320, 192, 30), 30);
    let mut rig = Rig::prepare(&format!(
        "cameras:
  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30, truth_log: $DIR/left.truth }}
  - {{ name: door, backend: mjpeg, url: '{}' }}
recording: {{ output_dir: $DIR/recordings, reserve_ms: 4000 }}
",
        server.url("stall")
    ));
    rig.launch(&[]);
    rig.await_stats("the camera", |stats| state(stats, "door") == "live");
    let capture = rig.pid_of("door");
    let trigger = rig.ask(&["trigger", "--wait", "--pre-ms", "100", "--post-ms", "600000"]);
    // Twenty frames of each connection, and silence.
    until("two stalls", || {
        let log = rig.log();
        let stalls = log.iter().filter(|line| line.contains("it is connected, and nothing comes"));
        (stalls.count() >= 2).then_some(())
    });
    rig.await_stats("the camera to be back", |stats| state(stats, "door") == "live");
    server.answer_with(Some(503));
    server.leave();
    server.come_back();
    rig.await_stats("a camera that is busy", |stats| {
        state(stats, "door") == "failed" && camera(stats, "door").to_string().contains("it is busy (503)")
    });
    server.answer_with(None);
    rig.await_stats("the camera to be back", |stats| state(stats, "door") == "live");
    assert_eq!(rig.pid_of("door"), capture);
    kill(rig.supervisor_pid(), Signal::TERM);
    let answer = trigger.answer().code(4).json();
    assert!(rig.await_end().success());
    let gaps = list(&answer["cameras"]["door"], "gaps");
    assert!(gaps.len() >= 3 && gaps.iter().any(|gap| gap["cause"] == "camera_stall"), "{gaps:#?}");
    let known = ["camera_stall", "network"];
    assert!(gaps.iter().all(|gap| known.contains(&gap["cause"].as_str().unwrap())), "{gaps:#?}");
    assert_eq!(answer["cameras"]["left"]["gaps"], json!([]), "{answer:#}");
}
