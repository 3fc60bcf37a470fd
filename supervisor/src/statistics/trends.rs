//! What the figures of each second show together over a minute and over days: frames lost by live cameras, the processors'
//! use, memory that grows, a clock that was set. The verdict on it is in [`crate::health`].

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use proto::status::CameraStatus;
use proto::time::{MonotonicNs, WallAnchor};

use super::ring;
use super::view::CameraView;
use crate::health::Reason;
use crate::health::flow::Flow;
use crate::health::growth::{Growth, GrowthWatch};
use crate::health::surroundings::ClockWatch;

/// The span that rates are told of.
const MINUTE: Duration = Duration::from_secs(60);

/// A camera's counts at one moment.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) camera: String,
    pub(super) is_live: bool,
    pub(super) captured: u64,
    pub(super) lost_by_camera: u64,
    pub(super) lost_ring_full: u64,
    pub(super) nominal_fps: f64,
    pub(super) may_stand_still: bool,
}

impl Counted {
    pub(super) fn of(view: &CameraView) -> Self {
        let dropped = ring::dropped(&view.ring);
        Self {
            camera: view.name.clone(),
            is_live: view.status == CameraStatus::Live,
            captured: view.ring.head(),
            lost_by_camera: dropped.by_camera,
            lost_ring_full: dropped.ring_full,
            nominal_fps: view.nominal_fps,
            may_stand_still: view.may_stand_still,
        }
    }
}

/// The figures of one second.
pub(super) struct Second {
    /// Of one core, all processes together.
    pub(super) cpu_percent: f64,
    /// Of all processes, without the backlog.
    pub(super) memory_bytes: u64,
    pub(super) clips_open: u64,
    pub(super) cameras: Vec<Counted>,
}

/// The present trends.
#[derive(Clone, Debug, Default)]
pub(super) struct Trends {
    /// Of one core, over the last minute.
    pub(super) cpu_percent: f64,
    pub(super) growth: Option<Growth>,
    /// The most clips that were open at a time. The heap may keep what it once held for them.
    pub(super) most_open: u64,
    pub(super) flows: Vec<Flow>,
    pub(super) clock: Option<Reason>,
}

/// The watch over all of them.
pub(super) struct TrendWatch {
    growth: GrowthWatch,
    most_open: u64,
    clock: ClockWatch,
    /// Seconds of processor time, by the moment at which they were read.
    cpu: VecDeque<(Instant, f64)>,
    cpu_read: Instant,
    cameras: HashMap<String, VecDeque<(Instant, Counted)>>,
}

impl TrendWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            growth: GrowthWatch::new(now),
            most_open: 0,
            clock: ClockWatch::default(),
            cpu: VecDeque::new(),
            cpu_read: now,
            cameras: HashMap::new(),
        }
    }

    /// Takes the figures of a second.
    pub(super) fn note(&mut self, second: Second, now: Instant) -> Trends {
        let (wall, monotonic) = (WallAnchor::now().unix_ns, MonotonicNs::now().0);
        let signed = |ns| i64::try_from(ns).unwrap_or(i64::MAX);
        self.clock.note(signed(wall), signed(monotonic), now);
        self.most_open = self.most_open.max(second.clips_open);
        Trends {
            cpu_percent: self.cpu(second.cpu_percent, now),
            growth: self.growth.note(second.memory_bytes, now),
            most_open: self.most_open,
            flows: self.flows(second.cameras, now),
            clock: self.clock.reason(now),
        }
    }

    /// The time before the first reading counts as idle: trying the encoders at a start is no load.
    fn cpu(&mut self, percent: f64, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.cpu_read);
        self.cpu_read = now;
        self.cpu.push_back((now, percent * passed.as_secs_f64()));
        while self.cpu.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > MINUTE) {
            self.cpu.pop_front();
        }
        self.cpu.iter().map(|(_, used)| used).sum::<f64>() / MINUTE.as_secs_f64()
    }

    fn flows(&mut self, cameras: Vec<Counted>, now: Instant) -> Vec<Flow> {
        let mut last = std::mem::take(&mut self.cameras);
        for counted in cameras {
            let mut counts = last.remove(&counted.camera).unwrap_or_default();
            // What is lost while a camera is away is told as its being away; and a ring that was made anew begins at zero.
            let goes_on = counts.back().is_some_and(|(_, then)| then.captured <= counted.captured);
            if !counted.is_live || !goes_on {
                counts.clear();
            }
            if counted.is_live {
                counts.push_back((now, counted.clone()));
            }
            while counts.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > MINUTE) {
                counts.pop_front();
            }
            self.cameras.insert(counted.camera, counts);
        }
        let mut flows: Vec<Flow> = self.cameras.values().filter_map(flow).collect();
        flows.sort_by(|one, other| one.camera.cmp(&other.camera));
        flows
    }
}

fn flow(counts: &VecDeque<(Instant, Counted)>) -> Option<Flow> {
    let ((since, first), (until, last)) = (counts.front()?, counts.back()?);
    Some(Flow {
        camera: last.camera.clone(),
        captured: last.captured.saturating_sub(first.captured),
        lost_by_camera: last.lost_by_camera.saturating_sub(first.lost_by_camera),
        lost_ring_full: last.lost_ring_full.saturating_sub(first.lost_ring_full),
        seconds: until.saturating_duration_since(*since).as_secs_f64(),
        nominal_fps: last.nominal_fps,
        may_stand_still: last.may_stand_still,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(is_live: bool, captured: u64, lost_by_camera: u64) -> Counted {
        Counted {
            camera: "left".into(),
            is_live,
            captured,
            lost_by_camera,
            lost_ring_full: 0,
            nominal_fps: 60.0,
            may_stand_still: false,
        }
    }

    #[test]
    fn frames_are_counted_over_the_last_minute_in_which_a_camera_was_live() {
        let start = Instant::now();
        let mut watch = TrendWatch::new(start);
        let mut look = |s, counted| watch.flows(vec![counted], start + Duration::from_secs(s)).pop();
        let figures = |flow: Option<Flow>| flow.map(|f| (f.captured, f.lost_by_camera, f.seconds));
        assert_eq!(look(0, counted(false, 0, 0)), None);
        assert_eq!(figures(look(1, counted(true, 60, 0))), Some((0, 0, 0.0)));
        assert_eq!(figures(look(11, counted(true, 600, 60))), Some((540, 60, 10.0)));
        assert_eq!(
            figures(look(71, counted(true, 4200, 60))),
            Some((3600, 0, 60.0)),
            "no longer than a minute"
        );
        assert_eq!(look(72, counted(false, 4200, 60)), None);
        // It is back: the frames that it couldn't deliver meanwhile were told as its being away.
        assert_eq!(figures(look(80, counted(true, 4210, 540))), Some((0, 0, 0.0)));
        assert_eq!(figures(look(81, counted(true, 4270, 540))), Some((60, 0, 1.0)));
        assert_eq!(figures(look(82, counted(true, 3, 0))), Some((0, 0, 0.0)), "its ring was made anew");
    }

    #[test]
    fn a_burst_is_a_small_part_of_a_minute() {
        let start = Instant::now();
        let mut watch = TrendWatch::new(start);
        let mut look = |s, percent| watch.cpu(percent, start + Duration::from_secs(s));
        assert!((look(1, 120.0) - 2.0).abs() < 1e-9);
        assert!((look(2, 180.0) - 5.0).abs() < 1e-9);
        for s in 3..62 {
            look(s, 60.0);
        }
        assert!((look(63, 60.0) - 60.0).abs() < 1.1, "the burst is over a minute old");
    }
}
