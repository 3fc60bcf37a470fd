//! Frames as RTP payloads: H.264 by RFC 6184, H.265 by RFC 7798, JPEG by RFC 2435. Pure.

use super::film::{Codec, is_picture};

/// A packet without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// A part of a picture is in it, and not only what stands before one.
    pub is_picture: bool,
    /// A picture ends with it.
    pub marker: bool,
}

/// A frame's payloads of `most` bytes at most each.
pub(super) fn of_frame(codec: Codec, pieces: &[Vec<u8>], most: usize) -> Vec<Payload> {
    let mut payloads = match codec {
        Codec::Jpeg => pieces.iter().flat_map(|jpeg| of_jpeg(jpeg, most)).collect(),
        Codec::H264 | Codec::H265 => of_nal_units(codec, pieces, most),
    };
    if let Some(last) = payloads.last_mut() {
        last.marker = true;
    }
    payloads
}

fn payload(bytes: Vec<u8>, is_picture: bool) -> Payload {
    Payload { bytes, is_picture, marker: false }
}

fn of_nal_units(codec: Codec, nals: &[Vec<u8>], most: usize) -> Vec<Payload> {
    let mut payloads = Vec::new();
    let mut rest = nals;
    while let [first, ..] = rest {
        // Parameter sets and the like travel together, as cameras send them.
        let small = rest.iter().take_while(|nal| !is_picture(codec, nal)).count();
        let together = rest[..small].iter().map(|nal| nal.len() + 2).sum::<usize>();
        if small >= 2 && together + 2 <= most {
            payloads.push(payload(aggregate(codec, &rest[..small]), false));
            rest = &rest[small..];
            continue;
        }
        if first.len() <= most {
            payloads.push(payload(first.clone(), is_picture(codec, first)));
        } else {
            payloads.extend(fragments(codec, first, most));
        }
        rest = &rest[1..];
    }
    payloads
}

/// STAP-A, or an aggregation packet of H.265.
fn aggregate(codec: Codec, nals: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match codec {
        Codec::H265 => vec![48 << 1, 1],
        _ => vec![nals.iter().map(|nal| nal[0] & 0x60).max().unwrap_or(0) | 24],
    };
    for nal in nals {
        bytes.extend(u16::try_from(nal.len()).unwrap().to_be_bytes());
        bytes.extend(nal);
    }
    bytes
}

/// FU-A, or the fragmentation units of H.265.
fn fragments(codec: Codec, nal: &[u8], most: usize) -> Vec<Payload> {
    let (head, kind, body) = match codec {
        Codec::H265 => (vec![nal[0] & 0x81 | 49 << 1, nal[1]], nal[0] >> 1 & 63, &nal[2..]),
        _ => (vec![nal[0] & 0xE0 | 28], nal[0] & 31, &nal[1..]),
    };
    let chunks: Vec<&[u8]> = body.chunks(most - head.len() - 1).collect();
    let last = chunks.len() - 1;
    let fragment = |(at, chunk): (usize, &&[u8])| {
        let begins = if at == 0 { 0x80 } else { 0 };
        let ends = if at == last { 0x40 } else { 0 };
        payload([&head[..], &[begins | ends | kind], chunk].concat(), is_picture(codec, nal))
    };
    chunks.iter().enumerate().map(fragment).collect()
}

