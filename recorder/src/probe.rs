//! Which codecs work here, and how fast: each is tried by encoding the cameras' own pictures with the settings and
//! the files that a clip would have, and decoding them back. That an encoder is listed, or opens, proves nothing.
//!
//! This happens in a process of its own, for two reasons: a driver that crashes takes only the probe with it, and the
//! memory that all those encoders used goes with it too.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{codec, frame, media};

use proto::codec::{Codec, CodecTrial, EncoderChoice, EncoderLadder};
use proto::config::{CameraConfig, Config};
use proto::frame::{FrameInfo, Geometry, LossBefore};
use proto::ring::{ReaderBit, Ring};
use proto::time::MonotonicNs;

use crate::container::{self, VideoWriter};
use crate::encode::{EncoderSetup, last_resort};
use crate::journal::{PartHeader, PartReason, Row};
use crate::part::{self, OpenPart};
use crate::raw::Pixels;

/// The whole probe takes one to three seconds for two cameras; this long only if something hangs.
const DEADLINE: Duration = Duration::from_secs(60);
/// Enough pictures for the rate to settle after the first, expensive key frame.
const PICTURES: usize = 12;
/// How long to wait for the cameras' own pictures; a camera that has none by then is probed with noise.
const PICTURE_PATIENCE: Duration = Duration::from_millis(1500);
/// An encoder has to be this much faster than its camera while all of them encode: it starts a whole pre-roll
/// behind, and has to catch up before the reserve is used up.
const MARGIN: f64 = 2.0;
/// Decoded brightness may differ from the original by this much on average (of 255). CRF 51 stays under it; a
/// picture that is another one, or none, does not.
const MAX_MEAN_ERROR: f64 = 24.0;
/// So many cameras of a kind, or as many as there are cores, are tried at once by an encoder that runs on the processor, which
/// they fill: what more of them would do follows. Eighty encoders of 720p would take five gigabytes and a minute to say no more.
const A_FEW: usize = 8;
/// Encoders that use hardware, best first. They are listed by libav wherever it was built, so all that counts is
/// whether they work.
const HARDWARE: [&str; 4] = ["h264_nvenc", "h264_qsv", "h264_v4l2m2m", "h264_vaapi"];
/// x264's presets, fastest first: as far up as the machine can keep up is how good it gets.
const PRESETS: [&str; 6] = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"];

/// Some pictures of one camera, in ordinary memory.
struct Reel {
    camera: CameraConfig,
    pictures: Vec<Arc<Vec<u8>>>,
}

struct Picture(Arc<Vec<u8>>);

impl Pixels for Picture {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the workers go by; the probe's verdict replaces what was assumed before it.
pub(crate) type SharedLadder = Arc<Mutex<EncoderLadder>>;

/// The reader bit of the probe: the recorder may be recording at the same time.
pub(crate) fn reader_bit() -> ReaderBit {
    ReaderBit::new(1).unwrap_or(ReaderBit::RECORDER)
}

/// The same encoder at the fastest preset, if it is at another one now.
pub(crate) fn fastest(choice: &EncoderChoice) -> Option<EncoderChoice> {
    let [fastest, slower @ ..] = PRESETS;
    let preset = choice.preset.as_deref()?;
    slower.contains(&preset).then(|| EncoderChoice { preset: Some(fastest.to_owned()), ..choice.clone() })
}

/// What another knows; but where we have had to hurry since, what we have hurried to.
pub(crate) fn merged(mut known: EncoderLadder, own: &EncoderLadder) -> EncoderLadder {
    for choice in &mut known.chain {
        let hurried = |fastest: &EncoderChoice| own.chain.contains(fastest) && !own.chain.contains(choice);
        if let Some(hurried) = fastest(choice).filter(hurried) {
            *choice = hurried;
        }
    }
    known
}

/// What to go by until the probe has spoken: a trigger may come first.
pub(crate) fn unprobed(config: &Config) -> EncoderLadder {
    let choice = |codec: Codec| {
        let (encoder, preset) = match codec {
            Codec::H264 => ("libx264", Some(config.recording.preset.as_deref().unwrap_or("superfast"))),
            Codec::Avc1 => ("libx264", Some("ultrafast")),
            Codec::Xvid | Codec::Mp4v => ("mpeg4", None),
            Codec::Mjpg => return last_resort(),
        };
        EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(str::to_owned) }
    };
    let chain = match config.recording.preferred_codec {
        None => Codec::CHAIN.map(choice).to_vec(),
        Some(Codec::Mjpg) => vec![last_resort()],
        Some(codec) => vec![choice(codec), last_resort()],
    };
    EncoderLadder { chain, ..EncoderLadder::default() }
}

