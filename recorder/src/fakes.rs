//! Stand-ins for tests: a ring in ordinary memory, an encoder and a video file without libav's codecs and muxers, a
//! clock that is moved by hand, a disk that is full when it is told so.

mod around;
mod clip;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::packet::Flags;
use ffmpeg_next::{Packet, codec};

use proto::clip::{GapCause, StretchHow};
use proto::fnv1a::Fnv1a;
use proto::frame::{Fps, FrameFlags, FrameInfo, Geometry, LossBefore, PictureTags, PixelFormat};
use proto::ring::{Miss, RingSize, RingSpec};
use proto::time::MonotonicNs;

use crate::clock::Clock as _;
use crate::copied::CopiedVideo;
use crate::encode::EncoderSetup;
use crate::frames::{Frames, HeldFrame, NotHeld, Soundness};
use crate::journal::Seal;
use crate::media::WriteError;
use crate::media::{Encode, Video};
use crate::opening::Media;
pub(crate) use around::{FakeClock, FakeDisk};
pub(crate) use clip::{Picture, plan, planned_camera};

/// One frame's period: 100 frames a second.
pub(crate) const PERIOD: Duration = Duration::from_millis(10);
/// So many frames the fake ring holds, 20 of them its reserve.
pub(crate) const SLOTS: usize = 82;

/// Milliseconds on the fake clock.
pub(crate) fn ms(ms: u64) -> MonotonicNs {
    MonotonicNs(ms * 1_000_000)
}

/// Frame `n` of a camera that loses none: captured at `n` periods.
pub(crate) fn frame(n: u64) -> FrameInfo {
    FrameInfo {
        sequence: n,
        source_sequence: n,
        t_capture: ms(n * 10),
        epoch: 1,
        before: LossBefore::Nothing,
        flags: FrameFlags::NONE,
        ..FrameInfo::default()
    }
}

/// A frame that is held.
pub(crate) struct FakeFrame {
    info: FrameInfo,
    /// They end with its number.
    bytes: Vec<u8>,
    /// Its ring counts these.
    _held: Arc<()>,
}

impl FakeFrame {
    fn held_by(info: FrameInfo, held: Arc<()>) -> Box<Self> {
        Box::new(Self { info, bytes: info.sequence.to_be_bytes().to_vec(), _held: held })
    }

    /// A frame of no ring.
    pub(crate) fn of(info: FrameInfo) -> Box<Self> {
        Self::held_by(info, Arc::default())
    }
}

