//! Triggers with a length, triggers that share a clip, and what comes with them.

use std::time::Duration;

use proto::time::MonotonicNs;
use serde_json::{Value, json};
use trials::{Rig, TWO_CAMERAS, clip_of, list, manifest};

const MS: u64 = 1_000_000;

fn ns(document: &Value, key: &str) -> u64 {
    document[key].as_u64().unwrap_or_else(|| panic!("{key}: {document:#}"))
}

fn text<'a>(document: &'a Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_else(|| panic!("{key}: {document:#}"))
}

#[test]
fn a_begun_trigger_is_recorded_until_it_is_ended() {
    let rig = Rig::start(TWO_CAMERAS);
    let begin = [
        "trigger",
        "--begin",
        "--label",
        "rally",
        "--id",
        "court:7",
        "--meta",
        "animal=m12",
        "--meta",
        "score=0.9=high",
        "--note",
        "beide Kameras, Stativ gewackelt",
    ];
    let begun = rig.command(&begin).code(0).json();
    assert_eq!((text(&begun, "trigger_id"), &begun["end_ns"]), ("court:7", &Value::Null));
    assert!(text(&begun, "clip_id").ends_with("-clip-0001-rally"), "{begun:#}");
    let clip = clip_of(&begun);
    // Well beyond the post-roll of 500 ms.
    rig.await_frames(&clip, "left", 90);
    let ended = rig.command(&["trigger", "--end", "court:7", "--post-ms", "100", "--wait"]).code(0).json();
    assert_eq!((&ended["clip_id"], text(&ended, "verdict")), (&begun["clip_id"], "complete"));
    let manifest = manifest(&clip);
    assert_eq!(manifest["clip_id"], begun["clip_id"]);
    assert_eq!(ns(&manifest["window"], "end_ns"), ns(&ended, "end_ns"));
    let trigger = &manifest["trigger"];
    assert_eq!(
        (text(trigger, "kind"), text(trigger, "id"), text(trigger, "label")),
        ("begin", "court:7", "rally")
    );
    assert_eq!(trigger["meta"], json!({ "animal": "m12", "score": "0.9=high" }));
    assert_eq!(text(trigger, "note"), "beide Kameras, Stativ gewackelt");
    assert_eq!(trigger["end_ns"], ended["end_ns"]);
    // It was begun a second and a half before, at least.
    assert!(ns(trigger, "end_ns") - ns(trigger, "t_ns") > 1000 * MS, "{trigger:#}");

    let args = ["trigger", "--end", "court:7"];
    rig.command(&args).refusal(2, &["trigger court:7 has ended"]);
    rig.command(&["trigger", "--end", "clip-0001-rally"]).refusal(2, &["has ended"]);
    rig.assert_complete();
}

#[test]
fn an_end_that_comes_late_ends_the_clip_where_it_says() {
    let rig = Rig::start(TWO_CAMERAS);
    let begun = rig.command(&["trigger", "--begin"]).code(0).json();
    let clip = clip_of(&begun);
    rig.await_frames(&clip, "right", 100);
    // By its clip's id this time. Frames behind that moment are encoded already.
    let ended = rig.command(&["trigger", "--end", text(&begun, "clip_id"), "--ago", "400", "--wait"]);
    let ended = ended.code(0).json();
    assert_eq!(ended["trigger_id"], begun["trigger_id"]);
    assert_eq!(ns(&manifest(&clip)["window"], "end_ns"), ns(&ended, "end_ns"));
    rig.assert_complete();
}

#[test]
fn a_begun_trigger_that_nobody_ends_ends_at_max_clip_ms() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  max_clip_ms: 1500\n"));
    let begun = rig.command(&["trigger", "--begin", "--wait"]).code(0).json();
    let manifest = manifest(&clip_of(&begun));
    let trigger = &manifest["trigger"];
    assert_eq!(ns(trigger, "end_ns") - ns(trigger, "t_ns"), 1500 * MS);
    assert_eq!(begun["end_ns"], trigger["end_ns"], "known by the time that it is finished");
    let said = |notes: &Value| {
        list(notes, "notes").iter().any(|note| {
            let note = note.as_str().unwrap();
            note.contains("nobody ended it") && note.contains("max_clip_ms")
        })
    };
    assert!(said(&manifest) && said(&begun), "{manifest:#}");
    // An end beyond it is there, too.
    let begun = rig.command(&["trigger", "--begin"]).code(0).json();
    let ended =
        rig.command(&["trigger", "--end", text(&begun, "trigger_id"), "--post-ms", "60000", "--wait"]);
    let ended = ended.code(0).json();
    let trigger = &self::manifest(&clip_of(&ended))["trigger"];
    assert_eq!(ns(trigger, "end_ns") - ns(trigger, "t_ns"), 1500 * MS);
    assert!(ended["notes"].to_string().contains("max_clip_ms"), "{ended:#}");
    rig.assert_complete();
}

