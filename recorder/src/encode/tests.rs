//! Tests of the encoders, on libav's own.

use proto::frame::FrameInfo;

use super::*;
use crate::fakes::Picture;

fn gray(bytes: Vec<u8>) -> Box<dyn HeldFrame> {
    Box::new(Picture(FrameInfo::default(), bytes))
}

fn packets(encoder: &mut Encoder) -> Vec<Packet> {
    std::iter::from_fn(|| encoder.receive().unwrap()).collect()
}

#[test]
fn each_frame_comes_out_before_the_next_goes_in() {
    let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
    for (codec, encoder, preset) in [
        (Codec::H264, "libx264", Some("superfast")),
        (Codec::H264, "libx264", Some("veryfast")),
        (Codec::Avc1, "libx264", Some("ultrafast")),
        (Codec::Mp4v, "mpeg4", None),
        (Codec::Mjpg, "mjpeg", None),
    ] {
        let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) };
        let fps = Fps::from_milli(60_000).unwrap();
        let mut encoder =
            EncoderSetup { choice, geometry, fps, quality: 23, picture: PictureTags::default() }
                .open()
                .unwrap();
        // Not at a constant rate.
        for pts in [0_i64, 16_666, 33_333, 500_000, 516_666, 900_000] {
            encoder.send(gray(vec![pts.to_le_bytes()[1]; geometry.frame_bytes()]), pts, false).unwrap();
            let out: Vec<_> = packets(&mut encoder).iter().map(Packet::pts).collect();
            assert_eq!(out, [Some(pts)], "{codec:?} {preset:?}");
        }
        encoder.end().unwrap();
        assert!(encoder.receive().unwrap().is_none(), "{codec:?} {preset:?}: it held something back");
    }
}

#[test]
fn a_worse_quality_makes_smaller_files_of_every_codec() {
    let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
    // Of all frequencies, so that every step of the quantiser shows.
    let noise: Vec<u8> = (0..geometry.frame_bytes()).map(|n| (n * n / 7 % 251).to_le_bytes()[0]).collect();
    for (codec, encoder, preset) in [
        (Codec::H264, "libx264", Some("superfast")),
        (Codec::Avc1, "libx264", Some("ultrafast")),
        (Codec::Xvid, "mpeg4", None),
        (Codec::Mp4v, "mpeg4", None),
        (Codec::Mjpg, "mjpeg", None),
    ] {
        let size = |quality| {
            let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) };
            let fps = Fps::from_milli(60_000).unwrap();
            let mut encoder =
                EncoderSetup { choice, geometry, fps, quality, picture: PictureTags::default() }
                    .open()
                    .unwrap();
            encoder.send(gray(noise.clone()), 0, false).unwrap();
            packets(&mut encoder).iter().map(Packet::size).sum::<usize>()
        };
        let sizes = [12, 23, 36, 48].map(size);
        assert!(sizes.windows(2).all(|pair| pair[0] > pair[1]), "{codec:?}: {sizes:?}");
    }
}

#[test]
fn a_key_frame_comes_where_it_is_asked_for() {
    let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
    for (codec, encoder, preset) in [
        (Codec::H264, "libx264", Some("superfast")),
        (Codec::Avc1, "libx264", Some("ultrafast")),
        (Codec::Mp4v, "mpeg4", None),
    ] {
        let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) };
        let fps = Fps::from_milli(60_000).unwrap();
        let mut encoder =
            EncoderSetup { choice, geometry, fps, quality: 23, picture: PictureTags::default() }
                .open()
                .unwrap();
        let keys: Vec<bool> = (0..8)
            .map(|n: i64| {
                let bytes = vec![n.to_le_bytes()[0]; geometry.frame_bytes()];
                encoder.send(gray(bytes), n * 16_667, n == 5).unwrap();
                packets(&mut encoder)[0].is_key()
            })
            .collect();
        let expected: Vec<bool> = (0..8).map(|n| n == 0 || n == 5).collect();
        assert_eq!(keys, expected, "{codec:?}");
    }
}

fn x264(preset: &str, geometry: Geometry, fps_milli: u64, quality: u8) -> EncoderSetup {
    let choice =
        EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some(preset.to_owned()) };
    EncoderSetup {
        choice,
        geometry,
        fps: Fps::from_milli(fps_milli).unwrap(),
        quality,
        picture: PictureTags::default(),
    }
}

fn parameter_sets(setup: &EncoderSetup) -> Vec<u8> {
    libav::extradata(&setup.open().unwrap().parameters())
}