impl HeldFrame for FakeFrame {
    fn info(&self) -> &FrameInfo {
        &self.info
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A ring of 82 frames, and a ledger that forgets nothing.
pub(crate) struct FakeRing {
    spec: RingSpec,
    published: RefCell<Vec<FrameInfo>>,
    pub(crate) soundness: RefCell<Soundness>,
    pub(crate) has_ended: Cell<bool>,
    pub(crate) away: Cell<Option<LossBefore>>,
    /// Another reader of the same process holds this frame.
    pub(crate) leased: Cell<u64>,
    /// Its backlog has little room left.
    pub(crate) is_filling: Cell<bool>,
    pub(crate) picture_tags: Cell<PictureTags>,
    /// The moment at which the clips of its frames are planned.
    pub(crate) planned_at: Cell<MonotonicNs>,
    /// Frames that are there and will never be pictures.
    pub(crate) broken: Cell<Option<(u64, GapCause)>>,
    /// Frames are H.264, and every so manieth is a key frame. 0: they are of no codec.
    pub(crate) gop: Cell<u64>,
    /// The camera was away before this frame.
    pub(crate) back_at: Cell<u64>,
    /// Pictures are shown in another order from this frame on. 0: never.
    pub(crate) reorders_from: Cell<u64>,
    held: Arc<()>,
}

impl FakeRing {
    pub(crate) fn new() -> Rc<Self> {
        let geometry = Geometry::new(64, 64, PixelFormat::GRAY8).unwrap();
        let size = RingSize { pre_roll_slots: 60, reserve_slots: 20, lease_slots: 2 };
        Rc::new(Self {
            spec: RingSpec::planes(geometry, Fps::new(100.0).unwrap(), size),
            published: RefCell::new(Vec::new()),
            soundness: RefCell::new(Soundness::Sound),
            has_ended: Cell::new(false),
            away: Cell::new(None),
            leased: Cell::new(0),
            is_filling: Cell::new(false),
            picture_tags: Cell::default(),
            planned_at: Cell::new(ms(0)),
            broken: Cell::default(),
            gop: Cell::default(),
            back_at: Cell::default(),
            reorders_from: Cell::default(),
            held: Arc::default(),
        })
    }

    /// The number of frames that are held now.
    pub(crate) fn frames_held(&self) -> usize {
        Arc::strong_count(&self.held) - 1
    }

    pub(crate) fn spec(&self) -> &RingSpec {
        &self.spec
    }

    /// A frame as the ledger of a ring of H.264 tells it.
    fn in_stream(&self, frame: FrameInfo) -> FrameInfo {
        let (n, back_at) = (frame.sequence, self.back_at.get());
        let Some(groups) = n.checked_div(self.gop.get()) else { return frame };
        let key = groups * self.gop.get();
        let is_known = n < back_at || key >= back_at;
        FrameInfo {
            flags: FrameFlags::KEY.when(n == key),
            start_sequence: if is_known { key } else { 0 },
            before: if n == back_at { LossBefore::Network } else { frame.before },
            ..frame
        }
    }

    /// A frame's bytes: of H.264 an access unit, of whose sets libav looks at the first bytes alone.
    fn bytes_of(&self, frame: &FrameInfo) -> Vec<u8> {
        let before: &[u8] = match (self.gop.get(), frame.flags.contains(FrameFlags::KEY)) {
            (0, _) => &[],
            (_, true) => &[0, 0, 0, 1, 0x67, 66, 0xc0, 31, 9, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65],
            (_, false) => &[0, 0, 0, 1, 0x41],
        };
        let number = if before.is_empty() { frame.sequence } else { without_zeros(frame.sequence) };
        [before, &number.to_be_bytes()].concat()
    }

    fn oldest(&self) -> Option<FrameInfo> {
        self.info((self.head() + 2).saturating_sub(SLOTS as u64).max(1))
    }

    /// Publishes a frame at this moment, whenever the last one was.
    pub(crate) fn publish_at(&self, t_capture: MonotonicNs) {
        let mut published = self.published.borrow_mut();
        let next = frame(published.len() as u64 + 1);
        published.push(FrameInfo { t_capture, ..next });
    }

    /// Publishes every frame up to this one.
    pub(crate) fn publish_to(&self, n: u64) {
        let mut published = self.published.borrow_mut();
        let next = published.len() as u64 + 1;
        published.extend((next..=n).map(frame));
    }
}

impl Frames for FakeRing {
    fn soundness(&self) -> Soundness {
        self.soundness.borrow().clone()
    }

    fn head(&self) -> u64 {
        self.published.borrow().len() as u64
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        let index = usize::try_from(sequence.checked_sub(1)?).unwrap();
        self.published.borrow().get(index).map(|frame| self.in_stream(*frame))
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        Some(self.oldest()?.sequence.max(at_least))
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.published.borrow().iter().find(|frame| frame.t_capture >= at).map(|frame| self.in_stream(*frame))
    }

    fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    fn away(&self) -> Option<LossBefore> {
        self.away.get()
    }

    fn reorders(&self) -> bool {
        (1..=self.head()).contains(&self.reorders_from.get())
    }

    fn is_filling(&self) -> bool {
        self.is_filling.get()
    }

    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        let info = self.info(sequence).ok_or(NotHeld::Missed(Miss::NotYet))?;
        if let Some((_, cause)) = self.broken.get().filter(|(broken, _)| *broken == sequence) {
            return Err(NotHeld::Lost(cause));
        }
        if self.leased.get() == sequence {
            return Err(Miss::AlreadyLeased.into());
        }
        match self.oldest() {
            Some(oldest) if oldest.sequence <= sequence => {
                let held = FakeFrame { info, bytes: self.bytes_of(&info), _held: Arc::clone(&self.held) };
                Ok(Box::new(held))
            }
            _ => Err(Miss::Overrun.into()),
        }
    }

    fn picture_tags(&self) -> PictureTags {
        self.picture_tags.get()
    }
}

/// Encoders that copy the frame's number into a packet, and files that hold such packets in the boxes of a fragmented MP4.
#[derive(Default)]
pub(crate) struct FakeMedia {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Encoders of this name fail at each frame from this sequence on.
    failing: Mutex<Option<(String, u64)>>,
    /// Encoders of this name make no key frame.
    keyless: Mutex<Option<String>>,
    /// So many frames an encoder keeps back.
    kept_back: AtomicUsize,
    /// Files can't be written.
    unwritable: AtomicBool,
    /// Files can't grow beyond so many bytes, if this isn't 0.
    most_bytes: AtomicU64,
    /// A write that fails moves this clock on by so much.
    slow: Mutex<Option<(Arc<FakeClock>, Duration)>>,
    /// A frame that is encoded moves this clock on by so much.
    encoding: Mutex<Option<(Arc<FakeClock>, Duration)>>,
    /// A write that works moves this clock on by so much.
    writing: Mutex<Option<(Arc<FakeClock>, Duration)>>,
    opened: Mutex<Vec<String>>,
}

impl FakeMedia {
    pub(crate) fn fail_from(&self, encoder: &str, sequence: u64) {
        *self.shared.failing.lock().unwrap() = Some((encoder.to_owned(), sequence));
    }

