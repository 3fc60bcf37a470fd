//! The loop of a capture process: frames from the source into the ring's slots, until it is told to stop. It waits for
//! nobody but the camera. What it finds on the way it leaves in a [`LoopStatus`] for the threads that talk.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::frame::{CaptureTime, FrameFlags, LossBefore, Payload, Plane, TimeOfSource};
use proto::messages::{BEAT, CameraState, CaptureReport};
use proto::name::Name;
use proto::offer::Offer;
use proto::ring::{RingSpec, RingTime, RingWriter};
use proto::stats::TransportStats;
use proto::time::MonotonicNs;

use crate::camera_state::{CameraWatch, Change, flagged_after};
use crate::capture_times::CaptureTimes;
use crate::digest::PictureDigest;
use crate::source::{Arrival, CameraSetup, Source, SourceError};

/// The values that the loop shares with the threads beside it.
#[derive(Debug)]
pub struct LoopStatus {
    turns: AtomicU64,
    stop: AtomicBool,
    /// Locked by the loop when the state changes, and not for each frame.
    camera: Mutex<CameraState>,
    /// The frames that come, while the ring isn't made for them.
    offer: Mutex<Option<Offer>>,
    /// The figures of the way that frames come by.
    transport: Mutex<Option<TransportStats>>,
    /// The supervisor has made another ring.
    has_new_ring: AtomicBool,
}

impl Default for LoopStatus {
    fn default() -> Self {
        Self {
            turns: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            camera: Mutex::new(CameraState::Opening),
            offer: Mutex::default(),
            transport: Mutex::default(),
            has_new_ring: AtomicBool::new(false),
        }
    }
}

impl LoopStatus {
    /// Shows the camera's state to the supervisor, with the next report.
    pub fn show(&self, state: CameraState) {
        *self.camera.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Shows the supervisor, with the next report, what comes from the camera whose ring isn't made for it.
    fn offer(&self, offer: Option<Offer>) {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = offer;
    }

    /// Shows the supervisor, with the next report, how frames come.
    fn transport(&self, figures: Option<TransportStats>) {
        *self.transport.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// Tells the loop that there is another ring of the camera's name.
    pub fn ring_is_there(&self) {
        self.has_new_ring.store(true, Ordering::Relaxed);
    }

    /// Asks the loop to stop after its present turn.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// A report to the supervisor.
    #[must_use]
    pub fn report(&self) -> CaptureReport {
        let camera = self.camera.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let offer = *self.offer.lock().unwrap_or_else(PoisonError::into_inner);
        let transport = *self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        CaptureReport::Beat { progress: self.turns.load(Ordering::Relaxed), camera, offer, transport }
    }
}

/// An open camera and its ring.
pub struct CaptureLoop<'a> {
    name: &'a Name,
    source: Box<dyn Source>,
    writer: RingWriter,
    status: &'a LoopStatus,
    watch: CameraWatch,
    compared: Compared,
    needs_key_frames: bool,
    times: CaptureTimes,
    /// The camera's number of the newest frame, in the ring or not.
    last_source_sequence: Option<u64>,
    /// The reason why the last frame found no place in the ring.
    lost: LossBefore,
    /// The moment at which its source was last asked how frames come.
    transport_shown: MonotonicNs,
    /// Opens the ring that the supervisor has made in place of this one.
    open_ring: Option<OpenRing>,
}

/// The part of a frame by which pictures are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    /// None: the camera's picture may stand still.
    Nothing,
    Plane(Plane),
    /// All of its bytes: it is compressed.
    Bytes,
}

impl Compared {
    fn of(spec: &RingSpec, may_stand_still: bool) -> Self {
        match spec.payload {
            _ if may_stand_still => Self::Nothing,
            Payload::Planes => Self::Plane(spec.geometry.planes()[0]),
            Payload::Jpeg | Payload::H264 | Payload::H265 => Self::Bytes,
        }
    }

    fn digest(self, frame: &[u8]) -> Option<PictureDigest> {
        match self {
            Self::Nothing => None,
            Self::Plane(plane) => Some(PictureDigest::of(frame, &plane)),
            Self::Bytes => Some(PictureDigest::of_compressed(frame)),
        }
    }
}

/// A frame that the source has announced: an [`Arrival::Frame`].
#[derive(Clone, Copy, Debug)]
struct Announced {
    source_sequence: u64,
    t_capture: MonotonicNs,
    before: LossBefore,
    flags: FrameFlags,
    bytes: usize,
}

/// Opens a camera's ring by its name, with the config that goes with it; nothing while there is none.
pub type OpenRing = Box<dyn Fn() -> Option<(CameraSetup, RingWriter)>>;