#[test]
fn an_extension_moves_the_end_by_exactly_what_it_says() {
    let rig = Rig::start(TWO_CAMERAS);
    let asked = rig.command(&["trigger", "--post-ms", "1500"]).code(0).json();
    let id = text(&asked, "trigger_id");
    rig.command(&["trigger", "--extend", id, "250"]).code(0);
    let extended = rig.command(&["trigger", "--extend", id, "123", "--wait"]).code(0).json();
    assert_eq!(ns(&extended, "end_ns") - ns(&asked, "end_ns"), 373 * MS);
    let manifest = manifest(&clip_of(&asked));
    assert_eq!(ns(&manifest["window"], "end_ns"), ns(&extended, "end_ns"));
    rig.command(&["trigger", "--extend", id, "100"]).refusal(2, &["has ended"]);
    rig.assert_complete();
}

#[test]
fn under_overlap_extend_triggers_share_a_clip_that_lists_them() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  overlap: extend\n"));
    let first = rig.command(&["trigger", "--label", "goal", "--post-ms", "1200"]).code(0).json();
    let second =
        rig.command(&["trigger", "--label", "shout", "--meta", "db=80", "--post-ms", "1400"]).code(0).json();
    let third = rig.command(&["trigger", "--post-ms", "1000", "--wait"]).code(0).json();
    let clip = clip_of(&first);
    assert_eq!((clip_of(&second), clip_of(&third)), (clip.clone(), clip.clone()));
    let manifest = manifest(&clip);
    let triggers = list(&manifest, "triggers");
    let ids: Vec<&Value> = triggers.iter().map(|trigger| &trigger["id"]).collect();
    assert_eq!(ids, [&first, &second, &third].map(|answer| &answer["trigger_id"]));
    assert_eq!((text(&manifest, "label"), text(&triggers[1], "label")), ("goal", "shout"));
    assert_eq!(triggers[1]["meta"], json!({ "db": "80" }));
    let last = [&first, &second, &third].map(|answer| ns(answer, "end_ns")).into_iter().max();
    assert_eq!(Some(ns(&manifest["window"], "end_ns")), last);
    for trigger in triggers {
        // The trigger's place in a video is as far from the first one's as their moments are.
        for name in ["left", "right"] {
            let at = |trigger: &Value| trigger["offset_s"][name].as_f64().unwrap();
            let apart = (ns(trigger, "t_ns") - ns(&triggers[0], "t_ns")) as f64 / 1e9;
            assert!((at(trigger) - at(&triggers[0]) - apart).abs() < 0.001, "{trigger:#}");
        }
    }
    // It has ended, so the next one has its own.
    let fourth = rig.command(&["trigger", "--wait"]).code(0).json();
    assert_ne!(clip_of(&fourth), clip);
    assert_eq!(rig.assert_complete().clips.len(), 2);
}

#[test]
fn a_clip_with_a_begun_trigger_ends_when_all_of_it_has() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  overlap: extend\n"));
    let first = rig.command(&["trigger", "--begin", "--id", "a"]).code(0).json();
    let clip = clip_of(&first);
    let second = rig.command(&["trigger", "--begin", "--id", "b"]).code(0).json();
    assert_eq!(clip_of(&second), clip);
    rig.command(&["trigger", "--end", "clip-0001"]).refusal(2, &["may be several triggers: a, b"]);
    rig.command(&["trigger", "--end", "a"]).code(0);
    rig.await_frames(&clip, "left", 120);
    // A window that lasts longer than the begun ones.
    let plain = rig.command(&["trigger", "--post-ms", "900"]).code(0).json();
    assert_eq!(clip_of(&plain), clip);
    rig.command(&["trigger", "--end", "b", "--wait"]).code(0);
    let manifest = manifest(&clip);
    assert_eq!(ns(&manifest["window"], "end_ns"), ns(&plain, "end_ns"));
    assert_eq!(list(&manifest, "triggers").len(), 3);
    rig.assert_complete();
}

