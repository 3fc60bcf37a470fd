//! A frame from a driver's buffer into a ring: is it whole, and how is it copied? Pure.

use proto::frame::{
    DecodesFrom, Decoding, FieldOrder, FrameFlags, Geometry, PictureTags, PixelFormat, Plane, Range,
};
use proto::nontemporal;

use super::format::Form;
use super::kernel::Picture;
use crate::bayer::Pattern;
use crate::h26x;
use crate::jpeg;

/// The form of a camera's frames, with what has to be kept from one to the next.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Raw planes.
    Planes(RawShape),
    /// A Bayer pattern.
    Bayer(BayerShape),
    /// JPEGs of this width and height.
    Jpeg((u32, u32)),
    /// Access units of H.264 or H.265.
    Stream(Box<h26x::Stream>),
}

/// The places of planes in the driver's buffers and in the ring's frames.
#[derive(Clone, Debug)]
pub(crate) struct RawShape {
    geometry: Geometry,
    /// The beginning of each plane in the driver's buffer, and the distance from row to row.
    places: [(usize, usize); 3],
    /// Red and blue change places.
    is_swapped: bool,
}

/// The place of a Bayer pattern's values in the driver's buffers, and the ring's frames.
#[derive(Clone, Debug)]
pub(crate) struct BayerShape {
    pattern: Pattern,
    /// The distance from row to row. A pixel has one byte.
    stride_bytes: usize,
    geometry: Geometry,
}

/// A frame that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// The bytes of it in the driver's buffer.
    pub(crate) length: usize,
    /// The room that it needs in the ring, if its payload has no fixed size; else 0.
    pub(crate) room_bytes: usize,
    /// Remarks on it.
    pub(crate) flags: FrameFlags,
    /// The frame from which it decodes.
    decodes_from: DecodesFrom,
}

/// The reason why a frame isn't whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    /// The driver says so.
    #[error("the driver says that they are damaged")]
    Told,
    /// Bytes are missing.
    #[error("they have {has} bytes and need {needs}")]
    Short {
        /// The bytes that are there.
        has: usize,
        /// The bytes up to the last pixel.
        needs: usize,
    },
    /// The JPEG isn't whole.
    #[error("{}", .0.words())]
    Jpeg(jpeg::Flaw),
    /// The JPEG has another size than the camera was asked for.
    #[error("they are JPEGs of {}x{}", .0.0, .0.1)]
    Size((u32, u32)),
    /// The access unit can't be used.
    #[error("{0}")]
    Stream(h26x::Flaw),
}

impl Shape {
    /// The shape of frames of this form in pictures as the device makes them.
    pub(crate) fn new(form: Form, geometry: Geometry, picture: &Picture) -> Self {
        match form {
            Form::Jpeg => Self::Jpeg(picture.size),
            Form::Stream(codec) => Self::Stream(Box::new(h26x::Stream::new(codec))),
            Form::Bayer(pattern) => {
                let stride_bytes = usize::try_from(picture.stride_bytes.max(geometry.width())).unwrap_or(0);
                Self::Bayer(BayerShape { pattern, stride_bytes, geometry })
            }
            Form::Planes(_) | Form::SwappedRgb => {
                Self::Planes(RawShape::new(geometry, picture, form == Form::SwappedRgb))
            }
        }
    }

    /// Looks at a frame.
    ///
    /// # Errors
    /// The [`Flaw`] for which it isn't whole.
    pub(crate) fn look_at(&mut self, bytes: &[u8]) -> Result<Whole, Flaw> {
        let plain = |length, room_bytes| Whole {
            length,
            room_bytes,
            flags: FrameFlags::NONE,
            decodes_from: DecodesFrom::NewestKey,
        };
        match self {
            Self::Planes(raw) => long_enough(bytes, raw.least_bytes()).map(|length| plain(length, 0)),
            Self::Bayer(bayer) => long_enough(bytes, bayer.least_bytes()).map(|length| plain(length, 0)),
            Self::Jpeg(size) => {
                let found = jpeg::examine(bytes).map_err(Flaw::Jpeg)?;
                if found.size == *size {
                    Ok(plain(found.bytes, found.bytes))
                } else {
                    Err(Flaw::Size(found.size))
                }
            }
            Self::Stream(stream) => {
                let unit = stream.look_at(bytes).map_err(Flaw::Stream)?;
                let h26x::AccessUnit { flags, decodes_from, room, .. } = unit;
                Ok(Whole { length: bytes.len(), room_bytes: room, flags, decodes_from })
            }
        }
    }

