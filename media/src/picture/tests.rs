//! Stills of pictures made by hand, decoded again.

use super::*;
use crate::decoder::Decoder;
use proto::frame::Payload;

/// A picture in one colour but for its left upper quarter, which is white.
fn picture(pixel: Pixel, (width, height): (u32, u32), tags: &PictureTags) -> Picture {
    let mut pixels = Video::new(pixel, width, height);
    let grey = if tags.range == Range::Full { 128 } else { 126 };
    let white = if tags.range == Range::Full { 255 } else { 235 };
    for plane in 1..pixels.planes() {
        pixels.data_mut(plane).fill(128);
    }
    let stride = pixels.stride(0);
    for (y, row) in pixels.data_mut(0).chunks_mut(stride).enumerate() {
        row.fill(grey);
        if y < height as usize / 2 {
            row[..width as usize / 2].fill(white);
        }
    }
    Picture::tagged(pixels, tags)
}

/// A still, and its brightness in the middle of each quarter, row by row.
fn quarters(picture: &Picture, width: u32) -> (u32, u32, [u8; 4]) {
    let jpeg = picture.jpeg(width).unwrap();
    let mut decoder = Decoder::open(Payload::Jpeg).unwrap();
    let mut out = decoder.feed(&jpeg, 0).unwrap();
    out.extend(decoder.end());
    let still = &out[0];
    let (w, h) = (still.width() as usize, still.height() as usize);
    let at = |x: usize, y: usize| still.data(0)[y * still.stride(0) + x];
    let quarters = [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| at(w * x / 4, h * y / 4));
    (still.width(), still.height(), quarters)
}

fn alike(found: [u8; 4], expected: [u8; 4]) -> bool {
    found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3)
}

#[test]
fn a_still_is_as_wide_as_asked_and_has_the_pictures_shape() {
    let limited = PictureTags { range: Range::Limited, ..PictureTags::default() };
    for (size, expected) in [((1280, 720), (640, 360)), ((320, 192), (640, 384)), ((640, 640), (640, 640))] {
        let (width, height, found) = quarters(&picture(Pixel::YUV420P, size, &limited), 640);
        assert_eq!((width, height), expected);
        assert!(alike(found, [255, 128, 128, 128]), "{found:?}");
    }
    let anamorphic = PictureTags { pixel_shape: PixelShape::new(16, 11), ..limited };
    let (_, height, _) = quarters(&picture(Pixel::YUV420P, (704, 576), &anamorphic), 640);
    assert_eq!(height, 360);
    let (width, height, _) = quarters(&picture(Pixel::YUV420P, (320, 192), &limited), 3);
    assert_eq!((width, height), (3, 2), "odd sizes too");
}

#[test]
fn every_format_of_a_ring_gives_the_same_still() {
    for pixel in [Pixel::YUV420P, Pixel::NV12, Pixel::GRAY8, Pixel::YUV444P] {
        for range in [Range::Limited, Range::Full] {
            let tags = PictureTags { range, matrix: PictureTags::BT709, ..PictureTags::default() };
            let (_, _, found) = quarters(&picture(pixel, (640, 360), &tags), 640);
            assert!(alike(found, [255, 128, 128, 128]), "{pixel:?} {range:?} {found:?}");
        }
    }
    let mut pixels = Video::new(Pixel::BGR24, 64, 64);
    pixels.data_mut(0).fill(128);
    let rgb = Picture::tagged(pixels, &PictureTags { matrix: PictureTags::RGB, ..PictureTags::default() });
    let (_, _, found) = quarters(&rgb, 64);
    assert!(alike(found, [128; 4]), "{found:?}");
}

#[test]
fn a_turn_is_given_as_a_player_gives_it() {
    for (rotation, expected) in [
        (Rotation::Quarter, [128, 255, 128, 128]),
        (Rotation::Half, [128, 128, 128, 255]),
        (Rotation::ThreeQuarters, [128, 128, 255, 128]),
    ] {
        let tags = PictureTags { rotation, range: Range::Limited, ..PictureTags::default() };
        let (width, height, found) = quarters(&picture(Pixel::YUV420P, (1280, 720), &tags), 360);
        let upright = rotation == Rotation::Half;
        assert_eq!((width, height), if upright { (360, 202) } else { (360, 640) });
        assert!(alike(found, expected), "{rotation:?} {found:?}");
    }
}
