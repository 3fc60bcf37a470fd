//! The choice of pixel format, size and rate among those that a device offers. Pure.
//!
//! Everything that the config names must be there. For the rest: pictures of at most 1920x1080, at 24 frames a second or more,
//! then the largest, then the fastest up to 60 a second, then raw before JPEG.

use std::cmp::Reverse;

use proto::frame::{Fps, Payload, PixelFormat};

use super::format::{Format, FourCc};
use super::kernel::{Fraction, FrameInterval, FrameSize};

/// A size that is taken unasked is no larger: frames of 4K fill memory eight times as fast as most people expect.
const LARGEST_UNASKED: (u32, u32) = (1920, 1080);
/// A rate below this is taken only if nothing faster is there, in frames a second.
const FAST_ENOUGH: f64 = 24.0;
/// A faster rate than this isn't taken unasked, in frames a second.
const FASTEST_UNASKED: f64 = 60.0;
/// A device that offers nothing known may offer dozens of formats.
const MOST_NAMES: usize = 8;
/// Rates that differ by less are the same: 29.97 for 30.
const SAME_RATE: f64 = 0.01;

/// The wishes of a config; `None` leaves the choice to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// The pixel format; `None` for `format: auto`.
    pub(crate) format: Option<Format>,
    /// The form of the frames in a ring that is there already.
    pub(crate) in_ring: Option<(Payload, PixelFormat)>,
    /// The width in pixels.
    pub(crate) width: Option<u32>,
    /// The height in pixels.
    pub(crate) height: Option<u32>,
    /// Frames a second.
    pub(crate) fps: Option<Fps>,
}

/// A pixel format that a device offers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offered {
    /// The format.
    pub(crate) format: FourCc,
    /// The sizes. None at all if the device doesn't say.
    pub(crate) sizes: Vec<OfferedSize>,
}

/// A row of sizes, and the rates at them. No rate at all if the device doesn't say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfferedSize {
    /// The sizes.
    pub(crate) size: FrameSize,
    /// The rates.
    pub(crate) intervals: Vec<FrameInterval>,
}

/// A way for a device to work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mode {
    /// The pixel format.
    pub(crate) format: Format,
    /// Width and height, in pixels.
    pub(crate) size: (u32, u32),
    /// The time from frame to frame to ask for; `None` to take the device's own.
    pub(crate) interval: Option<Fraction>,
}

/// The lack in a device's offers. The text goes behind the device's name, and ends with what to write.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum NoMode {
    /// No such pixel format.
    #[error("offers no {wanted}; it offers {}: write format: {}, or format: auto", list(offered), offered.first().map_or("auto", String::as_str))]
    Format {
        /// The format in the config.
        wanted: &'static str,
        /// The formats that there are.
        offered: Vec<String>,
    },
    /// No pixel format that Preroll can take by itself.
    #[error("offers {}, and none of these is taken by format: auto; {}", list(.0), ways_out(.0))]
    Known(Vec<String>),
    /// Frames of another kind than the ring's.
    #[error(
        "offers {}, and its ring is for {ring} frames: stop and start again, so that a ring is made that fits",
        list(offered)
    )]
    Ring {
        /// The kind of the ring's frames.
        ring: &'static str,
        /// The formats that there are.
        offered: Vec<String>,
    },
    /// No such size.
    #[error("offers no {}; it offers {}: {}", wanted_size(*wanted), list(offered), write_size(*nearest))]
    Size {
        /// The width and height in the config.
        wanted: (Option<u32>, Option<u32>),
        /// The sizes that there are, in words.
        offered: Vec<String>,
        /// The size among them that is nearest.
        nearest: Option<(u32, u32)>,
    },
    /// No such rate at this size.
    #[error("gives {}x{} at {} frames a second and the config says fps: {wanted}: write fps: {nearest}", size.0, size.1, list(offered))]
    Rate {
        /// The size.
        size: (u32, u32),
        /// The rate in the config.
        wanted: Fps,
        /// The rates at this size, in words.
        offered: Vec<String>,
        /// The nearest of them.
        nearest: String,
    },
}

