//! The page's section about one result: a heading, what it means, pictures, tables. Pure: from figures to words.

mod encode;
mod memory;
mod peers;
mod restart;
mod ring;
mod run;
mod scale;
mod shape;
mod size;

use super::read::Content;

pub use shape::Section;

/// The section about these figures.
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
