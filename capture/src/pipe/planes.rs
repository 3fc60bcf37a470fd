//! Raw frames as programs write them, row directly behind row, and as a ring holds them, with rows at multiples of some bytes.

use proto::frame::{Geometry, PixelFormat, Plane};

/// The bytes of a frame whose rows lie directly one behind the other.
pub(super) fn packed_bytes(geometry: &Geometry) -> usize {
    geometry.planes().iter().map(bytes_of).sum()
}

fn bytes_of(plane: &Plane) -> usize {
    plane.row_bytes * plane.rows
}

/// Can frames of one format be written as the other without any loss?
pub(super) fn fits(from: PixelFormat, to: PixelFormat) -> bool {
    from == to || (from == PixelFormat::I420 && to == PixelFormat::NV12)
}

/// Writes a frame that is packed into a ring's. Gives the frame's bytes in the ring. `from` is the format of the packed frame.
pub(super) fn write(packed: &[u8], from: PixelFormat, ring: &Geometry, frame: &mut [u8]) -> usize {
    let [luma, colour, third] = ring.planes();
    let (y, colours) = packed.split_at(bytes_of(&luma));
    luma.fill(frame, y, luma.row_bytes);
    if from == ring.format() {
        let (second, rest) = colours.split_at(bytes_of(&colour));
        colour.fill(frame, second, colour.row_bytes);
        third.fill(frame, rest, third.row_bytes);
    } else {
        interleave(colours, &colour, frame);
    }
    ring.frame_bytes()
}

/// Writes two planes of colour into one of NV12.
fn interleave(colours: &[u8], plane: &Plane, frame: &mut [u8]) {
    let width = plane.row_bytes / 2;
    let (us, vs) = colours.split_at(width * plane.rows);
    for row in 0..plane.rows {
        let (u, v) = (&us[row * width..][..width], &vs[row * width..][..width]);
        for ((pair, u), v) in plane.row_mut(frame, row).chunks_exact_mut(2).zip(u).zip(v) {
            pair.copy_from_slice(&[*u, *v]);
        }
    }
}