impl<'a> CaptureLoop<'a> {
    /// The loop from `source` to `writer`'s ring. `may_stand_still`: a picture that never changes is no fault.
    #[must_use]
    pub fn new(
        name: &'a Name,
        source: Box<dyn Source>,
        writer: RingWriter,
        status: &'a LoopStatus,
        may_stand_still: bool,
    ) -> Self {
        writer.set_variable_rate(source.has_variable_rate());
        let spec = writer.ring().spec();
        let compared = Compared::of(spec, may_stand_still);
        Self {
            name,
            watch: CameraWatch::new(flagged_after(spec.fps), MonotonicNs::now()),
            compared,
            needs_key_frames: spec.payload.needs_key_frames(),
            times: CaptureTimes::new(Duration::ZERO, writer.ring()),
            last_source_sequence: writer.ring().newest().map(|frame| frame.source_sequence),
            lost: LossBefore::Nothing,
            transport_shown: MonotonicNs(0),
            open_ring: None,
            source,
            writer,
            status,
        }
    }

    /// The same, for a source whose times lie so far behind exposure.
    #[must_use]
    pub fn behind_by(self, latency: Duration) -> Self {
        Self { times: CaptureTimes::new(latency, self.writer.ring()), ..self }
    }

    /// The same, for a source that may give something else than the ring is made for: it goes on in the ring that `open_ring`
    /// opens, when the supervisor has made it.
    #[must_use]
    pub fn with_other_rings(self, open_ring: OpenRing) -> Self {
        Self { open_ring: Some(open_ring), ..self }
    }

    /// Runs until it is told to stop, or the source ends or fails; then shows the state that it ends in.
    ///
    /// # Errors
    /// The source's.
    pub fn run(mut self) -> Result<(), SourceError> {
        let result = self.turn_until_over();
        if let Err(e) = &result {
            self.watch.fail(e.to_string());
        }
        self.status.show(self.watch.state());
        result
    }

