//! Clips that go by themselves or by a command: which they are, what stays, and what a death in the middle leaves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proto::clip::{MANIFEST, REMOVING_DIR};
use proto::failpoint;
use rustix::fs::FlockOperation;
use rustix::process::Signal;
use trials::command::Asked;
use trials::{Rig, TWO_CAMERAS, clip_of, finished, manifest, names, no_failpoints, program, until};

use crate::storage::{DiskRig, free_bytes};

/// Every step of a removal, in order.
const STEPS: [&str; 4] = ["remove.begun", "remove.renamed", "remove.half", "remove.emptied"];

fn record(rig: &Rig) -> PathBuf {
    let args = ["trigger", "--pre-ms", "100", "--post-ms", "100", "--wait"];
    let clip = clip_of(&rig.command(&args).code(0).json());
    finished(&clip);
    clip
}

/// The bytes of all files in a clip's folder; 0 if it goes meanwhile.
fn bytes(clip: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(clip) else { return 0 };
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

fn with_keep(keep: &str) -> String {
    format!("rig: pitch\n{TWO_CAMERAS}  keep: {{ {keep} }}\n")
}

fn removed(rig: &Rig) -> u64 {
    rig.stats()["disk"]["removed_clips"].as_u64().unwrap()
}

#[test]
fn f67_a_removal_killed_at_any_step_leaves_a_whole_clip_or_none() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    for step in STEPS {
        let clip = record(&rig);
        let before = names(&clip);
        rig.arm(&format!("{step}=kill"));
        let id = clip.file_name().unwrap().to_str().unwrap();
        let mut command = Command::new(program("supervisor"));
        command.args(["clips", "remove", id]).env("PREROLL_RUNTIME_DIR", rig.path("run"));
        command.env(failpoint::FOLDER, rig.path("failpoints"));
        assert_eq!(Asked::run(command, step.to_owned()).answer().code, None, "{step}: it is killed");
        let rows = rig.command(&["clips", "list", "--json"]).code(0).json();
        if step == "remove.begun" {
            assert_eq!((names(&clip), rows[0]["path"].as_str()), (before, clip.to_str()), "{step}");
        } else {
            assert_eq!((clip.exists(), rows.as_array().unwrap().len()), (false, 0), "{step}");
        }
        rig.arm("");
        // The next command of its kind clears it away.
        let other = record(&rig);
        let other = other.file_name().unwrap().to_str().unwrap();
        let left: &[&str] = if step == "remove.begun" { &[id, other] } else { &[other] };
        rig.command(&[&["clips", "remove"], left].concat()).code(0);
        assert!(!rig.recordings().join(REMOVING_DIR).exists(), "{step}");
    }
    assert!(rig.clips().is_empty());
}

#[test]
fn f67_a_supervisor_killed_at_any_step_of_retention_leaves_nothing_half_removed() {
    if no_failpoints() {
        return;
    }
    let mut rig = Rig::start(&with_keep("max_bytes: 1"));
    let children = rig.children();
    for step in STEPS {
        rig.arm(&format!("{step}=kill"));
        let clip = clip_of(&rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "100"]).code(0).json());
        rig.await_happened(&format!("{step}=kill"), 1);
        rig.await_end();
        let rows = rig.command(&["clips", "list", "--json", "--recordings", "recordings"]).code(0).json();
        assert_eq!(rows.as_array().unwrap().len(), usize::from(step == "remove.begun"), "{step}: {rows:#}");
        rig.arm("");
        rig.launch(&[]);
        rig.await_ready();
        until("what was left to be swept", || {
            (!clip.exists() && !rig.recordings().join(REMOVING_DIR).exists()).then_some(())
        });
    }
    assert_eq!(rig.children(), children, "nobody else was restarted");
}

#[test]
fn f68_the_oldest_clips_go_within_seconds_and_what_is_kept_held_or_anothers_stays() {
    let mut rig = Rig::start(&format!("rig: pitch\n{TWO_CAMERAS}"));
    let kept = record(&rig);
    rig.command(&["clips", "keep", "clip-0001"]).code(0);
    let held = record(&rig);
    let lock = std::fs::File::open(&held).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockShared).unwrap();
    let old = record(&rig);
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
    // Another rig's clip, a set-aside one, a person's own folder, a link and a file, all of them older than anything else.
    let run = kept.parent().unwrap();
    let recordings = rig.recordings();
    let copy = |to: PathBuf, rig_name: &str| {
        std::fs::create_dir_all(&to).unwrap();
        let mut document = manifest(&old);
        document["rig"] = rig_name.into();
        std::fs::write(to.join(MANIFEST), document.to_string()).unwrap();
        std::fs::write(to.join("left.mp4"), [0; 1000]).unwrap();
        to
    };
    let foreign = [
        copy(recordings.join("line_20200101-000000/clip-0001"), "line-3"),
        copy(run.join("set-aside/clip-0009"), "pitch"),
        copy(recordings.join("best of/clip-0001"), "pitch"),
    ];
    std::os::unix::fs::symlink(&foreign[2], run.join("clip-0099")).unwrap();
    std::fs::write(run.join("mine.txt"), "mine").unwrap();
    let limit = bytes(&kept) + bytes(&held) + 2 * bytes(&old);
    rig.configure(&with_keep(&format!("max_bytes: {limit}")));
    rig.launch(&[]);
    rig.await_ready();
    let mut made = vec![kept.clone(), held.clone(), old.clone()];
    for _ in 0..4 {
        made.push(record(&rig));
        let asked = Instant::now();
        until("the clips to be under their limit", || {
            (made.iter().map(|clip| bytes(clip)).sum::<u64>() <= limit).then_some(())
        });
        println!("under the limit {} ms after a clip and its sums", asked.elapsed().as_millis());
    }
    assert!(kept.exists() && held.exists() && !old.exists());
    let gone: Vec<bool> = made.iter().map(|clip| !clip.exists()).collect();
    // The oldest of those that may go.
    assert!(gone[2..].is_sorted_by(|before, after| before >= after), "{gone:?}");
    let stats = rig.await_stats("them to be counted", |stats| {
        stats["disk"]["removed_clips"].as_u64() == Some(gone.iter().filter(|gone| **gone).count() as u64)
    });
    assert_eq!(stats["disk"]["kept_clips"], 1);
    rig.await_log("clip-0003: removed, ");
    // What was held goes as soon as it isn't any more, and is the oldest.
    drop(lock);
    record(&rig);
    until("the one that was held to go", || (!held.exists()).then_some(()));
    assert!(foreign.iter().all(|clip| clip.join("left.mp4").exists()));
    assert!(
        run.join("clip-0099").is_symlink() && run.join("mine.txt").exists() && run.join("run.json").exists()
    );
    assert!(kept.join("left.mp4").exists());
}

