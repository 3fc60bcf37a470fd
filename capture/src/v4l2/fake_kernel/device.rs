//! An open node of the fake kernel.

use std::collections::VecDeque;
use std::time::Duration;

use proto::time::MonotonicNs;
use rustix::io::Errno;

use super::{FakeCamera, FakeFrame, FakeKernel, Stamp, Step};
use crate::v4l2::choose::Offered;
use crate::v4l2::format::{Form, Format, FourCc};
use crate::v4l2::kernel::{
    Buffers, Capability, ControlInfo, Device, Filled, Fraction, FrameInterval, FrameSize, Picture, Readiness,
};

/// An open node.
pub(super) struct FakeDevice {
    kernel: FakeKernel,
    camera: usize,
    plugged: u32,
    buffers: FakeBuffers,
    streams: bool,
}

#[derive(Default)]
struct FakeBuffers {
    bytes: Vec<Vec<u8>>,
    /// Held by the program.
    ours: Vec<bool>,
    queued: VecDeque<u32>,
    filled: VecDeque<Filled>,
    /// The next fetch fails with this.
    error: Option<Errno>,
}

impl FakeBuffers {
    /// Lets the camera's next step happen, at its time.
    fn happen(&mut self, camera: &mut FakeCamera) {
        let due = camera.next_due;
        let frame = match camera.next_step() {
            Step::Good(_) => FakeFrame::default(),
            Step::Frame(frame) => frame,
            Step::Silence(span) => {
                camera.next_due = due + span;
                return;
            }
            Step::Unplug => return camera.unplug(),
            Step::Fails(error) => {
                self.error = Some(error);
                camera.next_due = due + camera.period();
                return;
            }
        };
        camera.next_due = due + camera.period();
        let step = frame.step.unwrap_or(1);
        camera.sequence = camera.sequence.wrapping_add_signed(i32::try_from(step).unwrap());
        // Without a buffer the driver has nowhere to put it.
        let Some(index) = self.queued.pop_front() else { return };
        let bytes = frame.bytes.unwrap_or_else(|| camera.good_bytes());
        let used_bytes = u32::try_from(bytes.len()).unwrap();
        self.bytes[usize::try_from(index).unwrap()] = bytes;
        let stamp = match frame.stamp.unwrap_or(Stamp::Before(Duration::from_millis(2))) {
            Stamp::None => None,
            Stamp::Zero => Some(MonotonicNs(0)),
            Stamp::Before(span) => Some(due.before(span)),
            Stamp::After(span) => Some(due + span),
        };
        let (sequence, is_damaged) = (camera.sequence, frame.is_damaged);
        self.filled.push_back(Filled { index, used_bytes, sequence, stamp, is_damaged, is_key: false });
    }
}

impl FakeDevice {
    /// The node of a camera, until that is unplugged.
    pub(super) fn new(kernel: FakeKernel, camera: usize, plugged: u32) -> Self {
        Self { kernel, camera, plugged, buffers: FakeBuffers::default(), streams: false }
    }

    /// A call on the camera, by its name.
    fn call<T>(
        &self,
        name: &'static str,
        done: impl FnOnce(&mut FakeCamera) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut machine = self.kernel.machine();
        machine.calls.push(name);
        let camera = &mut machine.cameras[self.camera];
        if !camera.is_plugged || camera.plugged != self.plugged {
            return Err(Errno::NODEV);
        }
        match camera.refusals.get(name) {
            Some(error) => Err(*error),
            None => done(camera),
        }
    }

    fn is_broken(&self, rule: String) -> Errno {
        self.kernel.machine().broken.push(rule);
        Errno::INVAL
    }

    fn offer<T>(
        &self,
        name: &'static str,
        format: FourCc,
        find: impl FnOnce(&Offered) -> Option<T>,
    ) -> Result<T, Errno> {
        self.call(name, |camera| {
            let offer = camera.offers.iter().find(|offer| offer.format == format);
            offer.and_then(find).ok_or(Errno::INVAL)
        })
    }
}

fn at<T: Copy>(all: &[T], index: u32) -> Option<T> {
    all.get(usize::try_from(index).unwrap()).copied()
}

impl Device for FakeDevice {
    fn capability(&self) -> Result<Capability, Errno> {
        self.call("querycap", |camera| {
            let card = camera.node.name.clone();
            Ok(Capability { driver: "uvcvideo".into(), card, bus: "usb-1".into(), kind: camera.kind })
        })
    }

    fn format(&self, index: u32) -> Result<FourCc, Errno> {
        self.call("enum_fmt", |camera| {
            let formats: Vec<FourCc> = camera.offers.iter().map(|offer| offer.format).collect();
            at(&formats, index).ok_or(Errno::INVAL)
        })
    }

    fn frame_size(&self, index: u32, format: FourCc) -> Result<FrameSize, Errno> {
        self.offer("enum_framesizes", format, |offer| {
            offer.sizes.get(usize::try_from(index).unwrap()).map(|size| size.size)
        })
    }

    fn frame_interval(&self, index: u32, format: FourCc, size: (u32, u32)) -> Result<FrameInterval, Errno> {
        self.offer("enum_frameintervals", format, |offer| {
            let row = offer.sizes.iter().find(|row| row.size == FrameSize::Discrete(size.0, size.1))?;
            at(&row.intervals, index)
        })
    }

    fn current(&self) -> Result<Picture, Errno> {
        self.call("g_fmt", |camera| Ok(camera.picture))
    }

