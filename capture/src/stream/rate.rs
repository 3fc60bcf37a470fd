//! The rate of a stream, from the times of its first frames. Pure.

/// Rates that cameras are set to, in frames a second. No camera is set to 29.83.
const USUAL: [f64; 25] = [
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5, 8.0, 10.0, 12.0, 12.5, 15.0, 20.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0,
    72.0, 75.0, 90.0, 100.0, 120.0, 240.0,
];
/// A measured rate is a usual one that is less than this away.
const NEAR_USUAL: f64 = 0.04;
/// A step is like the usual one if it is less than this away.
const LIKE: f64 = 0.2;
/// So many alike steps are no coincidence.
const SURE_STEPS: usize = 12;
/// Many frames in one piece are a burst and no rate.
const FASTEST: f64 = 1_000.0;

/// A measured rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) fps: f64,
    pub(super) trust: Trust,
}

/// The trust that a measured rate deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// Frames come in pieces, or there are too few of them: more would tell better.
    Guess,
    /// Most frames come one like the other.
    Regular,
    /// Nearly all do, and they are many.
    Sure,
}

/// The rate of frames with these times, in nanoseconds, in order.
///
/// Frames that a server had kept come at once in the beginning, frames that it leaves out make steps of twice the length, and a busy machine
/// delays some: none of that touches the step that most have. Where frames come in pieces there is no such step, and the median of the ways
/// from the first half to the second counts.
pub(super) fn rate(times: &[i64]) -> Rate {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let all = steps.len();
    let Some(usual) = median(&mut steps) else { return Rate { fps: 1.0, trust: Trust::Guess } };
    let alike: Vec<i64> = steps.into_iter().filter(|step| is_like(*step, usual)).collect();
    let trust = match alike.len() {
        alike if usual <= 0 || alike < 2 || alike * 5 < all * 3 => Trust::Guess,
        alike if alike >= SURE_STEPS && alike * 5 >= all * 4 => Trust::Sure,
        _ => Trust::Regular,
    };
    let step_ns = if trust == Trust::Guess { step_between_halves(times) } else { mean(&alike) };
    Rate { fps: if step_ns > 0.0 { usual_rate(1e9 / step_ns) } else { 1.0 }, trust }
}

/// A step that differs from the usual one by less than a fifth.
#[expect(clippy::cast_precision_loss, reason = "some seconds in nanoseconds")]
fn is_like(step: i64, usual: i64) -> bool {
    step.saturating_sub(usual).unsigned_abs() as f64 <= usual as f64 * LIKE
}

/// The median of the steps of a frame between two that lie half of all frames apart.
#[expect(clippy::cast_precision_loss, reason = "some seconds in nanoseconds")]
fn step_between_halves(times: &[i64]) -> f64 {
    let apart = times.len() / 2;
    let mut ways: Vec<i64> =
        times.iter().zip(&times[apart..]).map(|(from, to)| to.saturating_sub(*from)).collect();
    median(&mut ways).map_or(0.0, |way| way as f64 / apart.max(1) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "some seconds in nanoseconds")]
fn mean(of: &[i64]) -> f64 {
    of.iter().map(|step| *step as f64).sum::<f64>() / of.len().max(1) as f64
}

/// The usual rate that a measured one is near, else whole frames a second, or tenths of a slow camera.
fn usual_rate(measured: f64) -> f64 {
    let away = |usual: &f64| (measured / usual - 1.0).abs();
    let nearest = USUAL.into_iter().min_by(|a, b| away(a).total_cmp(&away(b)));
    match nearest.filter(|usual| away(usual) < NEAR_USUAL) {
        Some(usual) => usual,
        None if measured >= 5.0 => measured.round().min(FASTEST),
        None => (measured * 10.0).round().max(1.0) / 10.0,
    }
}

fn median(of: &mut [i64]) -> Option<i64> {
    let middle = of.len() / 2;
    if of.is_empty() { None } else { Some(*of.select_nth_unstable(middle).1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_steps(steps_ms: &[i64]) -> Rate {
        let mut now = 9;
        let mut times = vec![now];
        for step in steps_ms {
            now += step * 1_000_000;
            times.push(now);
        }
        rate(&times)
    }

    #[test]
    fn a_rate_is_that_of_the_step_that_most_frames_have() {
        for (name, steps_ms, fps) in [
            ("even", &[33, 34, 33, 33, 34, 33, 33][..], 30.0),
            ("an old frame first, then jitter", &[2, 20, 13, 17, 16, 17, 15, 18], 60.0),
            ("five kept frames first", &[1, 1, 0, 1, 33, 33, 34, 33, 33, 34, 33, 33, 34, 33], 30.0),
            ("a third left out", &[33, 66, 33, 67, 33, 33, 67, 33, 33, 66, 33], 30.0),
            ("a busy machine", &[33, 90, 2, 7, 33, 34, 31, 35, 33, 70, 3, 28, 33, 33], 30.0),
            ("slow", &[400, 400, 401], 2.5),
            ("two frames", &[2_500], 0.4),
            ("two frames far apart", &[40_000], 0.1),
            ("one frame", &[], 1.0),
            ("two at once", &[0], 1.0),
            ("no usual rate", &[77, 77, 76, 77, 77], 13.0),
            ("29.97", &[33, 34, 33, 33, 34, 33, 34, 33, 34], 30.0),
            ("31 of a busy machine", &[32, 33, 32, 32, 32, 33, 32], 30.0),
        ] {
            let rate = of_steps(steps_ms);
            assert!((rate.fps - fps).abs() < 1e-9, "{name}: {rate:?}");
        }
    }

    #[test]
    fn frames_that_come_in_pieces_are_counted_over_half_of_the_time() {
        let pieces: Vec<i64> = (0..48).map(|n| if n % 6 == 5 { 200 } else { 0 }).collect();
        let rate = of_steps(&pieces);
        assert!((rate.fps - 30.0).abs() < 1e-9 && rate.trust == Trust::Guess, "{rate:?}");
        assert!(of_steps(&[0; 40]).fps <= FASTEST);
    }

    #[test]
    fn a_rate_is_sure_when_many_frames_come_alike() {
        let (even, torn) = ([33; 12], [33, 90, 2, 7, 33, 34, 31, 35, 33, 70, 3, 28, 33, 33]);
        assert_eq!(of_steps(&even).trust, Trust::Sure);
        assert_eq!(of_steps(&even[..11]).trust, Trust::Regular);
        assert_eq!(of_steps(&torn).trust, Trust::Regular);
        assert_eq!(of_steps(&[33]).trust, Trust::Guess);
        assert!(Trust::Sure > Trust::Regular && Trust::Regular > Trust::Guess);
    }
}
