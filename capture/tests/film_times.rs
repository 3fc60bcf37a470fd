//! Films whose packets or times are not what they should be: each frame that `ffmpeg` shows is delivered, once, in its order.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

#[path = "../src/file/mod.rs"]
#[expect(dead_code, reason = "the probe is tried as its executable")]
mod file;
mod test_camera;

use std::path::{Path, PathBuf};

use capture::source::{CameraSetup, Source, SourceError};
use file::VideoFile;
use proto::frame::{FrameFlags, PixelFormat};
use test_camera::{Got, TestCamera, ffmpeg, numbers, packed, reference, times_ms};

const PICTURE: (u32, u32, PixelFormat) = (320, 240, PixelFormat::I420);

fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
    VideoFile::open(setup)
}

fn film(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../trials/tests/data")).join(name)
}

/// The numbers of the frames whose times were repaired.
fn repaired(got: &[Got]) -> Vec<u64> {
    got.iter().filter(|g| g.flags.contains(FrameFlags::TIME_REPAIRED)).map(|g| g.number).collect()
}

/// Asserts that a film's frames are those that `ffmpeg` shows, to the byte.
fn assert_shown_by_ffmpeg(path: &Path, camera: &TestCamera, got: &[Got]) {
    let all = reference(path, "yuv420p", "null");
    let size = packed(&camera.config.geometry, &got[0].bytes).len();
    assert_eq!(got.len(), all.len() / size);
    assert_eq!(numbers(got), (0..got.len() as u64).collect::<Vec<_>>());
    for (g, theirs) in got.iter().zip(all.chunks(size)) {
        assert!(packed(&camera.config.geometry, &g.bytes) == theirs, "frame {}", g.number);
    }
}

/// Plays a film in real time.
fn play(path: &Path, size: (u32, u32), fps: f64) -> (TestCamera, Vec<Got>) {
    let camera = TestCamera::file(path, false, true, (size.0, size.1, PixelFormat::I420), fps);
    let (got, error) = camera.play(open, usize::MAX);
    assert!(error.is_none(), "{error:?}");
    (camera, got)
}

fn probe(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&test_camera::probe_film(path).stdout).unwrap()
}

#[test]
fn frames_with_one_timestamp_are_all_delivered_and_found_again() {
    let path = film("duplicate-timestamps.mkv");
    let (camera, got) = play(&path, (320, 240), 25.0);
    assert_eq!(times_ms(&got), (0..100).map(|n| n * 40).collect::<Vec<_>>());
    assert_eq!(repaired(&got), [7, 32, 57, 82]);
    assert_shown_by_ffmpeg(&path, &camera, &got);
    for last in [5, 6, 7, 8, 60, 81] {
        let camera = TestCamera::file(&path, false, false, PICTURE, 25.0);
        camera.pretend_published(last, proto::time::MonotonicNs::now());
        let again = camera.play(open, 3).0;
        assert_eq!(numbers(&again), [last + 1, last + 2, last + 3]);
        let [a, b] = [&again[0], &got[usize::try_from(last).unwrap() + 1]];
        assert!(a.bytes == b.bytes, "frame {} has another picture", last + 1);
    }
}

#[test]
fn two_recordings_in_one_film_follow_each_other() {
    let path = film("concat-two-recordings.ts");
    let (camera, got) = play(&path, (320, 240), 25.0);
    assert_eq!(times_ms(&got), (0..100).map(|n| n * 40).collect::<Vec<_>>());
    assert_eq!(repaired(&got), [50]);
    assert_shown_by_ffmpeg(&path, &camera, &got);
    assert_eq!((&probe(&path)["fps"], &probe(&path)["frames"]), (&25.0.into(), &100.into()));
}

#[test]
fn fields_in_packets_of_their_own_are_one_frame() {
    let path = film("fields-25i.ts");
    assert_eq!((&probe(&path)["fps"], &probe(&path)["frames"]), (&25.0.into(), &14.into()));
    let (camera, got) = play(&path, (64, 64), 25.0);
    assert_eq!(times_ms(&got), (0..14).map(|n| n * 40).collect::<Vec<_>>());
    assert!(repaired(&got).is_empty());
    assert_shown_by_ffmpeg(&path, &camera, &got);
}

#[test]
fn frames_that_no_decoder_shows_are_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, middle) = (folder.path().join("whole.ts"), folder.path().join("middle.ts"));
    let card = "testsrc2=size=320x240:rate=25";
    let refresh = "intra-refresh=1:keyint=20:bframes=0";
    let made = ffmpeg(
        &[
            ["-f", "lavfi", "-i", card, "-frames:v", "90", "-c:v", "libx264"].as_slice(),
            ["-x264-params", refresh, whole.to_str().unwrap()].as_slice(),
        ]
        .concat(),
    );
    if !made {
        return;
    }
    // Joined in the middle, with the tables that begin a transport stream in front.
    let bytes = std::fs::read(&whole).unwrap();
    let packets = bytes.len() / 188;
    let middle_bytes = [&bytes[..3 * 188], &bytes[packets / 3 * 188..]].concat();
    std::fs::write(&middle, middle_bytes).unwrap();
    let (camera, got) = play(&middle, (320, 240), 25.0);
    assert!(got.len() > 20, "{}", got.len());
    let last = *times_ms(&got).last().unwrap();
    assert_eq!(last, (got.len() as u64 - 1) * 40);
    assert_shown_by_ffmpeg(&middle, &camera, &got);
}

#[test]
fn a_film_that_stands_still_has_no_frame_due_and_says_so() {
    let path = film("still-4s.mp4");
    let camera = TestCamera::file(&path, false, true, PICTURE, 25.0);
    assert!(open(&camera.setup()).unwrap().has_variable_rate());
    assert_eq!((&probe(&path)["fps"], &probe(&path)["frames"]), (&25.0.into(), &40.into()));
    let steady = film("concat-two-recordings.ts");
    let camera = TestCamera::file(&steady, false, true, PICTURE, 25.0);
    assert!(!open(&camera.setup()).unwrap().has_variable_rate());
}