    fn set_format(&mut self, format: FourCc, size: (u32, u32)) -> Result<Picture, Errno> {
        self.call("s_fmt", |camera| {
            if camera.is_mapped {
                return Err(Errno::BUSY);
            }
            let bytes_a_pixel = Format::of(format).map_or(0, |format| match format.form {
                Form::Jpeg | Form::Stream(_) => 0,
                Form::Bayer(_) => 1,
                Form::Planes(_) | Form::SwappedRgb => 2,
            });
            let picture = Picture {
                format,
                size,
                stride_bytes: size.0 * bytes_a_pixel,
                most_bytes: size.0 * size.1 * 2,
                field: 1,
                colorspace: 8,
                ..Picture::default()
            };
            camera.picture = camera.gives.map_or(picture, |gives| gives(picture));
            Ok(camera.picture)
        })
    }

    fn set_interval(&mut self, interval: Fraction) -> Result<Option<Fraction>, Errno> {
        self.call("s_parm", |camera| {
            camera.interval = camera.gives_interval.unwrap_or(interval);
            Ok(Some(camera.interval))
        })
    }

    fn interval(&self) -> Result<Option<Fraction>, Errno> {
        self.call("g_parm", |camera| Ok(Some(camera.interval)))
    }

    fn map_buffers(&mut self, count: u32) -> Result<Buffers, Errno> {
        let buffers = self.call("reqbufs", |camera| {
            if camera.is_mapped {
                return Err(Errno::BUSY);
            }
            camera.is_mapped = true;
            let count = camera.buffers.unwrap_or(count);
            Ok(Buffers { count, has_monotonic_times: camera.has_monotonic_times })
        })?;
        let count = usize::try_from(buffers.count).unwrap();
        self.buffers =
            FakeBuffers { bytes: vec![Vec::new(); count], ours: vec![true; count], ..FakeBuffers::default() };
        Ok(buffers)
    }

    fn queue(&mut self, index: u32) -> Result<(), Errno> {
        self.call("qbuf", |_| Ok(()))?;
        let is_ours = self.buffers.ours.get_mut(usize::try_from(index).unwrap());
        match is_ours.map(std::mem::take) {
            Some(true) => {
                self.buffers.queued.push_back(index);
                Ok(())
            }
            _ => Err(self.is_broken(format!("QBUF of buffer {index}, which the driver has"))),
        }
    }

    fn dequeue(&mut self) -> Result<Filled, Errno> {
        self.call("dqbuf", |_| Ok(()))?;
        if !self.streams {
            return Err(self.is_broken("DQBUF without a stream".into()));
        }
        if let Some(error) = self.buffers.error.take() {
            return Err(error);
        }
        let filled = self.buffers.filled.pop_front().ok_or(Errno::AGAIN)?;
        self.buffers.ours[usize::try_from(filled.index).unwrap()] = true;
        Ok(filled)
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        let index = usize::try_from(filled.index).unwrap();
        if self.buffers.ours[index] { &self.buffers.bytes[index] } else { &[] }
    }

    fn stream(&mut self, on: bool) -> Result<(), Errno> {
        let now = self.kernel.machine().now;
        self.call(if on { "streamon" } else { "streamoff" }, |camera| {
            camera.sequence = u32::MAX;
            camera.next_due = now + camera.period();
            Ok(())
        })?;
        self.streams = on;
        Ok(())
    }

    fn poll(&mut self, patience: Duration) -> Result<Readiness, Errno> {
        self.call("poll", |_| Ok(())).or_else(|e| if e == Errno::NODEV { Ok(()) } else { Err(e) })?;
        let mut machine = self.kernel.machine();
        let until = machine.now + patience;
        loop {
            let now = machine.now;
            let camera = &mut machine.cameras[self.camera];
            while camera.is_plugged && camera.next_due <= now {
                self.buffers.happen(camera);
            }
            let is_gone = !camera.is_plugged || camera.plugged != self.plugged;
            let next_due = camera.next_due;
            if !self.buffers.filled.is_empty() || self.buffers.error.is_some() {
                return Ok(Readiness::Ready);
            }
            if is_gone {
                return Ok(Readiness::HungUp);
            }
            if now >= until {
                return Ok(Readiness::TimedOut);
            }
            machine.now = next_due.min(until);
        }
    }

    fn next_control(&self, after: u32) -> Result<ControlInfo, Errno> {
        self.call("queryctrl", |camera| {
            let next = camera.controls.iter().map(|(control, _)| control).find(|control| control.id > after);
            next.cloned().ok_or(Errno::INVAL)
        })
    }

    fn choice(&self, _: &ControlInfo, index: u32) -> Result<String, Errno> {
        self.call("querymenu", |camera| {
            let name = camera.choices.get(index as usize).filter(|name| !name.is_empty());
            name.map(|name| (*name).to_owned()).ok_or(Errno::INVAL)
        })
    }

    fn control(&self, id: u32) -> Result<i32, Errno> {
        self.call("g_ctrl", |camera| {
            let found = camera.controls.iter().find(|(control, _)| control.id == id);
            found.map(|(_, value)| *value).ok_or(Errno::INVAL)
        })
    }

    fn set_control(&mut self, id: u32, value: i32) -> Result<(), Errno> {
        self.call("s_ctrl", |camera| {
            let found =
                camera.controls.iter_mut().find(|(control, _)| control.id == id).ok_or(Errno::INVAL)?;
            found.1 = value;
            Ok(())
        })
    }
}

impl Drop for FakeDevice {
    fn drop(&mut self) {
        let mut machine = self.kernel.machine();
        let camera = &mut machine.cameras[self.camera];
        if !self.buffers.bytes.is_empty() && camera.plugged == self.plugged {
            camera.is_mapped = false;
        }
    }
}
