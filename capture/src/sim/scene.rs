//! The scene in front of a simulated camera: textured and moving, seeded by the camera's name. It is painted once and then
//! scrolled, so that drawing a frame costs about one copy of it.

use proto::frame::{Geometry, PixelFormat, Plane};
use proto::nontemporal;

/// Pixels that the scene moves from one frame to the next. Even, so that subsampled colour moves with it.
const SCROLL_PIXELS: usize = 4;
/// The moving shapes: squares of the scene itself, seen elsewhere.
const SHAPES: usize = 3;
const SHAPE_PIXELS: usize = 96;
/// Black, white and grey, as video has them.
pub(super) const BLACK: u8 = 16;
pub(super) const WHITE: u8 = 235;
const NO_COLOUR: u8 = 128;

/// A painted scene.
pub struct Scene {
    geometry: Geometry,
    painted: Vec<u8>,
}

impl Scene {
    /// Paints the scene of the camera of this name.
    #[must_use]
    pub fn new(geometry: Geometry, name: &str) -> Self {
        let seed = seed_of(name);
        let mut painted = vec![0; geometry.frame_bytes()];
        let [first, second, third] = geometry.planes();
        match geometry.format() {
            PixelFormat::I420 => {
                paint(&mut painted, &first, 1, 0, |x, y| luma(seed, x, y));
                paint(&mut painted, &second, 1, 0, |x, y| chroma(seed ^ 1, 2 * x, 2 * y));
                paint(&mut painted, &third, 1, 0, |x, y| chroma(seed ^ 2, 2 * x, 2 * y));
            }
            PixelFormat::NV12 => {
                paint(&mut painted, &first, 1, 0, |x, y| luma(seed, x, y));
                paint(&mut painted, &second, 2, 0, |x, y| chroma(seed ^ 1, 2 * x, 2 * y));
                paint(&mut painted, &second, 2, 1, |x, y| chroma(seed ^ 2, 2 * x, 2 * y));
            }
            PixelFormat::YUYV => {
                paint(&mut painted, &first, 2, 0, |x, y| luma(seed, x, y));
                paint(&mut painted, &first, 4, 1, |x, y| chroma(seed ^ 1, 2 * x, y));
                paint(&mut painted, &first, 4, 3, |x, y| chroma(seed ^ 2, 2 * x, y));
            }
            PixelFormat::BGR24 => {
                for channel in 0..3 {
                    let tint = seed ^ u32::from(channel == 0);
                    paint(&mut painted, &first, 3, channel, |x, y| luma(tint, x, y));
                }
            }
            _ => paint(&mut painted, &first, 1, 0, |x, y| luma(seed, x, y)),
        }
        Self { geometry, painted }
    }

    /// Writes the scene as it looks at frame `number`, over all of `frame`.
    pub fn draw(&self, frame: &mut [u8], number: u64) {
        let width = self.geometry.width() as usize;
        let height = self.geometry.height() as usize;
        // Less than the width, so the conversion never fails.
        let turn = usize::try_from(number % (width as u64)).unwrap_or(0);
        let shift = (turn * SCROLL_PIXELS % width) & !1;
        for plane in self.geometry.planes() {
            let left = shift * plane.row_bytes / width;
            // A pixel group must not be cut in two.
            let left = left - left % self.group_bytes();
            // Rows without a gap between them are scrolled as one: two long copies cost less than many short ones. What
            // leaves a row at the left comes in at the right of the row above, which nobody notices.
            let all = plane.offset_bytes..plane.offset_bytes + plane.stride_bytes * plane.rows;
            let (row, stride) = match plane.stride_bytes == plane.row_bytes {
                true => (all.len(), all.len()),
                false => (plane.row_bytes, plane.stride_bytes),
            };
            let lines = frame[all.clone()].chunks_exact_mut(stride.max(1));
            let rows = self.painted[all].chunks_exact(stride.max(1));
            nontemporal::copy_all(lines.zip(rows).flat_map(|(to, from)| {
                let (gone, seen) = from[..row].split_at(left.min(row));
                let (first, last) = to[..row].split_at_mut(seen.len());
                [(first, seen), (last, gone)]
            }));
        }
        for shape in 0..SHAPES {
            self.draw_shape(frame, turn + shape * 211, shape, width, height);
        }
    }

    /// Writes the picture of a camera with its lens cap on: luma at its darkest, no colour.
    pub fn draw_black(&self, frame: &mut [u8]) {
        self.draw_plain(frame, BLACK);
    }

    /// Writes the picture of a camera that looks into a flash of light.
    pub fn draw_lit(&self, frame: &mut [u8]) {
        self.draw_plain(frame, WHITE);
    }

    fn draw_plain(&self, frame: &mut [u8], luma: u8) {
        let [first, second, third] = self.geometry.planes();
        match self.geometry.format() {
            PixelFormat::YUYV => paint_all(frame, &first, &[luma, NO_COLOUR]),
            _ => paint_all(frame, &first, &[luma]),
        }
        paint_all(frame, &second, &[NO_COLOUR]);
        paint_all(frame, &third, &[NO_COLOUR]);
    }

