//! docs/faults.md is a promise to its reader: what it says is tried has to be, and what is tried has to be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rows that the table has to have.
const ROWS: [u32; 86] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29,
    30, 31, 32, 33, 35, 36, 37, 38, 39, 40, 41, 42, 43, 47, 48, 60, 61, 62, 65, 66, 67, 68, 71, 72, 73, 74,
    75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 118,
    119, 120, 121, 122, 123, 140,
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust source of the workspace.
fn sources() -> String {
    let mut text = String::new();
    let mut folders: Vec<PathBuf> = [
        "proto",
        "capture",
        "recorder",
        "media",
        "supervisor",
        "oracle",
        "rig",
        "nemesis",
        "trials",
        "benchmarks",
    ]
    .map(|name| root().join(name))
    .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "rs") => {
                    text += &std::fs::read_to_string(path).unwrap();
                }
                false => {}
            }
        }
    }
    text
}

/// The tests in the sources: functions right below `#[test]`.
fn tests(sources: &str) -> BTreeSet<&str> {
    let lines: Vec<&str> = sources.lines().map(str::trim_start).collect();
    let is_test = |line: usize| {
        // Other attributes may stand between.
        lines[..line]
            .iter()
            .rev()
            .take_while(|above| above.starts_with("#["))
            .any(|above| *above == "#[test]")
    };
    let name = |line: &str| {
        line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')).map(|(name, _)| name.len())
    };
    let found = lines.iter().enumerate().filter(|(n, _)| is_test(*n));
    found.filter_map(|(_, line)| Some(&line[3..3 + name(line)?])).collect()
}

/// The rows of `f07_f08_what_it_says`.
fn rows_of(test: &str) -> Vec<u32> {
    let ids = test
        .split('_')
        .map_while(|part| part.strip_prefix('f').filter(|n| (2..=3).contains(&n.len()))?.parse().ok());
    ids.collect()
}

/// What the table says of how each row is tried: the text behind the id, by id.
fn table(text: &str) -> BTreeMap<u32, String> {
    let mut rows: BTreeMap<u32, String> = BTreeMap::new();
    let begins = text.find("## How each is tried").unwrap();
    let ends = begins + text[begins..].find("## What was measured").unwrap();
    for line in text[begins..ends].lines().filter(|line| line.starts_with("| F")) {
        let mut cells = line.trim_matches('|').split('|');
        for id in cells.next().unwrap().split_whitespace() {
            let id = id.strip_prefix('F').unwrap().parse().unwrap();
            let twice = rows.insert(id, cells.clone().collect::<String>());
            assert!(twice.is_none(), "F{id:02} is there twice");
        }
    }
    rows
}

/// What stands between backticks and reads like a test's name.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    let is_name = |text: &&str| {
        text.matches('_').count() >= 3
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    cell.split('`').skip(1).step_by(2).filter(is_name)
}

#[test]
fn the_table_of_faults_names_what_is_tried_and_nothing_else() {
    let text = std::fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let (table, sources) = (table(&text), sources());
    let tests = tests(&sources);
    assert!(tests.contains("the_table_of_faults_names_what_is_tried_and_nothing_else"));
    let mut wrong = Vec::new();
    for id in ROWS {
        match table.get(&id) {
            None => wrong.push(format!("F{id:02} is not in the table")),
            Some(cell) if named(cell).next().is_none() && !cell.contains("by hand: ") => {
                wrong.push(format!("F{id:02} has neither a test nor a way to try it by hand"));
            }
            Some(cell) => wrong.extend(
                named(cell)
                    .filter(|name| !tests.contains(name))
                    .map(|name| format!("F{id:02} names `{name}`, and there is no such test")),
            ),
        }
    }
    for test in &tests {
        for id in rows_of(test) {
            if !table.get(&id).is_some_and(|cell| named(cell).any(|name| name == *test)) {
                wrong.push(format!("F{id:02} does not name its test `{test}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/faults.md:\n{}", wrong.join("\n"));
}
