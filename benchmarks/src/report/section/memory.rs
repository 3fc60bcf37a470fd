//! Memory by the length of the pre-roll.

use super::shape::{Section, words};
use crate::report::charts::{Curve, Curves};
use crate::report::read::{Memory, MemoryPoint};
use crate::report::table::Table;
use crate::round::short;

pub(super) fn section(results: &Memory) -> Section {
    let line = |label: &str, formula: bool, of: fn(&MemoryPoint) -> f64| Curve {
        label: label.into(),
        points: results.points.iter().map(|point| (point.pre_roll_ms / 1000.0, of(point))).collect(),
        formula,
        ..Curve::default()
    };
    let title = format!("Memory, by length of the pre-roll, {} cameras", results.cameras);
    let about = format!(
        "{} at {} fps. Measured: all processes together, each shared page once (PSS). Dashed: the rings alone, by the formula \
         that \"supervisor check\" uses.",
        results.size,
        short(results.fps)
    );
    let curves = Curves {
        words: words("memory-pre-roll", &title, &about, "seconds of pre-roll", "MB"),
        curves: vec![line("measured", false, |p| p.memory_mb), line("rings", true, |p| p.rings_mb)],
        ..Curves::default()
    };
    let mut table =
        Table::new(&["pre-roll, ms", "rings by the formula, MB", "measured, MB", "beside the rings, MB"]);
    for point in &results.points {
        table.row([
            (short(point.pre_roll_ms), None),
            (short(point.rings_mb), None),
            (short(point.memory_mb), None),
            (short(point.memory_mb - point.rings_mb), None),
        ]);
    }
    Section {
        heading: "Memory and pre-roll".into(),
        lead: "Frames are kept as they come from the camera, so the pre-roll is paid for in memory.".into(),
        pictures: curves.draw().into_iter().collect(),
        tables: vec![table],
        notes: Vec::new(),
    }
}
