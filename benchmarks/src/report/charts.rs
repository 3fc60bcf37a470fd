//! The kinds of picture: lines over a common ground, a histogram, and intervals around a moment, one strip for each.

use std::fmt::Write as _;

use super::axis::{Axis, apart, below, left, room_for, round_end};
use super::picture::{Anchor, Picture, TEXT, WIDTH, block, line, text, width_of};
use crate::histogram::classes;
use crate::round::short;

const HEIGHT: f64 = 260.0;
/// Below a picture: figures, and the axis's name.
const FOOT: f64 = 42.0;
/// Above it: the vertical axis's name.
const HEAD: f64 = 32.0;
/// The number of colours.
const COLOURS: usize = 4;

/// A picture's title and how it is read.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Its file's name, without the ending.
    pub name: String,
    /// The title.
    pub title: String,
    /// Instructions for reading it.
    pub about: String,
    /// Name and unit of the axis from left to right.
    pub x: String,
    /// Name and unit of the axis upwards.
    pub y: String,
}

impl Words {
    fn picture(&self, height: f64, body: String) -> Picture {
        Picture {
            name: self.name.clone(),
            title: self.title.clone(),
            about: self.about.clone(),
            height,
            body,
        }
    }
}

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// The words at its end.
    pub label: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
    /// Each of them is only an outline.
    pub hollow: Vec<bool>,
    /// The words beside each of them.
    pub notes: Vec<String>,
    /// Of a formula rather than a measurement: dashed, without points.
    pub formula: bool,
}

/// Lines with their names at their ends.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    /// The picture's words.
    pub words: Words,
    /// The lines.
    pub curves: Vec<Curve>,
    /// Equal steps to the right are equal factors.
    pub log_x: bool,
    /// The vertical axis begins where the figures begin, and not at 0.
    pub from_least: bool,
    /// A horizontal line between two figures at a height, and what it says.
    pub span: Option<(f64, f64, f64, String)>,
}

impl Curves {
    /// Draws them. Nothing, if there is no point.
    #[must_use]
    pub fn draw(&self) -> Option<Picture> {
        let all = || self.curves.iter().flat_map(|curve| &curve.points);
        let most = |of: fn(&(f64, f64)) -> f64| all().map(of).fold(f64::NEG_INFINITY, f64::max);
        let least = |of: fn(&(f64, f64)) -> f64| all().map(of).fold(f64::INFINITY, f64::min);
        let (end_x, end_y) = (most(|p| p.0), most(|p| p.1));
        if !(end_x.is_finite() && end_y.is_finite()) {
            return None;
        }
        let (top, bottom) = (HEAD, HEIGHT - FOOT);
        let from_y = if self.from_least { least(|p| p.1) - (end_y - least(|p| p.1)) * 0.14 } else { 0.0 };
        let to_y = if self.from_least { end_y + (end_y - from_y) * 0.08 } else { round_end(end_y) };
        let y = Axis { from: from_y, to: to_y, log: false, begin: bottom, end: top };
        // Bold words are wider.
        let longest = self.curves.iter().map(|curve| width_of(&curve.label, TEXT * 1.3)).fold(0.0, f64::max);
        let (begin, end) = (room_for(&y.ticks(5.0)), WIDTH - longest - 12.0);
        let x = if self.log_x {
            let begin_x = least(|p| p.0);
            Axis { from: begin_x / 1.15, to: end_x * 1.15, log: true, begin, end }
        } else {
            Axis { from: 0.0, to: end_x, log: false, begin, end }
        };
        let mut body = left(&y, (begin, end), &self.words.y, 5.0) + &below(&x, bottom, &self.words.x, 6.0);
        if let Some((from, to, at, says)) = &self.span {
            let (from, to, at) = (x.at(*from), x.at(*to), y.at(*at));
            body += &line((from, at), (to, at), "mark");
            body += &text(f64::midpoint(from, to), at - 6.0, Anchor::Middle, "strong halo", says);
        }
        for (number, curve) in self.curves.iter().enumerate() {
            body += &curve.draw(&x, &y, number % COLOURS);
        }
        // A curve's name stands at its end. Ends that lie side by side don't get in each other's way.
        let ends = self.curves.iter().map(|curve| curve.points.last().copied());
        let ends: Vec<(f64, f64)> =
            ends.map(|end| end.map_or((begin, bottom), |end| (x.at(end.0), y.at(end.1)))).collect();
        let spread = |of: fn(f64, f64) -> f64, from| ends.iter().map(|end| end.0).fold(from, of);
        let above_another = spread(f64::max, f64::MIN) - spread(f64::min, f64::MAX) < longest;
        let mut places: Vec<f64> = ends.iter().map(|end| end.1).collect();
        if above_another {
            places = apart(&places, TEXT + 3.0, (top, bottom));
        }
        for (number, (curve, place)) in self.curves.iter().zip(places).enumerate() {
            let class = format!("f{} strong", number % COLOURS);
            let from = ends[number].0 + 8.0;
            // The words beside its last point stand below.
            let lift = if curve.notes.is_empty() { 0.0 } else { 5.0 };
            body += &text(from, place - lift + TEXT * 0.35, Anchor::Start, &class, &curve.label);
        }
        Some(self.words.picture(HEIGHT, body))
    }
}

