//! An open video node: the ioctls of V4L2, and the mapped buffers. The structures are in `structs.rs`; nothing is decided here.
//!
//! An ioctl's number means something else to another kind of device, so [`VideoNode::new`] takes nothing but a device with
//! the major number of video4linux.
#![expect(unsafe_code, reason = "ioctls and mappings are unsafe calls; every block says why it may")]

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat, major};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, Updater, ioctl, opcode};

use super::format::FourCc;
use super::kernel::{
    Buffers, Capability, ControlInfo, Device, Filled, Fraction, FrameInterval, FrameSize, Picture, Readiness,
};
use super::mapping::Mapping;
use super::meaning;
use super::structs::{
    CAPTURE, EXTENDED, MMAP, PROGRESSIVE, V4l2Buffer, V4l2Capability, V4l2Control, V4l2FmtDesc, V4l2Format,
    V4l2Fract, V4l2FrmIvalEnum, V4l2FrmSizeEnum, V4l2PixFormat, V4l2QueryCtrl, V4l2QueryMenu,
    V4l2RequestBuffers, V4l2StreamParm,
};

/// The major number of every device of video4linux (`VIDEO_MAJOR`).
const VIDEO_MAJOR: u32 = 81;

/// Ioctls that read and write a structure.
macro_rules! calls {
    ($($name:ident: $direction:ident $number:literal $structure:ident,)+) => {
        /// The numbers of the ioctls, which hold the sizes of their structures.
        mod number {
            use super::{Opcode, opcode};
            $(#[allow(non_upper_case_globals, reason = "named as the calls are")]
            pub(super) const $name: Opcode = opcode::$direction::<super::$structure>(b'V', $number);)+
        }

        $(fn $name(node: &VideoNode, structure: &mut $structure) -> Result<(), Errno> {
            // SAFETY: the device is one of video4linux (`VideoNode::new`), and this number of its is for this structure, whose
            // size is in the number and is asserted beside the structure.
            let call = unsafe { Updater::<{ number::$name }, $structure>::new(structure) };
            // SAFETY: as above; the structure holds plain numbers and no pointer, so the kernel writes within it alone, and
            // any bytes are one.
            unsafe { ioctl(&node.fd, call) }
        })+
    };
}

calls! {
    querycap: read 0 V4l2Capability,
    enum_fmt: read_write 2 V4l2FmtDesc,
    g_fmt: read_write 4 V4l2Format,
    s_fmt: read_write 5 V4l2Format,
    reqbufs: read_write 8 V4l2RequestBuffers,
    querybuf: read_write 9 V4l2Buffer,
    qbuf: read_write 15 V4l2Buffer,
    dqbuf: read_write 17 V4l2Buffer,
    g_parm: read_write 21 V4l2StreamParm,
    s_parm: read_write 22 V4l2StreamParm,
    g_ctrl: read_write 27 V4l2Control,
    s_ctrl: read_write 28 V4l2Control,
    queryctrl: read_write 36 V4l2QueryCtrl,
    querymenu: read_write 37 V4l2QueryMenu,
    enum_framesizes: read_write 74 V4l2FrmSizeEnum,
    enum_frameintervals: read_write 75 V4l2FrmIvalEnum,
}

const STREAMON: Opcode = opcode::write::<i32>(b'V', 18);
const STREAMOFF: Opcode = opcode::write::<i32>(b'V', 19);

/// An open video node.
pub(super) struct VideoNode {
    /// Stands before the descriptor, so that buffers are unmapped before it is closed: a mapping that is left keeps the
    /// device busy for this process too.
    buffers: Vec<MappedBuffer>,
    streams: bool,
    fd: OwnedFd,
}

/// A buffer of the driver's, mapped.
struct MappedBuffer {
    bytes: Mapping,
    /// Dequeued and not queued again: the driver doesn't write into it.
    is_ours: bool,
}

impl VideoNode {
    /// The node behind a descriptor.
    ///
    /// # Errors
    /// `ENOTTY` if it isn't a device of video4linux.
    pub(super) fn new(fd: OwnedFd) -> Result<Self, Errno> {
        let found = fstat(&fd)?;
        let is_video =
            FileType::from_raw_mode(found.st_mode).is_char_device() && major(found.st_rdev) == VIDEO_MAJOR;
        if is_video { Ok(Self { buffers: Vec::new(), streams: false, fd }) } else { Err(Errno::NOTTY) }
    }
}

