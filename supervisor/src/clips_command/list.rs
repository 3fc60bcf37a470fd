//! `clips list`: a row a clip, as a table or as JSON. Which clips are listed is a plain function of their rows.

use std::collections::BTreeMap;
use std::path::Path;

use proto::exit;
use proto::storage::mb;
use proto::time::WallAnchor;
use serde::Serialize;

use super::args::{ListArgs, Word};
use super::library::Library;
use crate::ask::moment;
use crate::ask::show::{row as cells, table};
use crate::ask::{print, say};
use crate::failure::Failure;
use crate::stored_clips::row::{Row, Standing};

/// A row in JSON.
#[derive(Serialize)]
pub(super) struct RowAnswer<'a> {
    clip_id: String,
    label: Option<&'a str>,
    verdict: &'static str,
    keep: bool,
    trigger_utc: String,
    duration_s: f64,
    cameras: &'a [String],
    bytes: u64,
    path: String,
    rig: Option<&'a str>,
    trigger_ids: &'a [String],
    meta: BTreeMap<&'a str, &'a str>,
}

impl<'a> RowAnswer<'a> {
    pub(super) fn of(row: &'a Row, folder: &Path) -> Self {
        let mut meta = BTreeMap::new();
        for (key, value) in &row.meta {
            // The first trigger's, where several brought the same key.
            meta.entry(key.as_str()).or_insert(value.as_str());
        }
        Self {
            clip_id: row.clip_id(),
            label: row.label.as_deref(),
            verdict: row.standing.name(),
            keep: row.keep,
            trigger_utc: row.trigger_utc(),
            duration_s: seconds(row.duration_ms),
            cameras: &row.cameras,
            bytes: row.bytes,
            path: folder.display().to_string(),
            rig: row.rig.as_deref(),
            trigger_ids: &row.triggers,
            meta,
        }
    }
}

/// The choice of clips that are listed.
#[derive(Debug, Default)]
struct Filter {
    label: Option<String>,
    /// None: all.
    words: Vec<Word>,
    since_unix_ns: u64,
    meta: Vec<(String, String)>,
}

impl Filter {
    fn of(args: &ListArgs, now_unix_ns: u64) -> Result<Self, Failure> {
        let meta = args.meta.iter().map(|typed| match typed.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => {
                Err(Failure::bad_input(format!("--meta {typed:?}: it takes KEY=VALUE, such as animal=m12")))
            }
        });
        let since_unix_ns = match &args.since {
            Some(typed) => since(typed, now_unix_ns)?,
            None => 0,
        };
        let meta = meta.collect::<Result<_, _>>()?;
        Ok(Self { label: args.label.clone(), words: args.verdicts.clone(), since_unix_ns, meta })
    }

    fn takes(&self, row: &Row) -> bool {
        self.label.as_ref().is_none_or(|label| row.label.as_ref() == Some(label))
            && (self.words.is_empty() || self.words.iter().any(|word| is_so(*word, row.standing)))
            && row.trigger_unix_ns >= self.since_unix_ns
            && self.meta.iter().all(|(key, value)| row.has_meta(key, value))
    }
}

fn is_so(word: Word, standing: Standing) -> bool {
    use proto::clip::Verdict;
    let of_word = match word {
        Word::Complete => Standing::Finished(Verdict::Complete),
        Word::Short => Standing::Finished(Verdict::Short),
        Word::EndedEarly => Standing::Finished(Verdict::EndedEarly),
        Word::Gaps => Standing::Finished(Verdict::Gaps),
        Word::Open => Standing::Open,
        Word::Unreadable => Standing::Unreadable,
    };
    of_word == standing
}

/// A moment, in nanoseconds since 1970: a time, or how long ago it is.
fn since(typed: &str, now_unix_ns: u64) -> Result<u64, Failure> {
    let span =
        typed.trim().split_at_checked(typed.trim().len().saturating_sub(1)).and_then(|(number, unit)| {
            let seconds: u64 = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                "d" => 86_400,
                _ => return None,
            };
            number.parse::<u64>().ok()?.checked_mul(seconds)?.checked_mul(1_000_000_000)
        });
    if let Some(span_ns) = span {
        return Ok(now_unix_ns.saturating_sub(span_ns));
    }
    moment::unix_ns(typed)
        .map_err(|e| Failure::bad_input(format!("--since {typed:?}: {e}. 24h and 7d are read too")))
}

/// Prints the clips.
pub(super) fn list(library: &Library, args: &ListArgs) -> Result<u8, Failure> {
    let filter = Filter::of(args, WallAnchor::now().unix_ns)?;
    let rows: Vec<&Row> = library.rows().iter().filter(|row| filter.takes(row)).collect();
    if args.json {
        let answers: Vec<_> = rows.iter().map(|row| RowAnswer::of(row, &library.folder(row))).collect();
        return print(&answers).map(|()| exit::DONE);
    }
    if rows.is_empty() {
        let which = if args.is_empty() { "no clip is" } else { "no such clip is" };
        return say(&format!("{which} in {}\n", library.output_dir().display())).map(|()| exit::DONE);
    }
    say(&text(&rows)).map(|()| exit::DONE)
}

