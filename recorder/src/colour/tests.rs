//! The table of tags, ring formats and codecs: flat colours go in, a file is made as a clip's is, and what a player shows
//! of it is compared. The other half of the way, from a film to a ring, has its table in the capture.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{codec, media};

use proto::codec::EncoderChoice;
use proto::frame::{Fps, FrameInfo, Geometry, PixelShape, Rotation};

use super::*;
use crate::container::{self, VideoWriter};
use crate::encode::EncoderSetup;
use crate::fakes::Picture;
use crate::media::Encode;

/// The colours of the patches: red, green and blue. None is so strong that a matrix maps it out of range.
const PATCHES: [[u8; 3]; 8] = [
    [235, 235, 235],
    [20, 20, 20],
    [128, 128, 128],
    [200, 40, 40],
    [40, 180, 60],
    [50, 60, 200],
    [220, 170, 140],
    [30, 140, 150],
];
const PATCH: usize = 32;
const WIDTH: usize = PATCH * PATCHES.len();
const HEIGHT: usize = 64;

/// The largest difference from the colour that went in, of 255.
const MOST_OFF: u8 = 3;

/// The weights of red and blue in the matrices of H.273, table 4.
fn weights(matrix: u8) -> (f64, f64) {
    match matrix {
        1 => (0.2126, 0.0722),
        9 => (0.2627, 0.0593),
        _ => (0.299, 0.114),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte first")]
fn byte(n: f64) -> u8 {
    n.round().clamp(0.0, 255.0) as u8
}

/// A colour as Y, Cb and Cr.
fn yuv(rgb: [u8; 3], matrix: u8, full: bool) -> [u8; 3] {
    let (kr, kb) = weights(matrix);
    let [r, g, b] = rgb.map(|n| f64::from(n) / 255.0);
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (cb, cr) = ((b - y) / (2.0 - 2.0 * kb), (r - y) / (2.0 - 2.0 * kr));
    let (base, span, chroma) = if full { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
    [base + span * y, 128.0 + chroma * cb, 128.0 + chroma * cr].map(byte)
}

/// A ring's frame of the patches, as these tags say it is.
fn frame(geometry: &Geometry, tags: &PictureTags) -> Vec<u8> {
    let mut bytes = vec![0; geometry.frame_bytes()];
    let full = tags.range == Range::Full;
    let planes = geometry.planes();
    for (at, plane) in planes.iter().enumerate() {
        for row in 0..plane.rows {
            let line = plane.row_mut(&mut bytes, row);
            for x in 0..WIDTH {
                let rgb = PATCHES[x / PATCH];
                let [y, u, v] = yuv(rgb, tags.matrix, full);
                match (geometry.format(), at) {
                    (PixelFormat::BGR24, _) => line[3 * x..][..3].copy_from_slice(&[rgb[2], rgb[1], rgb[0]]),
                    (PixelFormat::YUYV, _) => {
                        line[2 * x..][..2].copy_from_slice(&[y, if x % 2 == 0 { u } else { v }]);
                    }
                    (PixelFormat::NV12, 1) => line[x / 2 * 2..][..2].copy_from_slice(&[u, v]),
                    (PixelFormat::I420, 1) => line[x / 2] = u,
                    (PixelFormat::I420, 2) => line[x / 2] = v,
                    _ => line[x] = y,
                }
            }
        }
    }
    bytes
}

fn setup(codec: Codec, format: PixelFormat, picture: PictureTags) -> EncoderSetup {
    let (encoder, preset) = match codec {
        Codec::H264 => ("libx264", Some("superfast")),
        Codec::Avc1 => ("libx264", Some("ultrafast")),
        Codec::Mjpg => ("mjpeg", None),
        Codec::Mp4v | Codec::Xvid => ("mpeg4", None),
    };
    let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) };
    let side = |pixels: usize| u32::try_from(pixels).unwrap();
    let geometry = Geometry::new(side(WIDTH), side(HEIGHT), format).unwrap();
    EncoderSetup { choice, geometry, fps: Fps::new(30.0).unwrap(), quality: 23, picture }
}

/// Encodes a frame, and puts it into the codec's own container.
fn make_file(setup: &EncoderSetup, path: &Path) {
    let mut encoder = setup.open().unwrap();
    let layout = container::layout(setup.choice.codec, 30_000);
    let parameters = encoder.parameters();
    let mut writer = VideoWriter::create(path, layout, parameters, setup.picture.rotation, || ()).unwrap();
    let bytes = frame(&setup.geometry, &setup.picture);
    encoder.send(Box::new(Picture(FrameInfo::default(), bytes)), 0, true).unwrap();
    encoder.end().unwrap();
    while let Some(mut packet) = encoder.receive().unwrap() {
        writer.write(&mut packet, 33_333).unwrap();
    }
    writer.finish().unwrap();
}

/// What a player knows of a file after its first picture.
struct Played {
    picture: Video,
    space: Space,
    shape: ffmpeg::Rational,
    /// Of the display matrix: its first five numbers.
    matrix: Option<Vec<i32>>,
}

fn play(path: &Path) -> Played {
    let mut input = ffmpeg::format::input(path).unwrap();
    let stream = input.streams().best(media::Type::Video).unwrap();
    let mut decoder =
        codec::Context::from_parameters(stream.parameters()).and_then(|c| c.decoder().video()).unwrap();
    let is_matrix = |data: &codec::packet::side_data::SideData<'_>| {
        data.kind() == codec::packet::side_data::Type::DisplayMatrix
    };
    let numbers = |bytes: &[u8]| {
        bytes.chunks_exact(4).map(|n| i32::from_ne_bytes(n.try_into().unwrap())).take(5).collect()
    };
    let matrix = stream.side_data().find(is_matrix).map(|data| numbers(data.data()));
    let mut picture = Video::empty();
    for (_, packet) in input.packets() {
        decoder.send_packet(&packet).unwrap();
    }
    decoder.send_eof().unwrap();
    decoder.receive_frame(&mut picture).unwrap();
    Played { space: picture.color_space(), shape: picture.aspect_ratio(), picture, matrix }
}

