//! A USB camera that is a program: it answers USB/IP requests on one end of a pair of sockets, and the kernel's `vhci-hcd` holds the
//! other. The kernel sees a UVC camera that gives Motion JPEG and YUYV over a bulk endpoint. It needs root, and changes the
//! machine's USB bus: the virtual machine is the place for it. What it says of itself is in [`super::descriptors`].

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::descriptors::{Model, configuration, device, little_16, little_32, qualifier, string};
use super::numbered_jpeg::NumberedJpeg;

/// The kernel's virtual USB bus.
const BUS: &str = "/sys/devices/platform/vhci_hcd.0";
/// USB/IP's commands, and the answers to them.
const SUBMIT: u32 = 1;
const UNLINK: u32 = 2;
const SUBMITTED: u32 = 3;
const UNLINKED: u32 = 4;
/// The number of a high-speed device for `attach`.
const HIGH_SPEED: u32 = 3;
/// The bytes of a frame in each transfer of the endpoint, behind a header of twelve.
const PIECE_BYTES: usize = 16_372;
/// Transfers that wait for the host. More than these are two seconds of frames that nobody fetches.
const MOST_WAITING: usize = 400;

/// The faults of a camera. Each `every` is a number of frames; 0 is never.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Every so many frames, the JPEG lacks its last third, and nothing says so.
    pub(crate) cut_every: u64,
    /// Every so many frames, a payload carries the error bit.
    pub(crate) error_every: u64,
    /// No frame is sent.
    pub(crate) is_silent: bool,
}

/// A camera on the bus. Dropped, it is unplugged.
pub(crate) struct UsbCamera {
    port: u32,
    faults: Arc<Mutex<Faults>>,
    thread: Option<JoinHandle<()>>,
}

impl UsbCamera {
    /// Plugs a camera into a port of the bus, from 0.
    pub(crate) fn plug(port: u32, model: Model) -> Self {
        let (camera, kernel) = UnixStream::pair().unwrap();
        let device = 0x1_0002 + port;
        let attach = format!("{port} {} {device} {HIGH_SPEED}", kernel.as_raw_fd());
        std::fs::write(format!("{BUS}/attach"), attach).unwrap();
        let faults = Arc::new(Mutex::new(Faults::default()));
        let told = Arc::clone(&faults);
        let thread = std::thread::spawn(move || Device::new(camera, model, told).serve());
        Self { port, faults, thread: Some(thread) }
    }

    /// Changes its faults from the next frame on.
    pub(crate) fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }
}

