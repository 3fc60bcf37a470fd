//! The log of an instance: every line of its processes' standard error, with the time when it came.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::time::MonotonicNs;

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// The time at which it was read. Reading is a thread's only work, so this is as good as the time of writing.
    pub at: MonotonicNs,
    /// The text, without its end of line.
    pub text: String,
}

/// The lines so far, oldest first. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Log {
    /// Reads lines on a thread of its own until there is no writer left. Captures and the recorder write to the same pipe,
    /// so this goes on when the supervisor is killed.
    pub fn collect(&self, from: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for text in BufReader::new(from).lines().map_while(Result::ok) {
                let line = Line { at: MonotonicNs::now(), text };
                log.lock().push(line);
            }
        });
    }

    /// The lines from a moment on.
    #[must_use]
    pub fn since(&self, moment: MonotonicNs) -> Vec<Line> {
        let lines = self.lock();
        lines[lines.partition_point(|line| line.at < moment)..].to_vec()
    }

    /// The text of every line.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.lock().iter().map(|line| line.text.clone()).collect()
    }

    /// The first line that holds this text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<String> {
        self.lock().iter().find(|line| line.text.contains(text)).map(|line| line.text.clone())
    }

    /// The last `count` lines, as one text.
    #[must_use]
    pub fn tail(&self, count: usize) -> String {
        let texts = self.texts();
        texts[texts.len().saturating_sub(count)..].join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        // A line is pushed whole or not at all.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_line_by_line_and_its_end_can_be_quoted() {
        let log = Log::default();
        log.collect(&b"one\ntwo\nthree\nfour, cut off"[..]);
        crate::wait::until("four lines", || (log.texts().len() == 4).then_some(())).unwrap();
        assert_eq!(log.tail(2), "three\nfour, cut off");
        assert_eq!(log.tail(9).lines().count(), 4);
        assert_eq!(log.find("thr").as_deref(), Some("three"));
        assert_eq!(log.find("five"), None);
        let third = log.since(MonotonicNs(0))[2].at;
        assert!(log.since(third).iter().any(|line| line.text == "three"));
        assert!(log.since(MonotonicNs(u64::MAX)).is_empty());
    }
}
