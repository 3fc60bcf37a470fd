//! Cameras that are a formula, before a lamp that is one.

use super::super::flashes::Sample;
use super::*;

const MS: f64 = 1e6;

/// A camera: its period, the moment of its first frame, the time by which its capture times are late, and the part of a
/// period for which a frame takes in light.
#[derive(Clone, Copy)]
struct Camera {
    period: f64,
    phase: f64,
    late: f64,
    exposure: f64,
    /// Each frame's brightness is off by up to this.
    noise: f64,
}

const PLAIN: Camera = Camera { period: 20.0 * MS, phase: 0.0, late: 0.0, exposure: 0.0, noise: 0.0 };

/// Numbers without a pattern between 0 and 1, the same each time.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a minute at most")]
fn whole(ns: f64) -> i64 {
    ns.round() as i64
}

/// A lamp's moments of going on and off, in turn.
fn by_hand(flashes: usize, dice: &mut Dice) -> Vec<f64> {
    let mut now = 1000.0 * MS;
    let mut moments = Vec::new();
    for _ in 0..flashes {
        now += (500.0 + 400.0 * dice.next()) * MS;
        moments.push(now);
        now += (200.0 + 200.0 * dice.next()) * MS;
        moments.push(now);
    }
    moments
}

fn regular(flashes: u32, every: f64) -> Vec<f64> {
    (1..=flashes).flat_map(|n| [f64::from(n) * every, f64::from(n) * every + 100.3 * MS]).collect()
}

/// The time for which the lamp is on until a moment.
fn lit_until(moments: &[f64], t: f64) -> f64 {
    moments.chunks(2).map(|pair| (t.min(pair[1]) - pair[0]).max(0.0)).sum()
}

impl Camera {
    fn sees(self, moments: &[f64], dice: &mut Dice) -> Brightness {
        let times = (0_u32..).map(|n| self.phase + f64::from(n) * self.period);
        let samples: Vec<Sample> = times
            .take_while(|t| *t < moments.last().unwrap() + 1000.0 * MS)
            .map(|t| {
                let exposure = (self.exposure * self.period).max(1.0);
                let part = (lit_until(moments, t + exposure) - lit_until(moments, t)) / exposure;
                let luma = 60.0 + 120.0 * part + self.noise * (dice.next() - 0.5) * 2.0;
                Sample { at_ns: whole(t + self.late), luma }
            })
            .collect();
        Brightness::of(&samples)
    }
}

#[test]
fn twenty_flashes_tell_the_offset_to_a_period_through_the_root_of_twenty() {
    let (mut within_the_rule, mut within_its_error) = (0, 0);
    for seed in 1..=200 {
        let mut dice = Dice::new(seed);
        let moments = by_hand(20, &mut dice);
        let first = PLAIN.sees(&moments, &mut dice);
        let late = Camera { phase: 20.0 * MS * dice.next(), late: 83.0 * MS, ..PLAIN };
        let offset = of(&late.sees(&moments, &mut dice), &first).unwrap();
        assert_eq!((offset.edges, offset.in_step), (40, false));
        let error = (offset.later_ns - 83.0 * MS).abs();
        within_the_rule += u32::from(error <= 20.0 * MS / 20_f64.sqrt());
        within_its_error += u32::from(error <= offset.error_ns);
    }
    assert!(within_the_rule >= 198, "{within_the_rule}");
    assert!(within_its_error >= 186, "{within_its_error} of 200 within the error that was told");
}

#[test]
fn cameras_of_other_rates_exposures_and_with_noise_are_measured_too() {
    for seed in 1..=50 {
        let mut dice = Dice::new(seed);
        let moments = by_hand(20, &mut dice);
        let first = Camera { noise: 4.0, exposure: 0.5, ..PLAIN }.sees(&moments, &mut dice);
        let late = Camera { period: 33.3 * MS, phase: 7.0 * MS, late: 140.0 * MS, exposure: 0.3, noise: 4.0 };
        let offset = of(&late.sees(&moments, &mut dice), &first).unwrap();
        // A frame is as early as its exposure begins, on average half of it: 5 ms in both.
        let error = (offset.later_ns - 140.0 * MS).abs();
        assert!(error <= 2.0 * offset.error_ns && offset.error_ns < 6.0 * MS, "{offset:?}");
    }
}

#[test]
fn an_earlier_camera_has_an_offset_below_nothing() {
    let mut dice = Dice(7);
    let moments = by_hand(10, &mut dice);
    let first = Camera { late: 300.0 * MS, ..PLAIN }.sees(&moments, &mut dice);
    let offset = of(&PLAIN.sees(&moments, &mut dice), &first).unwrap();
    assert!((offset.later_ns + 300.0 * MS).abs() < offset.error_ns, "{offset:?}");
}

#[test]
fn light_in_step_with_the_frames_is_told_and_its_error_does_not_shrink() {
    let mut dice = Dice(3);
    let in_step = regular(20, 1000.0 * MS);
    let first = PLAIN.sees(&in_step, &mut dice);
    let late = Camera { phase: 13.0 * MS, late: 40.0 * MS, ..PLAIN };
    let offset = of(&late.sees(&in_step, &mut dice), &first).unwrap();
    assert!(offset.in_step && offset.error_ns > 15.0 * MS, "{offset:?}");
    assert!((offset.later_ns - 40.0 * MS).abs() <= offset.error_ns);
    let out_of_step = regular(20, 1037.0 * MS);
    let first = PLAIN.sees(&out_of_step, &mut dice);
    let offset = of(&late.sees(&out_of_step, &mut dice), &first).unwrap();
    assert!(!offset.in_step && (offset.later_ns - 40.0 * MS).abs() <= offset.error_ns, "{offset:?}");
}

#[test]
fn edges_that_one_of_them_missed_are_left_out() {
    let mut dice = Dice(11);
    let moments = by_hand(12, &mut dice);
    let first = PLAIN.sees(&moments, &mut dice);
    let mut other = Camera { phase: 4.0 * MS, late: 25.0 * MS, ..PLAIN }.sees(&moments, &mut dice);
    other.edges.drain(3..9);
    let offset = of(&other, &first).unwrap();
    assert_eq!(offset.edges, 18);
    assert!((offset.later_ns - 25.0 * MS).abs() <= offset.error_ns, "{offset:?}");
}

#[test]
fn too_few_flashes_give_no_offset() {
    let mut dice = Dice(5);
    let moments = by_hand(1, &mut dice);
    let [first, dark] = [Camera { late: 1.0, ..PLAIN }, PLAIN].map(|camera| camera.sees(&moments, &mut dice));
    assert_eq!(of(&first, &dark), Err(TooFew::Together(2)));
    let dark = Brightness { edges: Vec::new(), ..dark };
    assert_eq!(of(&dark, &first), Err(TooFew::None));
    assert_eq!(of(&first, &dark), Err(TooFew::None));
    let mut far = first.clone();
    far.edges.iter_mut().for_each(|edge| edge.at_ns += 3_000_000_000);
    assert_eq!(of(&far, &first), Err(TooFew::Together(0)));
}
