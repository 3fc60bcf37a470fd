//! Triggers of every kind: which moment they name, what they may ask for, and how many there may be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oracle::folder;
use proto::time::{MonotonicNs, UtcTime, WallAnchor};
use rustix::process::Signal;
use trials::{Rig, TWO_CAMERAS, clip_of, finished, kill, list, manifest, names, until};

const MS: u64 = 1_000_000;

fn window_of(clip: &Path) -> (u64, u64) {
    let window = &manifest(clip)["window"];
    let [start, end] = ["start_ns", "end_ns"].map(|key| window[key].as_u64().unwrap());
    (start, end)
}

#[test]
fn a_trigger_is_about_the_moment_it_names() {
    let rig = Rig::start(TWO_CAMERAS);
    rig.await_stats("rings that reach far back", |s| {
        list(s, "cameras").iter().all(|c| c["ring"]["reach_ms"].as_f64() > Some(1500.0))
    });
    let before = MonotonicNs::now();
    let answer = rig.command(&["trigger", "--ago", "300", "--wait"]).code(0).json();
    let trigger = manifest(&clip_of(&answer))["trigger_ns"].as_u64().unwrap();
    assert!(trigger + 300 * MS >= before.0 && trigger < MonotonicNs::now().0);
    assert_eq!(window_of(&clip_of(&answer)), (trigger - 500 * MS, trigger + 500 * MS));

    let named = MonotonicNs::now().before(Duration::from_millis(250)).0;
    let answer = rig.command(&["trigger", "--at", &named.to_string(), "--wait"]).code(0).json();
    assert_eq!(window_of(&clip_of(&answer)), (named - 500 * MS, named + 500 * MS));

    let wall = WallAnchor::now();
    let named = wall.monotonic_ns.before(Duration::from_millis(250));
    let text = UtcTime::from_unix_ns(wall.unix(named)).to_string();
    let answer = rig.command(&["trigger", "--at", &text, "--wait"]).code(0).json();
    let manifest = manifest(&clip_of(&answer));
    // Written in whole milliseconds, and converted by clocks that are read one after the other.
    assert!(manifest["trigger_ns"].as_u64().unwrap().abs_diff(named.0) < 20 * MS, "{text}: {manifest:#}");
    assert_eq!(manifest["trigger_utc"].as_str().map(|t| &t[..19]), Some(&text[..19]));

    let answer = rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "200", "--wait"]).code(0).json();
    let (start, end) = window_of(&clip_of(&answer));
    assert_eq!(end - start, 300 * MS);
    let report = rig.assert_complete();
    assert_eq!(report.clips.len(), 4);
}

#[test]
fn one_camera_alone_can_be_asked_for() {
    let rig = Rig::start(TWO_CAMERAS);
    let answer = rig.command(&["trigger", "--camera", "right", "--wait"]).code(0).json();
    let cameras: Vec<&String> = answer["cameras"].as_object().unwrap().keys().collect();
    assert_eq!(cameras, ["right"]);
    let clip = clip_of(&answer);
    assert_eq!(
        finished(&clip),
        ["SHA256SUMS", "manifest.json", "right.mp4", "right_poster.jpg", "right_timestamps.csv"]
            .map(str::to_owned)
            .into()
    );
    let mut truths = rig.truths();
    truths.remove("left");
    let report = folder::judge(&clip, &truths).unwrap();
    assert!(report.is_true(), "{report}");
    let both = ["trigger", "--camera", "right", "--camera", "left", "--camera", "right", "--wait"];
    let answer = rig.command(&both).code(0).json();
    assert_eq!(answer["cameras"].as_object().unwrap().len(), 2);
}