/// A colour of these numbers, as a player shows it that rounds nothing on the way.
fn rgb([y, cb, cr]: [u8; 3], matrix: u8, full: bool) -> [u8; 3] {
    let (kr, kb) = weights(matrix);
    let (base, span, chroma) = if full { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
    let y = (f64::from(y) - base) / span;
    let [cb, cr] = [cb, cr].map(|n| (f64::from(n) - 128.0) / chroma);
    let (r, b) = (y + (2.0 - 2.0 * kr) * cr, y + (2.0 - 2.0 * kb) * cb);
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    [r, g, b].map(|n| byte(n * 255.0))
}

/// The patches as a player shows them by what the file's picture says of itself; BT.601 is assumed where it says nothing.
fn played_colours(played: &Played) -> Vec<[u8; 3]> {
    let picture = &played.picture;
    assert!(matches!(picture.format(), Pixel::YUV420P | Pixel::YUVJ420P), "{:?}", picture.format());
    let number = [2, 1].into_iter().chain(3..=14).find(|n| space(*n) == played.space).unwrap();
    let full = picture.format() == Pixel::YUVJ420P || picture.color_range() == ffmpeg::color::Range::JPEG;
    let at = |plane: usize, x: usize, y: usize| picture.data(plane)[y * picture.stride(plane) + x];
    let middle = |patch: usize| {
        let (x, y) = (patch * PATCH + PATCH / 2, HEIGHT / 2);
        [at(0, x, y), at(1, x / 2, y / 2), at(2, x / 2, y / 2)]
    };
    (0..PATCHES.len()).map(|patch| rgb(middle(patch), number, full)).collect()
}

/// The patches as a player would show the ring's frame itself.
fn meant(format: PixelFormat, tags: &PictureTags) -> Vec<[u8; 3]> {
    let full = tags.range == Range::Full;
    let of = |patch: [u8; 3]| match format {
        PixelFormat::BGR24 => patch,
        PixelFormat::GRAY8 => [yuv(patch, tags.matrix, full)[0]; 3],
        _ => rgb(yuv(patch, tags.matrix, full), tags.matrix, full),
    };
    PATCHES.into_iter().map(of).collect()
}

const CODECS: [Codec; 5] = [Codec::H264, Codec::Avc1, Codec::Mjpg, Codec::Xvid, Codec::Mp4v];

/// What films say of their colours: matrix, primaries and transfer.
const SAID: [(&str, [u8; 3]); 6] = [
    ("nothing", [2, 2, 2]),
    ("bt601", [6, 6, 6]),
    ("bt709", [1, 1, 1]),
    ("bt2020", [9, 9, 14]),
    ("pq", [9, 9, 16]),
    ("hlg", [9, 9, 18]),
];

/// What a ring of this format says of frames in these colours.
fn tags_of(format: PixelFormat, [matrix, primaries, transfer]: [u8; 3], range: Range) -> PictureTags {
    let (matrix, range) = match format {
        PixelFormat::BGR24 => (PictureTags::RGB, Range::Full),
        PixelFormat::GRAY8 => (matrix, Range::Full),
        _ => (matrix, range),
    };
    PictureTags { matrix, range, primaries, transfer, ..PictureTags::default() }
}

#[test]
fn every_tag_in_every_ring_format_and_codec_is_shown_in_its_colours() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (said, numbers) in SAID {
        for range in [Range::Unspecified, Range::Limited, Range::Full] {
            for (format, codec) in PixelFormat::ALL.into_iter().flat_map(|f| CODECS.map(|c| (f, c))) {
                let tags = tags_of(format, numbers, range);
                let setup = setup(codec, format, tags);
                let path = folder.path().join(format!("clip{}", codec.extension()));
                make_file(&setup, &path);
                let played = play(&path);
                for (meant, came) in meant(format, &tags).iter().zip(played_colours(&played)) {
                    let off = meant.iter().zip(&came).map(|(a, b)| a.abs_diff(*b)).max();
                    if off > Some(MOST_OFF) {
                        wrong.push(format!(
                            "{said} {range:?} {format} {codec}: {meant:?} is shown as {came:?}"
                        ));
                    }
                }
                let picture = &played.picture;
                if matches!(codec, Codec::H264 | Codec::Avc1) {
                    let kept = (picture.color_primaries(), picture.color_transfer_characteristic());
                    assert_eq!(
                        kept,
                        (primaries(numbers[1]), transfer(numbers[2])),
                        "{said} {format} {codec}"
                    );
                    assert_eq!(played.space, space(setup.colours().to.matrix), "{said} {format} {codec}");
                }
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_shape_of_pixels_is_in_every_file_and_the_turn_in_every_mp4() {
    let folder = tempfile::tempdir().unwrap();
    for (rotation, matrix) in [
        (Rotation::None, None),
        (Rotation::Quarter, Some([0, 1, 0, -1, 0])),
        (Rotation::Half, Some([-1, 0, 0, 0, -1])),
        (Rotation::ThreeQuarters, Some([0, -1, 0, 1, 0])),
    ] {
        for codec in CODECS {
            let plain = tags_of(PixelFormat::I420, [1, 1, 1], Range::Limited);
            let tags = PictureTags { rotation, pixel_shape: PixelShape::new(16, 11), ..plain };
            let path = folder.path().join(format!("clip{}", codec.extension()));
            make_file(&setup(codec, PixelFormat::I420, tags), &path);
            let played = play(&path);
            assert_eq!(played.shape, ffmpeg::Rational(16, 11), "{codec}");
            let wanted = matrix.filter(|_| codec.extension() == ".mp4").map(|m| m.map(|n| n << 16).to_vec());
            assert_eq!(played.matrix, wanted, "{codec} {rotation:?}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
