//! What an operator hears: health, `status --check` and its exit codes, and the example scripts that tell a person.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, camera, kill, list, program, until};

const ONE: &str = "camera: { width: 320, height: 192, fps: 30 }
cameras:
  - { name: left, backend: sim }
recording: { output_dir: $DIR/recordings, post_roll_ms: 1500 }
";

/// Reasons that follow from what else a machine does.
fn is_of_the_machine(reason: &str) -> bool {
    ["cpu:", "machine:", "disk:", "clock:"].iter().any(|start| reason.starts_with(start))
        || reason.contains(": lost ")
        || reason.contains(": makes ")
}

fn reasons(stats: &Value) -> Vec<&str> {
    list(&stats["health"], "reasons").iter().filter_map(Value::as_str).collect()
}

/// A film as a camera makes it: a clip of one.
fn film(to: &Path) {
    let rig = Rig::start(ONE);
    let clip = trials::clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    std::fs::copy(clip.join("left.mp4"), to).unwrap();
}

#[test]
fn a_film_that_is_away_is_a_reason_all_the_time_until_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made.mp4");
    film(&made);
    let right = "\n  - { name: right, backend: file, path: $DIR/films/right.mp4, loop: true }\nrec";
    let mut rig = Rig::prepare(&ONE.replace("\nrec", right));
    let check = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
    assert!(check.stderr.contains("warning: camera right: path: there is no file"), "{check:#?}");
    rig.launch(&[]);
    let is_said = |s: &Value| {
        reasons(s).iter().any(|r| r.starts_with("capture right: ") && r.contains("there is no such file"))
    };
    rig.await_stats("the film to be missed", |s| is_said(s) && camera(s, "left")["state"] == "live");
    // Through waiting for the next try, and through the tries themselves.
    let mut looks = 0;
    until("three more tries", || {
        let stats = rig.stats();
        assert!(is_said(&stats) && stats["health"]["status"] == "attention", "{stats:#}");
        looks += 1;
        (looks > 20 && trials::process(&stats, "right")["restarts"].as_u64() >= Some(4)).then_some(())
    });
    let answer = rig.command(&["status", "--check"]).code(2);
    assert!(answer.stdout.starts_with("attention: capture right: "), "{answer:#?}");
    assert_eq!(answer.stdout.lines().count(), 1, "{answer:#?}");
    rig.command(&["trigger", "--camera", "left", "--wait"]).code(0);
    std::fs::create_dir(rig.path("films")).unwrap();
    std::fs::copy(&made, rig.path("films/new")).unwrap();
    std::fs::rename(rig.path("films/new"), rig.path("films/right.mp4")).unwrap();
    let stats = rig.await_stats("the film to play", |s| camera(s, "right")["state"] == "live");
    assert!(!is_said(&stats), "{stats:#}");
}

#[test]
fn a_network_camera_that_does_not_answer_is_a_reason_while_it_is_being_opened() {
    if !program("supervisor").with_file_name("capture-opencv").is_file() {
        println!("skipped: this build has no capture-opencv");
        return;
    }
    // Takes connections, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/stream", mute.local_addr().unwrap());
    let gate = format!("\n  - {{ name: gate, backend: opencv, source: \"{url}\" }}\nrec");
    let mut rig = Rig::prepare(&ONE.replace("\nrec", &gate));
    rig.launch(&[]);
    let stats = rig.await_stats("the camera to be missed", |s| s["health"]["status"] == "attention");
    assert!(reasons(&stats).iter().any(|r| r.starts_with("capture gate: ")), "{stats:#}");
    assert_eq!(camera(&stats, "left")["state"], "live", "{stats:#}");
}

#[test]
fn configs_that_run_well_take_the_memory_that_check_says() {
    let default =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/default.yaml")).unwrap();
    let default = default.replace("output_dir: recordings ", "output_dir: $DIR/recordings ");
    for pre_roll_ms in [500, 2000] {
        let config = default.replace("pre_roll_ms: 500", &format!("pre_roll_ms: {pre_roll_ms}"));
        let rig = Rig::start(&config);
        let check = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0).stdout;
        assert!(check.contains("memory in all: up to "), "{check}");
        // The rings are full, and the encoders have been at work.
        rig.await_stats("full rings", |s| {
            list(s, "cameras").iter().all(|c| c["ring"]["filled_slots"] == c["ring"]["slots"])
        });
        rig.command(&["trigger", "--wait"]);
        let second = || rig.stats()["uptime_s"].as_f64().unwrap();
        let until_s = second() + 3.0;
        until("three seconds of looks", || {
            let stats = rig.stats();
            let others =
                reasons(&stats).into_iter().filter(|r| !is_of_the_machine(r) && !r.contains("backlog"));
            assert_eq!(others.collect::<Vec<_>>(), [""; 0], "{stats:#}");
            (stats["uptime_s"].as_f64().unwrap() > until_s).then_some(())
        });
    }
}

