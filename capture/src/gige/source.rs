//! A camera that streams: buffers from aravis, each given back at once, good or bad.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use aravis::{Buffer, BufferPayloadType, BufferStatus};
use capture::source::{Arrival, CameraSetup, PATIENCE, Source, SourceError};
use proto::frame::{Geometry, LossBefore, PictureTags, TimeOfSource};
use proto::offer::Offer;
use proto::stats::TransportStats;
use proto::time::{MonotonicNs, WallAnchor};

use super::bytes::Filled;
use super::clock::Clock;
use super::counting::{Arrivals, Numbered, Numbers};
use super::gvcp::Gvcp;
use super::link::{Lasting, Link};
use super::open::Opened;
use super::pixels::Layout;

/// Between two looks for the ring that is made for what the camera gives.
const RING_PAUSE: Duration = Duration::from_millis(10);
/// A camera without a frame for so long is asked whether it is there, and again after this time.
const ASKED_AFTER: Duration = Duration::from_secs(1);
/// The time that it has for its answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(150);
/// A camera that has left so many questions unanswered is gone.
const UNANSWERED: u32 = 3;

/// A camera that streams, or waits for a ring that is made for it.
///
/// One struct of 12 fields and no parts: each is the state of one question that a frame answers.
pub(crate) struct GigeCamera {
    link: Link,
    /// The camera as the config names it.
    input: String,
    layout: Layout,
    /// Of the ring's frames.
    geometry: Geometry,
    is_triggered: bool,
    /// The camera's offer, while its ring isn't made for that.
    offered: Option<Offer>,
    numbers: Numbers,
    arrivals: Arrivals,
    clock: Clock,
    health: Health,
    asking: Option<Asking>,
    /// The frame that was announced and not written yet.
    announced: Option<Announced>,
}

struct Announced {
    frame: Filled,
    /// The bytes behind each row.
    padding: usize,
}

/// The course of a stream so far.
#[derive(Clone, Copy, Debug)]
struct Health {
    /// Without a good frame for so long, the camera is opened again.
    patience: Duration,
    /// The last good frame's arrival; before it, the stream's beginning.
    last_good: MonotonicNs,
    has_given: bool,
    /// Bad frames since then.
    bad: u32,
    /// The flaw of the last of them.
    flaw: &'static str,
}

/// The questions to a silent camera, whether it is still there.
struct Asking {
    way: Gvcp,
    answered: MonotonicNs,
    unanswered: u32,
}

/// A camera has stalled without a good frame for three seconds, or for twenty of its periods if that is longer.
fn stalled_after(period: Duration) -> Duration {
    Duration::from_secs(3).max(period * 20)
}

impl GigeCamera {
    /// The camera that was opened, in front of this ring; behind a frame of the time `newest`. `lasting`: what is known of
    /// the times before.
    pub(crate) fn new(opened: Opened, setup: &CameraSetup, input: String, lasting: Arc<Lasting>) -> Self {
        let offered = (!opened.fits(setup)).then(|| opened.offer());
        let (period, now) = (opened.fps.period(), MonotonicNs::now());
        let asked =
            |address: Ipv4Addr| Some(Asking { way: Gvcp::to(address).ok()?, answered: now, unanswered: 0 });
        Self {
            input,
            layout: opened.layout,
            geometry: setup.ring.spec().geometry,
            is_triggered: opened.is_triggered,
            offered,
            numbers: Numbers::new(period),
            arrivals: Arrivals::default(),
            clock: Clock::new(opened.has_own_clock, setup.newest().map(|frame| frame.t_capture)),
            health: Health {
                patience: stalled_after(period),
                last_good: now,
                has_given: false,
                bad: 0,
                flaw: "",
            },
            asking: opened.heard.ip().and_then(asked),
            announced: None,
            link: Link::new(opened, lasting),
        }
    }

    /// Announces the frame in a buffer, if a good one is in it.
    fn take(&mut self, buffer: Buffer) -> Result<Option<Arrival>, SourceError> {
        let frame = match Filled::new(buffer) {
            Ok(frame) => frame,
            Err(buffer) => {
                let status = buffer.status();
                self.link.give_back(buffer);
                self.note_bad(flaw(status));
                return Ok(None);
            }
        };
        let padding = match self.look_at(&frame)? {
            Ok(padding) => padding,
            Err(flaw) => {
                self.link.give_back(frame.into_buffer());
                self.note_bad(flaw);
                return Ok(None);
            }
        };
        let arrival = self.arrivals.of(frame.buffer().system_timestamp(), WallAnchor::now());
        let Numbered { number, missing } = self.numbers.of(frame.buffer().frame_id(), arrival);
        let before = match (self.health.bad, missing) {
            // Bad frames of before the first good one are nobody's.
            (_, 0) => LossBefore::Nothing,
            (0, _) => LossBefore::CameraDrop,
            _ => LossBefore::Corrupt,
        };
        let timed = self.clock.time(frame.buffer().timestamp(), arrival);
        self.health =
            Health { last_good: MonotonicNs::now(), has_given: true, bad: 0, flaw: "", ..self.health };
        self.announced = Some(Announced { frame, padding });
        Ok(Some(Arrival::Frame {
            source_sequence: number,
            t_capture: timed.t_capture,
            before,
            flags: timed.flags(),
            bytes: 0,
        }))
    }

