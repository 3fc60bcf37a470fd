//! Calls to libav for which ffmpeg-next has no safe function. Each is a few lines, with the reasons why it is sound.
//! The decisions what is encoded or written, and when, are made elsewhere.
#![expect(unsafe_code, reason = "libav's C interface; every block lists its preconditions and why they hold")]

use std::ffi::{CString, c_void};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::packet::Mut;
use ffmpeg_next::{Packet, codec, format};

use proto::frame::{Geometry, PixelFormat, PixelShape};

use crate::frames::HeldFrame;

/// libav's name for a ring's pixel format.
pub(crate) fn pixel(format: PixelFormat) -> Pixel {
    match format {
        PixelFormat::NV12 => Pixel::NV12,
        PixelFormat::YUYV => Pixel::YUYV422,
        PixelFormat::GRAY8 => Pixel::GRAY8,
        PixelFormat::BGR24 => Pixel::BGR24,
        _ => Pixel::YUV420P,
    }
}

/// An owner of a frame's bytes, as libav keeps it.
type Owner = Box<dyn HeldFrame>;

/// A libav frame over bytes that stay where they are: nothing is copied. The owner is dropped when libav gives the
/// last reference back, whenever that is: an encoder that keeps its input for a while keeps the lease with it.
pub(crate) fn frame_over(frame: Box<dyn HeldFrame>, geometry: &Geometry) -> Option<Video> {
    // A pointer to a trait object is two words wide, and libav keeps one.
    let owner: Box<Owner> = Box::new(frame);
    let bytes = owner.bytes();
    if bytes.len() < geometry.frame_bytes() {
        return None;
    }
    let (start, length) = (bytes.as_ptr().cast_mut(), bytes.len());
    let owner = Box::into_raw(owner).cast::<c_void>();
    // SAFETY: `start` is valid for reads of `length` bytes until `owner` is dropped, which only `give_back` does.
    // READONLY keeps libav from writing through it. `give_back` takes back exactly the pointer that
    // `Box::into_raw` made, once: libav calls it when the last reference goes.
    let buffer =
        unsafe { ffi::av_buffer_create(start, length, Some(give_back), owner, ffi::AV_BUFFER_FLAG_READONLY) };
    if buffer.is_null() {
        // SAFETY: libav did not take it, so it is still ours, as `Box::into_raw` made it.
        drop(unsafe { Box::from_raw(owner.cast::<Owner>()) });
        return None;
    }
    let mut frame = Video::empty();
    frame.set_format(pixel(geometry.format()));
    frame.set_width(geometry.width());
    frame.set_height(geometry.height());
    // SAFETY: it only hands out the pointer that `frame` owns.
    let raw = unsafe { frame.as_mut_ptr() };
    // SAFETY: `frame` owns a valid AVFrame for as long as it lives, and nothing else refers to it.
    let raw = unsafe { &mut *raw };
    raw.buf[0] = buffer;
    for (i, plane) in geometry.planes().iter().enumerate().filter(|(_, p)| p.rows > 0) {
        raw.data[i] = start.wrapping_add(plane.offset_bytes);
        raw.linesize[i] = i32::try_from(plane.stride_bytes).ok()?;
    }
    Some(frame)
}

/// A libav packet over a compressed frame's bytes, which stay where they are: nothing is copied. The owner is dropped when
/// libav gives the last reference back. The packet is for those who only read `size` bytes: nothing is promised of the bytes
/// behind, so it is not for a decoder.
pub(crate) fn packet_over(frame: Box<dyn HeldFrame>) -> Option<Packet> {
    let owner: Box<Owner> = Box::new(frame);
    let (start, length) = (owner.bytes().as_ptr().cast_mut(), owner.bytes().len());
    let size = i32::try_from(length).ok()?;
    let owner = Box::into_raw(owner).cast::<c_void>();
    // SAFETY: as in `frame_over`: the bytes stay until `owner` is dropped, READONLY keeps libav from writing to them, and
    // `give_back` takes back the pointer that `Box::into_raw` made, once.
    let buffer =
        unsafe { ffi::av_buffer_create(start, length, Some(give_back), owner, ffi::AV_BUFFER_FLAG_READONLY) };
    if buffer.is_null() {
        // SAFETY: libav did not take it, so it is still ours, as `Box::into_raw` made it.
        drop(unsafe { Box::from_raw(owner.cast::<Owner>()) });
        return None;
    }
    let mut packet = Packet::empty();
    // SAFETY: a packet without data, which owns nothing that would be lost; the buffer is its from here on, and it is
    // unreferenced when the packet is dropped.
    let raw = unsafe { &mut *packet.as_mut_ptr() };
    raw.buf = buffer;
    raw.data = start;
    raw.size = size;
    Some(packet)
}

