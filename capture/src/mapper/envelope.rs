//! [`Envelope`]: the lower edge of `x = arrival - device`, along which the frames with the shortest way lie. Pure, of bounded size: a
//! value for each of the last sixty seconds that had a frame, and work in proportion to their pairs once a second.

use std::collections::VecDeque;

use super::{SECOND_NS, clamped};

/// Seconds that are kept: a minute of a camera that has a frame in each.
const SECONDS: usize = 60;
/// Older ones are forgotten, unless there would be fewer than [`FEWEST`].
const OLDEST_NS: i64 = 600 * SECOND_NS;
/// A camera with a frame every few minutes, or one that has paused, still has a slope.
const FEWEST: usize = 8;
/// A slope over less time says more of the ways than of the clock.
const LEAST_SPAN_NS: i64 = 5 * SECOND_NS;
/// No crystal runs off by more than 300 parts in a million.
const MOST_PPB: i64 = 300_000;
/// With fewer seconds than this their spread says nothing.
const SPREAD_FROM: usize = 3;

/// Can a clock with this slope be one of crystal?
pub(super) fn is_of_a_crystal(slope_ppb: i64) -> bool {
    slope_ppb.saturating_abs() <= MOST_PPB
}

/// The frame with the shortest way of one second.
#[derive(Clone, Copy, Debug)]
struct Shortest {
    at: i64,
    x: i64,
}

/// The lower edge of `x`, in nanoseconds since any beginning.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// Of the last seconds that had frames, in order.
    seconds: VecDeque<Shortest>,
    /// Of the second that isn't over, and its number.
    open: Option<(i64, Shortest)>,
    slope_ppb: i64,
    /// The slope as the seconds have it, be it a crystal's or not; `None` while they span too little time.
    raw_slope_ppb: Option<i64>,
    /// The edge at the time `at`: it goes on from there with the slope.
    edge: Option<Shortest>,
    spread: u64,
    /// The room for the slopes between all seconds.
    slopes: Vec<i64>,
}

impl Envelope {
    /// No frame yet, of a clock that is likely to have this slope.
    pub(super) fn new(slope_ppb: i64) -> Self {
        Self {
            seconds: VecDeque::new(),
            open: None,
            slope_ppb,
            raw_slope_ppb: None,
            edge: None,
            spread: 0,
            slopes: Vec::new(),
        }
    }

    /// Adds a frame. True when a second has ended with it.
    pub(super) fn add(&mut self, at: i64, x: i64) -> bool {
        let frame = Shortest { at, x };
        let second = at.div_euclid(SECOND_NS);
        let has_closed = match &mut self.open {
            Some((open, shortest)) if *open == second => {
                if x < shortest.x {
                    *shortest = frame;
                }
                false
            }
            _ => {
                let ended = self.open.replace((second, frame));
                ended.is_some_and(|(_, shortest)| self.close(shortest, at))
            }
        };
        let edge = self.lowest_or(at, x);
        if self.seconds.len() < SPREAD_FROM {
            self.spread = self.spread.max(x.saturating_sub(edge).unsigned_abs());
        }
        if x <= edge {
            self.edge = Some(frame);
        }
        has_closed
    }

    /// Takes a second that is over, and works out the edge anew.
    fn close(&mut self, shortest: Shortest, at: i64) -> bool {
        self.seconds.push_back(shortest);
        while self.seconds.len() > SECONDS || (self.seconds.len() > FEWEST && self.is_first_old(at)) {
            self.seconds.pop_front();
        }
        self.raw_slope_ppb = self.median_slope_ppb();
        if let Some(slope) = self.raw_slope_ppb {
            self.slope_ppb = slope.clamp(-MOST_PPB, MOST_PPB);
        }
        let height =
            |second: &Shortest| second.x.saturating_add(drift(self.slope_ppb, at.saturating_sub(second.at)));
        let mut heights: Vec<i64> = self.seconds.iter().map(height).collect();
        if let Some(lowest) = heights.iter().copied().min() {
            self.edge = Some(Shortest { at, x: lowest });
            if self.seconds.len() >= SPREAD_FROM {
                self.spread =
                    median(&mut heights).map_or(0, |median| median.saturating_sub(lowest).unsigned_abs());
            }
        }
        true
    }

    fn is_first_old(&self, at: i64) -> bool {
        self.seconds.front().is_some_and(|first| at.saturating_sub(first.at) > OLDEST_NS)
    }

    /// The edge at a moment; 0 before the first frame.
    pub(super) fn lowest(&self, at: i64) -> i64 {
        self.lowest_or(at, 0)
    }

    fn lowest_or(&self, at: i64, without: i64) -> i64 {
        self.edge
            .map_or(without, |edge| edge.x.saturating_add(drift(self.slope_ppb, at.saturating_sub(edge.at))))
    }

    /// By how much the clock runs off, in parts of a thousand million; 0 while it isn't known.
    pub(super) fn slope_ppb(&self) -> i64 {
        self.slope_ppb
    }

    /// Half of the seconds lie above the edge by no more than this.
    pub(super) fn spread_ns(&self) -> u64 {
        self.spread
    }

    /// The number of seconds that are kept.
    #[cfg(test)]
    pub(super) fn seconds(&self) -> usize {
        self.seconds.len()
    }

    /// The slope over at least this span, whatever it is.
    pub(super) fn raw_slope_over(&self, span: i64) -> Option<i64> {
        self.raw_slope_ppb.filter(|_| self.span() >= span)
    }

    fn span(&self) -> i64 {
        let ends = self.seconds.front().zip(self.seconds.back());
        ends.map_or(0, |(first, last)| last.at.saturating_sub(first.at))
    }

    /// The median of the slopes between all seconds (Theil-Sen): up to 1770 of them.
    fn median_slope_ppb(&mut self) -> Option<i64> {
        if self.seconds.len() < SPREAD_FROM || self.span() < LEAST_SPAN_NS {
            return None;
        }
        self.slopes.clear();
        for (n, from) in self.seconds.iter().enumerate() {
            let slopes = self.seconds.range(n + 1..).filter_map(|to| slope_ppb(*from, *to));
            self.slopes.extend(slopes);
        }
        median(&mut self.slopes)
    }
}

/// The slope from one frame to a later one. Frames of two seconds may lie close together.
fn slope_ppb(from: Shortest, to: Shortest) -> Option<i64> {
    let us = to.at.saturating_sub(from.at) / 1_000;
    (us > 1_000).then(|| to.x.saturating_sub(from.x).saturating_mul(1_000_000) / us)
}

/// The way that a clock runs off in a span.
fn drift(slope_ppb: i64, span: i64) -> i64 {
    clamped(i128::from(slope_ppb) * i128::from(span) / 1_000_000_000)
}

fn median(of: &mut [i64]) -> Option<i64> {
    let middle = of.len() / 2;
    if of.is_empty() { None } else { Some(*of.select_nth_unstable(middle).1) }
}
