//! Clips as things that are managed: listed, looked at, kept, noted and removed, with and without an instance.

use std::path::Path;

use proto::clip::{INDEX_DIR, NOTES, REMOVING_DIR};
use rustix::fs::FlockOperation;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, assert_sums, clip_of, finished, names, schemas, until};

fn record(rig: &Rig, more: &[&str]) -> std::path::PathBuf {
    let args = [&["trigger", "--pre-ms", "200", "--post-ms", "100", "--wait"], more].concat();
    let clip = clip_of(&rig.command(&args).code(0).json());
    finished(&clip);
    clip
}

fn rows(rig: &Rig, args: &[&str]) -> Vec<Value> {
    let all = [&["clips", "list", "--json"], args].concat();
    rig.command(&all).code(0).json().as_array().unwrap().clone()
}

fn labels(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["label"].as_str().unwrap()).collect()
}

/// The bytes of all files in a clip's folder.
fn bytes(clip: &Path) -> u64 {
    names(clip).iter().map(|name| std::fs::metadata(clip.join(name)).unwrap().len()).sum()
}

#[test]
fn clips_are_listed_and_shown_with_and_without_an_instance() {
    let mut rig = Rig::start(&format!("rig: pitch\n{TWO_CAMERAS}"));
    assert!(rig.command(&["clips"]).code(0).stdout.contains("no clip is in"));
    assert_eq!(rows(&rig, &[]), [] as [Value; 0]);
    let goal = record(&rig, &["--label", "goal", "--meta", "animal=m12", "--note", "left of the post"]);
    let miss = record(&rig, &["--label", "miss"]);
    let open = clip_of(&rig.command(&["trigger", "--label", "open", "--post-ms", "60000"]).code(0).json());
    let all = rows(&rig, &[]);
    assert_eq!(labels(&all), ["open", "miss", "goal"], "the newest first");
    let row = &all[2];
    assert_eq!((&row["path"], &row["bytes"]), (&goal.to_str().unwrap().into(), &bytes(&goal).into()));
    let id = row["clip_id"].as_str().unwrap().to_owned();
    assert!(id.ends_with("-clip-0001-goal") && id.len() > "clip-0001-goal".len(), "{id}");
    assert_eq!(
        (&row["verdict"], &row["keep"], &row["rig"]),
        (&"complete".into(), &false.into(), &"pitch".into())
    );
    assert_eq!((&row["cameras"], &all[0]["verdict"]), (&["left", "right"].as_slice().into(), &"open".into()));
    for (filter, expected) in [
        (&["--label", "miss"][..], &["miss"][..]),
        (&["--verdict", "open"], &["open"]),
        (&["--verdict", "open", "--verdict", "complete"], &["open", "miss", "goal"]),
        (&["--meta", "animal=m12"], &["goal"]),
        (&["--meta", "animal=m13"], &[]),
        (&["--since", "1h"], &["open", "miss", "goal"]),
        (&["--since", "2400-01-01T00:00:00Z"], &[]),
        (&["--since", row["trigger_utc"].as_str().unwrap(), "--verdict", "complete"], &["miss", "goal"]),
    ] {
        assert_eq!(labels(&rows(&rig, filter)), expected, "{filter:?}");
    }
    let table = rig.command(&["clips", "list"]).code(0).stdout;
    assert!(table.contains(&id) && table.contains("3 clips, "), "{table}");
    // The whole id, its trigger's, short forms of it, and its path.
    let trigger = row["trigger_ids"][0].as_str().unwrap().to_owned();
    for name in [&*id, &trigger, "clip-0001-goal", "clip-0001", "goal", goal.to_str().unwrap()] {
        let shown = rig.command(&["clips", "show", name, "--json"]).code(0).json();
        assert_eq!(shown["clip_id"], *id, "{name}");
    }
    let shown = rig.command(&["clips", "show", "goal", "--json"]).code(0).json();
    schemas::assert_valid_manifest(&shown["manifest"]);
    assert_eq!((&shown["note"], &shown["meta"]["animal"]), (&"left of the post".into(), &"m12".into()));
    let text = rig.command(&["clips", "show", "goal"]).code(0).stdout;
    for words in ["complete", "animal=m12", "note: left of the post", "left: ", "right: "] {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }
    let text = rig.command(&["clips", "show", "clip-0003"]).code(0).stdout;
    assert!(text.contains("is being recorded"), "{text}");
    rig.command(&["clips", "remove", "open"]).refusal(2, &["-clip-0003-open", "still being recorded"]);
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
    assert!(open.join("manifest.json").exists());
    // Nothing runs any more: by the config, by the folder, and by the folder in which the command is typed.
    let (config, recordings) = (rig.config(), rig.recordings());
    let before = rows(&rig, &[]);
    assert_eq!(labels(&before), ["open", "miss", "goal"]);
    assert_eq!(before[0]["verdict"], "ended_early");
    for place in [&["--config", config.to_str().unwrap()], &["--recordings", recordings.to_str().unwrap()]] {
        assert_eq!(rows(&rig, place), before);
    }
    rig.command(&["clips", "--recordings", "nowhere"]).refusal(2, &["--recordings", "nowhere"]);
    // The index, which has the rows of clips that haven't changed for a while, can be thrown away.
    let index = recordings.join(INDEX_DIR);
    until("an index", || {
        assert_eq!(rows(&rig, &[]), before);
        index.exists().then_some(())
    });
    std::fs::remove_dir_all(index).unwrap();
    assert_eq!(rows(&rig, &[]), before);
    assert!(miss.join("left.mp4").exists());
}

