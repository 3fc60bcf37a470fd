//! From what was typed to what is meant.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_saphyr::{Location, Spanned};

use super::raw::{RawCamera, RawConfig, RawFaults, RawRecording, RawSource, Typed};
use super::{
    Backend, CameraConfig, Config, Episode, FileConfig, Mistake, OpencvConfig, RecordingConfig, SimConfig,
    SimFaults,
};
use crate::clip::Codec;
use crate::frame::{Fps, Geometry, PixelFormat};
use crate::name::Name;
use crate::ring::RingSize;

/// A stamp has one byte for the camera's index.
const MAX_CAMERAS: usize = 256;
/// What a frame stamp covers, in pixels: a simulated camera's frame can't be smaller.
const STAMP_SIZE: (u32, u32) = (256, 64);
/// A pre-roll beyond this fits no memory; the number only keeps arithmetic and mistakes in bounds.
const MAX_SPAN_MS: u64 = 24 * 3600 * 1000;
/// The presets that x264 has, fastest first.
pub(crate) const X264_PRESETS: [&str; 9] =
    ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"];

pub(super) fn config(path: &Path, text: &str) -> Result<Config, Mistake> {
    let raw: RawConfig = serde_saphyr::from_str(text).map_err(|e| Mistake::syntax(path, text, &e))?;
    Checker { path, text }.config(&raw)
}