    /// Looks at a frame, and returns the bytes behind each of its rows; the inner error is its flaw.
    fn look_at(&self, frame: &Filled) -> Result<Result<usize, &'static str>, SourceError> {
        let buffer = frame.buffer();
        let kind = buffer.payload_type();
        if !matches!(kind, BufferPayloadType::Image | BufferPayloadType::ExtendedChunkData) {
            let reason =
                format!("it sends {kind:?} instead of images; write features: {{ ChunkModeActive: false }}");
            return Err(SourceError::Unusable { input: self.input.clone(), reason });
        }
        let Layout { format, width, height } = self.layout;
        let side = |pixels: i32| u32::try_from(pixels).unwrap_or(0);
        let size = (side(buffer.image_width()), side(buffer.image_height()));
        if size != (width, height) || buffer.image_pixel_format().raw() != format.code {
            let reason = "its frames have another size or format than it said, and it is opened again";
            return Err(SourceError::stalled(self.input.clone(), reason));
        }
        let padding = usize::try_from(buffer.image_padding().0).unwrap_or(0);
        let whole = self.layout.look_at(frame.bytes(), padding);
        Ok(whole.map(|()| padding).map_err(|_| "they have fewer bytes than their picture"))
    }

    fn note_bad(&mut self, flaw: &'static str) {
        self.health.bad = self.health.bad.saturating_add(1);
        self.health.flaw = flaw;
    }

    /// No good frame has come for a while.
    fn silent(&mut self) -> Result<Arrival, SourceError> {
        let now = MonotonicNs::now();
        let Health { patience, last_good, has_given, bad, flaw } = self.health;
        let silence = now.since(last_good);
        if silence >= ASKED_AFTER && !self.is_there(now) {
            return Err(self.lost("it doesn't answer any more"));
        }
        if self.is_triggered {
            // A triggered camera owes no frame. One that has given none at all shows that it is silent.
            return Ok(if has_given { Arrival::NotDue } else { Arrival::Silence });
        }
        if silence < patience {
            return Ok(Arrival::Silence);
        }
        let seconds = silence.as_secs_f64();
        let reason = if bad == 0 {
            format!("it answers, and has given no frame for {seconds:.1} s; it is opened again")
        } else {
            format!(
                "it has given nothing but damaged frames for {seconds:.1} s ({bad}; {flaw}); it is opened again"
            )
        };
        Err(SourceError::stalled(self.input.clone(), reason))
    }

    /// Is the camera there, as far as asking it shows? Of one on USB the signal of aravis tells.
    fn is_there(&mut self, now: MonotonicNs) -> bool {
        let Some(asking) = &mut self.asking else { return true };
        if asking.unanswered == 0 && now.since(asking.answered) < ASKED_AFTER {
            return true;
        }
        if asking.way.answers(ANSWERS_WITHIN) {
            (asking.answered, asking.unanswered) = (MonotonicNs::now(), 0);
        } else {
            asking.unanswered += 1;
        }
        asking.unanswered < UNANSWERED
    }

    fn lost(&self, reason: &str) -> SourceError {
        SourceError::Lost {
            input: self.input.clone(),
            reason: reason.into(),
            cause: if self.asking.is_some() { LossBefore::Network } else { LossBefore::Unplugged },
            refused: false,
        }
    }
}

/// The flaw of a frame that isn't whole, in words.
fn flaw(status: BufferStatus) -> &'static str {
    match status {
        BufferStatus::Timeout | BufferStatus::MissingPackets => "packets are missing",
        BufferStatus::WrongPacketId => "their packets have wrong numbers",
        BufferStatus::SizeMismatch => "they are larger than the camera said",
        BufferStatus::PayloadNotSupported => "aravis doesn't know their form",
        _ => "aravis gave them up",
    }
}

impl Source for GigeCamera {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        // A frame that found no place in the ring wasn't written.
        if let Some(announced) = self.announced.take() {
            self.link.give_back(announced.frame.into_buffer());
        }
        if self.offered.is_some() {
            std::thread::sleep(RING_PAUSE);
            return Ok(Arrival::Silence);
        }
        if self.link.start().map_err(|why| SourceError::stalled(self.input.clone(), why))? {
            self.health.last_good = MonotonicNs::now();
        }
        let until = MonotonicNs::now() + PATIENCE;
        loop {
            if self.link.is_lost() {
                return Err(self.lost("it is gone: aravis has lost control of it"));
            }
            let left = until.since(MonotonicNs::now());
            if left.is_zero() {
                return self.silent();
            }
            if let Some(buffer) = self.link.next(left)
                && let Some(frame) = self.take(buffer)?
            {
                return Ok(frame);
            }
        }
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        let Some(Announced { frame: filled, padding }) = self.announced.take() else { return Ok(0) };
        let written = self.layout.write(&self.geometry, filled.bytes(), padding, frame);
        self.link.give_back(filled.into_buffer());
        Ok(written)
    }

    fn has_variable_rate(&self) -> bool {
        self.is_triggered
    }

    fn time(&self) -> TimeOfSource {
        self.clock.word()
    }

    fn picture_tags(&self) -> PictureTags {
        self.layout.format.tags()
    }

    fn offer(&self) -> Option<Offer> {
        self.offered
    }

    fn transport(&self) -> Option<TransportStats> {
        Some(self.link.transport())
    }

    fn fit(&mut self, setup: &CameraSetup) {
        let geometry = setup.ring.spec().geometry;
        // A ring that was made for another camera than this one has become is not the one that was asked for.
        let Layout { format, width, height } = self.layout;
        if (geometry.width(), geometry.height(), geometry.format()) == (width, height, format.in_ring) {
            self.geometry = geometry;
            self.offered = None;
        }
    }
}