#[test]
fn what_people_say_of_a_clip_is_kept_beside_it_and_its_manifest_stays() {
    let rig = Rig::start(TWO_CAMERAS);
    let clip = record(&rig, &["--label", "goal"]);
    let manifest = std::fs::read(clip.join("manifest.json")).unwrap();
    rig.command(&["clips", "note", "clip-0001", "look again\nat the end"]).code(0);
    rig.command(&["clips", "note", "goal", "\u{1f3be} über"]).code(0);
    rig.command(&["clips", "keep", "clip-0001", "goal"]).code(0);
    let said: Value = serde_json::from_slice(&std::fs::read(clip.join(NOTES)).unwrap()).unwrap();
    schemas::assert_valid("notes", &said);
    let shown = rig.command(&["clips", "show", "goal", "--json"]).code(0).json();
    assert_eq!((&shown["keep"], &shown["notes"]), (&true.into(), &said["notes"]));
    assert_eq!(shown["notes"][1]["text"], "\u{1f3be} über");
    assert!(rig.command(&["clips", "list"]).code(0).stdout.contains("  yes  "));
    rig.command(&["clips", "remove", "goal"]).refusal(2, &["clip-0001-goal is kept", "release it first"]);
    for bad in ["", "  ", &"x".repeat(4097)] {
        rig.command(&["clips", "note", "goal", bad]).refusal(2, &["1 to 4096 bytes"]);
    }
    assert_eq!(std::fs::read(clip.join("manifest.json")).unwrap(), manifest);
    rig.command(&["clips", "release", "goal"]).code(0);
    assert_eq!(rows(&rig, &[])[0]["keep"], false);
    // One that is still being recorded can be kept too, and the sums leave out what may change.
    let open = clip_of(&rig.command(&["trigger", "--post-ms", "1500"]).code(0).json());
    rig.command(&["clips", "keep", "clip-0002"]).code(0);
    rig.await_manifest(&open);
    finished(&open);
    assert_eq!(rows(&rig, &[])[0]["keep"], true);
    let sums = std::fs::read_to_string(open.join("SHA256SUMS")).unwrap();
    assert!(sums.contains("left.mp4") && !sums.contains(NOTES), "{sums}");
    std::fs::remove_file(open.join(NOTES)).unwrap();
    assert_sums(&open);
    rig.assert_complete();
}

#[test]
fn a_clip_that_is_named_is_removed_whole_and_nothing_else_is() {
    let rig = Rig::start(TWO_CAMERAS);
    let clips: Vec<_> = ["a", "b", "c"].iter().map(|label| record(&rig, &["--label", label])).collect();
    let run = clips[0].parent().unwrap().to_owned();
    let before = names(&run);
    for (args, says) in [
        (&["nothing"][..], "there is no clip nothing"),
        (&["clip-0001", "clip-0009"], "there is no clip clip-0009"),
        (&["clip"], "can be 3 clips"),
    ] {
        rig.command(&[&["clips", "remove"], args].concat()).refusal(2, &[says]);
    }
    let ambiguous = rig.command(&["clips", "show", "clip"]).code(2).stderr;
    for label in ["a", "b", "c"] {
        assert!(ambiguous.contains(&format!("-{label} (")), "{ambiguous}");
    }
    assert_eq!(names(&run), before, "nothing is removed if one isn't known");
    // One that somebody reads stays until that is over.
    let held = std::fs::File::open(&clips[0]).unwrap();
    rustix::fs::flock(&held, FlockOperation::LockShared).unwrap();
    let answer = rig.command(&["clips", "remove", "clip-0001", "clip-0002"]).code(1);
    assert!(
        answer.stderr.contains("clip-0001-a is being read")
            && answer.stdout.contains("clip-0002-b: removed, ")
    );
    assert!(clips[0].join("left.mp4").exists() && !clips[1].exists());
    drop(held);
    rig.command(&["clips", "remove", "a"]).code(0);
    assert_eq!(names(&run), ["clip-0003-c", "run.json"].map(str::to_owned).into());
    assert!(!rig.recordings().join(REMOVING_DIR).exists());
    assert_eq!(labels(&rows(&rig, &[])), ["c"]);
    rig.assert_complete();
}

#[test]
fn prune_does_what_the_config_says_and_a_dry_run_nothing() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let clips: Vec<_> = (0..3).map(|_| record(&rig, &[])).collect();
    rig.command(&["clips", "prune"]).refusal(2, &["recording.keep is not set"]);
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
    rig.command(&["clips", "prune"]).refusal(2, &["--config FILE"]);
    let two = bytes(&clips[1]) + bytes(&clips[2]);
    rig.configure(&format!("{TWO_CAMERAS}  keep: {{ max_bytes: {two} }}\n"));
    let config = rig.config();
    let prune = |more: &[&str]| {
        let args = [&["clips", "--config", config.to_str().unwrap(), "prune"], more].concat();
        until("the newest clip to be old enough", || {
            let answer = rig.command(&args).code(0);
            answer.stdout.contains("1 clip ").then_some(answer.stdout)
        })
    };
    let said = prune(&["--dry-run"]);
    assert!(said.contains("-clip-0001: would be removed, ") && said.contains("keep.max_bytes"), "{said}");
    assert!(clips.iter().all(|clip| clip.exists()));
    assert!(prune(&[]).contains("-clip-0001: removed, "));
    assert_eq!(clips.iter().map(|clip| clip.exists()).collect::<Vec<_>>(), [false, true, true]);
    let none = rig.command(&["clips", "--config", config.to_str().unwrap(), "prune"]).code(0).stdout;
    assert!(none.contains("0 clips removed"), "{none}");
}
