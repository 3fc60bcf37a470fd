//! Calls to libav for which ffmpeg-next has no safe function: scaling into memory that isn't libav's, with exact colours,
//! what a picture says of itself, and flags of a packet and of a format.
#![expect(unsafe_code, reason = "calls libswscale itself; every block says why it may")]

use core::ffi::{CStr, c_int};
use core::ptr::{self, NonNull};

use ffmpeg_next::color::Range;
use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::software::scaling::Flags;
use ffmpeg_next::{Packet, frame};
use proto::frame::{Geometry, PictureTags, PixelShape};

/// The properties of a picture that decide how it is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PictureFormat {
    pub(super) pixel: Pixel,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Black is 0 and white 255, rather than 16 and 235.
    pub(super) full_range: bool,
    /// Its matrix, by its number in H.273, which `AVColorSpace` and `sws_getCoefficients` take too.
    pub(super) matrix: u8,
}

impl PictureFormat {
    /// The format of a decoded picture.
    pub(super) fn of(picture: &frame::Video) -> Self {
        // The J formats are the plain ones in full range, from before libav had a field for the range.
        let (pixel, j) = match picture.format() {
            Pixel::YUVJ420P => (Pixel::YUV420P, true),
            Pixel::YUVJ422P => (Pixel::YUV422P, true),
            Pixel::YUVJ440P => (Pixel::YUV440P, true),
            Pixel::YUVJ444P => (Pixel::YUV444P, true),
            Pixel::YUVJ411P => (Pixel::YUV411P, true),
            other => (other, false),
        };
        let full_range = match picture.color_range() {
            Range::JPEG => true,
            Range::MPEG => j,
            // To libav grey is full unless it says otherwise.
            _ => j || pixel == Pixel::GRAY8,
        };
        let matrix = h273(ffi::AVColorSpace::from(picture.color_space()) as c_int);
        Self { pixel, width: picture.width(), height: picture.height(), full_range, matrix }
    }
}

/// A number of H.273 as libav has it. What is out of range says nothing.
fn h273(number: c_int) -> u8 {
    u8::try_from(number).unwrap_or(PictureTags::UNSPECIFIED)
}

/// The numbers in H.273 of a picture's primaries and its transfer function.
pub(super) fn primaries_and_transfer(picture: &frame::Video) -> (u8, u8) {
    let primaries = ffi::AVColorPrimaries::from(picture.color_primaries()) as c_int;
    let transfer = picture.color_transfer_characteristic();
    (h273(primaries), h273(ffi::AVColorTransferCharacteristic::from(transfer) as c_int))
}

/// The meaning of a pixel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// Red, green and blue, or a number into a palette of them.
    Rgb,
    /// Brightness alone.
    Grey,
    /// Brightness and two differences of colour.
    Yuv,
}

impl Model {
    pub(super) fn of(pixel: Pixel) -> Self {
        const RGB: u64 = (ffi::AV_PIX_FMT_FLAG_RGB | ffi::AV_PIX_FMT_FLAG_PAL) as u64;
        // SAFETY: takes any value of the enum.
        let description = unsafe { ffi::av_pix_fmt_desc_get(pixel.into()) };
        // SAFETY: null or a static description.
        match unsafe { description.as_ref() } {
            Some(pixel) if pixel.flags & RGB != 0 => Self::Rgb,
            // Two with transparency.
            Some(pixel) if pixel.nb_components <= 2 => Self::Grey,
            _ => Self::Yuv,
        }
    }
}

/// True if libswscale knows both matrices as the same: it knows six, and takes BT.601 for any other number.
pub(super) fn is_one_matrix(a: u8, b: u8) -> bool {
    let table = |number: u8| {
        // SAFETY: any number is allowed.
        let table = unsafe { ffi::sws_getCoefficients(number.into()) };
        // SAFETY: a static table of four numbers, as aligned as its first.
        unsafe { table.cast::<[c_int; 4]>().read() }
    };
    table(a) == table(b)
}