#[test]
fn f68_clips_that_are_too_old_go_and_a_limit_that_can_not_be_kept_is_said() {
    let mut rig = Rig::start(&with_keep("max_age_h: 0.0005"));
    let clip = record_unkept(&rig);
    rig.await_stats("a clip of two seconds ago to go", |stats| stats["disk"]["removed_clips"] == 1);
    assert!(!clip.exists() && rig.clips().is_empty());
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
    rig.configure(&with_keep("max_bytes: 1000"));
    rig.launch(&[]);
    rig.await_ready();
    let open = clip_of(&rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "1000"]).code(0).json());
    let id = open.file_name().unwrap().to_str().unwrap();
    rig.command(&["clips", "keep", id]).code(0);
    rig.await_manifest(&open);
    let passing = record_unkept(&rig);
    until("the one that isn't kept to go", || (!passing.exists()).then_some(()));
    assert!(open.exists());
    assert_eq!(removed(&rig), 1);
}

/// A clip that may be gone as soon as it is finished.
fn record_unkept(rig: &Rig) -> PathBuf {
    let answer = rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "100"]).code(0).json();
    let clip = clip_of(&answer);
    until("the clip to be finished", || (!clip.exists() || clip.join(MANIFEST).exists()).then_some(()));
    clip
}

#[test]
fn f68_a_disk_that_fills_up_is_given_room_before_it_is_full() {
    const MB: u64 = 1 << 20;
    let config = with_keep(&format!("free_bytes: {}", 5 * MB))
        .replace("  keep:", "  min_free_bytes: 2097152\n  keep:");
    let Some(this) = DiskRig::tmpfs(&config, "size=16m") else { return };
    let rig = &this.rig;
    let first = record(rig);
    rig.command(&["clips", "keep", first.file_name().unwrap().to_str().unwrap()]).code(0);
    let recordings = rig.recordings();
    // Clips that are there already: copies of the first, each a little newer.
    let mut document = manifest(&first);
    let name = "pitch_20200101-000000";
    for number in 0..40_u64 {
        let clip = recordings.join(name).join(format!("clip-{number:04}"));
        std::fs::create_dir_all(&clip).unwrap();
        document["wall"]["unix_ns"] = (1_600_000_000_000_000_000_u64 + number * 1_000_000_000).into();
        std::fs::write(clip.join(MANIFEST), document.to_string()).unwrap();
        std::fs::write(clip.join("left.mp4"), vec![0; 200 << 10]).unwrap();
    }
    let mut fillers = Vec::new();
    let (mut low_since, mut longest_low) = (None, Duration::ZERO);
    let begun = Instant::now();
    // Somebody else takes a megabyte every quarter of a second.
    while begun.elapsed() < Duration::from_secs(6) {
        if fillers.len() < 8
            && begun.elapsed() > Duration::from_millis(250) * u32::try_from(fillers.len()).unwrap()
        {
            let path = recordings.join(format!("filler-{}", fillers.len()));
            let _ = std::fs::write(&path, vec![0; 1 << 20]);
            fillers.push(path);
        }
        if free_bytes(&recordings) < 2 * MB {
            longest_low = longest_low.max(low_since.get_or_insert_with(Instant::now).elapsed());
        } else {
            low_since = None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("below the floor for {} ms at most", longest_low.as_millis());
    assert!(longest_low < Duration::from_secs(2), "{longest_low:?}");
    let left = names(&recordings.join(name));
    assert!(left.len() < 40 && first.join("left.mp4").exists(), "{left:?}");
    let oldest_left = left.first().unwrap();
    assert_eq!(oldest_left, &format!("clip-{:04}", 40 - left.len()), "the oldest went: {left:?}");
    until("the room to be there", || (free_bytes(&recordings) >= 5 * MB).then_some(()));
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    assert!(clip.join(MANIFEST).exists());
}

#[test]
fn f68_a_disk_that_hangs_under_retention_holds_up_nothing_else() {
    if no_failpoints() {
        return;
    }
    let mut rig = Rig::start(&with_keep("max_bytes: 1000000"));
    rig.arm("retention.look=sleep(60000)");
    let clip =
        clip_of(&rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "100", "--wait"]).code(0).json());
    rig.await_happened("retention.look=sleep(60000)", 1);
    let next =
        clip_of(&rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "100", "--wait"]).code(0).json());
    assert_eq!(rig.command(&["clips", "list", "--json"]).code(0).json().as_array().unwrap().len(), 2);
    rig.assert_complete();
    assert!(clip.exists() && next.exists());
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
    // A signal instead of a command ends it as well.
    rig.launch(&[]);
    rig.await_ready();
    trials::kill(rig.supervisor_pid(), Signal::TERM);
    assert!(rig.await_end().success());
}
