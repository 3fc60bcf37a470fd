//! Cameras that OpenCV opens, by way of a real ring.

#![cfg(feature = "opencv")]
#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

#[path = "../src/opencv/mod.rs"]
mod opencv_camera;
mod test_camera;

use std::time::Duration;

use capture::source::{CameraSetup, Source, SourceError};
use opencv_camera::OpencvCamera;
use proto::config::{Backend, OpencvConfig};
use proto::frame::{LossBefore, PixelFormat};
use proto::time::MonotonicNs;
use test_camera::{TestCamera, make, numbers, packed, psnr, reference};

fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
    OpencvCamera::open(setup)
}

fn camera_of(source: &str, scale: bool, size: (u32, u32, PixelFormat), fps: f64) -> TestCamera {
    TestCamera::new(Backend::Opencv(OpencvConfig { source: source.into(), scale }), size, fps)
}

/// A file of `frames` pictures that OpenCV and libav decode alike.
fn card(frames: u32) -> Option<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.avi");
    make(&path, frames, &["-c:v", "mjpeg", "-q:v", "2"]).then(|| {
        let name = path.to_str().unwrap().to_owned();
        (folder, name)
    })
}

#[test]
fn a_file_is_played_at_its_rate_to_its_end() {
    let Some((_folder, path)) = card(12) else { return };
    let camera = camera_of(&path, false, (192, 108, PixelFormat::BGR24), 25.0);
    let (got, error) = camera.play(open, usize::MAX);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(numbers(&got), (0..12).collect::<Vec<_>>());
    // The player is never ahead of the rate: eleven periods have passed when the twelfth frame comes.
    assert!(got[11].t.since(got[0].t) >= Duration::from_millis(11 * 40));
}

