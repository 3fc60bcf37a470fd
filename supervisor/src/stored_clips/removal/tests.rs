//! Clips that are removed, those that stay, and what an interrupted removal leaves.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::time::Duration;

use proto::clip::NOTES;

use super::*;
use crate::stored_clips::listing;
use crate::stored_clips::notes::Word;
use crate::stored_clips::row::tests::{clip, manifest};

const RUN: &str = "run_20261122-091510";

fn one() -> (tempfile::TempDir, PathBuf) {
    let output = tempfile::tempdir().unwrap();
    let folder = clip(output.path(), &format!("{RUN}/clip-0001-goal"), &manifest(None, None, 1), 5000);
    (output, folder)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn a_clip_is_removed_with_all_its_files_and_nothing_else_is() {
    let (output, folder) = one();
    let other = clip(output.path(), &format!("{RUN}/clip-0002"), &manifest(None, None, 1), 10);
    std::fs::write(output.path().join(RUN).join("run.json"), "{}").unwrap();
    std::fs::write(folder.join("SHA256SUMS"), [0; 100]).unwrap();
    let manifest_bytes = std::fs::metadata(folder.join(MANIFEST)).unwrap().len();
    assert_eq!(remove(output.path(), &folder).unwrap(), Ok(5100 + manifest_bytes));
    assert_eq!(names(output.path()), [RUN.to_owned()].into());
    assert_eq!(names(&output.path().join(RUN)), ["clip-0002", "run.json"].map(str::to_owned).into());
    assert_eq!(remove(output.path(), &folder).unwrap(), Err(Stays::Gone));
    assert_eq!(remove(output.path(), &other).unwrap().map(|_| ()), Ok(()));
    assert_eq!(names(&output.path().join(RUN)), ["run.json".to_owned()].into(), "a run's folder stays");
}

#[test]
fn a_clip_that_is_kept_open_held_or_not_wholly_ours_stays() {
    let (output, folder) = one();
    let stays = || {
        let before = names(&folder);
        let may = may_go(&folder).unwrap().unwrap_err();
        let why = remove(output.path(), &folder).unwrap().unwrap_err();
        assert_eq!((names(&folder), may), (before, why.clone()));
        why
    };
    notes::say(&folder, &Word::Keep).unwrap();
    assert_eq!(stays(), Stays::Kept);
    std::fs::write(folder.join(NOTES), "{").unwrap();
    assert_eq!(stays(), Stays::Kept);
    std::fs::remove_file(folder.join(NOTES)).unwrap();
    let held = hold::to_read(&folder, Duration::ZERO).unwrap().unwrap();
    assert_eq!(stays(), Stays::InUse);
    drop(held);
    let elsewhere = output.path().join("film.mp4");
    std::fs::write(&elsewhere, "mine").unwrap();
    symlink(&elsewhere, folder.join("film.mp4")).unwrap();
    assert_eq!(stays(), Stays::Foreign("film.mp4".into()));
    std::fs::remove_file(folder.join("film.mp4")).unwrap();
    std::fs::create_dir(folder.join("tracks")).unwrap();
    assert_eq!(stays(), Stays::Foreign("tracks".into()));
    std::fs::remove_dir(folder.join("tracks")).unwrap();
    std::fs::create_dir(folder.join(PARTIAL_DIR)).unwrap();
    assert_eq!(stays(), Stays::Open);
    std::fs::remove_dir(folder.join(PARTIAL_DIR)).unwrap();
    std::fs::rename(folder.join(MANIFEST), folder.join("other.json")).unwrap();
    assert_eq!(stays(), Stays::Open, "without a manifest it isn't finished");
    std::fs::rename(folder.join("other.json"), folder.join(MANIFEST)).unwrap();
    assert!(may_go(&folder).unwrap().is_ok());
    let link = output.path().join(RUN).join("clip-0002");
    symlink(&folder, &link).unwrap();
    assert!(remove(output.path(), &link).is_err());
    assert!(folder.join("left.mp4").exists() && elsewhere.exists());
}

#[test]
fn a_folder_that_somebody_has_put_in_the_way_is_not_used() {
    let (output, folder) = one();
    let theirs = output.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    symlink(&theirs, output.path().join(REMOVING_DIR)).unwrap();
    assert!(opened::is_foreign(&remove(output.path(), &folder).unwrap_err()));
    std::fs::write(theirs.join("mine"), "x").unwrap();
    assert_eq!(sweep(output.path()).unwrap(), 0);
    assert!(folder.join(MANIFEST).exists() && theirs.join("mine").exists());
}

#[test]
fn what_was_left_of_a_removal_is_no_clip_and_is_swept() {
    let (output, folder) = one();
    let left = output.path().join(REMOVING_DIR).join(format!("{RUN}-clip-0001-goal"));
    std::fs::create_dir(left.parent().unwrap()).unwrap();
    std::fs::rename(&folder, &left).unwrap();
    std::fs::remove_file(left.join("left.mp4")).unwrap();
    assert_eq!(listing::rows(output.path()).unwrap(), []);
    // A clip of the same name, made by hand, goes beside it.
    let again = clip(output.path(), &format!("{RUN}/clip-0001-goal"), &manifest(None, None, 1), 10);
    assert_eq!(remove(output.path(), &again).unwrap().map(|_| ()), Ok(()));
    assert!(left.exists());
    std::fs::write(output.path().join(REMOVING_DIR).join("mine.txt"), "x").unwrap();
    assert_eq!(sweep(output.path()).unwrap(), 1);
    assert_eq!(names(&output.path().join(REMOVING_DIR)), ["mine.txt".to_owned()].into());
    std::fs::remove_file(output.path().join(REMOVING_DIR).join("mine.txt")).unwrap();
    assert_eq!(sweep(output.path()).unwrap(), 0);
    assert!(!output.path().join(REMOVING_DIR).exists());
    assert_eq!(sweep(output.path()).unwrap(), 0);
}

#[test]
fn a_clip_that_was_kept_while_it_went_comes_back() {
    let (output, folder) = one();
    let left = output.path().join(REMOVING_DIR).join(format!("{RUN}-clip-0001-goal~2"));
    notes::say(&folder, &Word::Keep).unwrap();
    std::fs::create_dir(left.parent().unwrap()).unwrap();
    std::fs::rename(&folder, &left).unwrap();
    assert_eq!(sweep(output.path()).unwrap(), 0);
    assert!(folder.join("left.mp4").exists() && !left.exists());
}

#[test]
fn a_clip_that_another_process_is_just_removing_is_left_to_it() {
    let (output, folder) = one();
    let left = output.path().join(REMOVING_DIR).join(format!("{RUN}-clip-0001-goal"));
    std::fs::create_dir(left.parent().unwrap()).unwrap();
    std::fs::rename(&folder, &left).unwrap();
    let other = opened::folder(&left).unwrap();
    rustix::fs::flock(&other, FlockOperation::LockExclusive).unwrap();
    assert_eq!(sweep(output.path()).unwrap(), 0);
    assert!(left.join("left.mp4").exists());
    drop(other);
    assert_eq!(sweep(output.path()).unwrap(), 1);
}
