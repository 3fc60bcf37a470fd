//! From what was typed to what is meant.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_saphyr::{Location, Spanned};

use super::raw::{RawCamera, RawConfig, RawFaults, RawRecording, RawSource, Typed};
use super::{
    Backend, CameraConfig, Config, Episode, FileConfig, Key, Mistake, OpencvConfig, RecordingConfig,
    SimConfig, SimFaults,
};
use crate::codec::Codec;
use crate::frame::{Fps, Geometry, PixelFormat};
use crate::name::Name;
use crate::ring::RingSize;

/// A stamp has one byte for the camera's index.
const MAX_CAMERAS: usize = 256;
/// What a frame stamp covers, in pixels: a simulated camera's frame can't be smaller.
const STAMP_SIZE: (u32, u32) = (256, 64);
/// A pre-roll beyond this fits no memory; the number only keeps arithmetic and mistakes in bounds.
const MAX_SPAN_MS: u64 = 24 * 3600 * 1000;
/// Every backend's name.
const BACKENDS: [&str; 3] = ["sim", "file", "opencv"];
/// What stays free for the rest of the system when nobody says otherwise: enough for a person to log in and for the
/// system to log why, and small beside any disk that clips are recorded on.
const MIN_FREE_BYTES: u64 = 64 << 20;
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
        self.defaults(all)?;
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
        let rig = match &raw.rig {
            Some(typed) => self.name(typed, "rig")?,
            None => Name::of_host(),
        };
        Ok(Config { source: self.path.to_owned(), rig, cameras, recording })
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
        let (height, height_at) = value_or(&own.height, &all.height, 720, here);
        let fps = own.fps.as_ref().or(all.fps.as_ref());
        let format = match own.pixel_format.as_ref().or(all.pixel_format.as_ref()) {
            None => PixelFormat::I420,
            Some(typed) => self.pixel_format(typed)?,
        };
        let geometry = match Geometry::new(width, height, format) {
            Ok(geometry) => geometry,
            Err(e) => {
                // With a height that every format takes: is it the width?
                let width_alone = Geometry::new(width, 2, format);
                let place = if width_alone.is_err() { width_at } else { height_at };
                return self.wrong(place, format!("camera {name}: {e}"));
            }
        };
        self.only_its_own_keys(own, &backend_typed.value.to_ascii_lowercase())?;
        let mut rate = fps.map_or(Ok(60.0), |typed| self.fps(typed))?;
        let backend = match backend_typed.value.to_ascii_lowercase().as_str() {
            "sim" => {
                if width < STAMP_SIZE.0 || height < STAMP_SIZE.1 {
                    let (w, h) = STAMP_SIZE;
                    let place = if width < w { width_at } else { height_at };
                    let message = format!(
                        "camera {name}: a simulated camera's frame must be at least {w}x{h}, the size of its stamp"
                    );
                    return self.wrong(place, message);
                }
                if let Some(typed) = own.speed.as_ref().or(all.speed.as_ref()) {
                    rate *= self.speed(typed)?;
                    if Fps::new(rate).is_none() {
                        let message = format!(
                            "speed: camera {name} would make {rate} frames a second; it has to be more than 0 and at most {}",
                            Fps::MAX
                        );
                        return self.wrong(typed.referenced, message);
                    }
                }
                let faults = match own.faults.as_ref().or(all.faults.as_ref()) {
                    Some(typed) => self.faults(typed)?,
                    None => SimFaults::default(),
                };
                let truth_log = own.truth_log.as_ref().map(|typed| self.path(typed, "truth_log"));
                let truth_log = truth_log.transpose()?;
                Backend::Sim(SimConfig { truth_log, faults })
            }
            "file" => {
                let Some(path) = own.path.as_ref() else {
                    return self
                        .wrong(here, format!("path: camera {name} plays a file: name it, path: FILE"));
                };
                Backend::File(FileConfig {
                    path: self.path(path, "path")?,
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
                    RawSource::Text(text) if text.is_empty() || text.contains('\0') => {
                        return self.wrong(source.referenced, "source: it is empty, or holds a zero byte");
                    }
                    RawSource::Text(text) => text.clone(),
                };
                Backend::Opencv(OpencvConfig {
                    source,
                    scale: value_or(&own.scale, &all.scale, false, here).0,
                })
            }
            _ => return self.no_backend(backend_typed),
        };
        let Some(fps) = Fps::new(rate) else {
            return self.wrong(here, format!("camera {name}: {rate} is no number of frames a second"));
        };
        Ok(CameraConfig { name, index, geometry, fps, backend })
    }

    /// The defaults one by one: a mistake in one that no camera takes is a mistake all the same. Whether they fit
    /// together is each camera's matter.
    fn defaults(&self, all: &RawCamera) -> Result<(), Mistake> {
        for (key, side) in [("width", &all.width), ("height", &all.height)] {
            if let Some(side) =
                side.as_ref().filter(|s| Geometry::new(s.value, 1, PixelFormat::GRAY8).is_err())
            {
                let message = format!("{key}: {} is no picture's {key}", side.value);
                return self.wrong(side.referenced, message);
            }
        }
        all.fps.as_ref().map_or(Ok(0.0), |typed| self.fps(typed))?;
        all.speed.as_ref().map_or(Ok(0.0), |typed| self.speed(typed))?;
        all.faults.as_ref().map_or(Ok(SimFaults::default()), |typed| self.faults(typed))?;
        if let Some(typed) = &all.pixel_format {
            self.pixel_format(typed)?;
        }
        match &all.backend {
            Some(typed) if !BACKENDS.contains(&typed.value.to_ascii_lowercase().as_str()) => {
                self.no_backend(typed)
            }
            _ => Ok(()),
        }
    }

    fn no_backend<T>(&self, typed: &Spanned<String>) -> Result<T, Mistake> {
        let message = format!("backend: {:?} is not one of {}", typed.value, BACKENDS.join(", "));
        self.wrong(typed.referenced, message)
    }

    fn pixel_format(&self, typed: &Spanned<String>) -> Result<PixelFormat, Mistake> {
        PixelFormat::from_name(&typed.value).map_or_else(
            || {
                let message =
                    format!("pixel_format: {:?} is not one of I420, NV12, YUYV, GRAY8, BGR24", typed.value);
                self.wrong(typed.referenced, message)
            },
            Ok,
        )
    }

    fn fps(&self, typed: &Spanned<f64>) -> Result<f64, Mistake> {
        if Fps::new(typed.value).is_some() {
            return Ok(typed.value);
        }
        let message = format!("fps: {} is not more than 0 and at most {}", typed.value, Fps::MAX);
        self.wrong(typed.referenced, message)
    }

    fn speed(&self, typed: &Spanned<f64>) -> Result<f64, Mistake> {
        if typed.value > 0.0 && typed.value <= 1000.0 {
            return Ok(typed.value);
        }
        self.wrong(typed.referenced, "speed: must be more than 0 and at most 1000")
    }

    fn path(&self, typed: &Spanned<String>, key: &str) -> Result<PathBuf, Mistake> {
        if typed.value.is_empty() || typed.value.contains('\0') {
            return self.wrong(typed.referenced, format!("{key}: it is empty, or holds a zero byte"));
        }
        Ok(PathBuf::from(&typed.value))
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
        if let Some(every) = raw.drop_every.as_ref().filter(|every| every.value == 0) {
            return self.wrong(every.referenced, "drop_every: must be at least 1");
        }
        let frames = |typed: &Typed<u64>| typed.as_ref().map(|t| t.value);
        let episode = |what: &str, after_frames: &Typed<u64>, ms: &Typed<u64>| {
            let key = format!("{what}_ms");
            match (after_frames, ms) {
                (None, Some(ms)) => {
                    self.wrong(ms.referenced, format!("{key}: needs {what}_after_frames too"))
                }
                (None, None) => Ok(None),
                (Some(after), None) => Ok(Some(Episode { after_frames: after.value, ms: None })),
                (Some(after), Some(_)) => {
                    Ok(Some(Episode { after_frames: after.value, ms: Some(self.span_ms(ms, &key, 0)?) }))
                }
            }
        };
        let stall = episode("stall", &raw.stall_after_frames, &raw.stall_ms)?;
        Ok(SimFaults {
            crash_after_frames: frames(&raw.crash_after_frames),
            stall_after_frames: stall.map(|s| s.after_frames),
            stall_ms: stall.and_then(|s| s.ms),
            unplug: episode("unplug", &raw.unplug_after_frames, &raw.unplug_ms)?,
            freeze: episode("freeze", &raw.freeze_after_frames, &raw.freeze_ms)?,
            black: episode("black", &raw.black_after_frames, &raw.black_ms)?,
            resize: episode("resize", &raw.resize_after_frames, &raw.resize_ms)?,
            drop_every: frames(&raw.drop_every),
            jitter_ms: self.span_ms(&raw.jitter_ms, "jitter_ms", 0)?,
            slow_start_ms: self.span_ms(&raw.slow_start_ms, "slow_start_ms", 0)?,
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
        if let Some(typed) = &raw.session {
            let message =
                "session: this key is called run_name now: it is the name that run folders begin with";
            return self.wrong(typed.referenced, message);
        }
        let run_name = match &raw.run_name {
            Some(typed) => self.name(typed, "run_name")?,
            None => Name::default_run(),
        };
        let output_dir = raw.output_dir.as_ref().map(|typed| self.path(typed, "output_dir")).transpose()?;
        Ok(RecordingConfig {
            output_dir: output_dir.unwrap_or_else(|| "recordings".into()),
            run_name,
            pre_roll_ms: self.span_ms(&raw.pre_roll_ms, "pre_roll_ms", 500)?,
            post_roll_ms: self.span_ms(&raw.post_roll_ms, "post_roll_ms", 500)?,
            reserve_ms: self.span_ms(&raw.reserve_ms, "reserve_ms", 250)?,
            preferred_codec,
            codec_quality: raw.codec_quality.as_ref().map_or(23, |q| q.value),
            preset,
            max_open_clips: raw.max_open_clips.as_ref().map_or(4, |m| m.value),
            standby_recorder: raw.standby_recorder.as_ref().is_none_or(|s| s.value),
            min_free_bytes: raw.min_free_bytes.as_ref().map_or(MIN_FREE_BYTES, |m| m.value),
        })
    }
}

/// Where a key of a camera's own entry or of `recording` stands: for a mistake that shows only when the config is
/// tried out. `None` when it isn't typed there, or the text is not what was checked any more.
pub(super) fn place(text: &str, key: Key<'_>) -> Option<Location> {
    let raw: RawConfig = serde_saphyr::from_str(text).ok()?;
    let camera = |name: &Name| {
        let is_it = |c: &&Spanned<RawCamera>| c.value.name.as_ref().is_some_and(|n| n.value == name.as_str());
        raw.cameras.value.iter().find(is_it).map(|c| &c.value)
    };
    match key {
        Key::Path(name) => at(&camera(name)?.path),
        Key::Source(name) => at(&camera(name)?.source),
        Key::Cameras => Some(raw.cameras.referenced),
        Key::PreRoll => at(&raw.recording.pre_roll_ms),
        Key::OutputDir => at(&raw.recording.output_dir),
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
                format!("cameras:\n  - {{ name: left, backend: sim, faults: {{ {faults} }} }}\n")
            };
            refused(&faults(&format!("{what}_ms: ¦5")), &format!("{what}_ms: needs {what}_after_frames too"));
            let long = format!("{what}_after_frames: 1, {what}_ms: ¦86400001");
            refused(&faults(&long), "more than a day");
            let good = faults(&format!("{what}_after_frames: 1, {what}_ms: 86400000"));
            assert!(parse(&good).is_ok(), "{what}");
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
        refused(&format!("{sim}recording: {{ min_free_bytes: ¦64M }}\n"), "it takes bytes");
        refused(&format!("{sim}recording: {{ min_free_bytes: ¦-1 }}\n"), "it takes bytes");
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
