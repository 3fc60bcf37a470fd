//! The headers of RTP's JPEGs: quantisers by quality (RFC 2435, appendix A), Huffman's tables of ITU-T T.81, annex K.3, and the
//! segments that hold them (appendix B). Pure.

use super::Header;

/// The quantisers of quality 50, in the order of a picture's coefficients (zigzag): those of luma, and those of colours.
#[rustfmt::skip]
const QUANTISERS: [[u8; 64]; 2] = [[
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40,
    26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
    56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
    95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
], [
    17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
]];

/// A table of Huffman's: its class and number, how many codes have each length, and the values of the codes.
struct Huffman {
    place: u8,
    lengths: [u8; 16],
    values: &'static [u8],
}

#[rustfmt::skip]
const HUFFMAN: [Huffman; 4] = [
    Huffman {
        place: 0x00,
        lengths: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        values: &[
            0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B,
        ],
    },
    Huffman {
        place: 0x10,
        lengths: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
        values: &[
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
            0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
            0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
            0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
            0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
            0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
            0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
            0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
            0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
            0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
            0xF9, 0xFA,
        ],
    },
    Huffman {
        place: 0x01,
        lengths: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        values: &[
            0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B,
        ],
    },
    Huffman {
        place: 0x11,
        lengths: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
        values: &[
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
            0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
            0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
            0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
            0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
            0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
            0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
            0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
            0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
            0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
            0xF9, 0xFA,
        ],
    },
];

/// Start of image, and the JFIF header: its three components are luma and two colours.
const START: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0];
/// The scan: each component with its Huffman tables, and all coefficients.
const SCAN: &[u8] = &[3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0];
/// Bytes of a table whose quantisers have one byte.
const TABLE_BYTES: usize = 64;

/// The quantisers of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quantisers {
    /// The quantisers of luma and those of colours, each 64 of one byte or of two.
    tables: [Vec<u8>; 2],
}

impl Quantisers {
    /// The quantisers of a quality from 1 to 99.
    pub(super) fn of_quality(quality: u8) -> Self {
        let quality = u32::from(quality.clamp(1, 99));
        let percent = if quality < 50 { 5000 / quality } else { 200 - quality * 2 };
        let scaled = |base: &u8| {
            u8::try_from(((u32::from(*base) * percent + 50) / 100).clamp(1, 255)).unwrap_or(u8::MAX)
        };
        Self { tables: QUANTISERS.map(|table| table.iter().map(scaled).collect()) }
    }

    /// The quantisers at the beginning of a picture's first packet, if some are there, and what is behind them. `None` for a packet that is
    /// cut off.
    pub(super) fn parse(data: &[u8]) -> Option<(Option<Self>, &[u8])> {
        let ([_, precision, high, low], rest) = data.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (sent, rest) = rest.split_at_checked(length)?;
        if sent.is_empty() {
            return Some((None, rest));
        }
        let bytes = |table: u8| TABLE_BYTES * if precision >> table & 1 == 1 { 2 } else { 1 };
        let (luma, colours) = sent.split_at_checked(bytes(0))?;
        // A single table is for all.
        let colours = if colours.is_empty() { luma } else { colours.get(..bytes(1))? };
        Some((Some(Self { tables: [luma.to_vec(), colours.to_vec()] }), rest))
    }
}

/// Writes everything of a JPEG that stands before its compressed data.
pub(super) fn write_headers(header: &Header, quantisers: &Quantisers, to: &mut Vec<u8>) {
    to.extend(START);
    for (number, table) in (0_u8..).zip(&quantisers.tables) {
        let is_wide = u8::from(table.len() > TABLE_BYTES);
        segment(to, 0xDB, &[&[is_wide << 4 | number], table]);
    }
    if header.restart_interval > 0 {
        segment(to, 0xDD, &[&header.restart_interval.to_be_bytes()]);
    }
    let luma_samples = if header.kind & 0x3F == 0 { 0x21 } else { 0x22 };
    let components = [3, 1, luma_samples, 0, 2, 0x11, 1, 3, 0x11, 1];
    segment(to, 0xC0, &[&[8], &header.height.to_be_bytes(), &header.width.to_be_bytes(), &components]);
    for Huffman { place, lengths, values } in &HUFFMAN {
        segment(to, 0xC4, &[&[*place], lengths, values]);
    }
    segment(to, 0xDA, &[SCAN]);
}

/// Writes a segment of a JPEG, with its marker and length.
fn segment(to: &mut Vec<u8>, marker: u8, content: &[&[u8]]) {
    let length: usize = content.iter().map(|part| part.len()).sum();
    to.extend([0xFF, marker]);
    // The segments here have at most 300 bytes.
    to.extend(u16::try_from(length + 2).unwrap_or(u16::MAX).to_be_bytes());
    content.iter().for_each(|part| to.extend(*part));
}
