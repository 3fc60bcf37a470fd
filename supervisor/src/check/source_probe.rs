//! A look at every camera's source before anything runs: a mistake in a path is found here and not in a capture's log. A
//! source that can never work is refused; one that isn't there yet, such as a camera that isn't plugged in, is a warning.
//! No device, pipe or URL is opened: what live cameras give is asked in [`super::offers`].

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use proto::clip::untold;
use proto::codec::Codec;
use proto::config::{self, Backend, CameraConfig, Config, FileConfig, ValueOf};
use proto::frame::PictureTags;
use proto::name::Name;
use proto::source::{self, NotAFile, NumberedPictures, SourceKind};
use serde::Deserialize;

use crate::check::probe_run::{self, ConfigOf, Deadlines, Ended};
use crate::check::{live_source, patience, pictures};
use crate::failure::Failure;
use crate::programs::executable;

/// The executable that reads films.
const FILM_PROBE: &str = "capture-libav";
/// The films that are probed at once, at most. Each probe waits for its disk most of the time.
const SIDE_BY_SIDE: usize = 16;

/// Looks at every camera's source, and returns a warning for each that isn't there yet.
pub(crate) fn look(config: &Config) -> Result<Vec<String>, Failure> {
    let mut films = films(config);
    let mut warnings = Vec::new();
    for camera in &config.cameras {
        let found = match &camera.backend {
            Backend::Sim(_) => Ok(None),
            Backend::File(_) => match films.remove(&camera.name).transpose()? {
                Some(Ok(Seen::Film(picture))) => {
                    let codec = config.recording.preferred_codec.unwrap_or(Codec::H264);
                    let told = untold(&picture, codec).into_iter();
                    warnings.extend(told.map(|what| format!("camera {}: {what}", camera.name)));
                    Ok(None)
                }
                Some(Ok(Seen::Missing(missing))) => Ok(Some(missing)),
                Some(Err(why)) => Err(why),
                None => Ok(None),
            },
            Backend::Opencv(opencv) => {
                let source = opencv.source.reveal().to_owned();
                let what = format!("camera {}: source: {}", camera.name, opencv.source);
                let found = patience::within(&what, move || seen_by_opencv(&source))?;
                match pictures::misfit(camera, &config.source)? {
                    Some(misfit) => Err(misfit),
                    None => found,
                }
            }
            live @ (Backend::V4l2(_)
            | Backend::Mjpeg(_)
            | Backend::Pipe(_)
            | Backend::Rtsp(_)
            | Backend::Gige(_)) => {
                let what = format!("camera {}: its {}", camera.name, live_source::noun(live));
                let live = live.clone();
                let (seen, warning) =
                    patience::within(what, move || (live_source::look(&live), live_source::warning(&live)))?;
                warnings.extend(warning.map(|warning| format!("camera {}: {warning}", camera.name)));
                seen
            }
        };
        match found {
            Ok(None) => {}
            Ok(Some(missing)) => warnings.push(not_there_yet(&camera.name, &missing)),
            Err(why) => {
                let message = format!("camera {}: {why}", camera.name);
                return Err(Failure::bad_input(config.mistake(ValueOf::Source(&camera.name), message)));
            }
        }
    }
    Ok(warnings)
}

/// A film: the inner error if it can't be played by its camera, the outer one if it couldn't be looked at.
type Film = Result<Result<Seen, String>, Failure>;

/// What was seen of a film that its camera can play.
enum Seen {
    /// It isn't there yet: a warning.
    Missing(String),
    /// It is there, and says this of its pictures.
    Film(PictureTags),
}

