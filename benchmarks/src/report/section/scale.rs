//! Cost by the number of cameras.

use super::shape::{Section, maybe, words};
use crate::report::charts::{Curve, Curves};
use crate::report::read::{Scale, ScalePoint, Series};
use crate::report::table::Table;
use crate::round::short;

/// Fewest cameras first, each number once, without those that never came up.
fn by_cameras(series: &Series) -> Vec<&ScalePoint> {
    let mut points: Vec<&ScalePoint> = series.points.iter().filter(|p| p.held || p.frames > 0).collect();
    points.sort_by_key(|point| (point.cameras, !point.held));
    points.dedup_by_key(|point| point.cameras);
    points
}

pub(super) fn section(results: &Scale) -> Section {
    let curve = |of: fn(&ScalePoint) -> f64| -> Vec<Curve> {
        let curves = results.series.iter().map(|series| {
            let points = by_cameras(series);
            Curve {
                label: series.size.clone(),
                points: points.iter().map(|point| (f64::from(point.cameras), of(point))).collect(),
                hollow: points.iter().map(|point| !point.held).collect(),
                ..Curve::default()
            }
        });
        curves.collect()
    };
    let hollow = match results.series.iter().flat_map(by_cameras).any(|point| !point.held) {
        true => " Hollow: not every frame was in time.",
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
        "held",
    ]);
    for series in &results.series {
        for point in by_cameras(series) {
            table.row([
                (format!("{} at {} fps", series.size, short(series.fps)), None),
                (point.cameras.to_string(), None),
                (short(point.cpu_percent), None),
                (short(point.cpu_percent / f64::from(point.cameras.max(1))), None),
                (short(point.memory_mb), None),
                (point.frames.to_string(), None),
                (point.dropped.to_string(), None),
                (format!("{} / {}", maybe(point.interval_p99_ms), maybe(point.interval_max_ms)), None),
                (if point.held { "yes" } else { "no" }.into(), None),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_shown_in_order_and_once_whatever_was_tried_when() {
        let point = |cameras: u32, frames: u64, held: bool| serde_json::json!({ "cameras": cameras, "cpu_percent": 1, "memory_mb": 1, "frames": frames, "held": held });
        let tried = [
            point(4, 9, true),
            point(16, 9, false),
            point(8, 9, true),
            point(32, 0, false),
            point(16, 9, false),
        ];
        let series = serde_json::json!({ "size": "1280x720", "fps": 60, "held": 8, "points": tried });
        let series: Series = serde_json::from_value(series).unwrap();
        let shown: Vec<(u32, bool)> = by_cameras(&series).iter().map(|p| (p.cameras, p.held)).collect();
        assert_eq!(shown, [(4, true), (8, true), (16, false)]);
    }
}
