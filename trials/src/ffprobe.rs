//! What the command `ffprobe` says of a video: the word of a program that isn't ours.

use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A file's only stream as `ffprobe` describes it. `None`, with a word to the reader, without that command.
#[track_caller]
pub fn stream(file: &Path) -> Option<Value> {
    let arguments = ["-v", "error", "-show_streams", "-of", "json"];
    let done = match Command::new("ffprobe").args(arguments).arg(file).output() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            println!("skipped: there is no ffprobe command");
            return None;
        }
        done => done.unwrap(),
    };
    assert!(done.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&done.stderr));
    let mut described: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(described["streams"].as_array().map(Vec::len), Some(1), "{described:#}");
    Some(described["streams"][0].take())
}
