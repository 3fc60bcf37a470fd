//! The schemas in docs/schemas. Every document that a test reads is held to its schema here, so a field that is written
//! and not described fails the test that comes across it.

#[cfg(test)]
mod tests;
mod validator;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

/// The ending of a schema's file name.
const ENDING: &str = ".schema.json";

/// Each schema, by its file's name without the ending.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(texts);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas")
}

/// Reads the schemas.
fn texts() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let schemas = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?.to_owned();
        Some((name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()))
    });
    schemas.collect()
}

/// The ways in which a document differs from its schema, a sentence each.
fn mistakes(schema: &str, document: &Value) -> Vec<String> {
    let schema = SCHEMAS.get(schema).unwrap_or_else(|| panic!("there is no {schema}{ENDING}"));
    validator::mistakes(schema, document)
}

/// Asserts that a document is as its schema says.
#[track_caller]
pub fn assert_valid(schema: &str, document: &Value) {
    let mistakes = mistakes(schema, document);
    assert!(mistakes.is_empty(), "{schema}{ENDING}: {mistakes:#?}\n{document:#}");
}

/// Asserts that a manifest is as the schema of its version says.
#[track_caller]
pub fn assert_valid_manifest(manifest: &Value) {
    assert_valid(if manifest["schema"] == 1 { "manifest-1" } else { "manifest" }, manifest);
}

/// The schema of what a command prints, if that is JSON.
pub fn of_command(args: &[&str]) -> Option<&'static str> {
    match args.first().copied() {
        Some("trigger") => Some("trigger"),
        Some("stats") => Some("stats"),
        Some("codecs") if args.contains(&"--json") => Some("codecs"),
        Some("cameras") if args.contains(&"--json") => Some("cameras"),
        Some("verify") if args.contains(&"--json") => Some("verify"),
        Some("skew") if args.contains(&"--json") => Some("skew"),
        Some("clips") if args.contains(&"--json") && args.contains(&"show") => Some("clip"),
        // With --all a list of it.
        Some("clips") if args.contains(&"verify") && args.contains(&"--all") => None,
        Some("clips") if args.contains(&"--json") && args.contains(&"verify") => Some("verify"),
        Some("clips") if args.contains(&"--json") => Some("clips"),
        _ => None,
    }
}
