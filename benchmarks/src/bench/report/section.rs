//! What the page says of one result: a heading, what it means, pictures, tables. Pure: from figures to words.

use super::charts::{Curve, Curves, Histogram, Strip, Strips, Words};
use super::picture::Picture;
use super::read::{Content, Memory, Peer, Peers, Scale, Sizes};
use super::table::{Best, Table};
use crate::bench::round::short;
use crate::bench::{encode, restart, ring, run};
use crate::nemesis::figures::Spread;

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
        Content::Peers(results) => peers(results),
        Content::Restart(results) => restart(results),
        Content::Scale(results) => scale(results),
        Content::Memory(results) => memory(results),
        Content::Size(results) => size(results),
        Content::Run(results) => one_run(results),
        Content::Ring(results) => ring(results),
        Content::Encode(results) => encode(results),
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

fn peers(results: &Peers) -> Section {
    let period = results.peers.iter().find(|peer| !peer.around.is_empty());
    let period = period.map_or(0.0, |peer| median(peer.around.iter().map(|i| i.1)));
    let strip = |peer: &Peer| {
        let longest = peer.around.iter().map(|i| i.1).fold(0.0, f64::max);
        let says = match peer.around.is_empty() {
            true => "no frame".to_owned(),
            false => format!("longest {} ms", short(longest)),
        };
        Strip { label: peer.title.clone(), says, intervals: peer.around.clone() }
    };
    let about = format!(
        "Each block is the time from one frame in the clip to the next, as wide and as high as it is long. A frame is due every {} \
         ms; later than one and a half of that is orange. The dashed line is the trigger. Each one's worst camera in its worst round.",
        short(period)
    );
    let strips = Strips {
        words: words(
            "peers-interval",
            "Frames around a trigger",
            &about,
            "ms from the trigger",
            "ms between frames",
        ),
        strips: results.peers.iter().map(strip).collect(),
        period,
    };
    let mut table = Table::new(&[
        "",
        "frames found",
        "twice",
        "longest hole, ms",
        "memory, MB, average / peak",
        "CPU, % of a core, average / peak",
        "CPU armed, %",
        "file after, ms, p50 / p99",
    ]);
    table.best = vec![
        (1, Best::Most),
        (3, Best::Least),
        (4, Best::Least),
        (5, Best::Least),
        (6, Best::Least),
        (7, Best::Least),
    ];
    for peer in &results.peers {
        let found = 100.0 * figure(peer.frames_found) / figure(peer.frames_expected).max(1.0);
        let cells = [
            (peer.title.clone(), None),
            (format!("{} of {} ({} %)", peer.frames_found, peer.frames_expected, short(found)), Some(found)),
            (peer.duplicated.to_string(), None),
            (maybe(peer.hole_worst_ms), peer.hole_worst_ms),
            (
                peer.memory_mb.map_or("–".into(), |level| pair(level.average, level.peak)),
                peer.memory_mb.map(|level| level.average),
            ),
            (
                peer.cpu_percent.map_or("–".into(), |level| pair(level.average, level.peak)),
                peer.cpu_percent.map(|level| level.average),
            ),
            (maybe(peer.armed_cpu_percent), peer.armed_cpu_percent),
            (
                peer.file_after_ms.map_or("–".into(), |after| pair(after.p50, after.p99)),
                peer.file_after_ms.map(|after| after.p50),
            ),
        ];
        table.row(cells);
    }
    let mut killed = Table::new(&["kill -9 of its encoder", "frames found", "longest hole, ms", ""]);
    for peer in &results.peers {
        let Some(one) = &peer.killed else { continue };
        let found = one.frames_found.zip(one.frames_expected);
        let found = found.map_or("–".into(), |(found, expected)| format!("{found} of {expected}"));
        killed.row([
            (peer.title.clone(), None),
            (found, None),
            (maybe(one.hole_ms), None),
            (one.note.clone(), None),
        ]);
    }
    let what = results.peers.iter().filter(|peer| !peer.what.is_empty());
    Section {
        heading: "Beside what one would use instead".into(),
        lead: "The same frames, the same triggers, in one run. The best of each column is in bold, whoever it is.".into(),
        pictures: strips.draw().into_iter().collect(),
        tables: vec![table, killed],
        notes: what.map(|peer| format!("{}: {}", peer.title, peer.what)).collect(),
    }
}

