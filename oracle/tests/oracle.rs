//! The oracle is what every other test leans on, so first of all it has to be able to say no.

use std::path::Path;
use std::process::{Command, Output};

use oracle::fault::Fault;
use oracle::folder::{self, OracleError};
use oracle::judge::JudgedBy;
use oracle::report::{Report, State};
use oracle::truth::Truths;
use serde_json::json;

use clips::{CAMERA_INDEX, Clip, FIRST, FRAMES, H264_MP4, MJPEG_AVI, MJPEG_MOV, MPEG4_AVI, MPEG4_MP4};

mod clips;

/// Asserts that the clip is false, and for this reason among others.
#[track_caller]
fn assert_false(report: &Report, reason: impl Fn(&Fault) -> bool) {
    let mut faults =
        report.clips.iter().flat_map(|clip| &clip.faults).chain(report.verdicts().flat_map(|v| &v.faults));
    assert!(!report.is_true(), "judged true:\n{report}");
    assert!(faults.any(reason), "false for another reason:\n{report}");
}

#[test]
fn a_true_clip_is_true_in_every_codec_and_container() {
    for kind in [H264_MP4, MPEG4_MP4, MJPEG_AVI, MJPEG_MOV, MPEG4_AVI] {
        let report = Clip::of(kind).judge();
        assert!(report.is_true(), "{kind:?}\n{report}");
        let verdict = report.verdicts().next().unwrap();
        assert_eq!((verdict.expected, verdict.present), (u64::from(FRAMES), u64::from(FRAMES)), "{kind:?}");
    }
}

#[test]
fn a_frame_cut_out_in_silence_is_a_false_clip() {
    for kind in [H264_MP4, MJPEG_AVI, MJPEG_MOV] {
        for place in [0, 20, FRAMES as usize - 1] {
            let mut clip = Clip::of(kind);
            clip.lose(place);
            assert_false(&clip.judge(), |fault| *fault == Fault::SilentLoss { frames: 1 });
        }
    }
}

#[test]
fn a_frame_cut_out_and_declared_is_a_true_clip_that_is_not_complete() {
    for kind in [H264_MP4, MJPEG_AVI, MJPEG_MOV] {
        let mut clip = Clip::of(kind);
        clip.lose(20);
        clip.lose(20);
        clip.left()["gaps"] =
            json!([{ "after_sequence": FIRST + 19, "missing": 2, "cause": "ring overrun" }]);
        assert_false(&clip.judge(), |fault| *fault == Fault::CalledComplete { missing: 2 });
        clip.manifest["complete"] = json!(false);
        let report = clip.judge();
        assert!(report.is_true(), "{report}");
    }
}

#[test]
fn a_gap_that_declares_more_than_was_lost_is_a_false_clip() {
    let mut clip = Clip::of(H264_MP4);
    clip.lose(20);
    clip.manifest["complete"] = json!(false);
    clip.left()["gaps"] = json!([{ "after_sequence": FIRST + 19, "missing": 3, "cause": "disk" }]);
    assert_false(&clip.judge(), |fault| *fault == Fault::DeclaredTooMuch { frames: 2 });
}

#[test]
fn a_gap_declared_where_nothing_is_missing_is_a_false_clip() {
    let mut clip = Clip::of(H264_MP4);
    clip.lose(30);
    clip.lose(30);
    clip.lose(10);
    clip.manifest["complete"] = json!(false);
    clip.left()["gaps"] = json!([{ "after_sequence": FIRST + 9, "missing": 2 }, { "after_sequence": FIRST + 30, "missing": 1 }]);
    assert_false(&clip.judge(), |fault| matches!(fault, Fault::GapsElsewhere { .. }));
}

#[test]
fn a_doubled_frame_is_a_false_clip() {
    for kind in [H264_MP4, MJPEG_AVI, MJPEG_MOV] {
        let mut clip = Clip::of(kind);
        let mut again = clip.pictures[20];
        again.t_ns += 5_000_000;
        clip.pictures.insert(21, again);
        clip.csv.insert(21, (0, again.t_ns));
        clip.left()["frames_written"] = json!(FRAMES + 1);
        let sequence = i64::from(FIRST + 20);
        assert_false(&clip.judge(), |fault| *fault == Fault::Duplicate { frame: 21, sequence });
    }
}

#[test]
fn two_frames_in_each_others_place_are_a_false_clip() {
    for kind in [H264_MP4, MJPEG_AVI, MJPEG_MOV] {
        let mut clip = Clip::of(kind);
        let stamp = clip.pictures[20].stamp;
        clip.pictures[20].stamp = clip.pictures[21].stamp;
        clip.pictures[21].stamp = stamp;
        assert_false(&clip.judge(), |fault| matches!(fault, Fault::Reordered { frame: 21, .. }));
    }
}

