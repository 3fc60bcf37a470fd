//! [`Mapper`]: times of a device's own clock as times of this machine's. Pure: device times and arrivals go in, capture times come
//! out. It knows no device and no protocol. A clock that counts in 32 bits goes through a [`WrappingClock`] first.
//!
//! A frame is never earlier than its device says, only later: by its way to this process, which differs from frame to frame. So of
//! `x = arrival - device` the lowest values tell how the two clocks lie to each other ([`envelope`]), and the times that result
//! have the constant part of the way in them and not its jitter. docs/decisions/camera-time.md has the measurements.

mod envelope;
mod wrapping;

use proto::frame::{CaptureTime, FrameFlags, TimeOfSource};
use proto::time::MonotonicNs;

use crate::source::LEAST_STEP;
use envelope::Envelope;
pub use wrapping::WrappingClock;

const SECOND_NS: i64 = 1_000_000_000;
/// A change of `x` by more than this is a step of the clock, unless only the frame was late.
const STEP_NS: i64 = SECOND_NS / 2;
/// No network keeps a frame for so long.
const LATEST_NS: i64 = 10 * SECOND_NS;
/// A step that has lasted so long is no late frame, and a clock that has stood still for so long doesn't run.
const STEP_LASTS_NS: i64 = SECOND_NS;
/// A clock that went away from the arrivals by little and little, and has stayed away for so long, doesn't come back.
const RUNAWAY_LASTS_NS: i64 = 10 * SECOND_NS;
/// Many servers begin with frames that they had kept: within this time an earlier frame's way counts for nothing.
const SETTLING_NS: i64 = SECOND_NS;
/// For so long after an anchor the offset is still found out, and may move faster.
const FINDING_NS: i64 = 10 * SECOND_NS;
/// The offset moves by at most this in a second, so that the times between frames stay what they were: 1 ms.
const SLEW_PPM: i64 = 1_000;
/// The same while it is found out: 50 ms.
const FINDING_SLEW_PPM: i64 = 50_000;
/// A clock that has run off by so much, for [`JUDGED_OVER_NS`], isn't believed: crystals are within 300 ppm.
const LIE_PPB: i64 = 5_000_000;
/// So many frames of one time come from no clock.
const STILL_FRAMES: u32 = 4;
/// The time over which a clock is judged.
const JUDGED_OVER_NS: i64 = 30 * SECOND_NS;

/// A device's clock, and how it lies to this machine's.
#[derive(Clone, Debug)]
pub struct Mapper {
    /// The newest time that was given.
    newest: Option<MonotonicNs>,
    tie: Option<Tie>,
    anchors: u64,
}

/// A frame's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The frame's time on this machine's clock. Times rise from frame to frame, by [`LEAST_STEP`] at least, and none is later than the
    /// arrival but for that.
    pub t_capture: MonotonicNs,
    /// The device's clock was tied to this machine's anew: from this frame on times lie otherwise to those before. Not said of a
    /// frame that has none before it.
    pub new_anchor: bool,
    /// The frame's own time stood still, went back or jumped.
    pub is_repaired: bool,
}

impl Mapped {
    /// The remarks that a frame with this time carries.
    #[must_use]
    pub fn flags(&self) -> FrameFlags {
        let repaired = FrameFlags::TIME_REPAIRED.when(self.is_repaired);
        FrameFlags::NEW_ANCHOR.when(self.new_anchor).with(repaired)
    }
}

/// The device's clock since it was tied to this machine's.
#[derive(Clone, Debug)]
struct Tie {
    /// `arrival - device` of the frame with which it was tied. All further ones are kept as differences from it.
    origin: i128,
    /// The arrival of that frame. All further ones are kept as differences from it.
    since: MonotonicNs,
    envelope: Envelope,
    /// The part of the way from a device's time to this machine's that isn't in the origin.
    offset: i64,
    last: Last,
    /// Frames have been arriving too late for the offset.
    late: Option<Late>,
    /// False: the clock isn't believed, and arrivals count.
    is_trusted: bool,
}

/// The last frame of a [`Tie`].
#[derive(Clone, Copy, Debug)]
struct Last {
    device: i64,
    /// Frames with this time, one after the other.
    of_one_time: u32,
    at: i64,
    x: i64,
    /// The last arrival of a frame that lay at most half a step away from the offset.
    calm_at: i64,
}

