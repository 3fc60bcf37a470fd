//! The time by which one camera sees edges later than another. Pure.

use super::flashes::{Brightness, Edge, float};

/// No camera is later than another by more.
const MAX_OFFSET_NS: i64 = 2_000_000_000;
/// The fewest edges that both have to see.
const LEAST_EDGES: usize = 3;
/// Two intervals that differ by less than this part of a period are equal.
const EQUAL: f64 = 0.1;

/// The offset of one camera from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Offset {
    /// Positive if it is the later one.
    pub(crate) later_ns: f64,
    /// In 95 of 100 measurements the offset is off by no more.
    pub(crate) error_ns: f64,
    /// Edges that both have seen.
    pub(crate) edges: usize,
    /// The light went in step with the frames, so that more of it makes the offset no better.
    pub(crate) in_step: bool,
}

/// The reason why there is no offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooFew {
    /// One of them has seen none.
    None,
    /// Both have seen only so many together.
    Together(usize),
}

/// The offset of a camera from the first one.
pub(crate) fn of(camera: &Brightness, first: &Brightness) -> Result<Offset, TooFew> {
    if camera.edges.is_empty() || first.edges.is_empty() {
        return Err(TooFew::None);
    }
    let tolerance = (camera.period_ns + first.period_ns) * 3 / 4;
    let candidates = first.edges.iter().flat_map(|one| {
        camera.edges.iter().filter(|other| other.rises == one.rises).map(|other| other.at_ns - one.at_ns)
    });
    let best = candidates
        .filter(|later| later.abs() <= MAX_OFFSET_NS)
        .map(|later| (matched(camera, first, later, tolerance), later))
        // Of regular flashes many offsets fit equally well: the smallest is meant.
        .max_by_key(|(matched, later)| (matched.len(), -later.abs()));
    let Some((_, about)) = best else { return Err(TooFew::Together(0)) };
    // Once more around the mean, so that the one edge that was the candidate has no more weight than the others.
    let about = mean(&matched(camera, first, about, tolerance));
    #[expect(clippy::cast_possible_truncation, reason = "less than MAX_OFFSET_NS")]
    let differences = matched(camera, first, about.round() as i64, tolerance);
    if differences.len() < LEAST_EDGES {
        return Err(TooFew::Together(differences.len()));
    }
    let in_step = [camera, first].map(is_in_step);
    Ok(Offset {
        later_ns: mean(&differences),
        error_ns: 2.0 * standard_error(&differences, [camera, first].map(|of| of.period_ns), in_step),
        edges: differences.len(),
        in_step: in_step.contains(&true),
    })
}

/// The differences of edges that belong together if a camera is later by about this.
fn matched(camera: &Brightness, first: &Brightness, later: i64, tolerance: i64) -> Vec<f64> {
    let of = |one: &Edge| {
        let others = camera.edges.iter().filter(|other| other.rises == one.rises);
        let nearest = others.map(|other| other.at_ns - one.at_ns).min_by_key(|is| (is - later).abs())?;
        ((nearest - later).abs() <= tolerance).then(|| float(nearest))
    };
    first.edges.iter().filter_map(of).collect()
}

/// Is the light a multiple of the frames' period? Then every edge lies at the same place between two frames, and all of them
/// are wrong by the same.
fn is_in_step(of: &Brightness) -> bool {
    let intervals = |rises| {
        let edges: Vec<i64> =
            of.edges.iter().filter(|edge| edge.rises == rises).map(|edge| edge.at_ns).collect();
        edges.windows(2).map(|pair| float(pair[1] - pair[0])).collect::<Vec<f64>>()
    };
    let are_equal = |intervals: &[f64]| {
        let (least, most) = intervals.iter().fold((f64::MAX, 0.0_f64), |(a, b), i| (a.min(*i), b.max(*i)));
        most - least <= EQUAL * float(of.period_ns)
    };
    [true, false].map(intervals).iter().all(|intervals| intervals.is_empty() || are_equal(intervals))
}

/// An edge is anywhere between two frames with the same likelihood, whose deviation is a period through the root of 12; the
/// differences show what else there is.
fn standard_error(differences: &[f64], periods: [i64; 2], in_step: [bool; 2]) -> f64 {
    let count = counted(differences.len());
    let mean = mean(differences);
    let spread = differences.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let phases = periods.iter().zip(in_step).map(|(period, in_step)| {
        let variance = float(*period).powi(2) / 12.0;
        if in_step { variance } else { variance / count }
    });
    (spread / count).max(phases.sum()).sqrt()
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / counted(of.len()).max(1.0)
}

fn counted(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