/// Has everything tried by a process of its own.
pub(crate) fn in_a_process_of_its_own(runtime_dir: &Path) -> anyhow::Result<EncoderLadder> {
    let own = std::env::current_exe().context("my own executable")?;
    let mut child = Command::new(own)
        .args(["--probe".as_ref(), "--runtime-dir".as_ref(), runtime_dir.as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the codec probe can't be started")?;
    let mut stdout = child.stdout.take().context("the codec probe's answer")?;
    let (told, answer) = channel();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.read_to_end(&mut text);
        // Nobody listens any more if it took too long.
        let _ = told.send(read.map(|_| text));
    });
    let answer = answer.recv_timeout(DEADLINE);
    if answer.is_err() {
        // A driver that never returns; the probe's death closes its end of the pipe.
        let _ = child.kill();
    }
    let status = child.wait().context("the codec probe")?;
    let _ = reader.join();
    let text = answer.context("the codec probe took too long")??;
    anyhow::ensure!(status.success(), "the codec probe ended with {status}");
    serde_json::from_slice(&text).context("the codec probe said something else than expected")
}

/// Tries everything. `scratch` is a folder for its small files.
pub(crate) fn probe(config: &Config, rings: &[Option<Arc<Ring>>], scratch: &Path) -> EncoderLadder {
    let mut reels: Vec<Reel> = Vec::new();
    let few = A_FEW.max(std::thread::available_parallelism().map_or(1, usize::from));
    for (camera, ring) in config.cameras.iter().zip(rings) {
        let known = some_of_its_kind(&reels, camera, few).last().filter(|(n, _)| n + 1 == few);
        let pictures =
            known.map_or_else(|| pictures(camera, ring.as_ref()), |(_, reel)| reel.pictures.clone());
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
    // What was asked for by name comes first, whatever its place in the list.
    chain.sort_by_key(|choice| Some(choice.codec) != asked);
    EncoderLadder { chain, trials: lab.trials, given_up: Vec::new() }
}

/// The two lines that the recorder Preroll began from wrote too, and the rate.
pub(crate) fn say(verdict: &EncoderLadder, config: &Config) {
    let asked = config.recording.preferred_codec;
    let chosen = verdict.chain.first().cloned().unwrap_or_else(last_resort);
    if chosen.codec == Codec::Mjpg && asked != Some(Codec::Mjpg) {
        tracing::warn!("No supported video codec found, defaulting to MJPEG");
    }
    tracing::info!("Using video codec: {} (extension: {})", chosen.codec, chosen.codec.extension());
    let rate = verdict.trials.iter().find(|t| t.choice == chosen).map_or(0.0, |t| t.frames_per_second);
    let preset = chosen.preset.map_or(String::new(), |p| format!(" preset {p}"));
    tracing::info!("Encoder {}{preset}: {rate:.0} frames/s a camera, all at once", chosen.encoder);
    let fastest = config.cameras.iter().map(|c| c.fps.as_f64()).fold(0.0, f64::max);
    if rate > 0.0 && rate < fastest {
        tracing::warn!(
            "{} makes {rate:.0} frames/s and the cameras up to {fastest}: long clips may lose frames, declared as \
             ring_overrun; see supervisor codecs",
            chosen.encoder
        );
    }
}

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

    /// Hardware first; else x264 at the best preset that keeps up.
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
            // The fastest is taken even if it is too slow: a clip with declared gaps is better than none.
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

    /// The rate of the slowest camera if all of them encode at once; or why it doesn't work.
    fn try_out(&self, choice: &EncoderChoice) -> Result<f64, String> {
        if ffmpeg::encoder::find_by_name(&choice.encoder).is_none() {
            return Err("not in this machine's libav".into());
        }
        if choice.encoder == "h264_vaapi" {
            return Err("needs frames in the device's own memory, which Preroll can't do yet".into());
        }
        // Hardware may have room for so many and no more.
        let tried: Vec<&Reel> = match HARDWARE.contains(&choice.encoder.as_str()) {
            true => self.reels.iter().collect(),
            false => a_few_of_each_kind(&self.reels, self.few),
        };
        let share = work(tried.iter().copied()) / work(&self.reels);
        std::thread::scope(|scope| {
            let trials: Vec<_> =
                tried.into_iter().map(|reel| scope.spawn(|| self.try_camera(choice, reel))).collect();
            let rates = trials.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("it panicked".into())));
            let rates = rates.collect::<Result<Vec<f64>, String>>()?;
            Ok(rates.into_iter().fold(f64::INFINITY, f64::min) * share)
        })
    }

    fn try_camera(&self, choice: &EncoderChoice, reel: &Reel) -> Result<f64, String> {
        let workshop = self.scratch.join(format!("{}-{}", choice.encoder, reel.camera.name));
        std::fs::create_dir_all(&workshop).map_err(|e| format!("can't write {}: {e}", workshop.display()))?;
        let result = rehearse(choice, reel, self.quality, &workshop);
        // In the runtime directory, which goes with the instance.
        let _ = std::fs::remove_dir_all(&workshop);
        result
    }
}

