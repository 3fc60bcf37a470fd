//! [`RtspSource`]: the frames of an open stream, from packets to the ring. The network is behind [`Packets`], so that all of
//! this is tested without one.

use std::collections::VecDeque;
use std::time::Duration;

use capture::camera_state::flagged_after;
use capture::h26x::Codec;
use capture::rtp::{AccessUnits, Flaw, Frame, Frames, JpegFrames};
use capture::source::{Arrival, CameraSetup, PATIENCE, Source, SourceError};
use capture::stream::{DamageLog, MOST_BYTES};
use proto::frame::{CaptureTime, Decoding, PictureTags, PixelFormat, TimeOfSource};
use proto::offer::Offer;
use proto::time::MonotonicNs;

use super::content::{Content, Seen, Trouble};
use super::facts::{Described, Expected, Packets, RingShape};
use super::look::Rate;
use super::stamps::{Newest, Stamps};

/// Between two looks for the ring that is made for what a stream gives.
const RING_PAUSE: Duration = Duration::from_millis(10);
/// Frames that wait for their ring have no more bytes.
const MOST_WAITING_BYTES: usize = 32 << 20;
/// Packets without a frame that can be decoded are told of after this time.
const SETS_WITHIN: Duration = Duration::from_secs(10);

/// Frames on their way to the ring.
enum Ready {
    Whole {
        frame: Frame,
        seen: Seen,
    },
    /// A frame whose number is left out, and the packets that are missing in it and before it.
    Unusable {
        lost: u32,
    },
    TooLarge(Frame),
}

/// The moments of the stream so far.
#[derive(Clone, Copy, Debug)]
struct Moments {
    opened: MonotonicNs,
    packet: Option<MonotonicNs>,
    frame: Option<MonotonicNs>,
    /// A warning has told that nothing can be decoded.
    sets_told: bool,
}

/// A camera whose stream is open.
pub(super) struct RtspSource {
    expected: Expected,
    packets: Box<dyn Packets>,
    described: Described,
    frames: Box<dyn Frames>,
    content: Content,
    stamps: Stamps,
    ready: VecDeque<Ready>,
    /// The frame that was announced last.
    announced: Option<(Frame, Seen)>,
    moments: Moments,
    damage: DamageLog,
    ring: RingState,
    /// The reason why no more packets come, until the frames before that are passed on.
    ended: Option<SourceError>,
}

/// A ring, and the stream that it is to hold.
enum RingState {
    Fits,
    /// The ring is made for another stream, and this one is looked at.
    Measuring(Rate),
    /// The ring is made for another stream, and this one gives so much.
    Offered(Offer),
}

impl RtspSource {
    pub(super) fn new(
        expected: Expected,
        described: &Described,
        newest: Newest,
        packets: Box<dyn Packets>,
    ) -> Self {
        let most = expected.ring.map_or(MOST_BYTES, |ring| ring.most_bytes);
        let frames: Box<dyn Frames> = match Codec::of(described.payload) {
            Some(codec) => Box::new(AccessUnits::new(codec, most)),
            None => Box::new(JpegFrames::new(most)),
        };
        Self {
            packets,
            frames,
            content: Content::new(described.payload, &described.sets),
            stamps: Stamps::new(expected.fps, described.clock_rate, newest),
            ready: VecDeque::new(),
            announced: None,
            moments: Moments { opened: MonotonicNs::now(), packet: None, frame: None, sets_told: false },
            damage: DamageLog::new(expected.input.clone()),
            ring: match expected.ring {
                Some(_) => RingState::Fits,
                None => RingState::Measuring(Rate::default()),
            },
            ended: None,
            described: described.clone(),
            expected,
        }
    }

    /// Looks at what the camera gives. Waits until `until` for its first frame, and as long as measuring its rate takes.
    pub(super) fn look(&mut self, until: MonotonicNs) -> Result<Offer, SourceError> {
        loop {
            self.wait()?;
            if let RingState::Offered(offer) = self.ring {
                return Ok(offer);
            }
            let has_seen = self.ready.iter().any(|ready| matches!(ready, Ready::Whole { .. }));
            if !has_seen && MonotonicNs::now() >= until {
                return Err(self.stalled(self.nothing_comes()));
            }
        }
    }