    pub(crate) fn make_keyless(&self, encoder: &str) {
        *self.shared.keyless.lock().unwrap() = Some(encoder.to_owned());
    }

    pub(crate) fn keep_back(&self, frames: usize) {
        self.shared.kept_back.store(frames, Ordering::Relaxed);
    }

    pub(crate) fn make_unwritable(&self, unwritable: bool) {
        self.shared.unwritable.store(unwritable, Ordering::Relaxed);
    }

    pub(crate) fn limit_files(&self, most_bytes: u64) {
        self.shared.most_bytes.store(most_bytes, Ordering::Relaxed);
    }

    pub(crate) fn make_failures_slow(&self, clock: &Arc<FakeClock>, each: Duration) {
        *self.shared.slow.lock().unwrap() = Some((Arc::clone(clock), each));
    }

    pub(crate) fn make_encoders_slow(&self, clock: &Arc<FakeClock>, each: Duration) {
        *self.shared.encoding.lock().unwrap() = Some((Arc::clone(clock), each));
    }

    pub(crate) fn make_writes_slow(&self, clock: &Arc<FakeClock>, each: Duration) {
        *self.shared.writing.lock().unwrap() = Some((Arc::clone(clock), each));
    }

    /// Every encoder that was opened, with its preset.
    pub(crate) fn opened(&self) -> Vec<String> {
        self.shared.opened.lock().unwrap().clone()
    }
}

/// Lets the time pass that something takes.
fn pass(takes: &Mutex<Option<(Arc<FakeClock>, Duration)>>) {
    if let Some((clock, each)) = &*takes.lock().unwrap() {
        clock.set(clock.now() + *each);
    }
}

impl Shared {
    /// A write to a file.
    fn write(&self, file: &mut File, bytes: &[u8]) -> Result<(), WriteError> {
        if !self.unwritable.load(Ordering::Relaxed) {
            pass(&self.writing);
            return file.write_all(bytes).map_err(WriteError::Disk);
        }
        pass(&self.slow);
        Err(WriteError::Disk(io::Error::from_raw_os_error(28)))
    }
}

impl Media for FakeMedia {
    fn open_encoder(&self, setup: &EncoderSetup) -> Result<Box<dyn Encode>, ffmpeg::Error> {
        let name = setup.choice.encoder.clone();
        let preset = setup.choice.preset.clone().unwrap_or_default();
        self.shared.opened.lock().unwrap().push(format!("{name} {preset}"));
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(FakeEncoder { name, shared, inside: VecDeque::new(), sent: 0, ended: false }))
    }

