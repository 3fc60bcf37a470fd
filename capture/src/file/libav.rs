//! Calls to libav for which ffmpeg-next has no safe function: scaling into memory that isn't libav's, with exact colours,
//! and flags of a packet and of a format.
#![expect(unsafe_code, reason = "calls libswscale itself; every block says why it may")]

use core::ffi::{CStr, c_int};
use core::ptr::{self, NonNull};

use ffmpeg_next::color::Range;
use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::software::scaling::Flags;
use ffmpeg_next::{Packet, frame};
use proto::frame::Geometry;

/// The properties of a picture that decide how it is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PictureFormat {
    pub(super) pixel: Pixel,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Black is 0 and white 255, rather than 16 and 235.
    pub(super) full_range: bool,
    /// An `AVColorSpace`, which is also what `sws_getCoefficients` takes.
    matrix: c_int,
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
        let matrix = ffi::AVColorSpace::from(picture.color_space()) as c_int;
        Self { pixel, width: picture.width(), height: picture.height(), full_range, matrix }
    }
}

/// A conversion from one picture format to a ring's geometry.
pub(super) struct Scaler {
    context: NonNull<ffi::SwsContext>,
    from: PictureFormat,
    to: Geometry,
}

/// A frame's width at which libswscale's vector loops come out even in every plane of every format: chroma rows
/// are then multiples of 32 bytes. At other widths they may write past a row's end, which nobody may do in a ring.
pub(super) const EVEN_WIDTH_PIXELS: u32 = 64;

impl Scaler {
    /// Pixels of `to`'s format are called `pixel` by libav. YUV comes out in limited range, which is what
    /// encoders expect; grey in full range.
    pub(super) fn new(from: PictureFormat, to: Geometry, pixel: Pixel) -> Option<Self> {
        // SAFETY: takes no argument; a null result is handled.
        let context = NonNull::new(unsafe { ffi::sws_alloc_context() })?;
        // Owned from here on, so that every return below frees it.
        let this = Self { context, from, to };
        let to_full_range = pixel == Pixel::GRAY8;
        let options: [(&CStr, i64); 9] = [
            (c"srcw", from.width.into()),
            (c"srch", from.height.into()),
            (c"src_format", ffi::AVPixelFormat::from(from.pixel) as i64),
            (c"src_range", from.full_range.into()),
            (c"dstw", to.width().into()),
            (c"dsth", to.height().into()),
            (c"dst_format", ffi::AVPixelFormat::from(pixel) as i64),
            (c"dst_range", to_full_range.into()),
            (c"sws_flags", Flags::BILINEAR.bits().into()),
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
        // SAFETY: any number is allowed, an unknown one means BT.601; returns a static table of four.
        let matrix = unsafe { ffi::sws_getCoefficients(from.matrix) };
        let (from_range, to_range) = (c_int::from(from.full_range), c_int::from(to_full_range));
        // The matrix matters for conversions from or to BGR alone. Between YUV formats the call fails with -1, which changes
        // nothing.
        // SAFETY: an initialised context; both tables are the static one.
        let _ = unsafe {
            let whole = 1 << 16;
            ffi::sws_setColorspaceDetails(
                context.as_ptr(),
                matrix,
                from_range,
                matrix,
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
