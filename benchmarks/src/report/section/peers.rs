//! Other recorders beside Preroll.

use super::shape::{Section, figure, maybe, median, pair, words};
use crate::cost::Level;
use crate::report::charts::{Strip, Strips};
use crate::report::picture::Picture;
use crate::report::read::{Peer, Peers};
use crate::report::table::{Best, Table};
use crate::round::short;

pub(super) fn section(results: &Peers) -> Section {
    let measured: Vec<&Peer> = results.peers.iter().filter(|peer| peer.not_measured.is_none()).collect();
    let mut table = Table::new(&[
        "",
        "frames found",
        "twice",
        "dropped by cameras",
        "longest hole in capture, ms",
        "memory, MB, average / peak",
        "CPU, % of a core, average / peak",
        "CPU armed, %",
        "file after, ms, p50 / p99",
        "kB a frame",
    ]);
    table.best.push((1, Best::Most));
    // Bytes a frame have no best: each encoder's likeness is its own.
    table.best.extend((4..=8).map(|column| (column, Best::Least)));
    for peer in &measured {
        let found = 100.0 * figure(peer.frames_found) / figure(peer.frames_expected).max(1.0);
        let after = peer.file_after_ms.map_or("–".into(), |after| pair(after.p50, after.p99));
        let kb = peer.bytes_a_frame.map(|bytes| bytes / 1e3);
        // Preroll with its own cameras is another measurement: they cost it less.
        let beside = peer.name == "preroll-sim";
        let whole = !beside && peer.frames_found == peer.frames_expected && peer.unfinished == 0;
        let among_all = |figure: Option<f64>| figure.filter(|_| !beside);
        let among_whole = |figure: Option<f64>| figure.filter(|_| whole);
        let level = |level: Option<Level>| {
            let words = level.map_or("–".into(), |level| pair(level.average, level.peak));
            (words, among_whole(level.map(|level| level.average)))
        };
        table.row([
            (peer.title.clone(), None),
            (
                format!("{} of {} ({} %)", peer.frames_found, peer.frames_expected, short(found)),
                among_all(Some(found)),
            ),
            (peer.duplicated.to_string(), None),
            (peer.camera_dropped.to_string(), None),
            (maybe(peer.hole_worst_ms), among_all(peer.hole_worst_ms)),
            level(peer.memory_mb),
            level(peer.cpu_percent),
            (maybe(peer.armed_cpu_percent), among_whole(peer.armed_cpu_percent)),
            (after, among_whole(peer.file_after_ms.map(|after| after.p50))),
            (maybe(kb), None),
        ]);
    }
    let mut killed = Table::new(&["kill -9 of its encoder", "frames found", "longest hole, ms", ""]);
    for (peer, one) in measured.iter().filter_map(|peer| Some((peer, peer.killed.as_ref()?))) {
        let found = one.frames_found.zip(one.frames_expected);
        let found = found.map_or("–".into(), |(found, expected)| format!("{found} of {expected}"));
        killed.row([
            (peer.title.clone(), None),
            (found, None),
            (maybe(one.hole_ms), None),
            (one.note.clone(), None),
        ]);
    }
    let rounds = measured.iter().map(|peer| peer.rounds).max().unwrap_or(0);
    let cameras = results.plan.as_ref().map_or("Two cameras of the same kind".to_owned(), |plan| {
        format!(
            "Two cameras of {} at {} fps, {} ms before a trigger and {} ms after it,",
            plan.size, plan.fps, plan.pre_ms, plan.post_ms
        )
    });
    Section {
        heading: "Beside what one would use instead".into(),
        lead: format!(
            "{cameras} for each, {rounds} triggers, one recorder after the other in one run. In bold is the best of \
             a column, whoever it is; cost and speed are compared among those that missed no frame."
        ),
        pictures: around_a_trigger(&measured).into_iter().collect(),
        tables: vec![table, killed],
        notes: results.peers.iter().map(note).collect(),
    }
}

/// A description of one recorder, and anything else that was seen of it.
fn note(peer: &Peer) -> String {
    if let Some(why) = &peer.not_measured {
        return format!("{} was not measured: {why}", peer.title);
    }
    let codec = format!("encoded with {}", peer.codec);
    let seen = [
        (!peer.what.is_empty()).then(|| peer.what.clone()),
        (!peer.codec.is_empty()).then_some(codec),
        (peer.unfinished > 0).then(|| format!("{} of its clips were never finished", peer.unfinished)),
        (peer.unreadable > 0)
            .then(|| format!("{} of its pictures don't say which they are", peer.unreadable)),
        peer.broken
            .first()
            .map(|first| format!("{} of its files have errors, as {first}", peer.broken.len())),
    ];
    format!("{}: {}.", peer.title, seen.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

fn around_a_trigger(peers: &[&Peer]) -> Option<Picture> {
    let period = median(peers.iter().find(|peer| !peer.around.is_empty())?.around.iter().map(|i| i.1));
    let strip = |peer: &&Peer| {
        let longest = peer.around.iter().map(|i| i.1).fold(0.0, f64::max);
        let says = match peer.around.is_empty() {
            true => "no frame".to_owned(),
            false => format!("longest {} ms", short(longest)),
        };
        Strip { label: peer.title.clone(), says, intervals: peer.around.clone() }
    };
    let about = format!(
        "Each block is the time from one frame being taken from the camera to the next, as wide and as high as it is long. A \
         frame is due every {} ms; later than one and a half of that is orange. The dashed line is the trigger. Each one's \
         worst camera in its worst round.",
        short(period)
    );
    let (x, y) = ("ms from the trigger", "ms between frames");
    let words = words("peers-interval", "Capture around a trigger", &about, x, y);
    Strips { words, strips: peers.iter().map(strip).collect(), period }.draw()
}
