//! A kernel with cameras that follow a script, on a clock of its own: no test of a camera waits. It holds programs to V4L2's
//! rules, and remembers who breaks one.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use proto::time::MonotonicNs;
use rustix::io::Errno;

use super::choose::Offered;
use super::devices::Node;
use super::format::{Form, Format};
use super::kernel::{ControlInfo, Device, Fraction, Holder, Kernel, NodeKind, NotOpened, Picture};
use crate::h26x::Codec;

mod device;

use device::FakeDevice;

/// A step of a camera's script. When the script is over, good frames follow for ever.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// So many good frames.
    Good(u32),
    /// A frame with something wrong.
    Frame(FakeFrame),
    /// No frame for so long.
    Silence(Duration),
    /// The camera is unplugged.
    Unplug,
    /// The driver is ready, and fetching fails with this.
    Fails(Errno),
}

/// A frame of a script; by default a good one.
#[derive(Clone, Debug, Default)]
pub(super) struct FakeFrame {
    /// Bytes that aren't good ones.
    pub(super) bytes: Option<Vec<u8>>,
    /// The driver's flag.
    pub(super) is_damaged: bool,
    /// The driver's time, if it isn't 2 ms before arrival.
    pub(super) stamp: Option<Stamp>,
    /// The step of the driver's count, if it isn't 1.
    pub(super) step: Option<i64>,
}

/// A driver's time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stamp {
    /// A time stamp of another clock than the monotonic one.
    None,
    /// 0.
    Zero,
    /// So long before arrival.
    Before(Duration),
    /// So long after arrival.
    After(Duration),
}

/// A camera, plugged in or not. Each field that tests set is a trait of real cameras of its own; a group of them would have no
/// name.
pub(super) struct FakeCamera {
    pub(super) node: Node,
    pub(super) is_plugged: bool,
    pub(super) kind: NodeKind,
    pub(super) offers: Vec<Offered>,
    pub(super) script: VecDeque<Step>,
    /// Calls that fail, by their names.
    pub(super) refusals: BTreeMap<&'static str, Errno>,
    /// The answer to S_FMT, if it isn't the question.
    pub(super) gives: Option<fn(Picture) -> Picture>,
    /// The answer to S_PARM, if it isn't the question.
    pub(super) gives_interval: Option<Fraction>,
    pub(super) controls: Vec<(ControlInfo, i32)>,
    /// The names of all menus' choices; the number of one without is none.
    pub(super) choices: Vec<&'static str>,
    /// The buffers that it makes, if not as many as it is asked for.
    pub(super) buffers: Option<u32>,
    pub(super) has_monotonic_times: bool,
    picture: Picture,
    interval: Fraction,
    sequence: u32,
    next_due: MonotonicNs,
    /// Rises each time that it is plugged in: a node that was opened before is dead.
    plugged: u32,
    /// Opened by a program that has buffers of it mapped.
    is_mapped: bool,
}

/// The machine with its cameras.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) now: MonotonicNs,
    pub(super) cameras: Vec<FakeCamera>,
    pub(super) holders: Vec<Holder>,
    /// The calls in their order, by name.
    pub(super) calls: Vec<&'static str>,
    /// The rules that a program has broken.
    pub(super) broken: Vec<String>,
}

/// The kernel: a handle to the machine.
#[derive(Clone, Default)]
pub(super) struct FakeKernel(Arc<Mutex<Machine>>);

impl FakeKernel {
    /// A machine on which these cameras are plugged in.
    pub(super) fn with(cameras: impl IntoIterator<Item = FakeCamera>) -> Self {
        let machine = Machine {
            now: MonotonicNs(1_000_000_000_000),
            cameras: cameras.into_iter().collect(),
            ..Machine::default()
        };
        Self(Arc::new(Mutex::new(machine)))
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap()
    }
}

impl FakeCamera {
    /// A camera at a node, which offers this and makes good frames.
    pub(super) fn new(node: Node, offers: Vec<Offered>) -> Self {
        Self {
            node,
            is_plugged: true,
            kind: NodeKind::Capture,
            offers,
            script: VecDeque::new(),
            refusals: BTreeMap::new(),
            gives: None,
            gives_interval: None,
            controls: Vec::new(),
            choices: Vec::new(),
            buffers: None,
            has_monotonic_times: true,
            picture: Picture::default(),
            interval: Fraction { numerator: 1, denominator: 30 },
            sequence: 0,
            next_due: MonotonicNs(0),
            plugged: 0,
            is_mapped: false,
        }
    }