#[test]
fn a_trigger_may_name_a_moment_that_is_to_come() {
    let rig = Rig::start(TWO_CAMERAS);
    let at = (MonotonicNs::now() + Duration::from_millis(1500)).0;
    let args = ["trigger", "--at", &at.to_string(), "--pre-ms", "300", "--post-ms", "200", "--wait"];
    let answer = rig.command(&args).code(0).json();
    let manifest = manifest(&clip_of(&answer));
    let window = &manifest["window"];
    assert_eq!((ns(window, "start_ns"), ns(window, "end_ns")), (at - 300 * MS, at + 200 * MS));
    assert_eq!(manifest["asked_window"], *window);
    rig.assert_complete();
}

#[test]
fn the_same_id_twice_is_one_clip_also_after_the_supervisor_was_killed() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let ask = |rig: &Rig| rig.command(&["trigger", "--id", "plc:0815", "--wait"]).code(0).json();
    let first = ask(&rig);
    let again = ask(&rig);
    for key in ["trigger_id", "clip_id", "path", "end_ns", "verdict"] {
        assert_eq!(first[key], again[key], "{key}");
    }
    let begun = rig.command(&["trigger", "--begin", "--id", "open"]).code(0).json();
    rig.kill_supervisor();
    rig.launch(&[]);
    rig.await_ready();
    assert_eq!(ask(&rig)["path"], first["path"]);
    let again = rig.command(&["trigger", "--begin", "--id", "open"]).code(0).json();
    assert_eq!((&again["path"], &again["end_ns"]), (&begun["path"], &Value::Null));
    rig.command(&["trigger", "--end", "open", "--wait"]).code(0);
    assert_eq!(rig.assert_complete().clips.len(), 2);
    // A clip that is gone is no clip: the id may come again.
    std::fs::remove_dir_all(clip_of(&first)).unwrap();
    assert_ne!(ask(&rig)["verdict"], Value::Null);
    assert_eq!(rig.clips().len(), 2);
}

#[test]
fn what_can_not_be_begun_ended_or_extended_is_refused_with_the_reason() {
    let rig = Rig::start(TWO_CAMERAS);
    let begun = rig.command(&["trigger", "--begin", "--id", "a"]).code(0).json();
    let plain = rig.command(&["trigger", "--id", "p", "--post-ms", "60000"]).code(0).json();
    let long = "x".repeat(5000);
    let future = (MonotonicNs::now() + Duration::from_secs(700)).0.to_string();
    let table: &[(&[&str], &[&str])] = &[
        (&["--end", "nobody"], &["\"nobody\": no trigger of this run has this id", "begun are a"]),
        (&["--end", "p"], &["trigger p was not begun", "--extend"]),
        (&["--end", text(&plain, "clip_id")], &["trigger p was not begun"]),
        (&["--end", "a", "--ago", "3600000"], &["trigger a began ", "ms after the moment"]),
        (&["--extend", "a", "100"], &["trigger a is begun and has no end yet", "--end"]),
        (&["--extend", "nobody", "100"], &["no trigger of this run has this id"]),
        (&["--extend", "p", "soon"], &["--extend p \"soon\"", "milliseconds"]),
        (&["--extend", "p"], &["--extend"]),
        (&["--begin", "--post-ms", "5"], &["cannot be used with"]),
        (&["--begin", "--end", "a"], &["cannot be used with"]),
        (&["--end", "a", "--label", "x"], &["cannot be used with"]),
        (&["--at", &future], &["in the future", "max_clip_ms"]),
        (&["--id", ""], &["--id \"\"", "1 to 128 printable characters"]),
        (&["--id", "a b"], &["--id \"a b\"", "no space"]),
        (&["--meta", "animal"], &["KEY=VALUE"]),
        (&["--meta", "a b=c"], &["--meta: key \"a b\""]),
        (&["--meta", "a=1", "--meta", "a=2"], &["--meta: a is given twice"]),
        (&["--note", &long], &["--note: 5000 bytes"]),
    ];
    for (args, says) in table {
        let answer = rig.command(&[&["trigger"], *args].concat()).refusal(2, says);
        assert!(answer.stderr.len() < 1000, "{answer:#?}");
    }
    assert_eq!(rig.clips(), [clip_of(&begun), clip_of(&plain)]);
}