/// A row of late frames.
#[derive(Clone, Copy, Debug)]
struct Late {
    since: i64,
    /// By how much the first of them was late.
    first: i64,
    /// The same of the latest of them.
    most: i64,
    /// Nothing was late a second before them.
    is_step: bool,
}

/// The meaning of a frame's times for the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    GoesOn,
    /// The clock was set.
    Stepped,
    /// The clock can't be believed any longer.
    RunsAway,
    /// The clock can be believed again.
    IsBack,
}

impl Mapper {
    /// The clock of a device whose next frame comes behind one of the time `newest`.
    #[must_use]
    pub fn new(newest: Option<MonotonicNs>) -> Self {
        Self { newest, tie: None, anchors: 0 }
    }

    /// The time of a frame that has arrived, by the time `device_ns` of the device's clock.
    pub fn map(&mut self, device_ns: i64, arrival: MonotonicNs) -> Mapped {
        let x = i128::from(arrival.0) - i128::from(device_ns);
        let verdict = self.tie.as_mut().map(|tie| tie.look_at(x, device_ns, arrival));
        let slope_ppb = self.tie.as_ref().map_or(0, |tie| tie.envelope.slope_ppb());
        match verdict {
            None | Some(Verdict::Stepped) => {
                self.tie = Some(Tie::new(x, device_ns, arrival, slope_ppb));
                self.anchors += 1;
            }
            Some(Verdict::IsBack) => self.anchors += 1,
            Some(Verdict::GoesOn | Verdict::RunsAway) => {}
        }
        let new_anchor = verdict.map_or(self.newest.is_some(), |verdict| verdict != Verdict::GoesOn);
        let own = self.tie.as_ref().filter(|tie| tie.is_trusted).map_or(arrival, |tie| tie.time(device_ns));
        let wanted = own.min(arrival);
        let t_capture = self.newest.map_or(wanted, |newest| wanted.max(newest + LEAST_STEP));
        self.newest = Some(t_capture);
        Mapped { t_capture, new_anchor, is_repaired: t_capture != wanted }
    }

    /// The clock isn't believed just now: it runs away from the arrivals, or is further off than any crystal. Arrivals count then.
    #[must_use]
    pub fn falls_back(&self) -> bool {
        self.tie.as_ref().is_some_and(|tie| !tie.is_trusted)
    }

    /// An estimate of how far times lie from a constant offset. `None` while arrivals count, and before the first frame.
    #[must_use]
    pub fn error_ns(&self) -> Option<u64> {
        self.tie.as_ref().filter(|tie| tie.is_trusted).map(Tie::error_ns)
    }

    /// The number of times that the device's clock was tied to this machine's.
    #[must_use]
    pub fn anchors(&self) -> u64 {
        self.anchors
    }

    /// The word of a source whose times are of the clock `source`, mapped by this.
    #[must_use]
    pub fn time(&self, source: CaptureTime) -> TimeOfSource {
        let source = if self.falls_back() { CaptureTime::Arrival } else { source };
        TimeOfSource { source, error_ns: self.error_ns(), anchors: self.anchors }
    }
}

impl Tie {
    fn new(x: i128, device: i64, arrival: MonotonicNs, slope_ppb: i64) -> Self {
        let mut envelope = Envelope::new(slope_ppb);
        envelope.add(0, 0);
        Self {
            origin: x,
            since: arrival,
            envelope,
            offset: 0,
            last: Last { device, of_one_time: 1, at: 0, x: 0, calm_at: 0 },
            late: None,
            is_trusted: true,
        }
    }

    /// Takes note of a frame, and says what it means for the clock.
    fn look_at(&mut self, x: i128, device: i64, arrival: MonotonicNs) -> Verdict {
        let at = clamped(i128::from(arrival.0) - i128::from(self.since.0));
        let x = clamped(x - self.origin);
        let went_back = self.last.device.saturating_sub(device) > STEP_NS;
        let of_one_time =
            if device == self.last.device { self.last.of_one_time.saturating_add(1) } else { 1 };
        let verdict = match self.is_trusted {
            true if of_one_time >= STILL_FRAMES => Verdict::RunsAway,
            true => self.judge(x, at, went_back),
            false => self.judge_again(x, at),
        };
        if verdict == Verdict::RunsAway {
            self.is_trusted = false;
            self.late = None;
        }
        if verdict == Verdict::IsBack {
            self.is_trusted = true;
            self.offset = self.envelope.lowest(at);
        }
        let is_calm = x.saturating_sub(self.offset).saturating_abs() <= STEP_NS / 2;
        let calm_at = if is_calm { at } else { self.last.calm_at };
        self.last = Last { device, of_one_time, at, x, calm_at };
        verdict
    }

