//! A frame's processor time.

use super::shape::Section;
use crate::encode::Results;
use crate::report::table::Table;
use crate::round::short;

pub(super) fn section(results: &Results) -> Section {
    let mut table = Table::new(&["ms of processor time a frame", "the recorder", "the ffmpeg command"]);
    for (round, (ours, theirs)) in results.rounds.iter().enumerate() {
        table.row([(format!("round {}", round + 1), None), (short(*ours), None), (short(*theirs), None)]);
    }
    Section {
        heading: "Encoding".into(),
        lead: format!(
            "Median ratio {:.3}, with the same frames and the same settings of libx264.",
            results.ratio
        ),
        tables: vec![table],
        ..Section::default()
    }
}