/// `a, b and c`.
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn ways_out(offered: &[String]) -> String {
    // A format that Preroll knows and doesn't take by itself.
    match offered.iter().find(|name| Format::named(name).is_some()) {
        Some(name) => format!("write format: {name}"),
        None => "let a program such as ffmpeg convert them and use backend: pipe".to_owned(),
    }
}

fn wanted_size(wanted: (Option<u32>, Option<u32>)) -> String {
    match wanted {
        (Some(width), Some(height)) => format!("{width}x{height}"),
        (Some(width), None) => format!("frames of width {width}"),
        (None, Some(height)) => format!("frames of height {height}"),
        (None, None) => "size that Preroll can take".to_owned(),
    }
}

fn write_size(nearest: Option<(u32, u32)>) -> String {
    nearest.map_or("write one of these".to_owned(), |(w, h)| format!("write width: {w} and height: {h}"))
}

/// Chooses a mode. `current` is the size that the device has now, for one that doesn't list its sizes.
///
/// # Errors
/// [`NoMode`]: nothing that is offered is what the config says.
pub(crate) fn choose(wanted: &Wanted, offered: &[Offered], current: (u32, u32)) -> Result<Mode, NoMode> {
    let formats = formats(wanted, offered)?;
    let sized: Vec<_> =
        formats.iter().flat_map(|(format, offer)| sizes(wanted, *format, offer, current)).collect();
    if sized.is_empty() {
        return Err(no_size(wanted, formats.iter().map(|(_, offer)| *offer)));
    }
    let modes = sized.iter().filter_map(|(format, size, intervals)| {
        let interval = interval(wanted.fps, intervals)?;
        Some(Mode { format: *format, size: *size, interval })
    });
    match (modes.max_by_key(preference), wanted.fps) {
        (Some(mode), _) => Ok(mode),
        (None, Some(fps)) => Err(no_rate(fps, &sized)),
        (None, None) => Err(no_size(wanted, formats.iter().map(|(_, offer)| *offer))),
    }
}

/// The formats that may be taken.
fn formats<'a>(wanted: &Wanted, offered: &'a [Offered]) -> Result<Vec<(Format, &'a Offered)>, NoMode> {
    let is_wanted = |format: Format| match wanted.format {
        Some(wanted) => format.name == wanted.name,
        None => format.rank().is_some(),
    };
    // A decoder gives any pixel format.
    let suits = |format: Format| match (wanted.in_ring, format.in_ring()) {
        (Some((ring, _)), (payload, _)) if ring.is_compressed() => ring == payload,
        (Some(ring), found) => found == ring,
        (None, _) => true,
    };
    let known = offered.iter().filter_map(|offer| Some((Format::of(offer.format)?, offer)));
    let fit: Vec<_> = known.filter(|(format, _)| is_wanted(*format) && suits(*format)).collect();
    let names = || names(offered);
    let ring = |(payload, pixels): (Payload, PixelFormat)| {
        if payload == Payload::Planes { pixels.name() } else { payload.name() }
    };
    match (wanted.format, fit.is_empty()) {
        (_, true) if offered.iter().filter_map(|offer| Format::of(offer.format)).any(is_wanted) => {
            Err(NoMode::Ring { ring: wanted.in_ring.map_or("", ring), offered: names() })
        }
        (_, false) => Ok(fit),
        (Some(format), true) if offered.iter().any(|offer| Format::of(offer.format).is_some()) => {
            Err(NoMode::Format { wanted: format.name, offered: names() })
        }
        (_, true) => Err(NoMode::Known(names())),
    }
}

/// The names of the formats that there are: those that a config may name, or if there is none the first few.
fn names(offered: &[Offered]) -> Vec<String> {
    let (known, others): (Vec<FourCc>, Vec<FourCc>) =
        offered.iter().map(|offer| offer.format).partition(|format| Format::of(*format).is_some());
    let some = if known.is_empty() { others.into_iter().take(MOST_NAMES).collect() } else { known };
    let mut names: Vec<String> = some.iter().map(FourCc::to_string).collect();
    names.dedup();
    names
}

