//! Opening a camera: from the device that a config names to buffers in the driver's hands, step by step. Every answer of
//! the driver is compared with the question.

use std::collections::BTreeMap;

use proto::config::ControlValue;
use proto::frame::Fps;
use rustix::io::Errno;

use super::choose::{self, Mode, Wanted};
use super::controls::{self, NoControl};
use super::counting::BUFFERS;
use super::devices::{self, DeviceName, Node};
use super::kernel::{Buffers, Device, Fraction, Kernel, NodeKind, NotOpened, Picture};
use super::menu;
use super::refused::Refused;

/// The wishes of a config.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The camera.
    pub(crate) device: DeviceName,
    /// Format, size and rate.
    pub(crate) wanted: Wanted,
    /// Controls by their names.
    pub(crate) controls: BTreeMap<String, ControlValue>,
}

/// A camera that is ready to stream.
pub(crate) struct Opened {
    /// The device.
    pub(crate) device: Box<dyn Device + Send>,
    /// The node that it has.
    pub(crate) node: Node,
    /// The mode that was chosen.
    pub(crate) mode: Mode,
    /// The pictures that it will give.
    pub(crate) picture: Picture,
    /// The rate that the device confirmed.
    pub(crate) fps: Fps,
    /// The buffers that the driver made.
    pub(crate) buffers: Buffers,
    /// Remarks for the log, as sentences that go behind the device's name.
    pub(crate) remarks: Vec<String>,
}

/// `V4L2_FIELD_*` of pictures that are whole: any, progressive, and woven ones.
const WHOLE_PICTURES: [u32; 5] = [0, 1, 4, 8, 9];

/// Opens a camera, up to its buffers. `before` is the node that the camera had last time.
///
/// # Errors
/// [`Refused`].
pub(crate) fn open(kernel: &dyn Kernel, request: &Request, before: Option<&Node>) -> Result<Opened, Refused> {
    let node = devices::find(&request.device, &kernel.nodes(), before, |path| kernel.canonical(path))?;
    let at = Place { kernel, node: &node };
    let mut device = kernel.open(&node.path).map_err(|why| match why {
        NotOpened::NoVideoDevice(thing) => Refused::NoVideoDevice(thing),
        NotOpened::Refused(error) => at.failed("open it", error),
    })?;
    match device.capability().map_err(|error| at.failed("ask it for its kind", error))?.kind {
        NodeKind::Capture => {}
        other => return Err(Refused::NoPictures(other)),
    }
    let mode = mode(at, device.as_ref(), &request.wanted)?;
    let picture = format(at, device.as_mut(), &mode)?;
    let fps = rate(at, device.as_mut(), &mode, request.wanted.fps)?;
    let remarks = controls::set(device.as_mut(), &request.controls).map_err(|why| match why {
        NoControl::Failed(error) => at.failed("set its controls", error),
        other => other.into(),
    })?;
    let buffers = device.map_buffers(BUFFERS).map_err(|error| at.failed("get buffers for it", error))?;
    Ok(Opened { device, node, mode, picture, fps, buffers, remarks })
}

impl Opened {
    /// Gives the driver all buffers, and begins.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn start(&mut self, kernel: &dyn Kernel) -> Result<(), Refused> {
        let at = Place { kernel, node: &self.node };
        for index in 0..self.buffers.count {
            self.device.queue(index).map_err(|error| at.failed("give it buffers", error))?;
        }
        self.device.stream(true).map_err(|error| at.failed("start its stream", error))
    }
}

/// The place of a call that may fail, for its words.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The system.
    pub(crate) kernel: &'a dyn Kernel,
    /// The camera's node.
    pub(crate) node: &'a Node,
}

impl Place<'_> {
    /// The refusal that a failed call amounts to. `doing` goes behind "can't".
    pub(crate) fn failed(self, doing: &'static str, error: Errno) -> Refused {
        let Self { kernel, node } = self;
        match error {
            Errno::NODEV | Errno::NXIO | Errno::NOENT => Refused::Unplugged,
            Errno::ACCESS | Errno::PERM => {
                let (user, group) = kernel.user_and_group(&node.path);
                Refused::Permission { user, group }
            }
            Errno::BUSY => Refused::Busy(kernel.holders(&node.path)),
            Errno::NOSPC => {
                let bus = node.usb.as_ref().map_or(0, |usb| usb.bus);
                let mut others = kernel.nodes();
                others.retain(|other| {
                    other.index == 0
                        && other.path != node.path
                        && other.usb.as_ref().is_some_and(|usb| usb.bus == bus)
                });
                Refused::NoBandwidth { bus, others }
            }
            error => Refused::Failed { doing, error },
        }
    }
}

fn mode(at: Place<'_>, device: &dyn Device, wanted: &Wanted) -> Result<Mode, Refused> {
    let offered = menu::offered(device, wanted.width.zip(wanted.height))
        .map_err(|error| at.failed("ask it for its formats", error))?;
    // A device that says nothing of its present size is asked for a common one.
    let current = device.current().map_or((640, 480), |picture| picture.size);
    Ok(choose::choose(wanted, &offered, current)?)
}

fn format(at: Place<'_>, device: &mut dyn Device, mode: &Mode) -> Result<Picture, Refused> {
    let picture = device
        .set_format(mode.format.fourcc, mode.size)
        .map_err(|error| at.failed("set its format", error))?;
    if picture.format != mode.format.fourcc || picture.size != mode.size {
        let (asked, given) = ((mode.format, mode.size), (picture.format, picture.size));
        return Err(Refused::OtherFormat { asked, given });
    }
    if WHOLE_PICTURES.contains(&picture.field) { Ok(picture) } else { Err(Refused::SingleFields) }
}

fn rate(at: Place<'_>, device: &mut dyn Device, mode: &Mode, wanted: Option<Fps>) -> Result<Fps, Refused> {
    let given = match mode.interval.map(|interval| device.set_interval(interval)) {
        Some(Ok(given)) => given,
        // Devices without a choice of rates have no such call.
        None | Some(Err(Errno::NOTTY | Errno::INVAL)) => device.interval().ok().flatten(),
        Some(Err(error)) => return Err(at.failed("set its rate", error)),
    };
    match (given.and_then(|interval| Fps::new(interval.fps())), wanted) {
        (Some(given), Some(asked)) if !choose::is_same_rate(given.as_f64(), asked) => {
            Err(Refused::OtherRate { asked, given })
        }
        (Some(given), _) => Ok(given),
        (None, Some(wanted)) => Ok(wanted),
        (None, None) => mode.interval.map(Fraction::fps).and_then(Fps::new).ok_or(Refused::NoRate),
    }
}