    /// Reads packets until a frame has ended.
    fn read(&mut self, until: MonotonicNs) -> Result<(), SourceError> {
        if let Some(error) = self.ended.take() {
            return Err(error);
        }
        let (frames, moments) = (&mut self.frames, &mut self.moments);
        let mut ended = Vec::new();
        let read = self.packets.read(until, &mut |packet| {
            moments.packet = Some(packet.arrived);
            frames.push(packet);
            ended.extend(std::iter::from_fn(|| frames.take()));
            !ended.is_empty()
        });
        // Behind the last packet nothing comes either.
        if !matches!(read, Ok(true)) {
            self.frames.quiet();
            ended.extend(std::iter::from_fn(|| self.frames.take()));
        }
        for frame in ended {
            self.prepare(frame)?;
        }
        match read {
            // The frames that came before are to be had all the same.
            Err(error) if !self.ready.is_empty() => self.ended = Some(error),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(())
    }

    /// Looks at a frame that has ended.
    fn prepare(&mut self, mut frame: Frame) -> Result<(), SourceError> {
        let ready = match frame.flaw {
            Some(Flaw::Damaged(damage)) => self.unusable(damage, frame.lost),
            Some(Flaw::TooLarge) => Ready::TooLarge(frame),
            None => match self.content.prepare(std::mem::take(&mut frame.bytes)) {
                Ok((bytes, seen)) => {
                    frame.bytes = bytes;
                    self.moments.frame = Some(frame.arrived);
                    if let RingState::Measuring(rate) = &mut self.ring {
                        rate.note(frame.time, frame.arrived);
                    }
                    Ready::Whole { frame, seen }
                }
                Err(Trouble::Damaged(damage)) => self.unusable(damage, frame.lost),
                // Nothing can be decoded yet, so nothing is lost.
                Err(Trouble::NoSets) => return Ok(()),
                Err(Trouble::Unusable(why)) => {
                    let input = self.expected.input.clone();
                    return Err(SourceError::Unusable { input, reason: why.into() });
                }
            },
        };
        self.ready.push_back(ready);
        Ok(())
    }

    fn unusable(&mut self, damage: &'static str, lost: u32) -> Ready {
        if self.moments.frame.is_some() {
            self.damage.note(damage, MonotonicNs::now());
        }
        Ready::Unusable { lost }
    }

    /// The next frame for the ring. `None` when there is none, or when it isn't one for this ring.
    fn announce(&mut self) -> Result<Option<Arrival>, SourceError> {
        loop {
            match self.ready.front() {
                None => return Ok(None),
                Some(Ready::Whole { seen, .. }) if !self.fits(seen)? => {
                    self.begin_to_look();
                    return Ok(None);
                }
                Some(_) => {}
            }
            match self.ready.pop_front() {
                Some(Ready::Whole { frame, mut seen }) => {
                    let arrival = self.stamps.arrival(&frame, &mut seen);
                    self.announced = Some((frame, seen));
                    return Ok(Some(arrival));
                }
                Some(Ready::TooLarge(frame)) => {
                    return Ok(Some(self.stamps.too_large(&frame)));
                }
                Some(Ready::Unusable { lost }) => self.stamps.pass_over(lost),
                None => return Ok(None),
            }
        }
    }

    /// Is the ring made for a frame?
    fn fits(&self, seen: &Seen) -> Result<bool, SourceError> {
        let Some(ring) = self.expected.ring else { return Ok(false) };
        if ring.size != seen.size && !self.expected.may_change {
            let ((width, height), (ring_width, ring_height)) = (seen.size, ring.size);
            // The camera may be set back, so it is asked again by this process.
            return Err(self.stalled(format!(
                "it gives pictures of {width}x{height} and the config says {ring_width}x{ring_height}: set the camera back, or \
                 write width: {width} and height: {height}, or leave both out, and start again"
            )));
        }
        Ok((ring.size, ring.payload) == (seen.size, self.described.payload))
    }

    /// Begins to look at what the frames that are there, and those to come, are.
    fn begin_to_look(&mut self) {
        let mut rate = Rate::default();
        for ready in &self.ready {
            if let Ready::Whole { frame, .. } = ready {
                rate.note(frame.time, frame.arrived);
            }
        }
        self.ring = RingState::Measuring(rate);
    }

    /// Goes on looking until `until`, or until it is known what the stream gives.
    fn go_on_looking(&mut self, until: MonotonicNs) -> Result<Arrival, SourceError> {
        loop {
            let now = MonotonicNs::now();
            if let Some(offer) = self.offer_by(now) {
                self.ring = RingState::Offered(offer);
                return Ok(Arrival::Silence);
            }
            if now >= until {
                return if self.ready.is_empty() { self.nothing() } else { Ok(Arrival::Silence) };
            }
            self.read(until)?;
            self.keep_few();
        }
    }

    /// The stream's offer, as soon as enough of it has been seen.
    fn offer_by(&self, now: MonotonicNs) -> Option<Offer> {
        let RingState::Measuring(rate) = &self.ring else { return None };
        let whole = self.ready.iter().rev().find_map(|ready| match ready {
            Ready::Whole { seen, .. } => Some(seen),
            _ => None,
        })?;
        let typed = self.expected.is_rate_typed.then_some(self.expected.fps.as_f64());
        if typed.is_none() && !rate.is_measured(now) {
            return None;
        }
        let named = self.described.rate.or(whole.rate);
        Some(Offer {
            payload: self.content.payload(),
            pixel_format: PixelFormat::I420,
            width: whole.size.0,
            height: whole.size.1,
            fps: typed.unwrap_or_else(|| rate.of(self.described.clock_rate, named)),
            variable_rate: false,
            reorders: whole.decoding.reorders,
            capture_time: CaptureTime::Rtp,
        })
    }

    /// Keeps the frames that wait for a ring from filling the memory: the oldest are lost.
    fn keep_few(&mut self) {
        let bytes =
            |ready: &Ready| if let Ready::Whole { frame, .. } = ready { frame.bytes.len() } else { 0 };
        let mut waiting: usize = self.ready.iter().map(bytes).sum();
        while waiting > MOST_WAITING_BYTES {
            let Some(oldest) = self.ready.pop_front() else { return };
            waiting -= bytes(&oldest);
            self.stamps.pass_over(0);
        }
    }

    /// Nothing to announce came within [`PATIENCE`].
    fn nothing(&mut self) -> Result<Arrival, SourceError> {
        let patience = flagged_after(self.expected.fps);
        let now = MonotonicNs::now();
        let Moments { opened, packet, frame, .. } = self.moments;
        if now.since(packet.unwrap_or(opened)) > patience {
            let secs = patience.as_secs_f64();
            return Err(self.stalled(format!("no packet for {secs:.1} s: {}", self.nothing_comes())));
        }
        // Another session would have to wait for the next key frame too.
        if now.since(frame.unwrap_or(opened)) > SETS_WITHIN
            && !std::mem::replace(&mut self.moments.sets_told, true)
        {
            tracing::warn!("{}: {}", self.expected.input, self.nothing_comes());
        }
        Ok(Arrival::Silence)
    }

    /// The reason why there is no frame.
    fn nothing_comes(&self) -> String {
        match (self.moments.packet, self.moments.frame, self.described.is_udp) {
            (None, _, true) => {
                "it plays, and no packet comes by UDP; a firewall may be in between: write transport: tcp"
                    .into()
            }
            (None, _, false) => "it plays, and no packet comes".into(),
            (Some(_), None, _) => format!(
                "packets come, and nothing of them can be decoded yet: no whole {} frame with its parameter sets",
                self.content.payload().name()
            ),
            (Some(_), Some(_), _) => "it has played, and nothing comes any more".into(),
        }
    }

    fn stalled(&self, reason: String) -> SourceError {
        SourceError::stalled(self.expected.input.clone(), reason)
    }
}

impl Source for RtspSource {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        self.announced = None;
        let until = MonotonicNs::now() + PATIENCE;
        loop {
            match self.ring {
                RingState::Offered(_) => {
                    // The frames that come meanwhile are for the ring that is being made.
                    self.read(MonotonicNs::now() + RING_PAUSE)?;
                    self.keep_few();
                    return Ok(Arrival::Silence);
                }
                RingState::Measuring(_) => return self.go_on_looking(until),
                RingState::Fits => {}
            }
            match self.announce()? {
                Some(arrival) => return Ok(arrival),
                None if !matches!(self.ring, RingState::Fits) => {}
                None if MonotonicNs::now() >= until => return self.nothing(),
                None => self.read(until)?,
            }
        }
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        let Some((announced, _)) = &self.announced else { return Ok(0) };
        frame[..announced.bytes.len()].copy_from_slice(&announced.bytes);
        Ok(announced.bytes.len())
    }

    fn decoding(&self) -> Decoding {
        self.announced.as_ref().map(|(_, seen)| seen.decoding).unwrap_or_default()
    }

    fn picture_tags(&self) -> PictureTags {
        self.announced.as_ref().map(|(_, seen)| seen.tags).unwrap_or_default()
    }

    fn time(&self) -> TimeOfSource {
        self.stamps.time(self.packets.has_reports())
    }

    fn offer(&self) -> Option<Offer> {
        if let RingState::Offered(offer) = self.ring { Some(offer) } else { None }
    }

    fn fit(&mut self, setup: &CameraSetup) {
        let ring = setup.ring.spec();
        let shape = RingShape::of(ring);
        self.frames.fit(shape.most_bytes);
        self.stamps.go_at(ring.fps);
        (self.expected.ring, self.expected.fps) = (Some(shape), ring.fps);
        self.ring = RingState::Fits;
    }
}

#[cfg(test)]
mod tests;