impl Drop for UsbCamera {
    fn drop(&mut self) {
        // The kernel closes its end, and by that the thread ends.
        std::fs::write(format!("{BUS}/detach"), self.port.to_string()).unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A request of the host for the next bytes of the endpoint.
struct Transfer {
    sequence: u32,
    bytes: usize,
}

struct Device {
    host: UnixStream,
    model: Model,
    faults: Arc<Mutex<Faults>>,
    pictures: NumberedJpeg,
    /// UVC's record of what host and camera have agreed on.
    agreed: [u8; 26],
    transfers: VecDeque<Transfer>,
    waiting: VecDeque<Vec<u8>>,
    frames: u64,
    /// Changes from frame to frame: UVC's frame id.
    frame_id: u8,
    since: Instant,
    next_frame: Option<Instant>,
    automatic_exposure: u8,
    exposure: u32,
}

impl Device {
    fn new(host: UnixStream, model: Model, faults: Arc<Mutex<Faults>>) -> Self {
        let pictures = NumberedJpeg::of_size(model.width.into(), model.height.into());
        let mut device = Self {
            host,
            model,
            faults,
            pictures,
            agreed: [0; 26],
            transfers: VecDeque::new(),
            waiting: VecDeque::new(),
            frames: 0,
            frame_id: 0,
            since: Instant::now(),
            next_frame: None,
            automatic_exposure: 8,
            exposure: 166,
        };
        device.agree();
        device
    }

    /// Answers until the kernel has closed its end.
    fn serve(&mut self) {
        while self.answer_one().is_some() {
            if self.next_frame.is_some_and(|due| Instant::now() >= due) {
                self.next_frame = self.next_frame.map(|due| due + self.period());
                self.make_frame();
            }
            self.send_pieces();
        }
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1) / self.model.fps
    }

    /// Waits for a request until the next frame is due, and answers it. `None` when the host is gone.
    fn answer_one(&mut self) -> Option<()> {
        let until_next = self.next_frame.map_or(Duration::from_millis(50), |due| {
            due.saturating_duration_since(Instant::now()).max(Duration::from_micros(100))
        });
        let patience = Timespec::try_from(until_next).ok()?;
        let mut polled = [PollFd::new(&self.host, PollFlags::IN)];
        if poll(&mut polled, Some(&patience)).ok()? == 0 {
            return Some(());
        }
        let mut header = [0; 48];
        self.host.read_exact(&mut header).ok()?;
        let word = |i: usize| u32::from_be_bytes(header[4 * i..][..4].try_into().unwrap());
        let (command, sequence, is_in, endpoint) = (word(0), word(1), word(3) == 1, word(4));
        if command == UNLINK {
            return self.unlink(sequence, word(5));
        }
        assert_eq!(command, SUBMIT, "a command of USB/IP");
        let bytes = usize::try_from(word(6)).unwrap();
        let mut data = vec![0; if is_in { 0 } else { bytes }];
        self.host.read_exact(&mut data).ok()?;
        if endpoint != 0 {
            self.transfers.push_back(Transfer { sequence, bytes });
            self.next_frame.get_or_insert(Instant::now() + Duration::from_secs(1) / self.model.fps);
            return Some(());
        }
        let setup = header[40..48].try_into().unwrap();
        match self.control(setup, &data) {
            Some(answer) if is_in => self.submitted(sequence, 0, &answer, answer.len()),
            Some(_) => self.submitted(sequence, 0, &[], bytes),
            None => self.submitted(sequence, -rustix::io::Errno::PIPE.raw_os_error(), &[], 0),
        }
    }

    /// Takes a transfer back that the host no longer wants.
    fn unlink(&mut self, sequence: u32, victim: u32) -> Option<()> {
        let place = self.transfers.iter().position(|transfer| transfer.sequence == victim);
        let had_it = place.and_then(|place| self.transfers.remove(place)).is_some();
        let status = if had_it { -rustix::io::Errno::CONNRESET.raw_os_error() } else { 0 };
        self.send(UNLINKED, sequence, &[status.cast_unsigned()], &[])?;
        if self.transfers.is_empty() {
            // The host has stopped the stream.
            self.next_frame = None;
            self.waiting.clear();
        }
        Some(())
    }

    fn submitted(&mut self, sequence: u32, status: i32, data: &[u8], bytes: usize) -> Option<()> {
        self.send(SUBMITTED, sequence, &[status.cast_unsigned(), u32::try_from(bytes).ok()?], data)
    }

    /// An answer: USB/IP's header of 48 bytes, then data.
    fn send(&mut self, command: u32, sequence: u32, words: &[u32], data: &[u8]) -> Option<()> {
        let header = [command, sequence, 0, 0, 0];
        let mut message: Vec<u8> = header.iter().chain(words).flat_map(|word| word.to_be_bytes()).collect();
        message.resize(48, 0);
        message.extend(data);
        self.host.write_all(&message).ok()
    }

    /// The answer to a request on the control endpoint. `None` refuses it.
    fn control(&mut self, setup: [u8; 8], data: &[u8]) -> Option<Vec<u8>> {
        let [kind, request, value_low, value, interface, _, length_low, length_high] = setup;
        let mut answer = match (kind, request) {
            (0x80, 6) => self.descriptor(value, value_low)?,
            // The status of device, interface and endpoint; the configuration; the interface's setting.
            (0x80..=0x82, 0) => vec![0, 0],
            (0x80, 8) => vec![1],
            (0x81, 10) => vec![0],
            (0x00..=0x02, _) => vec![],
            (0x21, 1) if interface == 1 => {
                let bytes = data.len().min(self.agreed.len());
                self.agreed[..bytes].copy_from_slice(&data[..bytes]);
                self.agree();
                vec![]
            }
            (0x21, 1) => {
                match value {
                    2 => self.automatic_exposure = *data.first()?,
                    4 => self.exposure = u32::from_le_bytes(data.get(..4)?.try_into().ok()?),
                    _ => return None,
                }
                vec![]
            }
            (0xa1, 0x86) => vec![3],
            (0xa1, 0x85) if interface == 1 => vec![26, 0],
            (0xa1, 0x85) => vec![if value == 4 { 4 } else { 1 }, 0],
            (0xa1, _) if interface == 1 => self.agreed.to_vec(),
            (0xa1, _) => self.camera_control(value, request)?,
            _ => return None,
        };
        answer.truncate(u16::from_le_bytes([length_low, length_high]).into());
        Some(answer)
    }

    fn descriptor(&self, kind: u8, index: u8) -> Option<Vec<u8>> {
        Some(match (kind, index) {
            (1, _) => device(),
            (2, _) => configuration(&self.model),
            (3, 0) => vec![4, 3, 9, 4],
            (3, 1) => string("Preroll"),
            (3, 2) => string("Test camera"),
            (3, 3) => string(self.model.serial),
            (6, _) => qualifier(),
            _ => return None,
        })
    }

    /// Exposure: by itself or not, and its time. 0x81 asks for the value, 0x82 to 0x84 for least, most and step, 0x87 for the
    /// default.
    fn camera_control(&self, control: u8, request: u8) -> Option<Vec<u8>> {
        Some(match (control, request) {
            (2, 0x81) => vec![self.automatic_exposure],
            (2, 0x84) => vec![9],
            (2, _) => vec![8],
            (4, 0x81) => little_32(self.exposure).to_vec(),
            (4, 0x82 | 0x84) => little_32(1).to_vec(),
            (4, 0x83) => little_32(10_000).to_vec(),
            (4, _) => little_32(166).to_vec(),
            _ => return None,
        })
    }

    fn is_jpeg(&self) -> bool {
        self.agreed[2] == 1
    }

    /// Makes what was asked for something that the camera has.
    fn agree(&mut self) {
        self.agreed[2] = self.agreed[2].clamp(1, 2);
        self.agreed[3] = 1;
        self.agreed[4..8].copy_from_slice(&little_32(10_000_000 / self.model.fps));
        let most = self.model.most_bytes(self.is_jpeg());
        self.agreed[18..22].copy_from_slice(&little_32(most));
        self.agreed[22..26].copy_from_slice(&little_32(16_384));
    }

    fn make_frame(&mut self) {
        self.frames += 1;
        let faults = *self.faults.lock().unwrap();
        let is_due = |every: u64| every > 0 && self.frames.is_multiple_of(every);
        if faults.is_silent || self.waiting.len() > MOST_WAITING {
            return;
        }
        let mut picture = if self.is_jpeg() {
            self.pictures.numbered(self.frames)
        } else {
            vec![self.frames.to_le_bytes()[0]; self.model.raw_bytes()]
        };
        if is_due(faults.cut_every) {
            picture.truncate(picture.len() * 2 / 3);
        }
        self.frame_id ^= 1;
        let elapsed = self.since.elapsed();
        let clock = little_32(u32::try_from(elapsed.as_micros() % (1 << 32)).unwrap());
        let tick = little_16(u16::try_from(elapsed.as_millis() % 2048).unwrap());
        let pieces = picture.len().div_ceil(PIECE_BYTES);
        for (number, piece) in picture.chunks(PIECE_BYTES).enumerate() {
            let end_of_frame = if number + 1 == pieces { 0x02 } else { 0 };
            let error = if is_due(faults.error_every) && number == 0 { 0x40 } else { 0 };
            let mut bytes = vec![12, 0x8c | self.frame_id | end_of_frame | error];
            bytes.extend(clock.iter().chain(&clock).chain(&tick).chain(piece));
            self.waiting.push_back(bytes);
        }
    }

    fn send_pieces(&mut self) {
        while let (Some(transfer), Some(_)) = (self.transfers.front(), self.waiting.front()) {
            let Transfer { sequence, bytes } = *transfer;
            let mut piece = self.waiting.pop_front().unwrap();
            self.transfers.pop_front();
            piece.truncate(bytes);
            if self.submitted(sequence, 0, &piece, piece.len()).is_none() {
                return;
            }
        }
    }
}
