//! The mapper in simulated time: hours of a camera take milliseconds.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The way of the simulated frames at its shortest, and what a perfect mapping has in it.
const WAY_NS: i64 = 2 * MS;
const MS: i64 = 1_000_000;
/// The device's clock when the simulation begins.
const DEVICE_BEGINS: i64 = 987_654_321_012;
/// The machine's.
const BEGINS: i64 = 5_000 * SECOND_NS;

/// Splitmix64: the same ways in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, but without, `end`.
    fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.next() % end.unsigned_abs()).unwrap()
    }

    /// Jitter as networks have it: exponential, of this mean.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "some milliseconds")]
    fn exponential(&mut self, mean_ns: i64) -> i64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (-(1.0 - uniform).ln() * mean_ns as f64) as i64
    }
}

/// A camera and the way of its frames.
struct Rig {
    mapper: Mapper,
    dice: Dice,
    period_ns: i64,
    ppm: i64,
    jitter_ns: i64,
    /// Added to the device's clock.
    set_by: i64,
    /// The true time of the next frame, from the beginning.
    next: i64,
    /// No frame arrives before this moment.
    held_until: i64,
    last_arrival: i64,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    /// The frame's true time.
    exposed: i64,
    arrival: i64,
    mapped: Mapped,
}

impl Seen {
    fn t(&self) -> i64 {
        i64::try_from(self.mapped.t_capture.0).unwrap() - BEGINS
    }

    /// The mapped time minus the true one.
    fn error(&self) -> i64 {
        self.t() - self.exposed
    }
}

fn rig(fps_milli: i64, ppm: i64, jitter_ns: i64) -> Rig {
    Rig {
        mapper: Mapper::new(None),
        dice: Dice(7),
        period_ns: 1_000 * SECOND_NS / fps_milli,
        ppm,
        jitter_ns,
        set_by: 0,
        next: 0,
        held_until: 0,
        last_arrival: 0,
        seen: Vec::new(),
    }
}

impl Rig {
    fn device(&self, exposed: i64) -> i64 {
        DEVICE_BEGINS + self.set_by + exposed + exposed / 1_000_000 * self.ppm
    }

    /// The next frame.
    fn step(&mut self) {
        let exposed = self.next;
        self.next += self.period_ns;
        let arrival = exposed + WAY_NS + self.dice.exponential(self.jitter_ns);
        // Frames arrive in order.
        let arrival = arrival.max(self.held_until).max(self.last_arrival + 1_000);
        self.last_arrival = arrival;
        let at = MonotonicNs(u64::try_from(BEGINS + arrival).unwrap());
        let mapped = self.mapper.map(self.device(exposed), at);
        self.seen.push(Seen { exposed, arrival, mapped });
    }

    fn run(&mut self, seconds: i64) -> &mut Self {
        let end = self.next + seconds * SECOND_NS;
        while self.next < end {
            self.step();
        }
        self
    }

    fn anchors_after(&self) -> usize {
        self.seen.iter().filter(|seen| seen.mapped.new_anchor).count()
    }

    /// The first and the 99th hundredth of all errors, in microseconds, minus the constant way.
    fn errors_us(&self) -> (i64, i64) {
        errors_us(&self.seen)
    }
}

fn errors_us(seen: &[Seen]) -> (i64, i64) {
    let mut errors: Vec<i64> = seen.iter().map(|seen| (seen.error() - WAY_NS) / 1_000).collect();
    errors.sort_unstable();
    let hundredth = errors.len() / 100;
    (errors[hundredth], errors[errors.len() - 1 - hundredth])
}

fn arrivals_p99_us(rig: &Rig) -> i64 {
    let mut ways: Vec<i64> =
        rig.seen.iter().map(|seen| (seen.arrival - seen.exposed - WAY_NS) / 1_000).collect();
    ways.sort_unstable();
    ways[ways.len() - 1 - ways.len() / 100]
}

#[track_caller]
fn assert_within_us(rig: &Rig, most_us: i64) {
    let (low, high) = rig.errors_us();
    assert!(low >= -most_us && high <= most_us, "{low} to {high} µs");
}

#[test]
fn twenty_minutes_of_jitter_and_drift_lie_within_a_millisecond_of_a_constant_offset() {
    for (name, ppm, jitter_ns, most_us) in
        [("GigE", 30, 3 * MS / 10, 300), ("RTP", 80, 3 * MS, 1_000), ("RTP, slow", -80, 3 * MS, 1_000)]
    {
        let mut rig = rig(30_000, ppm, jitter_ns);
        rig.run(20 * 60);
        println!("{name}: {:?} µs, arrivals' p99 {} µs", rig.errors_us(), arrivals_p99_us(&rig));
        assert_within_us(&rig, most_us);
        assert_eq!(
            (rig.anchors_after(), rig.mapper.anchors(), rig.mapper.falls_back()),
            (0, 1, false),
            "{name}"
        );
        let error_ns = rig.mapper.error_ns().unwrap();
        assert!(error_ns < 1_000_000, "{name}: {error_ns}");
    }
}