    /// Takes the camera out.
    pub(super) fn unplug(&mut self) {
        self.is_plugged = false;
        self.is_mapped = false;
    }

    /// Plugs the camera in; it gets this node's number.
    pub(super) fn plug_in(&mut self, number: u32) {
        self.is_plugged = true;
        self.plugged += 1;
        self.node.path = format!("/dev/video{number}").into();
    }

    /// The next step that takes no time, or a frame's.
    fn next_step(&mut self) -> Step {
        match self.script.front_mut() {
            None => Step::Good(1),
            Some(Step::Good(more @ 2..)) => {
                *more -= 1;
                Step::Good(1)
            }
            Some(_) => self.script.pop_front().unwrap(),
        }
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1) * self.interval.numerator / self.interval.denominator
    }

    fn good_bytes(&self) -> Vec<u8> {
        let form = Format::of(self.picture.format).map(|format| format.form);
        let last = self.sequence.to_le_bytes()[0] & 0x7f;
        match form {
            Some(Form::Jpeg) => jpeg(self.picture.size, last),
            Some(Form::Stream(Codec::H264)) => key_picture(last),
            _ => vec![last; usize::try_from(self.picture.most_bytes).unwrap()],
        }
    }
}

/// The skeleton of a key frame of H.264, 640x480 in Baseline, with its parameter sets.
pub(super) fn key_picture(pixel: u8) -> Vec<u8> {
    let sps = [0, 0, 1, 0x67, 66, 0, 30, 0xDA, 0x02, 0x80, 0xF4, 0x40];
    let pps = [0, 0, 1, 0x68, 0xCE, 0x3C, 0x80];
    // First macroblock 0, type 7, set 0, frame 0, picture 0.
    let slice = [0, 0, 1, 0x65, 0b1000_1000, 0b1000_0100, pixel];
    [&sps[..], &pps, &slice].concat()
}

/// The skeleton of a frame of H.264 that isn't a key frame.
pub(super) fn p_picture(pixel: u8) -> Vec<u8> {
    // First macroblock 0, type 5, set 0, frame 1.
    vec![0, 0, 1, 0x41, 0b1001_1010, 0b0010_0100, pixel]
}

/// The skeleton of a JPEG.
pub(super) fn jpeg((width, height): (u32, u32), pixel: u8) -> Vec<u8> {
    let side = |side: u32| u16::try_from(side).unwrap().to_be_bytes();
    let ([w1, w0], [h1, h0]) = (side(width), side(height));
    let frame = [0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, h1, h0, w1, w0, 1, 1, 0x11, 0];
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, pixel, 0xff, 0, pixel, 0xff, 0xd9];
    [&frame[..], &scan].concat()
}

impl Kernel for FakeKernel {
    fn nodes(&self) -> Vec<Node> {
        let machine = self.machine();
        machine.cameras.iter().filter(|camera| camera.is_plugged).map(|camera| camera.node.clone()).collect()
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, Errno> {
        let is_it = |node: &&Node| {
            node.path == path || node.by_id.as_deref() == Some(path) || node.by_path.as_deref() == Some(path)
        };
        let nodes = self.nodes();
        // udev's link leads to the camera that came last.
        nodes.iter().rev().find(is_it).map(|node| node.path.clone()).ok_or(Errno::NOENT)
    }

    fn open(&self, node: &Path) -> Result<Box<dyn Device + Send>, NotOpened> {
        let mut machine = self.machine();
        machine.calls.push("open");
        let camera = machine.cameras.iter().position(|camera| camera.is_plugged && camera.node.path == node);
        let camera = camera.ok_or(NotOpened::Refused(Errno::NOENT))?;
        if let Some(error) = machine.cameras[camera].refusals.get("open") {
            return Err(NotOpened::Refused(*error));
        }
        let plugged = machine.cameras[camera].plugged;
        Ok(Box::new(FakeDevice::new(self.clone(), camera, plugged)))
    }

    fn holders(&self, _: &Path) -> Vec<Holder> {
        self.machine().holders.clone()
    }

    fn user_and_group(&self, _: &Path) -> (String, String) {
        ("ada".into(), "video".into())
    }

    fn now(&self) -> MonotonicNs {
        self.machine().now
    }

    fn sleep(&self, span: Duration) {
        let mut machine = self.machine();
        machine.now = machine.now + span;
    }
}
