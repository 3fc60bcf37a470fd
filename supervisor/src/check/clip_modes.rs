//! Cameras whose `clip` asks for something that their frames don't allow, or that players don't bear out: said before the first
//! clip.

use proto::config::{CameraConfig, ClipMode, Config};
use proto::frame::Payload;

/// A warning for each camera that gets its clips in another way than was asked for, or that a person may not expect.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    config.cameras.iter().filter_map(warning).collect()
}

fn warning(camera: &CameraConfig) -> Option<String> {
    let says = match (camera.payload, camera.clip) {
        (Payload::H265, ClipMode::Smart | ClipMode::Verbatim) => {
            format!(
                "clip: {}: H.265 isn't copied yet: it is decoded and encoded again, as with clip: exact",
                camera.clip.name()
            )
        }
        (Payload::H264, ClipMode::Verbatim) => format!(
            "clip: verbatim: its videos begin with a key frame up to {} ms before the window (gop_ms). Players are told to begin with \
             the window, and several don't listen (mpv before 0.38, VLC, Firefox, GStreamer)",
            camera.compressed.gop_ms
        ),
        _ => return None,
    };
    Some(format!("camera {}: {says}", camera.name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_a_camera_whose_clips_may_surprise_is_named() {
        let camera = |name, payload, clip| {
            format!("{{ name: {name}, backend: sim, payload: {payload}, clip: {clip} }}")
        };
        let cameras = [
            camera("a", "h264", "verbatim"),
            camera("b", "jpeg", "verbatim"),
            camera("c", "h264", "smart"),
            camera("d", "raw", "verbatim"),
            "{ name: e, backend: pipe, path: /e, format: h265 }".to_owned(),
            "{ name: f, backend: pipe, path: /f, format: h265, clip: exact }".to_owned(),
        ];
        let text = format!("cameras: [{}]\n", cameras.join(", "));
        let said = warnings(&Config::parse(Path::new("x.yaml"), &text).unwrap());
        let [a, e] = &said[..] else { panic!("{said:?}") };
        assert!(a.contains("camera a") && a.contains("4000 ms"), "{a}");
        assert!(e.contains("camera e") && e.contains("H.265") && e.contains("clip: smart"), "{e}");
    }
}