#[test]
fn status_check_says_how_it_is_in_a_line_and_by_its_exit_code() {
    // Good; a machine that is busy with other things may be worse for a while.
    let mut rig = Rig::start(ONE);
    let good = until("it to be good", || {
        Some(rig.command(&["status", "--check"])).filter(|answer| answer.code == Some(0))
    });
    assert_eq!((good.stdout.as_str(), good.stderr.as_str()), ("good: ready, 1 camera\n", ""));
    // The answer doesn't come.
    kill(rig.supervisor_pid(), Signal::STOP);
    let unknown = rig.command(&["status", "--check"]);
    kill(rig.supervisor_pid(), Signal::CONT);
    let unknown = unknown.code(3);
    assert!(unknown.stdout.starts_with("unknown: the supervisor (pid "), "{unknown:#?}");
    rig.command(&["stop"]).code(0);
    rig.await_end();
    let nothing = rig.command(&["status", "--check"]).code(2);
    assert!(nothing.stdout.starts_with("attention: no supervisor is running in "), "{nothing:#?}");
    rig.command(&["status"]).code(3);
    drop(rig);
    // A camera that loses frames is for a person to know.
    let rig = Rig::start(&ONE.replace("backend: sim", "backend: sim, faults: { drop_every: 50 }"));
    let fair = until("it to be fair", || {
        Some(rig.command(&["status", "--check"])).filter(|answer| answer.code == Some(1))
    });
    assert!(fair.stdout.starts_with("fair: camera left: lost "), "{fair:#?}");
    drop(rig);
    let mut rig = Rig::prepare(&TWO_CAMERAS.replace("$DIR/left.truth", "$DIR/missing/left.truth"));
    rig.launch(&[]);
    rig.await_stats("the trouble", |s| s["health"]["status"] == "attention");
    let attention = rig.command(&["status", "--check"]).code(2);
    assert!(attention.stdout.starts_with("attention: capture left: "), "{attention:#?}");
    rig.command(&["status"]).code(0);
}

/// A webhook on the loopback interface: its URL, and the body of each message.
fn webhook() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/rig", listener.local_addr().unwrap());
    let (messages, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_lowercase();
                if let Some(number) = line.strip_prefix("content-length:") {
                    length = number.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
            if messages.send(String::from_utf8(body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, heard)
}

#[test]
fn the_example_scripts_tell_a_person_once_of_each_change() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl here");
        return;
    }
    let examples = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/examples"));
    let mut rig = Rig::prepare(ONE);
    let (url, heard) = webhook();
    let ask_telling = |rig: &Rig, url: &str| {
        let mut command = Command::new(examples.join("watch-health"));
        command.env("PREROLL", program("preroll")).env("PREROLL_RUNTIME_DIR", rig.path("run"));
        command.env("STATE_DIRECTORY", rig.path("")).env("PREROLL_WEBHOOK", url).env_remove("http_proxy");
        command.output().unwrap()
    };
    // The webhook is away: what it couldn't tell is told at the next time.
    let away = ask_telling(&rig, "http://127.0.0.1:1/rig");
    assert!(!away.status.success(), "{away:?}");
    for _ in 0..2 {
        let told = ask_telling(&rig, &url);
        assert!(told.status.success(), "{told:?}");
    }
    let messages: Vec<String> = heard.try_iter().collect();
    assert_eq!(messages.len(), 1, "once: {messages:?}");
    assert!(messages[0].starts_with("Preroll: attention: no supervisor is running in "), "{messages:?}");
    rig.launch(&[]);
    rig.await_ready();
    let message = until("it to be good again", || {
        assert!(ask_telling(&rig, &url).status.success());
        heard.try_iter().find(|message| message.contains("good"))
    });
    assert_eq!(message, "Preroll: good: ready, 1 camera\n");
}