    fn create_part(
        &self,
        path: &Path,
        how: StretchHow,
        parameters: &codec::Parameters,
    ) -> Result<Box<dyn Video>, WriteError> {
        // Its beginning is read when it is gone on with.
        if how == StretchHow::Copied && parameters.id() == codec::Id::H264 {
            return Ok(Box::new(CopiedVideo::create(path, parameters)?));
        }
        let mut file = File::create_new(path).map_err(WriteError::Disk)?;
        let begun = self.shared.write(&mut file, b"\0\0\0\x08ftyp");
        begun.inspect_err(|_| std::fs::remove_file(path).unwrap())?;
        Ok(Box::new(FakeVideo { file, shared: Arc::clone(&self.shared), written: 8, sum: Fnv1a::default() }))
    }
}

struct FakeEncoder {
    name: String,
    shared: Arc<Shared>,
    /// The frames it keeps back, as x264 does, and whether each is a key frame.
    inside: VecDeque<(Box<dyn HeldFrame>, bool)>,
    sent: u64,
    ended: bool,
}

impl Encode for FakeEncoder {
    fn send(&mut self, frame: Box<dyn HeldFrame>, _pts_us: i64, key: bool) -> Result<(), ffmpeg::Error> {
        let sequence = frame.info().sequence;
        if let Some((name, from)) = &*self.shared.failing.lock().unwrap()
            && *name == self.name
            && sequence >= *from
        {
            return Err(ffmpeg::Error::External);
        }
        pass(&self.shared.encoding);
        let makes_keys = self.shared.keyless.lock().unwrap().as_ref() != Some(&self.name);
        self.inside.push_back((frame, makes_keys && (key || self.sent == 0)));
        self.sent += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), ffmpeg::Error> {
        self.ended = true;
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
        let kept_back = if self.ended { 0 } else { self.shared.kept_back.load(Ordering::Relaxed) };
        if self.inside.len() <= kept_back {
            return Ok(None);
        }
        Ok(self.inside.pop_front().map(|(frame, key)| {
            let mut packet = Packet::copy(&frame.info().sequence.to_be_bytes());
            packet.set_flags(if key { Flags::KEY } else { Flags::empty() });
            packet
        }))
    }

    fn parameters(&self) -> codec::Parameters {
        codec::Parameters::new()
    }
}

struct FakeVideo {
    file: File,
    shared: Arc<Shared>,
    written: u64,
    sum: Fnv1a,
}

impl Video for FakeVideo {
    fn write(&mut self, packet: &mut Packet, _duration_us: i64) -> Result<(), WriteError> {
        let data = packet.data().unwrap();
        let size = u32::try_from(8 + data.len()).unwrap();
        let fragment = [&size.to_be_bytes()[..], b"mdat", data].concat();
        let most = self.shared.most_bytes.load(Ordering::Relaxed);
        if most > 0 && self.written + fragment.len() as u64 > most {
            self.file.write_all(&fragment[..5]).map_err(WriteError::Disk)?;
            return Err(WriteError::Disk(io::ErrorKind::FileTooLarge.into()));
        }
        self.shared.write(&mut self.file, &fragment)?;
        self.written += fragment.len() as u64;
        self.sum.add(&fragment);
        Ok(())
    }

    fn seal(&mut self) -> Seal {
        Seal { offset: self.written, sum: std::mem::take(&mut self.sum).0 }
    }
}

/// A number in bytes of which none is zero, so that they are no start code: seven bits in each.
fn without_zeros(number: u64) -> u64 {
    (0..8).map(|nth| ((number >> (7 * nth) & 0x7f) | 0x80) << (8 * nth)).sum()
}

/// The number that these bytes stand for.
fn with_zeros(bytes: u64) -> u64 {
    if bytes >> 63 == 0 { bytes } else { (0..8).map(|nth| (bytes >> (8 * nth) & 0x7f) << (7 * nth)).sum() }
}

/// The frames' numbers that packets end with, in the order in which they are in a part's file.
pub(crate) fn payloads(video: &Path) -> Vec<u64> {
    let bytes = std::fs::read(video).unwrap();
    let (mut rest, mut numbers) = (&bytes[..], Vec::new());
    while let Some(size) = rest.first_chunk()
        // Of a piece of a fragment nothing is there.
        && let Some((one, behind)) = rest.split_at_checked(u32::from_be_bytes(*size) as usize)
    {
        if one[4..8] == *b"mdat" {
            numbers.push(with_zeros(u64::from_be_bytes(*one.last_chunk().unwrap())));
        }
        rest = behind;
    }
    numbers
}
