//! Cameras whose frames come as a stream of bytes: [`StreamSource`] reads them ([`ByteStream`]), finds the frames in them
//! ([`Framing`]) and passes them on. How a stream is opened is in `mjpeg/` (HTTP) and `pipe/`; opening it again after it ended
//! is [`crate::reopening`]'s business.

mod access_units;
mod damage;
pub(crate) mod fd;
mod framing;
mod inbox;
mod jpegs;
mod look;
mod part_header;
mod rate;

use std::time::Duration;

use proto::frame::{CaptureTime, Decoding, Fps, FrameFlags, LossBefore, Payload, PictureTags, TimeOfSource};
use proto::offer::Offer;
use proto::time::{MonotonicNs, nanos};

use crate::camera_state::flagged_after;
use crate::mapper::Mapper;
use crate::source::{Arrival, CameraSetup, LEAST_STEP, PATIENCE, Source, SourceError};
pub use access_units::AccessUnits;
pub use damage::DamageLog;
pub use framing::{Found, FoundFrame, Framing, MOST_BYTES, Unusable, most_bytes};
pub use inbox::Inbox;
pub use jpegs::Jpegs;
use look::Look;

/// No byte for so long, and a frame whose end only shows when the next one begins is taken for whole.
const QUIET: Duration = PATIENCE;
/// Between two looks for the ring that is made for what a stream gives.
const RING_PAUSE: Duration = Duration::from_millis(10);

/// Bytes that arrive one after the other.
pub trait ByteStream: Send {
    /// Waits for bytes until a moment, and appends those that came. False when none came.
    ///
    /// # Errors
    /// [`SourceError::Lost`] when there will be no more.
    fn read(&mut self, inbox: &mut Inbox, until: MonotonicNs) -> Result<bool, SourceError>;
}

/// A camera whose frames come as a stream of bytes.
pub struct StreamSource {
    expected: Expected,
    stream: Box<dyn ByteStream>,
    framing: Box<dyn Framing>,
    inbox: Inbox,
    /// The bytes of the frame that was announced last, and those before it.
    done: usize,
    opened: MonotonicNs,
    history: History,
    /// The device's clock, where frames bring its times.
    mapper: Mapper,
    damage: DamageLog,
    /// A look at what the stream gives, while its ring isn't made for that.
    look: Option<Look>,
    /// The look's result.
    offered: Option<Offer>,
}

/// The facts about a camera that are known before its stream is opened.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The URL or the path, as it may be shown.
    pub input: String,
    /// Width and height of the ring's frames, in pixels; `None` when there is no ring that was made for them.
    pub size: Option<(u32, u32)>,
    /// The camera's rate.
    pub fps: Fps,
    /// The rate is the config's, and needn't be measured.
    pub is_rate_typed: bool,
    /// Frames of another size than the ring's get a ring of their own. Otherwise they are refused.
    pub may_change: bool,
    /// A stream without a frame for [`flagged_after`] is lost. Otherwise it is waited for.
    pub is_lost_when_silent: bool,
}

/// The facts about a stream's frames so far.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    /// The number of the next frame.
    next: u64,
    /// The capture time of the last frame.
    last: Option<MonotonicNs>,
    /// Width and height of the last frame.
    size: Option<(u32, u32)>,
    /// The bytes before the next frame were damaged.
    damaged: bool,
    /// The last frame brought a time of the device's own.
    has_device_time: bool,
}

impl StreamSource {
    /// A camera whose stream is open.
    #[must_use]
    pub fn new(expected: Expected, stream: Box<dyn ByteStream>, framing: Box<dyn Framing>) -> Self {
        let mut this = Self {
            damage: DamageLog::new(expected.input.clone()),
            expected,
            stream,
            framing,
            inbox: Inbox::default(),
            done: 0,
            opened: MonotonicNs::now(),
            history: History::default(),
            mapper: Mapper::new(None),
            look: None,
            offered: None,
        };
        if this.expected.size.is_none() {
            this.begin_to_look();
        }
        this
    }

    fn begin_to_look(&mut self) {
        let fps = self.expected.is_rate_typed.then_some(self.expected.fps.as_f64());
        self.look = Some(Look::new(self.framing.copy(), fps));
    }

