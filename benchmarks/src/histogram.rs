//! Many figures, by how large they are. Pure.

use crate::round::{round_step, short};

/// About so many classes for the nine tenths that are the smallest.
const COMMON: f64 = 8.0;
/// And so many in all, the last of which may have no end.
const AT_MOST: usize = 20;

/// The figures from `from` to below `to`; to `to` itself, and beyond, in the last one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Class {
    /// The least that belongs here.
    pub from: f64,
    /// The beginning of the next class; infinite when this one has whatever is larger.
    pub to: f64,
    /// Number of figures.
    pub count: usize,
}

/// Classes of one width, a round one. The rare largest figures share the last class, which then has no end: one figure that is
/// ten times the others would leave them no room.
#[must_use]
pub fn classes(values: &[f64]) -> Vec<Class> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let common = sorted[(sorted.len() * 9).div_ceil(10).saturating_sub(1)];
    let width = round_step((common - least) / COMMON);
    let begin = (least / width).floor();
    let mut classes = Vec::new();
    let mut rest = sorted.as_slice();
    while !rest.is_empty() {
        let number = u32::try_from(classes.len()).map_or(0.0, f64::from);
        let (from, mut to) = ((begin + number) * width, (begin + number + 1.0) * width);
        if classes.len() + 1 == AT_MOST && *most >= to {
            to = f64::INFINITY;
        }
        let (inside, beyond) = rest.split_at(rest.partition_point(|value| *value < to));
        classes.push(Class { from, to, count: inside.len() });
        rest = beyond;
    }
    classes
}

/// A line for each class, with a bar.
#[must_use]
pub fn in_lines(values: &[f64], unit: &str) -> String {
    const LONGEST: usize = 40;
    let classes = classes(values);
    let most = classes.iter().map(|class| class.count).max().unwrap_or(0).max(1);
    let line = |class: &Class| {
        let bar = "█".repeat((class.count * LONGEST).div_ceil(most));
        let to = if class.to.is_finite() { format!("{:>6}", short(class.to)) } else { "more".into() };
        format!("{:>6} to {to:<6} {unit} {:>5}  {bar}\n", short(class.from), class.count)
    };
    classes.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_in_one_class_and_the_rare_large_ones_share_the_last() {
        let mut values: Vec<f64> = (0..200).map(|n| 20.0 + f64::from(n % 40)).collect();
        values.extend([900.0, 950.0, 960.0]);
        let classes = classes(&values);
        assert_eq!(classes.iter().map(|class| class.count).sum::<usize>(), values.len());
        assert!(classes.len() <= AT_MOST, "{classes:?}");
        let last = classes.last().unwrap();
        assert!(last.count == 3 && last.to.is_infinite(), "{classes:?}");
        assert!(classes.windows(2).all(|pair| (pair[0].to - pair[1].from).abs() < 1e-9));
        assert!((classes[0].from - 20.0).abs() < 1e-9, "{classes:?}");
    }

    #[test]
    fn few_figures_are_shown_too() {
        assert_eq!(classes(&[]), []);
        assert_eq!(classes(&[7.2]), [Class { from: 7.0, to: 8.0, count: 1 }]);
        assert_eq!(in_lines(&[7.2], "ms").lines().count(), 1);
        assert_eq!(classes(&[5.0, 5.0, 5.0])[0].count, 3);
    }
}