/// Sets a frame's quantiser, in libav's unit.
pub(crate) fn set_quality(frame: &mut Video, lambda: i32) {
    // SAFETY: it only hands out the pointer that `frame` owns.
    let raw = unsafe { frame.as_mut_ptr() };
    // SAFETY: `frame` owns a valid AVFrame for as long as it lives, and it is borrowed here alone.
    unsafe { (*raw).quality = lambda };
}

/// Called by libav when it is done with a frame's bytes.
extern "C" fn give_back(owner: *mut c_void, _start: *mut u8) {
    // SAFETY: libav passes back what `av_buffer_create` was given: a `Box<Owner>` turned raw, and calls this once.
    drop(unsafe { Box::from_raw(owner.cast::<Owner>()) });
}

/// Opens a file by its header alone. ffmpeg-next also decodes some frames to find out more: 20 to 60 ms that a recovering
/// recorder doesn't have, for files that we wrote ourselves.
///
/// libav opens files by name, and would follow a link or wait for a FIFO. So it is given the name of a file that is open
/// already, and may be closed once this returns.
pub(crate) fn open_by_header(file: &File) -> Result<format::context::Input, ffmpeg_next::Error> {
    let path = CString::new(descriptor_path(file.as_raw_fd())).map_err(|_| ffmpeg_next::Error::Bug)?;
    let mut context = std::ptr::null_mut();
    // SAFETY: `path` is a C string that outlives the call; a null context, format and options ask libav to allocate
    // and to find out by itself. On failure it allocates nothing that is ours to free.
    let opened = unsafe {
        ffi::avformat_open_input(&raw mut context, path.as_ptr(), std::ptr::null(), std::ptr::null_mut())
    };
    if opened < 0 {
        return Err(ffmpeg_next::Error::from(opened));
    }
    // SAFETY: libav made this context, open for input, and nobody else has it: the value returned owns it.
    Ok(unsafe { format::context::Input::wrap(context) })
}

/// A name of an open file of this process: it stands for that file and no other, as long as the file is open.
pub(crate) fn descriptor_path(descriptor: RawFd) -> String {
    format!("/proc/self/fd/{descriptor}")
}

/// Ends the current fragment of a fragmented MP4. Everything written so far becomes readable.
pub(crate) fn end_fragment(output: &mut format::context::Output) -> Result<(), ffmpeg_next::Error> {
    // SAFETY: it only hands out the pointer that `output` owns.
    let context = unsafe { output.as_mut_ptr() };
    // SAFETY: `output` owns a valid context with its header written; a null packet is libav's way to say "flush",
    // which muxers with AVFMT_ALLOW_FLUSH understand and others ignore.
    match unsafe { ffi::av_write_frame(context, std::ptr::null_mut()) } {
        e if e < 0 => Err(ffmpeg_next::Error::from(e)),
        _ => Ok(()),
    }
}

/// Sets (or with 0 clears, for the muxer to choose) the FourCC of a stream that is being set up.
pub(crate) fn set_codec_tag(parameters: &mut codec::Parameters, fourcc: u32) {
    // SAFETY: it only hands out the pointer that `parameters` owns.
    let raw = unsafe { parameters.as_mut_ptr() };
    // SAFETY: `parameters` owns or keeps alive a valid AVCodecParameters, and we hold it exclusively.
    unsafe { (*raw).codec_tag = fourcc };
}

/// The FourCC of a stream.
#[cfg(test)]
pub(crate) fn codec_tag(parameters: &codec::Parameters) -> u32 {
    // SAFETY: it only hands out the pointer that `parameters` owns.
    let raw = unsafe { parameters.as_ptr() };
    // SAFETY: `parameters` owns or keeps alive a valid AVCodecParameters.
    unsafe { (*raw).codec_tag }
}

