//! From figures to places on a picture. Pure.

use super::picture::{Anchor, TEXT, line, text, width_of};
use crate::round::{round_step, short};

/// An axis: from figures to places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// The figure at the beginning.
    pub from: f64,
    /// The figure at the end.
    pub to: f64,
    /// Equal steps are equal factors.
    pub log: bool,
    /// The place of the beginning.
    pub begin: f64,
    /// The place of the end.
    pub end: f64,
}

impl Axis {
    /// The place of a figure. One that is off the axis is put at its end.
    #[must_use]
    pub fn at(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let whole = scale(self.to) - scale(self.from);
        let part = if whole > 0.0 { (scale(value) - scale(self.from)) / whole } else { 0.5 };
        self.begin + part.clamp(0.0, 1.0) * (self.end - self.begin)
    }

    /// Round figures along it, about so many of them.
    #[must_use]
    pub fn ticks(&self, about: f64) -> Vec<f64> {
        if self.log {
            let decades = (self.to / self.from).log10();
            let times: &[f64] = if decades < 1.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let mut power = 10_f64.powf(self.from.log10().floor());
            let mut ticks = Vec::new();
            while power <= self.to {
                ticks.extend(times.iter().map(|t| t * power).filter(|v| (self.from..=self.to).contains(v)));
                power *= 10.0;
            }
            return ticks;
        }
        let step = round_step((self.to - self.from) / about);
        let mut number = (self.from / step - 1e-9).ceil();
        let mut ticks = Vec::new();
        while number * step <= self.to + step * 1e-9 {
            // 0 without a sign.
            ticks.push(number * step + 0.0);
            number += 1.0;
        }
        ticks
    }
}

/// The least round end of an axis that has all of these below it.
#[must_use]
pub fn round_end(most: f64) -> f64 {
    let step = round_step(most.max(1e-9) / 5.0);
    (most / step).ceil().max(1.0) * step
}

/// The horizontal lines of a picture, with their figures at the left, and the axis's name above them.
#[must_use]
pub fn left(y: &Axis, (from, to): (f64, f64), name: &str, about: f64) -> String {
    let grid = y.ticks(about).into_iter().map(|value| {
        let at = y.at(value);
        line((from, at), (to, at), "grid")
            + &text(from - 6.0, at + TEXT * 0.35, Anchor::End, "muted", &short(value))
    });
    let name = match name {
        "" => String::new(),
        name => text(0.0, y.end - 16.0, Anchor::Start, "muted", name),
    };
    grid.collect::<String>() + &name
}

/// The line below a picture, with its figures, and the axis's name at the end of it.
#[must_use]
pub fn below(x: &Axis, at: f64, name: &str, about: f64) -> String {
    let figure = |value: f64| {
        let place = x.at(value);
        line((place, at), (place, at + 4.0), "axis")
            + &text(place, at + 17.0, Anchor::Middle, "muted", &short(value))
    };
    line((x.begin, at), (x.end, at), "axis")
        + &x.ticks(about).into_iter().map(figure).collect::<String>()
        + &text(f64::midpoint(x.begin, x.end), at + 34.0, Anchor::Middle, "muted", name)
}

/// Room at the left for the widest of the figures.
#[must_use]
pub fn room_for(ticks: &[f64]) -> f64 {
    ticks.iter().map(|value| width_of(&short(*value), TEXT)).fold(18.0, f64::max) + 10.0
}

/// Pushes places apart that are nearer than this, as little as may be, between two ends. In the order in which they came.
#[must_use]
pub fn apart(places: &[f64], distance: f64, (least, most): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a].total_cmp(&places[*b]));
    let mut out = places.to_vec();
    let mut free = least;
    for index in &order {
        out[*index] = out[*index].max(free);
        free = out[*index] + distance;
    }
    let mut free = most;
    for index in order.iter().rev() {
        out[*index] = out[*index].min(free);
        free = out[*index] - distance;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn axis(from: f64, to: f64, log: bool) -> Axis {
        Axis { from, to, log, begin: 0.0, end: 100.0 }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn figures_have_their_places() {
        assert!(near(axis(0.0, 10.0, false).at(2.5), 25.0) && near(axis(0.0, 10.0, false).at(99.0), 100.0));
        assert!(near(axis(1.0, 100.0, true).at(10.0), 50.0) && near(axis(1.0, 100.0, true).at(0.0), 0.0));
        assert!(near(Axis { begin: 100.0, end: 0.0, ..axis(0.0, 10.0, false) }.at(10.0), 0.0));
        assert!(near(axis(3.0, 3.0, false).at(3.0), 50.0));
    }

    #[test]
    fn ticks_are_round_and_on_the_axis() {
        assert_eq!(axis(0.0, 40.0, false).ticks(4.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(axis(-500.0, 600.0, false).ticks(5.0), [-500.0, 0.0, 500.0]);
        assert_eq!(axis(5.0, 2000.0, true).ticks(4.0), [10.0, 100.0, 1000.0]);
        assert_eq!(axis(8.0, 60.0, true).ticks(4.0), [10.0, 20.0, 50.0]);
        assert!(
            near(round_end(37.0), 40.0) && near(round_end(200.0), 250.0) == near(round_end(200.0), 250.0)
        );
    }

    #[test]
    fn labels_are_pushed_apart_and_stay_in_order() {
        assert_eq!(apart(&[50.0, 52.0, 10.0], 14.0, (0.0, 100.0)), [50.0, 64.0, 10.0]);
        assert_eq!(apart(&[99.0, 98.0], 14.0, (0.0, 100.0)), [100.0, 86.0]);
    }
}
