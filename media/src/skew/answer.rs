//! The answer of `skew`: a document, and the same in words.

use std::fmt::Write;

use serde::Serialize;

use super::flashes::Brightness;
use super::offset::{Offset, TooFew};

/// A camera that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) name: String,
    /// The `latency_ms` that its capture times are corrected by already.
    pub(super) latency_ms: f64,
    pub(super) frames: usize,
    pub(super) brightness: Brightness,
    /// From the first camera.
    pub(super) offset: Result<Offset, TooFew>,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// The time for which the cameras were looked at.
    pub(crate) seconds: f64,
    /// Every camera's offset could be measured.
    pub(crate) measured: bool,
    /// The cameras, in the order in which they were named.
    pub(crate) cameras: Vec<CameraAnswer>,
    /// Sentences for people.
    pub(crate) notes: Vec<String>,
}

/// A camera in the document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CameraAnswer {
    pub(crate) camera: String,
    /// Pictures that were looked at.
    pub(crate) frames: usize,
    /// Edges of light that it saw: two a flash.
    pub(crate) edges: usize,
    /// Edges that the first camera saw too; null of the first camera itself.
    pub(crate) matched: Option<usize>,
    /// The mean brightness of dark and of bright pictures, of 255.
    pub(crate) dark: f64,
    pub(crate) bright: f64,
    /// The time by which its capture times are later than the first camera's; null if it could not be measured.
    pub(crate) offset_ms: Option<f64>,
    /// The offset is off by no more in 95 of 100 measurements.
    pub(crate) error_ms: Option<f64>,
    /// The value for the camera's `latency_ms` in the config, with which its times agree with those of the earliest camera.
    pub(crate) latency_ms: Option<f64>,
}

impl Answer {
    pub(super) fn of(cameras: &[Watched], seconds: f64) -> Self {
        let later = |camera: &Watched| camera.offset.ok().map(|offset| offset.later_ns / 1e6);
        let measured = cameras.iter().all(|camera| camera.offset.is_ok());
        let earliest = cameras.iter().filter_map(later).fold(0.0, f64::min);
        let of = |(at, camera): (usize, &Watched)| CameraAnswer {
            camera: camera.name.clone(),
            frames: camera.frames,
            edges: camera.brightness.edges.len(),
            matched: camera.offset.ok().filter(|_| at > 0).map(|offset| offset.edges),
            dark: rounded(camera.brightness.dark),
            bright: rounded(camera.brightness.bright),
            offset_ms: later(camera).map(rounded),
            error_ms: camera.offset.ok().map(|offset| rounded(offset.error_ns / 1e6)),
            // Without the others' nobody knows which is the earliest.
            latency_ms: later(camera)
                .filter(|_| measured)
                .map(|later| rounded(camera.latency_ms + later - earliest)),
        };
        let notes = cameras.iter().skip(1).flat_map(|camera| notes(camera, &cameras[0]));
        let mut notes: Vec<String> = notes.collect();
        notes.dedup();
        Self { seconds, measured, cameras: cameras.iter().enumerate().map(of).collect(), notes }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for camera in &self.cameras {
            let CameraAnswer { camera: name, frames, edges, offset_ms, error_ms, latency_ms, .. } = camera;
            // Writing to a String can't fail.
            let _ = write!(text, "{name}: {edges} edges of light in {frames} frames");
            match (offset_ms, error_ms, camera.matched) {
                (Some(offset), Some(error), Some(matched)) => {
                    let first = &self.cameras[0].camera;
                    let (by, word) = (offset.abs(), if *offset < 0.0 { "earlier" } else { "later" });
                    let _ = write!(text, "; {by} ms {word} than {first}, to ± {error} ms by {matched} edges");
                }
                (Some(_), _, None) => {}
                _ => text.push_str("; not measured"),
            }
            if let Some(latency_ms) = latency_ms {
                let _ = write!(text, "\n  in the config: latency_ms: {latency_ms}");
            }
            text.push('\n');
        }
        for note in &self.notes {
            let _ = writeln!(text, "! {note}");
        }
        text
    }
}