#[test]
fn a_dead_picture_is_declared_and_not_the_end_of_the_film() {
    let Some((_folder, path)) = card(12) else { return };
    let mut film = std::fs::read(&path).unwrap();
    let pictures = |film: &[u8]| -> Vec<usize> {
        let is_jpeg = |at: usize| film[at..].starts_with(b"00dc") && film[at + 8..].starts_with(b"\xff\xd8");
        (0..film.len() - 10).filter(|at| is_jpeg(*at)).collect()
    };
    // The chunks, behind whose headers (name and length) the JPEGs lie.
    let chunks = pictures(&film);
    for dead in [5, 11] {
        let jpeg = chunks[dead] + 8;
        let bytes = u32::from_le_bytes(film[jpeg - 4..jpeg].try_into().unwrap());
        film[jpeg..][..usize::try_from(bytes).unwrap()].fill(0);
    }
    std::fs::write(&path, film).unwrap();
    let camera = camera_of(&path, false, (192, 108, PixelFormat::BGR24), 25.0);
    let (got, error) = camera.play(open, usize::MAX);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(numbers(&got), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
    for frame in &got {
        let lost = if frame.number == 6 { LossBefore::CameraDrop } else { LossBefore::Nothing };
        assert_eq!(frame.before, lost, "{}", frame.number);
    }
    assert!(got[5].t.since(got[4].t) >= Duration::from_millis(60), "the dead picture has its time");
}

#[test]
fn each_pixel_format_resembles_the_source() {
    let Some((_folder, path)) = card(2) else { return };
    let names = ["yuv420p", "nv12", "yuyv422", "gray", "bgr24"];
    for (format, name) in PixelFormat::ALL.into_iter().zip(names) {
        let camera = camera_of(&path, false, (192, 108, format), 25.0);
        let (got, error) = camera.play(open, 1);
        assert!(error.is_none(), "{error:?}");
        let ours = packed(&camera.config.geometry, &got[0].bytes);
        let theirs = reference(path.as_ref(), name, "null");
        let alike = psnr(&ours, &theirs[..ours.len()]);
        println!("{name}: {alike:.1} dB");
        assert!(alike > 25.0, "{name}: {alike:.1} dB");
    }
}

#[test]
fn a_pipelines_yuv_is_copied_as_it_is() {
    for (format, name) in
        [(PixelFormat::I420, "I420"), (PixelFormat::NV12, "NV12"), (PixelFormat::I420, "BGR")]
    {
        let caps = format!("video/x-raw,format={name},width=192,height=108,framerate=25/1");
        let source = format!("videotestsrc pattern=red num-buffers=3 ! {caps} ! appsink");
        let camera = camera_of(&source, false, (192, 108, format), 25.0);
        let (got, error) = camera.play(open, 1);
        if got.is_empty() {
            println!("skipped: OpenCV has no GStreamer here, or that no videotestsrc: {error:?}");
            return;
        }
        // BT.601: Y 81, Cb 90, Cr 240, give or take what BGR loses.
        let frame = packed(&camera.config.geometry, &got[0].bytes);
        let (luma, colour) = frame.split_at(192 * 108);
        let blue = colour[0];
        let red = if name == "NV12" { colour[1] } else { colour[colour.len() / 2] };
        for (value, expected) in [(luma[0], 81), (luma[luma.len() - 1], 81), (blue, 90), (red, 240)] {
            assert!(value.abs_diff(expected) <= 2, "{name}: {value}, not {expected}");
        }
    }
}

#[test]
fn yuv_of_another_size_is_never_taken_for_a_grey_picture() {
    let caps = "video/x-raw,format=I420,width=192,height=108,framerate=25/1";
    let source = format!("videotestsrc num-buffers=3 ! {caps} ! appsink");
    for (scale, size) in [
        (true, (96, 54, PixelFormat::I420)),
        (false, (96, 54, PixelFormat::I420)),
        (true, (192, 108, PixelFormat::BGR24)),
    ] {
        let (got, error) = camera_of(&source, scale, size, 25.0).play(open, 1);
        let why = format!("{error:?}");
        if why.contains("can't open") || why.contains("could not") {
            println!("skipped: OpenCV has no GStreamer here, or that no videotestsrc: {why}");
            return;
        }
        assert!(got.is_empty() && why.contains("I420 or NV12 frames of 192x108"), "{size:?}: {why}");
    }
}

#[test]
fn another_size_is_refused_unless_it_may_be_scaled() {
    let Some((_folder, path)) = card(3) else { return };
    let error = camera_of(&path, false, (96, 54, PixelFormat::BGR24), 25.0).error(open);
    for word in ["192x108", "96x54", "width: 192", "scale: true"] {
        assert!(error.contains(word), "{word} is not in: {error}");
    }
    assert_eq!(camera_of(&path, true, (96, 54, PixelFormat::I420), 25.0).play(open, usize::MAX).0.len(), 3);
}

#[test]
fn a_restart_counts_the_time_away_and_never_counts_back() {
    let Some((_folder, path)) = card(3) else { return };
    let camera = camera_of(&path, false, (192, 108, PixelFormat::GRAY8), 25.0);
    camera.pretend_published(100, MonotonicNs::now().before(Duration::from_secs(4)));
    assert!(camera.play(open, 1).0[0].number >= 200);
    camera.pretend_published(500, MonotonicNs::now() + Duration::from_secs(4));
    assert_eq!(camera.play(open, 1).0[0].number, 501);
}

#[test]
fn a_source_that_is_not_there_is_refused_in_plain_words() {
    let size = (192, 108, PixelFormat::BGR24);
    let (_, error) = camera_of("no/such/film.mp4", false, size, 25.0).play(open, 1);
    assert!(
        matches!(&error, Some(SourceError::Lost { input, .. }) if input == "no/such/film.mp4"),
        "{error:?}"
    );
    let text = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "not a video").unwrap();
    let (_, error) = camera_of(text.path().to_str().unwrap(), false, size, 25.0).play(open, 1);
    assert!(
        matches!(&error, Some(SourceError::Unusable { reason, .. }) if reason.contains("as a video")),
        "{error:?}"
    );
    // No machine has sixty thousand cameras.
    let (_, error) = camera_of("60000", false, size, 25.0).play(open, 1);
    assert!(matches!(&error, Some(SourceError::Lost { input, .. }) if input == "camera 60000"), "{error:?}");
}

#[test]
fn a_file_that_is_faster_than_the_config_is_refused_with_its_rate() {
    let Some((_folder, path)) = card(3) else { return };
    let error = camera_of(&path, false, (192, 108, PixelFormat::BGR24), 20.0).error(open);
    assert!(error.contains("set fps: 25"), "{error}");
}