struct Checker<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Checker<'_> {
    fn wrong<T>(&self, at: Location, message: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake::at(self.path, self.text, at, message))
    }

    fn config(&self, raw: &RawConfig) -> Result<Config, Mistake> {
        let recording = self.recording(&raw.recording)?;
        let list = &raw.cameras.value;
        if list.is_empty() {
            return self.wrong(raw.cameras.referenced, "cameras: there must be at least one");
        }
        if list.len() > MAX_CAMERAS {
            return self.wrong(raw.cameras.referenced, format!("cameras: at most {MAX_CAMERAS}"));
        }
        let all = &raw.camera;
        let own_keys = [
            ("name", at(&all.name)),
            ("path", at(&all.path)),
            ("source", at(&all.source)),
            ("truth_log", at(&all.truth_log)),
        ];
        for (key, place) in own_keys {
            if let Some(place) = place {
                return self.wrong(
                    place,
                    format!("{key}: each camera needs its own; it can't be a default for all of them"),
                );
            }
        }
        let mut cameras: Vec<CameraConfig> = Vec::new();
        let mut seen: HashMap<Name, Location> = HashMap::new();
        for (index, typed) in list.iter().enumerate() {
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            let camera = self.camera(typed, &raw.camera, index)?;
            let at = typed.value.name.as_ref().map_or(typed.referenced, |n| n.referenced);
            if let Some(first) = seen.insert(camera.name.clone(), at) {
                let message = format!(
                    "name: there is a camera {} already, on line {}; each needs its own",
                    camera.name,
                    first.line()
                );
                return self.wrong(at, message);
            }
            let size = RingSize::for_camera(recording.pre_roll_ms, recording.reserve_ms, camera.fps);
            if size.is_none() {
                let message = format!(
                    "camera {}: a pre-roll of {} ms at {} fps is more frames than any ring can hold",
                    camera.name, recording.pre_roll_ms, camera.fps
                );
                return self.wrong(at, message);
            }
            cameras.push(camera);
        }
        Ok(Config { source: self.path.to_owned(), cameras, recording })
    }

    fn camera(
        &self,
        typed: &Spanned<RawCamera>,
        all: &RawCamera,
        index: u8,
    ) -> Result<CameraConfig, Mistake> {
        let (own, here) = (&typed.value, typed.referenced);
        let Some(name) = &own.name else {
            return self.wrong(here, "name: every camera needs one, such as { name: left, backend: sim }");
        };
        let name_at = name.referenced;
        let name = self.name(name, "name")?;
        if name.as_str() == "recorder" {
            return self.wrong(
                name_at,
                "name: `recorder` is the recorder's own name, in `supervisor restart recorder`",
            );
        }
        let Some(backend_typed) = own.backend.as_ref().or(all.backend.as_ref()) else {
            return self.wrong(here, format!("backend: camera {name} needs one of sim, file, opencv"));
        };
        let (width, width_at) = value_or(&own.width, &all.width, 1280, here);
        let (height, _) = value_or(&own.height, &all.height, 720, here);
        let (fps, fps_at) = value_or(&own.fps, &all.fps, 60.0, here);
        let format = match own.pixel_format.as_ref().or(all.pixel_format.as_ref()) {
            None => PixelFormat::I420,
            Some(typed) => match PixelFormat::from_name(&typed.value) {
                Some(format) => format,
                None => {
                    let message = format!(
                        "pixel_format: {:?} is not one of I420, NV12, YUYV, GRAY8, BGR24",
                        typed.value
                    );
                    return self.wrong(typed.referenced, message);
                }
            },
        };
        let geometry = match Geometry::new(width, height, format) {
            Ok(geometry) => geometry,
            Err(e) => return self.wrong(width_at, format!("camera {name}: {e}")),
        };
        self.only_its_own_keys(own, &backend_typed.value.to_ascii_lowercase())?;
        let mut speed = 1.0;
        let backend = match backend_typed.value.to_ascii_lowercase().as_str() {
            "sim" => {
                if width < STAMP_SIZE.0 || height < STAMP_SIZE.1 {
                    let (w, h) = STAMP_SIZE;
                    let message = format!(
                        "camera {name}: a simulated camera's frame must be at least {w}x{h}, the size of its stamp"
                    );
                    return self.wrong(width_at, message);
                }
                if let Some(typed) = own.speed.as_ref().or(all.speed.as_ref()) {
                    speed = typed.value;
                    if !(speed > 0.0 && speed <= 1000.0) {
                        return self.wrong(typed.referenced, "speed: must be more than 0 and at most 1000");
                    }
                }
                let faults = match own.faults.as_ref().or(all.faults.as_ref()) {
                    Some(typed) => self.faults(typed)?,
                    None => SimFaults::default(),
                };
                let truth_log = own.truth_log.as_ref().map(|typed| PathBuf::from(&typed.value));
                Backend::Sim(SimConfig { truth_log, faults })
            }
            "file" => {
                let Some(path) = own.path.as_ref() else {
                    return self
                        .wrong(here, format!("path: camera {name} plays a file: name it, path: FILE"));
                };
                Backend::File(FileConfig {
                    path: PathBuf::from(&path.value),
                    looping: value_or(&own.looping, &all.looping, false, here).0,
                    realtime: value_or(&own.realtime, &all.realtime, true, here).0,
                    scale: value_or(&own.scale, &all.scale, false, here).0,
                })
            }
            "opencv" => {
                let Some(source) = own.source.as_ref() else {
                    let message = format!(
                        "source: camera {name} needs a device's number, a URL, a file or a GStreamer pipeline"
                    );
                    return self.wrong(here, message);
                };
                let source = match &source.value {
                    RawSource::Number(n) => n.to_string(),
                    RawSource::Text(text) => text.clone(),
                };
                Backend::Opencv(OpencvConfig {
                    source,
                    scale: value_or(&own.scale, &all.scale, false, here).0,
                })
            }
            other => {
                let message = format!("backend: {other:?} is not one of sim, file, opencv");
                return self.wrong(backend_typed.referenced, message);
            }
        };
        let Some(fps) = Fps::new(fps * speed) else {
            let message = format!("fps: camera {name}: {fps} is not more than 0 and at most {}", Fps::MAX);
            return self.wrong(fps_at, message);
        };
        Ok(CameraConfig { name, index, geometry, fps, backend })
    }

    /// A key of another backend is a mistake that would otherwise pass in silence.
    fn only_its_own_keys(&self, own: &RawCamera, backend: &str) -> Result<(), Mistake> {
        let keys: [(&str, Option<Location>, &[&str]); 7] = [
            ("truth_log", at(&own.truth_log), &["sim"]),
            ("speed", at(&own.speed), &["sim"]),
            ("faults", at(&own.faults), &["sim"]),
            ("path", at(&own.path), &["file"]),
            ("loop", at(&own.looping), &["file"]),
            ("realtime", at(&own.realtime), &["file"]),
            ("source", at(&own.source), &["opencv"]),
        ];
        let scale = ("scale", at(&own.scale), ["file", "opencv"].as_slice());
        for (key, place, backends) in keys.into_iter().chain([scale]) {
            if let Some(place) = place.filter(|_| !backends.contains(&backend)) {
                let whose = backends.join(" and ");
                return self.wrong(place, format!("{key}: a key of {whose} cameras; this one is {backend}"));
            }
        }
        Ok(())
    }

    fn faults(&self, typed: &Spanned<RawFaults>) -> Result<SimFaults, Mistake> {
        let raw = &typed.value;
        if raw.drop_every == Some(0) {
            return self.wrong(typed.referenced, "drop_every: must be at least 1");
        }
        let long = |ms: Option<u64>| ms > Some(MAX_SPAN_MS);
        if long(Some(raw.jitter_ms)) || long(Some(raw.slow_start_ms)) {
            return self.wrong(typed.referenced, "faults: a time of more than a day");
        }
        let episode = |what: &str, after_frames: Option<u64>, ms: Option<u64>| {
            if after_frames.is_none() && ms.is_some() {
                return self.wrong(typed.referenced, format!("{what}_ms: needs {what}_after_frames too"));
            }
            if long(ms) {
                return self.wrong(typed.referenced, format!("{what}_ms: a time of more than a day"));
            }
            Ok(after_frames.map(|after_frames| Episode { after_frames, ms }))
        };
        episode("stall", raw.stall_after_frames, raw.stall_ms)?;
        Ok(SimFaults {
            crash_after_frames: raw.crash_after_frames,
            stall_after_frames: raw.stall_after_frames,
            stall_ms: raw.stall_ms,
            unplug: episode("unplug", raw.unplug_after_frames, raw.unplug_ms)?,
            freeze: episode("freeze", raw.freeze_after_frames, raw.freeze_ms)?,
            black: episode("black", raw.black_after_frames, raw.black_ms)?,
            resize: episode("resize", raw.resize_after_frames, raw.resize_ms)?,
            drop_every: raw.drop_every,
            jitter_ms: raw.jitter_ms,
            slow_start_ms: raw.slow_start_ms,
        })
    }

    fn name(&self, typed: &Spanned<String>, key: &str) -> Result<Name, Mistake> {
        Name::new(&typed.value).or_else(|e| self.wrong(typed.referenced, format!("{key}: {e}")))
    }

    fn span_ms(&self, typed: &Typed<u64>, key: &str, default: u64) -> Result<u64, Mistake> {
        match typed {
            Some(ms) if ms.value > MAX_SPAN_MS => {
                self.wrong(ms.referenced, format!("{key}: {} ms is more than a day", ms.value))
            }
            Some(ms) => Ok(ms.value),
            None => Ok(default),
        }
    }

    fn recording(&self, raw: &RawRecording) -> Result<RecordingConfig, Mistake> {
        let preferred_codec = match &raw.preferred_codec {
            Some(typed) if !typed.value.eq_ignore_ascii_case("auto") => {
                match Codec::from_name(&typed.value) {
                    Some(codec) => Some(codec),
                    None => {
                        let message = format!(
                            "preferred_codec: {:?} is not one of auto, H264, avc1, XVID, MP4V, MJPG",
                            typed.value
                        );
                        return self.wrong(typed.referenced, message);
                    }
                }
            }
            _ => None,
        };
        let preset = match &raw.preset {
            Some(typed) if typed.value != "auto" => {
                if !X264_PRESETS.contains(&typed.value.as_str()) {
                    let message = format!(
                        "preset: {:?} is not auto or one of {}",
                        typed.value,
                        X264_PRESETS.join(", ")
                    );
                    return self.wrong(typed.referenced, message);
                }
                Some(typed.value.clone())
            }
            _ => None,
        };
        if let Some(quality) = raw.codec_quality.as_ref().filter(|q| q.value > 51) {
            let message = format!("codec_quality: {} is no CRF; it takes 0 (best) to 51", quality.value);
            return self.wrong(quality.referenced, message);
        }
        if let Some(max) = raw.max_open_clips.as_ref().filter(|m| !(1..=64).contains(&m.value)) {
            return self.wrong(max.referenced, "max_open_clips: must be 1 to 64");
        }
        let session = match &raw.session {
            Some(typed) => self.name(typed, "session")?,
            None => Name::new("session")
                .map_err(|e| Mistake::at(self.path, self.text, Location::UNKNOWN, e.to_string()))?,
        };
        if let Some(dir) = raw.output_dir.as_ref().filter(|d| d.value.is_empty()) {
            return self.wrong(dir.referenced, "output_dir: must name a folder");
        }
        Ok(RecordingConfig {
            output_dir: raw.output_dir.as_ref().map_or("recordings", |d| d.value.as_str()).into(),
            session,
            pre_roll_ms: self.span_ms(&raw.pre_roll_ms, "pre_roll_ms", 500)?,
            post_roll_ms: self.span_ms(&raw.post_roll_ms, "post_roll_ms", 500)?,
            reserve_ms: self.span_ms(&raw.reserve_ms, "reserve_ms", 250)?,
            preferred_codec,
            codec_quality: raw.codec_quality.as_ref().map_or(23, |q| q.value),
            preset,
            max_open_clips: raw.max_open_clips.as_ref().map_or(4, |m| m.value),
            standby_recorder: raw.standby_recorder.as_ref().is_none_or(|s| s.value),
        })
    }
}