#[test]
fn a_torn_picture_is_a_false_clip() {
    // In the first stamp, below it, and in the last rows of all.
    for (kind, row) in [(H264_MP4, 48), (MJPEG_AVI, 48), (H264_MP4, 100), (MJPEG_AVI, 100), (H264_MP4, 176)] {
        let mut clip = Clip::of(kind);
        clip.pictures[20].torn_at = Some(row);
        assert_false(&clip.judge(), |fault| *fault == Fault::Torn { frame: 20 });
    }
}

#[test]
fn a_clip_of_real_pictures_is_not_judged_and_that_is_said() {
    let mut clip = Clip::of(H264_MP4);
    clip.pictures.iter_mut().for_each(|picture| picture.torn_at = Some(48));
    assert_false(&clip.judge(), |fault| *fault == Fault::Torn { frame: 0 });
    let folder = tempfile::tempdir().unwrap();
    clip.write(folder.path());
    let output = run_oracle(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("not judged: no stamps"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing was judged"));

    // Beside a simulated camera it is no reason to fail, as long as its numbers agree.
    let other = tempfile::tempdir().unwrap();
    let film = clip.left().take();
    let mut clip = Clip::of(H264_MP4);
    clip.manifest["cameras"]["film"] = film;
    clip.manifest["cameras"]["film"]["file"] = json!("film.mp4");
    clip.manifest["cameras"]["film"]["camera_index"] = json!(CAMERA_INDEX + 1);
    clip.write(other.path());
    let [from, to] = [&folder, &other].map(|folder| folder.path().join("clip-0001-test"));
    std::fs::copy(from.join("left.mp4"), to.join("film.mp4")).unwrap();
    std::fs::copy(from.join("left_timestamps.csv"), to.join("film_timestamps.csv")).unwrap();
    let report = folder::judge(other.path(), &clip.truths()).unwrap();
    assert!(report.is_true() && report.is_a_judgement(), "{report}");
    assert_eq!(report.clips[0].cameras["film"].judged_by, JudgedBy::Nothing);
    std::fs::copy(from.join("left_timestamps.csv"), to.join("film.mp4")).unwrap();
    let report = folder::judge(other.path(), &clip.truths()).unwrap();
    assert_false(&report, |fault| matches!(fault, Fault::Undecodable { .. }));
}

#[test]
fn another_cameras_frame_is_a_false_clip() {
    for kind in [H264_MP4, MJPEG_AVI, MJPEG_MOV] {
        let mut clip = Clip::of(kind);
        clip.pictures[20].stamp.camera_index = CAMERA_INDEX + 1;
        assert_false(&clip.judge(), |fault| matches!(fault, Fault::WrongCamera { frame: 20, .. }));
    }
}

#[test]
fn a_csv_one_row_short_is_a_false_clip() {
    let mut clip = Clip::of(H264_MP4);
    clip.csv.pop();
    assert_false(&clip.judge(), |fault| matches!(fault, Fault::RowsDiffer { .. }));
}

#[test]
fn a_csv_with_made_up_times_is_a_false_clip() {
    let mut clip = Clip::of(MJPEG_AVI);
    clip.csv[20].1 += 1;
    assert_false(&clip.judge(), |fault| matches!(fault, Fault::TimesDiffer { rows: 1, frame: 20, .. }));
}

#[test]
fn a_video_that_plays_at_a_constant_rate_instead_of_the_real_one_is_a_false_clip() {
    for kind in [H264_MP4, MJPEG_MOV] {
        let mut clip = Clip::of(kind);
        for picture in &mut clip.pictures[30..] {
            picture.t_ns += 3_000_000;
        }
        assert_false(&clip.judge(), |fault| matches!(fault, Fault::PtsOffCapture { frame: 30, .. }));
    }
}

#[test]
fn a_broken_picture_of_a_copied_clip_is_a_fault_of_its_own_and_moves_no_other() {
    let clip = Clip::of(MJPEG_MOV);
    let folder = tempfile::tempdir().unwrap();
    clip.write(folder.path());
    let video = folder.path().join("clip-0001-test/left.mov");
    let mut bytes = std::fs::read(&video).unwrap();
    // The scan of the eleventh picture: behind the headers, which begin with the marker of a JPEG's start.
    let starts: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, w)| *w == [0xff, 0xd8, 0xff]).map(|(at, _)| at).collect();
    assert_eq!(starts.len(), FRAMES as usize);
    bytes[starts[10] + 2..starts[11]].fill(0);
    std::fs::write(&video, bytes).unwrap();
    let report = folder::judge(folder.path(), &clip.truths()).unwrap();
    let verdict = report.verdicts().next().unwrap();
    let expected = [Fault::Damaged { frame: 10 }, Fault::Torn { frame: 10 }];
    assert!(expected.iter().all(|fault| verdict.faults.contains(fault)), "{report}");
    assert_eq!(verdict.present, u64::from(FRAMES) - 1, "the others are where they were");
}