/// The shape of a picture's pixels: the container's word on it before the stream's, as players have it.
pub(super) fn pixel_shape(input: &mut Input, stream: usize, picture: &frame::Video) -> Option<PixelShape> {
    let mut stream = input.stream_mut(stream)?;
    // SAFETY: gives an address and touches nothing.
    let stream = unsafe { stream.as_mut_ptr() };
    // SAFETY: as above.
    let picture = unsafe { picture.as_ptr() }.cast_mut();
    // SAFETY: a stream of an open input and a frame, both borrowed here; libav reads one field of each. It takes a null
    // context, which it doesn't look at.
    let shape = unsafe { ffi::av_guess_sample_aspect_ratio(ptr::null_mut(), stream, picture) };
    let side = |n: c_int| u64::try_from(n).unwrap_or(0);
    PixelShape::new(side(shape.num), side(shape.den))
}

/// A conversion from one picture format to a ring's geometry.
pub(super) struct Scaler {
    context: NonNull<ffi::SwsContext>,
    from: PictureFormat,
    to: Geometry,
}

/// The colours that a conversion ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The matrix of YUV, by its number in H.273.
    pub(super) matrix: u8,
    /// As [`PictureFormat::full_range`].
    pub(super) full_range: bool,
}

/// A frame's width at which libswscale's vector loops come out even in every plane of every format: chroma rows
/// are then multiples of 32 bytes. At other widths they may write past a row's end, which nobody may do in a ring.
pub(super) const EVEN_WIDTH_PIXELS: u32 = 64;

impl Scaler {
    /// Pixels of `to`'s format are called `pixel` by libav.
    pub(super) fn new(from: PictureFormat, to: Geometry, pixel: Pixel, target: Target) -> Option<Self> {
        // SAFETY: takes no argument; a null result is handled.
        let context = NonNull::new(unsafe { ffi::sws_alloc_context() })?;
        // Owned from here on, so that every return below frees it.
        let this = Self { context, from, to };
        // Between YUV and RGB the fast ways cut off instead of rounding, and are up to 5 of 255 off.
        let mut flags = Flags::BILINEAR;
        flags.set(Flags::ACCURATE_RND, [from.pixel, pixel].map(Model::of).contains(&Model::Rgb));
        flags.set(Flags::FULL_CHR_H_INT, Model::of(pixel) == Model::Rgb);
        let options: [(&CStr, i64); 9] = [
            (c"srcw", from.width.into()),
            (c"srch", from.height.into()),
            (c"src_format", ffi::AVPixelFormat::from(from.pixel) as i64),
            (c"src_range", from.full_range.into()),
            (c"dstw", to.width().into()),
            (c"dsth", to.height().into()),
            (c"dst_format", ffi::AVPixelFormat::from(pixel) as i64),
            (c"dst_range", target.full_range.into()),
            (c"sws_flags", flags.bits().into()),
        ];
        for (name, value) in options {
            // SAFETY: the context is one with options (its first field is an AVClass) and lives; the name is a
            // C string. An option or a value that libswscale doesn't know is refused with an error.
            if unsafe { ffi::av_opt_set_int(context.as_ptr().cast(), name.as_ptr(), value, 0) } < 0 {
                return None;
            }
        }
        // SAFETY: the context lives and has not been initialised; a null filter means none.
        if unsafe { ffi::sws_init_context(context.as_ptr(), ptr::null_mut(), ptr::null_mut()) } < 0 {
            return None;
        }
        let table = |number: u8| {
            // SAFETY: any number is allowed, an unknown one means BT.601; returns a static table of four.
            unsafe { ffi::sws_getCoefficients(number.into()) }
        };
        let (from_matrix, to_matrix) = (table(from.matrix), table(target.matrix));
        let (from_range, to_range) = (c_int::from(from.full_range), c_int::from(target.full_range));
        // Between YUV formats of one matrix the call fails with -1, which changes nothing.
        // SAFETY: an initialised context; both tables are static ones.
        let _ = unsafe {
            let whole = 1 << 16;
            ffi::sws_setColorspaceDetails(
                context.as_ptr(),
                from_matrix,
                from_range,
                to_matrix,
                to_range,
                0,
                whole,
                whole,
            )
        };
        Some(this)
    }

    /// True if this is the conversion from that format.
    pub(super) fn takes(&self, from: &PictureFormat) -> bool {
        self.from == *from
    }

