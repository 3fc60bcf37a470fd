//! The libraries that each executable loads: a process pays only for what it uses.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::process::Command;

const LIBAV: [&str; 4] = ["libavcodec", "libavformat", "libavutil", "libswscale"];
const ARAVIS: [&str; 2] = ["libaravis", "libglib"];
const OPENCV: [&str; 3] = ["libopencv_core", "libopencv_imgproc", "libopencv_videoio"];

/// The libraries that the loader would load for an executable, those that libraries need included.
fn loads(executable: &str) -> Option<String> {
    match Command::new("ldd").arg(executable).output() {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(String::from_utf8(done.stdout).unwrap())
        }
        Err(e) => {
            println!("skipped: there is no ldd ({e})");
            None
        }
    }
}

#[test]
fn the_simulated_camera_loads_no_media_library() {
    let Some(libraries) = loads(env!("CARGO_BIN_EXE_capture")) else { return };
    for name in LIBAV.iter().chain(&OPENCV).chain(&ARAVIS) {
        assert!(!libraries.contains(name), "{name}:\n{libraries}");
    }
}

#[test]
fn the_file_player_loads_libav_and_no_opencv() {
    let Some(libraries) = loads(env!("CARGO_BIN_EXE_capture-libav")) else { return };
    assert!(LIBAV.iter().all(|name| libraries.contains(name)), "{libraries}");
    assert!(!libraries.contains("libopencv"), "{libraries}");
}

#[cfg(feature = "aravis")]
#[test]
fn the_gige_camera_loads_aravis_and_no_media_library() {
    let Some(libraries) = loads(env!("CARGO_BIN_EXE_capture-aravis")) else { return };
    assert!(ARAVIS.iter().all(|name| libraries.contains(name)), "{libraries}");
    for name in LIBAV.iter().chain(&OPENCV) {
        assert!(!libraries.contains(name), "{name}:\n{libraries}");
    }
}

#[cfg(feature = "opencv")]
#[test]
fn the_opencv_camera_loads_opencv() {
    // OpenCV loads libav too: Debian's videoio is linked to it.
    let Some(libraries) = loads(env!("CARGO_BIN_EXE_capture-opencv")) else { return };
    assert!(libraries.contains("libopencv_videoio"), "{libraries}");
}
