//! Clips made by hand, without the program that decodes beside the test.

use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use super::*;

struct Made {
    _output: TempDir,
    folder: PathBuf,
}

fn clip(schema: u32) -> Made {
    let output = tempfile::tempdir().unwrap();
    let folder = output.path().join("run_1/clip-0001");
    std::fs::create_dir_all(&folder).unwrap();
    let camera = |name: &str| json!({ "files": [format!("{name}.mp4")], "made_by": [], "timestamps": format!("{name}_timestamps.csv"), "fps": 60.0 });
    let manifest = json!({ "schema": schema, "trigger_ns": 5, "cameras": { "left": camera("left"), "right": camera("right") } });
    std::fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
    for name in ["left", "right"] {
        std::fs::write(folder.join(format!("{name}.mp4")), "no video").unwrap();
        std::fs::write(folder.join(format!("{name}_timestamps.csv")), "header\nleft,0,5,1,0,\n").unwrap();
    }
    Made { _output: output, folder }
}

fn names(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_poster_that_cannot_be_made_costs_nothing_else() {
    let made = clip(2);
    make(&made.folder).unwrap();
    assert_eq!(names(&made.folder), 5, "and leaves nothing");
    std::fs::remove_file(made.folder.join("left.mp4")).unwrap();
    make(&made.folder).unwrap();
    std::fs::remove_dir_all(&made.folder).unwrap();
    make(&made.folder).unwrap();
}

#[test]
fn a_clip_that_is_unfinished_locked_or_old_is_left_alone() {
    // The lock that is asked for first shows whether anything would be done.
    let locked = |made: &Made| {
        let folder = File::open(&made.folder).unwrap();
        rustix::fs::flock(&folder, FlockOperation::LockExclusive).unwrap();
        folder
    };
    let made = clip(2);
    let lock = locked(&made);
    assert_eq!(make(&made.folder).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    std::fs::write(made.folder.join(SUMS), "").unwrap();
    make(&made.folder).unwrap();
    std::fs::remove_file(made.folder.join(SUMS)).unwrap();
    std::fs::create_dir(plan_path(&made.folder).parent().unwrap()).unwrap();
    std::fs::write(plan_path(&made.folder), "{}").unwrap();
    make(&made.folder).unwrap();
    drop(lock);
    let old = clip(1);
    let _lock = locked(&old);
    make(&old.folder).unwrap();
}

#[test]
fn posters_that_are_there_are_left_as_they_are() {
    let made = clip(2);
    for name in ["left_poster.jpg", "right_poster.jpg"] {
        std::fs::write(made.folder.join(name), "a hand's").unwrap();
    }
    make(&made.folder).unwrap();
    assert_eq!(std::fs::read(made.folder.join("left_poster.jpg")).unwrap(), b"a hand's");
}