#[test]
fn a_manifest_that_miscounts_is_a_false_clip() {
    let mut clip = Clip::of(H264_MP4);
    clip.left()["frames_written"] = json!(FRAMES - 1);
    assert_false(&clip.judge(), |fault| matches!(fault, Fault::WrittenDiffers { .. }));
    let mut clip = Clip::of(H264_MP4);
    clip.left()["frames_expected"] = json!(FRAMES + 1);
    assert_false(&clip.judge(), |fault| matches!(fault, Fault::ExpectedDiffers { .. }));
}

#[test]
fn a_manifest_that_moves_the_window_is_a_false_clip() {
    let mut clip = Clip::of(H264_MP4);
    // Later by two frames: the first two lie outside, and two are missing at the end.
    for edge in ["start_ns", "end_ns"] {
        let at = clip.manifest["window"][edge].as_u64().unwrap();
        clip.manifest["window"][edge] = json!(at + 34_000_000);
    }
    let report = clip.judge();
    assert_false(&report, |fault| matches!(fault, Fault::OutsideWindow { frame: 0, .. }));
    assert_false(&report, |fault| *fault == Fault::SilentLoss { frames: 2 });
}

#[test]
fn a_manifest_that_forgets_a_camera_is_a_false_clip() {
    let clip = Clip::of(MJPEG_AVI);
    let folder = tempfile::tempdir().unwrap();
    clip.write(folder.path());
    let mut truths = clip.truths();
    truths.insert("right".to_owned(), truths["left"].clone());
    let report = folder::judge(folder.path(), &truths).unwrap();
    assert_false(&report, |fault| matches!(fault, Fault::CameraLeftOut { camera, .. } if camera == "right"));
}

#[test]
fn a_clip_of_some_cameras_owes_those_that_its_trigger_named_and_no_other() {
    let mut clip = Clip::of(MJPEG_AVI);
    let mut truths = clip.truths();
    truths.insert("right".to_owned(), truths["left"].clone());
    let mut judge = |asked| {
        clip.manifest["cameras_asked"] = asked;
        let folder = tempfile::tempdir().unwrap();
        clip.write(folder.path());
        folder::judge(folder.path(), &truths).unwrap()
    };
    let report = judge(json!(["left"]));
    assert!(report.is_true(), "{report}");
    let left_out = |fault: &Fault| matches!(fault, Fault::CameraLeftOut { camera, .. } if camera == "right");
    assert_false(&judge(json!(["left", "right"])), left_out);
    // As a clip of a version that didn't say.
    assert_false(&judge(json!(null)), left_out);
    let not_asked = |fault: &Fault| matches!(fault, Fault::CameraNotAsked { camera } if camera == "left");
    assert_false(&judge(json!(["right"])), not_asked);
}

#[test]
fn one_cameras_video_under_two_names_is_a_false_clip() {
    let mut clip = Clip::of(MJPEG_AVI);
    let mut left = clip.left().take();
    left["camera_index"] = json!(null);
    clip.manifest["cameras"] = json!({ "left": left, "right": left });
    let folder = tempfile::tempdir().unwrap();
    clip.write(folder.path());
    let written = folder.path().join("clip-0001-test");
    std::fs::copy(written.join("left_timestamps.csv"), written.join("right_timestamps.csv")).unwrap();
    let report = folder::judge(folder.path(), &Truths::new()).unwrap();
    assert_false(&report, |fault| matches!(fault, Fault::SameCameraTwice { .. }));
}

#[test]
fn a_manifest_that_points_out_of_its_folder_is_a_false_clip() {
    let mut clip = Clip::of(MJPEG_AVI);
    clip.left()["file"] = json!("../left.avi");
    assert_false(&clip.judge(), |fault| matches!(fault, Fault::NotAPlainName { .. }));
}

#[test]
fn a_manifest_that_is_cut_short_is_a_false_clip() {
    let folder = tempfile::tempdir().unwrap();
    let clip = Clip::of(MJPEG_AVI);
    clip.write(folder.path());
    let manifest = folder.path().join("clip-0001-test/manifest.json");
    let text = clip.manifest.to_string();
    std::fs::write(manifest, &text[..text.len() / 2]).unwrap();
    let report = folder::judge(folder.path(), &clip.truths()).unwrap();
    assert_false(&report, |fault| matches!(fault, Fault::ManifestUnreadable { .. }));
}

