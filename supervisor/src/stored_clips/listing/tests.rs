//! Looks at an output folder, with and without what is known of it.

use std::cell::Cell;

use proto::clip::{INDEX_DIR, MANIFEST, NOTES, PARTIAL_DIR, REMOVING_DIR};

use super::*;
use crate::stored_clips::notes::{self, Word};
use crate::stored_clips::row::tests::{clip, manifest};

const RUN: &str = "run_20261122-091510";

/// Three clips, the second newest in another run, with marks that are old enough to be believed.
fn three() -> tempfile::TempDir {
    let output = tempfile::tempdir().unwrap();
    for (place, at) in
        [(format!("{RUN}/clip-0001"), 1), (format!("{RUN}/clip-0002"), 3), ("old_1/clip-0001".into(), 2)]
    {
        clip(output.path(), &place, &manifest(Some("pitch"), None, 1_795_342_500_000_000_000 + at), 100);
    }
    output
}

/// Long after everything in a folder was changed.
fn later() -> i64 {
    now_ns() + 2 * NOT_SETTLED_NS
}

/// The clips, and how many of them were read.
fn look(known: &mut Known<Row>, output: &Path, now_ns: i64) -> (Vec<Row>, usize) {
    let reads = Cell::new(0);
    let read = |folder: &Path| {
        reads.set(reads.get() + 1);
        Row::read(output, folder).unwrap()
    };
    let found = known.look(output, now_ns, read, Row::is_settled).unwrap();
    (found, reads.get())
}

#[test]
fn the_newest_clip_comes_first_and_what_is_no_clip_not_at_all() {
    let output = three();
    let run = output.path().join(RUN);
    for folder in ["clip-0003", "set-aside/clip-0004", "mine"] {
        std::fs::create_dir_all(run.join(folder)).unwrap();
    }
    std::fs::write(run.join("set-aside/clip-0004").join(MANIFEST), "{}").unwrap();
    std::fs::write(run.join("clip-0005"), "a file").unwrap();
    std::os::unix::fs::symlink(run.join("clip-0001"), run.join("clip-0006")).unwrap();
    let removing = output.path().join(REMOVING_DIR);
    std::fs::create_dir(&removing).unwrap();
    std::fs::rename(run.join("clip-0001"), removing.join("clip-0009")).unwrap();
    let places: Vec<_> = rows(output.path()).unwrap().into_iter().map(|row| row.place).collect();
    assert_eq!(places, [format!("{RUN}/clip-0002"), "old_1/clip-0001".into()].map(PathBuf::from));
    assert_eq!(rows(&output.path().join("nowhere")).unwrap(), []);
}

#[test]
fn a_clip_that_was_not_changed_is_read_once_and_a_changed_one_is_never_shown_as_it_was() {
    let output = three();
    let mut known = Known::default();
    assert_eq!(look(&mut known, output.path(), now_ns()).1, 3);
    assert_eq!(look(&mut known, output.path(), later()).1, 3, "they were changed just before");
    let before = look(&mut known, output.path(), later());
    assert_eq!((before.0.len(), before.1, known.is_changed), (3, 0, false));
    let folder = output.path().join(RUN).join("clip-0002");
    notes::say(&folder, &Word::Keep).unwrap();
    let (rows, reads) = look(&mut known, output.path(), later());
    assert_eq!((reads, rows.iter().filter(|row| row.keep).count()), (1, 1));
    // Another clip under the same name, with the same times.
    let other = output.path().join("old_1/clip-0001");
    std::fs::rename(&other, output.path().join("old_1/clip-0002")).unwrap();
    let (rows, reads) = look(&mut known, output.path(), later());
    assert!(reads >= 1 && rows.iter().any(|row| row.name() == "clip-0002"));
    assert!(known.is_changed);
}

#[test]
fn an_index_that_is_missing_wrong_or_another_versions_is_as_good_as_none() {
    let output = three();
    let before = rows_at(output.path(), later()).unwrap();
    let path = output.path().join(INDEX_DIR).join("rows.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(index::load(output.path()).by_place.len(), 3);
    let changed = text.replacen("\"bytes\":", "\"bytes\":1", 1);
    for wrong in [
        &text[..text.len() / 2],
        "",
        "\n",
        "{}\n",
        &changed,
        &text.replacen("\"schema\":1", "\"schema\":2", 1),
    ] {
        assert_ne!(wrong, text);
        std::fs::write(&path, wrong).unwrap();
        assert!(index::load(output.path()).by_place.is_empty());
        assert_eq!(rows_at(output.path(), later()).unwrap(), before);
        assert_eq!(index::load(output.path()).by_place.len(), 3, "it is made anew");
    }
    std::fs::remove_dir_all(output.path().join(INDEX_DIR)).unwrap();
    assert_eq!(rows(output.path()).unwrap(), before);
    std::fs::remove_dir_all(output.path().join(RUN).join("clip-0001")).unwrap();
    assert_eq!(rows(output.path()).unwrap().len(), 2);
}

#[test]
fn an_unfinished_clip_is_read_at_each_look() {
    let output = tempfile::tempdir().unwrap();
    let folder = clip(output.path(), &format!("{RUN}/clip-0001"), &manifest(None, None, 1), 100);
    std::fs::create_dir(folder.join(PARTIAL_DIR)).unwrap();
    std::fs::write(folder.join(PARTIAL_DIR).join("left.part1.mp4"), [0; 50]).unwrap();
    std::fs::write(folder.join(NOTES), r#"{"schema":1,"keep":false,"notes":[{"utc":"","text":"x"}]}"#)
        .unwrap();
    let mut known = Known::default();
    let row = look(&mut known, output.path(), later()).0.remove(0);
    assert!(row.bytes > 150, "what is unfinished counts");
    std::fs::remove_file(folder.join(MANIFEST)).unwrap();
    assert_eq!(look(&mut known, output.path(), later()).0, [], "without a plan it is none");
    assert!(known.by_place.is_empty());
}

/// `cargo test -p supervisor --release ten_thousand -- --ignored --nocapture` prints the figures that docs/clips.md has.
#[test]
#[ignore = "a measurement: makes ten thousand clips, which takes longer than all other tests"]
fn ten_thousand_clips_are_listed_with_and_without_an_index() {
    use std::time::Instant;
    let output = tempfile::tempdir().unwrap();
    let document = manifest(Some("pitch"), Some("goal"), 1_795_342_500_000_000_000);
    for number in 0..10_000 {
        clip(output.path(), &format!("{RUN}/clip-{number:05}-goal"), &document, 100);
    }
    let timed = |what: &str| {
        let begun = Instant::now();
        let found = rows_at(output.path(), later()).unwrap();
        println!("{what}: {} clips in {:.0} ms", found.len(), begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(found.len(), 10_000);
    };
    timed("without the index");
    (0..5).for_each(|_| timed("with it"));
}