fn at<T>(typed: &Typed<T>) -> Option<Location> {
    typed.as_ref().map(|t| t.referenced)
}

fn value_or<T: Clone>(own: &Typed<T>, all: &Typed<T>, default: T, here: Location) -> (T, Location) {
    match own.as_ref().or(all.as_ref()) {
        Some(typed) => (typed.value.clone(), typed.referenced),
        None => (default, here),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Mistake> {
        config(Path::new("test.yaml"), text)
    }

    /// The mistake is expected where the mark ¦ stands.
    #[track_caller]
    fn refused(marked: &str, says: &str) {
        let before = marked.split('¦').next().unwrap();
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        let mistake = parse(&marked.replace('¦', "")).unwrap_err();
        let shown = mistake.to_string();
        assert_eq!((mistake.line(), mistake.column()), (Some(line), Some(column)), "{shown}");
        assert!(shown.contains(says), "{shown}");
        assert!(shown.contains('^'), "{shown}");
    }

    #[test]
    fn an_episode_needs_a_beginning_and_lasts_a_day_at_most() {
        for what in ["stall", "unplug", "freeze", "black", "resize"] {
            let faults = |faults: &str| {
                format!("cameras:\n  - {{ name: left, backend: sim, faults: ¦{{ {faults} }} }}\n")
            };
            refused(&faults(&format!("{what}_ms: 5")), &format!("{what}_ms: needs {what}_after_frames too"));
            let long = format!("{what}_after_frames: 1, {what}_ms: 86400001");
            refused(&faults(&long), "a time of more than a day");
            let good = faults(&format!("{what}_after_frames: 1, {what}_ms: 86400000"));
            assert!(parse(&good.replace('¦', "")).is_ok(), "{what}");
        }
    }

    #[test]
    fn two_lines_are_a_config() {
        let config = parse("cameras:\n  - { name: left, backend: sim }\n").unwrap();
        let camera = &config.cameras[0];
        assert_eq!(camera.geometry.to_string(), "1280x720 I420");
        assert_eq!((camera.fps, camera.index), (Fps::new(60.0).unwrap(), 0));
        assert_eq!(config.recording.pre_roll_ms, 500);
        assert_eq!(config.ring_spec(camera).unwrap().size.pre_roll_slots, 36);
    }

    #[test]
    fn a_camera_overrides_the_defaults() {
        let text = "camera: { fps: 25, width: 640, height: 480 }\ncameras:\n  - { name: a, backend: sim, fps: 30 }\n  - { name: b, backend: file, path: x.mp4, loop: true }\n";
        let config = parse(text).unwrap();
        assert_eq!(config.cameras[0].fps, Fps::new(30.0).unwrap());
        assert_eq!(config.cameras[1].fps, Fps::new(25.0).unwrap());
        let Backend::File(file) = &config.cameras[1].backend else { panic!("not a file") };
        assert!(file.looping && file.realtime && !file.scale);
    }

    #[test]
    fn every_mistake_is_shown_where_it_stands() {
        let sim = "cameras: [{ name: a, backend: sim }]\n";
        refused("cameras:\n  - { name: a, backend: sim, ¦fsp: 60 }\n", "unknown field `fsp`");
        refused("cameras:\n  - { name: a, backend: sim, fps: ¦sixty }\n", "fps: ");
        refused("cameras:\n  - { name: a, backend: sim, fps: ¦0 }\n", "is not more than 0");
        refused("cameras:\n  - { name: a, backend: sim, fps: ¦.nan }\n", "is not more than 0");
        refused("cameras:\n  - { name: a, backend: sim, fps: ¦-60 }\n", "is not more than 0");
        refused("cameras:\n  - { name: a, backend: sim, width: ¦-4 }\n", "it takes pixels");
        refused("cameras:\n  - { name: a, backend: sim, width: ¦1281 }\n", "must be even");
        refused("cameras:\n  - { name: a, backend: sim, width: ¦99999999 }\n", "no picture size");
        refused("cameras:\n  - { name: a, backend: sim, width: ¦128, height: 32 }\n", "size of its stamp");
        refused(
            "cameras:\n  - { name: a, backend: sim }\n  - { name: ¦a, backend: sim }\n",
            "already, on line 2",
        );
        refused("cameras:\n  - { name: ¦../a, backend: sim }\n", "can't be a name");
        refused("cameras:\n  - { name: a, backend: ¦usb }\n", "not one of sim, file, opencv");
        refused("cameras:\n  - { name: a, backend: sim, path: ¦x }\n", "a key of file cameras");
        refused("cameras:\n  - ¦{ name: a, backend: file }\n", "plays a file: name it");
        refused("cameras:\n  - { name: a, ¦name: b, backend: sim }\n", "duplicate");
        refused("camera: { path: ¦x }\ncameras: [{ name: a, backend: sim }]\n", "can't be a default");
        refused("cameras: ¦[]\n", "at least one");
        refused("¦recording: {}\n", "missing field `cameras`");
        refused(&format!("{sim}recording: {{ codec_quality: ¦52 }}\n"), "0 (best) to 51");
        refused(&format!("{sim}recording: {{ codec_quality: ¦high }}\n"), "a whole number from 0 to 51");
        refused(&format!("{sim}recording: {{ preferred_codec: ¦VP9 }}\n"), "not one of auto");
        refused(&format!("{sim}recording: {{ preset: ¦turbo }}\n"), "not auto or one of");
        refused(&format!("{sim}recording: {{ pre_roll_ms: ¦1e30 }}\n"), "milliseconds");
        refused(&format!("{sim}recording: {{ pre_roll_ms: ¦99999999999 }}\n"), "more than a day");
    }

    #[test]
    fn an_empty_file_and_a_missing_one_say_so() {
        assert!(parse("").unwrap_err().to_string().contains("it is empty"));
        let missing = Config::load(Path::new("/nonexistent/x.yaml")).unwrap_err().to_string();
        assert!(missing.contains("x.yaml") && missing.contains("No such file"), "{missing}");
    }

    #[test]
    fn a_pre_roll_beyond_any_ring_is_refused() {
        let text =
            "cameras: [{ name: ¦a, backend: sim, fps: 10000 }]\nrecording: { pre_roll_ms: 86400000 }\n";
        refused(text, "more frames than any ring");
    }
}
