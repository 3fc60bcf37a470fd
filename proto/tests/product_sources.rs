//! Rules that all product sources keep, read from the sources themselves: nothing is printed by a macro that panics when
//! nobody reads, and a log line that names a camera or a clip holds it as a field too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// The crates that are installed. The others are tools of the project, which nobody's rig runs.
const PRODUCT: [&str; 4] = ["proto", "capture", "recorder", "supervisor"];

/// Every source file of the product, without its unit tests.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = PRODUCT.iter().map(|name| root.join(name).join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if name.ends_with(".rs") && !["tests.rs", "memory_tests.rs", "fakes.rs"].contains(&name) {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                found.push((path, code));
            }
        }
    }
    assert!(found.len() > 100, "the sources are elsewhere: {}", root.display());
    found
}

/// The lines of code in which one of these words stands, comments passed over.
fn lines_with<'a>(code: &'a str, words: &[&str]) -> Vec<&'a str> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    code.lines().filter(is_code).filter(|line| words.iter().any(|word| line.contains(word))).collect()
}

/// The arguments of every log call.
fn log_calls(code: &str) -> Vec<&str> {
    let begins = ["tracing::info!(", "tracing::warn!(", "tracing::error!("];
    let begins = begins.iter().flat_map(|call| code.match_indices(call));
    begins.map(|(at, call)| arguments(&code[at + call.len()..])).collect()
}

/// The text up to the bracket that ends a call.
fn arguments(after: &str) -> &str {
    let (mut depth, mut in_text, mut escaped) = (1, false, false);
    for (at, byte) in after.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'(' if !in_text => depth += 1,
            b')' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &after[..at];
        }
    }
    panic!("a call without an end: {after}");
}

#[test]
fn nothing_is_printed_by_a_macro_that_panics() {
    let macros = ["println!(", "print!(", "eprint!(", "eprintln!(", "dbg!("];
    for (path, code) in sources() {
        let found = lines_with(&code, &macros);
        assert!(found.is_empty(), "{}: use proto::say, or the log: {found:#?}", path.display());
    }
    assert_eq!(
        lines_with("// println!(\n    eprintln!(\"x\");\n", &macros).len(),
        1,
        "it finds what is there"
    );
}

#[test]
fn a_log_line_about_a_camera_or_a_clip_has_it_as_a_field() {
    let mut fields = 0;
    for (path, code) in sources() {
        // The log adds the camera to each line of a capture.
        if path.components().any(|part| part.as_os_str() == "capture") {
            continue;
        }
        for call in log_calls(&code) {
            let (before, text) = call.split_at(call.find('"').unwrap_or(0));
            let message = text.trim_start_matches('"');
            for (word, field) in [("clip", "clip"), ("camera", "camera")] {
                if message.starts_with(&format!("{word} {{")) || message.contains(&format!(": {word} {{")) {
                    assert!(before.contains(field), "{}: no field {field}: {call}", path.display());
                    fields += 1;
                }
            }
        }
    }
    assert!(fields > 20, "it finds what is there: {fields}");
}
