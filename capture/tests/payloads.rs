//! A simulated camera's compressed frames: decoded by libav without any complaint, one picture a frame, and each shows its
//! own stamp by the oracle's reading.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::path::Path;
use std::process::Command;

use capture::sim::h264::H264Pieces;
use capture::sim::jpeg::JpegPieces;
use capture::sim::stamp;
use oracle::decode;
use oracle::stamp::Stamp;
use proto::config::SimConfig;
use proto::frame::{Fps, Geometry, Payload, PixelFormat};

/// Sizes that are whole macroblocks and sizes that aren't, with a second stamp and without, at each place that it can have
/// within a block.
const SIZES: [(u32, u32); 8] =
    [(320, 192), (322, 130), (256, 64), (260, 132), (270, 142), (640, 384), (1280, 720), (1920, 1080)];
const FRAMES: u64 = 24;
/// Numbers that use all of a stamp's bits.
const FIRST: u64 = 0xFFFF_FFF4;

/// The camera's index in the stamps.
const CAMERA: u8 = 3;

fn bits(number: u64) -> u64 {
    stamp::bits(CAMERA, number)
}

/// Decodes a file with libav, and with `ffmpeg` if it is there, and compares the stamps.
fn assert_decodes(path: &Path, (width, height): (u32, u32), numbers: impl Iterator<Item = u64>) {
    let mut stamps = Vec::new();
    let decoded = decode::each_frame(path, |luma| {
        assert_eq!((luma.width, luma.height), (width as usize, height as usize));
        assert!(!luma.damaged, "frame {} of {}", stamps.len(), path.display());
        stamps.push(oracle::stamp::read(luma.plane, luma.stride, luma.width, luma.height));
    });
    assert_eq!(decoded.unwrap().errors, [] as [String; 0], "{}", path.display());
    let low = |number: u64| u32::try_from(number & 0xFFFF_FFFF).unwrap();
    let due: Vec<_> =
        numbers.map(|n| Some(Stamp { camera_index: CAMERA, source_sequence: low(n) })).collect();
    assert_eq!(stamps, due, "{}", path.display());
    match Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-xerror", "-i"])
        .arg(path)
        .args(["-f", "null", "-"])
        .output()
    {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success() && said.is_empty(), "{}: {said}", path.display());
        }
        Err(e) => println!("skipped: there is no ffmpeg command ({e})"),
    }
}

/// A slot of the ring with an older frame in it.
fn slot(bytes: usize) -> Vec<u8> {
    vec![0xA5; bytes]
}

#[test]
fn every_jpeg_decodes_without_complaint_and_shows_its_stamp() {
    let folder = tempfile::tempdir().unwrap();
    for (size, frame_bytes) in
        SIZES.into_iter().zip([9_000, 1_000, 40_000, 300_000, 8_000, 30_000, 60_000, 400_000])
    {
        let pieces = JpegPieces::new(size, "left", frame_bytes);
        let mut film = Vec::new();
        for number in FIRST..FIRST + FRAMES {
            let mut frame = slot(pieces.bytes(number) + 100);
            assert_eq!(pieces.draw(&mut frame, number, bits(number)), pieces.bytes(number));
            frame.truncate(pieces.bytes(number));
            assert_eq!(
                (&frame[..3], &frame[frame.len() - 2..]),
                (&[0xFF, 0xD8, 0xFF][..], &[0xFF, 0xD9][..])
            );
            film.extend(frame);
        }
        let path = folder.path().join(format!("{}x{}.mjpeg", size.0, size.1));
        std::fs::write(&path, film).unwrap();
        assert_decodes(&path, size, FIRST..FIRST + FRAMES);
    }
}

#[test]
fn jpegs_have_about_the_size_that_is_asked_for_and_differ_in_it() {
    for (size, frame_bytes) in [((1920, 1080), 400_000), ((320, 192), 12_000), ((320, 192), 200_000)] {
        let pieces = JpegPieces::new(size, "left", frame_bytes);
        let sizes: Vec<usize> = (0..200).map(|number| pieces.bytes(number)).collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((frame_bytes - frame_bytes / 30..=frame_bytes).contains(&mean), "{mean} of {frame_bytes}");
        assert!(sizes.iter().all(|bytes| (frame_bytes * 19 / 20..=frame_bytes).contains(bytes)), "{sizes:?}");
        assert!(sizes.iter().any(|bytes| *bytes != sizes[0]));
    }
}

#[test]
fn a_jpeg_of_the_same_number_is_the_same_and_another_is_another_picture() {
    let pieces = JpegPieces::new((320, 192), "left", 12_000);
    let jpeg = |number: u64, bits: u64| {
        let mut frame = slot(pieces.bytes(number));
        pieces.draw(&mut frame, number, bits);
        frame
    };
    assert_eq!(jpeg(7, 1), jpeg(7, 1));
    assert_ne!(jpeg(7, 1), jpeg(8, 1));
    assert_ne!(jpeg(7, 1), jpeg(7, 2));
}

