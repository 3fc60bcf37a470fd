//! The ring, beside the least that it could cost and beside another.

use super::shape::{Section, figure, pair};
use crate::report::table::Table;
use crate::ring::Results;
use crate::took::Took;

pub(super) fn section(results: &Results) -> Section {
    let us = |took: &Took| pair(figure(took.p50_ns) / 1e3, figure(took.p99_ns) / 1e3);
    let mut table = Table::new(&[
        "µs, p50 / p99",
        "publish",
        "the copy in it",
        "ratio, median",
        "memcpy",
        "ratio, median",
        "lease",
    ]);
    let theirs = results.iceoryx2.as_ref();
    for (number, size) in results.sizes.iter().enumerate() {
        let other = theirs.and_then(|theirs| theirs.sizes.get(number)).map(|size| ("iceoryx2", size));
        for (whose, size) in [("the ring", size)].into_iter().chain(other) {
            table.row([
                (format!("{}, {whose}", size.name), None),
                (us(&size.publish), None),
                (us(&size.copy), None),
                (format!("{:.3}", size.publish_over_copy), None),
                (size.memcpy.as_ref().map_or("–".into(), us), None),
                (size.publish_over_memcpy.map_or("–".into(), |ratio| format!("{ratio:.3}")), None),
                (us(&size.lease), None),
            ]);
        }
    }
    let mut waking = Table::new(&["waking another process", "µs, p50 / p99"]);
    let ours = [("a bare futex", &results.wake_futex), ("the ring", &results.wake_ring)];
    for (whose, took) in ours.into_iter().chain(theirs.map(|theirs| ("iceoryx2", &theirs.wake))) {
        waking.row([(whose.into(), None), (us(took), None)]);
    }
    Section {
        heading: "The ring".into(),
        lead: "What publishing a frame adds to its copy, and waking to a bare futex.".into(),
        tables: vec![table, waking],
        ..Section::default()
    }
}