#[test]
fn a_video_cut_short_overwritten_or_gone_is_a_false_clip() {
    for kind in [H264_MP4, MPEG4_MP4, MJPEG_AVI, MJPEG_MOV, MPEG4_AVI] {
        let clip = Clip::of(kind);
        let folder = tempfile::tempdir().unwrap();
        clip.write(folder.path());
        let video = folder.path().join(format!("clip-0001-test/left.{}", kind.extension));
        let whole = std::fs::read(&video).unwrap();
        let judge = || folder::judge(folder.path(), &clip.truths()).unwrap();

        std::fs::write(&video, &whole[..whole.len() * 6 / 10]).unwrap();
        assert_false(&judge(), |_| true);

        let mut holed = whole.clone();
        holed[whole.len() / 2..][..1024].fill(0);
        std::fs::write(&video, holed).unwrap();
        assert_false(&judge(), |_| true);

        std::fs::remove_file(&video).unwrap();
        assert_false(&judge(), |fault| {
            matches!(fault, Fault::Undecodable { .. })
                && fault.to_string().ends_with("No such file or directory")
        });
    }
}

#[test]
fn a_clip_in_two_codecs_is_judged_as_one() {
    let mut clip = Clip::of(H264_MP4);
    let (first, second) = clip.pictures.split_at(30);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/down/clip-0001-test");
    std::fs::create_dir_all(&path).unwrap();
    clips::encode(H264_MP4, first, &path.join("left.mp4"));
    clips::encode(MJPEG_AVI, second, &path.join("left.2.avi"));
    clip.left()["files"] = json!(["left.mp4", "left.2.avi"]);
    clip.write_beside(&path);
    let report = folder::judge(folder.path(), &clip.truths()).unwrap();
    assert!(report.is_true(), "{report}");

    clip.left()["files"] = json!(["left.2.avi", "left.mp4"]);
    clip.write_beside(&path);
    let report = folder::judge(folder.path(), &clip.truths()).unwrap();
    assert_false(&report, |fault| matches!(fault, Fault::Reordered { .. }));
}

#[test]
fn a_folder_without_a_clip_is_no_proof_of_anything() {
    let folder = tempfile::tempdir().unwrap();
    let judged = folder::judge(folder.path(), &Truths::new());
    assert!(matches!(judged, Err(OracleError::NoClip { .. })), "{judged:?}");
    let judged = folder::judge(&folder.path().join("nowhere"), &Truths::new());
    assert!(matches!(judged, Err(OracleError::List { .. })), "{judged:?}");
}

#[expect(clippy::unwrap_used, reason = "cargo has just built the command")]
fn run_oracle(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oracle")).arg(folder).args(arguments).output().unwrap()
}

#[test]
fn the_command_says_true_with_0_false_with_1_and_bad_input_with_2() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run_oracle(folder.path(), &[]).status.code(), Some(2), "no clip");

    let mut clip = Clip::of(H264_MP4);
    clip.write(folder.path());
    let log = folder.path().join("left.truth");
    std::fs::write(&log, clip.truth_log()).unwrap();
    let truth = format!("left={}", log.display());
    let output = run_oracle(folder.path(), &["--truth", &truth]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("clip-0001-test  left          48       48         0       0  true"), "{text}");

    clip.lose(20);
    clip.write(folder.path());
    let output = run_oracle(folder.path(), &["--truth", &truth]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("frames lost and not declared: 1"), "{text}");

    let output = run_oracle(folder.path(), &["--truth", &truth, "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["true"], json!(false));
    assert_eq!(document["clips"][0]["cameras"]["left"]["silent"], json!(1));
    assert_eq!(document["clips"][0]["cameras"]["left"]["faults"][0]["kind"], json!("silent_loss"));

    std::fs::write(&log, "60,50").unwrap();
    assert_eq!(run_oracle(folder.path(), &["--truth", &truth]).status.code(), Some(2), "torn truth log");
    assert_eq!(run_oracle(folder.path(), &["--truth", "left"]).status.code(), Some(2), "no path");
}

#[test]
fn an_unfinished_clip_is_false_unless_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    Clip::of(MJPEG_AVI).write(folder.path());
    std::fs::create_dir(folder.path().join("clip-0002-begun")).unwrap();
    assert_eq!(run_oracle(folder.path(), &[]).status.code(), Some(1));
    assert_eq!(run_oracle(folder.path(), &["--allow-unfinished"]).status.code(), Some(0));
    let report = folder::judge(folder.path(), &Truths::new()).unwrap();
    assert_eq!(report.clips[1].state, State::Unfinished);
    assert!(report.to_string().contains("unfinished"), "{report}");
}