/// Sentences on what stood in the way of measuring a camera.
fn notes(camera: &Watched, first: &Watched) -> Vec<String> {
    match camera.offset {
        Ok(offset) if offset.in_step => vec![format!(
            "camera {}: the light goes in step with the frames, so that more of it makes the offset no better; switch it by \
             hand, or every 1037 ms",
            camera.name
        )],
        Ok(_) => Vec::new(),
        Err(TooFew::None) => [first, camera]
            .into_iter()
            .filter(|camera| camera.brightness.edges.is_empty())
            .map(|camera| {
                if camera.frames == 0 {
                    return format!("camera {} gave no picture; preroll status says why", camera.name);
                }
                let Brightness { dark, bright, .. } = &camera.brightness;
                format!(
                    "camera {} saw no flash: its pictures' brightness was {dark:.0} to {bright:.0} of 255. Switch a lamp on \
                     and off some ten times, near enough to light most of the picture",
                    camera.name
                )
            })
            .collect(),
        Err(TooFew::Together(edges)) => vec![format!(
            "cameras {} and {} saw only {edges} edges of light together, and 3 are needed, 20 better: let the same lamp be \
             seen by both, and measure for longer (--seconds)",
            first.name, camera.name
        )],
    }
}

/// To a hundredth.
fn rounded(value: f64) -> f64 {
    // Not -0.
    (value * 100.0).round() / 100.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skew::flashes::Edge;

    fn camera(name: &str, latency_ms: f64, offset: Result<f64, TooFew>) -> Watched {
        let edges =
            if offset == Err(TooFew::None) { vec![] } else { vec![Edge { at_ns: 1, rises: true }; 40] };
        Watched {
            name: name.into(),
            latency_ms,
            frames: 600,
            brightness: Brightness { dark: 60.0, bright: 180.4, period_ns: 20_000_000, edges },
            offset: offset.map(|ms| Offset {
                later_ns: ms * 1e6,
                error_ns: 2.346e6,
                edges: 38,
                in_step: false,
            }),
        }
    }

    #[test]
    fn the_later_camera_gets_a_latency_and_the_earliest_keeps_its_own() {
        let answer = Answer::of(&[camera("left", 5.0, Ok(0.0)), camera("right", 2.0, Ok(83.004))], 20.0);
        assert!(answer.measured && answer.notes.is_empty());
        let latencies: Vec<_> = answer.cameras.iter().map(|camera| camera.latency_ms).collect();
        assert_eq!(latencies, [Some(5.0), Some(85.0)]);
        let text = "\
left: 40 edges of light in 600 frames
  in the config: latency_ms: 5
right: 40 edges of light in 600 frames; 83 ms later than left, to ± 2.35 ms by 38 edges
  in the config: latency_ms: 85
";
        assert_eq!(answer.text(), text);
        let cameras = [camera("a", 0.0, Ok(0.0)), camera("b", 0.0, Ok(-40.0)), camera("c", 0.0, Ok(10.0))];
        let latencies: Vec<_> =
            Answer::of(&cameras, 20.0).cameras.iter().map(|camera| camera.latency_ms.unwrap()).collect();
        assert_eq!(latencies, [40.0, 0.0, 50.0]);
    }

    #[test]
    fn a_camera_without_a_flash_is_named() {
        let answer =
            Answer::of(&[camera("left", 0.0, Ok(0.0)), camera("right", 0.0, Err(TooFew::None))], 20.0);
        assert!(!answer.measured && answer.cameras.iter().all(|camera| camera.latency_ms.is_none()));
        assert!(
            answer.notes[0].starts_with("camera right saw no flash: its pictures' brightness was 60 to 180")
        );
        assert!(
            answer.text().contains("right: 0 edges of light in 600 frames; not measured\n! camera right saw")
        );
        let few = Answer::of(&[camera("l", 0.0, Ok(0.0)), camera("r", 0.0, Err(TooFew::Together(2)))], 5.0);
        assert!(few.notes[0].contains("saw only 2 edges of light together"), "{:?}", few.notes);
    }
}
