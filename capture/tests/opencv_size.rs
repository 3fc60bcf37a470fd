//! Frames that change their size within a stream that OpenCV plays. By itself in this executable: it goes by what libav
//! prints, and standard error is all cameras' of a process.

#![cfg(feature = "opencv")]
#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

#[path = "../src/opencv/mod.rs"]
mod opencv_camera;
mod test_camera;

use opencv_camera::OpencvCamera;
use proto::config::{Backend, OpencvConfig};
use proto::frame::PixelFormat;
use test_camera::{TestCamera, make_sized};

#[test]
fn a_picture_of_the_old_size_is_never_repeated_for_frames_of_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let h264 = ["-c:v", "libx264", "-bf", "0"];
    if !make_sized(&at("a.ts"), "192x108", 10, &h264) || !make_sized(&at("b.ts"), "384x216", 10, &h264) {
        return;
    }
    let both = [std::fs::read(at("a.ts")).unwrap(), std::fs::read(at("b.ts")).unwrap()].concat();
    std::fs::write(at("both.ts"), both).unwrap();
    for scale in [true, false] {
        let film = Backend::Opencv(OpencvConfig { source: at("both.ts").to_str().unwrap().into(), scale });
        let camera = TestCamera::new(film, (192, 108, PixelFormat::BGR24), 25.0);
        let (got, error) = camera.play(OpencvCamera::open, usize::MAX);
        assert!(got.len() >= 10, "{}: {error:?}", got.len());
        for pair in got.windows(2) {
            assert!(pair[0].bytes != pair[1].bytes, "frame {} is shown again", pair[0].number);
        }
        // An OpenCV that follows the size gives the frames of either.
        match error {
            Some(error) => {
                let said = error.to_string();
                assert!(error.is_permanent(), "{said}");
                assert!(said.contains("change their size") || said.contains("384x216"), "{said}");
            }
            None => assert!(scale && got.len() == 20, "{}", got.len()),
        }
    }
}
