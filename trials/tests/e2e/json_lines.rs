//! Lines of JSON that a program prints as things happen, read one at a time, each held to its schema.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;
use trials::schemas::assert_valid;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct JsonLines {
    lines: Receiver<String>,
    schema: &'static str,
}

impl JsonLines {
    pub(crate) fn of(stdout: ChildStdout, schema: &'static str) -> Self {
        let (say, lines) = channel();
        let stdout = BufReader::new(stdout);
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { lines, schema }
    }

    /// The next line; none at the end.
    #[track_caller]
    pub(crate) fn next(&self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                let said = serde_json::from_str(&line).unwrap();
                assert_valid(self.schema, &said);
                Some(said)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no further line for {PATIENCE:?}"),
        }
    }
}
