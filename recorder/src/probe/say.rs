//! The words in which a person is told what the probe has found.

use proto::codec::{Codec, EncoderChoice};
use proto::config::Config;
use proto::ladder::{EncoderLadder, Ladders};

/// Logs the result: the two lines that the recorder Preroll began from wrote too, and the encoder. Cameras that get
/// another encoder than the first camera have lines of their own.
pub(crate) fn say(ladders: &Ladders, config: &Config) {
    let asked = config.recording.preferred_codec;
    let mut told: Option<EncoderChoice> = None;
    for camera in &config.cameras {
        let Some(ladder) = ladders.get(&camera.name) else { continue };
        let chosen = ladder.first();
        if chosen.is_copied() {
            tracing::info!(
                camera = camera.name.as_str(),
                "camera {}: its frames are recorded as they come ({}), without an encoder",
                camera.name,
                chosen.codec
            );
            continue;
        }
        let camera = match &told {
            Some(first) if *first == chosen => continue,
            Some(_) => Some(camera.name.as_str()),
            None => None,
        };
        let of = camera.map_or(String::new(), |camera| format!("camera {camera}: "));
        if chosen.codec == Codec::Mjpg && asked != Some(Codec::Mjpg) {
            let why = reason(ladder).map_or(String::new(), |why| format!(": {why}"));
            tracing::warn!(camera, "{of}No supported video codec found, defaulting to MJPEG{why}");
        }
        tracing::info!(
            camera,
            "{of}Using video codec: {} (extension: {})",
            chosen.codec,
            chosen.codec.extension()
        );
        let preset = chosen.preset.as_ref().map_or(String::new(), |preset| format!(" preset {preset}"));
        tracing::info!(camera, "{of}Encoder {}{preset}", chosen.encoder);
        told.get_or_insert(chosen);
    }
}

/// The reason why a camera gets no H.264, if it gets none: libx264's, which every machine has.
pub(crate) fn reason(ladder: &EncoderLadder) -> Option<String> {
    if matches!(ladder.first().codec, Codec::H264 | Codec::Avc1) {
        return None;
    }
    let failed = ladder.trials.iter().find(|trial| trial.choice.encoder == "libx264" && !trial.works)?;
    Some(format!("{} (libx264) {}", failed.choice.codec, failed.verdict))
}
