//! What the page says of one result: a heading, what it means, pictures, tables. Pure: from figures to words.

mod encode;
mod memory;
mod peers;
mod restart;
mod ring;
mod run;
mod scale;
mod size;

use super::charts::Words;
use super::picture::Picture;
use super::read::Content;
use super::table::Table;
use crate::round::short;
use rig::spread::Spread;

/// One part of the page.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What is seen.
    pub heading: String,
    /// In a sentence or two.
    pub lead: String,
    /// From top to bottom.
    pub pictures: Vec<Picture>,
    /// Below them.
    pub tables: Vec<Table>,
    /// What the figures don't say.
    pub notes: Vec<String>,
}

/// What is said of this.
#[must_use]
pub fn section(content: &Content) -> Section {
    match content {
        Content::Peers(results) => peers::section(results),
        Content::Restart(results) => restart::section(results),
        Content::Scale(results) => scale::section(results),
        Content::Memory(results) => memory::section(results),
        Content::Size(results) => size::section(results),
        Content::Run(results) => run::section(results),
        Content::Ring(results) => ring::section(results),
        Content::Encode(results) => encode::section(results),
    }
}

fn words(name: &str, title: &str, about: &str, x: &str, y: &str) -> Words {
    Words { name: name.into(), title: title.into(), about: about.into(), x: x.into(), y: y.into() }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(values).p50
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn figure(count: u64) -> f64 {
    count as f64
}

fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

fn pair(average: f64, peak: f64) -> String {
    format!("{} / {}", short(average), short(peak))
}
