//! Codecs by size and likeness.

use super::shape::{Section, figure, words};
use crate::report::charts::{Curve, Curves};
use crate::report::read::Sizes;
use crate::report::table::Table;
use crate::round::short;

pub(super) fn section(results: &Sizes) -> Section {
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
            "The film had been compressed before, perhaps by H.264 itself: that takes from it what is hardest to compress, and \
             may favour one of them."
                .into(),
        ],
    }
}
