//! The progress of a `trigger --wait`, for a person at a terminal: a line that is written over once a second, and a line of
//! its own for each obstacle. Nothing is shown where standard error is no terminal.

use std::io::IsTerminal;
use std::time::Instant;

use proto::say;
use proto::stats::Stats;

use super::ask_for_stats;
use super::client::Address;
use super::show::count;

/// Moves to the start of the terminal's line and clears it.
const CLEAR: &str = "\r\x1b[K";
/// A terminal of ordinary width; a longer line could not be written over.
const COLUMNS: usize = 79;

/// The progress of one clip.
pub(super) struct Progress<'a> {
    address: &'a Address,
    clip_id: &'a str,
    since: Instant,
    /// The recorder's count of frames at the first look.
    encoded_before: Option<u64>,
    /// The obstacle that was said last.
    said: Option<String>,
}

impl<'a> Progress<'a> {
    /// `None` where nobody would see it.
    pub(super) fn for_a_person(address: &'a Address, clip_id: &'a str) -> Option<Self> {
        let nothing = || Self { address, clip_id, since: Instant::now(), encoded_before: None, said: None };
        std::io::stderr().is_terminal().then(nothing)
    }

    /// Shows how far the clip is.
    pub(super) fn show(&mut self) {
        // A supervisor that doesn't answer this says nothing of the clip; the wait itself notices its end.
        if let Ok(stats) = ask_for_stats(self.address) {
            let text = self.text(self.since.elapsed().as_secs(), &stats);
            say::aside(&text);
        }
    }

    fn text(&mut self, seconds: u64, stats: &Stats) -> String {
        let recorder = &stats.recorder;
        let mut text = CLEAR.to_owned();
        if recorder.trouble != self.said {
            self.said.clone_from(&recorder.trouble);
            if let Some(trouble) = &self.said {
                text.push_str(&format!("! {trouble}\n"));
            }
        }
        // A recorder that was replaced counts anew.
        let before = *self.encoded_before.get_or_insert(recorder.frames_encoded);
        let encoded = recorder.frames_encoded.saturating_sub(before);
        let line = format!(
            "{}: {seconds} s, {} encoded, {} behind, {}",
            self.clip_id,
            count(encoded, "frame"),
            recorder.lag_frames,
            stats.state
        );
        text.extend(line.chars().take(COLUMNS));
        text
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        say::aside(CLEAR);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proto::status::InstanceState;

    use super::*;

    #[test]
    fn a_person_sees_how_far_the_clip_is_and_each_obstacle_once() {
        let long = "x".repeat(200);
        let address = Address { dir: PathBuf::new(), is_named: false };
        let mut progress = Progress {
            address: &address,
            clip_id: "clip-0001",
            since: Instant::now(),
            encoded_before: None,
            said: None,
        };
        let mut stats = Stats { state: InstanceState::Ready, ..Stats::default() };
        stats.recorder.frames_encoded = 100;
        assert_eq!(progress.text(1, &stats), "\r\x1b[Kclip-0001: 1 s, 0 frames encoded, 0 behind, ready");
        (stats.recorder.frames_encoded, stats.recorder.lag_frames) = (101, 7);
        stats.recorder.trouble = Some("the disk is full".into());
        assert_eq!(
            progress.text(2, &stats),
            "\r\x1b[K! the disk is full\nclip-0001: 2 s, 1 frame encoded, 7 behind, ready"
        );
        assert!(!progress.text(3, &stats).contains("full"), "it was said");
        stats.recorder.trouble = None;
        progress.text(4, &stats);
        stats.recorder.trouble = Some("the disk is full".into());
        assert!(progress.text(5, &stats).contains("! the disk is full\n"), "again");
        progress.clip_id = &long;
        assert_eq!(progress.text(6, &stats).chars().count(), CLEAR.len() + COLUMNS);
    }
}