#[test]
fn frames_that_a_network_holds_up_keep_their_times() {
    let mut rig = rig(30_000, 80, MS);
    for _ in 0..600 {
        let pause = 1 + rig.dice.below(3);
        rig.run(pause);
        rig.held_until = rig.next + 200 * MS;
    }
    assert!(arrivals_p99_us(&rig) > 50_000);
    assert_within_us(&rig, 1_000);
    assert_eq!(rig.anchors_after(), 0);
}

#[test]
fn frames_that_wait_three_seconds_for_a_busy_process_keep_their_times() {
    let mut rig = rig(30_000, 80, MS);
    rig.run(60);
    rig.held_until = rig.next + 3 * SECOND_NS;
    let held = rig.seen.len();
    rig.run(60);
    assert_eq!(rig.anchors_after(), 0);
    let (low, high) = errors_us(&rig.seen[held..]);
    assert!(low > -1_000 && high < 1_000, "{low} to {high} µs");
}

#[test]
fn a_stream_that_begins_with_kept_frames_finds_its_offset_within_a_second() {
    let mut rig = rig(30_000, 0, MS / 10);
    rig.held_until = 2 * SECOND_NS;
    rig.run(60);
    assert_eq!((rig.anchors_after(), rig.mapper.anchors()), (0, 1));
    let (low, high) = errors_us(&rig.seen[100..]);
    assert!(low > -1_000 && high < 1_000, "{low} to {high} µs");
}

#[test]
fn a_clock_that_is_set_gets_one_new_anchor_and_the_same_error() {
    for set_by in [-3_600 * SECOND_NS, 3_600 * SECOND_NS, -2 * SECOND_NS, 2 * SECOND_NS] {
        let mut rig = rig(30_000, 80, 3 * MS);
        rig.run(600);
        rig.set_by = set_by;
        rig.run(600);
        assert_eq!((rig.anchors_after(), rig.mapper.anchors()), (1, 2), "{set_by}");
        assert!(!rig.mapper.falls_back());
        assert_within_us(&rig, 1_000);
    }
}

/// Set back by less than frames can be late, the clock is found out only when its frames stay late.
#[test]
fn a_clock_that_is_set_back_during_a_pause_gets_its_anchor_within_two_seconds() {
    let mut rig = rig(30_000, 0, MS);
    rig.run(60);
    rig.next += 10 * SECOND_NS;
    rig.set_by = -4 * SECOND_NS;
    let paused = rig.seen.len();
    rig.run(60);
    let anchor = rig.seen[paused..].iter().position(|seen| seen.mapped.new_anchor).unwrap();
    assert!(anchor < 60, "{anchor} frames");
    assert_eq!(rig.anchors_after(), 1);
}

#[test]
fn a_clock_that_lies_by_two_percent_is_not_believed() {
    for ppm in [20_000, -20_000] {
        let mut rig = rig(30_000, ppm, MS);
        rig.run(20 * 60);
        assert!(rig.mapper.falls_back());
        assert_eq!((rig.mapper.error_ns(), rig.anchors_after()), (None, 1), "{ppm}");
        assert_eq!(rig.mapper.time(CaptureTime::Rtp).source, CaptureTime::Arrival);
        for seen in &rig.seen {
            let behind = seen.arrival - seen.t();
            assert!(behind < SECOND_NS, "{behind} ns behind its arrival");
            assert!(seen.exposed < 60 * SECOND_NS || behind == 0, "{ppm}: {behind} at {}", seen.exposed);
        }
    }
}

#[test]
fn a_clock_that_runs_away_slowly_is_not_believed_either() {
    let mut rig = rig(30_000, -3_000, MS);
    rig.run(20 * 60);
    assert!(rig.mapper.falls_back());
    assert!(rig.seen.iter().all(|seen| seen.arrival - seen.t() < SECOND_NS));
}

#[test]
fn a_clock_that_has_come_to_its_senses_is_believed_again() {
    let mut rig = rig(30_000, 20_000, MS);
    rig.run(120);
    assert!(rig.mapper.falls_back());
    let before = rig.device(rig.next);
    rig.ppm = 50;
    rig.set_by += before - rig.device(rig.next);
    rig.run(120);
    assert!(!rig.mapper.falls_back());
    assert_eq!((rig.anchors_after(), rig.mapper.time(CaptureTime::Device).source), (2, CaptureTime::Device));
    let calm = &rig.seen[rig.seen.len() - 1_000..];
    let (low, high) = errors_us(calm);
    assert!(low > -1_000 && high < 1_000, "{low} to {high} µs");
}

#[test]
fn a_clock_that_stands_still_is_left_at_once_and_its_frames_are_marked() {
    let mut mapper = Mapper::new(None);
    for n in 0..100 {
        let arrival = MonotonicNs(BEGINS.unsigned_abs() + n * 33_000_000);
        let mapped = mapper.map(0, arrival);
        let still = u64::from(STILL_FRAMES) - 1;
        assert_eq!(mapped.is_repaired, (1..still).contains(&n), "frame {n}");
        assert_eq!(mapped.t_capture == arrival, n == 0 || n >= still, "frame {n}");
        assert_eq!(mapped.new_anchor, n == still);
    }
    assert!(mapper.falls_back());
}

