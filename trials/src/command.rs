//! A command of a test's Preroll, and what it answers.

use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use proto::process::Pid;
use rig::wait::PATIENCE;
use rustix::process::Signal;
use serde_json::Value;

use crate::schemas;

/// A command's exit code and everything it printed.
#[derive(Debug)]
pub struct Answer {
    /// The command, as a failed test calls it.
    pub command: String,
    /// The exit code; none, if the command was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The schema of standard output, if that is JSON.
    schema: Option<&'static str>,
}

/// A command that has not answered yet.
pub struct Asked {
    command: String,
    pid: Pid,
    answer: Receiver<std::io::Result<Output>>,
    schema: Option<&'static str>,
}

impl Answer {
    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Reads standard output as JSON, which has to be as its schema says.
    #[track_caller]
    pub fn json(&self) -> Value {
        let document = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"));
        self.schema.inspect(|schema| schemas::assert_valid(schema, &document));
        document
    }

    /// Asserts a refusal: this exit code and one message that says all of this.
    #[track_caller]
    pub fn refusal(self, code: i32, says: &[&str]) -> Self {
        let this = self.code(code);
        assert!(this.stdout.is_empty(), "{this:#?}");
        for words in says {
            assert!(this.stderr.contains(words), "{words:?} is missing: {this:#?}");
        }
        this
    }
}

impl Asked {
    /// Runs a command; `name` is how a failed test calls it.
    pub fn run(mut command: Command, name: String) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name} can't be run: {e}"));
        let (pid, (sender, answer)) = (Pid::of(&child), channel());
        // The test may have given up by then.
        std::thread::spawn(move || drop(sender.send(child.wait_with_output())));
        Self { command: name, pid, answer, schema: None }
    }

    /// What it prints is JSON of this schema.
    pub fn printing(self, schema: Option<&'static str>) -> Self {
        Self { schema, ..self }
    }

    /// Waits for the answer.
    #[track_caller]
    pub fn answer(self) -> Answer {
        let Ok(output) = self.answer.recv_timeout(PATIENCE) else {
            crate::kill(self.pid, Signal::KILL);
            panic!("no answer: {}", self.command);
        };
        let output = output.unwrap();
        Answer {
            command: self.command,
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            schema: self.schema,
        }
    }
}