    /// How a frame that is whole decodes.
    pub(crate) fn decoding(&self, whole: &Whole) -> Decoding {
        let reorders = matches!(self, Self::Stream(stream) if stream.picture().reorders);
        Decoding { from: whole.decodes_from, reorders, picture_offset_ns: 0 }
    }

    /// The word of a stream on its pictures; `None` of frames that have none, so that the driver's counts.
    pub(crate) fn tags(&self) -> Option<PictureTags> {
        match self {
            Self::Stream(stream) => Some(stream.picture().tags),
            Self::Planes(_) | Self::Bayer(_) | Self::Jpeg(_) => None,
        }
    }

    /// Copies a frame that is whole, and returns its length in the ring.
    ///
    /// # Panics
    /// When the room isn't that of [`Whole::room_bytes`], or not a whole frame of the ring's.
    pub(crate) fn write(&self, whole: Whole, bytes: &[u8], to: &mut [u8]) -> usize {
        match self {
            Self::Planes(raw) => raw.write(bytes, to),
            Self::Bayer(bayer) => bayer.write(bytes, to),
            Self::Jpeg(_) => {
                nontemporal::copy(&mut to[..whole.length], &bytes[..whole.length]);
                whole.length
            }
            Self::Stream(stream) => stream.write(bytes, to),
        }
    }
}

/// The places of the planes in a buffer whose first plane has this distance from row to row.
fn places(geometry: &Geometry, stride_bytes: u32) -> [(usize, usize); 3] {
    let planes = geometry.planes();
    let first = usize::try_from(stride_bytes).unwrap_or(0).max(planes[0].row_bytes);
    let strides = match geometry.format() {
        PixelFormat::I420 => [first, first / 2, first / 2],
        _ => [first; 3],
    };
    let mut at = 0;
    let mut place = |plane: &Plane, stride: usize| {
        let begins = at;
        at += plane.rows * stride;
        (begins, stride)
    };
    [place(&planes[0], strides[0]), place(&planes[1], strides[1]), place(&planes[2], strides[2])]
}

/// The length of bytes that are so many at least.
fn long_enough(bytes: &[u8], needs: usize) -> Result<usize, Flaw> {
    let has = bytes.len();
    if has < needs { Err(Flaw::Short { has, needs }) } else { Ok(has) }
}

impl BayerShape {
    /// The bytes up to the last pixel.
    fn least_bytes(&self) -> usize {
        let side = |pixels: u32| usize::try_from(pixels).unwrap_or(usize::MAX);
        let rows = side(self.geometry.height()).saturating_sub(1);
        rows.saturating_mul(self.stride_bytes).saturating_add(side(self.geometry.width()))
    }

    fn write(&self, bytes: &[u8], to: &mut [u8]) -> usize {
        self.pattern.write(bytes, self.stride_bytes, &self.geometry.planes()[0], to);
        self.geometry.frame_bytes()
    }
}

impl RawShape {
    fn new(geometry: Geometry, picture: &Picture, is_swapped: bool) -> Self {
        Self { geometry, places: places(&geometry, picture.stride_bytes), is_swapped }
    }

    /// The bytes up to the last pixel.
    fn least_bytes(&self) -> usize {
        let ends = self.geometry.planes().into_iter().zip(self.places).map(|(plane, (begins, stride))| {
            if plane.rows == 0 { 0 } else { begins + (plane.rows - 1) * stride + plane.row_bytes }
        });
        ends.max().unwrap_or(0)
    }

    fn write(&self, bytes: &[u8], to: &mut [u8]) -> usize {
        for (plane, (begins, stride)) in self.geometry.planes().into_iter().zip(self.places) {
            if plane.rows == 0 {
                continue;
            }
            let from = &bytes[begins..];
            if self.is_swapped {
                for row in 0..plane.rows {
                    let pixels = from[row * stride..][..plane.row_bytes].as_chunks::<3>().0;
                    let places = plane.row_mut(to, row).as_chunks_mut::<3>().0;
                    for ([b, g, r], [red, green, blue]) in places.iter_mut().zip(pixels) {
                        (*b, *g, *r) = (*blue, *green, *red);
                    }
                }
            } else {
                plane.fill(to, from, stride);
            }
        }
        self.geometry.frame_bytes()
    }
}