#[test]
fn all_presets_have_one_parameter_set() {
    for (width, height, fps_milli) in [
        (64, 64, 30_000),
        (322, 182, 59_940),
        (640, 480, 500_000),
        (1280, 720, 60_000),
        (1920, 1080, 25_000),
        (3840, 2160, 240_000),
        (4096, 3072, 1_000),
    ] {
        let geometry = Geometry::new(width, height, PixelFormat::NV12).unwrap();
        let sets_of = |preset, quality| parameter_sets(&x264(preset, geometry, fps_milli, quality));
        for quality in [0, 1, 23, 51] {
            let first = sets_of(X264_PRESETS[0], quality);
            assert!(!first.is_empty());
            for preset in X264_PRESETS {
                assert_eq!(
                    sets_of(preset, quality),
                    first,
                    "{width}x{height} {fps_milli} {preset} {quality}"
                );
            }
        }
        // Nor does the quality stand there. Quality 0 is lossless, which is a profile of its own.
        assert_eq!(sets_of("superfast", 1), sets_of("medium", 51));
    }
}

#[test]
fn all_presets_have_one_parameter_set_whatever_the_pictures_say_of_themselves() {
    let geometry = Geometry::new(322, 182, PixelFormat::NV12).unwrap();
    let plain = PictureTags::default();
    let full = PictureTags { range: Range::Full, ..plain };
    let pq = PictureTags { matrix: 9, primaries: 9, transfer: PictureTags::PQ, ..plain };
    let wide = PictureTags { pixel_shape: proto::frame::PixelShape::new(16, 11), ..pq };
    let mut seen = Vec::new();
    for picture in [plain, full, pq, wide] {
        let sets_of =
            |preset| parameter_sets(&EncoderSetup { picture, ..x264(preset, geometry, 60_000, 23) });
        let first = sets_of(X264_PRESETS[0]);
        assert!(X264_PRESETS.iter().all(|preset| sets_of(preset) == first), "{picture:?}");
        assert!(!seen.contains(&first), "the sets say nothing of {picture:?}");
        seen.push(first);
    }
}

#[test]
fn the_level_is_that_of_the_size_and_the_rate() {
    // H.264, table A-1: macroblocks a second and in a frame.
    for (width, height, fps_milli, level) in [
        (640, 480, 30_000, 30),
        (1280, 720, 30_000, 31),
        (1280, 720, 60_000, 32),
        (1920, 1080, 30_000, 40),
        (1920, 1080, 60_000, 42),
        (3840, 2160, 60_000, 52),
        (3840, 2160, 240_000, 61),
    ] {
        let geometry = Geometry::new(width, height, PixelFormat::I420).unwrap();
        let sets = parameter_sets(&x264("medium", geometry, fps_milli, 23));
        // Annex B: a start code, the NAL's head, profile, constraints, level.
        assert_eq!(sets[..5], [0, 0, 0, 1, 0x67], "{sets:?}");
        assert_eq!(sets[7], level, "{width}x{height} at {fps_milli}");
    }
}

/// A picture that moves, so that frames depend on each other: a gradient with a bright square.
fn moving(geometry: &Geometry, n: usize) -> Vec<u8> {
    let (width, height) = (geometry.width() as usize, geometry.height() as usize);
    let mut bytes = vec![128; geometry.frame_bytes()];
    for y in 0..height {
        for x in 0..width {
            let in_square = (x + width - 5 * n % width) % width < 40 && y.abs_diff(height / 2) < 20;
            let value = if in_square { 230 } else { 40 + (x + 2 * y + 3 * n) % 128 };
            bytes[y * width + x] = value.to_le_bytes()[0];
        }
    }
    bytes
}

#[test]
fn a_stream_whose_preset_changes_decodes_whole() {
    const EACH: usize = 7;
    let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
    let luma = (geometry.width() * geometry.height()) as usize;
    let parameters = x264(X264_PRESETS[0], geometry, 60_000, 20).open().unwrap().parameters();
    let mut decoder = codec::Context::from_parameters(parameters).and_then(|c| c.decoder().video()).unwrap();
    let mut decoded = Vec::new();
    let mut take = |decoder: &mut codec::decoder::Video| {
        let mut frame = Video::empty();
        while decoder.receive_frame(&mut frame).is_ok() {
            let rows = frame.data(0).chunks(frame.stride(0)).take(192);
            decoded.push(rows.flat_map(|row| row[..320].to_vec()).collect::<Vec<u8>>());
        }
    };
    let presets = X264_PRESETS.iter().chain(X264_PRESETS.iter().rev());
    let mut sent = Vec::new();
    for (stretch, preset) in presets.enumerate() {
        let mut encoder = x264(preset, geometry, 60_000, 20).open().unwrap();
        for n in stretch * EACH..(stretch + 1) * EACH {
            let picture = moving(&geometry, n);
            encoder.send(gray(picture.clone()), i64::try_from(n).unwrap() * 16_667, false).unwrap();
            packets(&mut encoder).iter().for_each(|packet| decoder.send_packet(packet).unwrap());
            take(&mut decoder);
            sent.push(picture);
        }
    }
    decoder.send_eof().unwrap();
    take(&mut decoder);
    assert_eq!(decoded.len(), sent.len());
    for (n, (decoded, sent)) in decoded.iter().zip(&sent).enumerate() {
        let off: u64 = decoded.iter().zip(&sent[..luma]).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = off as f64 / luma as f64;
        assert!(mean < 4.0, "frame {n} is off by {mean} in the mean");
    }
}
