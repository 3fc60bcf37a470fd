//! Y4M as it should be, and as it shouldn't.

use proptest::prelude::*;

use super::*;

const LINE: &[u8] = b"YUV4MPEG2 W8 H4 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL\n";
/// The bytes of a frame of 8x4 pixels.
const BYTES: usize = 48;

fn ring(format: PixelFormat) -> Geometry {
    Geometry::new(8, 4, format).unwrap()
}

fn frame(number: u8) -> Vec<u8> {
    [&b"FRAME\n"[..], &[number; BYTES]].concat()
}

/// A frame's number by its pixels, or the damage before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Frame(u8),
    Damaged(&'static str),
    Unusable(&'static str),
}

/// All that is found in bytes that come in these pieces.
fn all(framing: &mut Y4m, pieces: &[&[u8]]) -> Vec<Got> {
    let (mut got, mut bytes) = (Vec::new(), Vec::new());
    for piece in pieces {
        bytes.extend_from_slice(piece);
        loop {
            let used = match framing.find(&bytes) {
                Found::More => break,
                Found::Nothing { bytes } => bytes,
                Found::Frame(found) => {
                    got.push(Got::Frame(bytes[found.end - 1]));
                    found.end
                }
                Found::Damaged { bytes, damage } => {
                    got.push(Got::Damaged(damage));
                    bytes
                }
                Found::Unusable(why) => {
                    got.push(Got::Unusable(why));
                    return got;
                }
                Found::TooLarge { .. } => panic!("raw frames have one size"),
            };
            assert!(used > 0, "it gets on");
            bytes.drain(..used);
        }
    }
    got
}

fn y4m() -> Y4m {
    Y4m::new(Some(ring(PixelFormat::I420)))
}

#[test]
fn frames_are_found_and_written_as_the_ring_lays_them_out() {
    let mut framing = y4m();
    let pixels: Vec<u8> = (0..48).collect();
    let bytes = [LINE, b"FRAME Ip\n", &pixels].concat();
    assert_eq!(framing.find(&bytes), Found::Nothing { bytes: LINE.len() });
    let bytes = &bytes[LINE.len()..];
    let Found::Frame(found) = framing.find(bytes) else { panic!("no frame") };
    assert_eq!((found.size, found.end), ((8, 4), bytes.len()));
    let geometry = ring(PixelFormat::I420);
    let mut frame = vec![0; geometry.frame_bytes()];
    assert_eq!(framing.write(bytes, &mut frame), geometry.frame_bytes());
    let rows: Vec<u8> = geometry
        .planes()
        .iter()
        .flat_map(|plane| (0..plane.rows).flat_map(|row| plane.row(&frame, row)))
        .copied()
        .collect();
    assert_eq!(rows, pixels);
    assert!((framing.rate().unwrap() - 29.97).abs() < 0.01);
    let tags = framing.picture_tags();
    assert_eq!((tags.range, tags.fields), (Range::Full, FieldOrder::Progressive));
    assert!(tags.pixel_shape.unwrap().is_square());
}

#[test]
fn nv12_gets_its_colours_in_pairs() {
    let geometry = ring(PixelFormat::NV12);
    let mut framing = Y4m::new(Some(geometry));
    let pixels: Vec<u8> = (0..48).collect();
    let bytes = [b"FRAME\n", &pixels[..]].concat();
    assert!(
        matches!(framing.find(&bytes), Found::Frame(_)),
        "without the stream's line the ring's size counts"
    );
    let mut frame = vec![0; geometry.frame_bytes()];
    framing.write(&bytes, &mut frame);
    assert_eq!(geometry.planes()[1].row(&frame, 0), [32, 40, 33, 41, 34, 42, 35, 43]);
    assert_eq!(geometry.planes()[1].row(&frame, 1), [36, 44, 37, 45, 38, 46, 39, 47]);
}

#[test]
fn a_frame_that_is_too_short_is_damaged_and_the_next_is_whole() {
    let short = [&b"FRAME\n"[..], &[1; 30]].concat();
    for lacking in 1..=BYTES {
        let short = &[&b"FRAME\n"[..], &vec![1; BYTES - lacking]].concat();
        let bytes = [LINE, &frame(0), short, &frame(2), &frame(3)].concat();
        let damage = Got::Damaged("the frame is too short");
        let expected = [Got::Frame(0), damage, Got::Frame(2), Got::Frame(3)];
        assert_eq!(all(&mut y4m(), &[&bytes]), expected, "{lacking} bytes too short");
    }
    // The writer was ended, and another one began.
    let bytes = [LINE, &frame(0), &short, LINE, &frame(2)].concat();
    assert_eq!(
        all(&mut y4m(), &[&bytes]),
        [Got::Frame(0), Got::Damaged("the frame is too short"), Got::Frame(2)]
    );
}

#[test]
fn pixels_that_look_like_a_line_are_pixels() {
    let mut odd = frame(7);
    odd[20..26].copy_from_slice(b"FRAME\n");
    let mut end = frame(8);
    end[6 + BYTES - 3..].copy_from_slice(b"FRA");
    let bytes = [LINE, &odd, &end, &frame(9)].concat();
    assert_eq!(all(&mut y4m(), &[&bytes]), [Got::Frame(7), Got::Frame(b'A'), Got::Frame(9)]);
}

#[test]
fn bytes_that_are_no_y4m_are_one_damaged_frame() {
    let noise = [0_u8, 1, 2, b'F', b'R', b'A'].repeat(400);
    let bytes = [&noise[..], LINE, &frame(1), b"x", &frame(2)].concat();
    let damage = Got::Damaged(NO_FRAME);
    assert_eq!(all(&mut y4m(), &[&bytes]), [damage.clone(), Got::Frame(1), damage, Got::Frame(2)]);
    let endless = [&b"YUV4MPEG2 W8 H4 "[..], &[b'X'; 3000]].concat();
    assert_eq!(all(&mut y4m(), &[&endless]), [Got::Damaged(NO_FRAME)]);
}

#[test]
fn streams_that_cannot_be_used_say_why() {
    for (line, says) in [
        (&b"YUV4MPEG2 W8 H4 C444\n"[..], "-pix_fmt yuv420p"),
        (b"YUV4MPEG2 W8 H4 C420p10\n", "-pix_fmt yuv420p"),
        (b"YUV4MPEG2 W0 H4\n", "no size"),
        (b"YUV4MPEG2 W7 H4\n", "even sides"),
        (b"YUV4MPEG2\n", "no size"),
    ] {
        let got = all(&mut y4m(), &[line]);
        assert!(matches!(got[..], [Got::Unusable(why)] if why.contains(says)), "{got:?}");
    }
    let grey = [&b"YUV4MPEG2 W8 H4 Cmono\nFRAME\n"[..], &[1; 32]].concat();
    assert!(matches!(all(&mut y4m(), &[&grey])[..], [Got::Unusable(why)] if why.contains("GRAY8")));
    assert_eq!(all(&mut Y4m::new(Some(ring(PixelFormat::GRAY8))), &[&grey]), [Got::Frame(1)]);
}

#[test]
fn a_rate_that_no_camera_has_is_not_said() {
    for rate in ["0:1", "30:0", "99999999:1", "x:y", "30"] {
        let mut framing = Y4m::new(None);
        let line = format!("YUV4MPEG2 W8 H4 F{rate}\n");
        assert!(matches!(framing.find(line.as_bytes()), Found::Nothing { .. }));
        assert_eq!(framing.rate(), None, "{rate}");
    }
}

proptest! {
    #[test]
    fn pieces_give_what_the_whole_gives(
        parts in proptest::collection::vec((0_u8..6, any::<u8>(), 0_usize..60), 0..10),
        size in 1_usize..40,
    ) {
        let mut bytes = LINE.to_vec();
        for (kind, number, place) in parts {
            let mut part = frame(number);
            match kind {
                0 => part.truncate(place),
                1 => part = LINE.to_vec(),
                2 => part = vec![number; place],
                _ => {}
            }
            bytes.extend(part);
        }
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(all(&mut y4m(), &pieces), all(&mut y4m(), &[&bytes]));
    }
}