#[test]
fn every_h264_frame_decodes_without_complaint_and_shows_its_stamp() {
    let folder = tempfile::tempdir().unwrap();
    let fps = Fps::new(59.94).unwrap();
    for (size, frame_bytes) in
        SIZES.into_iter().zip([60_000, 0, 90_000, 300_000, 80_000, 70_000, 100_000, 120_000])
    {
        let pieces = H264Pieces::new(size, fps, "left", 7, frame_bytes);
        let mut film = Vec::new();
        // From a key frame on.
        let first = FIRST.next_multiple_of(7);
        for number in first..first + FRAMES {
            let mut frame = slot(pieces.bytes(number) + 100);
            let bytes = pieces.draw(&mut frame, number, number, bits(number));
            assert_eq!(bytes, pieces.bytes(number));
            assert_eq!(pieces.is_key(number), number.is_multiple_of(7));
            film.extend(&frame[..bytes]);
        }
        let path = folder.path().join(format!("{}x{}.h264", size.0, size.1));
        std::fs::write(&path, film).unwrap();
        assert_decodes(&path, size, first..first + FRAMES);
    }
}

#[test]
fn no_frame_is_larger_than_the_config_says() {
    let fps = Fps::new(30.0).unwrap();
    for (width, height) in SIZES {
        for payload in [Payload::Jpeg, Payload::H264] {
            let geometry = Geometry::new(width, height, PixelFormat::I420).unwrap();
            let least = SimConfig::least_frame_bytes(payload, &geometry);
            for frame_bytes in [least, least + 1_000, 2 * least].map(|bytes| usize::try_from(bytes).unwrap())
            {
                let jpeg = JpegPieces::new((width, height), "left", frame_bytes);
                let h264 = H264Pieces::new((width, height), fps, "left", 5, frame_bytes);
                let largest = (0..100).map(|number| match payload {
                    Payload::Jpeg => jpeg.bytes(number),
                    _ => h264.bytes(number),
                });
                assert!(largest.max().unwrap() <= frame_bytes, "{width}x{height} {payload} {frame_bytes}");
            }
        }
    }
}

#[test]
fn h264_with_a_key_frame_each_or_hardly_ever_decodes() {
    let folder = tempfile::tempdir().unwrap();
    for gop in [1, 600] {
        let pieces = H264Pieces::new((320, 192), Fps::new(30.0).unwrap(), "left", gop, 50_000);
        let mut film = Vec::new();
        let numbers = || 1200..1200 + if gop == 1 { 9 } else { 600 };
        for number in numbers() {
            let mut frame = slot(pieces.bytes(number));
            pieces.draw(&mut frame, number, number, bits(number));
            film.extend(frame);
        }
        let path = folder.path().join(format!("{gop}.h264"));
        std::fs::write(&path, film).unwrap();
        assert_decodes(&path, (320, 192), numbers());
    }
}

#[test]
fn no_byte_of_an_h264_unit_can_be_taken_for_the_start_of_another() {
    for (size, gop) in SIZES.into_iter().zip([1, 2, 7, 300, 1000, 65_536, 256, 3]) {
        let pieces = H264Pieces::new(size, Fps::new(30.0).unwrap(), "left", gop, 100_000);
        for number in [0, 1, 2, gop - 1, gop, 255, 256, 257, 32_768, 65_535] {
            let mut frame = slot(pieces.bytes(number));
            pieces.draw(&mut frame, number, number, bits(number));
            let zeros = |at: usize| frame[at] == 0 && frame[at + 1] == 0;
            let units = (0..frame.len() - 3)
                .filter(|at| zeros(*at) && frame[at + 2] <= 2)
                .filter(|at| frame[at + 2..at + 4] != [0, 1]);
            // Each unit has one start code, 00 00 00 01, which is also 00 00 01.
            let starts = (0..frame.len() - 3).filter(|at| frame[*at..at + 4] == [0, 0, 0, 1]).count();
            assert_eq!(units.count(), starts, "{size:?} {number}");
            assert_eq!(starts, if pieces.is_key(number) { 4 } else { 2 });
        }
    }
}

#[test]
fn a_black_frame_decodes_and_carries_no_stamp() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = JpegPieces::new((320, 192), "left", 12_000);
    let h264 = H264Pieces::new((320, 192), Fps::new(30.0).unwrap(), "left", 30, 50_000);
    let (mut a, mut b) = (slot(jpeg.bytes(5)), slot(h264.bytes(0)));
    assert_eq!((jpeg.draw_black(&mut a, 5), h264.draw_black(&mut b, 0)), (a.len(), b.len()));
    for (name, bytes) in [("black.mjpeg", a), ("black.h264", b)] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut looked = 0;
        let decoded = decode::each_frame(&path, |luma| {
            assert!(luma.plane[..320].iter().all(|sample| *sample < 40), "{name}");
            assert_eq!(oracle::stamp::read(luma.plane, luma.stride, luma.width, luma.height), None);
            looked += 1;
        });
        assert_eq!((decoded.unwrap().errors.len(), looked), (0, 1), "{name}");
    }
}
