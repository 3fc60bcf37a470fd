//! The cost of each conversion, measured and never asserted.

use std::time::{Duration, Instant};

use proto::codec::Codec;
use proto::frame::{PictureTags, PixelFormat, Range};

use super::*;
use crate::libav;

/// So many frames of each conversion.
const FRAMES: usize = 200;

/// The format that a codec's encoder takes: x264's, and that of the `mjpeg` and `mpeg4` encoders.
fn taken_by(codec: Codec, format: PixelFormat) -> Pixel {
    match (codec, format) {
        (Codec::Mjpg, _) => Pixel::YUVJ420P,
        (Codec::H264 | Codec::Avc1, PixelFormat::NV12) => Pixel::NV12,
        _ => Pixel::YUV420P,
    }
}

/// The least and the middle time of one frame's conversion.
fn measure(from: Pixel, to: Pixel, size: (u32, u32), colours: &Colours) -> (Duration, Duration) {
    let side = |pixel| Side { pixel, width: size.0, height: size.1 };
    let mut scaler = Scaler::new(side(from), side(to), colours).unwrap();
    let (mut source, mut into) = (Video::new(from, size.0, size.1), Video::new(to, size.0, size.1));
    for plane in 0..source.planes() {
        let noise = (0_u32..).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        source.data_mut(plane).iter_mut().zip(noise).for_each(|(byte, noise)| *byte = noise);
    }
    let mut times: Vec<Duration> = (0..FRAMES)
        .map(|_| {
            let begun = Instant::now();
            assert!(scaler.run(&source, &mut into));
            begun.elapsed()
        })
        .collect();
    times.sort();
    (times[0], times[FRAMES / 2])
}

/// The figures in docs/decisions/colour.md: `cargo test --release -p recorder -- --ignored --nocapture what_each_conversion_costs`.
#[test]
#[ignore = "measures time"]
fn what_each_conversion_costs() {
    let size = (1280, 720);
    let tagged = |matrix, range| PictureTags { matrix, range, ..PictureTags::default() };
    let (bt601, bt709) = (PictureTags::BT601, PictureTags::BT709);
    for (said, tags) in [
        ("BT.601, limited", tagged(bt601, Range::Limited)),
        ("BT.601, full", tagged(bt601, Range::Full)),
        ("BT.709, limited", tagged(bt709, Range::Limited)),
        ("BT.709, full", tagged(bt709, Range::Full)),
    ] {
        for (format, codec) in PixelFormat::ALL
            .into_iter()
            .flat_map(|format| [Codec::H264, Codec::Mjpg, Codec::Mp4v].map(|codec| (format, codec)))
        {
            let colours = Colours::of(format, &tags, codec);
            let (from, to) = (libav::pixel(format), taken_by(codec, format));
            if from == to && is_alike(colours.from, colours.to) {
                println!("{said:16} {format:6} {codec:5} as it is");
                continue;
            }
            let (least, middle) = measure(from, to, size, &colours);
            println!(
                "{said:16} {format:6} {codec:5} {:5.2} ms, at least {:5.2}",
                middle.as_secs_f64() * 1e3,
                least.as_secs_f64() * 1e3
            );
        }
    }
}
