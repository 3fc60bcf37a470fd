//! What the cameras of the feed see, which is what a simulated camera of that name sees, as a stream has it: rows without
//! gaps.

use anyhow::Context;
use capture::sim::scene;
use capture::sim::stamp;
use proto::frame::{Geometry, PixelFormat};

/// A camera's scene, with its stamps.
pub struct Scene {
    scene: scene::Scene,
    geometry: Geometry,
    camera: u8,
}

impl Scene {
    /// Paints it.
    ///
    /// # Errors
    /// When frames of so many pixels are none.
    pub fn new((width, height): (u32, u32), name: &str, camera: u8) -> anyhow::Result<Self> {
        let geometry =
            Geometry::new(width, height, PixelFormat::I420).with_context(|| format!("{width}x{height}"))?;
        Ok(Self { scene: scene::Scene::new(geometry, name), geometry, camera })
    }

    /// Of a frame, its rows padded.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.geometry.frame_bytes()
    }

    /// Adds frame `number` as I420, with its stamp.
    pub fn draw(&self, number: u64, to: &mut Vec<u8>) {
        let begin = to.len();
        to.resize(begin + self.frame_bytes(), 0);
        let frame = &mut to[begin..];
        self.scene.draw(frame, number);
        stamp::draw(frame, &self.geometry, stamp::bits(self.camera, number));
        let mut end = begin;
        for plane in self.geometry.planes() {
            for row in 0..plane.rows {
                let from = begin + plane.offset_bytes + row * plane.stride_bytes;
                if from != end {
                    to.copy_within(from..from + plane.row_bytes, end);
                }
                end += plane.row_bytes;
            }
        }
        to.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_moves_and_says_which_it_is() {
        // With padded rows, and without.
        for (width, height) in [(328, 192), (320, 192)] {
            let scene = Scene::new((width, height), "left", 1).unwrap();
            let (width, height) = (width as usize, height as usize);
            let mut frames = [Vec::new(), Vec::new()];
            for (number, frame) in [7, 8].into_iter().zip(&mut frames) {
                scene.draw(number, frame);
                assert_eq!(frame.len(), width * height * 3 / 2);
                let stamp = oracle::stamp::read(frame, width, width, height).unwrap();
                assert_eq!((u64::from(stamp.source_sequence), stamp.camera_index), (number, 1));
            }
            // Row 100 is below the first stamp and above the second; no shape is there so early.
            let row = |frame: &[u8]| frame[100 * width..101 * width].to_vec();
            assert_eq!(row(&frames[0])[4..], row(&frames[1])[..width - 4]);
        }
    }
}
