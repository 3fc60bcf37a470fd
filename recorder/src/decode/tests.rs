//! Tests of the decoder and of what makes its pictures fit, on libav's own encoders.

use ffmpeg_next::format::Pixel;
use proto::codec::{Codec, EncoderChoice};
use proto::frame::{Fps, FrameInfo};
use proto::ladder::last_resort;

use super::*;
use proto::frame::{Geometry, PictureTags, PixelFormat, Range};

use crate::encode::EncoderSetup;
use crate::fakes::Picture;
use crate::fitting::Fitting;
use crate::jpeg;
use crate::libav;
use crate::media::Encode;

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

fn geometry(format: PixelFormat) -> Geometry {
    Geometry::new(WIDTH, HEIGHT, format).unwrap()
}

/// A decoder and what makes its pictures fit: for streams whose pictures come out before the next frame goes in.
struct Whole {
    decoder: Decoder,
    fitting: Fitting,
}

impl Whole {
    fn open(payload: Payload, geometry: Geometry) -> Self {
        let decoder = Decoder::open(payload, Beginning::KeyFrame, false).unwrap();
        Self { decoder, fitting: Fitting::new(payload, geometry) }
    }

    fn decode(&mut self, frame: &[u8]) -> Result<Vec<u8>, ffmpeg::Error> {
        self.decoder.send(0, frame)?;
        self.fitting.bytes(&self.decoder.receive()?.ok_or(ffmpeg::Error::InvalidData)?)
    }

    fn tags(&self) -> PictureTags {
        self.fitting.tags().unwrap()
    }
}

/// A picture of one colour: brightness, and the two of colour.
fn flat([y, u, v]: [u8; 3]) -> Vec<u8> {
    let geometry = geometry(PixelFormat::I420);
    let mut bytes = vec![0; geometry.frame_bytes()];
    for (plane, value) in geometry.planes().iter().zip([y, u, v]) {
        (0..plane.rows).for_each(|row| plane.row_mut(&mut bytes, row).fill(value));
    }
    bytes
}

/// Frames of one colour each, encoded: each packet with its key flag.
fn encoded(choice: EncoderChoice, picture: PictureTags, colours: &[[u8; 3]]) -> Vec<(Vec<u8>, bool)> {
    let geometry = geometry(PixelFormat::I420);
    let fps = Fps::new(30.0).unwrap();
    let mut encoder = EncoderSetup { choice, geometry, fps, quality: 12, picture }.open().unwrap();
    let mut packets = Vec::new();
    for (colour, at) in colours.iter().zip(0..) {
        let frame = Picture(FrameInfo::default(), flat(*colour));
        encoder.send(Box::new(frame), at * 33_333, at == 0).unwrap();
        let packet = encoder.receive().unwrap().unwrap();
        packets.push((packet.data().unwrap().to_vec(), packet.is_key()));
    }
    packets
}

/// A JPEG of one colour in full range, as JPEG is.
fn a_jpeg(colour: [u8; 3]) -> Vec<u8> {
    let full = PictureTags { range: Range::Full, matrix: PictureTags::BT601, ..PictureTags::default() };
    encoded(last_resort(), full, &[colour]).remove(0).0
}

/// The first sample of each plane.
fn firsts(bytes: &[u8], format: PixelFormat) -> Vec<u8> {
    geometry(format).planes().iter().filter(|plane| plane.rows > 0).map(|p| p.row(bytes, 0)[0]).collect()
}

#[track_caller]
fn assert_near(a: &[u8], b: &[u8]) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 4), "{a:?} is not {b:?}");
}

#[test]
fn a_jpeg_becomes_a_picture_in_full_range_of_each_format() {
    for (format, expected, matrix) in [
        (PixelFormat::I420, &[250, 100, 140][..], PictureTags::BT601),
        (PixelFormat::NV12, &[250, 100], PictureTags::BT601),
        (PixelFormat::GRAY8, &[250], PictureTags::BT601),
        (PixelFormat::YUYV, &[250], PictureTags::BT601),
        // Blue: 250 + 1.772 * (100 - 128).
        (PixelFormat::BGR24, &[200], PictureTags::RGB),
    ] {
        let mut decoder = Whole::open(Payload::Jpeg, geometry(format));
        let bytes = decoder.decode(&a_jpeg([250, 100, 140])).unwrap();
        assert_near(&firsts(&bytes, format), expected);
        assert_eq!((decoder.tags().range, decoder.tags().matrix), (Range::Full, matrix), "{format:?}");
    }
}

