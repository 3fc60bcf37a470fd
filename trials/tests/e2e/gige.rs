//! GigE Vision cameras: what `check` and `cameras` say of one that is there, of one that isn't, and of a build without them.

use std::path::{Path, PathBuf};
use std::process::Command;

use trials::command::{Answer, Asked};
use trials::stats::camera;
use trials::{Rig, program};

fn with_camera(keys: &str) -> String {
    format!(
        "cameras:
  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30 }}
  - {{ name: gate, backend: gige, {keys} }}
recording: {{ output_dir: $DIR/recordings, pre_roll_ms: 500, post_roll_ms: 300 }}
"
    )
}

/// The executables of a build that has no aravis.
fn without_aravis(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["supervisor", "recorder", "capture"] {
        std::fs::copy(program(name), bin.join(name)).unwrap();
    }
    bin
}

fn ask(bin: &Path, args: &[&str]) -> Answer {
    let mut command = Command::new(bin.join("supervisor"));
    command.args(args);
    Asked::run(command, format!("supervisor {args:?}")).answer()
}

#[test]
fn a_build_without_aravis_names_the_packages_and_records_the_other_cameras() {
    for keys in ["camera: F1", "camera: F1, width: 512, height: 512, fps: 25"] {
        let mut rig = Rig::prepare(&with_camera(keys));
        let bin = without_aravis(&rig.path(""));
        let config = rig.config();
        let checked = ask(&bin, &["check", "--config", config.to_str().unwrap()]).code(0);
        for says in [
            "warning: camera gate: capture-aravis is missing",
            "libaravis-dev and libusb-1.0-0-dev",
            "make deps",
        ] {
            assert!(checked.stderr.contains(says), "{checked:#?}");
        }
        let opened = ask(&bin, &["check", "--open", "--config", config.to_str().unwrap()]).code(1);
        assert!(opened.stderr.contains("no picture comes from gate"), "{opened:#?}");
        rig.launch_from(&bin);
        let stats = rig.await_stats("the other camera, and this one's reason", |stats| {
            let gate = camera(stats, "gate");
            let left = camera(stats, "left");
            let reason = gate["reason"].as_str().unwrap_or_default();
            left["state"] == "live"
                && left["ring"]["reach_ms"].as_f64() > Some(600.0)
                && reason.contains("libaravis-dev")
        });
        assert_ne!(camera(&stats, "gate")["state"], "live", "{stats:#}");
        let answer = rig.command(&["trigger", "--wait", "--camera", "left"]).code(0).json();
        assert_eq!(answer["verdict"], "complete", "{answer:#}");
        rig.command(&["stop"]).code(0);
        assert!(rig.await_end().success());
        // `cameras` has the video devices all the same.
        ask(&bin, &["cameras", "--json"]).code(0).json();
    }
}

#[cfg(feature = "aravis")]
#[test]
fn a_gige_camera_is_listed_checked_and_found_by_its_serial_number() {
    let _fake = trials::gige_camera::FakeGige::start("F1", 0);
    let rig = Rig::prepare("");
    let listed = rig.command(&["cameras", "--json"]).code(0).json();
    let ours = listed.as_array().unwrap().iter().find(|found| found["serial"] == "F1").unwrap().clone();
    assert_eq!((&ours["name"], &ours["address"]), (&"Aravis Fake".into(), &"127.0.0.1".into()));
    let table = rig.command(&["cameras"]).code(0);
    assert!(table.stdout.contains("Aravis Fake: 127.0.0.1, serial number F1\n"), "{table:#?}");
    // The entry that is offered is one that works.
    let entry = ours["config"].as_str().unwrap();
    rig.configure(&format!("cameras:\n  {entry}\nrecording: {{ output_dir: $DIR/recordings }}\n"));
    let config = rig.config();
    let check = |more: &[&str]| {
        let mut args = vec!["check", "--config", config.to_str().unwrap()];
        args.extend(more);
        rig.command(&args)
    };
    let checked = check(&["--open"]).code(0);
    assert!(
        checked.stdout.contains("aravis-fake: 512x512 planes") || checked.stdout.contains("512x512"),
        "{checked:#?}"
    );
    for (keys, says) in [
        ("camera: F1, features: { Gaim: 1 }", "it has no feature Gaim"),
        ("camera: F1, features: { GainRaw: 99 }", "GainRaw"),
    ] {
        rig.configure(&with_camera(keys));
        check(&[]).refusal(2, &["camera gate", says]);
    }
    rig.configure(&with_camera("camera: F2"));
    let absent = check(&[]).code(0);
    assert!(
        absent.stderr.contains("warning: camera gate: ") && absent.stderr.contains("serial number F1"),
        "{absent:#?}"
    );
}

/// A camera that makes pictures when it is triggered, by features that have to be set in this order.
#[cfg(feature = "aravis")]
const TRIGGERED: &str = "camera: F1, fps: 25, features: { TriggerSelector: FrameStart, TriggerSource: Software, TriggerMode: On }";

#[cfg(feature = "aravis")]
#[test]
fn a_gige_camera_that_is_triggered_gives_a_picture_for_each_trigger_and_owes_none() {
    let mut fake = trials::gige_camera::FakeGige::start("F1", 0);
    let mut rig = Rig::prepare(&with_camera(TRIGGERED));
    rig.launch(&[]);
    let frames = |stats: &serde_json::Value| camera(stats, "gate")["captured_frames"].as_u64();
    rig.await_stats("its ring", |stats| camera(stats, "gate")["ring"]["payload"] == "planes");
    let mut trigger_until = |rig: &Rig, count: u64| {
        while frames(&rig.stats()) < Some(count) {
            let before = frames(&rig.stats());
            fake.trigger();
            rig.await_stats("a picture", |stats| frames(stats) > before);
        }
    };
    trigger_until(&rig, 2);
    rig.await_stats("the other camera's pre-roll", |stats| {
        camera(stats, "left")["ring"]["reach_ms"].as_f64() > Some(600.0)
    });
    let clip = rig.ask(&["trigger", "--wait", "--pre-ms", "0", "--post-ms", "1500"]);
    rig.await_stats("a clip that is being recorded", |stats| stats["recorder"]["clips_open"] == 1);
    trigger_until(&rig, 6);
    let answer = clip.answer().code(0).json();
    let gate = &trials::manifest(&trials::clip_of(&answer))["cameras"]["gate"];
    assert_eq!(gate["gaps"], serde_json::json!([]), "{gate:#}");
    // The picture that stood when the window began is one of them.
    assert!((4..=5).contains(&gate["frames_written"].as_u64().unwrap()), "{gate:#}");
    assert_eq!(camera(&rig.stats(), "gate")["state"], "live");
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
}