/// The first few reels of a camera's kind, counted.
fn some_of_its_kind<'a>(
    reels: &'a [Reel],
    camera: &CameraConfig,
    few: usize,
) -> impl Iterator<Item = (usize, &'a Reel)> {
    let (geometry, fps) = (camera.geometry, camera.fps);
    let alike = move |reel: &&Reel| reel.camera.geometry == geometry && reel.camera.fps == fps;
    reels.iter().filter(alike).take(few).enumerate()
}

fn a_few_of_each_kind(reels: &[Reel], few: usize) -> Vec<&Reel> {
    let is_one =
        |reel: &&Reel| some_of_its_kind(reels, &reel.camera, few).any(|(_, one)| std::ptr::eq(one, *reel));
    reels.iter().filter(is_one).collect()
}

/// What a frame of each costs together, by its bytes.
fn work<'a>(reels: impl IntoIterator<Item = &'a Reel>) -> f64 {
    whole(reels.into_iter().map(|reel| reel.camera.geometry.frame_bytes()).sum::<usize>().max(1))
}

#[expect(clippy::cast_precision_loss, reason = "the bytes of some frames, and a dozen pictures")]
fn whole(number: usize) -> f64 {
    number as f64
}

/// A whole little clip: encoded into a part, joined into the real container, decoded and compared.
fn rehearse(choice: &EncoderChoice, reel: &Reel, quality: u8, workshop: &Path) -> Result<f64, String> {
    let CameraConfig { name, geometry, fps, .. } = &reel.camera;
    let setup = EncoderSetup { choice: choice.clone(), geometry: *geometry, fps: *fps, quality };
    let header = PartHeader {
        choice: choice.clone(),
        base_ns: MonotonicNs(0),
        begun_because: PartReason::First,
        first_sequence: 1,
        previous: None,
    };
    let say = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
    let mut part =
        OpenPart::begin(workshop, name, 1, &setup, header, None).map_err(|e| say("does not open", &e))?;
    let start = Instant::now();
    for (n, picture) in (0_u64..).zip(&reel.pictures) {
        let moment = FrameInfo {
            sequence: n + 1,
            source_sequence: n,
            t_capture: MonotonicNs(fps.due_ns(n)),
            epoch: 1,
            before: LossBefore::Nothing,
        };
        let row = Row { moment, encoded: MonotonicNs(0) };
        part.add(Picture(Arc::clone(picture)), &row).map_err(|e| say("does not encode", &e))?;
    }
    let took = start.elapsed();
    part.finish().map_err(|e| say("does not encode", &e))?;
    let file = join(workshop, &reel.camera, choice.codec).map_err(|e| say("can't be put in its file", &e))?;
    compare(&file, reel).map_err(|e| say("does not decode", &e))?;
    Ok(whole(reel.pictures.len()) / took.as_secs_f64().max(1e-6))
}

