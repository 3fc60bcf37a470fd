//! The conversion of a ring's picture to an encoder's, by libswscale. ffmpeg-next's safe one takes every YUV for BT.601. What
//! is converted to what is decided in [`crate::colour`].
#![expect(unsafe_code, reason = "calls libswscale itself; every block says why it may")]

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::Flags;

use crate::colour::{Colours, Meaning};

/// A picture's format and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) pixel: Pixel,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A conversion between two pixel formats and sizes.
pub(crate) struct Scaler {
    context: NonNull<ffi::SwsContext>,
    from: Side,
    to: Side,
}

impl Scaler {
    /// `None` when libswscale can't do it.
    pub(crate) fn new(from: Side, to: Side, colours: &Colours) -> Option<Self> {
        // SAFETY: takes no argument; a null result is handled.
        let context = NonNull::new(unsafe { ffi::sws_alloc_context() })?;
        // Owned from here on, so that every return below frees it.
        let this = Self { context, from, to };
        let Colours { from: before, to: after, .. } = *colours;
        // Rounded rather than cut off: the fast ways are up to 4 of 255 off. From one matrix to another it goes through RGB,
        // and there the same flag isn't enough.
        let mut flags = Flags::BILINEAR | Flags::ACCURATE_RND;
        flags.set(Flags::FULL_CHR_H_INT, numbers(before) != numbers(after));
        let options: [(&CStr, i64); 9] = [
            (c"srcw", from.width.into()),
            (c"srch", from.height.into()),
            (c"src_format", ffi::AVPixelFormat::from(plain(from.pixel)) as i64),
            (c"src_range", before.full_range.into()),
            (c"dstw", to.width.into()),
            (c"dsth", to.height.into()),
            (c"dst_format", ffi::AVPixelFormat::from(plain(to.pixel)) as i64),
            (c"dst_range", after.full_range.into()),
            (c"sws_flags", flags.bits().into()),
        ];
        for (name, value) in options {
            // SAFETY: the context is one with options (its first field is an AVClass) and lives; the name is a C string. An
            // option or a value that libswscale doesn't know is refused with an error.
            if unsafe { ffi::av_opt_set_int(context.as_ptr().cast(), name.as_ptr(), value, 0) } < 0 {
                return None;
            }
        }
        // SAFETY: the context lives and has not been initialised; a null filter means none.
        if unsafe { ffi::sws_init_context(context.as_ptr(), ptr::null_mut(), ptr::null_mut()) } < 0 {
            return None;
        }
        let (from_range, to_range) = (c_int::from(before.full_range), c_int::from(after.full_range));
        // Between YUV formats of one matrix the call fails with -1, which changes nothing.
        // SAFETY: an initialised context; both tables are static ones.
        let _ = unsafe {
            let whole = 1 << 16;
            ffi::sws_setColorspaceDetails(
                context.as_ptr(),
                table(before),
                from_range,
                table(after),
                to_range,
                0,
                whole,
                whole,
            )
        };
        Some(this)
    }

    /// Converts a picture. False if libswscale gave up.
    ///
    /// # Panics
    /// When either picture has another format or size than the conversion.
    pub(crate) fn run(&mut self, from: &Video, into: &mut Video) -> bool {
        let is = |picture: &Video, side: Side| {
            plain(picture.format()) == plain(side.pixel)
                && (picture.width(), picture.height()) == (side.width, side.height)
        };
        assert!(is(from, self.from) && is(into, self.to), "a picture of another format or size");
        // SAFETY: gives an address and touches nothing.
        let from = unsafe { from.as_ptr() };
        // SAFETY: an AVFrame that ffmpeg-next owns and frees after this borrow of it.
        let from = unsafe { &*from };
        // SAFETY: gives an address and touches nothing.
        let into = unsafe { into.as_mut_ptr() };
        // SAFETY: as above; borrowed mutably, so that its pixels may be written to.
        let into = unsafe { &*into };
        let rows = c_int::try_from(self.from.height).unwrap_or(0);
        // SAFETY: the context was initialised for pictures of exactly these formats and sizes (asserted above), and each
        // one's data and linesize, which have more than the four entries that are read, describe such a picture. What is
        // written to was allocated by libav, with room behind each row for its vector loops.
        let written = unsafe {
            ffi::sws_scale(
                self.context.as_ptr(),
                from.data.as_ptr().cast(),
                from.linesize.as_ptr(),
                0,
                rows,
                into.data.as_ptr(),
                into.linesize.as_ptr(),
            )
        };
        u32::try_from(written) == Ok(self.to.height)
    }
}

/// True if both mean the same to libswscale: it knows six matrices, and takes BT.601 for any other number.
pub(crate) fn is_alike(a: Meaning, b: Meaning) -> bool {
    a.full_range == b.full_range && numbers(a) == numbers(b)
}

fn numbers(meaning: Meaning) -> [c_int; 4] {
    // SAFETY: a static table of four numbers, as aligned as its first.
    unsafe { table(meaning).cast::<[c_int; 4]>().read() }
}

fn table(meaning: Meaning) -> *const c_int {
    // SAFETY: any number is allowed, an unknown one means BT.601; returns a static table of four.
    unsafe { ffi::sws_getCoefficients(meaning.matrix.into()) }
}

/// The J formats are the plain ones in full range, from before libav had a field for the range.
pub(crate) fn plain(pixel: Pixel) -> Pixel {
    match pixel {
        Pixel::YUVJ420P => Pixel::YUV420P,
        Pixel::YUVJ422P => Pixel::YUV422P,
        Pixel::YUVJ444P => Pixel::YUV444P,
        Pixel::YUVJ440P => Pixel::YUV440P,
        Pixel::YUVJ411P => Pixel::YUV411P,
        other => other,
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: from sws_alloc_context, freed once.
        unsafe { ffi::sws_freeContext(self.context.as_ptr()) }
    }
}

#[cfg(test)]
mod tests;