impl Curve {
    fn draw(&self, x: &Axis, y: &Axis, colour: usize) -> String {
        let places: Vec<(f64, f64)> = self.points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashed = if self.formula { " dashed" } else { "" };
        let mut body = format!("<polyline points=\"{}\" class=\"line s{colour}{dashed}\"/>", path.join(" "));
        for (number, ((at_x, at_y), point)) in places.iter().zip(&self.points).enumerate() {
            if self.formula {
                break;
            }
            let class = match self.hollow.get(number) {
                Some(true) => format!("hollow s{colour}"),
                _ => format!("f{colour}"),
            };
            let _ = write!(
                body,
                "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"3.5\" class=\"{class}\"><title>{}, {}</title></circle>",
                short(point.0),
                short(point.1)
            );
            if let Some(note) = self.notes.get(number) {
                body += &text(at_x + 6.0, at_y + 13.0, Anchor::Start, "muted small halo", note);
            }
        }
        body
    }
}

/// A histogram: how often each figure was measured.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// The picture's words.
    pub words: Words,
    /// The figures.
    pub values: Vec<f64>,
    /// Places to be pointed out, in order, and what they are.
    pub marks: Vec<(f64, String)>,
}

impl Histogram {
    /// Draws it. Nothing, if nothing was measured.
    #[must_use]
    pub fn draw(&self) -> Option<Picture> {
        let classes = classes(&self.values);
        let (first, last) = (classes.first()?, classes.last()?);
        let width = first.to - first.from;
        let open = last.to.is_infinite();
        let end_x = if open { last.from + 2.0 * width } else { last.to };
        let most = classes.iter().map(|class| class.count).max().unwrap_or(1);
        let count = |count: usize| u32::try_from(count).map_or(0.0, f64::from);
        // The marks' words stand above the columns, one line each.
        let top = HEAD + 10.0 + 15.0 * count(self.marks.len());
        let y = Axis { from: 0.0, to: count(most), log: false, begin: HEIGHT - FOOT, end: top };
        let first_width = if first.to.is_finite() { width } else { 1.0 };
        let x = Axis {
            from: first.from,
            to: end_x.max(first.from + first_width),
            log: false,
            begin: 12.0,
            end: WIDTH - 30.0,
        };
        // Nothing is measured off within a class that has no end.
        let measured = Axis {
            to: if open { last.from } else { x.to },
            end: if open { x.at(last.from) } else { x.end },
            ..x
        };
        let mut body = below(&measured, y.begin, &self.words.x, 8.0);
        body += &text(0.0, HEAD - 10.0, Anchor::Start, "muted", &self.words.y);
        for (number, (value, says)) in self.marks.iter().enumerate() {
            let place = if *value > measured.to { f64::midpoint(measured.end, x.end) } else { x.at(*value) };
            let (at, words) = (place, HEAD + 15.0 * count(number) + 4.0);
            body += &line((at, words + 4.0), (at, y.begin), "mark");
            let wide = width_of(says, TEXT);
            let (from, anchor) = match at + wide + 6.0 < WIDTH {
                true => (at + 4.0, Anchor::Start),
                false => (at - 4.0, Anchor::End),
            };
            body += &text(from, words + 8.0, anchor, "strong", says);
        }
        for class in &classes {
            let to = if class.to.is_finite() { class.to } else { end_x };
            let says = format!("{} from {} to {}", class.count, short(class.from), short(class.to));
            let (from, to) = ((x.at(class.from) + 0.5, y.begin), (x.at(to) - 0.5, y.at(count(class.count))));
            body += &block(from, to, "f0", &says);
            if class.count > 0 {
                let middle = f64::midpoint(from.0, to.0);
                let number = class.count.to_string();
                body += &text(middle, to.1 - 4.0, Anchor::Middle, "muted small halo", &number);
            }
        }
        if open {
            body += &line((measured.end, y.begin), (x.end, y.begin), "axis");
            let middle = f64::midpoint(measured.end, x.end);
            body += &text(middle, y.begin + 17.0, Anchor::Middle, "muted", "more");
        }
        Some(self.words.picture(HEIGHT, body))
    }
}

/// A strip of [`Strips`].
#[derive(Clone, Debug, Default)]
pub struct Strip {
    /// The name at its left.
    pub label: String,
    /// The words about it.
    pub says: String,
    /// Moments, and how long after the one before each came.
    pub intervals: Vec<(f64, f64)>,
}