    /// Draws a square of the scene's far side, which moves against the scroll.
    fn draw_shape(&self, frame: &mut [u8], turn: usize, shape: usize, width: usize, height: usize) {
        let side = SHAPE_PIXELS.min(width / 4).min(height / 4) & !1;
        if side == 0 {
            return;
        }
        let x = (turn * (6 + 2 * shape) % (width - side)) & !1;
        let y = ((turn * (2 + shape) + height / (shape + 2)) % (height - side)) & !1;
        for plane in self.geometry.planes().into_iter().filter(|p| p.rows > 0) {
            let group = self.group_bytes();
            let bytes = side * plane.row_bytes / width / group * group;
            let at = x * plane.row_bytes / width / group * group;
            let rows = side * plane.rows / height;
            let top = y * plane.rows / height;
            for row in 0..rows {
                let from = plane.row(&self.painted, (plane.rows / 2 + row) % plane.rows);
                let to = plane.row_mut(frame, top + row);
                to[at..at + bytes].copy_from_slice(&from[from.len() - at - bytes..from.len() - at]);
            }
        }
    }

    /// The bytes of a row that belong together: a colour sample and its neighbours.
    fn group_bytes(&self) -> usize {
        match self.geometry.format() {
            PixelFormat::NV12 => 2,
            PixelFormat::YUYV => 4,
            PixelFormat::BGR24 => 3,
            _ => 1,
        }
    }
}

/// The brightness of four squares of 8 x 8 pixels and the colours of all, of the scene of the camera of this name. The
/// squares are one of 16 x 16, with its top left pixel at this place.
pub(super) fn mcu(name: &str, x: usize, y: usize) -> ([u8; 4], [u8; 2]) {
    let seed = seed_of(name);
    let place = |at: usize, more: usize| u32::try_from(at + more).unwrap_or(u32::MAX);
    let square = |n: usize| luma(seed, place(x, 4 + n % 2 * 8), place(y, 4 + n / 2 * 8));
    let colour = |plane: u32| chroma(seed ^ plane, place(x, 8), place(y, 8));
    ([0, 1, 2, 3].map(square), [1, 2].map(colour))
}

/// 16 x 16 pixels of that scene with their colours at half size: luma, then each colour.
pub(super) fn macroblock(name: &str, x: u32, y: u32) -> [u8; 384] {
    let seed = seed_of(name);
    let mut samples = [0; 384];
    let (bright, colours) = samples.split_at_mut(256);
    for (n, to) in (0..).zip(bright) {
        *to = luma(seed, x + n % 16, y + n / 16);
    }
    for (n, to) in (0..).zip(colours) {
        *to = chroma(seed ^ (1 + n / 64), x + n % 8 * 2, y + n % 64 / 8 * 2);
    }
    samples
}

/// A number without any pattern, made from another.
pub(super) fn mix(number: u64) -> u64 {
    let [low, high] = [number & 0xFFFF_FFFF, number >> 32].map(|half| u32::try_from(half).unwrap_or(0));
    u64::from(hash(high, low, 0x9E37)) | u64::from(hash(high, low, 0x79B9)) << 32
}

fn seed_of(name: &str) -> u32 {
    name.bytes().fold(0x811C_9DC5, |h: u32, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

fn paint_all(frame: &mut [u8], plane: &Plane, group: &[u8]) {
    for row in 0..plane.rows {
        plane
            .row_mut(frame, row)
            .chunks_mut(group.len())
            .for_each(|to| to.copy_from_slice(&group[..to.len()]));
    }
}

/// Sets every `step`th byte of a plane, from `first` on, to `value` of its position.
fn paint(scene: &mut [u8], plane: &Plane, step: usize, first: usize, value: impl Fn(u32, u32) -> u8) {
    for y in 0..plane.rows {
        let line = plane.row_mut(scene, y);
        let mut x = 0;
        let mut at = first;
        while at < line.len() {
            line[at] = value(x, u32::try_from(y).unwrap_or(0));
            x += 1;
            at += step;
        }
    }
}

/// A luma value: large soft areas, smaller ones on top, and a little grain, much as a lens and a sensor give them.
fn luma(seed: u32, x: u32, y: u32) -> u8 {
    let grain = hash(seed, x, y) & 7;
    let sum = 64
        + (noise(seed, x, y, 6) * 90 + noise(seed ^ 77, x, y, 4) * 50 + noise(seed ^ 99, x, y, 2) * 24) / 255;
    u8::try_from(sum + grain).unwrap_or(u8::MAX)
}

fn chroma(seed: u32, x: u32, y: u32) -> u8 {
    u8::try_from(96 + noise(seed, x, y, 6) * 64 / 255).unwrap_or(u8::MAX)
}

/// Value noise: random numbers on a lattice of 2^`scale` pixels, blended in between. 0 to 255.
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
    fn the_scene_moves_and_fills_every_format() {
        // 322 leaves a gap between rows, 320 doesn't.
        for (width, format) in [322, 320].into_iter().flat_map(|w| PixelFormat::ALL.map(|f| (w, f))) {
            let geometry = Geometry::new(width, 130, format).unwrap();
            let scene = Scene::new(geometry, "left");
            let (mut a, mut b) = (vec![0; geometry.frame_bytes()], vec![0; geometry.frame_bytes()]);
            scene.draw(&mut a, 1);
            scene.draw(&mut b, 2);
            assert_ne!(a, b, "{format}");
            for plane in geometry.planes().iter().filter(|p| p.rows > 0) {
                for row in 0..plane.rows {
                    assert!(plane.row(&a, row).iter().all(|v| *v > 0), "{width} {format} row {row}");
                }
            }
            scene.draw(&mut b, u64::MAX);
        }
    }

    #[test]
    fn two_cameras_see_two_scenes() {
        let geometry = Geometry::new(256, 64, PixelFormat::GRAY8).unwrap();
        assert_ne!(Scene::new(geometry, "left").painted, Scene::new(geometry, "right").painted);
    }
}
