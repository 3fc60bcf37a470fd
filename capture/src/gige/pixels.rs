//! The pixel formats of GenICam that a camera may have: their numbers and names, the form of their frames in a ring, and the
//! copy from a buffer of aravis into a ring. Pure.

use capture::bayer::Pattern;
use proto::frame::{Geometry, PictureTags, PixelFormat};

/// The form in which frames of a format lie in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As in the ring.
    Same,
    /// Red, green, blue, to be turned into blue, green, red.
    SwappedRgb,
    /// Chroma before luma, to be turned into YUYV.
    SwappedYuv,
    /// One colour a pixel, to be turned into blue, green, red.
    Bayer(Pattern),
}

/// A format that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// The number in the Pixel Format Naming Convention.
    pub(crate) code: u32,
    /// The name there.
    pub(crate) name: &'static str,
    /// The format of its frames in a ring.
    pub(crate) in_ring: PixelFormat,
    form: Form,
}

const fn format(code: u32, name: &'static str, in_ring: PixelFormat, form: Form) -> Format {
    Format { code, name, in_ring, form }
}

/// The formats that are recorded, from the Pixel Format Naming Convention; of those in colour the ones that are copied as they
/// are come first, and those whose colours have to be made up from their neighbours last.
const RECORDED: [Format; 11] = [
    format(0x0108_0001, "Mono8", PixelFormat::GRAY8, Form::Same),
    format(0x0218_0015, "BGR8", PixelFormat::BGR24, Form::Same),
    format(0x0210_0032, "YUV422_8", PixelFormat::YUYV, Form::Same),
    format(0x0210_003B, "YCbCr422_8", PixelFormat::YUYV, Form::Same),
    format(0x0218_0014, "RGB8", PixelFormat::BGR24, Form::SwappedRgb),
    format(0x0210_001F, "YUV422_8_UYVY", PixelFormat::YUYV, Form::SwappedYuv),
    format(0x0210_0043, "YCbCr422_8_CbYCrY", PixelFormat::YUYV, Form::SwappedYuv),
    format(0x0108_0008, "BayerGR8", PixelFormat::BGR24, Form::Bayer(Pattern::Grbg)),
    format(0x0108_0009, "BayerRG8", PixelFormat::BGR24, Form::Bayer(Pattern::Rggb)),
    format(0x0108_000A, "BayerGB8", PixelFormat::BGR24, Form::Bayer(Pattern::Gbrg)),
    format(0x0108_000B, "BayerBG8", PixelFormat::BGR24, Form::Bayer(Pattern::Bggr)),
];

/// More formats that cameras often have, for messages.
const NAMES: [(u32, &str); 9] = [
    (0x0110_0003, "Mono10"),
    (0x010C_0004, "Mono10Packed"),
    (0x010A_0046, "Mono10p"),
    (0x0110_0005, "Mono12"),
    (0x010C_0006, "Mono12Packed"),
    (0x010C_0047, "Mono12p"),
    (0x0110_0007, "Mono16"),
    (0x0220_0016, "RGBa8"),
    (0x0220_0017, "BGRa8"),
];

/// The first bytes of a format's number say whether it has one value a pixel, and how many bits a pixel takes.
const MONO: u32 = 0x0100_0000;

/// The name of a format, or its number.
pub(crate) fn name(code: u32) -> String {
    let recorded = RECORDED.iter().map(|format| (format.code, format.name));
    match recorded.chain(NAMES).find(|(known, _)| *known == code) {
        Some((_, name)) => name.to_owned(),
        None => format!("the pixel format 0x{code:08x}"),
    }
}

/// Frames of the camera's format aren't recorded, and no other is taken for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gives frames in {given}, which Preroll doesn't record; {}", instead(others))]
pub(crate) struct NotRecorded {
    given: String,
    others: Vec<&'static str>,
}