fn restart(results: &restart::Results) -> Section {
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

fn scale(results: &Scale) -> Section {
    let curve = |of: fn(&super::read::ScalePoint) -> f64| -> Vec<Curve> {
        let curves = results.series.iter().map(|series| Curve {
            label: series.size.clone(),
            points: series.points.iter().map(|point| (f64::from(point.cameras), of(point))).collect(),
            hollow: series.points.iter().map(|point| !point.held).collect(),
            ..Curve::default()
        });
        curves.collect()
    };
    let hollow = match results.series.iter().flat_map(|series| &series.points).any(|point| !point.held) {
        true => " Hollow: frames were dropped.",
        false => "",
    };
    let picture = |name: &str, title: &str, about: &str, y: &str, curves: Vec<Curve>| {
        let words = words(name, title, &format!("{about}{hollow}"), "armed cameras", y);
        Curves { words, curves, ..Curves::default() }.draw()
    };
    let cpu = picture(
        "scale-cpu",
        "Processor time, by number of armed cameras",
        "All processes together; 100 % is one core.",
        "% of a core",
        curve(|point| point.cpu_percent),
    );
    let memory = picture(
        "scale-memory",
        "Memory, by number of armed cameras",
        "All processes together, each shared page once (PSS).",
        "MB",
        curve(|point| point.memory_mb),
    );
    let mut table = Table::new(&[
        "size",
        "cameras",
        "CPU, % of a core",
        "a camera",
        "memory, MB",
        "frames",
        "dropped",
        "interval p99 / longest, ms",
    ]);
    for series in &results.series {
        for point in &series.points {
            table.row([
                (format!("{} at {} fps", series.size, short(series.fps)), None),
                (point.cameras.to_string(), None),
                (short(point.cpu_percent), None),
                (short(point.cpu_percent / f64::from(point.cameras.max(1))), None),
                (short(point.memory_mb), None),
                (point.frames.to_string(), None),
                (point.dropped.to_string(), None),
                (format!("{} / {}", maybe(point.interval_p99_ms), maybe(point.interval_max_ms)), None),
            ]);
        }
    }
    let held = results.series.iter().map(|series| {
        let held = series.held.map_or("–".to_owned(), |held| held.to_string());
        let bound = if series.bound.is_empty() { String::new() } else { format!(" ({})", series.bound) };
        format!("{} at {} fps: {held} cameras held without a drop{bound}.", series.size, short(series.fps))
    });
    Section {
        heading: "More cameras".into(),
        lead: held.collect::<Vec<_>>().join(" "),
        pictures: cpu.into_iter().chain(memory).collect(),
        tables: vec![table],
        notes: Vec::new(),
    }
}

fn memory(results: &Memory) -> Section {
    let line = |label: &str, formula: bool, of: fn(&super::read::MemoryPoint) -> f64| Curve {
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

fn size(results: &Sizes) -> Section {
    let mut codecs: Vec<&str> = results.points.iter().map(|point| point.codec.as_str()).collect();
    codecs.dedup();
    let curve = |codec: &&str| {
        let mut points: Vec<_> = results.points.iter().filter(|point| point.codec == **codec).collect();
        points.sort_by_key(|point| point.bytes);
        Curve {
            label: (*codec).to_owned(),
            points: points.iter().map(|point| (figure(point.bytes) / 1e6, point.ssim)).collect(),
            notes: points.iter().map(|point| short(point.quality)).collect(),
            ..Curve::default()
        }
    };
    // H264 at the config's default, and MJPG where it is as good.
    let asked = results.points.iter().find(|p| p.codec == "H264" && (p.quality - 23.0).abs() < 0.1);
    let span = asked.map(|point| {
        let mb = figure(point.bytes) / 1e6;
        (mb, mb * results.ratio, point.ssim, format!("{} times", short(results.ratio)))
    });
    let curves = Curves {
        words: words(
            "codec-size",
            "File size and likeness, H264 beside MJPG",
            &format!(
                "{}, recorded by Preroll. Higher is more like the camera's frames, further left is smaller. Beside each point: \
                 codec_quality.",
                results.film
            ),
            "MB (logarithmic)",
            "SSIM (1 is the same)",
        ),
        curves: codecs.iter().map(curve).collect(),
        log_x: true,
        from_least: true,
        span,
    };
    let mut table = Table::new(&["codec", "codec_quality", "MB", "SSIM"]);
    for point in &results.points {
        table.row([
            (point.codec.clone(), None),
            (short(point.quality), None),
            (format!("{:.2}", figure(point.bytes) / 1e6), None),
            (format!("{:.4}", point.ssim), None),
        ]);
    }
    Section {
        heading: "Size at equal likeness".into(),
        lead: format!(
            "At the SSIM that H264 has at codec_quality 23, MJPG takes {} times the bytes.",
            short(results.ratio)
        ),
        pictures: curves.draw().into_iter().collect(),
        tables: vec![table],
        notes: vec![
            "The film had been compressed before, which takes from it what is hardest to compress.".into(),
        ],
    }
}

fn one_run(results: &run::Results) -> Section {
    let (plan, cost, clips) = (&results.plan, &results.cost, &results.clips);
    let mut table = Table::new(&["", "average", "peak"]);
    let mut level = |what: &str, level: &crate::bench::cost::Level| {
        table.row([(what.to_owned(), None), (short(level.average), None), (short(level.peak), None)]);
    };
    level("memory, MB (PSS)", &cost.memory_mb);
    level("CPU, % of a core", &cost.cpu_percent);
    level("disk, MB/s", &cost.disk_mb_per_s);
    for (role, (mb, cpu)) in &cost.roles {
        level(&format!("{role}: memory, MB"), mb);
        level(&format!("{role}: CPU, % of a core"), cpu);
    }
    let mut cameras = Table::new(&["camera", "frames", "dropped", "interval p50, ms", "p99", "longest"]);
    for camera in &results.cameras {
        cameras.row([
            (camera.name.clone(), None),
            (camera.frames.to_string(), None),
            (camera.dropped.to_string(), None),
            (short(camera.interval_p50_ms), None),
            (short(camera.interval_p99_ms), None),
            (short(camera.interval_max_ms), None),
        ]);
    }
    let mut lead = format!(
        "{} cameras ({}), {} at {} fps, for {} s.",
        plan.cameras,
        plan.backend,
        plan.size,
        plan.fps,
        short(plan.duration_s)
    );
    if clips.asked > 0 {
        lead += &format!(
            " {} of {} clips are complete, with {} of {} frames.",
            clips.complete, clips.asked, clips.frames_written, clips.frames_expected
        );
    }
    if let Some(after) = clips.finished_after_ms {
        lead += &format!(
            " Finished {} ms (p50), {} ms (p99), {} ms (worst) after the window's end.",
            short(after.p50),
            short(after.p99),
            short(after.worst)
        );
    }
    Section { heading: "One run".into(), lead, tables: vec![table, cameras], ..Section::default() }
}

fn ring(results: &ring::Results) -> Section {
    let us = |took: &ring::Took| pair(figure(took.p50_ns) / 1e3, figure(took.p99_ns) / 1e3);
    let mut table = Table::new(&["µs, p50 / p99", "publish", "the copy in it", "ratio, median", "lease"]);
    let theirs = results.iceoryx2.as_ref();
    for (number, size) in results.sizes.iter().enumerate() {
        let other = theirs.and_then(|theirs| theirs.sizes.get(number)).map(|size| ("iceoryx2", size));
        for (whose, size) in [("the ring", size)].into_iter().chain(other) {
            table.row([
                (format!("{}, {whose}", size.name), None),
                (us(&size.publish), None),
                (us(&size.copy), None),
                (format!("{:.3}", size.publish_over_copy), None),
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

fn encode(results: &encode::Results) -> Section {
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