    /// Looks at what the camera gives. Waits until `until` for its first frame, and as long as measuring its rate takes.
    ///
    /// # Errors
    /// [`SourceError::Lost`] when no frame comes in time; what the stream says when it ends.
    pub fn look(&mut self, until: MonotonicNs) -> Result<Offer, SourceError> {
        loop {
            self.wait()?;
            if let Some(offer) = self.offered {
                return Ok(offer);
            }
            if MonotonicNs::now() >= until {
                let reason = "it is open, and no frame of it came";
                return Err(SourceError::stalled(self.expected.input.clone(), reason));
            }
        }
    }

    /// Deals with what was found. `None` when there may be more to find.
    fn take(&mut self, found: Found) -> Result<Option<Arrival>, SourceError> {
        match found {
            Found::More => {}
            Found::Nothing { bytes } => self.inbox.forget(bytes),
            Found::Frame(frame) if !self.is_stray(&frame) => return self.announce(&frame).map(Some),
            Found::Frame(FoundFrame { end, .. }) => self.inbox.forget(end),
            Found::Damaged { bytes, damage } => {
                self.inbox.forget(bytes);
                self.history.next += 1;
                self.history.damaged = true;
                self.damage.note(damage, MonotonicNs::now());
            }
            Found::TooLarge { bytes } => {
                self.done = bytes;
                return Ok(Some(self.number(self.inbox.arrived(0), None, usize::MAX, FrameFlags::NONE)));
            }
            Found::Unusable(reason) => return Err(self.unusable(reason)),
        }
        Ok(None)
    }

    fn unusable(&self, reason: Unusable) -> SourceError {
        SourceError::Unusable { input: self.expected.input.clone(), reason: reason.into() }
    }

    fn read_until(&mut self, until: MonotonicNs) -> Result<bool, SourceError> {
        self.stream.read(&mut self.inbox, until)
    }

    /// Is it a picture of another size inside a damaged frame, such as a thumbnail?
    fn is_stray(&self, frame: &FoundFrame) -> bool {
        let may_be = self.framing.payload() == Payload::Jpeg && self.history.damaged;
        may_be && self.expected.size.is_some_and(|size| size != frame.size)
    }

    fn announce(&mut self, frame: &FoundFrame) -> Result<Arrival, SourceError> {
        if let Some(ring) = self.expected.size
            && ring != frame.size
        {
            if self.expected.may_change {
                self.begin_to_look();
                return Ok(Arrival::Silence);
            }
            return Err(self.of_another_size(frame.size, ring));
        }
        self.history.size = Some(frame.size);
        self.done = frame.end;
        let (arrived, device_ns) = (self.inbox.arrived(frame.start), self.framing.device_ns());
        self.history.has_device_time = device_ns.is_some();
        Ok(self.number(arrived, device_ns, frame.room, frame.flags))
    }

    /// Frames of another size than the config's. A stream of pictures that depend on each other is opened again until it has the
    /// right size: it may have changed on its own, and nothing of it can be kept meanwhile.
    fn of_another_size(&self, found: (u32, u32), ring: (u32, u32)) -> SourceError {
        let input = self.expected.input.clone();
        if !self.framing.payload().needs_key_frames() {
            return SourceError::SizeChanged { input, found, ring };
        }
        let reason = format!(
            "it gives pictures of {}x{} and the config says {}x{}: set the camera back, or write width: {} and height: {}, \
             or leave both out, and start again",
            found.0, found.1, ring.0, ring.1, found.0, found.1
        );
        SourceError::stalled(input, reason)
    }

    /// Gives a frame its number, its time and the loss before it.
    fn number(
        &mut self,
        arrived: MonotonicNs,
        device_ns: Option<i64>,
        bytes: usize,
        flags: FrameFlags,
    ) -> Arrival {
        let History { next, last, damaged, .. } = self.history;
        let (fps, silence) = (self.expected.fps, last.map_or(Duration::ZERO, |last| arrived - last));
        let has_stalled = silence > flagged_after(fps);
        let missed = if has_stalled { fps.frames_in(nanos(silence)).saturating_sub(1) } else { 0 };
        let before = match (damaged, has_stalled) {
            (true, _) => LossBefore::Corrupt,
            (false, true) => LossBefore::CameraStall,
            (false, false) => LossBefore::Nothing,
        };
        let mapped = device_ns.map(|ns| self.mapper.map(ns, arrived));
        let (own, of_clock) = mapped.map_or((arrived, FrameFlags::NONE), |m| (m.t_capture, m.flags()));
        // Frames that arrive together have one time, and times rise.
        let t_capture = last.map_or(own, |last| own.max(last + LEAST_STEP));
        let repaired = FrameFlags::TIME_REPAIRED.when(t_capture != own).with(of_clock);
        let source_sequence = next + missed;
        self.history.next = source_sequence + 1;
        self.history.last = Some(t_capture);
        self.history.damaged = false;
        Arrival::Frame { source_sequence, t_capture, before, flags: flags.with(repaired), bytes }
    }

