//! The structures of `linux/videodev2.h` that cross into the kernel, written by hand for 64-bit machines. Their sizes are part of
//! the ioctls' numbers, so the kernel refuses a call whose structure has another size; sizes and places are asserted here at
//! compile time. No call is made here.

use std::mem::{offset_of, size_of};

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
pub(super) const CAPTURE: u32 = 1;
/// `V4L2_MEMORY_MMAP`.
pub(super) const MMAP: u32 = 1;
/// `V4L2_FIELD_NONE`: a picture of one moment.
pub(super) const PROGRESSIVE: u32 = 1;

/// `struct v4l2_capability`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2Capability {
    pub(super) driver: [u8; 16],
    pub(super) card: [u8; 32],
    pub(super) bus_info: [u8; 32],
    pub(super) version: u32,
    pub(super) capabilities: u32,
    pub(super) device_caps: u32,
    pub(super) reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2FmtDesc {
    pub(super) index: u32,
    pub(super) typ: u32,
    pub(super) flags: u32,
    pub(super) description: [u8; 32],
    pub(super) pixelformat: u32,
    pub(super) mbus_code: u32,
    pub(super) reserved: [u32; 3],
}

/// `struct v4l2_fract`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2Fract {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

/// `struct v4l2_frmsizeenum`; `size` is a `v4l2_frmsize_stepwise`, or in its first two numbers a `v4l2_frmsize_discrete`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2FrmSizeEnum {
    pub(super) index: u32,
    pub(super) pixel_format: u32,
    pub(super) typ: u32,
    /// Discrete: width, height. Else: least, most and step of the width, then of the height.
    pub(super) size: [u32; 6],
    pub(super) reserved: [u32; 2],
}

/// `struct v4l2_frmivalenum`; `interval` holds the shortest, the longest and the step, or in its first place the only one.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2FrmIvalEnum {
    pub(super) index: u32,
    pub(super) pixel_format: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) typ: u32,
    pub(super) interval: [V4l2Fract; 3],
    pub(super) reserved: [u32; 2],
}

/// The type of a [`V4l2FrmSizeEnum`] or [`V4l2FrmIvalEnum`] that holds one value; others hold a row.
pub(super) const DISCRETE: u32 = 1;

/// `struct v4l2_pix_format`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2PixFormat {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixelformat: u32,
    pub(super) field: u32,
    pub(super) bytesperline: u32,
    pub(super) sizeimage: u32,
    pub(super) colorspace: u32,
    /// `V4L2_PIX_FMT_PRIV_MAGIC`, when the fields behind it mean something.
    pub(super) private: u32,
    pub(super) flags: u32,
    pub(super) ycbcr_enc: u32,
    pub(super) quantization: u32,
    pub(super) xfer_func: u32,
}

/// `V4L2_PIX_FMT_PRIV_MAGIC`.
pub(super) const EXTENDED: u32 = 0xfeed_cafe;

/// `struct v4l2_format`. The union in it holds pointers in one of its forms, so it lies at a multiple of 8.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct V4l2Format {
    pub(super) typ: u32,
    pub(super) padding: u32,
    pub(super) pix: V4l2PixFormat,
    pub(super) rest: [u8; 152],
}

impl V4l2Format {
    /// A question about, or a wish for, a format of a camera.
    pub(super) fn of(pix: V4l2PixFormat) -> Self {
        Self { typ: CAPTURE, padding: 0, pix, rest: [0; 152] }
    }
}

/// `struct v4l2_streamparm` of a camera.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct V4l2StreamParm {
    pub(super) typ: u32,
    pub(super) capability: u32,
    pub(super) capturemode: u32,
    pub(super) timeperframe: V4l2Fract,
    pub(super) extendedmode: u32,
    pub(super) readbuffers: u32,
    pub(super) reserved: [u32; 4],
    pub(super) rest: [u8; 160],
}