    /// The verdict on a clock that was believed so far.
    fn judge(&mut self, x: i64, at: i64, went_back: bool) -> Verdict {
        let has_closed = self.envelope.add(at, x);
        self.slew(at);
        if at <= SETTLING_NS {
            self.offset = self.offset.min(x);
        }
        let excess = x.saturating_sub(self.offset);
        if went_back || excess > LATEST_NS {
            return Verdict::Stepped;
        }
        let is_lie = has_closed && self.envelope.raw_slope_over(JUDGED_OVER_NS).is_some_and(is_absurd);
        if is_lie {
            return Verdict::RunsAway;
        }
        let was_calm = self.was_calm(at);
        if excess < -STEP_NS {
            return if was_calm { Verdict::Stepped } else { Verdict::RunsAway };
        }
        if excess <= STEP_NS {
            self.late = None;
            return Verdict::GoesOn;
        }
        self.judge_late(excess, at, was_calm)
    }

    /// Was all well up to a second ago, or up to the last frame?
    fn was_calm(&self, at: i64) -> bool {
        let Last { at: last, calm_at, .. } = self.last;
        calm_at == last || at.saturating_sub(calm_at) <= SECOND_NS
    }

    /// The verdict on a clock by a frame that came too late for it: the frame may have been held up, or the clock was set back.
    fn judge_late(&mut self, excess: i64, at: i64, was_calm: bool) -> Verdict {
        let begins = Late { since: at, first: excess, most: excess, is_step: was_calm };
        let Some(late) = &mut self.late else {
            self.late = Some(begins);
            return Verdict::GoesOn;
        };
        if excess < late.most.saturating_sub(STEP_NS / 2) {
            // Frames are catching up, as they don't with a clock that was set.
            *late = Late { is_step: late.is_step, ..begins };
            return Verdict::GoesOn;
        }
        late.most = late.most.max(excess);
        let (lasted, grown) = (at.saturating_sub(late.since), late.most.saturating_sub(late.first));
        if lasted < STEP_LASTS_NS {
            return Verdict::GoesOn;
        }
        match late.is_step && grown <= STEP_NS / 2 {
            true => Verdict::Stepped,
            false if lasted >= RUNAWAY_LASTS_NS || grown >= lasted / 2 => Verdict::RunsAway,
            false => Verdict::GoesOn,
        }
    }

    /// The verdict on a clock that wasn't believed so far.
    fn judge_again(&mut self, x: i64, at: i64) -> Verdict {
        if x.saturating_sub(self.last.x).saturating_abs() > STEP_NS {
            self.envelope = Envelope::new(0);
        }
        let has_closed = self.envelope.add(at, x);
        let slope = self.envelope.raw_slope_over(JUDGED_OVER_NS).filter(|_| has_closed);
        if slope.is_some_and(envelope::is_of_a_crystal) { Verdict::IsBack } else { Verdict::GoesOn }
    }

    /// Moves the offset towards the lowest residual, as far as the time since the last frame allows.
    fn slew(&mut self, at: i64) {
        let ppm = if at < FINDING_NS { FINDING_SLEW_PPM } else { SLEW_PPM };
        let most = at.saturating_sub(self.last.at).max(0).saturating_mul(ppm) / 1_000_000;
        let way = self.envelope.lowest(at).saturating_sub(self.offset);
        self.offset = self.offset.saturating_add(way.clamp(-most, most));
    }

    /// A device's time on this machine's clock.
    fn time(&self, device: i64) -> MonotonicNs {
        let t = i128::from(device) + self.origin + i128::from(self.offset);
        MonotonicNs(u64::try_from(t.max(0)).unwrap_or(u64::MAX))
    }

    fn error_ns(&self) -> u64 {
        let way = self.envelope.lowest(self.last.at).saturating_sub(self.offset);
        way.unsigned_abs().saturating_add(self.envelope.spread_ns())
    }
}

/// Further off than any crystal.
fn is_absurd(slope_ppb: i64) -> bool {
    slope_ppb.saturating_abs() > LIE_PPB
}

fn clamped(difference: i128) -> i64 {
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