    /// Looks until `until`, or until it is known what the stream gives.
    fn go_on_looking(&mut self, mut look: Look, until: MonotonicNs) -> Result<Arrival, SourceError> {
        loop {
            let now = MonotonicNs::now();
            self.offered = look.on(&self.inbox, now).map_err(|why| self.unusable(why))?;
            let has_seen = look.has_seen();
            let read =
                if self.offered.is_some() || now >= until { Ok(false) } else { self.read_until(until) };
            match read {
                Ok(true) => {}
                Ok(false) => {
                    self.look = Some(look);
                    return if has_seen { Ok(Arrival::Silence) } else { self.nothing() };
                }
                // The frames that came are to be had all the same.
                Err(_) if has_seen => look.conclude(),
                Err(end) => return Err(end),
            }
        }
    }

    /// The frame whose end shows by the stream's end.
    fn last_frame(&mut self) -> Option<Arrival> {
        let found = self.framing.find_when_quiet(self.inbox.bytes());
        if let Found::Frame(_) = found { self.take(found).ok().flatten() } else { None }
    }

    /// Nothing was found within [`PATIENCE`].
    fn nothing(&self) -> Result<Arrival, SourceError> {
        let patience = flagged_after(self.expected.fps);
        let now = MonotonicNs::now();
        let has_bytes = self.inbox.last_arrival().is_some_and(|arrived| arrived + patience > now);
        if now - self.history.last.unwrap_or(self.opened) <= patience
            || !(has_bytes || self.expected.is_lost_when_silent)
        {
            return Ok(Arrival::Silence);
        }
        let reason = if has_bytes {
            format!("bytes come, and no {} among them", self.framing.is())
        } else {
            "it is connected, and nothing comes".to_owned()
        };
        let reason = format!("no frame for {:.1} s: {reason}", patience.as_secs_f64());
        Err(SourceError::stalled(self.expected.input.clone(), reason))
    }
}

impl Source for StreamSource {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        self.inbox.forget(std::mem::take(&mut self.done));
        let until = MonotonicNs::now() + PATIENCE;
        if self.offered.is_some() {
            std::thread::sleep(RING_PAUSE);
            return Ok(Arrival::Silence);
        }
        if let Some(look) = self.look.take() {
            return self.go_on_looking(look, until);
        }
        loop {
            let mut found = self.framing.find(self.inbox.bytes());
            if found == Found::More && self.inbox.is_quiet(MonotonicNs::now(), QUIET) {
                found = self.framing.find_when_quiet(self.inbox.bytes());
            }
            if found != Found::More {
                if let Some(arrival) = self.take(found)? {
                    return Ok(arrival);
                }
                continue;
            }
            if MonotonicNs::now() >= until {
                return self.nothing();
            }
            match self.read_until(until) {
                Ok(true) => {}
                Ok(false) => return self.nothing(),
                Err(end) => return self.last_frame().ok_or(end),
            }
        }
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        Ok(self.framing.write(self.inbox.bytes(), frame))
    }

    fn picture_tags(&self) -> PictureTags {
        self.framing.picture_tags()
    }

    fn decoding(&self) -> Decoding {
        self.framing.decoding()
    }

    fn time(&self) -> TimeOfSource {
        if self.history.has_device_time {
            return self.mapper.time(CaptureTime::Device);
        }
        TimeOfSource { anchors: self.mapper.anchors(), ..TimeOfSource::ARRIVAL }
    }

    fn offer(&self) -> Option<Offer> {
        self.offered
    }

    fn fit(&mut self, setup: &CameraSetup) {
        let ring = setup.ring.spec();
        self.expected.size = Some((ring.geometry.width(), ring.geometry.height()));
        self.expected.fps = ring.fps;
        self.framing.fit(ring);
        (self.look, self.offered) = (None, None);
        self.opened = MonotonicNs::now();
    }
}

#[cfg(test)]
mod tests;