#[test]
fn more_pre_roll_than_there_is_gives_what_there_is_and_says_so() {
    let rig = Rig::start(&TWO_CAMERAS.replace("4000", "1000"));
    rig.await_stats("full rings", |s| {
        list(s, "cameras").iter().all(|c| c["ring"]["filled_slots"] == c["ring"]["slots"])
    });
    let answer = rig.command(&["trigger", "--pre-ms", "60000", "--wait"]).code(4).json();
    assert_eq!((&answer["verdict"], &answer["complete"]), (&"short".into(), &false.into()));
    assert_eq!(answer["asked_pre_roll_ms"], 60_000);
    let given = answer["pre_roll_ms"].as_u64().unwrap();
    assert!((500..2_000).contains(&given), "{answer:#}");
    let [note] = list(&answer, "notes") else { panic!("{answer:#}") };
    let note = note.as_str().unwrap();
    assert!(note.contains(&format!("{given} ms instead of 60000 ms")), "{note}");
    let manifest = manifest(&clip_of(&answer));
    assert_eq!((&manifest["notes"], &manifest["verdict"]), (&answer["notes"], &"short".into()));
    let of = |window: &str| manifest[window]["start_ns"].as_u64().unwrap();
    let cut_ms = (of("window") - of("asked_window")) / 1_000_000;
    assert!((59_999..=60_000).contains(&(cut_ms + given)), "{manifest:#}");
    rig.assert_whole();
}

#[test]
fn a_late_trigger_gets_what_is_left_of_its_window_or_all_of_it_with_room_for_lateness() {
    let full = |rig: &Rig| {
        rig.await_stats("full rings", |s| {
            list(s, "cameras").iter().all(|c| c["ring"]["filled_slots"] == c["ring"]["slots"])
        });
    };
    let late = ["trigger", "--ago", "2500", "--post-ms", "2000", "--wait"];
    let tight = TWO_CAMERAS.replace("4000", "1000");
    let rig = Rig::start(&tight);
    full(&rig);
    let answer = rig.command(&late).code(4).json();
    assert_eq!((&answer["verdict"], &answer["pre_roll_ms"]), (&"short".into(), &0.into()));
    assert!(answer["notes"].to_string().contains("larger late_ms"), "{answer:#}");
    rig.assert_whole();
    rig.command(&["trigger", "--ago", "9000"]).refusal(2, &["late_ms"]);
    drop(rig);

    let rig = Rig::start(&format!("{tight}  late_ms: 6000\n"));
    full(&rig);
    let late = ["trigger", "--ago", "5000", "--post-ms", "2000", "--wait"];
    let answer = rig.command(&late).code(0).json();
    assert_eq!((&answer["verdict"], &answer["pre_roll_ms"]), (&"complete".into(), &500.into()));
    rig.assert_complete();
    let answer = rig.command(&["trigger", "--ago", "20000", "--post-ms", "15000", "--wait"]).code(4).json();
    assert_eq!((&answer["verdict"], &answer["pre_roll_ms"]), (&"short".into(), &0.into()));
    rig.assert_whole();
    rig.command(&["trigger", "--ago", "20000"]).refusal(2, &["late_ms"]);
}

#[test]
fn a_trigger_right_after_the_start_gets_what_the_cameras_have_made() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    rig.launch(&[]);
    rig.await_log("is live");
    let answer = rig.command(&["trigger", "--pre-ms", "3000", "--wait"]).code(4).json();
    assert!(answer["pre_roll_ms"].as_u64() < Some(3000), "{answer:#}");
    // The other camera may not be live yet, and is named then.
    let of_pre_roll = |note: &&serde_json::Value| note.as_str().unwrap().starts_with("pre-roll is");
    assert_eq!(list(&answer, "notes").iter().filter(of_pre_roll).count(), 1, "{answer:#}");
    assert_eq!(answer["verdict"], "short", "{answer:#}");
    rig.assert_whole();
}

#[test]
fn a_time_is_taken_as_the_tools_of_the_machine_write_it() {
    let rig = Rig::start(TWO_CAMERAS);
    rig.await_stats("rings that reach back two seconds", |s| {
        list(s, "cameras").iter().all(|c| c["ring"]["reach_ms"].as_f64() > Some(2500.0))
    });
    let date = |form: &str| {
        let said = std::process::Command::new("date").arg(form).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    };
    for (form, is_exact) in [
        ("-Ins", true),
        ("+%s.%N", true),
        ("+%s%N", true),
        ("+%FT%T.%N%z", true),
        ("-Is", false),
        ("+%s", false),
    ] {
        let before = MonotonicNs::now();
        let text = date(form);
        let after = MonotonicNs::now();
        let args = ["trigger", "--at", &text, "--pre-ms", "100", "--post-ms", "0", "--wait"];
        let answer = rig.command(&args).code(0).json();
        let at = manifest(&clip_of(&answer))["trigger_ns"].as_u64().unwrap();
        // Clocks that are read one after the other differ a little.
        let earliest = before.0 - if is_exact { 20 * MS } else { 1020 * MS };
        assert!((earliest..after.0 + 20 * MS).contains(&at), "{form} {text}: {answer:#}");
        let noted = answer["notes"].to_string().contains("whole seconds");
        assert_eq!(noted, !is_exact, "{form} {text}: {answer:#}");
    }
    rig.assert_complete();
}