type Sized<'a> = (Format, (u32, u32), &'a [FrameInterval]);

/// The sizes of one format that are as wanted.
fn sizes<'a>(wanted: &Wanted, format: Format, offer: &'a Offered, current: (u32, u32)) -> Vec<Sized<'a>> {
    if offer.sizes.is_empty() {
        let size = (wanted.width.unwrap_or(current.0), wanted.height.unwrap_or(current.1));
        return if format.takes(size) { vec![(format, size, &[])] } else { Vec::new() };
    }
    let fits = |row: &'a OfferedSize| {
        let size = size_in(row.size, wanted.width, wanted.height)?;
        format.takes(size).then_some((format, size, row.intervals.as_slice()))
    };
    offer.sizes.iter().filter_map(fits).collect()
}

/// The size of a row that is as wanted. Where nothing is wanted, the largest that is taken unasked.
fn size_in(row: FrameSize, width: Option<u32>, height: Option<u32>) -> Option<(u32, u32)> {
    match row {
        FrameSize::Discrete(w, h) => (width.is_none_or(|width| width == w)
            && height.is_none_or(|height| height == h))
        .then_some((w, h)),
        FrameSize::Stepwise { least, most, step } => Some((
            side_in(least.0, most.0, step.0, width, LARGEST_UNASKED.0)?,
            side_in(least.1, most.1, step.1, height, LARGEST_UNASKED.1)?,
        )),
    }
}

fn side_in(least: u32, most: u32, step: u32, wanted: Option<u32>, unasked: u32) -> Option<u32> {
    let step = step.max(1);
    match wanted {
        Some(side) => ((least..=most).contains(&side) && (side - least).is_multiple_of(step)).then_some(side),
        None => {
            let side = most.min(unasked).max(least);
            Some(side - (side - least) % step)
        }
    }
}

/// The time from frame to frame to ask for, if there is one as wanted. `Some(None)`: the device's own.
#[expect(clippy::option_option, reason = "no such rate, and no rate to ask for, are two things")]
fn interval(wanted: Option<Fps>, intervals: &[FrameInterval]) -> Option<Option<Fraction>> {
    match wanted {
        Some(wanted) if intervals.is_empty() => Some(Some(Fraction::of(wanted))),
        Some(wanted) => intervals.iter().find_map(|row| as_wanted(*row, wanted)).map(Some),
        None => {
            let fastest = |one: &Fraction, other: &Fraction| one.fps().total_cmp(&other.fps());
            let unasked: Vec<Fraction> = intervals.iter().map(|row| unasked(*row)).collect();
            let slow =
                unasked.iter().filter(|interval| interval.fps() <= FASTEST_UNASKED * (1.0 + SAME_RATE));
            Some(slow.copied().max_by(fastest).or_else(|| unasked.iter().copied().min_by(fastest)))
        }
    }
}

fn as_wanted(row: FrameInterval, wanted: Fps) -> Option<Fraction> {
    match row {
        FrameInterval::Discrete(interval) => is_same_rate(interval.fps(), wanted).then_some(interval),
        FrameInterval::Between { shortest, longest } => {
            let (most, least) = (shortest.fps(), longest.fps());
            let is_within =
                wanted.as_f64() <= most * (1.0 + SAME_RATE) && wanted.as_f64() >= least * (1.0 - SAME_RATE);
            is_within.then(|| Fraction::of(wanted))
        }
    }
}

fn unasked(row: FrameInterval) -> Fraction {
    match row {
        FrameInterval::Discrete(interval) => interval,
        FrameInterval::Between { shortest, longest } => {
            let is_within = shortest.fps() > FASTEST_UNASKED && longest.fps() <= FASTEST_UNASKED;
            if is_within { Fraction { numerator: 1, denominator: 60 } } else { shortest }
        }
    }
}

