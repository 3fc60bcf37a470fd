//! The window that a trigger gets, on one clock for every camera: what it asks for, as far as the rings reach back. All
//! but [`Reach::of`] is pure.

use std::time::Duration;

use proto::clip::Window;
use proto::refusal::Refusal;
use proto::ring::Ring;
use proto::time::MonotonicNs;

/// The time that opening an encoder may take. Frames that are overwritten sooner than this are not promised: a clip
/// would lose them while its encoder opens.
const ENCODER_START: Duration = Duration::from_millis(100);

/// The reach of one camera's ring into the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The oldest moment whose frame is still there when an encoder that is opened now is ready.
    oldest: MonotonicNs,
    /// The camera's first frame ever, while that is remembered.
    first_ever: Option<MonotonicNs>,
}

impl Reach {
    pub(crate) fn of(ring: &Ring, now: MonotonicNs) -> Self {
        let spec = ring.spec();
        let kept = spec.size.pre_roll_slots + spec.size.reserve_slots;
        let period = spec.fps.period();
        let span = period.saturating_mul(u32::try_from(kept.saturating_sub(1)).unwrap_or(u32::MAX));
        // A camera that has never delivered does not shorten the others' pre-roll: its frames are declared missing.
        let first_ever = ring.frame_info(1).map(|m| m.t_capture);
        Self { oldest: now.before(span.saturating_sub(ENCODER_START.min(span / 4))), first_ever }
    }
}

impl Reach {
    /// Is what was captured from this moment on still there?
    pub(crate) fn holds(&self, moment: MonotonicNs) -> bool {
        self.oldest <= moment
    }
}

/// The window that a trigger gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) window: Window,
    /// For a person: everything that differs from what was asked.
    pub(crate) notes: Vec<String>,
}

/// Gives a trigger its window: one for all cameras, and no more than all of their rings still hold. It may lie so far `ahead`.
pub(crate) fn grant(
    at: MonotonicNs,
    pre: Duration,
    post: Duration,
    now: MonotonicNs,
    ahead: Duration,
    reaches: &[Reach],
) -> Result<Granted, Refusal> {
    if at - now > ahead {
        return Err(Refusal::InTheFuture { ahead_ms: millis(at - now).max(1), at_most_ms: millis(ahead) });
    }
    let oldest = reaches.iter().map(|r| r.oldest).max().unwrap_or(now);
    if at + post < oldest {
        return Err(Refusal::TooLongAgo { ago_ms: millis(now - at), reach_ms: millis(now - oldest) });
    }
    let asked = at.before(pre);
    let mut start = asked;
    let mut notes = Vec::new();
    if oldest > start {
        start = oldest;
        notes.push(if start <= at {
            let (given, asked) = (millis(at - start), millis(pre));
            let key = if now - at > ENCODER_START { "late_ms or pre_roll_ms" } else { "pre_roll_ms" };
            format!("pre-roll is {given} ms instead of {asked} ms: the rings hold no more; set a larger {key}")
        } else {
            format!(
                "the trigger came {} ms after its moment, and the rings hold no more than what begins {} ms after it; set \
                 a larger late_ms",
                millis(now - at),
                millis(start - at)
            )
        });
    }
    let first_ever = reaches.iter().filter_map(|r| r.first_ever).max().filter(|first| *first > start);
    if let Some(first) = first_ever {
        start = first.min(at).max(start);
        notes.push(format!(
            "pre-roll is {} ms instead of {} ms: the cameras had only just started",
            millis(at - start),
            millis(pre)
        ));
    }
    Ok(Granted { window: Window { start_ns: start, end_ns: at + post }, notes })
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(ms * MS)
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn reach(oldest: u64, first_ever: Option<u64>) -> Reach {
        Reach { oldest: at(oldest), first_ever: first_ever.map(at) }
    }

    #[test]
    fn a_trigger_gets_what_it_asks_for() {
        let granted = grant(at(5000), ms(500), ms(700), at(5001), ms(60), &[reach(4200, None); 2]).unwrap();
        assert_eq!(granted.window, Window { start_ns: at(4500), end_ns: at(5700) });
        assert!(granted.notes.is_empty());
    }

    #[test]
    fn too_much_pre_roll_gets_what_there_is_and_says_so() {
        let granted =
            grant(at(5000), ms(9000), ms(0), at(5000), ms(60), &[reach(4200, None), reach(4300, None)])
                .unwrap();
        assert_eq!(granted.window.start_ns, at(4300));
        assert!(granted.notes[0].contains("700 ms instead of 9000 ms"), "{:?}", granted.notes);
    }

    #[test]
    fn a_trigger_later_than_the_rings_reach_gets_what_is_left_of_its_window() {
        let granted = grant(at(4100), ms(500), ms(700), at(5000), ms(60), &[reach(4200, None)]).unwrap();
        assert_eq!(granted.window, Window { start_ns: at(4200), end_ns: at(4800) });
        assert!(
            granted.notes[0].contains("begins 100 ms after it; set a larger late_ms"),
            "{:?}",
            granted.notes
        );
        let late = grant(at(4300), ms(500), ms(0), at(5000), ms(60), &[reach(4200, None)]).unwrap();
        assert!(late.notes[0].contains("100 ms instead of 500 ms"), "{:?}", late.notes);
        assert!(late.notes[0].ends_with("set a larger late_ms or pre_roll_ms"), "{:?}", late.notes);
        // The cameras had only just started, too.
        let started =
            grant(at(4100), ms(500), ms(700), at(5000), ms(60), &[reach(4200, Some(4500))]).unwrap();
        assert_eq!(started.window.start_ns, at(4200));
    }

    #[test]
    fn a_camera_that_has_just_started_gives_what_it_has() {
        let granted =
            grant(at(5000), ms(500), ms(0), at(5000), ms(60), &[reach(4200, Some(4800)), reach(4200, None)])
                .unwrap();
        assert_eq!(granted.window.start_ns, at(4800));
        assert!(granted.notes[0].contains("200 ms instead of 500 ms"), "{:?}", granted.notes);
    }

    #[test]
    fn the_future_and_the_forgotten_past_are_refused() {
        let future = grant(at(5061), ms(500), ms(0), at(5000), ms(60), &[reach(4200, None)]).unwrap_err();
        assert_eq!(future, Refusal::InTheFuture { ahead_ms: 61, at_most_ms: 60 });
        let ahead = grant(at(5060), ms(10), ms(20), at(5000), ms(60), &[reach(4200, None)]).unwrap();
        assert_eq!(ahead.window, Window { start_ns: at(5050), end_ns: at(5080) });
        let past = grant(at(4000), ms(500), ms(199), at(5000), ms(60), &[reach(4200, None)]).unwrap_err();
        assert_eq!(past, Refusal::TooLongAgo { ago_ms: 1000, reach_ms: 800 });
    }
}