#[test]
fn a_trigger_while_a_camera_can_not_be_opened_says_so_in_its_answer_and_in_the_manifest() {
    let config = TWO_CAMERAS.replace(
        "cameras:",
        "cameras:\n  - { name: gone, backend: opencv, source: \"rtsp://127.0.0.1:9/none\", width: 320, height: 240 }",
    );
    let mut rig = Rig::prepare(&config);
    rig.launch(&[]);
    rig.await_stats("the camera that fails", |s| {
        list(s, "cameras").iter().any(|c| c["name"] == "gone" && c["state"] == "failed")
    });
    let answer = rig.command(&["trigger", "--wait"]).json();
    let note = |notes: &serde_json::Value| {
        notes.to_string().contains("camera gone was not live when the trigger came")
    };
    assert!(note(&answer["notes"]), "{answer:#}");
    assert!(note(&manifest(&clip_of(&answer))["notes"]));
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_is_recorded() {
    let rig = Rig::start(TWO_CAMERAS);
    let future = (MonotonicNs::now() + Duration::from_secs(700)).0.to_string();
    let long = "x".repeat(65);
    let very_long = "x".repeat(300);
    let table: &[(&[&str], &[&str])] = &[
        (&["--at", &future], &["future", "max_clip_ms"]),
        (&["--at", "2400-01-01T00:00:00Z"], &["future"]),
        (&["--at", "1"], &["the rings reach back"]),
        (&["--at", "1971-01-01T00:00:00Z"], &["--at", "before the machine booted"]),
        (&["--at", "yesterday"], &["--at \"yesterday\"", "$(date -Ins)"]),
        (&["--at", "2026-11-22T10:15:00"], &["--at", "needs its zone"]),
        (&["--at", "12.5"], &["--at", "time.monotonic_ns()"]),
        (&["--at", "-5"], &["--at"]),
        (&["--ago", "3600000"], &["ms ago, and the rings reach back"]),
        (&["--ago", "18446744073709551615"], &["the rings reach back"]),
        (&["--ago", "-5"], &["--ago", "milliseconds"]),
        (&["--ago", "soon"], &["--ago", "milliseconds"]),
        (&["--ago", "1", "--at", "1"], &["cannot be used with"]),
        (&["--pre-ms", "-1"], &["--pre-ms"]),
        (&["--post-ms", "99999999999"], &["--post-ms", "at most"]),
        (&["--camera", "middle"], &["--camera \"middle\"", "left, right"]),
        (&["--camera", "../left"], &["--camera", "left, right"]),
        (&["--camera", ""], &["--camera", "left, right"]),
        (&["--label", "../x"], &["--label", "A-Z"]),
        (&["--label", ""], &["--label", "empty"]),
        (&["--label", &long], &["--label", "too long"]),
        (&["--label", &very_long], &["--label", "too long"]),
        (&["--label", "-rf"], &["--label", "dash"]),
        (&["--label", ".hidden"], &["--label", "dot"]),
        (&["--label", "a\nb"], &["--label", "not allowed"]),
        (&["--label", "a/b"], &["--label", "not allowed"]),
        (&["--label", "a b"], &["--label", "not allowed"]),
        (&["--label", "zürich"], &["--label", "not allowed"]),
    ];
    for (args, says) in table {
        let answer = rig.command(&[&["trigger"], *args].concat()).refusal(2, says);
        assert!(answer.stderr.len() < 1000, "{answer:#?}");
    }
    assert!(rig.clips().is_empty());
    assert_eq!(
        names(&rig.path("")),
        ["rig.yaml", "left.truth", "recordings", "right.truth", "run"].map(str::to_owned).into()
    );
    // The longest that is allowed, twice: nothing is overwritten.
    let label = "x".repeat(64);
    let [first, second] =
        [(); 2].map(|()| rig.command(&["trigger", "--label", &label, "--wait"]).code(0).json());
    assert_ne!(first["path"], second["path"]);
    rig.assert_complete();
}

#[test]
fn overlapping_triggers_each_get_their_clip() {
    let rig = Rig::start(TWO_CAMERAS);
    let asked: Vec<_> = ["a", "b", "c"]
        .map(|label| {
            let asked = rig.ask(&["trigger", "--label", label, "--wait"]);
            let is_it = |clip: &PathBuf| clip.to_str().unwrap().ends_with(&format!("-{label}"));
            until("its clip", || rig.clips().iter().any(is_it).then_some(()));
            asked
        })
        .into();
    for trigger in asked {
        trigger.answer().code(0);
    }
    assert_eq!(rig.assert_complete().clips.len(), 3);
}

#[test]
fn of_too_many_triggers_each_is_answered_and_none_is_forgotten() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  max_open_clips: 4\n"));
    let asked: Vec<_> = (0..16).map(|_| rig.ask(&["trigger", "--wait"])).collect();
    let mut accepted = Vec::new();
    for trigger in asked {
        let answer = trigger.answer();
        match answer.code {
            Some(0) => accepted.push(clip_of(&answer.json())),
            _ => drop(answer.refusal(1, &["clips are open already (max_open_clips)", "not recorded"])),
        }
    }
    accepted.sort();
    assert!(accepted.len() >= 4, "four may be open at once");
    assert_eq!(accepted, rig.clips());
    rig.assert_complete();
    rig.command(&["trigger", "--wait"]).code(0);
}

