//! Repair of a film's times: from the times that its frames carry, in the order in which a decoder shows them, to times that
//! rise from frame to frame. Pure: plain numbers in, plain numbers out.
//!
//! A time that rises by no more than the longest step is kept. One that stands still, goes back or jumps is replaced: where the
//! frames behind it go on from the frames before it, it is put between them; where they don't (two recordings in one film), it
//! follows one period after the frame before it, and the times behind it keep their own steps from there on.

/// The steps of one film's times, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// From one frame to the next.
    pub(super) period_ns: u64,
    /// A longer step forward is a jump.
    pub(super) longest_ns: u64,
}

/// Times that rise from frame to frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rising {
    /// Each frame's time after the first one's.
    pub(super) starts_ns: Vec<u64>,
    /// The frames whose times were replaced, in order.
    pub(super) repaired: Vec<usize>,
}

/// So many frames with the same time, or without one, are spread over the time to the next one. More of them follow at the
/// film's period.
const SPREAD: usize = 256;

/// Makes the times rise. A film in which no frame has a time is counted at its period, and nothing of it is repaired.
pub(super) fn rising(times_ns: &[Option<i64>], steps: Steps) -> Rising {
    let period = i128::from(steps.period_ns.max(1));
    let Some(first) = times_ns.iter().flatten().next() else {
        let starts_ns =
            (0..times_ns.len() as u64).map(|n| n.saturating_mul(steps.period_ns.max(1))).collect();
        return Rising { starts_ns, repaired: Vec::new() };
    };
    let mut offset = -i128::from(times_ns[0].unwrap_or(*first));
    let mut rising = Rising { starts_ns: Vec::with_capacity(times_ns.len()), repaired: Vec::new() };
    let mut last: Option<i128> = None;
    for (at, time) in times_ns.iter().enumerate() {
        let own = time.map(|time| i128::from(time) + offset);
        let start = match (last, own) {
            (None, _) => 0,
            (Some(last), Some(own)) if fits(last, own, steps) => own,
            (Some(last), own) => {
                rising.repaired.push(at);
                let next = next_that_fits(times_ns, at, last, offset, steps);
                let start = last + next.map_or(period, |(next, frames)| period.min((next - last) / frames));
                // Nothing behind it goes on from the frames before: the times begin anew here.
                offset += own.filter(|_| next.is_none()).map_or(0, |own| start - own);
                start
            }
        };
        rising.starts_ns.push(u64::try_from(start).unwrap_or(u64::MAX));
        last = Some(start);
    }
    rising
}

fn fits(last: i128, time: i128, steps: Steps) -> bool {
    time > last && time - last <= i128::from(steps.longest_ns)
}

/// The time of the first frame behind `at` that has another time than it, if that goes on from `last`; and the number of steps
/// from `last` to it.
fn next_that_fits(
    times_ns: &[Option<i64>],
    at: usize,
    last: i128,
    offset: i128,
    steps: Steps,
) -> Option<(i128, i128)> {
    let behind = times_ns.iter().enumerate().skip(at + 1).take(SPREAD);
    let (next, time) =
        behind.filter_map(|(n, time)| Some((n, (*time)?))).find(|(_, t)| Some(*t) != times_ns[at])?;
    let time = i128::from(time) + offset;
    let frames = i128::try_from(next - at + 1).ok()?;
    // Each of them needs a nanosecond of its own.
    (fits(last, time, steps) && time - last >= frames).then_some((time, frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Steps = Steps { period_ns: 40, longest_ns: 10_000 };

    fn repaired(times: &[i64]) -> (Vec<u64>, Vec<usize>) {
        let times: Vec<Option<i64>> = times.iter().copied().map(Some).collect();
        let Rising { starts_ns, repaired } = rising(&times, STEPS);
        assert!(starts_ns.windows(2).all(|pair| pair[0] < pair[1]), "{starts_ns:?}");
        (starts_ns, repaired)
    }

    #[test]
    fn times_that_rise_are_kept_whatever_their_steps() {
        assert_eq!(repaired(&[500, 540, 541, 9_000]), (vec![0, 40, 41, 8_500], vec![]));
        assert_eq!(repaired(&[-80, -40, 0]), (vec![0, 40, 80], vec![]));
    }

    #[test]
    fn times_that_stand_still_are_spread_up_to_the_next_one() {
        assert_eq!(repaired(&[0, 40, 40, 120]), (vec![0, 40, 80, 120], vec![2]), "the film's own step fits");
        assert_eq!(repaired(&[0, 40, 40, 80]), (vec![0, 40, 60, 80], vec![2]), "there is no room for it");
        assert_eq!(repaired(&[0, 40, 40, 40, 70]), (vec![0, 40, 50, 60, 70], vec![2, 3]));
        assert_eq!(repaired(&[0, 40, 40, 40]), (vec![0, 40, 80, 120], vec![2, 3]), "nothing follows");
        assert_eq!(repaired(&[7, 7, 7]), (vec![0, 40, 80], vec![1, 2]));
    }

    #[test]
    fn a_recording_behind_another_goes_on_at_its_own_steps() {
        let (starts, at) = repaired(&[100, 140, 180, 0, 40, 90, 130, 170, 230]);
        assert_eq!((starts, at), (vec![0, 40, 80, 120, 160, 210, 250, 290, 350], vec![3]));
    }

    #[test]
    fn one_time_that_is_wrong_costs_no_other() {
        assert_eq!(repaired(&[0, 40, 80, 20, 160, 200]), (vec![0, 40, 80, 120, 160, 200], vec![3]), "back");
        assert_eq!(
            repaired(&[0, 40, 80, 1 << 40, 160, 200]),
            (vec![0, 40, 80, 120, 160, 200], vec![3]),
            "far"
        );
        assert_eq!(repaired(&[0, 40, 1 << 40]), (vec![0, 40, 80], vec![2]), "the last");
    }

    #[test]
    fn a_jump_is_one_step_and_what_follows_keeps_its_own() {
        assert_eq!(repaired(&[0, 40, 90_000, 90_040, 90_100]), (vec![0, 40, 80, 120, 180], vec![2]));
    }

    #[test]
    fn frames_without_a_time_get_one_and_a_film_without_times_is_counted() {
        let times = [Some(0), None, Some(80), None, None];
        let Rising { starts_ns, repaired } = rising(&times, STEPS);
        assert_eq!((starts_ns, repaired), (vec![0, 40, 80, 120, 160], vec![1, 3, 4]));
        let Rising { starts_ns, repaired } = rising(&[None; 3], STEPS);
        assert_eq!((starts_ns, repaired), (vec![0, 40, 80], vec![]));
        assert_eq!(rising(&[], STEPS), Rising::default());
    }

    #[test]
    fn any_times_rise_and_none_overflows() {
        let mut seed = 7_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        };
        for _ in 0..300 {
            let times: Vec<Option<i64>> = (0..60)
                .map(|_| match random() % 12 {
                    0 => None,
                    1 => Some(i64::MAX),
                    2 => Some(i64::MIN),
                    n => Some(i64::try_from(random() % (n * 50)).unwrap()),
                })
                .collect();
            let Rising { starts_ns, .. } = rising(&times, STEPS);
            assert_eq!(starts_ns.len(), times.len());
            assert!(starts_ns.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}: {starts_ns:?}");
        }
    }
}