    fn turn_until_over(&mut self) -> Result<(), SourceError> {
        while !self.status.stop.load(Ordering::Relaxed) {
            self.status.turns.fetch_add(1, Ordering::Relaxed);
            if self.status.has_new_ring.swap(false, Ordering::Relaxed) {
                self.go_on_in_another_ring();
            }
            self.show_transport();
            match self.source.wait()? {
                Arrival::Frame { source_sequence, t_capture, before, flags, bytes } => {
                    let change = self.watch.frame(MonotonicNs::now());
                    if change.is_some() {
                        self.writer.set_variable_rate(self.source.has_variable_rate());
                    }
                    self.tell(change);
                    let (t_capture, repaired) = self.times.of(t_capture, MonotonicNs::now());
                    let flags = flags.with(repaired);
                    self.pass_on(Announced { source_sequence, t_capture, before, flags, bytes })?;
                }
                Arrival::NotDue => {}
                Arrival::Silence => {
                    self.status.offer(self.source.offer());
                    let change = match self.source.away() {
                        Some(away) => self.watch.away(&away.reason),
                        None => self.watch.no_frame(MonotonicNs::now()),
                    };
                    self.tell(change);
                }
                Arrival::End => {
                    self.writer.end();
                    self.watch.end();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Shows the supervisor how frames come, as often as it hears of it.
    fn show_transport(&mut self) {
        let now = MonotonicNs::now();
        if now.since(self.transport_shown) >= BEAT
            && let Some(figures) = self.source.transport()
        {
            self.status.transport(Some(figures));
            self.transport_shown = now;
        }
    }

    /// Goes on in the ring that was made for what the source offers. Without an offer the ring is the right one already, and
    /// the order was only given twice.
    fn go_on_in_another_ring(&mut self) {
        if self.source.offer().is_none() {
            return;
        }
        // Asked again with the next order: the offer is repeated until then.
        let Some((setup, writer)) = self.open_ring.as_ref().and_then(|open_ring| open_ring()) else { return };
        self.source.fit(&setup);
        let spec = writer.ring().spec();
        self.compared = Compared::of(spec, self.compared == Compared::Nothing);
        self.needs_key_frames = spec.payload.needs_key_frames();
        self.watch = CameraWatch::new(flagged_after(spec.fps), MonotonicNs::now());
        self.times = CaptureTimes::new(setup.camera.latency(), writer.ring());
        self.last_source_sequence = writer.ring().newest().map(|frame| frame.source_sequence);
        self.writer = writer;
        self.status.offer(None);
        self.status.show(self.watch.state());
    }

    /// Writes the frame that the source has announced into the ring. Without a place there the frame is lost, and the next one
    /// says so.
    fn pass_on(&mut self, frame: Announced) -> Result<(), SourceError> {
        let left_out = self.count(frame.source_sequence);
        let reordered = self.writer.ring().reorders();
        let is_too_large = frame.bytes > self.writer.ring().spec().max_frame_bytes();
        let Some(mut slot) = self.writer.slot_for(frame.bytes) else {
            self.lost = if is_too_large { LossBefore::TooLarge } else { LossBefore::RingFull };
            return Ok(());
        };
        let bytes = self.source.write(slot.bytes_mut())?;
        if bytes == 0 {
            drop(slot);
            self.writer.ring().counters().dropped_by_camera.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let word = self.times.word(self.source.time());
        let mut slot = slot.filled(bytes);
        slot.timed(&word);
        slot.tag(self.source.picture_tags());
        let decoding = self.source.decoding();
        let picture = self.compared.digest(&slot.bytes_mut()[..bytes]);
        let before = match (frame.before, std::mem::take(&mut self.lost)) {
            // A stream needs to be told of each loss, by whomever: what follows doesn't decode.
            (LossBefore::Nothing, LossBefore::Nothing) if left_out > 0 && self.needs_key_frames => {
                LossBefore::CameraDrop
            }
            (LossBefore::Nothing, lost) => lost,
            (before, _) => before,
        };
        let slot = slot.flagged(frame.flags).decoding(&decoding);
        slot.publish(frame.source_sequence, frame.t_capture, before);
        if frame.flags.contains(FrameFlags::NEW_ANCHOR) {
            self.tell_of_anchor(&word);
        }
        if decoding.reorders && !reordered {
            tracing::warn!(
                "camera {}: its pictures are shown in another order than they come in (B-frames), so its clips are encoded again",
                self.name
            );
        }
        let change = picture.and_then(|picture| self.watch.picture(picture, MonotonicNs::now()));
        self.tell(change);
        if matches!(change, Some(Change::Frozen { .. })) { self.source.frozen() } else { Ok(()) }
    }

    /// Takes note of a frame's number, and counts those that the camera has left out before it.
    fn count(&mut self, source_sequence: u64) -> u64 {
        let last = self.last_source_sequence.replace(source_sequence);
        let left_out = last.map_or(0, |last| source_sequence.saturating_sub(last.saturating_add(1)));
        self.writer.ring().counters().dropped_by_camera.fetch_add(left_out, Ordering::Relaxed);
        left_out
    }

    /// Tells the log that the camera's clock lies otherwise from the newest frame on.
    fn tell_of_anchor(&mut self, word: &RingTime) {
        if !self.times.is_to_be_told(MonotonicNs::now()) {
            return;
        }
        let (name, sequence) = (self.name, self.writer.ring().head());
        let TimeOfSource { source, anchors, .. } = word.of_source;
        if source == CaptureTime::Arrival {
            tracing::warn!(
                "camera {name}: its clock can't be believed: from frame {sequence} on times are those of arrival"
            );
        } else {
            tracing::warn!(
                "camera {name}: its clock was set, or it was opened again: from frame {sequence} on times lie otherwise to those before \
                 (tied to this machine's clock {anchors} times)"
            );
        }
    }

    /// Tells the supervisor and the log of a change of state.
    fn tell(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        self.status.show(self.watch.state());
        self.writer.set_away(self.source.away().map(|away| away.cause));
        let name = self.name;
        match (change, self.writer.epoch()) {
            (Change::Live { silent_for: Some(silence) }, _) => {
                tracing::info!(
                    "camera {name} is live again after {:.1} s without a frame",
                    silence.as_secs_f64()
                );
            }
            (Change::Live { silent_for: None }, 1) => tracing::info!("camera {name} is live"),
            (Change::Live { silent_for: None }, epoch) => {
                tracing::info!("camera {name} is live (start {epoch} in this ring)");
            }
            (Change::Silent { for_at_least }, _) => {
                tracing::warn!("camera {name} is silent: no frame for {:.1} s", for_at_least.as_secs_f64());
            }
            (Change::Away, _) => {
                let why = self.source.away().map_or("", |away| &away.reason);
                tracing::warn!("camera {name} is away, and is tried again until it is back: {why}");
            }
            (Change::AwayOtherwise, _) => {}
            (Change::Frozen { black, since }, _) => {
                let what = if black { "the same black picture" } else { "the same picture" };
                tracing::warn!("camera {name} has shown {what} for {:.1} s", since.as_secs_f64());
            }
            (Change::Unfrozen, _) => tracing::info!("camera {name} shows a new picture again"),
        }
    }
}

#[cfg(test)]
mod tests;
