//! Numbered pictures as a camera: which there are, of which size, and the rate that they are played at. They have none of their
//! own, so the config's counts.

use std::path::Path;

use proto::config::{self, Backend, CameraConfig};
use proto::source::{NumberedPictures, SourceKind};

use super::{patience, source_probe};
use crate::failure::Failure;

/// The pictures of a camera. `None` for any other camera, and when there are none.
fn find(camera: &CameraConfig) -> Result<Option<NumberedPictures>, Failure> {
    let Backend::Opencv(opencv) = &camera.backend else { return Ok(None) };
    let source = opencv.source.reveal().to_owned();
    patience::within(named(camera), move || match SourceKind::of(&source) {
        SourceKind::Pictures => NumberedPictures::find(&source),
        _ => None,
    })
}

fn named(camera: &CameraConfig) -> String {
    let Backend::Opencv(opencv) = &camera.backend else { return format!("camera {}", camera.name) };
    format!("camera {}: source: {}", camera.name, opencv.source)
}

/// The reason why a camera's pictures can't be its frames, by the first of them.
pub(super) fn misfit(camera: &CameraConfig, config: &Path) -> Result<Option<String>, Failure> {
    let (Backend::Opencv(opencv), Some(found)) = (&camera.backend, find(camera)?) else { return Ok(None) };
    let first = found.first.display();
    Ok(match source_probe::probe(camera, config, &named(camera))? {
        Err(why) => Some(format!("source: {first}: {why}")),
        Ok(picture) => {
            let size = (picture.width, picture.height);
            let misfit = config::check_size(&camera.geometry, size, opencv.scale).err();
            misfit.map(|misfit| format!("source: {first} {misfit}"))
        }
    })
}

/// A sentence about a camera's pictures, for a person who checks the config.
pub(super) fn sentence(camera: &CameraConfig) -> Option<String> {
    let NumberedPictures { first, pictures } = find(camera).ok()??;
    let (fps, rate) = (camera.fps, camera.fps.as_f64());
    let counted = if pictures == 1 { "1 picture".to_owned() } else { format!("{pictures} pictures") };
    #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
    let seconds = pictures as f64 / rate;
    Some(format!(
        "{counted} from {} on, played once at {fps} fps, the config's, for {seconds:.1} s: pictures have no rate of their own",
        first.display()
    ))
}
