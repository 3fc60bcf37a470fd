//! An export that is killed, or that can't be written: a clip under its name is whole, or isn't there.

use std::path::Path;
use std::process::Command;

use proto::failpoint;
use trials::{Rig, TWO_CAMERAS, assert_sums, clip_of, finished, names, no_failpoints, program};

/// The export of the first clip, with the rig's failpoints.
fn export(rig: &Rig, to: &Path, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(program("preroll"));
    command.args(["clips", "export", "clip-0001", "--recordings"]).arg(rig.recordings());
    command.arg("--to").arg(to).args(options).env(failpoint::FOLDER, rig.path("failpoints"));
    let said = command.output().unwrap();
    (said.status.code(), String::from_utf8(said.stderr).unwrap())
}

/// The names in a folder that are not hidden.
fn visible(to: &Path) -> Vec<String> {
    names(to).into_iter().filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn f140_an_export_killed_at_any_step_is_whole_or_not_there_and_the_next_one_clears_away_what_is_left() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    let answer = rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json();
    let (clip, id) = (clip_of(&answer), answer["clip_id"].as_str().unwrap().to_owned());
    let files = finished(&clip);
    for (nth, entry) in ["export.begun=kill", "export.write@3=kill", "export.made=kill", "export.named=kill"]
        .into_iter()
        .enumerate()
    {
        for (form, options) in [
            ("copy", &[][..]),
            ("zip", &["--zip"]),
            ("video", &["--burn-in"]),
            ("frames", &["--frames", "png"]),
        ] {
            let to = rig.path(&format!("{form}-{nth}"));
            std::fs::create_dir(&to).unwrap();
            rig.arm(entry);
            let (code, said) = export(&rig, &to, options);
            assert!(
                code == Some(1) && said.contains("killed") || said.contains("signal 9"),
                "{entry}: {code:?} {said}"
            );
            assert!(rig.happened(entry, 1));
            let is_named = entry.starts_with("export.named");
            assert_eq!(visible(&to).len(), usize::from(is_named), "{entry}: {form}");
            if is_named && form == "copy" {
                assert_sums(&to.join(&id));
            }
            rig.arm("");
            let (code, said) = export(&rig, &to, options);
            assert_eq!(code, Some(if is_named { 2 } else { 0 }), "{entry}: {form}: {said}");
            assert_eq!(visible(&to).len(), 1);
            assert!(is_named || names(&to).len() == 1, "{entry}: {form}: nothing hidden is left");
        }
    }
    assert_eq!(finished(&clip), files);
    rig.assert_complete();
}

#[test]
fn f140_an_export_that_finds_no_room_says_so_and_leaves_nothing() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    finished(&clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json()));
    let to = rig.path("usb");
    std::fs::create_dir(&to).unwrap();
    for options in [&[][..], &["--zip"], &["--side-by-side"], &["--frames", "png"]] {
        rig.arm("export.write@3=error(ENOSPC)");
        let (code, said) = export(&rig, &to, options);
        assert!(code == Some(1) && said.contains("No space left"), "{options:?}: {code:?} {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(names(&to).is_empty(), "{options:?}: {:?}", names(&to));
    }
}