fn instead(others: &[&'static str]) -> String {
    match others {
        [] => "it has no format that is recorded (Mono8, BGR8, RGB8, YUV422_8, BayerRG8): let its maker's program convert them and use \
               backend: pipe"
            .to_owned(),
        [first, ..] => {
            format!("write features: {{ PixelFormat: {first} }}; of those it has, {} are recorded", others.join(", "))
        }
    }
}

impl Format {
    /// The format with this number, if it is recorded.
    pub(crate) fn of(code: u32) -> Option<Self> {
        RECORDED.into_iter().find(|format| format.code == code)
    }

    /// The format to take from a camera that gives `given` and could give `available`. Where the config asks for one, no other
    /// is taken.
    ///
    /// # Errors
    /// [`NotRecorded`].
    pub(crate) fn choose(given: u32, available: &[u32], is_asked_for: bool) -> Result<Self, NotRecorded> {
        let kept = Self::of(given);
        // The camera's own colours are better than those that are made of a pattern.
        if let Some(format) = kept.filter(|format| is_asked_for || !format.is_bayer()) {
            return Ok(format);
        }
        let others: Vec<Self> =
            RECORDED.into_iter().filter(|format| available.contains(&format.code)).collect();
        let is_mono = given & 0xFF00_0000 == MONO && !is_bayer(given);
        // No colours are given up for a camera that has some, and none are made up for one that has none.
        let fits = |format: &&Self| (format.in_ring == PixelFormat::GRAY8) == is_mono;
        let whole = others.iter().filter(|format| !format.is_bayer()).find(fits).copied();
        let any = others.iter().find(fits).copied();
        match whole.or(kept).or(any).filter(|_| !is_asked_for) {
            Some(format) => Ok(format),
            None => {
                let others = others.iter().map(|format| format.name).collect();
                Err(NotRecorded { given: name(given), others })
            }
        }
    }

    fn is_bayer(self) -> bool {
        matches!(self.form, Form::Bayer(_))
    }

    /// The bytes of a row of so many pixels.
    fn row_bytes(self, width: u32) -> usize {
        let bits = (self.code >> 16) & 0xFF;
        usize::try_from(u64::from(width) * u64::from(bits) / 8).unwrap_or(usize::MAX)
    }

    /// The word of its pictures on their colours.
    pub(crate) fn tags(self) -> PictureTags {
        PictureTags::made_as(self.in_ring)
    }
}

/// Is it a format whose pixels have one colour each? Their numbers in the convention, of any depth.
fn is_bayer(code: u32) -> bool {
    matches!(
        code & 0xFFFF,
        0x08..=0x0B | 0x0C..=0x13 | 0x26..=0x31 | 0x52..=0x59
    )
}

/// A frame has fewer bytes than its picture needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short;

/// Frames of one format and size, as they lie in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) format: Format,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Layout {
    /// The distance from row to row, when each row is followed by `padding` bytes.
    fn stride(&self, padding: usize) -> usize {
        self.format.row_bytes(self.width) + padding
    }

    /// Is the whole picture within `bytes`?
    pub(crate) fn look_at(&self, bytes: &[u8], padding: usize) -> Result<(), Short> {
        let rows = usize::try_from(self.height).unwrap_or(usize::MAX);
        let needs = self.stride(padding).saturating_mul(rows).saturating_sub(padding);
        if bytes.len() < needs { Err(Short) } else { Ok(()) }
    }

    /// Copies a picture that [`Layout::look_at`] has found whole, and returns its length in the ring.
    ///
    /// # Panics
    /// When `to` isn't a frame of that geometry, or the picture isn't whole.
    pub(crate) fn write(&self, geometry: &Geometry, bytes: &[u8], padding: usize, to: &mut [u8]) -> usize {
        let (plane, stride) = (geometry.planes()[0], self.stride(padding));
        match self.format.form {
            Form::Same => plane.fill(to, bytes, stride),
            Form::SwappedRgb => {
                for row in 0..plane.rows {
                    let pixels = bytes[row * stride..][..plane.row_bytes].as_chunks::<3>().0;
                    let places = plane.row_mut(to, row).as_chunks_mut::<3>().0;
                    for ([b, g, r], [red, green, blue]) in places.iter_mut().zip(pixels) {
                        (*b, *g, *r) = (*blue, *green, *red);
                    }
                }
            }
            Form::Bayer(pattern) => pattern.write(bytes, stride, &plane, to),
            Form::SwappedYuv => {
                for row in 0..plane.rows {
                    let pixels = bytes[row * stride..][..plane.row_bytes].as_chunks::<2>().0;
                    let places = plane.row_mut(to, row).as_chunks_mut::<2>().0;
                    for ([luma, chroma], [c, y]) in places.iter_mut().zip(pixels) {
                        (*luma, *chroma) = (*y, *c);
                    }
                }
            }
        }
        geometry.frame_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAYER_RG8: u32 = 0x0108_0009;
    const BAYER_GR12P: u32 = 0x010C_0057;
    const MONO12: u32 = 0x0110_0005;

    fn code(name: &str) -> u32 {
        RECORDED.iter().find(|format| format.name == name).unwrap().code
    }

    fn chosen(given: u32, available: &[u32], is_asked_for: bool) -> Result<&'static str, String> {
        Format::choose(given, available, is_asked_for)
            .map(|format| format.name)
            .map_err(|why| why.to_string())
    }

    #[test]
    fn a_format_that_is_recorded_is_kept() {
        for format in RECORDED {
            assert_eq!(chosen(format.code, &[], false), Ok(format.name));
            assert_eq!(chosen(format.code, &[code("Mono8")], true), Ok(format.name));
        }
    }

    #[test]
    fn another_is_taken_that_loses_no_colour_and_makes_none_up() {
        let all = [MONO12, BAYER_RG8, code("Mono8"), code("RGB8"), code("YUV422_8")];
        assert_eq!(chosen(MONO12, &all, false), Ok("Mono8"));
        assert_eq!(chosen(BAYER_RG8, &all, false), Ok("YUV422_8"));
        assert_eq!(chosen(BAYER_GR12P, &[code("RGB8"), code("Mono8")], false), Ok("RGB8"));
        // A pattern that the camera doesn't turn into colours itself, as it gives it if it can.
        assert_eq!(chosen(BAYER_RG8, &[code("BayerGR8"), BAYER_RG8, code("Mono8")], false), Ok("BayerRG8"));
        assert_eq!(chosen(BAYER_GR12P, &[code("Mono8"), code("BayerGR8")], false), Ok("BayerGR8"));
        assert_eq!(chosen(BAYER_RG8, &all, true), Ok("BayerRG8"), "it is asked for");
        assert_eq!(chosen(0x0220_0016, &all, false), Ok("YUV422_8"), "RGBa8");
    }

    #[test]
    fn a_format_that_is_not_recorded_is_refused_with_what_to_write() {
        let why = chosen(BAYER_GR12P, &[BAYER_GR12P, code("Mono8")], false).unwrap_err();
        assert!(
            why.contains("0x010c0057") && why.contains("write features: { PixelFormat: Mono8 }"),
            "{why}"
        );
        let why = chosen(MONO12, &[MONO12, code("Mono8")], true).unwrap_err();
        assert!(why.contains("Mono12, which") && why.contains("PixelFormat: Mono8"), "{why}");
        let why = chosen(0x8123_4567, &[], false).unwrap_err();
        assert!(why.contains("0x81234567") && why.contains("backend: pipe"), "{why}");
    }

    fn layout(name: &str, width: u32, height: u32) -> (Layout, Geometry) {
        let format = Format::of(code(name)).unwrap();
        (Layout { format, width, height }, Geometry::new(width, height, format.in_ring).unwrap())
    }

    /// A picture of 2x2 pixels in the ring, without its padding.
    fn written(name: &str, bytes: &[u8], padding: usize) -> Vec<Vec<u8>> {
        let (layout, geometry) = layout(name, 2, 2);
        assert_eq!(layout.look_at(bytes, padding), Ok(()));
        assert_eq!(layout.look_at(&bytes[1..], padding), Err(Short), "{name}: one byte less");
        let mut frame = vec![0; geometry.frame_bytes()];
        assert_eq!(layout.write(&geometry, bytes, padding, &mut frame), frame.len());
        (0..2).map(|row| geometry.planes()[0].row(&frame, row).to_vec()).collect()
    }

    #[test]
    fn each_format_is_copied_as_the_ring_has_it() {
        let row = |bytes: &[u8]| bytes.to_vec();
        assert_eq!(written("Mono8", &[1, 2, 3, 4], 0), [row(&[1, 2]), row(&[3, 4])]);
        assert_eq!(written("Mono8", &[1, 2, 9, 9, 3, 4], 2), [row(&[1, 2]), row(&[3, 4])], "padded rows");
        let rgb: Vec<u8> = (1..=12).collect();
        assert_eq!(written("RGB8", &rgb, 0), [row(&[3, 2, 1, 6, 5, 4]), row(&[9, 8, 7, 12, 11, 10])]);
        assert_eq!(written("BGR8", &rgb, 0), [row(&[1, 2, 3, 4, 5, 6]), row(&[7, 8, 9, 10, 11, 12])]);
        let yuv: Vec<u8> = (1..=8).collect();
        assert_eq!(written("YUV422_8", &yuv, 0), [row(&[1, 2, 3, 4]), row(&[5, 6, 7, 8])]);
        // Red 9, green 5, blue 1.
        let colours = row(&[1, 5, 9, 1, 5, 9]);
        assert_eq!(written("BayerRG8", &[9, 5, 7, 5, 1], 1), [colours.clone(), colours.clone()]);
        assert_eq!(written("BayerGB8", &[5, 1, 9, 5], 0), [colours.clone(), colours]);
        assert_eq!(written("YUV422_8_UYVY", &yuv, 0), [row(&[2, 1, 4, 3]), row(&[6, 5, 8, 7])]);
    }
}
