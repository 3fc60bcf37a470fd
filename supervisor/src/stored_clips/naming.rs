//! The clip that a person means by a text: its id, a trigger's id, or a short form of its id that fits one clip. Pure.
//!
//! | text | the clip |
//! |---|---|
//! | `20261122-091510-clip-0001-goal` | of this id |
//! | a trigger's id | that this trigger is of |
//! | `clip-0001-goal`, `clip-0001` | of this name in the newest run that has one |
//! | `20261122-091510-clip-0001`, `goal`, `20261122-091510` | the only one whose id has these parts in a row |

use std::fmt;
use std::path::Path;

use super::row::Row;

/// So many candidates are listed.
const LISTED: usize = 12;

/// The reason why a text names no clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoClip {
    /// No clip is called so.
    Unknown { text: String },
    /// Several are: the first of them, the newest first, and the number of all.
    Ambiguous { text: String, candidates: Vec<String>, all: usize },
}

impl fmt::Display for NoClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { text } => {
                write!(
                    f,
                    "there is no clip {text}: neither a clip nor a trigger has that id; `clips list` shows all"
                )
            }
            Self::Ambiguous { text, candidates, all } => {
                write!(f, "{text} can be {all} clips; give more of the id:")?;
                candidates.iter().try_for_each(|candidate| write!(f, "\n  {candidate}"))?;
                match all - candidates.len() {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
        }
    }
}

/// Finds the clip that is meant by a text.
///
/// # Errors
/// [`NoClip`].
pub(crate) fn find<'a>(rows: &'a [Row], text: &str) -> Result<&'a Row, NoClip> {
    let unknown = || NoClip::Unknown { text: shown(text) };
    if text.is_empty() {
        return Err(unknown());
    }
    let with = |is_meant: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| is_meant(row)).collect::<Vec<_>>();
    let of_newest_run = || newest_run(with(&|row| row.name() == text || has_number(row.name(), text)));
    let steps: [&dyn Fn() -> Vec<&'a Row>; 4] = [
        &|| with(&|row| row.clip_id() == text),
        &|| with(&|row| row.triggers.iter().any(|id| id == text)),
        &of_newest_run,
        &|| with(&|row| has_parts(&row.clip_id(), text)),
    ];
    let found = steps.iter().map(|step| step()).find(|found| !found.is_empty()).unwrap_or_default();
    match found[..] {
        [] => Err(unknown()),
        [row] => Ok(row),
        _ => Err(ambiguous(text, found)),
    }
}

fn ambiguous(text: &str, mut found: Vec<&Row>) -> NoClip {
    found.sort_by_key(|row| std::cmp::Reverse((row.trigger_unix_ns, &row.place)));
    let all = found.len();
    // Two rigs that began within one second have clips of the same id.
    let named = |row: &&Row| format!("{} ({})", row.clip_id(), row.place.display());
    NoClip::Ambiguous { text: shown(text), candidates: found.iter().take(LISTED).map(named).collect(), all }
}

/// Is the text the beginning of a clip's name, number included: `clip-0001` of `clip-0001-goal`?
fn has_number(name: &str, text: &str) -> bool {
    text.starts_with("clip-") && name.strip_prefix(text).is_some_and(|rest| rest.starts_with('-'))
}

/// Does an id have these parts in a row?
fn has_parts(id: &str, text: &str) -> bool {
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with('-');
    id.match_indices(text)
        .any(|(at, _)| is_end(&id[at + text.len()..]) && (at == 0 || id[..at].ends_with('-')))
}

/// The clips of the newest run among these.
fn newest_run(found: Vec<&Row>) -> Vec<&Row> {
    let newest = found.iter().map(|row| run_time(&row.place)).max();
    found.into_iter().filter(|row| Some(run_time(&row.place)) == newest).collect()
}