/// The word of pictures on their colours and fields, by V4L2's rules for what a driver leaves open.
pub(crate) fn tags(form: Form, picture: &Picture) -> PictureTags {
    /// `V4L2_COLORSPACE_*`.
    const SMPTE170M: u32 = 1;
    const REC709: u32 = 3;
    const JPEG: u32 = 7;
    const BT2020: u32 = 10;
    let is_rgb = matches!(form, Form::SwappedRgb | Form::Planes(PixelFormat::BGR24) | Form::Bayer(_));
    match form {
        // The stream's own headers say it.
        Form::Stream(_) => return PictureTags::default(),
        // JFIF knows no other colours.
        Form::Jpeg => {
            return PictureTags { matrix: PictureTags::BT601, range: Range::Full, ..PictureTags::default() };
        }
        _ => {}
    }
    let matrix = match (is_rgb, picture.encoding, picture.colorspace) {
        (true, ..) => PictureTags::RGB,
        (_, 2, _) | (_, 0, REC709) => PictureTags::BT709,
        (_, 6, _) | (_, 0, BT2020) => PictureTags::BT2020,
        _ => PictureTags::BT601,
    };
    let range = match picture.quantization {
        1 => Range::Full,
        2 => Range::Limited,
        _ if is_rgb || picture.colorspace == JPEG || form == Form::Planes(PixelFormat::GRAY8) => Range::Full,
        _ => Range::Limited,
    };
    let primaries = match picture.colorspace {
        SMPTE170M => 6,
        REC709 => 1,
        BT2020 => 9,
        _ => PictureTags::UNSPECIFIED,
    };
    PictureTags { matrix, primaries, range, fields: fields(picture), ..PictureTags::default() }
}

