//! The offers of live cameras, and what counts with them: each camera is asked by a probe, a child process that ends with
//! this one, all of them side by side. A camera that gives no answer is a warning: it may come later.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::config::{Backend, CameraConfig, ClipMode, Config, ValueOf};
use proto::exit;
use proto::name::Name;
use proto::offer::{NoOffer, Offer};

use crate::check::probe_run::{self, ConfigOf, Deadlines, Ended};
use crate::check::source_probe::not_there_yet;
use crate::failure::Failure;
use crate::programs;

/// A probe gives itself 5 s for the camera. One that is still there after this is stuck.
const PATIENCE: Duration = Duration::from_millis(5500);

/// A camera's answer to a probe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// It gives this.
    Offer(Offer),
    /// It isn't there, or can't be used just now.
    Absent(NoOffer),
    /// It can't be used until somebody changes the config or the camera.
    Never(String),
}

/// The knowledge of a camera from before this start.
#[derive(Clone, Debug)]
pub(crate) enum Before {
    /// It is being captured, as this; it isn't asked.
    Captured(Box<CameraConfig>),
    /// It offered this when it was last there.
    Offered(Offer),
    Nothing,
}

/// A config whose cameras are as they count.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) config: Config,
    /// The cameras that give no picture just now, and why.
    pub(crate) absent: BTreeMap<Name, NoOffer>,
    pub(crate) warnings: Vec<String>,
}

/// Asks every live camera that isn't captured already. Takes as long as the slowest, and no longer than a probe may take.
///
/// # Errors
/// A camera that can never work, or a probe that can't be run.
pub(crate) fn resolve(
    config: &Config,
    before: impl Fn(&CameraConfig) -> Before,
) -> Result<Resolved, Failure> {
    let known: Vec<Before> = config.cameras.iter().map(before).collect();
    let is_asked = |camera: &CameraConfig, before: &Before| {
        // A look would end a pipe's writer.
        let can_be = camera.backend.is_live() && !matches!(camera.backend, Backend::Pipe(_));
        can_be && !matches!(before, Before::Captured(_))
    };
    let mut answers = std::thread::scope(|scope| {
        let asked = config.cameras.iter().zip(&known).filter(|(camera, before)| is_asked(camera, before));
        let asked: Vec<_> = asked
            .map(|(camera, _)| {
                let ask = || ask(camera, ConfigOf::File(&config.source));
                (
                    camera.name.clone(),
                    std::thread::Builder::new().name("probe".into()).spawn_scoped(scope, ask),
                )
            })
            .collect();
        let answered = asked.into_iter().map(|(name, asking)| {
            let answer = match asking.map(|asking| asking.join()) {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(Failure::failed(format!("camera {name}: its probe panicked"))),
                Err(e) => Err(Failure::failed(format!(
                    "camera {name}: no thread can be started for its probe: {e}"
                ))),
            };
            answer.map(|answer| (name, answer))
        });
        answered.collect::<Result<BTreeMap<_, _>, Failure>>()
    })?;
    let mut resolved = Resolved { config: config.clone(), absent: BTreeMap::new(), warnings: Vec::new() };
    for (camera, before) in resolved.config.cameras.iter_mut().zip(known) {
        let answer = answers.remove(&camera.name);
        if let Some(Answer::Never(why)) = &answer {
            let message = format!("camera {}: {why}", camera.name);
            return Err(Failure::bad_input(config.mistake(ValueOf::Source(&camera.name), message)));
        }
        let settled = settle(camera, answer, &before);
        resolved.warnings.extend(settled.warning);
        resolved.absent.extend(settled.absent.map(|why| (camera.name.clone(), why)));
        *camera = settled.camera;
    }
    Ok(resolved)
}

/// A camera as it counts, and what there is to say.
struct Settled {
    camera: CameraConfig,
    absent: Option<NoOffer>,
    warning: Option<String>,
}

/// Decides what counts of one camera.
fn settle(camera: &CameraConfig, answer: Option<Answer>, before: &Before) -> Settled {
    let earlier = match before {
        Before::Captured(camera) => Some((**camera).clone()),
        Before::Offered(offer) => camera.resolved(offer).ok(),
        Before::Nothing => None,
    };
    let as_it_was = earlier.unwrap_or_else(|| camera.clone());
    let name = &camera.name;
    match answer {
        None => Settled { camera: as_it_was, absent: None, warning: None },
        Some(Answer::Offer(offer)) => match camera.resolved(&offer) {
            Ok(resolved) => {
                let warning = offer.reorders.then(|| in_another_order(camera)).flatten();
                Settled { camera: resolved, absent: None, warning }
            }
            Err(contradiction) => {
                let error = contradiction.to_string();
                let warning = format!(
                    "camera {name}: {error}; until then it is failed, and the others start without it"
                );
                let absent = Some(NoOffer { error: format!("it {error}"), refused: false });
                Settled { camera: camera.clone(), absent, warning: Some(warning) }
            }
        },
        Some(Answer::Absent(why)) => {
            let until_then = match (camera.typed.size, as_it_was.is_known) {
                (Some(_), _) => String::new(),
                (None, true) => format!("; until then it counts as what it gave last, {}", shape(&as_it_was)),
                (None, false) => {
                    format!("; until then it counts as {}, since the config names no size", shape(&as_it_was))
                }
            };
            let warning = format!("{}{until_then}", not_there_yet(name, &why.error));
            Settled { camera: as_it_was, absent: Some(why), warning: Some(warning) }
        }
        // Refused before anything is decided.
        Some(Answer::Never(error)) => {
            Settled { camera: as_it_was, absent: Some(NoOffer { error, refused: false }), warning: None }
        }
    }
}

