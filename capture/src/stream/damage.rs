//! The log lines about damaged frames: one at the first, and one now and then while there are more, so that a bad line
//! doesn't fill the disk with them.

use std::time::Duration;

use proto::time::MonotonicNs;

/// The least time from one line to the next.
const QUIET: Duration = Duration::from_secs(10);

/// The damaged frames of one stream.
#[derive(Debug)]
pub struct DamageLog {
    input: String,
    /// Since the last line.
    unsaid: u64,
    said: Option<MonotonicNs>,
}

impl DamageLog {
    /// The log of the stream that is shown as `input`.
    #[must_use]
    pub fn new(input: String) -> Self {
        Self { input, unsaid: 0, said: None }
    }

    /// Counts a damaged frame.
    pub fn note(&mut self, damage: &'static str, now: MonotonicNs) {
        self.unsaid += 1;
        if let Some(frames) = self.due(now) {
            let input = &self.input;
            let many = if frames == 1 { "a frame is".to_owned() } else { format!("{frames} frames are") };
            tracing::warn!("{input}: {many} damaged and left out ({damage})");
        }
    }

    /// The number of frames that a line is due for.
    fn due(&mut self, now: MonotonicNs) -> Option<u64> {
        if self.said.is_some_and(|said| said + QUIET > now) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let mut log = DamageLog::new("camera".into());
        let mut told = Vec::new();
        for second in 0..25 {
            log.unsaid += 1;
            told.extend(log.due(MonotonicNs(second * 1_000_000_000)));
        }
        assert_eq!(told, [1, 10, 10]);
    }
}