#[test]
fn a_stop_in_the_middle_closes_the_clip_and_says_so() {
    for signal in [None, Some(Signal::INT), Some(Signal::TERM)] {
        let mut rig = Rig::start(TWO_CAMERAS);
        let trigger = rig.ask(&["trigger", "--post-ms", "600000", "--wait"]);
        let clip = until("the clip", || rig.clips().pop());
        rig.await_frames(&clip, "left", 45);
        rig.await_frames(&clip, "right", 45);
        match signal {
            None => drop(rig.command(&["stop"]).code(0)),
            Some(signal) => kill(rig.supervisor_pid(), signal),
        }
        assert!(rig.await_end().success());
        rig.assert_nothing_left();
        let answer = trigger.answer().code(4).json();
        assert_eq!((&answer["complete"], &answer["ended_early"]), (&false.into(), &true.into()));
        let manifest = manifest(&clip);
        assert_eq!((&manifest["complete"], &manifest["ended_early"]), (&false.into(), &true.into()));
        assert!(manifest["notes"].to_string().contains("early"), "{manifest:#}");
        let report = rig.assert_true();
        assert!(report.verdicts().all(|v| v.present >= 45 && v.present == v.expected), "{report}");
    }
}

#[test]
fn a_stop_asked_twice_is_at_once_and_the_next_start_finishes_the_clip() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "600000"]).code(0).json());
    rig.await_frames(&clip, "left", 45);
    let recorder = rig.pid_of("recorder");
    // It can't close anything now, so that the end is waited for.
    kill(recorder, Signal::STOP);
    kill(rig.supervisor_pid(), Signal::TERM);
    rig.await_log("stopping: closing 1 open clip");
    kill(rig.supervisor_pid(), Signal::TERM);
    assert!(rig.await_end().success());
    assert!(rig.processes().is_empty());
    assert_eq!(rig.segments().len(), 2, "the rings, whose frames the clip still needs");
    assert!(!clip.join("manifest.json").exists());
    rig.launch(&[]);
    let manifest = rig.await_manifest(&clip);
    assert_eq!(manifest["ended_early"], true, "it ends at the stop, not ten minutes after it: {manifest:#}");
    assert!(manifest["cameras"]["left"]["frames_written"].as_u64() >= Some(45), "{manifest:#}");
    let report = rig.assert_true();
    assert!(report.verdicts().all(|verdict| verdict.present == verdict.expected), "{report}");
    rig.await_ready();
}
