//! V4L2 cameras on a fake kernel: opened, streaming, failing, gone and back.

mod coming_back;
mod opening;
mod streaming;

use std::collections::BTreeMap;
use std::time::Duration;

use super::choose::{Offered, OfferedSize, Wanted};
use super::devices::{DeviceName, Node, Usb};
use super::fake_kernel::{FakeCamera, FakeKernel, Step};
use super::format::Format;
use super::kernel::{Fraction, FrameInterval, FrameSize};
use super::open::Request;
use super::*;
use proto::frame::{Fps, PixelFormat};

/// A webcam at a USB port, whose node has this number.
pub(super) fn node(number: u32, port: &str, serial: &str) -> Node {
    let model = ("046d".to_owned(), "082d".to_owned());
    let usb = Usb { port: port.into(), interface: "1.0".into(), bus: 1, model, serial: Some(serial.into()) };
    Node {
        path: format!("/dev/video{number}").into(),
        index: 0,
        name: "HD Webcam".into(),
        usb: Some(usb),
        by_id: Some(format!("/dev/v4l/by-id/usb-HD_{serial}-video-index0").into()),
        by_path: Some(format!("/dev/v4l/by-path/usb-{port}-video-index0").into()),
    }
}

pub(super) fn offer(name: &str, size: (u32, u32), rates: &[u32]) -> Offered {
    let interval = |rate: &u32| FrameInterval::Discrete(Fraction { numerator: 1, denominator: *rate });
    let size = OfferedSize {
        size: FrameSize::Discrete(size.0, size.1),
        intervals: rates.iter().map(interval).collect(),
    };
    Offered { format: Format::named(name).unwrap().fourcc, sizes: vec![size] }
}

/// A webcam that gives JPEG at 50 frames a second, small raw frames and H.264.
pub(super) fn webcam() -> FakeCamera {
    let offers = vec![
        offer("MJPG", (640, 480), &[50, 25, 1]),
        offer("GREY", (64, 48), &[50]),
        offer("H264", (640, 480), &[50]),
    ];
    FakeCamera::new(node(0, "1-1", "A1"), offers)
}

/// A webcam with a script.
fn scripted(script: impl IntoIterator<Item = Step>) -> FakeKernel {
    let mut camera = webcam();
    camera.script = script.into_iter().collect();
    FakeKernel::with([camera])
}

fn opener(device: &str, format: &str, fps: f64) -> Opener {
    let format = Format::named(format);
    let (width, height) = if format.is_some_and(|f| f.name == "GREY") { (64, 48) } else { (640, 480) };
    let pixels = format.map_or(PixelFormat::I420, |format| format.in_ring().1);
    Opener {
        request: Request {
            device: DeviceName::of(device),
            wanted: Wanted {
                format,
                in_ring: None,
                width: Some(width),
                height: Some(height),
                fps: Fps::new(fps),
            },
            controls: BTreeMap::new(),
        },
        input: device.into(),
        geometry: Geometry::new(width, height, pixels).unwrap(),
        before: None,
        said: Vec::new(),
    }
}

fn open(kernel: &FakeKernel, opener: &mut Opener) -> Result<V4l2Camera, SourceError> {
    opener.open(Box::new(kernel.clone()), None)
}

fn refusal(kernel: &FakeKernel, opener: &mut Opener) -> SourceError {
    open(kernel, opener).err().unwrap()
}

/// The program has kept to V4L2's rules.
fn assert_no_rule_is_broken(kernel: &FakeKernel) {
    assert_eq!(kernel.machine().broken, Vec::<String>::new());
}

const MS: Duration = Duration::from_millis(1);