/// Looks at all films, side by side.
fn films(config: &Config) -> BTreeMap<Name, Film> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    let look_on = || {
        while let Some(camera) = config.cameras.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Backend::File(file) = &camera.backend {
                let film = film(camera, file, &config.source);
                found.lock().unwrap_or_else(PoisonError::into_inner).insert(camera.name.clone(), film);
            }
        }
    };
    let films = config.cameras.iter().filter(|camera| matches!(camera.backend, Backend::File(_))).count();
    std::thread::scope(|scope| {
        for _ in 1..films.min(SIDE_BY_SIDE) {
            // Without more threads this one does it all.
            let _ = std::thread::Builder::new().name("film".into()).spawn_scoped(scope, look_on);
        }
        look_on();
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The warning about a camera that may still come.
pub(crate) fn not_there_yet(camera: &Name, missing: &str) -> String {
    format!("camera {camera}: {missing}; the others start without it, and it is tried again and again")
}

/// A source of an OpenCV camera: a warning if it isn't there yet; an error if it can never work.
fn seen_by_opencv(source: &str) -> Result<Option<String>, String> {
    let path = Path::new(source);
    let kind = SourceKind::of(source);
    match kind {
        SourceKind::Device(_) | SourceKind::DevicePath => {
            let missing = kind.device(source).filter(|device| !device.exists());
            Ok(missing.map(|device| format!("source: there is no device {}", device.display())))
        }
        SourceKind::Url | SourceKind::Pipeline | SourceKind::Pipe => Ok(None),
        SourceKind::Pictures => match NumberedPictures::find(source) {
            Some(_) => Ok(None),
            None => Err(format!("source: there is no picture {source} with a number from 0 to 4")),
        },
        SourceKind::File if path.is_dir() => {
            Err(format!("source: {source} is a folder; name a device, a file or numbered pictures (%04d)"))
        }
        SourceKind::File if source.starts_with("/dev/video") => {
            Err(format!("source: {source} is a plain file, not a device; another program has made it"))
        }
        SourceKind::File if path.exists() => Ok(None),
        SourceKind::File => Ok(Some(format!("source: there is no file {source}"))),
    }
}

/// The part of a probe's answer that matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Video {
    pub(super) width: u32,
    pub(super) height: u32,
    fps: f64,
    /// What its pictures say of themselves.
    #[serde(default)]
    picture: PictureTags,
}

/// Looks at one film.
fn film(camera: &CameraConfig, file: &FileConfig, config: &Path) -> Film {
    let path = file.path.display();
    let what = format!("camera {}: path: {path}", camera.name);
    let own = file.path.clone();
    match patience::within(&what, move || source::plain_file(&own))? {
        Ok(()) => {}
        // Its disk may still come: a machine starts its rig while disks are being mounted.
        Err(NotAFile::Unreachable(e)) if e.kind() == ErrorKind::NotFound => {
            return Ok(Ok(Seen::Missing(format!("path: there is no file {path}"))));
        }
        Err(why) => return Ok(Err(format!("path: {path}: {why}"))),
    }
    let video = match probe(camera, config, &what)? {
        Ok(video) => video,
        Err(why) => return Ok(Err(why)),
    };
    let rate = if file.realtime { config::check_rate(camera.fps, video.fps) } else { Ok(()) };
    let fits = config::check_size(&camera.geometry, (video.width, video.height), file.scale).and(rate);
    Ok(fits.map(|()| Seen::Film(video.picture)).map_err(|misfit| format!("path: {path} {misfit}")))
}

/// Has another process look at a camera's film, or at the first of its numbered pictures: this one links no libav. The inner
/// error says why it can't be read. `what`: the beginning of a sentence about it.
pub(super) fn probe(
    camera: &CameraConfig,
    config: &Path,
    what: &str,
) -> Result<Result<Video, String>, Failure> {
    let program = executable(FILM_PROBE)?;
    let mut probe = probe_run::command(&program, &camera.name, ConfigOf::File(config));
    let deadlines = Deadlines::default();
    let ended = probe_run::run(&mut probe, deadlines)
        .map_err(|e| Failure::failed(format!("can't run {}: {e}", program.display())))?;
    let output = match ended {
        Ended::Answered(output) => output,
        Ended::StoodStill => {
            return Err(Failure::NoAnswer(patience::no_answer(what, deadlines.standstill)));
        }
        Ended::TookTooLong => {
            return Err(Failure::failed(format!(
                "{what} was read for {} s without an end; is its disk slow, or the film damaged?",
                deadlines.all.as_secs()
            )));
        }
    };
    if output.status.code().is_none() {
        let how = output.status;
        return Err(Failure::failed(format!(
            "{what}: {} was ended while it looked at it: {how}",
            program.display()
        )));
    }
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let video: Video = serde_json::from_slice(&output.stdout).map_err(|e| {
        let program = program.display();
        Failure::failed(format!(
            "{program} --probe {} gave no JSON that is understood ({e}); build all of Preroll",
            camera.name
        ))
    })?;
    Ok(Ok(video))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_not_there_yet_is_a_warning() {
        for source in ["60000", "/dev/video60000", "/dev/v4l/by-id/none"] {
            let warning = seen_by_opencv(source).unwrap().unwrap();
            assert!(warning.contains("there is no device /dev/"), "{warning}");
        }
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("none.mp4").display().to_string();
        let warning = seen_by_opencv(&source).unwrap().unwrap();
        assert!(warning.contains("there is no file"), "{warning}");
        for source in ["rtsp://127.0.0.1:1/x", "v4l2src ! appsink", "/dev/null"] {
            assert_eq!(seen_by_opencv(source), Ok(None), "{source}");
        }
    }

    #[test]
    fn a_source_that_can_never_work_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let within = |name: &str| folder.path().join(name).display().to_string();
        for (source, says) in [(within(""), "is a folder"), ("/dev".to_owned(), "is a folder")] {
            let why = seen_by_opencv(&source).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
        std::fs::write(folder.path().join("0001.png"), "x").unwrap();
        std::fs::write(folder.path().join("film.mp4"), "x").unwrap();
        assert_eq!(seen_by_opencv(&within("%04d.png")), Ok(None));
        assert_eq!(seen_by_opencv(&within("film.mp4")), Ok(None));
    }
}
