//! From kill to encoding.

use rig::spread::Spread;

use super::shape::{Section, words};
use crate::report::charts::Histogram;
use crate::report::table::Table;
use crate::restart::Results;
use crate::round::short;

pub(super) fn section(results: &Results) -> Section {
    let spread = |values: &[f64]| Spread::of(values.iter().copied());
    let (again, noticed) = (spread(&results.encoding_again_ms), spread(&results.noticed_ms));
    let title = format!("From kill -9 to the next encoded frame, {} kills", results.kills);
    let histogram = Histogram {
        words: words(
            "restart",
            &title,
            "The recorder is killed at random moments while clips are being recorded. Each camera that was being recorded \
             counts once.",
            "ms from the kill to the next encoded frame",
            "how often",
        ),
        values: results.encoding_again_ms.clone(),
        marks: vec![
            (again.p50, format!("half within {} ms", short(again.p50))),
            (again.p99, format!("99 of 100 within {} ms", short(again.p99))),
        ],
    };
    let mut table = Table::new(&["ms", "p50", "p99", "worst", "of"]);
    for (what, spread) in [("noticed by the supervisor", noticed), ("encoding again", again)] {
        table.row([
            (what.into(), None),
            (short(spread.p50), None),
            (short(spread.p99), None),
            (short(spread.worst), None),
            (spread.of.to_string(), None),
        ]);
    }
    let lead = format!(
        "{} of {} frames are in the clips; {} are declared missing, {} are missing in silence.",
        results.frames_present, results.frames_expected, results.frames_declared, results.frames_silent
    );
    Section {
        heading: "After the recorder is killed".into(),
        lead,
        pictures: histogram.draw().into_iter().collect(),
        tables: vec![table],
        notes: results.broken.iter().map(|why| format!("Broken: {why}")).collect(),
    }
}
