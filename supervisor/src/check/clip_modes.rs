//! Cameras whose `clip` asks for something that their frames don't allow: said before the first clip.

use proto::config::{ClipMode, Config};

/// A warning for each camera that gets its clips in another way than was asked for.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let asked = config.cameras.iter().filter(|camera| camera.clip == ClipMode::Verbatim);
    let encoded = asked.filter(|camera| camera.payload.needs_key_frames());
    encoded
        .map(|camera| {
            format!(
                "camera {}: clip: verbatim is for JPEG cameras; {} is decoded and encoded again, as with clip: exact",
                camera.name, camera.payload
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_a_camera_that_does_not_get_what_was_asked_for_is_named() {
        let camera = |name, payload, clip| {
            format!("{{ name: {name}, backend: sim, payload: {payload}, clip: {clip} }}")
        };
        let cameras = [
            camera("a", "h264", "verbatim"),
            camera("b", "jpeg", "verbatim"),
            camera("c", "h264", "smart"),
            camera("d", "raw", "verbatim"),
        ];
        let text = format!("cameras: [{}]\n", cameras.join(", "));
        let said = warnings(&Config::parse(Path::new("x.yaml"), &text).unwrap());
        assert!(matches!(&said[..], [one] if one.contains("camera a") && one.contains("h264")), "{said:?}");
    }
}
