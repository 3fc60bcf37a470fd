//! The calls that a V4L2 camera makes on the kernel, as two traits with plain values: [`Kernel`] and [`Device`]. The real
//! ones are in `system.rs` and `ioctl.rs`; tests have a fake that follows a script. No call is made here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::time::MonotonicNs;
use rustix::io::Errno;

use super::devices::Node;
use super::format::FourCc;

/// The system as a camera's process sees it.
pub(crate) trait Kernel: Send {
    /// The video nodes that there are, in the order of their numbers.
    fn nodes(&self) -> Vec<Node>;

    /// The path without links in it, if something is there.
    fn canonical(&self, path: &Path) -> Result<PathBuf, Errno>;

    /// Opens a video node, without waiting for anything.
    fn open(&self, node: &Path) -> Result<Box<dyn Device + Send>, NotOpened>;

    /// The processes that have a node open, this one apart.
    fn holders(&self, node: &Path) -> Vec<Holder>;

    /// The name of this process's user, and that of the group that a node belongs to.
    fn user_and_group(&self, node: &Path) -> (String, String);

    /// The present moment.
    fn now(&self) -> MonotonicNs;

    /// Waits.
    fn sleep(&self, span: Duration);
}

/// The reason why a node wasn't opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// The kernel's answer.
    Refused(Errno),
    /// Something else lies there, and was left alone.
    NoVideoDevice(Thing),
}

/// A thing that has a path and is no video device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A plain file.
    File,
    /// A folder.
    Folder,
    /// A device of another kind: a disk, a terminal.
    OtherDevice,
    /// A named pipe or a socket.
    Pipe,
}

/// A process that has a node open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The pid.
    pub(crate) pid: u32,
    /// The process's name.
    pub(crate) name: String,
}

/// An open video node. Dropping it stops its stream, unmaps its buffers and closes it.
pub(crate) trait Device {
    /// `VIDIOC_QUERYCAP`.
    fn capability(&self) -> Result<Capability, Errno>;

    /// `VIDIOC_ENUM_FMT`: the pixel format of this number; `EINVAL` behind the last.
    fn format(&self, index: u32) -> Result<FourCc, Errno>;

    /// `VIDIOC_ENUM_FRAMESIZES`: as [`Device::format`].
    fn frame_size(&self, index: u32, format: FourCc) -> Result<FrameSize, Errno>;

    /// `VIDIOC_ENUM_FRAMEINTERVALS`: as [`Device::format`].
    fn frame_interval(&self, index: u32, format: FourCc, size: (u32, u32)) -> Result<FrameInterval, Errno>;

    /// `VIDIOC_G_FMT`: the format in use.
    fn current(&self) -> Result<Picture, Errno>;

    /// `VIDIOC_S_FMT`: asks for a format and a size, and says what the device made of it.
    fn set_format(&mut self, format: FourCc, size: (u32, u32)) -> Result<Picture, Errno>;

    /// `VIDIOC_S_PARM`: asks for a time from frame to frame, and says which one the device took. `None` from a device
    /// that has no choice and doesn't say.
    fn set_interval(&mut self, interval: Fraction) -> Result<Option<Fraction>, Errno>;

    /// `VIDIOC_G_PARM`: the time from frame to frame in use, from a device that says it.
    fn interval(&self) -> Result<Option<Fraction>, Errno>;

    /// `VIDIOC_REQBUFS`, and `VIDIOC_QUERYBUF` with a mapping for each buffer. The driver may give fewer or more.
    fn map_buffers(&mut self, count: u32) -> Result<Buffers, Errno>;

    /// `VIDIOC_QBUF`: gives a buffer to the driver.
    fn queue(&mut self, index: u32) -> Result<(), Errno>;

    /// `VIDIOC_DQBUF`: takes a filled buffer from the driver; `EAGAIN` when none is filled.
    fn dequeue(&mut self) -> Result<Filled, Errno>;

    /// The bytes of a buffer that was dequeued and not queued again; nothing of any other.
    fn bytes(&self, filled: &Filled) -> &[u8];

    /// `VIDIOC_STREAMON` and `VIDIOC_STREAMOFF`.
    fn stream(&mut self, on: bool) -> Result<(), Errno>;

    /// Waits until a buffer is filled or something has happened, at most for `patience`.
    fn poll(&mut self, patience: Duration) -> Result<Readiness, Errno>;

    /// `VIDIOC_QUERYCTRL` with `V4L2_CTRL_FLAG_NEXT_CTRL`: the control with the next number; `EINVAL` behind the last.
    fn next_control(&self, after: u32) -> Result<ControlInfo, Errno>;

