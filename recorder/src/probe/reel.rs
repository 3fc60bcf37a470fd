//! The pictures that encoders are tried with: the cameras' own, or noise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::CameraConfig;
use proto::frame::FrameInfo;
use proto::ring::Ring;

use super::reader_bit;
use crate::frames::HeldFrame;

/// A key frame, and two that are made from those before them.
const PICTURES: usize = 3;
/// The longest wait for all cameras' pictures. A camera that has none by then is probed with noise.
pub(super) const PICTURE_PATIENCE: Duration = Duration::from_millis(1500);

/// The pause between two looks at the rings of a kind while none holds a picture.
const LOOK: Duration = Duration::from_millis(20);

/// Some pictures of one kind of camera, in ordinary memory.
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

/// Some pictures of cameras of one kind, all from one of their rings, or noise where none has any yet.
pub(super) fn pictures(camera: &CameraConfig, rings: &[&Arc<Ring>], until: Instant) -> Vec<Arc<Vec<u8>>> {
    loop {
        // The first camera that delivers serves for all.
        if let Some(ring) = rings.iter().find(|ring| ring.head() > 0) {
            let pictures = from_ring(ring, until);
            if !pictures.is_empty() {
                return pictures;
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        let Some(first) = rings.first().filter(|_| !left.is_zero()) else { break };
        let _ = first.wait_newer(0, left.min(LOOK));
    }
    tracing::warn!(
        camera = camera.name.as_str(),
        "camera {}: it has made no picture yet; codecs are probed with noise",
        camera.name
    );
    let bytes = camera.geometry.frame_bytes();
    (0..PICTURES).map(|n| Arc::new(noise(bytes, n))).collect()
}

fn from_ring(ring: &Arc<Ring>, until: Instant) -> Vec<Arc<Vec<u8>>> {
    let mut pictures = Vec::new();
    // Another probe reads: a recorder that was killed has left it.
    let Ok(reader) = ring.reader(reader_bit()) else { return pictures };
    let mut seen = 0;
    while pictures.len() < PICTURES && ring.wait_newer(seen, until.saturating_duration_since(Instant::now()))
    {
        // Oldest first: there is no need to wait for new frames while the ring holds older ones.
        seen = if seen == 0 { ring.oldest().map_or(ring.head(), |m| m.sequence) } else { seen + 1 };
        if let Ok(lease) = reader.lease(seen) {
            pictures.push(Arc::new(lease.bytes().to_vec()));
        }
    }
    pictures
}

/// Soft noise.
fn noise(bytes: usize, n: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32.wrapping_add(u32::try_from(n).unwrap_or(0));
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        64 + u8::try_from(state >> 26).unwrap_or(0)
    };
    (0..bytes).map(next).collect()
}
