//! The sums of a clip, which come after it is finished: nothing of the clip depends on them.

use proto::clip::SUMS;
use trials::{Rig, TWO_CAMERAS, assert_sums, clip_of, finished, no_failpoints, process, until};

#[test]
fn f78_sums_that_a_killed_recorder_did_not_come_to_are_made_by_the_next() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    // Before the first byte is read; before and behind a poster; with the file written and not yet in its place.
    for entry in [
        "sums.begun=kill",
        "poster.begun:right=kill",
        "disk.rename:left_poster=kill",
        "disk.rename:SHA256SUMS=kill",
    ] {
        let restarts = process(&rig.stats(), "recorder")["restarts"].as_u64().unwrap();
        rig.arm(entry);
        let clip = clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json());
        rig.await_happened(entry, 1);
        rig.await_stats("another recorder", |s| process(s, "recorder")["restarts"].as_u64() > Some(restarts));
        assert_sums(&clip);
        for poster in ["left_poster.jpg", "right_poster.jpg"] {
            assert!(finished(&clip).contains(poster), "{entry}: {poster}");
        }
    }
    rig.assert_complete();
}

#[test]
fn f78_a_poster_whose_decoder_crashes_is_missing_and_nothing_else() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    rig.arm("media.begun=abort*2");
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json());
    let without = [
        "SHA256SUMS",
        "left.mp4",
        "left_timestamps.csv",
        "manifest.json",
        "right.mp4",
        "right_timestamps.csv",
    ];
    assert_eq!(finished(&clip), without.map(str::to_owned).into());
    rig.await_log("clip clip-0001: camera right gets no poster: preroll-media ended with signal: 6");
    let next = clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json());
    assert_eq!(finished(&next).len(), 8);
    rig.assert_complete();
}

#[test]
fn f78_a_config_without_posters_makes_none() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  poster: false\n"));
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json());
    assert_eq!(finished(&clip).len(), 6);
}

#[test]
fn f78_a_clip_that_is_removed_before_its_sums_are_made_is_no_trouble() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    rig.arm("sums.begun:clip-0001=sleep(300)");
    let removed = clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json());
    rig.await_happened("sums.begun:clip-0001=sleep(300)", 1);
    std::fs::remove_dir_all(&removed).unwrap();
    let kept = clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json());
    assert_sums(&kept);
    assert!(!removed.exists());
    let told: Vec<String> = rig.log().into_iter().filter(|line| line.contains(SUMS)).collect();
    assert!(told.iter().all(|line| line.contains("clip clip-0002: SHA256SUMS made")), "{told:#?}");
    rig.assert_complete();
}

#[test]
fn f78_the_sums_come_behind_everything_else_on_the_machine() {
    let rig = Rig::start(TWO_CAMERAS);
    let recorder = rig.pid_of("recorder");
    let niceness = until("the thread", || {
        let tasks = std::fs::read_dir(recorder.proc("task")).unwrap();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let of_sums = |stat: String| {
            let (name, rest) = stat.rsplit_once(") ")?;
            name.ends_with("(sums").then(|| rest.split(' ').nth(16).unwrap().to_owned())
        };
        stats.filter_map(of_sums).find(|nice| nice == "19")
    });
    assert_eq!(niceness, "19");
}
