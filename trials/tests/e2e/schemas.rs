//! The documents of a rig, held to docs/schemas: its manifests, its run file, its answers and its log. Every other test that
//! reads such a document holds it to its schema too ([`trials::schemas`]).

use std::path::Path;

use proto::clip::MANIFEST;
use rustix::process::Signal;
use serde_json::Value;
use trials::schemas::{assert_valid, assert_valid_manifest};
use trials::{Rig, TWO_CAMERAS, kill, list, until};

/// Two cameras whose names are in another order than the alphabet's, and one that is never live.
fn three_cameras() -> String {
    let left = "  - { name: left, backend: sim, truth_log: $DIR/left.truth }\n";
    let gone = "  - { name: gone, backend: opencv, source: \"rtsp://u:secret@127.0.0.1:9/none\", width: 320, height: 240, fps: 12.5 }\n";
    TWO_CAMERAS.replace(left, "").replace("recording:", &format!("{left}{gone}recording:"))
}

/// Asserts that a text has these cameras as keys of an object, in the config's order.
#[track_caller]
fn assert_in_order(text: &str, cameras: &[&str]) {
    let places: Vec<_> = cameras.iter().map(|name| text.find(&format!("\"{name}\": "))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} of {cameras:?} in {text}");
}

fn read(path: &Path) -> (String, Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let document = serde_json::from_str(&text).unwrap();
    (text, document)
}

#[test]
fn every_document_of_a_rig_is_as_its_schema_says_and_has_its_cameras_in_the_configs_order() {
    let mut rig = Rig::prepare(&three_cameras());
    rig.launch(&["--log-format", "json"]);
    let stats = rig.await_stats("two cameras", |s| {
        list(s, "cameras").iter().filter(|c| c["ring"]["reach_ms"].as_f64() > Some(700.0)).count() == 2
    });
    let names: Vec<&Value> = list(&stats, "cameras").iter().map(|camera| &camera["name"]).collect();
    assert_eq!(names, ["right", "left", "gone"]);

    let trigger = rig.ask(&["trigger", "--post-ms", "1500", "--wait"]);
    let clip = until("the clip", || rig.clips().pop());
    rig.await_frames(&clip, "left", 45);
    kill(rig.pid_of("recorder"), Signal::KILL);
    let answer = trigger.answer().code(4);
    assert_in_order(&answer.stdout, &["right", "left", "gone"]);
    let (text, document) = read(&clip.join(MANIFEST));
    assert_valid_manifest(&document);
    assert_in_order(text.split_once("\"cameras\"").unwrap().1, &["right", "left", "gone"]);
    assert_in_order(text.split_once("\"offset_s\"").unwrap().1, &["right", "left", "gone"]);
    // One shape for one thing: the list in the answer is the manifest's.
    let said = &answer.json()["cameras"]["left"];
    assert_eq!(said["interrupted"], document["cameras"]["left"]["interruptions"]);
    assert_eq!((list(said, "interrupted").len(), &said["interruptions"]), (1, &1.into()));
    assert_eq!(document["cameras"]["gone"]["fps"], 12.5);

    rig.command(&["trigger", "--post-ms", "0"]).code(0).json();
    let codecs = until("codecs", || Some(rig.command(&["codecs", "--json"])).filter(|a| a.code == Some(0)));
    codecs.json();
    assert_in_order(codecs.stdout.split_once("\"cameras\"").unwrap().1, &["right", "left", "gone"]);
    let run = clip.parent().unwrap().join("run.json");
    until("the encoders in the run file", || (read(&run).1["encoders"].get("gone").is_some()).then_some(()));
    let (text, document) = read(&run);
    assert_valid("run", &document);
    assert_in_order(text.split_once("\"encoders\"").unwrap().1, &["right", "left", "gone"]);
    let rates: Vec<&Value> =
        list(&document["config"], "cameras").iter().map(|camera| &camera["fps"]).collect();
    assert_eq!(
        rates,
        [&Value::from(60.0), &60.0.into(), &12.5.into()],
        "in frames a second, as in manifests"
    );

    rig.command(&["stop"]).code(0);
    assert_valid("run", &read(&run).1);
    let log = rig.log();
    let lines: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(lines.len() > 10, "{log:#?}");
    for line in &lines {
        assert_valid("log-line", line);
    }
    assert!(lines.iter().any(|line| line["clip"].as_str() == clip.file_name().unwrap().to_str()));
}