/// The time in the name of a clip's run folder: date and time, and the number of the run within its second. Runs without one are
/// older than all that have one.
fn run_time(place: &Path) -> (String, u32) {
    let run = place.parent().and_then(Path::file_name).map(|name| name.to_string_lossy()).unwrap_or_default();
    let time = run.rsplit('_').next().unwrap_or_default();
    let is_time = |text: &str| {
        text.len() == "20261122-091510".len()
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    match time.get(.."20261122-091510".len()).filter(|time| is_time(time)) {
        Some(first) => {
            let number = time[first.len()..].strip_prefix('-').and_then(|number| number.parse().ok());
            (first.to_owned(), number.unwrap_or(1))
        }
        None => (String::new(), 0),
    }
}

/// A text as it is shown: without what a terminal would take for orders, and no longer than an id can be.
fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn row(place: &str, trigger: &str) -> Row {
        Row { triggers: vec![trigger.to_owned()], ..Row::unreadable(PathBuf::from(place)) }
    }

    fn rows() -> Vec<Row> {
        vec![
            row("run_20261122-091510/clip-0001-goal", "a"),
            row("run_20261122-091510/clip-0002-miss", "reject-551"),
            row("run_20261122-091510-2/clip-0001-serve", "c"),
            row("run_20261122-091510-10/clip-0003", "d"),
            row("run_20261121-080000/clip-0001-goal", "e"),
            row("left_20261120-070000/clip-0007", "clip-0001"),
            row("right_20261120-070000/clip-0007", "g"),
        ]
    }

    #[test]
    fn an_id_or_a_short_form_that_fits_one_clip_is_found() {
        let rows = rows();
        for (text, place) in [
            ("20261122-091510-clip-0001-goal", "run_20261122-091510/clip-0001-goal"),
            ("20261121-080000-clip-0001-goal", "run_20261121-080000/clip-0001-goal"),
            ("reject-551", "run_20261122-091510/clip-0002-miss"),
            // Of the newest run that has it.
            ("clip-0001-goal", "run_20261122-091510/clip-0001-goal"),
            ("clip-0002", "run_20261122-091510/clip-0002-miss"),
            ("clip-0003", "run_20261122-091510-10/clip-0003"),
            // A trigger's id comes before a short form.
            ("clip-0001", "left_20261120-070000/clip-0007"),
            ("20261121-080000-clip-0001", "run_20261121-080000/clip-0001-goal"),
            ("20261121-080000", "run_20261121-080000/clip-0001-goal"),
            ("miss", "run_20261122-091510/clip-0002-miss"),
            ("0002-miss", "run_20261122-091510/clip-0002-miss"),
        ] {
            let found = find(&rows, text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(found.place, Path::new(place), "{text}");
        }
    }

    #[test]
    fn what_can_be_several_clips_is_refused_with_all_of_them() {
        let rows = rows();
        for (text, all) in [("goal", 2), ("clip", 7), ("20261120-070000-clip-0007", 2), ("clip-0007", 2)] {
            match find(&rows, text).unwrap_err() {
                NoClip::Ambiguous { candidates, all: found, .. } => {
                    assert_eq!((found, candidates.len()), (all, all), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        let said = find(&rows, "goal").unwrap_err().to_string();
        for id in ["20261122-091510-clip-0001-goal", "20261121-080000-clip-0001-goal"] {
            assert!(said.contains(id), "{said}");
        }
        let many: Vec<Row> = (0..30).map(|n| row(&format!("run_20261122-091510/clip-{n:04}"), "x")).collect();
        assert!(find(&many, "clip").unwrap_err().to_string().ends_with("and 18 more"));
    }

    #[test]
    fn what_no_clip_is_called_is_named() {
        for text in
            ["", "clip-0009", "goa", "20261122-0915", "lip-0001-goal", "../run_20261122-091510", "\u{1b}[2J"]
        {
            let no_clip = find(&rows(), text).unwrap_err();
            assert!(matches!(no_clip, NoClip::Unknown { .. }), "{text}: {no_clip}");
            assert!(!no_clip.to_string().contains('\u{1b}'));
        }
    }
}