impl Device for VideoNode {
    fn capability(&self) -> Result<Capability, Errno> {
        let mut found = V4l2Capability::default();
        querycap(self, &mut found)?;
        Ok(meaning::capability(&found))
    }

    fn format(&self, index: u32) -> Result<FourCc, Errno> {
        let mut found = V4l2FmtDesc { index, typ: CAPTURE, ..V4l2FmtDesc::default() };
        enum_fmt(self, &mut found)?;
        Ok(FourCc(found.pixelformat))
    }

    fn frame_size(&self, index: u32, format: FourCc) -> Result<FrameSize, Errno> {
        let mut found = V4l2FrmSizeEnum { index, pixel_format: format.0, ..V4l2FrmSizeEnum::default() };
        enum_framesizes(self, &mut found)?;
        Ok(meaning::frame_size(&found))
    }

    fn frame_interval(&self, index: u32, format: FourCc, size: (u32, u32)) -> Result<FrameInterval, Errno> {
        let (width, height) = size;
        let mut found =
            V4l2FrmIvalEnum { index, pixel_format: format.0, width, height, ..V4l2FrmIvalEnum::default() };
        enum_frameintervals(self, &mut found)?;
        Ok(meaning::frame_interval(&found))
    }

    fn current(&self) -> Result<Picture, Errno> {
        let mut found = V4l2Format::of(V4l2PixFormat { private: EXTENDED, ..V4l2PixFormat::default() });
        g_fmt(self, &mut found)?;
        Ok(meaning::picture(&found.pix))
    }

    fn set_format(&mut self, format: FourCc, size: (u32, u32)) -> Result<Picture, Errno> {
        let (width, height) = size;
        let mut wish = V4l2Format::of(V4l2PixFormat {
            width,
            height,
            pixelformat: format.0,
            field: PROGRESSIVE,
            private: EXTENDED,
            ..V4l2PixFormat::default()
        });
        s_fmt(self, &mut wish)?;
        Ok(meaning::picture(&wish.pix))
    }

    fn set_interval(&mut self, interval: Fraction) -> Result<Option<Fraction>, Errno> {
        let Fraction { numerator, denominator } = interval;
        let mut wish = V4l2StreamParm::of(V4l2Fract { numerator, denominator });
        s_parm(self, &mut wish)?;
        Ok(meaning::interval_of(&wish))
    }

    fn interval(&self) -> Result<Option<Fraction>, Errno> {
        let mut found = V4l2StreamParm::of(V4l2Fract::default());
        g_parm(self, &mut found)?;
        Ok(meaning::interval_of(&found))
    }

    fn map_buffers(&mut self, count: u32) -> Result<Buffers, Errno> {
        let mut wish =
            V4l2RequestBuffers { count, typ: CAPTURE, memory: MMAP, ..V4l2RequestBuffers::default() };
        reqbufs(self, &mut wish)?;
        let mut has_monotonic_times = wish.count > 0;
        for index in 0..wish.count {
            let mut buffer = V4l2Buffer::of(index);
            querybuf(self, &mut buffer)?;
            has_monotonic_times &= meaning::is_monotonic(buffer.flags);
            // The offset is the low half of the union, by where it lies.
            let bytes = Mapping::of(&self.fd, u64::from(meaning::low_half(buffer.place)), buffer.length)?;
            self.buffers.push(MappedBuffer { bytes, is_ours: true });
        }
        Ok(Buffers { count: wish.count, has_monotonic_times })
    }

    fn queue(&mut self, index: u32) -> Result<(), Errno> {
        let buffer = at_mut(&mut self.buffers, index)?;
        // Before the call: from it on the driver may write.
        buffer.is_ours = false;
        let done = qbuf(self, &mut V4l2Buffer::of(index));
        if done.is_err() {
            at_mut(&mut self.buffers, index)?.is_ours = true;
        }
        done
    }

    fn dequeue(&mut self) -> Result<Filled, Errno> {
        let mut found = V4l2Buffer::of(0);
        dqbuf(self, &mut found)?;
        at_mut(&mut self.buffers, found.index)?.is_ours = true;
        Ok(meaning::filled(&found))
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        let buffer = usize::try_from(filled.index).ok().and_then(|index| self.buffers.get(index));
        let Some(buffer) = buffer.filter(|buffer| buffer.is_ours) else { return &[] };
        let all = buffer.bytes.as_slice();
        let used = usize::try_from(filled.used_bytes).unwrap_or(usize::MAX);
        &all[..used.min(all.len())]
    }