    /// Converts a picture straight into a frame of the ring. False if libswscale gave up.
    ///
    /// # Panics
    /// When the picture has another format, the frame another size, or its width is no multiple of
    /// [`EVEN_WIDTH_PIXELS`].
    pub(super) fn fill_frame(&mut self, picture: &frame::Video, bytes: &mut [u8]) -> bool {
        assert!(self.to.width().is_multiple_of(EVEN_WIDTH_PIXELS), "a width that may be written past");
        assert_eq!(bytes.len(), self.to.frame_bytes(), "a frame of another size");
        let mut data = [ptr::null_mut(); 4];
        let mut strides = [0; 4];
        let base = bytes.as_mut_ptr();
        for (at, plane) in self.to.planes().iter().enumerate().filter(|(_, p)| p.rows > 0) {
            data[at] = base.wrapping_add(plane.offset_bytes);
            strides[at] = c_int::try_from(plane.stride_bytes).unwrap_or(0);
        }
        self.run(picture, &data, &strides)
    }

    /// Converts a picture into one of libav's own, of this scaler's size and format. False if libswscale gave
    /// up.
    ///
    /// # Panics
    /// When either picture has another format.
    pub(super) fn fill_picture(&mut self, picture: &frame::Video, to: &mut frame::Video) -> bool {
        assert_eq!((to.width(), to.height()), (self.to.width(), self.to.height()), "another size");
        // SAFETY: gives an address and touches nothing.
        let raw = unsafe { to.as_mut_ptr() };
        // SAFETY: an AVFrame that ffmpeg-next owns and frees after this borrow of it; mutable, so that its
        // pixels may be written to.
        let raw = unsafe { &*raw };
        let [d0, d1, d2, d3, ..] = raw.data;
        let [s0, s1, s2, s3, ..] = raw.linesize;
        self.run(picture, &[d0, d1, d2, d3], &[s0, s1, s2, s3])
    }

    /// `data` and `strides` describe planes that hold a picture of `self.to`, writable for as long as this takes;
    /// only this module calls it.
    fn run(&mut self, picture: &frame::Video, data: &[*mut u8; 4], strides: &[c_int; 4]) -> bool {
        assert!(self.takes(&PictureFormat::of(picture)), "a picture of another format");
        let rows = c_int::try_from(self.from.height).unwrap_or(0);
        // SAFETY: gives an address and touches nothing.
        let raw = unsafe { picture.as_ptr() };
        // SAFETY: an AVFrame that ffmpeg-next owns and frees after this borrow of it.
        let raw = unsafe { &*raw };
        // SAFETY: the context was initialised for pictures of exactly this format and size (asserted above), and
        // the picture's data and linesize, which have more than the four entries that are read, describe such a
        // one. The planes written to are this size too (callers) and don't overlap the picture's.
        let written = unsafe {
            ffi::sws_scale(
                self.context.as_ptr(),
                raw.data.as_ptr().cast(),
                raw.linesize.as_ptr(),
                0,
                rows,
                data.as_ptr(),
                strides.as_ptr(),
            )
        };
        u32::try_from(written) == Ok(self.to.height())
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: from sws_alloc_context, freed once.
        unsafe { ffi::sws_freeContext(self.context.as_ptr()) }
    }
}

/// True for a file in a format whose times may begin anew on the way, such as a transport stream.
pub(super) fn times_may_jump(input: &Input) -> bool {
    // SAFETY: gives an address and touches nothing.
    let context = unsafe { input.as_ptr() };
    // SAFETY: an AVFormatContext that ffmpeg-next owns; it was opened for reading.
    let format = unsafe { (*context).iformat };
    // SAFETY: an open input has a format, which is static; null is looked for all the same.
    let flags = unsafe { format.as_ref() }.map_or(0, |format| format.flags);
    flags & ffi::AVFMT_TS_DISCONT != 0
}

/// True for a packet whose frame is decoded because others need it, and not shown: an edit list cuts it off.
pub(super) fn is_cut_off(packet: &Packet) -> bool {
    use ffmpeg_next::packet::Ref;
    // SAFETY: an AVPacket that ffmpeg-next owns.
    let flags = unsafe { (*packet.as_ptr()).flags };
    flags & ffi::AV_PKT_FLAG_DISCARD != 0
}