/// Eight times a day the crystal's temperature swings, and its rate with it.
#[test]
fn a_day_of_drift_stays_as_exact_as_a_minute() {
    let mut rig = rig(100, 0, 3 * MS);
    let mut device = 0;
    for n in 0..24 * 60 {
        let swing = i64::abs(n % 180 - 90) - 45;
        let ppm = 80 + 20 * swing / 45;
        let before = rig.device(rig.next);
        rig.ppm = ppm;
        rig.set_by += before - rig.device(rig.next);
        rig.run(60);
        device += ppm * 60_000;
    }
    assert!(device > 6 * SECOND_NS, "the clocks are {device} ns apart after a day");
    println!("{:?} µs", rig.errors_us());
    assert_within_us(&rig, 3_000);
    assert_eq!((rig.anchors_after(), rig.mapper.anchors()), (0, 1));
}

#[test]
fn every_rate_of_frames_is_mapped() {
    for (fps_milli, minutes, most_us) in [(200, 60, 3_000), (1_000, 20, 2_000), (240_000, 5, 1_000)] {
        let mut rig = rig(fps_milli, 80, 3 * MS);
        rig.run(60 * minutes);
        println!("{fps_milli}: {:?} µs", rig.errors_us());
        assert_within_us(&rig, most_us);
        assert_eq!(rig.anchors_after(), 0);
    }
}

#[test]
fn frames_that_stop_for_minutes_go_on_where_the_clock_is() {
    let mut rig = rig(30_000, 120, 3 * MS);
    for pause in [60, 300, 1_800] {
        rig.run(120);
        rig.next += pause * SECOND_NS;
        let back = rig.seen.len();
        rig.run(30);
        let worst = rig.seen[back..].iter().map(|seen| (seen.error() - WAY_NS).abs()).max().unwrap();
        assert!(worst < 20 * MS, "{worst} ns off after {pause} s");
    }
    assert_eq!(rig.anchors_after(), 0);
    assert_within_us(&rig, 2_000);
}

#[test]
fn the_offset_moves_by_a_millisecond_a_second_and_times_keep_their_steps() {
    let mut rig = rig(30_000, 80, 3 * MS);
    rig.run(600);
    let found = rig.seen.partition_point(|seen| seen.arrival < FINDING_NS + SECOND_NS);
    for pair in rig.seen[found..].windows(2) {
        // A frame on the shortest way is held back to its arrival.
        let is_clamped = pair.iter().any(|seen| seen.t() >= seen.arrival);
        let moved = pair[1].error() - pair[0].error();
        let most = (pair[1].arrival - pair[0].arrival) / 1_000 + 10_000;
        assert!(is_clamped || moved.abs() <= most, "{moved} ns from one frame to the next");
    }
}

#[test]
fn a_camera_that_is_opened_again_has_an_anchor_behind_the_frames_before() {
    let mut first = Mapper::new(None);
    assert!(!first.map(5, MonotonicNs(1_000_000)).new_anchor);
    let mut again = Mapper::new(Some(MonotonicNs(1_000_000)));
    let mapped = again.map(5, MonotonicNs(1_000_100));
    assert_eq!(mapped, Mapped { t_capture: MonotonicNs(1_001_000), new_anchor: true, is_repaired: true });
    assert!(mapped.flags().contains(FrameFlags::NEW_ANCHOR.with(FrameFlags::TIME_REPAIRED)));
    assert_eq!(again.map(33_000_005, MonotonicNs(34_000_100)).flags(), FrameFlags::NONE);
}

#[test]
fn the_memory_of_an_envelope_is_bounded() {
    let mut envelope = Envelope::new(0);
    for n in 0..100_000 {
        envelope.add(n * SECOND_NS / 3, n % 7);
        assert!(envelope.seconds() <= 60);
    }
}

proptest! {
    #[test]
    fn no_clock_makes_times_that_fall_or_that_are_later_than_their_arrivals(
        newest in proptest::option::of(0_u64..1 << 40),
        frames in proptest::collection::vec((any::<i64>(), 0_u64..1 << 36, 0_u8..4), 1..300),
    ) {
        let mut mapper = Mapper::new(newest.map(MonotonicNs));
        let (mut last, mut arrival) = (newest.map(MonotonicNs), MonotonicNs(1 << 30));
        let mut device = 0_i64;
        for (noise, pause, kind) in frames {
            arrival = arrival + Duration::from_nanos(pause);
            device = match kind {
                0 => noise,
                1 => device,
                2 => device.saturating_add(noise >> 28),
                _ => device.saturating_add_unsigned(pause),
            };
            let t = mapper.map(device, arrival).t_capture;
            let rises_to = last.map(|last| last + LEAST_STEP);
            prop_assert!(rises_to.is_none_or(|least| t >= least));
            prop_assert!(t <= arrival || rises_to == Some(t));
            last = Some(t);
            prop_assert_eq!(mapper.falls_back(), mapper.error_ns().is_none());
        }
    }
}