    fn stream(&mut self, on: bool) -> Result<(), Errno> {
        let typ = i32::from(u8::try_from(CAPTURE).unwrap_or_default());
        if on {
            // SAFETY: the device is one of video4linux (`VideoNode::new`), whose number 18 takes a pointer to an int.
            let call = unsafe { Setter::<STREAMON, i32>::new(typ) };
            // SAFETY: as above; the kernel only reads the int. The driver writes into queued buffers from here on, of which
            // `bytes` shows nothing.
            unsafe { ioctl(&self.fd, call)? };
        } else {
            // SAFETY: as above, with number 19.
            let call = unsafe { Setter::<STREAMOFF, i32>::new(typ) };
            // SAFETY: as above; the kernel only reads the int.
            unsafe { ioctl(&self.fd, call)? };
            // All buffers come back, not filled.
            self.buffers.iter_mut().for_each(|buffer| buffer.is_ours = true);
        }
        self.streams = on;
        Ok(())
    }

    fn poll(&mut self, patience: Duration) -> Result<Readiness, Errno> {
        let patience = Timespec::try_from(patience).map_err(|_| Errno::INVAL)?;
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        if poll(&mut fds, Some(&patience))? == 0 {
            return Ok(Readiness::TimedOut);
        }
        let [fd] = fds;
        Ok(if fd.revents().contains(PollFlags::HUP) { Readiness::HungUp } else { Readiness::Ready })
    }

    fn next_control(&self, after: u32) -> Result<ControlInfo, Errno> {
        let mut found = V4l2QueryCtrl { id: after | meaning::NEXT_CONTROL, ..V4l2QueryCtrl::default() };
        queryctrl(self, &mut found)?;
        Ok(meaning::control(&found))
    }

    fn choice(&self, control: &ControlInfo, index: u32) -> Result<String, Errno> {
        let mut found = V4l2QueryMenu { id: control.id, index, ..V4l2QueryMenu::default() };
        querymenu(self, &mut found)?;
        Ok(meaning::choice(&found, control.kind))
    }

    fn control(&self, id: u32) -> Result<i32, Errno> {
        let mut found = V4l2Control { id, value: 0 };
        g_ctrl(self, &mut found)?;
        Ok(found.value)
    }

    fn set_control(&mut self, id: u32, value: i32) -> Result<(), Errno> {
        s_ctrl(self, &mut V4l2Control { id, value })
    }
}

impl Drop for VideoNode {
    fn drop(&mut self) {
        if self.streams {
            // A device that is gone refuses, and closing it stops the stream in any case.
            let _ = self.stream(false);
        }
    }
}

fn at_mut(buffers: &mut [MappedBuffer], index: u32) -> Result<&mut MappedBuffer, Errno> {
    usize::try_from(index).ok().and_then(|index| buffers.get_mut(index)).ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_have_the_numbers_of_the_kernels_header() {
        // As a C program prints them that includes linux/videodev2.h, on x86_64.
        for (ours, theirs) in [
            (number::querycap, 0x8068_5600),
            (number::enum_fmt, 0xc040_5602),
            (number::g_fmt, 0xc0d0_5604),
            (number::s_fmt, 0xc0d0_5605),
            (number::reqbufs, 0xc014_5608),
            (number::querybuf, 0xc058_5609),
            (number::qbuf, 0xc058_560f),
            (number::dqbuf, 0xc058_5611),
            (STREAMON, 0x4004_5612),
            (STREAMOFF, 0x4004_5613),
            (number::g_parm, 0xc0cc_5615),
            (number::s_parm, 0xc0cc_5616),
            (number::g_ctrl, 0xc008_561b),
            (number::s_ctrl, 0xc008_561c),
            (number::queryctrl, 0xc044_5624),
            (number::querymenu, 0xc02c_5625),
            (number::enum_framesizes, 0xc02c_564a),
            (number::enum_frameintervals, 0xc034_564b),
        ] {
            assert_eq!(u64::from(ours), theirs, "{theirs:#x}");
        }
    }

    #[test]
    fn no_other_device_is_ever_sent_an_ioctl() {
        for path in ["/dev/null", "/dev/zero", "/proc/self/status"] {
            let fd = std::fs::File::open(path).unwrap().into();
            assert!(matches!(VideoNode::new(fd), Err(Errno::NOTTY)), "{path}");
        }
    }
}