/// Are the rates the same but for rounding?
pub(crate) fn is_same_rate(fps: f64, wanted: Fps) -> bool {
    (fps - wanted.as_f64()).abs() <= wanted.as_f64() * SAME_RATE
}

impl Fraction {
    /// The time from frame to frame at a rate.
    pub(crate) fn of(fps: Fps) -> Self {
        if fps.milli().is_multiple_of(1_000) {
            return Self { numerator: 1, denominator: fps.milli() / 1_000 };
        }
        Self { numerator: 1_000, denominator: fps.milli() }
    }

    /// Frames a second.
    pub(crate) fn fps(self) -> f64 {
        f64::from(self.denominator) / f64::from(self.numerator.max(1))
    }
}

/// A mode's place in the order of preference, the best last.
fn preference(mode: &Mode) -> impl Ord + use<> {
    let (width, height) = mode.size;
    let fps = mode.interval.map(Fraction::fps);
    let rate = fps.and_then(|fps| Fps::new(fps.min(FASTEST_UNASKED)));
    (
        width <= LARGEST_UNASKED.0 && height <= LARGEST_UNASKED.1,
        fps.is_none_or(|fps| fps >= FAST_ENOUGH * (1.0 - SAME_RATE)),
        u64::from(width) * u64::from(height),
        rate,
        Reverse(mode.format.rank()),
    )
}

fn no_size<'a>(wanted: &Wanted, offers: impl Iterator<Item = &'a Offered>) -> NoMode {
    let mut rows: Vec<FrameSize> = offers.flat_map(|offer| &offer.sizes).map(|row| row.size).collect();
    rows.sort_by_key(|row| Reverse(most_of(*row)));
    rows.dedup();
    let words = rows.iter().map(|row| match row {
        FrameSize::Discrete(w, h) => format!("{w}x{h}"),
        FrameSize::Stepwise { least, most, step } => {
            format!("{}x{} to {}x{} in steps of {}x{}", least.0, least.1, most.0, most.1, step.0, step.1)
        }
    });
    let distance = |(w, h): (u32, u32)| {
        wanted.width.map_or(0, |width| width.abs_diff(w))
            + wanted.height.map_or(0, |height| height.abs_diff(h))
    };
    let nearest = rows.iter().filter_map(|row| match row {
        FrameSize::Discrete(w, h) => Some((*w, *h)),
        FrameSize::Stepwise { .. } => None,
    });
    NoMode::Size {
        wanted: (wanted.width, wanted.height),
        offered: words.collect(),
        nearest: nearest.min_by_key(|size| distance(*size)),
    }
}

fn most_of(row: FrameSize) -> (u32, u32) {
    match row {
        FrameSize::Discrete(w, h) => (w, h),
        FrameSize::Stepwise { most, .. } => most,
    }
}

fn no_rate(fps: Fps, sized: &[Sized<'_>]) -> NoMode {
    let largest = sized.iter().map(|(_, size, _)| *size).max_by_key(|(w, h)| u64::from(*w) * u64::from(*h));
    let size = largest.unwrap_or_default();
    let mut rates: Vec<f64> = sized
        .iter()
        .filter(|(_, other, _)| *other == size)
        .flat_map(|(_, _, intervals)| *intervals)
        .flat_map(|row| match row {
            FrameInterval::Discrete(interval) => vec![interval.fps()],
            FrameInterval::Between { shortest, longest } => vec![shortest.fps(), longest.fps()],
        })
        .collect();
    rates.sort_by(|one, other| other.total_cmp(one));
    rates.dedup();
    let away = |rate: &&f64| (**rate - fps.as_f64()).abs();
    let nearest = rates.iter().min_by(|one, other| away(one).total_cmp(&away(other)));
    let word = |rate: &f64| Fps::new(*rate).map_or_else(|| rate.to_string(), |fps| fps.to_string());
    NoMode::Rate {
        size,
        wanted: fps,
        offered: rates.iter().map(word).collect(),
        nearest: nearest.map_or_else(String::new, word),
    }
}

#[cfg(test)]
mod tests;
