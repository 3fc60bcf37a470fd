//! Tests of the sums, on folders made by hand and judged by `sha256sum`.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use proto::clip::{MANIFEST, Manifest, PARTIAL_DIR, SUMS, plan_path};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::making::{Outcome, make};
use super::recorded::Recorded;
use super::{Job, Thread, without_sums};

const NOTHING: [PathBuf; 0] = [];

/// A finished clip of one camera, in a run folder in an output folder.
struct Clip {
    output: TempDir,
    folder: PathBuf,
    manifest: Manifest,
}

impl Clip {
    fn finished() -> Self {
        let output = tempfile::tempdir().unwrap();
        let folder = output.path().join("run_1/clip-0001");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("left.mp4"), vec![7; 700_000]).unwrap();
        std::fs::write(folder.join("left_timestamps.csv"), "a row\n").unwrap();
        let manifest = manifest(2);
        std::fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
        Self { output, folder, manifest: serde_json::from_value(manifest).unwrap() }
    }

    fn make(&self) -> Outcome {
        make(&self.folder, Some(&Recorded::now(&self.folder, &self.manifest))).unwrap()
    }

    /// As a recorder does that didn't finish the clip itself.
    fn make_later(&self) -> Outcome {
        make(&self.folder, None).unwrap()
    }

    fn sums(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.join(SUMS)).ok()
    }
}

fn manifest(schema: u32) -> Value {
    json!({
        "schema": schema, "clip_id": "clip-0001", "label": null, "verdict": "complete", "complete": true,
        "ended_early": false, "trigger_ns": 5, "window": { "start_ns": 1, "end_ns": 9 }, "asked_start_ns": 1,
        "wall": { "monotonic_ns": 0, "unix_ns": 0 }, "trigger_utc": "", "notes": [],
        "cameras": { "left": {
            "file": "left.mp4", "files": ["left.mp4"], "made_by": [], "timestamps": "left_timestamps.csv",
            "codec": "H264", "encoder": "libx264", "preset": null, "width": 320, "height": 192, "fps": 60.0,
            "camera_index": 0, "capture_time": "device", "frames_expected": 1, "frames_written": 1,
            "first_frame_ns": null, "last_frame_ns": null, "gaps": [], "interruptions": [], "size_bytes": 700_000,
        } },
    })
}

/// The names in a folder's sums, once `sha256sum` has found all of them right.
fn checked(folder: &Path) -> Vec<String> {
    let said = Command::new("sha256sum").args(["-c", "--strict", SUMS]).current_dir(folder).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    let text = String::from_utf8(said.stdout).unwrap();
    text.lines().map(|line| line.strip_suffix(": OK").unwrap().to_owned()).collect()
}

#[test]
fn every_file_of_a_clip_has_its_sum_by_its_base_name() {
    let clip = Clip::finished();
    assert_eq!(without_sums(clip.output.path()), std::slice::from_ref(&clip.folder));
    let bytes = 700_006 + std::fs::metadata(clip.folder.join(MANIFEST)).unwrap().len();
    assert_eq!(clip.make(), Outcome::Made { files: 3, bytes });
    assert_eq!(checked(&clip.folder), ["left.mp4", "left_timestamps.csv", MANIFEST]);
    assert_eq!(without_sums(clip.output.path()), NOTHING);
    assert_eq!(std::fs::read_dir(&clip.folder).unwrap().count(), 4, "nothing is left beside it");
}

#[test]
fn what_a_hand_put_beside_the_clip_is_summed_too_and_what_is_no_file_of_ours_is_not() {
    let clip = Clip::finished();
    let odd = "a note\\of\nmine";
    std::fs::write(clip.folder.join(odd), "x").unwrap();
    symlink("/etc/passwd", clip.folder.join("link")).unwrap();
    std::fs::create_dir(clip.folder.join("folder")).unwrap();
    std::fs::write(clip.folder.join("SHA256SUMS~new"), "what a killed recorder left").unwrap();
    assert!(matches!(clip.make_later(), Outcome::Made { files: 4, .. }));
    let names = checked(&clip.folder);
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.iter().any(|name| name.contains("a note")), "{names:?}");
}

#[test]
fn sums_that_are_there_are_left_alone() {
    let clip = Clip::finished();
    std::fs::write(clip.folder.join(SUMS), "a hand's").unwrap();
    assert_eq!((clip.make(), clip.make_later()), (Outcome::None, Outcome::None));
    assert_eq!(clip.sums().unwrap(), "a hand's");
}

