//! [`Stamps`]: the number and the capture time of each frame of a session. The times are those of the packets, by the camera's
//! clock, mapped to this machine's ([`capture::mapper`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use capture::mapper::Mapper;
use capture::rtp::{Counting, DecodingTimes, Frame};
use capture::source::Arrival;
use proto::frame::{CaptureTime, Fps, FrameFlags, LossBefore, TimeOfSource};
use proto::time::MonotonicNs;

use super::content::Seen;

/// The capture time of a camera's newest frame, over all of its sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest(Arc<AtomicU64>);

impl Newest {
    pub(super) fn new(newest: Option<MonotonicNs>) -> Self {
        Self(Arc::new(AtomicU64::new(newest.map_or(0, |newest| newest.0))))
    }

    fn get(&self) -> Option<MonotonicNs> {
        Some(self.0.load(Ordering::Relaxed)).filter(|newest| *newest > 0).map(MonotonicNs)
    }

    fn set(&self, newest: MonotonicNs) {
        self.0.store(newest.0, Ordering::Relaxed);
    }
}

/// Numbers and times of one session's frames.
pub(super) struct Stamps {
    counting: Counting,
    order: DecodingTimes,
    mapper: Mapper,
    /// Ticks a second of the stream's clock.
    clock_rate: u32,
    newest: Newest,
}

impl Stamps {
    /// Stamps of a camera whose newest frame is known, by a clock of so many ticks a second.
    pub(super) fn new(fps: Fps, clock_rate: u32, newest: Newest) -> Self {
        let (counting, order) =
            (Counting::new(fps, clock_rate), DecodingTimes::new(clock_rate, step(fps, clock_rate)));
        Self { counting, order, mapper: Mapper::new(newest.get()), clock_rate: clock_rate.max(1), newest }
    }

    /// The camera has this rate from now on.
    pub(super) fn go_at(&mut self, fps: Fps) {
        self.counting.go_at(fps);
        self.order.go_at(step(fps, self.clock_rate));
    }

    /// A frame came that can't be used, with so many packets missing in it and before it.
    pub(super) fn pass_over(&mut self, lost: u32) {
        self.counting.pass_over(lost);
    }

    /// A frame as the ring is to hear of it. Says in `seen` when its picture is shown.
    pub(super) fn arrival(&mut self, frame: &Frame, seen: &mut Seen) -> Arrival {
        let (arrival, decoded) = self.stamp(frame, seen.decoding.reorders, frame.bytes.len(), seen.flags);
        seen.decoding.picture_offset_ns = self.nanoseconds(frame.time.saturating_sub(decoded));
        arrival
    }

    /// A frame that is larger than a ring takes.
    pub(super) fn too_large(&mut self, frame: &Frame) -> Arrival {
        self.stamp(frame, false, usize::MAX, FrameFlags::NONE).0
    }

    /// A frame with its number and its time, and the time at which it is decoded, in ticks.
    fn stamp(&mut self, frame: &Frame, reorders: bool, bytes: usize, flags: FrameFlags) -> (Arrival, i64) {
        let (source_sequence, before) = self.counting.number(frame.time, frame.arrived, frame.lost);
        if before != LossBefore::Nothing {
            self.order.begin_anew();
        }
        let decoded = self.order.of(frame.time, reorders);
        let mapped = self.mapper.map(self.nanoseconds(decoded), frame.arrived);
        self.newest.set(mapped.t_capture);
        let (t_capture, flags) = (mapped.t_capture, flags.with(mapped.flags()));
        (Arrival::Frame { source_sequence, t_capture, before, flags, bytes }, decoded)
    }

    /// The clock of the capture times. `has_reports`: the camera says how it lies to its wall clock.
    pub(super) fn time(&self, has_reports: bool) -> TimeOfSource {
        self.mapper.time(if has_reports { CaptureTime::RtpSr } else { CaptureTime::Rtp })
    }

    fn nanoseconds(&self, ticks: i64) -> i64 {
        let nanoseconds = i128::from(ticks) * 1_000_000_000 / i128::from(self.clock_rate);
        i64::try_from(nanoseconds).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
    }
}

/// Ticks from one frame to the next.
fn step(fps: Fps, clock_rate: u32) -> i64 {
    let ticks = u128::from(clock_rate) * fps.period().as_nanos() / 1_000_000_000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}