/// Intervals around a moment: each a block as wide and as high as it is long, so that a hole is seen as one.
#[derive(Clone, Debug, Default)]
pub struct Strips {
    /// The picture's words.
    pub words: Words,
    /// From top to bottom.
    pub strips: Vec<Strip>,
    /// The length that an interval should have.
    pub period: f64,
}

impl Strips {
    /// Draws them. Nothing, if there is no interval.
    #[must_use]
    pub fn draw(&self) -> Option<Picture> {
        /// Of one strip's blocks.
        const BLOCKS: f64 = 50.0;
        /// With its words, and some room.
        const STRIP: f64 = BLOCKS + 34.0;
        let all = || self.strips.iter().flat_map(|strip| &strip.intervals);
        let longest = all().map(|i| i.1).fold(f64::NEG_INFINITY, f64::max);
        let from = all().map(|i| i.0 - i.1).fold(f64::INFINITY, f64::min);
        let to = all().map(|i| i.0).fold(f64::NEG_INFINITY, f64::max);
        if !(longest.is_finite() && self.period > 0.0) {
            return None;
        }
        let axis = |begin, end| Axis {
            from: self.period / 2.0,
            to: (longest * 1.2).max(self.period * 4.0),
            log: true,
            begin,
            end,
        };
        let (begin, end) = (room_for(&axis(0.0, 1.0).ticks(3.0)), WIDTH - 4.0);
        let x = Axis { from, to, log: false, begin, end };
        let (mut body, mut top) = (text(0.0, 10.0, Anchor::Start, "muted", &self.words.y), 10.0);
        for strip in &self.strips {
            let y = axis(top + STRIP - 4.0, top + STRIP - 4.0 - BLOCKS);
            body += &text(begin, top + 24.0, Anchor::Start, "strong", &strip.label);
            body += &text(end, top + 24.0, Anchor::End, "", &strip.says);
            body += &left(&y, (begin, end), "", 3.0);
            for (moment, interval) in &strip.intervals {
                let late = *interval > self.period * 1.5;
                let says = format!("{} ms at {} ms", short(*interval), short(*moment));
                let corner = (x.at(moment - interval) + 0.2, y.begin);
                let opposite = (x.at(*moment) - 0.2, y.at(*interval));
                body += &block(corner, opposite, if late { "f1" } else { "f0" }, &says);
            }
            top += STRIP;
        }
        top += 2.0;
        if from < 0.0 && to > 0.0 {
            body += &line((x.at(0.0), 22.0), (x.at(0.0), top), "mark");
        }
        body += &below(&x, top, &self.words.x, 6.0);
        Some(self.words.picture(top + FOOT, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_and_every_label_is_drawn() {
        let curve = |label: &str, rise: f64| Curve {
            label: label.into(),
            points: (1..=5).map(|n| (f64::from(n), rise * f64::from(n))).collect(),
            hollow: vec![false, false, false, false, true],
            ..Curve::default()
        };
        let formula = Curve { formula: true, ..curve("by the formula", 2.0) };
        let curves = Curves { curves: vec![curve("720p", 3.0), formula], ..Curves::default() };
        let body = curves.draw().unwrap().body;
        assert_eq!(body.matches("<circle").count(), 5, "{body}");
        assert_eq!(body.matches("hollow").count(), 1, "{body}");
        assert!(body.contains(">720p<") && body.contains(">by the formula<") && body.contains("dashed"));
        assert!(Curves::default().draw().is_none());
    }

    #[test]
    fn a_histogram_has_a_column_for_each_class() {
        let values: Vec<f64> = (0..100).map(|n| 20.0 + f64::from(n % 30)).chain([700.0, 800.0]).collect();
        let columns = classes(&values).len();
        let histogram = Histogram { values, marks: vec![(25.0, "half".into())], ..Histogram::default() };
        let body = histogram.draw().unwrap().body;
        assert_eq!(body.matches("<rect").count(), columns, "{body}");
        assert!(body.contains(">half<") && body.contains(">more<"), "{body}");
        assert!(Histogram { values: vec![4.0], ..Histogram::default() }.draw().is_some());
        assert!(Histogram::default().draw().is_none());
    }

    #[test]
    fn a_hole_is_a_block_of_its_own_colour() {
        let strip = |late: f64| Strip {
            intervals: vec![(-20.0, 10.0), (-10.0, 10.0), (late - 10.0, late)],
            ..Strip::default()
        };
        let strips = Strips { strips: vec![strip(10.0), strip(300.0)], period: 10.0, ..Strips::default() };
        let body = strips.draw().unwrap().body;
        assert_eq!((body.matches("<rect").count(), body.matches("\"f1\"").count()), (6, 1), "{body}");
        assert!(Strips::default().draw().is_none());
    }
}