impl V4l2StreamParm {
    /// A question about, or a wish for, a camera's rate.
    pub(super) fn of(timeperframe: V4l2Fract) -> Self {
        Self {
            typ: CAPTURE,
            capability: 0,
            capturemode: 0,
            timeperframe,
            extendedmode: 0,
            readbuffers: 0,
            reserved: [0; 4],
            rest: [0; 160],
        }
    }
}

/// `V4L2_CAP_TIMEPERFRAME`: the rate can be chosen.
pub(super) const HAS_A_CHOICE_OF_RATES: u32 = 0x1000;

/// `struct v4l2_requestbuffers`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2RequestBuffers {
    pub(super) count: u32,
    pub(super) typ: u32,
    pub(super) memory: u32,
    pub(super) capabilities: u32,
    pub(super) flags: u8,
    pub(super) reserved: [u8; 3],
}

/// `struct v4l2_buffer` with the 64-bit `struct timeval`. The kernel's header decides on its fields.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2Buffer {
    pub(super) index: u32,
    pub(super) typ: u32,
    pub(super) bytesused: u32,
    pub(super) flags: u32,
    pub(super) field: u32,
    pub(super) padding: u32,
    pub(super) seconds: i64,
    pub(super) microseconds: i64,
    pub(super) timecode: [u32; 4],
    pub(super) sequence: u32,
    pub(super) memory: u32,
    /// The offset to map, in the low half, of the union with pointers in it.
    pub(super) place: u64,
    pub(super) length: u32,
    pub(super) reserved2: u32,
    pub(super) request_fd: u32,
    pub(super) end_padding: u32,
}

impl V4l2Buffer {
    /// A call about a mapped buffer of a camera.
    pub(super) fn of(index: u32) -> Self {
        Self { index, typ: CAPTURE, memory: MMAP, ..Self::default() }
    }
}

/// `struct v4l2_queryctrl`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2QueryCtrl {
    pub(super) id: u32,
    pub(super) typ: u32,
    pub(super) name: [u8; 32],
    pub(super) minimum: i32,
    pub(super) maximum: i32,
    pub(super) step: i32,
    pub(super) default_value: i32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 2],
}

/// `struct v4l2_querymenu`, which has no gaps.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2QueryMenu {
    pub(super) id: u32,
    pub(super) index: u32,
    /// A name, or the 64 bits of a number.
    pub(super) choice: [u8; 32],
    pub(super) reserved: u32,
}

/// `struct v4l2_control`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct V4l2Control {
    pub(super) id: u32,
    pub(super) value: i32,
}

const _: () = {
    assert!(size_of::<usize>() == 8, "the structures of videodev2.h are written for 64-bit machines");
    assert!(size_of::<V4l2Capability>() == 104);
    assert!(size_of::<V4l2FmtDesc>() == 64);
    assert!(size_of::<V4l2FrmSizeEnum>() == 44);
    assert!(size_of::<V4l2FrmIvalEnum>() == 52);
    assert!(size_of::<V4l2PixFormat>() == 48);
    assert!(size_of::<V4l2Format>() == 208 && offset_of!(V4l2Format, pix) == 8);
    assert!(size_of::<V4l2StreamParm>() == 204 && offset_of!(V4l2StreamParm, timeperframe) == 12);
    assert!(size_of::<V4l2RequestBuffers>() == 20);
    assert!(size_of::<V4l2Buffer>() == 88);
    assert!(offset_of!(V4l2Buffer, seconds) == 24 && offset_of!(V4l2Buffer, sequence) == 56);
    assert!(offset_of!(V4l2Buffer, place) == 64 && offset_of!(V4l2Buffer, length) == 72);
    assert!(size_of::<V4l2QueryCtrl>() == 68 && offset_of!(V4l2QueryCtrl, flags) == 56);
    assert!(size_of::<V4l2QueryMenu>() == 44 && offset_of!(V4l2QueryMenu, choice) == 8);
    assert!(size_of::<V4l2Control>() == 8);
};
