//! A digest of a picture, by which a frozen camera is told from one that works. Real pictures never repeat to the last bit,
//! since sensors have noise: a picture that does comes from a camera, a driver or a converter that has frozen, though its
//! frames keep coming and are counted on.
//!
//! A compressed frame is digested as it is, without being decoded. A JPEG that repeats to the last byte shows the same picture; of
//! a stream like H.264, whose frames are numbered, no two are equal, and a picture that stands still isn't noticed.
//!
//! A digest does not show: a frozen picture with a running clock drawn into it where samples happen to lie, or a frozen
//! picture that a lossy link encodes anew each time.

use std::hash::Hasher;

use proto::frame::Plane;

/// Bytes of a picture that go into its digest. Spread evenly, and few: a digest costs microseconds a frame.
const SAMPLES: usize = 1024;
/// An odd number without a pattern (2^64 over the golden ratio), for sums over compressed frames.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Luma up to here is black: video's 16, with a little room.
const DARK: u8 = 20;

/// A picture in a few bytes. Equal pictures have equal digests; so have pictures that differ only where no sample lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureDigest {
    hash: u64,
    /// True if the picture is black all over.
    pub black: bool,
}

impl PictureDigest {
    /// Digests a frame's first plane.
    #[must_use]
    pub fn of(frame: &[u8], first: &Plane) -> Self {
        let bytes = &frame[first.offset_bytes..first.offset_bytes + first.stride_bytes * first.rows];
        // An odd step, so that samples lie in every column, in luma and in colour.
        let step = (bytes.len() / SAMPLES).max(1) | 1;
        // Gathered before they are hashed: byte by byte the hash would cost several times as much.
        let mut samples = [0; 2 * SAMPLES];
        samples.iter_mut().zip(bytes.iter().step_by(step)).for_each(|(to, from)| *to = *from);
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&samples);
        let brightest = samples.iter().copied().max().unwrap_or(0);
        Self { hash: hasher.finish(), black: brightest <= DARK }
    }

    /// Digests a compressed frame, by all of its bytes: two pictures may differ in few. Whether it is black can't be told.
    #[must_use]
    pub fn of_compressed(frame: &[u8]) -> Self {
        // Four sums side by side, since each step of one waits for the step before.
        let mut sums = [0; 4];
        let (chunks, rest) = frame.as_chunks::<32>();
        for chunk in chunks {
            for (sum, word) in sums.iter_mut().zip(chunk.as_chunks::<8>().0) {
                *sum = (*sum ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR).rotate_left(23);
            }
        }
        let mut hasher = std::hash::DefaultHasher::new();
        sums.iter().for_each(|sum| hasher.write_u64(*sum));
        hasher.write(rest);
        Self { hash: hasher.finish(), black: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scene::Scene;
    use proto::frame::{Geometry, PixelFormat};

    #[test]
    fn a_scene_that_moves_is_never_the_same_and_a_black_one_is_black() {
        for format in PixelFormat::ALL {
            let geometry = Geometry::new(320, 192, format).unwrap();
            let (scene, first) = (Scene::new(geometry, "left"), geometry.planes()[0]);
            let mut frame = vec![0; geometry.frame_bytes()];
            let mut digest = |number| {
                scene.draw(&mut frame, number);
                PictureDigest::of(&frame, &first)
            };
            assert_ne!(digest(1), digest(2), "{format}");
            assert_eq!(digest(7), digest(7), "{format}");
            assert!(!digest(1).black);
            scene.draw_black(&mut frame);
            // A black YUYV picture has colour bytes of 128 between its luma bytes, so it never counts as black.
            assert_eq!(PictureDigest::of(&frame, &first).black, format != PixelFormat::YUYV, "{format}");
        }
    }

    #[test]
    fn a_compressed_frame_is_told_from_another_by_each_of_its_bytes() {
        let frame: Vec<u8> = (0..1_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let digest = PictureDigest::of_compressed(&frame);
        assert_eq!(digest, PictureDigest::of_compressed(&frame.clone()));
        for at in 0..frame.len() {
            let mut other = frame.clone();
            other[at] ^= 1;
            assert_ne!(PictureDigest::of_compressed(&other), digest, "byte {at}");
        }
        assert_ne!(PictureDigest::of_compressed(&frame[..999]), digest);
    }
}