fn join(workshop: &Path, camera: &CameraConfig, codec: Codec) -> Result<std::path::PathBuf, String> {
    let fps_milli = camera.fps.milli();
    let text = |e: std::io::Error| e.to_string();
    let parts = part::read_all(workshop, &camera.name).map_err(text)?;
    let part = parts.first().ok_or("the part holds no frame")?;
    let parameters = part.parameters(&camera.geometry).map_err(text)?.ok_or("the part can't be read")?;
    let path = workshop.join(format!("probe{}", codec.extension()));
    let mut writer = VideoWriter::create(&path, container::layout(codec, fps_milli), parameters, || ())
        .map_err(|e| e.to_string())?;
    part.each_packet(|_, packet| writer.write(packet, 1_000_000_000 / i64::from(fps_milli)))
        .map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(path)
}

/// Every picture must come back, in order, and look like itself.
fn compare(file: &Path, reel: &Reel) -> Result<(), String> {
    let text = |e: ffmpeg::Error| e.to_string();
    let mut input = ffmpeg::format::input(file).map_err(text)?;
    let stream = input.streams().best(media::Type::Video).ok_or("no video in the file")?;
    let mut decoder = codec::Context::from_parameters(stream.parameters())
        .and_then(|c| c.decoder().video())
        .map_err(text)?;
    let mut seen = 0;
    let mut frame = frame::Video::empty();
    let mut check = |frame: &frame::Video| {
        let original = reel.pictures.get(seen).ok_or("more pictures came back than went in")?;
        let error = mean_error(frame, original, &reel.camera.geometry);
        seen += 1;
        if error > MAX_MEAN_ERROR { Err(format!("picture {seen} came back as another one")) } else { Ok(()) }
    };
    for (_, packet) in input.packets() {
        decoder.send_packet(&packet).map_err(text)?;
        while decoder.receive_frame(&mut frame).is_ok() {
            check(&frame)?;
        }
    }
    decoder.send_eof().map_err(text)?;
    while decoder.receive_frame(&mut frame).is_ok() {
        check(&frame)?;
    }
    if seen == reel.pictures.len() {
        Ok(())
    } else {
        Err(format!("{seen} of {} pictures came back", reel.pictures.len()))
    }
}

/// The mean difference in brightness, on a grid: a picture need not be read whole to be recognised.
fn mean_error(frame: &frame::Video, original: &[u8], geometry: &Geometry) -> f64 {
    const STEP: usize = 8;
    let plane = geometry.planes()[0];
    let pixel_bytes = plane.row_bytes / (geometry.width() as usize).max(1);
    let full_range = frame.format() == Pixel::YUVJ420P;
    let (mut sum, mut count) = (0.0, 0.0);
    for y in (0..geometry.height() as usize).step_by(STEP) {
        let line = plane.row(original, y);
        for x in (0..geometry.width() as usize).step_by(STEP) {
            let at = x * pixel_bytes;
            let was = match pixel_bytes {
                // BGR: Rec. 601 weights, in video range as the encoder gets it.
                3 => {
                    let [b, g, r] = [line[at], line[at + 1], line[at + 2]].map(f64::from);
                    16.0 + (0.098 * b + 0.504 * g + 0.257 * r)
                }
                _ => f64::from(line[at]),
            };
            let came = f64::from(frame.data(0).get(y * frame.stride(0) + x).copied().unwrap_or(0));
            let came = if full_range { 16.0 + came * 219.0 / 255.0 } else { came };
            sum += (was - came).abs();
            count += 1.0;
        }
    }
    sum / f64::max(count, 1.0)
}