fn of_jpeg(jpeg: &[u8], most: usize) -> Vec<Payload> {
    let mut tables: [&[u8]; 2] = [&[], &[]];
    let (mut size, mut sampling) = ((0, 0), 0);
    let mut at = 2;
    let scan = loop {
        let [0xFF, marker, high, low] = jpeg[at..at + 4] else { panic!("a JPEG's segments") };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = &jpeg[at + 4..at + 2 + length];
        match marker {
            0xDB => body.chunks_exact(65).for_each(|table| tables[usize::from(table[0] & 1)] = &table[1..]),
            0xC0 => {
                let number = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
                (size, sampling) = ((number(3), number(1)), body[7]);
            }
            _ => {}
        }
        at += 2 + length;
        if marker == 0xDA {
            break &jpeg[at..jpeg.len() - 2];
        }
    };
    let kind = if sampling == 0x21 { 0 } else { 1 };
    let eighth = |pixels: u16| u8::try_from(pixels.div_ceil(8)).unwrap();
    let second = if tables[1].is_empty() { tables[0] } else { tables[1] };
    let tables = [&[0, 0, 0, 128], tables[0], second].concat();
    let mut payloads = Vec::new();
    let mut offset = 0;
    while offset < scan.len() {
        let [_, a, b, c] = u32::try_from(offset).unwrap().to_be_bytes();
        let mut bytes = vec![0, a, b, c, kind, 255, eighth(size.0), eighth(size.1)];
        if offset == 0 {
            bytes.extend(&tables);
        }
        let end = scan.len().min(offset + most.saturating_sub(bytes.len()).max(1));
        bytes.extend(&scan[offset..end]);
        offset = end;
        payloads.push(payload(bytes, true));
    }
    payloads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_travel_together_and_a_long_picture_in_fragments() {
        let picture: Vec<u8> = std::iter::once(0x65).chain(0..100).collect();
        let sets = [vec![0x67, 1, 2], vec![0x68, 3]];
        let payloads = of_frame(Codec::H264, &[sets[0].clone(), sets[1].clone(), picture.clone()], 40);
        assert_eq!(payloads[0].bytes, [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]);
        assert_eq!(payloads.iter().map(|p| p.marker).collect::<Vec<_>>(), [false, false, false, true]);
        let heads: Vec<_> = payloads[1..].iter().map(|p| [p.bytes[0], p.bytes[1]]).collect();
        assert_eq!(heads, [[0x7C, 0x85], [0x7C, 0x05], [0x7C, 0x45]]);
        let bodies: Vec<u8> = payloads[1..].iter().flat_map(|p| p.bytes[2..].to_vec()).collect();
        assert_eq!(bodies, picture[1..]);
        assert!(payloads.iter().all(|p| p.bytes.len() <= 40));
    }

    #[test]
    fn h265_has_two_bytes_before_each() {
        let picture: Vec<u8> = [19 << 1, 1].into_iter().chain(0..60).collect();
        let nals = [vec![32 << 1, 1, 9], vec![33 << 1, 1, 8], picture.clone()];
        let payloads = of_frame(Codec::H265, &nals, 40);
        assert_eq!(payloads[0].bytes[..4], [96, 1, 0, 3]);
        assert_eq!(payloads[1].bytes[..3], [98, 1, 0x80 | 19]);
        assert_eq!(payloads[2].bytes[..3], [98, 1, 0x40 | 19]);
        assert_eq!([&payloads[1].bytes[3..], &payloads[2].bytes[3..]].concat(), picture[2..]);
    }

    #[test]
    fn a_jpeg_is_its_tables_and_its_scan() {
        let table = |id: u8| [&[0xFF, 0xDB, 0, 67, id][..], &[id + 1; 64]].concat();
        let frame = [0xFF, 0xC0, 0, 17, 8, 0, 128, 1, 0, 3, 0, 0x22, 0, 1, 0x11, 1, 2, 0x11, 1];
        let scan: Vec<u8> = (0..200).collect();
        let jpeg =
            [&[0xFF, 0xD8][..], &table(0), &table(1), &frame, &[0xFF, 0xDA, 0, 2], &scan, &[0xFF, 0xD9]]
                .concat();
        let payloads = of_frame(Codec::Jpeg, &[jpeg], 200);
        assert_eq!(payloads[0].bytes[..12], [0, 0, 0, 0, 1, 255, 32, 16, 0, 0, 0, 128]);
        assert_eq!(payloads[0].bytes[12..140], [[1; 64], [2; 64]].concat());
        assert_eq!(payloads[1].bytes[..4], [0, 0, 0, 60]);
        let scanned = [&payloads[0].bytes[140..], &payloads[1].bytes[8..]].concat();
        assert_eq!(scanned, scan);
    }
}
