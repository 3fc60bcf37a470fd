//! The shape that every section has, and figures as its words write them.

use rig::spread::Spread;

use crate::report::charts::Words;
use crate::report::picture::Picture;
use crate::report::table::Table;
use crate::round::short;

/// A part of the page.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// In a sentence or two.
    pub lead: String,
    /// From top to bottom.
    pub pictures: Vec<Picture>,
    /// Below them.
    pub tables: Vec<Table>,
    /// Caveats: things that the figures don't say.
    pub notes: Vec<String>,
}

pub(super) fn words(name: &str, title: &str, about: &str, x: &str, y: &str) -> Words {
    Words { name: name.into(), title: title.into(), about: about.into(), x: x.into(), y: y.into() }
}

pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(values).p50
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
pub(super) fn figure(count: u64) -> f64 {
    count as f64
}

pub(super) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

pub(super) fn pair(average: f64, peak: f64) -> String {
    format!("{} / {}", short(average), short(peak))
}
