//! What the cameras of the feed see: a textured scene that scrolls. Painted once; a frame costs a copy.

use crate::stamp::{self, Stamp};

/// Pixels from one frame to the next. Even, so that colour at half size moves with it.
const SCROLL: usize = 4;

/// A scene, each row of it twice side by side, so that what is seen at any time is one piece.
pub struct Scene {
    width: usize,
    height: usize,
    camera: u8,
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
}

impl Scene {
    /// Paints it. Sides are even.
    #[must_use]
    pub fn new(width: usize, height: usize, camera: u8) -> Self {
        let seed = 0x811C_9DC5 ^ u32::from(camera) << 8;
        let plane = |width: usize, height: usize, value: &dyn Fn(u32, u32) -> u32| -> Vec<u8> {
            let place = |at: usize| u32::try_from(at).unwrap_or(0);
            (0..height)
                .flat_map(|y| (0..2 * width).map(move |x| (x % width, y)))
                .map(|(x, y)| u8::try_from(value(place(x), place(y))).unwrap_or(u8::MAX))
                .collect()
        };
        // Large soft areas, smaller ones on top, and a little grain: about what a lens and a sensor give.
        let luma = plane(width, height, &|x, y| {
            let soft =
                noise(seed, x, y, 6) * 90 + noise(seed ^ 77, x, y, 4) * 50 + noise(seed ^ 99, x, y, 2) * 24;
            40 + soft / 255 + (hash(seed, x, y) & 7)
        });
        let chroma = [1, 2].map(|n| plane(width / 2, height / 2, &|x, y| 96 + noise(seed ^ n, x, y, 5) / 4));
        Self { width, height, camera, luma, chroma }
    }

    /// Of a frame.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.width * self.height * 3 / 2
    }

    /// Adds frame `number` as I420, with its stamp.
    pub fn draw(&self, number: u64, to: &mut Vec<u8>) {
        // Within the width, so the cast loses nothing.
        let turn = usize::try_from(number % self.width as u64).unwrap_or(0);
        let left = (turn * SCROLL % self.width) & !1;
        let begin = to.len();
        for row in self.luma.chunks_exact(2 * self.width) {
            to.extend_from_slice(&row[left..left + self.width]);
        }
        for plane in &self.chroma {
            for row in plane.chunks_exact(self.width) {
                to.extend_from_slice(&row[left / 2..(left + self.width) / 2]);
            }
        }
        // The stamp has 32 bits of it.
        let source_sequence = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
        let stamp = Stamp { camera_index: self.camera, source_sequence };
        let luma = &mut to[begin..begin + self.width * self.height];
        stamp::draw(luma, self.width, self.width, self.height, stamp);
    }
}

/// Random numbers on a lattice of 2^`scale` pixels, blended in between. 0 to 255.
fn noise(seed: u32, x: u32, y: u32, scale: u32) -> u32 {
    let size = 1 << scale;
    let (cell_x, cell_y) = (x >> scale, y >> scale);
    let (part_x, part_y) = (x & (size - 1), y & (size - 1));
    let corner = |dx, dy| hash(seed, cell_x + dx, cell_y + dy) & 0xFF;
    let top = corner(0, 0) * (size - part_x) + corner(1, 0) * part_x;
    let bottom = corner(0, 1) * (size - part_x) + corner(1, 1) * part_x;
    (top * (size - part_y) + bottom * part_y) >> (2 * scale)
}

fn hash(seed: u32, x: u32, y: u32) -> u32 {
    let mut h = seed ^ x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77);
    h = (h ^ h >> 15).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ h >> 12).wrapping_mul(0x297A_2D39);
    h ^ h >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_moves_and_says_which_it_is() {
        let scene = Scene::new(320, 192, 1);
        let mut frames = [Vec::new(), Vec::new()];
        for (number, frame) in [7, 8].into_iter().zip(&mut frames) {
            scene.draw(number, frame);
            assert_eq!(frame.len(), 320 * 192 * 3 / 2);
            let stamp = stamp::read(frame, 320, 320, 192).unwrap();
            assert_eq!(u64::from(stamp.source_sequence), number);
            assert_eq!(stamp.camera_index, 1);
        }
        // Row 100 is below the first stamp and above the second.
        let row = |frame: &[u8]| frame[100 * 320..101 * 320].to_vec();
        assert_eq!(row(&frames[0])[4..], row(&frames[1])[..316]);
    }
}
