//! The probe: which encoders work here, and how fast. Each is tried by encoding the cameras' own pictures with the
//! settings and the files that a clip would have, and decoding them back ([`rehearsal`]). That an encoder is listed, or
//! opens, proves nothing.
//!
//! The probe runs in a process of its own ([`child`]), for two reasons: a driver that crashes takes only the probe with
//! it, and the memory that all those encoders used goes with it too. Which encoder a clip takes is decided in
//! [`crate::ladder`].

pub(crate) mod child;
mod reel;
mod rehearsal;

use std::path::Path;
use std::sync::Arc;

use ffmpeg_next as ffmpeg;

use proto::codec::{Codec, CodecTrial, EncoderChoice, EncoderLadder};
use proto::config::Config;
use proto::ring::{ReaderBit, Ring};

use crate::ladder::{PRESETS, last_resort};
use reel::{Reel, a_few_of_each_kind, pictures, some_of_its_kind, work};

/// An encoder has to be this much faster than its camera while all of them encode: it starts a whole pre-roll behind, and
/// has to catch up before the reserve is used up.
const MARGIN: f64 = 2.0;
/// So many cameras of a kind, or as many as there are cores, are tried at once by an encoder that runs on the processor.
/// They fill the processor, and the rate with more of them follows by arithmetic. Eighty encoders of 720p would take five
/// gigabytes and a minute to say no more.
const A_FEW: usize = 8;
/// Encoders that use hardware, best first. libav lists them wherever it was built, so only a trial tells whether they work.
const HARDWARE: [&str; 4] = ["h264_nvenc", "h264_qsv", "h264_v4l2m2m", "h264_vaapi"];

/// The reader bit of the probe: the recorder may be recording at the same time.
pub(crate) fn reader_bit() -> ReaderBit {
    ReaderBit::new(1).unwrap_or(ReaderBit::RECORDER)
}

/// Tries every encoder, each for every camera. `scratch` is a folder for its small files.
pub(crate) fn probe(config: &Config, rings: &[Option<Arc<Ring>>], scratch: &Path) -> EncoderLadder {
    let mut reels: Vec<Reel> = Vec::new();
    let few = A_FEW.max(std::thread::available_parallelism().map_or(1, usize::from));
    for (camera, ring) in config.cameras.iter().zip(rings) {
        let alike = some_of_its_kind(&reels, camera, few).last().filter(|(n, _)| n + 1 == few);
        let pictures =
            alike.map_or_else(|| pictures(camera, ring.as_ref()), |(_, reel)| reel.pictures.clone());
        reels.push(Reel { camera: camera.clone(), pictures });
    }
    let mut lab = Lab { reels, few, quality: config.recording.codec_quality, scratch, trials: Vec::new() };
    let preset = config.recording.preset.as_deref();
    let asked = config.recording.preferred_codec;
    let mut chain = Vec::new();
    for codec in Codec::ALL {
        let found = match codec {
            Codec::H264 => lab.h264(preset),
            Codec::Avc1 => lab.simple(codec, "libx264", Some("ultrafast")),
            Codec::Xvid | Codec::Mp4v => lab.simple(codec, "mpeg4", None),
            Codec::Mjpg => lab.simple(codec, "mjpeg", None),
        };
        let in_chain =
            Codec::CHAIN.contains(&codec) && asked.is_none_or(|a| a == codec || codec == Codec::Mjpg);
        if in_chain || asked == Some(codec) {
            chain.extend(found);
        }
    }
    // A codec that was asked for by name comes first, whatever its place in the list.
    chain.sort_by_key(|choice| Some(choice.codec) != asked);
    EncoderLadder { chain, trials: lab.trials, given_up: Vec::new() }
}

/// Logs the result: the two lines that the recorder Preroll began from wrote too, and the rate.
pub(crate) fn say(ladder: &EncoderLadder, config: &Config) {
    let asked = config.recording.preferred_codec;
    let chosen = ladder.chain.first().cloned().unwrap_or_else(last_resort);
    if chosen.codec == Codec::Mjpg && asked != Some(Codec::Mjpg) {
        tracing::warn!("No supported video codec found, defaulting to MJPEG");
    }
    tracing::info!("Using video codec: {} (extension: {})", chosen.codec, chosen.codec.extension());
    let rate = ladder.trials.iter().find(|t| t.choice == chosen).map_or(0.0, |t| t.frames_per_second);
    let preset = chosen.preset.map_or(String::new(), |p| format!(" preset {p}"));
    tracing::info!("Encoder {}{preset}: {rate:.0} frames/s a camera, all at once", chosen.encoder);
    let fastest = config.cameras.iter().map(|c| c.fps.as_f64()).fold(0.0, f64::max);
    if rate > 0.0 && rate < fastest {
        tracing::warn!(
            "{} makes {rate:.0} frames/s and the cameras up to {fastest}: long clips may lose frames, declared as \
             ring_overrun; see preroll codecs",
            chosen.encoder
        );
    }
}