    /// `VIDIOC_QUERYMENU`: the name of a menu's choice; `EINVAL` where there is none of this number.
    fn choice(&self, control: &ControlInfo, index: u32) -> Result<String, Errno>;

    /// `VIDIOC_G_CTRL`.
    fn control(&self, id: u32) -> Result<i32, Errno>;

    /// `VIDIOC_S_CTRL`.
    fn set_control(&mut self, id: u32, value: i32) -> Result<(), Errno>;
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// A buffer may be dequeued, or an error fetched by trying.
    Ready,
    /// The device is gone.
    HungUp,
    /// Nothing has happened.
    TimedOut,
}

/// `v4l2_capability`, the parts that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capability {
    /// The driver's name, such as `uvcvideo`.
    pub(crate) driver: String,
    /// The device's name.
    pub(crate) card: String,
    /// The place on its bus, such as `usb-0000:00:14.0-1`.
    pub(crate) bus: String,
    /// The kind of this node.
    pub(crate) kind: NodeKind,
}

/// The kind of a video node, by its own capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NodeKind {
    /// Pictures, by buffers that can be mapped.
    #[default]
    Capture,
    /// Pictures in several planes of memory, which the multi-planar API gives.
    MultiPlanar,
    /// Data about pictures.
    Metadata,
    /// No pictures: an output, a codec, a radio.
    Other,
}

/// A time from frame to frame, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fraction {
    /// Above the line.
    pub(crate) numerator: u32,
    /// Below the line.
    pub(crate) denominator: u32,
}

/// A row of sizes that a device offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameSize {
    /// A single size.
    Discrete(u32, u32),
    /// All sizes from the least to the most, in steps.
    Stepwise {
        /// Least width and height.
        least: (u32, u32),
        /// Most width and height.
        most: (u32, u32),
        /// The steps of width and height.
        step: (u32, u32),
    },
}

/// A row of times from frame to frame that a device offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameInterval {
    /// A single time.
    Discrete(Fraction),
    /// All times from the shortest to the longest.
    Between {
        /// The shortest.
        shortest: Fraction,
        /// The longest.
        longest: Fraction,
    },
}

/// `v4l2_pix_format`, the parts that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// The pixel format.
    pub(crate) format: FourCc,
    /// Width and height, in pixels.
    pub(crate) size: (u32, u32),
    /// The distance from row to row of the first plane; 0 for compressed frames.
    pub(crate) stride_bytes: u32,
    /// The most bytes that a frame has.
    pub(crate) most_bytes: u32,
    /// The order of fields, as V4L2 numbers it.
    pub(crate) field: u32,
    /// `enum v4l2_colorspace`.
    pub(crate) colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`.
    pub(crate) encoding: u32,
    /// `enum v4l2_quantization`.
    pub(crate) quantization: u32,
    /// `enum v4l2_xfer_func`.
    pub(crate) transfer: u32,
}

/// The buffers that a device has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffers {
    /// The number of them.
    pub(crate) count: u32,
    /// The driver will stamp them by the monotonic clock.
    pub(crate) has_monotonic_times: bool,
}

/// A filled buffer: `v4l2_buffer`, the parts that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    /// The buffer's number.
    pub(crate) index: u32,
    /// The bytes that hold the frame.
    pub(crate) used_bytes: u32,
    /// The driver's count of frames.
    pub(crate) sequence: u32,
    /// The driver's time of the frame, if it is of the monotonic clock.
    pub(crate) stamp: Option<MonotonicNs>,
    /// The driver says that the frame is damaged.
    pub(crate) is_damaged: bool,
    /// The driver says that the frame is a key frame.
    pub(crate) is_key: bool,
}

/// `v4l2_queryctrl`, the parts that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlInfo {
    /// The control's number.
    pub(crate) id: u32,
    /// The driver's name for it, for people.
    pub(crate) name: String,
    /// The kind of its value.
    pub(crate) kind: ControlKind,
    /// The least value.
    pub(crate) least: i32,
    /// The most.
    pub(crate) most: i32,
    /// The step between two values.
    pub(crate) step: i32,
    /// False for one that can only be read, or can't be used at all.
    pub(crate) can_be_set: bool,
}

/// The kind of a control's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlKind {
    /// A number.
    Integer,
    /// 0 or 1.
    Flag,
    /// A choice out of a row, by its number. Each has a name.
    Menu,
    /// The same; each choice stands for another number, which is its name.
    NumberMenu,
    /// A kind that isn't set by a number, such as a button or a heading.
    Other,
}