/// `V4L2_FIELD_*`: woven fields; of those whose order goes by the television standard, NTSC's 480 rows begin below.
fn fields(picture: &Picture) -> FieldOrder {
    match (picture.field, picture.size.1) {
        (8, _) => FieldOrder::TopFirst,
        (9, _) | (4, 480 | 486) => FieldOrder::BottomFirst,
        (4, _) => FieldOrder::TopFirst,
        (1, _) => FieldOrder::Progressive,
        _ => FieldOrder::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h26x::Codec;
    use crate::v4l2::fake_kernel::{key_picture, p_picture};

    fn raw(format: PixelFormat, form: Form, stride_bytes: u32) -> (Shape, Geometry) {
        let geometry = Geometry::new(4, 2, format).unwrap();
        (Shape::new(form, geometry, &Picture { stride_bytes, ..Picture::default() }), geometry)
    }

    #[test]
    fn planes_are_copied_row_by_row_whatever_the_drivers_stride() {
        for format in [PixelFormat::I420, PixelFormat::NV12, PixelFormat::YUYV, PixelFormat::GRAY8] {
            for padding in [0, 12] {
                let geometry = Geometry::new(4, 2, format).unwrap();
                let stride = geometry.planes()[0].row_bytes + padding;
                let (mut shape, _) = raw(format, Form::Planes(format), u32::try_from(stride).unwrap());
                // Every pixel's byte is its place in the buffer; the padding's too.
                let bytes: Vec<u8> = (0..100).collect();
                let whole = shape.look_at(&bytes).unwrap();
                let mut frame = vec![255; geometry.frame_bytes()];
                assert_eq!(shape.write(whole, &bytes, &mut frame), frame.len());
                let [first, second, third] = geometry.planes();
                assert_eq!(usize::from(first.row(&frame, 1)[0]), stride, "{format} {padding}");
                if second.rows > 0 {
                    assert_eq!(usize::from(second.row(&frame, 0)[0]), 2 * stride, "{format} {padding}");
                }
                if third.rows > 0 {
                    assert_eq!(usize::from(third.row(&frame, 0)[0]), 2 * stride + stride / 2, "{padding}");
                }
            }
        }
    }

    #[test]
    fn a_frame_that_lacks_its_last_pixel_is_not_whole() {
        let (mut shape, _) = raw(PixelFormat::NV12, Form::Planes(PixelFormat::NV12), 16);
        // Two rows of Y and one of colour, of which the last needs no padding.
        assert!(shape.look_at(&[0; 36]).is_ok());
        assert_eq!(shape.look_at(&[0; 35]), Err(Flaw::Short { has: 35, needs: 36 }));
        assert!(shape.look_at(&[]).is_err());
    }

    #[test]
    fn red_and_blue_change_places_in_rgb24() {
        let (mut shape, geometry) = raw(PixelFormat::BGR24, Form::SwappedRgb, 12);
        let bytes: Vec<u8> = (0..24).collect();
        let whole = shape.look_at(&bytes).unwrap();
        let mut frame = vec![0; geometry.frame_bytes()];
        shape.write(whole, &bytes, &mut frame);
        let plane = geometry.planes()[0];
        assert_eq!(plane.row(&frame, 0), [2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9]);
        assert_eq!(plane.row(&frame, 1)[..3], [14, 13, 12]);
    }

    #[test]
    fn a_bayer_pattern_is_turned_into_blue_green_red_whatever_the_drivers_stride() {
        let (mut shape, geometry) = raw(PixelFormat::BGR24, Form::Bayer(Pattern::Rggb), 6);
        // Red, green and blue are 200, 100 and 50; the padding isn't shown.
        let bytes = [200, 100, 200, 100, 1, 1, 100, 50, 100, 50];
        assert_eq!(shape.look_at(&bytes[1..]), Err(Flaw::Short { has: 9, needs: 10 }));
        let whole = shape.look_at(&bytes).unwrap();
        let mut frame = vec![0; geometry.frame_bytes()];
        assert_eq!(shape.write(whole, &bytes, &mut frame), frame.len());
        let plane = geometry.planes()[0];
        assert!((0..2).all(|row| plane.row(&frame, row) == [50, 100, 200].repeat(4)));
        let tags = tags(Form::Bayer(Pattern::Rggb), &Picture::default());
        assert_eq!((tags.matrix, tags.range), (PictureTags::RGB, Range::Full));
    }

    #[test]
    fn access_units_get_what_they_lack_and_say_how_they_decode() {
        let geometry = Geometry::new(640, 480, PixelFormat::I420).unwrap();
        let mut shape = Shape::new(Form::Stream(Codec::H264), geometry, &Picture::default());
        let p = p_picture(3);
        assert_eq!(shape.look_at(&p), Err(Flaw::Stream(h26x::Flaw::NoSets)), "before any parameter sets");
        let key = key_picture(3);
        let first = shape.look_at(&key).unwrap();
        assert!(first.flags.contains(FrameFlags::KEY.with(FrameFlags::NEW_PARAMETERS)));
        assert_eq!(shape.decoding(&first).from, DecodesFrom::Back(0));
        let second = shape.look_at(&p).unwrap();
        assert_eq!((second.flags, shape.decoding(&second).from), (FrameFlags::NONE, DecodesFrom::Back(1)));
        let bare = &key[key.len() - 7..];
        let whole = shape.look_at(bare).unwrap();
        assert_eq!(whole.flags, FrameFlags::KEY);
        let mut room = vec![0; whole.room_bytes];
        assert_eq!(shape.write(whole, bare, &mut room), room.len());
        assert_eq!(shape.look_at(&room).unwrap().flags, FrameFlags::KEY, "with the same sets");
        assert_eq!(shape.look_at(&[0; 9]), Err(Flaw::Stream(h26x::Flaw::NoPicture)));
    }

    #[test]
    fn colours_go_by_what_the_driver_says_and_by_v4l2s_rules_for_the_rest() {
        let yuyv = Form::Planes(PixelFormat::YUYV);
        let srgb = Picture { colorspace: 8, field: 1, ..Picture::default() };
        let uvc = tags(yuyv, &srgb);
        assert_eq!(
            (uvc.matrix, uvc.range, uvc.fields),
            (PictureTags::BT601, Range::Limited, FieldOrder::Progressive)
        );
        let hdmi = tags(yuyv, &Picture { colorspace: 3, ..srgb });
        assert_eq!((hdmi.matrix, hdmi.primaries), (PictureTags::BT709, 1));
        assert_eq!(tags(yuyv, &Picture { quantization: 1, ..srgb }).range, Range::Full);
        assert_eq!(tags(Form::SwappedRgb, &srgb).matrix, PictureTags::RGB);
        assert_eq!(tags(Form::Jpeg, &srgb).range, Range::Full);
        let ntsc = Picture { field: 4, size: (720, 480), ..srgb };
        assert_eq!(tags(yuyv, &ntsc).fields, FieldOrder::BottomFirst);
        assert_eq!(tags(yuyv, &Picture { size: (720, 576), ..ntsc }).fields, FieldOrder::TopFirst);
    }
}