/// The newest pictures of a camera, or noise where it has none yet.
fn pictures(camera: &CameraConfig, ring: Option<&Arc<Ring>>) -> Vec<Arc<Vec<u8>>> {
    let mut pictures = Vec::new();
    if let Some(ring) = ring {
        let reader = ring.reader(reader_bit());
        let until = Instant::now() + PICTURE_PATIENCE;
        let mut seen = 0;
        while pictures.len() < PICTURES
            && ring.wait_newer(seen, until.saturating_duration_since(Instant::now()))
        {
            // Pictures of the ring as it stands, oldest first: no need to wait for new ones.
            seen = if seen == 0 { ring.oldest().map_or(ring.head(), |m| m.sequence) } else { seen + 1 };
            if let Ok(lease) = reader.lease(seen) {
                pictures.push(Arc::new(lease.bytes().to_vec()));
            }
        }
    }
    if pictures.is_empty() {
        tracing::warn!("camera {}: no picture yet; codecs are probed with noise", camera.name);
        let bytes = camera.geometry.frame_bytes();
        pictures.extend((0..PICTURES).map(|n| Arc::new(noise(bytes, n))));
    }
    pictures
}

/// Soft noise: harder to encode than any scene, so what keeps up with it keeps up.
fn noise(bytes: usize, n: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32.wrapping_add(u32::try_from(n).unwrap_or(0));
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        64 + u8::try_from(state >> 26).unwrap_or(0)
    };
    (0..bytes).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_cameras_a_few_of_each_kind_are_tried() {
        let mut text = "camera: { backend: sim, width: 320, height: 192, fps: 60 }\ncameras:\n".to_owned();
        for n in 0..20 {
            text += &format!("  - {{ name: fast{n} }}\n  - {{ name: slow{n}, fps: 30 }}\n");
        }
        text += "  - { name: large, width: 640, height: 360 }\n";
        let config = Config::parse(Path::new("many.yaml"), &text).unwrap();
        let reel = |camera: &CameraConfig| Reel { camera: camera.clone(), pictures: Vec::new() };
        let reels: Vec<Reel> = config.cameras.iter().map(reel).collect();
        let tried: Vec<&str> =
            a_few_of_each_kind(&reels, 8).into_iter().map(|reel| reel.camera.name.as_str()).collect();
        let of = |kind: &str| tried.iter().filter(|name| name.starts_with(kind)).count();
        assert_eq!((of("fast"), of("slow"), of("large")), (8, 8, 1), "{tried:?}");
        assert_eq!(a_few_of_each_kind(&reels[..6], 8).len(), 6, "a few are all of them");
        // 20 at 60 and 20 at 30 fps of 320x192, and one of 640x360: by bytes, not by heads.
        let small = 320.0 * 192.0 * 1.5;
        assert!((work(&reels) - (40.0 * small + 640.0 * 360.0 * 1.5)).abs() < 1.0);
    }

    #[test]
    fn what_was_too_slow_is_not_taken_back_by_somebody_who_has_not_heard_of_it() {
        let choice = |codec, encoder: &str, preset: Option<&str>| EncoderChoice {
            codec,
            encoder: encoder.into(),
            preset: preset.map(Into::into),
        };
        let chain = |preset| {
            let chain =
                vec![choice(Codec::H264, "libx264", Some(preset)), choice(Codec::Mjpg, "mjpeg", None)];
            EncoderLadder { chain, ..EncoderLadder::default() }
        };
        assert_eq!(merged(chain("medium"), &chain("ultrafast")), chain("ultrafast"));
        assert_eq!(merged(chain("medium"), &chain("medium")), chain("medium"));
        // Somebody else has hurried, or has given H264 up.
        assert_eq!(merged(chain("ultrafast"), &chain("medium")), chain("ultrafast"));
        let mut mjpg_alone = chain("medium");
        mjpg_alone.chain.remove(0);
        assert_eq!(merged(mjpg_alone.clone(), &chain("ultrafast")), mjpg_alone);
    }
}