fn text(rows: &[&Row]) -> String {
    let mut lines = vec![cells(["clip", "verdict", "kept", "trigger (UTC)", "length", "cameras", "size"])];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.clip_id(),
            row.standing.name().to_owned(),
            if row.keep { "yes" } else { "" }.to_owned(),
            row.trigger_utc().replace('T', " ").trim_end_matches('Z').to_owned(),
            format!("{:.1} s", seconds(row.duration_ms)),
            row.cameras.join(","),
            size(row.bytes),
        ]
    }));
    let bytes = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.bytes));
    let clips = if rows.len() == 1 { "1 clip".to_owned() } else { format!("{} clips", rows.len()) };
    format!("{}{clips}, {}\n", table(&lines), size(bytes))
}

/// Bytes for a person.
pub(super) fn size(bytes: u64) -> String {
    match mb(bytes) {
        mb if mb < 1.0 => format!("{:.0} kB", mb * 1e3),
        mb if mb < 1000.0 => format!("{mb:.1} MB"),
        mb => format!("{:.1} GB", mb / 1e3),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a clip")]
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proto::clip::Verdict;

    use super::*;

    const NOW: u64 = 1_795_342_500_000_000_000;

    fn row(label: &str, standing: Standing, age_s: u64) -> Row {
        Row {
            standing,
            label: Some(label.to_owned()),
            trigger_unix_ns: NOW - age_s * 1_000_000_000,
            duration_ms: 1500,
            cameras: vec!["left".into(), "right".into()],
            bytes: 3_200_000,
            meta: vec![("animal".into(), "m12".into()), ("animal".into(), "m13".into())],
            ..Row::unreadable(PathBuf::from(format!("run_20261122-091510/clip-0001-{label}")))
        }
    }

    fn listed(rows: &[Row], args: &ListArgs) -> Vec<String> {
        let filter = Filter::of(args, NOW).unwrap();
        rows.iter().filter(|row| filter.takes(row)).filter_map(|row| row.label.clone()).collect()
    }

    #[test]
    fn each_filter_takes_its_clips_and_several_take_what_all_do() {
        let rows = [
            row("a", Standing::Finished(Verdict::Complete), 30),
            row("b", Standing::Finished(Verdict::Gaps), 4000),
            row("c", Standing::Open, 0),
        ];
        let none = ListArgs::default;
        assert_eq!(listed(&rows, &none()), ["a", "b", "c"]);
        assert_eq!(listed(&rows, &ListArgs { label: Some("b".into()), ..none() }), ["b"]);
        assert_eq!(listed(&rows, &ListArgs { verdicts: vec![Word::Open, Word::Gaps], ..none() }), ["b", "c"]);
        for since in ["1h", "3600s", "60m", "2026-11-22T09:15:00Z", "1795338900"] {
            assert_eq!(
                listed(&rows, &ListArgs { since: Some(since.into()), ..none() }),
                ["a", "c"],
                "{since}"
            );
        }
        for (meta, all) in [("animal=m12", 3), ("animal=m13", 3), ("animal=m1", 0), ("animal=", 0)] {
            assert_eq!(listed(&rows, &ListArgs { meta: vec![meta.into()], ..none() }).len(), all, "{meta}");
        }
        let both = ListArgs { verdicts: vec![Word::Complete], since: Some("10s".into()), ..none() };
        assert_eq!(listed(&rows, &both), [""; 0]);
    }

    #[test]
    fn a_filter_that_can_not_be_read_is_refused() {
        for args in [
            ListArgs { since: Some("soon".into()), ..ListArgs::default() },
            ListArgs { since: Some("h".into()), ..ListArgs::default() },
            ListArgs { since: Some("99999999999999999999d".into()), ..ListArgs::default() },
            ListArgs { meta: vec!["animal".into()], ..ListArgs::default() },
        ] {
            assert_eq!(Filter::of(&args, NOW).unwrap_err().exit_code(), 2, "{args:?}");
        }
        assert_eq!(since("2026-11-22", NOW).unwrap(), 1_795_305_600_000_000_000);
        assert_eq!(since("36500d", NOW).unwrap(), 0, "before there was anything");
    }

    #[test]
    fn a_table_has_a_line_a_clip_and_their_sum() {
        let rows = [row("a", Standing::Finished(Verdict::EndedEarly), 0), row("b", Standing::Open, 0)];
        let kept = Row { keep: true, ..rows[0].clone() };
        let text = text(&[&kept, &rows[1]]);
        assert!(
            text.contains(
                "20261122-091510-clip-0001-a  ended_early  yes   2026-11-22 10:15:00.000  1.5 s   left,right  3.2 MB\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("2 clips, 6.4 MB\n"), "{text}");
        let json = serde_json::to_value(RowAnswer::of(&kept, Path::new("/r/x"))).unwrap();
        assert_eq!((&json["keep"], &json["verdict"]), (&true.into(), &"ended_early".into()));
        assert_eq!((&json["meta"]["animal"], &json["duration_s"]), (&"m12".into(), &1.5.into()));
    }

    #[test]
    fn sizes_are_in_the_unit_that_a_person_would_use() {
        assert_eq!([900, 1_500_000, 2_340_000_000].map(size), ["1 kB", "1.5 MB", "2.3 GB"]);
    }
}
