//! Writes and flushes that fail.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::process::Signal;
use trials::{Rig, TWO_CAMERAS, clip_of, finished, kill, list, manifest, no_failpoints, until};

/// Open clips at once: enough to be quick, few enough for a small machine.
const AT_ONCE: usize = 8;

/// One camera, and as many clips at once.
fn one_camera() -> String {
    let both = format!("{TWO_CAMERAS}  max_open_clips: {AT_ONCE}\n");
    both.lines().filter(|line| !line.contains("right")).map(|line| format!("{line}\n")).collect()
}

/// Takes short clips of one camera at once, each with an entry of its own; `CLIP` in it stands for the clip's name.
/// Every one must come out whole. Returns which of the entries happened.
#[track_caller]
fn clips_with(rig: &Rig, entries: &[String]) -> Vec<bool> {
    let first = rig.clips().len() + 1;
    let name = |index: usize| format!("clip-{:04}", first + index);
    let entries: Vec<String> =
        entries.iter().enumerate().map(|(index, entry)| entry.replace("CLIP", &name(index))).collect();
    rig.arm(&entries.join("\n"));
    let trigger = ["trigger", "--pre-ms", "60", "--post-ms", "60"];
    let clips: Vec<PathBuf> =
        entries.iter().map(|_| clip_of(&rig.command(&trigger).code(0).json())).collect();
    for (index, clip) in clips.iter().enumerate() {
        assert!(clip.ends_with(name(index)), "{clip:?}");
        let manifest = rig.await_manifest(clip);
        assert_eq!(manifest["complete"], true, "{}: {manifest:#}", entries[index]);
        let files = ["SHA256SUMS", "left.mp4", "left_poster.jpg", "left_timestamps.csv", "manifest.json"];
        assert_eq!(finished(clip), files.map(str::to_owned).into(), "{}", entries[index]);
    }
    entries.iter().map(|entry| rig.happened(entry, 1)).collect()
}

#[test]
fn f18_a_clip_comes_out_whole_whichever_of_its_writes_fails() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&one_camera());
    let recorder = rig.pid_of("recorder");
    let mut nth = 1;
    loop {
        let error = |n: usize| if n.is_multiple_of(2) { "ENOSPC" } else { "EIO" };
        let entry = |n: usize| format!("disk.write:CLIP:/left@{n}=error({})", error(n));
        let happened = clips_with(&rig, &(nth..nth + AT_ONCE).map(entry).collect::<Vec<_>>());
        nth += AT_ONCE;
        if happened.contains(&false) {
            break;
        }
    }
    // Seven frames, each a line and a packet, and what is around them.
    assert!(nth > 15, "only {nth} writes were made to fail");
    let others = ["disk.write:CLIP:manifest", "disk.rename:CLIP:/left.mp4", "disk.rename:CLIP:manifest"];
    let happened = clips_with(&rig, &others.map(|other| format!("{other}=error(EIO)")));
    assert!(!happened.contains(&false), "{happened:?}");
    assert_eq!(rig.pid_of("recorder"), recorder, "no write is worth dying for");
    rig.assert_complete();
}

#[test]
fn f18_a_trigger_whose_plan_cannot_be_written_is_refused_and_leaves_nothing() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    for point in ["disk.write", "disk.rename"] {
        rig.arm(&format!("{point}:plan.json=error(ENOSPC)"));
        rig.command(&["trigger"]).refusal(1, &["nothing was recorded", "plan can't be written"]);
        assert!(rig.clips().is_empty(), "{:?}", rig.clips());
    }
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

#[test]
fn f18_parts_that_cannot_be_read_at_first_are_not_taken_for_none() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&one_camera());
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "1500"]).code(0).json());
    rig.await_frames(&clip, "left", 40);
    // What the next recorder does first, and its finisher too: each gets there in the end.
    let entry = "part.read:/left=error(EIO)*4";
    rig.arm(entry);
    kill(rig.pid_of("recorder"), Signal::KILL);
    rig.await_happened(entry, 4);
    let manifest = rig.await_manifest(&clip);
    let left = &manifest["cameras"]["left"];
    assert_eq!((&manifest["complete"], list(left, "files").len()), (&true.into(), 1), "{left:#}");
    let [interruption] = list(left, "interruptions") else { panic!("{left:#}") };
    assert_eq!(interruption["cause"], "recorder_restart");
    rig.assert_complete();
}

#[test]
fn f19_what_could_not_be_flushed_is_written_anew() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&one_camera());
    let failing = ["ready/left.mp4", "ready/left_timestamps.csv", "manifest.json"];
    let entries = failing.map(|file| {
        // The second line happens when the files are made a second time.
        format!("disk.fsync:CLIP:{file}=error(EIO)\njoin.begun:CLIP@2=sleep(0)")
    });
    for entry in entries {
        let number = rig.clips().len() + 1;
        let clip = format!("clip-{number:04}");
        clips_with(&rig, std::slice::from_ref(&entry));
        for line in entry.replace("CLIP", &clip).lines() {
            rig.await_happened(line, 1);
        }
    }
    // The folder's own flush, after the manifest has got its name: the last of them.
    let entry = "disk.renamed:manifest=sleep(0)\ndisk.fsync:clip-0004@4=error(EIO)\njoin.begun@2=sleep(0)";
    clips_with(&rig, &[entry.to_owned()]);
    for line in entry.lines() {
        rig.await_happened(line, 1);
    }
    rig.assert_complete();
}

#[test]
fn f19_frames_that_the_disk_has_lost_behind_our_back_are_declared() {
    let rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "1500"]).code(0).json());
    rig.await_frames(&clip, "left", 40);
    let part = clip.join(".partial/left.part1.mp4");
    let journal = std::fs::read_to_string(clip.join(".partial/left.part1.journal")).unwrap();
    // Frame 20's packet turns into zeros, as a page does that could not be written.
    let offset = |line: usize| -> u64 {
        journal.lines().nth(line).unwrap().split(',').nth(6).unwrap().parse().unwrap()
    };
    let (start, end) = (offset(20), offset(21));
    let video = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
    // Behind its two boxes' heads, so that it still looks whole.
    let zeros = vec![0; usize::try_from((end - start) / 2).unwrap()];
    video.write_all_at(&zeros, end - zeros.len() as u64).unwrap();
    until("the manifest", || clip.join("manifest.json").is_file().then_some(()));
    let manifest = manifest(&clip);
    assert_eq!(manifest["complete"], false);
    let gaps = list(&manifest["cameras"]["left"], "gaps");
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap["cause"] == "disk"), "{gaps:#?}");
    let missing: u64 = gaps.iter().map(|gap| gap["missing"].as_u64().unwrap()).sum();
    // What depends on it can't be decoded either, until the next key frame.
    assert!((1..=60).contains(&missing), "{gaps:#?}");
    let report = rig.assert_true();
    assert_eq!(report.clips[0].cameras["right"].present, report.clips[0].cameras["right"].expected);
}
