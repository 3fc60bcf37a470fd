//! `skew`: the time by which one camera of a running instance is later than another, by light that both see. Which capture
//! times are corrected, and how, is the captures' subject.

mod answer;
mod flashes;
mod offset;
mod watch;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use answer::Answer;
use answer::Watched;
use flashes::Brightness;
use offset::Offset;
use watch::Look;

/// A camera that is to be looked at: its name, and its ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CameraToWatch {
    name: String,
    ring: PathBuf,
}

impl FromStr for CameraToWatch {
    type Err = String;
    /// `NAME:PATH`. A camera's name has no colon.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, ring) = text.split_once(':').ok_or("must be NAME:PATH")?;
        Ok(Self { name: name.to_owned(), ring: ring.into() })
    }
}

/// Looks at all cameras at once, and measures.
///
/// # Errors
/// A sentence on a ring that can't be read.
pub(crate) fn measure(cameras: &[CameraToWatch], owner: u32, lasts: Duration) -> Result<Answer, String> {
    let looks: Vec<_> = std::thread::scope(|scope| {
        let threads =
            cameras.iter().map(|camera| scope.spawn(|| watch::brightness(&camera.ring, owner, lasts)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut watched: Vec<Watched> = Vec::new();
    for (camera, look) in cameras.iter().zip(looks) {
        let look = look.map_err(|_| format!("camera {}: looking at it has failed", camera.name))?;
        let Look { samples, latency } = look.map_err(|e| format!("camera {}: {e}", camera.name))?;
        let brightness = Brightness::of(&samples);
        let offset = match watched.first() {
            Some(first) => offset::of(&brightness, &first.brightness),
            None => {
                Ok(Offset { later_ns: 0.0, error_ns: 0.0, edges: brightness.edges.len(), in_step: false })
            }
        };
        watched.push(Watched {
            name: camera.name.clone(),
            latency_ms: latency.as_secs_f64() * 1e3,
            frames: samples.len(),
            brightness,
            offset,
        });
    }
    Ok(Answer::of(&watched, lasts.as_secs_f64()))
}
