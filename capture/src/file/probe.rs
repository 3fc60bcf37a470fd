//! The probe of a video file: its size, rate and length as JSON, for a supervisor that links no libav.

use std::path::PathBuf;
use std::time::Duration;

use proto::config::{Backend, CameraConfig};
use proto::frame::{Payload, PictureTags};
use proto::offer::Offer;
use proto::source::{NumberedPictures, SourceKind};
use serde::Serialize;

use super::decode::Decoder;
use capture::source::SourceError;

/// A film's offer, and what else is known of it.
#[derive(Debug, Serialize)]
pub(crate) struct Film {
    /// The rate is the one while it moves.
    #[serde(flatten)]
    offer: Offer,
    /// Of one pass.
    frames: u64,
    /// To the last frame's end.
    duration_s: f64,
    /// libav's name for it.
    codec: &'static str,
    /// The first picture's word on itself.
    picture: PictureTags,
}

/// The film of a camera, or the first of its numbered pictures.
fn film(camera: &CameraConfig) -> Option<PathBuf> {
    match &camera.backend {
        Backend::File(file) => Some(file.path.clone()),
        Backend::Opencv(opencv) => {
            let source = opencv.source.reveal();
            let is_pictures = SourceKind::of(source) == SourceKind::Pictures;
            Some(NumberedPictures::find(source).filter(|_| is_pictures)?.first)
        }
        _ => None,
    }
}

/// Looks at a camera's film, or at the first of its numbered pictures, which OpenCV will play.
///
/// # Errors
/// When the file is not there or not a video.
pub(crate) fn probe(camera: &CameraConfig) -> Result<Film, SourceError> {
    let film = film(camera).ok_or_else(|| {
        let configured = camera.backend.name();
        SourceError::WrongBackend { opens: "file", configured }
    })?;
    let (timetable, mut decoder) = Decoder::open(&film)?.scan()?;
    let picture = decoder.first_tags();
    let thousandths = |value: f64| (value * 1_000.0).round() / 1_000.0;
    let (width, height) = decoder.size();
    let offer = Offer {
        payload: Payload::Planes,
        pixel_format: camera.geometry.format(),
        width,
        height,
        fps: thousandths(timetable.fps()),
        variable_rate: timetable.has_variable_rate(),
        reorders: false,
        capture_time: camera.capture_time(),
    };
    let duration_s = thousandths(Duration::from_nanos(timetable.length_ns()).as_secs_f64());
    Ok(Film { offer, frames: timetable.frames(), duration_s, codec: decoder.codec(), picture })
}