/// The warning of a camera whose pictures are shown in another order than they come in. None if its clips are encoded again
/// anyhow.
fn in_another_order(camera: &CameraConfig) -> Option<String> {
    (camera.clip != ClipMode::Exact).then(|| {
        format!(
            "camera {}: its pictures are shown in another order than they come in (B-frames), so its clips are encoded again, as \
             with clip: exact; turn B-frames off in the camera to have its frames copied",
            camera.name
        )
    })
}

fn shape(camera: &CameraConfig) -> String {
    format!("{}x{} at {} fps", camera.geometry.width(), camera.geometry.height(), camera.fps)
}

/// Asks one camera. The thread that calls this must live as long as the probe.
///
/// # Errors
/// The probe can't be run.
pub(crate) fn ask(camera: &CameraConfig, config: ConfigOf<'_>) -> Result<Answer, Failure> {
    let absent = |error: String| Answer::Absent(NoOffer { error, refused: false });
    let program = match programs::of_camera(camera.backend.executable())? {
        Ok(program) => program,
        Err(why) => return Ok(absent(why)),
    };
    let mut probe = probe_run::command(&program, &camera.name, config);
    let deadlines = Deadlines { standstill: PATIENCE, all: PATIENCE };
    let ended = probe_run::run(&mut probe, deadlines)
        .map_err(|e| Failure::failed(format!("can't run {}: {e}", program.display())))?;
    let Ended::Answered(output) = ended else {
        return Ok(absent(format!("it gives no answer within {} s", PATIENCE.as_secs())));
    };
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let code = output.status.code().and_then(|code| u8::try_from(code).ok());
    Ok(match code {
        Some(exit::DONE) => match serde_json::from_slice(&output.stdout) {
            Ok(offer) => Answer::Offer(offer),
            Err(e) => {
                return Err(Failure::failed(format!(
                    "{} --probe {} gave no JSON that is understood ({e}); build all of Preroll",
                    program.display(),
                    camera.name
                )));
            }
        },
        Some(exit::BAD_INPUT) => Answer::Never(said()),
        Some(_) => Answer::Absent(
            serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|_| NoOffer { error: said(), refused: false }),
        ),
        None => absent(format!("{} was ended while it looked: {}", program.display(), output.status)),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proto::clip::CaptureTime;
    use proto::frame::{Payload, PixelFormat};

    use super::*;

    fn camera(keys: &str) -> CameraConfig {
        let text = format!("cameras: [{{ name: left, {keys} }}]\n");
        Config::parse(Path::new("rig.yaml"), &text).unwrap().cameras.remove(0)
    }

    fn offer(width: u32, height: u32) -> Offer {
        Offer {
            payload: Payload::Jpeg,
            pixel_format: PixelFormat::I420,
            width,
            height,
            fps: 30.0,
            variable_rate: false,
            capture_time: CaptureTime::Driver,
            reorders: false,
        }
    }

    fn absent() -> Option<Answer> {
        Some(Answer::Absent(NoOffer { error: "there is no device".into(), refused: false }))
    }

    #[test]
    fn a_camera_whose_pictures_are_reordered_is_recorded_exact_and_check_says_so() {
        let reordered =
            || Some(Answer::Offer(Offer { payload: Payload::H264, reorders: true, ..offer(640, 480) }));
        let warning = |keys: &str, answer| settle(&camera(keys), answer, &Before::Nothing).warning;
        let says = warning("backend: v4l2, device: 0, format: H264", reordered()).unwrap();
        assert!(says.contains("camera left") && says.contains("clip: exact"), "{says}");
        assert_eq!(warning("backend: v4l2, device: 0, format: H264, clip: exact", reordered()), None);
        assert_eq!(warning("backend: v4l2, device: 0", Some(Answer::Offer(offer(640, 480)))), None);
    }

    #[test]
    fn the_config_counts_then_the_offer_then_the_last_one_and_then_what_is_assumed() {
        let free = camera("backend: v4l2, device: 0");
        let typed = camera("backend: v4l2, device: 0, width: 640, height: 480");
        let last = || Before::Offered(offer(800, 600));
        for (camera, answer, before, size, is_absent, says) in [
            (&free, Some(Answer::Offer(offer(1280, 720))), Before::Nothing, "1280x720", false, ""),
            (&free, Some(Answer::Offer(offer(1280, 720))), last(), "1280x720", false, ""),
            (&free, absent(), last(), "800x600", true, "what it gave last, 800x600 at 30 fps"),
            (&free, absent(), Before::Nothing, "1920x1080", true, "counts as 1920x1080 at 60 fps"),
            (
                &free,
                None,
                Before::Captured(free.resolved(&offer(320, 240)).unwrap().into()),
                "320x240",
                false,
                "",
            ),
            (&free, None, Before::Nothing, "1920x1080", false, ""),
            (&typed, Some(Answer::Offer(offer(640, 480))), Before::Nothing, "640x480", false, ""),
            (
                &typed,
                Some(Answer::Offer(offer(1280, 720))),
                Before::Nothing,
                "640x480",
                true,
                "write width: 1280",
            ),
            (&typed, absent(), last(), "640x480", true, "tried again and again"),
        ] {
            let settled = settle(camera, answer.clone(), &before);
            let case = format!("{answer:?} {before:?}");
            let geometry = settled.camera.geometry;
            assert_eq!(format!("{}x{}", geometry.width(), geometry.height()), size, "{case}");
            assert_eq!(settled.absent.is_some(), is_absent, "{case}");
            let warning = settled.warning.unwrap_or_default();
            assert!(warning.contains(says) && warning.is_empty() == says.is_empty(), "{case}: {warning}");
            assert!(says.is_empty() || warning.contains("camera left"), "{warning}");
        }
    }
}
