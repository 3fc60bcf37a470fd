//! The pictures that encoders are tried with: the cameras' own, or noise. Also which cameras are alike, so that not
//! every one of many has to be tried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::CameraConfig;
use proto::frame::FrameInfo;
use proto::ring::Ring;

use super::reader_bit;
use crate::frames::HeldFrame;

/// So many pictures are enough for the rate to settle after the first, expensive key frame.
const PICTURES: usize = 12;
/// The longest wait for a camera's pictures. A camera that has none by then is probed with noise.
const PICTURE_PATIENCE: Duration = Duration::from_millis(1500);

/// Some pictures of one camera, in ordinary memory.
pub(super) struct Reel {
    pub(super) camera: CameraConfig,
    pub(super) pictures: Vec<Arc<Vec<u8>>>,
}

/// A picture of a reel, as a frame.
pub(super) struct Picture {
    pub(super) info: FrameInfo,
    pub(super) bytes: Arc<Vec<u8>>,
}

impl HeldFrame for Picture {
    fn info(&self) -> &FrameInfo {
        &self.info
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The newest pictures of a camera, or noise where it has none yet.
pub(super) fn pictures(camera: &CameraConfig, ring: Option<&Arc<Ring>>) -> Vec<Arc<Vec<u8>>> {
    let mut pictures = Vec::new();
    if let Some(ring) = ring {
        let reader = ring.reader(reader_bit());
        let until = Instant::now() + PICTURE_PATIENCE;
        let mut seen = 0;
        while pictures.len() < PICTURES
            && ring.wait_newer(seen, until.saturating_duration_since(Instant::now()))
        {
            // Oldest first: there is no need to wait for new frames while the ring holds older ones.
            seen = if seen == 0 { ring.oldest().map_or(ring.head(), |m| m.sequence) } else { seen + 1 };
            if let Ok(lease) = reader.lease(seen) {
                pictures.push(Arc::new(lease.bytes().to_vec()));
            }
        }
    }
    if pictures.is_empty() {
        tracing::warn!("camera {}: it has made no picture yet; codecs are probed with noise", camera.name);
        let bytes = camera.geometry.frame_bytes();
        pictures.extend((0..PICTURES).map(|n| Arc::new(noise(bytes, n))));
    }
    pictures
}

/// Soft noise. It is harder to encode than any scene, so an encoder that keeps up with it keeps up.
fn noise(bytes: usize, n: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32.wrapping_add(u32::try_from(n).unwrap_or(0));
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        64 + u8::try_from(state >> 26).unwrap_or(0)
    };
    (0..bytes).map(next).collect()
}

/// The first few reels of cameras of one size and rate, counted.
pub(super) fn some_of_its_kind<'a>(
    reels: &'a [Reel],
    camera: &CameraConfig,
    few: usize,
) -> impl Iterator<Item = (usize, &'a Reel)> {
    let (geometry, fps) = (camera.geometry, camera.fps);
    let alike = move |reel: &&Reel| reel.camera.geometry == geometry && reel.camera.fps == fps;
    reels.iter().filter(alike).take(few).enumerate()
}

/// The reels that are tried: the first few of each kind.
pub(super) fn a_few_of_each_kind(reels: &[Reel], few: usize) -> Vec<&Reel> {
    let is_one =
        |reel: &&Reel| some_of_its_kind(reels, &reel.camera, few).any(|(_, one)| std::ptr::eq(one, *reel));
    reels.iter().filter(is_one).collect()
}

/// The cost of one frame of each reel together, by its bytes.
pub(super) fn work<'a>(reels: impl IntoIterator<Item = &'a Reel>) -> f64 {
    whole(reels.into_iter().map(|reel| reel.camera.geometry.frame_bytes()).sum::<usize>().max(1))
}

#[expect(clippy::cast_precision_loss, reason = "the bytes of some frames, and a dozen pictures")]
pub(super) fn whole(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proto::config::Config;

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
}
