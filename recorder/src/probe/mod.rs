//! The probe: which encoders work for which camera. Each is tried by encoding a few of the camera's own pictures with the
//! settings and the files that a clip would have, and decoding them back ([`rehearsal`]). That an encoder is listed, or
//! opens, proves nothing. How fast an encoder is, clips measure: here it would depend on what else runs in that second.
//!
//! The probe runs in a process of its own ([`child`]), for two reasons: a driver that crashes takes only the probe with
//! it, and the memory that all those encoders used goes with it too. What becomes of its result is decided in
//! [`crate::ladder`], and a person is told of it in [`say`].

pub(crate) mod child;
mod reel;
mod rehearsal;
pub(crate) mod say;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ffmpeg_next as ffmpeg;

use proto::codec::{Codec, EncoderChoice};
use proto::config::{CameraConfig, Config, RecordingConfig};
use proto::ladder::{ASSUMED_PRESET, CodecTrial, EncoderLadder, Ladders};
use proto::ring::{ReaderBit, Ring};

use crate::copying::ClipWishes;
use reel::{PICTURE_PATIENCE, Reel, pictures};

/// Encoders that use hardware, best first. libav lists them wherever it was built, so only a trial tells whether they work.
const HARDWARE: [&str; 4] = ["h264_nvenc", "h264_qsv", "h264_v4l2m2m", "h264_vaapi"];

/// The reader bit of the probe: the recorder may be recording at the same time.
pub(crate) fn reader_bit() -> ReaderBit {
    ReaderBit::new(1).unwrap_or(ReaderBit::RECORDER)
}

/// Cameras for which the same encoders work: of one size, pixel format and rate (which MPEG-4 can't have every one of).
struct Kind<'a> {
    cameras: Vec<&'a CameraConfig>,
    /// Those of raw frames: compressed ones are no pictures to an encoder.
    rings: Vec<&'a Arc<Ring>>,
}

/// Tries every encoder for every kind of camera. `scratch` is a folder for small files; `tell` is told the ladders of
/// each kind when they are known.
pub(crate) fn probe(
    config: &Config,
    rings: &[Option<Arc<Ring>>],
    scratch: &Path,
    tell: &mut dyn FnMut(&Ladders) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // One wait for all kinds: cameras that can't be opened must not keep the others waiting one after the other.
    let until = Instant::now() + PICTURE_PATIENCE;
    for kind in kinds(config, rings) {
        let Some(camera) = kind.cameras.first() else { continue };
        let pictures = pictures(camera, &kind.rings, until);
        let reel = Reel { camera: (*camera).clone(), pictures };
        let mut lab = Lab { reel, recording: &config.recording, scratch, trials: Vec::new() };
        let chain = lab.chain();
        let ladder = EncoderLadder::tried(chain, lab.trials);
        tell(&kind.cameras.iter().map(|camera| (camera.name.clone(), ladder.clone())).collect())?;
    }
    Ok(())
}

fn kinds<'a>(config: &'a Config, rings: &'a [Option<Arc<Ring>>]) -> Vec<Kind<'a>> {
    let mut kinds: Vec<Kind<'a>> = Vec::new();
    for (camera, ring) in config.cameras.iter().zip(rings) {
        let payload = ring.as_ref().map_or(camera.payload, |ring| ring.spec().payload);
        // Frames that are passed on need no encoder.
        if ClipWishes::of(camera, &config.recording).copies(payload).is_some() {
            continue;
        }
        let is_alike = |other: &&CameraConfig| other.geometry == camera.geometry && other.fps == camera.fps;
        match kinds.iter_mut().find(|kind| kind.cameras.first().is_some_and(&is_alike)) {
            Some(kind) => {
                kind.cameras.push(camera);
                kind.rings.extend(ring.as_ref().filter(|_| !payload.is_compressed()));
            }
            None => {
                let rings = ring.iter().filter(|_| !payload.is_compressed()).collect();
                kinds.push(Kind { cameras: vec![camera], rings });
            }
        }
    }
    kinds
}

/// The probe of one kind under way: its pictures, and the trials so far.
struct Lab<'a> {
    reel: Reel,
    recording: &'a RecordingConfig,
    scratch: &'a Path,
    trials: Vec<CodecTrial>,
}

