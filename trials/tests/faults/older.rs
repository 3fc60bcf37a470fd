//! What an older version left behind.

use std::path::{Path, PathBuf};

use oracle::folder;
use oracle::truth::{Truth, Truths};
use proto::clip::PARTIAL_DIR;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, assert_sums, list};

/// An unfinished clip of one camera, as version 0.1.0 of 2026-11-25 12:57 left it when all of it was killed, and the truth log
/// of that camera: its plan names no rig, no instance and no trigger, and its journal's lines have no sums.
fn left_behind() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/unfinished")
}

#[test]
fn f79_a_clip_that_an_older_version_left_unfinished_is_finished_with_every_frame_that_is_on_the_disk() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    let clip = rig.path("recordings/session_20261125-234500/clip-0001-older");
    std::fs::create_dir_all(clip.join(PARTIAL_DIR)).unwrap();
    let files = ["plan.json", "left.part1.mp4", "left.part1.journal"];
    for file in files {
        std::fs::copy(left_behind().join(file), clip.join(PARTIAL_DIR).join(file)).unwrap();
    }
    let plan: Value =
        serde_json::from_slice(&std::fs::read(left_behind().join("plan.json")).unwrap()).unwrap();
    assert!(
        plan["schema"] == 1
            && ["rig", "origin", "trigger", "clock"].iter().all(|key| plan.get(key).is_none())
    );
    let journal = std::fs::read_to_string(left_behind().join("left.part1.journal")).unwrap();
    let frames = journal.lines().count() as u64 - 1;

    rig.launch(&[]);
    rig.await_ready();
    let manifest = rig.await_manifest(&clip);
    assert_eq!((&manifest["schema"], &manifest["verdict"]), (&2.into(), &"gaps".into()), "{manifest:#}");
    let left = &manifest["cameras"]["left"];
    assert_eq!((&left["frames_written"], &left["live"]), (&frames.into(), &true.into()), "{manifest:#}");
    let [gap] = list(left, "gaps") else { panic!("{manifest:#}") };
    assert_eq!(gap["cause"], "ring_gone", "the rest of its window was in memory: {manifest:#}");
    // What its plan doesn't say is not made up.
    let trigger = &manifest["trigger"];
    let name = clip.file_name().unwrap().to_str();
    assert_eq!((trigger["id"].as_str(), &trigger["source"]), (name, &Value::Null));
    assert_eq!((&manifest["clock"], &manifest["cameras_asked"], &manifest["rig"]), Default::default());
    assert_eq!((&manifest["trigger_ns"], &manifest["wall"]), (&plan["trigger_ns"], &plan["wall"]));
    assert_sums(&clip);

    let truth = Truth::read(&left_behind().join("left.truth")).unwrap();
    let report = folder::judge(&clip, &Truths::from([("left".to_owned(), truth)])).unwrap();
    assert!(report.is_true() && report.verdicts().all(|verdict| verdict.present == frames), "{report}");
}