#[test]
fn a_jpeg_without_tables_is_decoded_and_so_is_it_with_those_that_are_added() {
    let whole = with_the_standards_tables(noise());
    let mut decoder = Whole::open(Payload::Jpeg, geometry(PixelFormat::I420));
    let expected = decoder.decode(&whole).unwrap();
    let (at, length) = table(&whole);
    let without = [&whole[..at], &whole[at + length..]].concat();
    let mended = jpeg::with_tables(&without).unwrap();
    // Put back before the scan: elsewhere than libav's encoder puts them.
    assert_eq!(mended.len(), whole.len());
    assert_eq!(decoder.decode(&mended).unwrap(), expected);
    assert_eq!(decoder.decode(&without).unwrap(), expected);
}

fn noise() -> Vec<u8> {
    (0..geometry(PixelFormat::I420).frame_bytes()).map(|n| (n * n / 7 % 251).to_le_bytes()[0]).collect()
}

/// A JPEG with the tables of the standard: by default libav's encoder makes better ones.
fn with_the_standards_tables(picture: Vec<u8>) -> Vec<u8> {
    let codec = ffmpeg::encoder::find_by_name("mjpeg").unwrap();
    let mut video = codec::Context::new_with_codec(codec).encoder().video().unwrap();
    video.set_width(WIDTH);
    video.set_height(HEIGHT);
    video.set_format(Pixel::YUVJ420P);
    video.set_time_base((1, 30));
    let mut options = Dictionary::new();
    options.set("huffman", "default");
    let mut encoder = video.open_as_with(codec, options).unwrap();
    let frame = Box::new(Picture(FrameInfo::default(), picture));
    let mut frame = libav::frame_over(frame, &geometry(PixelFormat::I420)).unwrap();
    frame.set_format(Pixel::YUVJ420P);
    frame.set_pts(Some(0));
    encoder.send_frame(&frame).unwrap();
    let mut packet = Packet::empty();
    encoder.receive_packet(&mut packet).unwrap();
    packet.data().unwrap().to_vec()
}

/// The place of the Huffman tables, and their length.
fn table(jpeg: &[u8]) -> (usize, usize) {
    let at = jpeg.windows(2).position(|pair| pair == [0xff, 0xc4]).unwrap();
    (at, 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]])))
}

#[test]
fn a_broken_jpeg_is_refused_and_the_next_is_not() {
    let whole = with_the_standards_tables(noise());
    let mut decoder = Whole::open(Payload::Jpeg, geometry(PixelFormat::I420));
    let expected = decoder.decode(&whole).unwrap();
    for broken in [&whole[..whole.len() / 2], &whole[..20], &b"no picture"[..], &[]] {
        assert!(decoder.decode(broken).is_err(), "{} bytes", broken.len());
        assert_eq!(decoder.decode(&whole).unwrap(), expected);
    }
}

#[test]
fn a_picture_of_another_size_is_scaled() {
    let mut decoder = Whole::open(Payload::Jpeg, Geometry::new(32, 24, PixelFormat::I420).unwrap());
    let bytes = decoder.decode(&a_jpeg([70, 128, 128])).unwrap();
    assert_eq!(bytes.len(), Geometry::new(32, 24, PixelFormat::I420).unwrap().frame_bytes());
    assert_near(&bytes[..1], &[70]);
}

#[test]
fn each_picture_of_h264_comes_out_before_the_next_goes_in_with_its_own_tags() {
    let x264 =
        EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some("ultrafast".into()) };
    let said = PictureTags { matrix: PictureTags::BT709, range: Range::Limited, ..PictureTags::default() };
    let colours: Vec<[u8; 3]> = (0..8).map(|n| [40 + n * 20, 120, 130]).collect();
    let packets = annex_b(encoded(x264, said, &colours));
    let mut decoder = Whole::open(Payload::H264, geometry(PixelFormat::I420));
    for (packet, colour) in packets.iter().zip(&colours) {
        let bytes = decoder.decode(packet).unwrap();
        assert_near(&firsts(&bytes, PixelFormat::I420), colour);
    }
    assert_eq!((decoder.tags().matrix, decoder.tags().range), (PictureTags::BT709, Range::Limited));
    // A picture without the one that it depends on is no picture.
    let mut decoder = Whole::open(Payload::H264, geometry(PixelFormat::I420));
    assert!(decoder.decode(&packets[3]).is_err());
}

/// Packets as cameras send them: the encoder keeps its parameter sets apart, so they are put in front of each key frame.
fn annex_b(packets: Vec<(Vec<u8>, bool)>) -> Vec<Vec<u8>> {
    let sets = libav::extradata(&{
        let x264 =
            EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some("ultrafast".into()) };
        let picture =
            PictureTags { matrix: PictureTags::BT709, range: Range::Limited, ..PictureTags::default() };
        let (geometry, fps) = (geometry(PixelFormat::I420), Fps::new(30.0).unwrap());
        EncoderSetup { choice: x264, geometry, fps, quality: 12, picture }.open().unwrap().parameters()
    });
    packets
        .into_iter()
        .map(|(packet, is_key)| if is_key { [&sets[..], &packet].concat() } else { packet })
        .collect()
}