impl Lab<'_> {
    /// Tries every codec. Returns the encoders to use, best first.
    fn chain(&mut self) -> Vec<EncoderChoice> {
        let asked = self.recording.preferred_codec;
        let mut chain = Vec::new();
        for codec in Codec::ALL {
            let found = match codec {
                Codec::H264 => self.h264(),
                Codec::Avc1 => self.works(codec, "libx264", Some("ultrafast")).into_iter().collect(),
                Codec::Xvid | Codec::Mp4v => self.works(codec, "mpeg4", None).into_iter().collect(),
                Codec::Mjpg => self.works(codec, "mjpeg", None).into_iter().collect(),
            };
            let in_chain =
                Codec::CHAIN.contains(&codec) && asked.is_none_or(|a| a == codec || codec == Codec::Mjpg);
            if in_chain || asked == Some(codec) {
                chain.extend::<Vec<_>>(found);
            }
        }
        // A codec that was asked for by name comes first, whatever its place in the list.
        chain.sort_by_key(|choice| Some(choice.codec) != asked);
        chain
    }

    /// The first hardware encoder that works, and libx264 behind it. Of libx264's presets one is tried: the others work if
    /// it does.
    fn h264(&mut self) -> Vec<EncoderChoice> {
        let hardware = HARDWARE.into_iter().find_map(|encoder| self.works(Codec::H264, encoder, None));
        let preset = self.recording.preset.clone();
        let x264 = self.works(Codec::H264, "libx264", Some(preset.as_deref().unwrap_or(ASSUMED_PRESET)));
        hardware.into_iter().chain(x264).collect()
    }

    /// Tries an encoder, and notes the result. Returns it if it works.
    fn works(&mut self, codec: Codec, encoder: &str, preset: Option<&str>) -> Option<EncoderChoice> {
        let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(str::to_owned) };
        let result = self.try_out(&choice);
        self.trials.push(CodecTrial {
            choice: choice.clone(),
            works: result.is_ok(),
            frames_per_second: None,
            measured_frames: 0,
            verdict: result.as_ref().err().cloned().unwrap_or_else(|| "works".to_owned()),
        });
        result.ok().map(|()| choice)
    }

    /// Says why an encoder doesn't work, if it doesn't.
    fn try_out(&self, choice: &EncoderChoice) -> Result<(), String> {
        if ffmpeg::encoder::find_by_name(&choice.encoder).is_none() {
            return Err("not in this machine's libav".into());
        }
        let geometry = self.reel.camera.geometry;
        if matches!(choice.codec, Codec::H264 | Codec::Avc1) && geometry.has_an_odd_side() {
            let (width, height) = (geometry.width(), geometry.height());
            return Err(format!("does not take {width}x{height}: H.264 has only even widths and heights"));
        }
        if choice.encoder == "h264_vaapi" {
            return Err("needs frames in the device's own memory, which Preroll can't do yet".into());
        }
        let folder = self.scratch.join(format!("{}-{}", choice.encoder, self.reel.camera.name));
        std::fs::create_dir(&folder).map_err(|e| format!("can't write {}: {e}", folder.display()))?;
        let quality = self.recording.codec_quality;
        let rehearse = || rehearsal::rehearse(choice, &self.reel, quality, &folder);
        // On a thread, so that a panic fails this trial alone. Without one it would end the probe, which is told too.
        let result =
            std::thread::scope(|scope| match std::thread::Builder::new().spawn_scoped(scope, rehearse) {
                Ok(trial) => trial.join().unwrap_or_else(|_| Err("its thread panicked".into())),
                Err(_) => rehearse(),
            });
        // A failure is harmless: the folder lies in the runtime directory, which goes with the instance.
        let _ = std::fs::remove_dir_all(&folder);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "camera: { backend: sim, width: 320, height: 192, fps: 60 }
recording: { preset: fast }
cameras:
  - { name: left }
  - { name: odd, width: 321, pixel_format: GRAY8 }
  - { name: right }
  - { name: slow, fps: 30 }
";

    fn probed(text: &str) -> (Vec<Ladders>, Config) {
        let config = Config::parse(Path::new("rig.yaml"), text).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let rings = vec![None; config.cameras.len()];
        let mut told = Vec::new();
        let mut tell = |ladders: &Ladders| {
            told.push(ladders.clone());
            Ok(())
        };
        probe(&config, &rings, scratch.path(), &mut tell).unwrap();
        (told, config)
    }

    #[test]
    fn each_kind_of_camera_is_tried_once_and_a_special_one_changes_no_other() {
        let (told, config) = probed(MIXED);
        let names: Vec<Vec<&str>> =
            told.iter().map(|kind| kind.keys().map(|name| name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["left", "right"], vec!["odd"], vec!["slow"]]);
        let all: Ladders = told.into_iter().flatten().collect();
        let first = |camera: usize| all[&config.cameras[camera].name].first();
        let fast =
            EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some("fast".into()) };
        assert_eq!([first(0), first(2), first(3)], [fast.clone(), fast.clone(), fast]);
        // libx264 takes no odd width in 4:2:0; Motion JPEG does.
        assert_eq!(first(1).codec, Codec::Mjpg);
        let said = say::reason(&all[&config.cameras[1].name]).unwrap();
        assert_eq!(said, "H264 (libx264) does not take 321x192: H.264 has only even widths and heights");
        assert_eq!(say::reason(&all[&config.cameras[0].name]), None);
    }

    #[test]
    fn nothing_is_known_of_a_rate_before_a_clip_has_measured_it() {
        let (told, _) = probed("cameras: [{ name: left, backend: sim, width: 320, height: 192 }]\n");
        let trials = &told[0].values().next().unwrap().trials;
        assert!(trials.iter().all(|trial| trial.frames_per_second.is_none()));
        let tried: Vec<&str> = trials.iter().filter_map(|trial| trial.choice.preset.as_deref()).collect();
        assert_eq!(tried, ["superfast", "ultrafast"], "one preset of each codec that has any");
    }
}