/// A probe under way: the cameras' pictures, and the trials so far.
struct Lab<'a> {
    reels: Vec<Reel>,
    /// See [`A_FEW`].
    few: usize,
    quality: u8,
    scratch: &'a Path,
    trials: Vec<CodecTrial>,
}

impl Lab<'_> {
    fn simple(&mut self, codec: Codec, encoder: &str, preset: Option<&str>) -> Option<EncoderChoice> {
        let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(str::to_owned) };
        let result = self.try_out(&choice);
        let verdict = match &result {
            Ok(rate) if self.keeps_up(*rate) => "works".to_owned(),
            Ok(_) => format!("works, but is slower than the cameras need ({})", self.needs()),
            Err(why) => why.clone(),
        };
        self.note(&choice, &result, verdict);
        result.ok().map(|_| choice)
    }

    /// Tries hardware first; else x264, up to the best preset that keeps up.
    fn h264(&mut self, preset: Option<&str>) -> Option<EncoderChoice> {
        let codec = Codec::H264;
        for encoder in HARDWARE {
            let choice = EncoderChoice { codec, encoder: encoder.into(), preset: None };
            let result = self.try_out(&choice);
            let (fast, verdict) = match &result {
                Ok(rate) if self.keeps_up(*rate) => (true, "works: chosen".to_owned()),
                Ok(_) => (false, format!("works, but is slower than the cameras need ({})", self.needs())),
                Err(why) => (false, why.clone()),
            };
            self.note(&choice, &result, verdict);
            if fast {
                return Some(choice);
            }
        }
        let x264 =
            |preset: &str| EncoderChoice { codec, encoder: "libx264".into(), preset: Some(preset.into()) };
        let mut best = None;
        for name in PRESETS
            .into_iter()
            .filter(|name| preset.is_none_or(|p| p == *name))
            .chain(preset.filter(|p| !PRESETS.contains(p)))
        {
            let choice = x264(name);
            let result = self.try_out(&choice);
            let keeps_up = result.as_ref().is_ok_and(|rate| self.keeps_up(*rate));
            let verdict = match &result {
                Ok(_) if keeps_up => "keeps up".to_owned(),
                Ok(_) if preset.is_some() => {
                    format!("asked for, though slower than the cameras need ({})", self.needs())
                }
                Ok(_) => format!("too slow: the cameras need {}", self.needs()),
                Err(why) => why.clone(),
            };
            self.note(&choice, &result, verdict);
            // The fastest preset is taken even if it is too slow: a clip with declared gaps is better than none.
            if result.is_ok() && (keeps_up || best.is_none()) {
                best = Some(choice);
            }
            if !keeps_up {
                break;
            }
        }
        best
    }

    fn keeps_up(&self, rate: f64) -> bool {
        rate >= self.fastest_camera() * MARGIN
    }

    fn needs(&self) -> String {
        format!("{:.0} frames/s each", self.fastest_camera() * MARGIN)
    }

    fn fastest_camera(&self) -> f64 {
        self.reels.iter().map(|r| r.camera.fps.as_f64()).fold(0.0, f64::max)
    }

    fn note(&mut self, choice: &EncoderChoice, result: &Result<f64, String>, verdict: String) {
        let frames_per_second = result.as_ref().copied().unwrap_or(0.0);
        self.trials.push(CodecTrial {
            choice: choice.clone(),
            works: result.is_ok(),
            frames_per_second,
            verdict,
        });
    }

    /// The rate of the slowest camera if all of them encode at once, or the reason why the encoder doesn't work.
    fn try_out(&self, choice: &EncoderChoice) -> Result<f64, String> {
        if ffmpeg::encoder::find_by_name(&choice.encoder).is_none() {
            return Err("not in this machine's libav".into());
        }
        if choice.encoder == "h264_vaapi" {
            return Err("needs frames in the device's own memory, which Preroll can't do yet".into());
        }
        // Hardware may have room for so many encoders and no more, so all cameras are tried there.
        let tried: Vec<&Reel> = match HARDWARE.contains(&choice.encoder.as_str()) {
            true => self.reels.iter().collect(),
            false => a_few_of_each_kind(&self.reels, self.few),
        };
        let share = work(tried.iter().copied()) / work(&self.reels);
        std::thread::scope(|scope| {
            let trials: Vec<_> =
                tried.into_iter().map(|reel| scope.spawn(|| self.try_camera(choice, reel))).collect();
            let rates =
                trials.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("its thread panicked".into())));
            let rates = rates.collect::<Result<Vec<f64>, String>>()?;
            Ok(rates.into_iter().fold(f64::INFINITY, f64::min) * share)
        })
    }

    fn try_camera(&self, choice: &EncoderChoice, reel: &Reel) -> Result<f64, String> {
        let folder = self.scratch.join(format!("{}-{}", choice.encoder, reel.camera.name));
        std::fs::create_dir(&folder).map_err(|e| format!("can't write {}: {e}", folder.display()))?;
        let result = rehearsal::rehearse(choice, reel, self.quality, &folder);
        // A failure is harmless: the folder lies in the runtime directory, which goes with the instance.
        let _ = std::fs::remove_dir_all(&folder);
        result
    }
}
