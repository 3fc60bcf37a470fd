//! Cameras whose frames H.264 doesn't take for their odd size: which codec they get instead, said before the first clip.

use proto::codec::Codec;
use proto::config::{CameraConfig, Config};

/// Does a camera get Motion JPEG for its size alone? Other codecs than H.264 take any size.
pub(crate) fn gets_mjpg(camera: &CameraConfig, config: &Config) -> bool {
    camera.geometry.has_an_odd_side()
        && !camera.is_copied()
        && matches!(config.recording.preferred_codec, None | Some(Codec::H264 | Codec::Avc1))
}

/// A warning for each camera that gets Motion JPEG for its size alone.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let odd = config.cameras.iter().filter(|camera| gets_mjpg(camera, config));
    odd.map(|camera| warning(camera, config.cameras.len() > 1)).collect()
}

fn warning(camera: &CameraConfig, has_others: bool) -> String {
    let (width, height) = (camera.geometry.width(), camera.geometry.height());
    let others = if has_others { "; no other camera is concerned" } else { "" };
    format!(
        "camera {}: its clips are Motion JPEG, since H.264 takes only even sizes and its frames are {width}x{height}{others}. \
         A width and a height that are even, with scale: true if the source gives no other, have it recorded as H.264",
        camera.name
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_an_odd_camera_is_named_and_only_if_it_would_get_h264_otherwise() {
        let cameras = "cameras:
  - { name: left, backend: sim, width: 640, height: 360 }
  - { name: wide, backend: sim, width: 641, height: 360, pixel_format: GRAY8 }
  - { name: tall, backend: sim, width: 640, height: 361, pixel_format: BGR24 }
";
        for (codec, expected) in
            [("auto", 2), ("H264", 2), ("avc1", 2), ("MJPG", 0), ("XVID", 0), ("MP4V", 0)]
        {
            let text = format!("{cameras}recording: {{ preferred_codec: {codec} }}\n");
            let said = warnings(&Config::parse(Path::new("x.yaml"), &text).unwrap());
            assert_eq!(said.len(), expected, "{codec}: {said:?}");
            for (line, words) in said.iter().zip([["camera wide", "641x360"], ["camera tall", "640x361"]]) {
                assert!(words.iter().all(|word| line.contains(word)), "{line}");
                assert!(line.contains("no other camera is concerned"), "{line}");
            }
        }
    }
}
