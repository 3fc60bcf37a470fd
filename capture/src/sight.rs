//! Does the camera's picture change? Real pictures never repeat to the last bit, since sensors have noise: one that does
//! comes from a camera, a driver or a converter that has frozen, though its frames keep coming and are counted on.
//!
//! What this does not see: a frozen picture with a running clock drawn into it where samples happen to lie, or one that
//! a lossy link encodes anew each time.

use std::hash::Hasher;

use proto::frame::Plane;

/// How many places of a picture are looked at. Spread evenly, and few: it costs microseconds a frame.
const SAMPLES: usize = 1024;
/// Luma up to here is black: video's 16, with a little room.
const DARK: u8 = 20;

/// A picture, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    hash: u64,
    /// Is it black all over?
    pub dark: bool,
}

impl Sight {
    /// Looks at a frame's first plane.
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
        Self { hash: hasher.finish(), dark: brightest <= DARK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;
    use proto::frame::{Geometry, PixelFormat};

    #[test]
    fn a_scene_that_moves_is_never_the_same_and_a_black_one_is_dark() {
        for format in PixelFormat::ALL {
            let geometry = Geometry::new(320, 192, format).unwrap();
            let (picture, first) = (Picture::new(geometry, "left"), geometry.planes()[0]);
            let mut frame = vec![0; geometry.frame_bytes()];
            let mut look = |number| {
                picture.draw(&mut frame, number);
                Sight::of(&frame, &first)
            };
            assert_ne!(look(1), look(2), "{format}");
            assert_eq!(look(7), look(7), "{format}");
            assert!(!look(1).dark);
            picture.black(&mut frame);
            // Its colour bytes are no darkness of luma, but no brightness either.
            assert_eq!(Sight::of(&frame, &first).dark, format != PixelFormat::YUYV, "{format}");
        }
    }
}