/// Sets the matrix by which a player turns the pictures of a stream that is being set up.
pub(crate) fn set_display_matrix(
    stream: &mut format::stream::StreamMut<'_>,
    matrix: &[u32; 9],
) -> Result<(), ffmpeg_next::Error> {
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
    // SAFETY: it only hands out the pointer that `stream` borrows.
    let raw = unsafe { stream.as_mut_ptr() };
    // SAFETY: a stream of an output whose header isn't written. libav returns null or as many bytes as were asked for, which
    // are the stream's.
    let bytes = unsafe { ffi::av_stream_new_side_data(raw, kind, size_of_val(matrix)) };
    if bytes.is_null() {
        return Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::ENOMEM });
    }
    // SAFETY: both hold this many bytes, and the first are new. Nothing is said of their alignment, so bytes are copied.
    unsafe { std::ptr::copy_nonoverlapping(matrix.as_ptr().cast::<u8>(), bytes, size_of_val(matrix)) };
    Ok(())
}

/// The size of the pictures, in pixels. `None` for what is no video.
pub(crate) fn size(parameters: &codec::Parameters) -> Option<(u32, u32)> {
    // SAFETY: it only hands out the pointer that `parameters` owns.
    let raw = unsafe { parameters.as_ptr() };
    // SAFETY: `parameters` owns or keeps alive a valid AVCodecParameters.
    let raw = unsafe { &*raw };
    Some((u32::try_from(raw.width).ok()?, u32::try_from(raw.height).ok()?))
}

/// Adds the picture size to parameters that lack it: for MPEG-4, libav's MP4 reader leaves it to the decoder, and there
/// is no decoder when parts are joined. Adds the pixels' shape too, which that reader keeps elsewhere.
pub(crate) fn with_size(
    parameters: codec::Parameters,
    geometry: &Geometry,
    shape: Option<PixelShape>,
) -> codec::Parameters {
    let mut sized = parameters.clone();
    // SAFETY: it only hands out the pointer that `sized` owns.
    let raw = unsafe { sized.as_mut_ptr() };
    // SAFETY: `sized` is a copy of its own, so a valid AVCodecParameters that nobody else refers to.
    let raw = unsafe { &mut *raw };
    raw.width = i32::try_from(geometry.width()).unwrap_or(raw.width);
    raw.height = i32::try_from(geometry.height()).unwrap_or(raw.height);
    if let Some(shape) = shape {
        raw.sample_aspect_ratio = ffi::AVRational { num: shape.width().into(), den: shape.height().into() };
    }
    sized
}

/// Gives parameters that have none the parameter sets that a decoder needs before the first packet.
pub(crate) fn set_extradata(parameters: &mut codec::Parameters, sets: &[u8]) {
    let Ok(length) = i32::try_from(sets.len()) else { return };
    let padded = sets.len() + usize::try_from(ffi::AV_INPUT_BUFFER_PADDING_SIZE).unwrap_or(0);
    // SAFETY: it only asks for memory, whose bytes are 0. libav wants its padding behind extradata.
    let memory = unsafe { ffi::av_mallocz(padded) }.cast::<u8>();
    if memory.is_null() {
        return;
    }
    // SAFETY: both hold this many bytes, and the second is new.
    unsafe { std::ptr::copy_nonoverlapping(sets.as_ptr(), memory, sets.len()) };
    // SAFETY: it only hands out the pointer that `parameters` owns.
    let raw = unsafe { parameters.as_mut_ptr() };
    // SAFETY: `parameters` owns a valid AVCodecParameters, and we hold it exclusively.
    let raw = unsafe { &mut *raw };
    // SAFETY: it was allocated by libav, or is null, and nothing else refers to it. It is null from here on.
    unsafe { ffi::av_freep((&raw mut raw.extradata).cast()) };
    // The memory is libav's own, and is freed with the parameters.
    raw.extradata = memory;
    raw.extradata_size = length;
}

/// A copy of the parameter set that a decoder needs before the first packet (for H.264: SPS and PPS).
pub(crate) fn extradata(parameters: &codec::Parameters) -> Vec<u8> {
    // SAFETY: it only hands out the pointer that `parameters` owns.
    let raw = unsafe { parameters.as_ptr() };
    // SAFETY: `parameters` owns or keeps alive a valid AVCodecParameters.
    let raw = unsafe { &*raw };
    let length = usize::try_from(raw.extradata_size).unwrap_or(0);
    if raw.extradata.is_null() || length == 0 {
        return Vec::new();
    }
    // SAFETY: libav keeps `extradata_size` bytes at `extradata`, and padding behind them.
    unsafe { std::slice::from_raw_parts(raw.extradata, length) }.to_vec()
}