#[test]
fn a_file_that_was_replaced_or_changed_is_not_summed() {
    let replaced = |how: &dyn Fn(&Path)| {
        let clip = Clip::finished();
        let recorded = Recorded::now(&clip.folder, &clip.manifest);
        how(&clip.folder.join("left.mp4"));
        let outcome = make(&clip.folder, Some(&recorded)).unwrap();
        assert!(matches!(&outcome, Outcome::Refused(why) if why.contains("left.mp4")), "{outcome:?}");
        assert_eq!(clip.sums(), None);
    };
    replaced(&|video| {
        // Of the same size, under the same name.
        let other = video.with_file_name("other");
        std::fs::write(&other, vec![8; 700_000]).unwrap();
        std::fs::rename(other, video).unwrap();
    });
    replaced(&|video| std::fs::write(video, "shorter").unwrap());
    replaced(&|video| {
        std::fs::remove_file(video).unwrap();
        symlink("/etc/passwd", video).unwrap();
    });
    replaced(&|video| {
        std::fs::remove_file(video).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            video,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
    });
}

#[test]
fn a_clip_that_is_removed_ends_quietly() {
    let clip = Clip::finished();
    let recorded = Recorded::now(&clip.folder, &clip.manifest);
    std::fs::remove_file(clip.folder.join("left.mp4")).unwrap();
    assert_eq!(make(&clip.folder, Some(&recorded)).unwrap(), Outcome::None);
    assert_eq!((clip.make_later(), clip.sums()), (Outcome::None, None));
    std::fs::remove_dir_all(&clip.folder).unwrap();
    assert_eq!(make(&clip.folder, Some(&recorded)).unwrap(), Outcome::None);
    assert_eq!(clip.make_later(), Outcome::None);
    assert!(!clip.folder.exists());
}

#[test]
fn a_clip_is_summed_when_its_plan_is_gone_and_nobody_works_on_it() {
    let clip = Clip::finished();
    std::fs::create_dir(clip.folder.join(PARTIAL_DIR)).unwrap();
    std::fs::write(plan_path(&clip.folder), "{}").unwrap();
    assert_eq!(clip.make(), Outcome::None, "a recorder may come back to it");
    std::fs::remove_dir_all(clip.folder.join(PARTIAL_DIR)).unwrap();
    let locked = std::fs::File::open(&clip.folder).unwrap();
    rustix::fs::flock(&locked, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(clip.make(), Outcome::Busy);
    drop(locked);
    assert!(matches!(clip.make(), Outcome::Made { .. }));
}

#[test]
fn clips_of_schema_1_and_folders_that_are_no_clips_stay_as_they_are() {
    let clip = Clip::finished();
    for text in [manifest(1).to_string(), "{".to_owned()] {
        std::fs::write(clip.folder.join(MANIFEST), text).unwrap();
        assert_eq!((clip.make_later(), clip.sums()), (Outcome::None, None));
    }
    std::fs::remove_file(clip.folder.join(MANIFEST)).unwrap();
    assert_eq!(without_sums(clip.output.path()), NOTHING);
    assert_eq!(without_sums(&clip.output.path().join("gone")), NOTHING);
}

#[test]
fn the_thread_sums_what_it_is_told_of_and_then_what_earlier_recorders_left() {
    let [new, earlier, left] = [(); 3].map(|()| Clip::finished());
    let (jobs, queue) = std::sync::mpsc::channel();
    let (done, wait) = std::sync::mpsc::channel();
    jobs.send(Job::AllEarlier(left.output.path().to_owned())).unwrap();
    jobs.send(Job::Clip(new.folder.clone(), Recorded::now(&new.folder, &new.manifest))).unwrap();
    jobs.send(Job::Earlier(earlier.folder.clone())).unwrap();
    jobs.send(Job::End(done)).unwrap();
    drop(jobs);
    let (say, told) = std::sync::mpsc::channel();
    Thread::new(false, move |folder| say.send(folder.to_owned()).unwrap()).run(&queue);
    assert_eq!(wait.try_recv(), Ok(()));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [new.folder.clone(), earlier.folder.clone()]);
    assert!(new.sums().is_some() && earlier.sums().is_some());
    assert_eq!(left.sums(), None, "nobody waits for a whole folder's clips at the end");
}
