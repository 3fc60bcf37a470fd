//! Tests of clips that got an earlier end than when their last frames were recorded: finished, they are what they would be had no
//! frame from behind that end been recorded.

use super::*;

/// Writes a clip's parts, with the frames up to this one.
type Write = fn(&Path, u64);

/// Finishes a clip whose parts hold frames up to `written` and whose window ends with frame `end`.
fn finished(write: Write, written: u64, end: u64, ready: &str) -> (tempfile::TempDir, CameraClip, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), written);
    let mut footage = footage(folder.path(), written);
    footage.evidence.window.end_ns = frame(end).t_capture;
    let (clip, ready) = finish_footage(&footage, ready, true);
    (folder, clip, ready)
}

fn encoded(folder: &Path, last: u64) {
    write_part(folder, &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=last);
}

fn mpeg4(folder: &Path, last: u64) {
    let mpeg4 = EncoderChoice { codec: Codec::Mp4v, encoder: "mpeg4".into(), preset: None };
    write_part(folder, &mpeg4, PartReason::First, 1..=last);
}

fn xvid(folder: &Path, last: u64) {
    let xvid = EncoderChoice { codec: Codec::Xvid, encoder: "mpeg4".into(), preset: None };
    write_part(folder, &xvid, PartReason::First, 1..=last);
}

fn jpegs(folder: &Path, last: u64) {
    write_copied_part(folder, JpegContainer::Mov, PartReason::First, 1..=last);
}

fn jpegs_in_avi(folder: &Path, last: u64) {
    write_copied_part(folder, JpegContainer::Avi, PartReason::First, 1..=last);
}

fn stream(folder: &Path, last: u64) {
    write_stream_part(folder, PartReason::First, 1..=last);
}

/// Encoded up to a key frame, copied from there on, and copied on by another recorder.
fn smart(folder: &Path, last: u64) {
    encoded(folder, last.min(30));
    if last > 30 {
        write_stream_part(folder, PartReason::Cut, 31..=last.min(44));
    }
    if last > 44 {
        write_stream_part(folder, PartReason::RecorderRestart, 44..=last);
    }
}

/// Encoded by two encoders, the second of which has other parameter sets.
fn two_encoders(folder: &Path, last: u64) {
    encoded(folder, last.min(25));
    if last > 25 {
        write_part(folder, &choice(Codec::Avc1, "ultrafast"), PartReason::CodecChange, 26..=last);
    }
}

#[test]
fn a_clip_with_an_earlier_end_is_what_it_would_be_without_the_frames_behind_it() {
    let of: [(&str, Write, &[u64]); 8] = [
        ("encoded", encoded, &[1, 7, 30, 59]),
        ("mpeg4", mpeg4, &[1, 30]),
        ("xvid", xvid, &[1, 30]),
        ("jpegs", jpegs, &[1, 30, 59]),
        ("jpegs in avi", jpegs_in_avi, &[1, 30]),
        ("stream", stream, &[1, 14, 30, 59]),
        ("smart", smart, &[12, 30, 31, 37, 43, 45, 59]),
        ("two encoders", two_encoders, &[12, 25, 26, 40]),
    ];
    for (name, write, ends) in of {
        for end in ends {
            let (_cut_in, cut, cut_ready) = finished(write, 60, *end, "ready");
            let (_as_is_in, as_is, as_is_ready) = finished(write, *end, *end, "ready");
            println!("{name}: ends with frame {end}");
            assert_eq!((cut.frames_written, cut.gaps.len()), (*end, 0));
            assert_same(&(cut.clone(), cut_ready), &(as_is.clone(), as_is_ready));
        }
    }
}

#[test]
fn an_earlier_end_needs_no_copy_and_leaves_nothing_of_the_later_frames_in_the_file() {
    for (write, file) in [(encoded as Write, "left.mp4"), (jpegs, "left.mov"), (stream, "left.mp4")] {
        let (folder, cut, ready) = finished(write, 60, 30, "ready");
        let (_other, as_is, _) = finished(write, 30, 30, "ready");
        assert!(is_the_part(folder.path(), &ready.join(file)), "{file}");
        assert_eq!(cut.size_bytes, as_is.size_bytes, "{file}");
        // Whoever finishes it anew makes a copy, and leaves the same out.
        let mut footage = footage(folder.path(), 60);
        footage.evidence.window.end_ns = frame(30).t_capture;
        let again = finish_footage(&footage, "again", true);
        assert!(!is_the_part(folder.path(), &again.1.join(file)));
        assert_same(&(cut, ready), &again);
    }
}

#[test]
fn an_end_before_the_first_frame_leaves_no_video_and_nothing_is_missing() {
    let (_folder, clip, ready) = finished(encoded, 20, 0, "ready");
    assert_eq!((clip.file, clip.frames_expected, clip.frames_written), (None, 0, 0));
    assert!(clip.live && clip.gaps.is_empty());
    let csv = std::fs::read_to_string(ready.join("left_timestamps.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1, "its head alone");
}

#[test]
fn frames_lost_behind_an_earlier_end_are_not_missing_and_those_before_it_are() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=20);
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::RecorderRestart, 26..=50);
    let mut footage = footage(folder.path(), 60);
    footage.evidence.window.end_ns = frame(40).t_capture;
    let (clip, _) = finish_footage(&footage, "ready", true);
    assert_eq!((clip.frames_expected, clip.frames_written), (40, 35));
    let [gap] = &clip.gaps[..] else { panic!("{:?}", clip.gaps) };
    assert_eq!((gap.after_sequence, gap.missing), (20, 5));
    assert_eq!(clip.last_frame_ns, Some(frame(40).t_capture));
}

#[test]
fn a_picture_that_stands_is_shown_until_the_earlier_end() {
    let folder = tempfile::tempdir().unwrap();
    encoded(folder.path(), 20);
    let mut still = still(footage(folder.path(), 20), 150);
    still.evidence.window.end_ns = frame(15).t_capture.before(std::time::Duration::from_millis(4));
    let (clip, ready) = finish_footage(&still, "ready", true);
    assert_eq!(clip.frames_written, 14);
    let (_, duration, _) = contents(&ready.join("left.mp4"));
    // From the first frame, at 10 ms: 14 frames, of which the last is shown for a frame time.
    assert_eq!(duration, 140_000);
}
