//! Clips that were accepted and that the recorder doesn't know of: noticed by its beats, and told to it again. The reasons
//! are in `docs/decisions/resend.md`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::clip;
use proto::clip::clip_name;
use proto::messages::RecorderOrder;

use super::children::Children;
use crate::child::running::EndReason;

/// A clip that is in none of so many beats one after the other is unknown to the recorder. Three beats last less than a
/// second, and an order needs a few milliseconds.
const BEATS: u32 = 3;
/// The shortest time for those beats: they may have waited for the loop, and be heard all at once.
const AT_LEAST: Duration = Duration::from_millis(400);
/// A recorder that doesn't know a clip after it was told so often is replaced. The time between two tellings doubles, so
/// this is after eleven seconds.
const TELLINGS: u32 = 3;

/// The clips that the recorder's last beats didn't name.
#[derive(Debug, Default)]
pub(super) struct UnknownClips(HashMap<PathBuf, Unknown>);

#[derive(Clone, Copy, Debug)]
struct Unknown {
    since: Instant,
    beats: u32,
    told: u32,
}

/// A clip to tell of again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resend {
    pub(super) folder: PathBuf,
    /// The number of times that it was told of again before.
    pub(super) told: u32,
}

impl UnknownClips {
    /// Takes a beat that names these clips, while those in `open` should be known. Returns what has to be told again.
    pub(super) fn beat(&mut self, open: &[PathBuf], known: &[u64], now: Instant) -> Vec<Resend> {
        self.0.retain(|folder, _| open.contains(folder));
        let mut again = Vec::new();
        for folder in open {
            if known.contains(&clip::mark(folder)) {
                self.0.remove(folder);
                continue;
            }
            let first = Unknown { since: now, beats: 0, told: 0 };
            let unknown = self.0.entry(folder.clone()).or_insert(first);
            unknown.beats += 1;
            let patience = 1 << unknown.told.min(8);
            let waited = now.saturating_duration_since(unknown.since);
            if unknown.beats >= BEATS * patience && waited >= AT_LEAST * patience {
                again.push(Resend { folder: folder.clone(), told: unknown.told });
                *unknown = Unknown { since: now, beats: 0, told: unknown.told + 1 };
            }
        }
        again
    }

    /// Forgets them all: the recorder is another, or has been told of everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Children {
    /// Compares the recorder's last beat with the clips that should be known to it.
    pub(super) fn compare_clips(&mut self, open: &[PathBuf], now: Instant) {
        if self.recorder.beat.trouble.is_some() {
            // A disk that hangs keeps it from taking any clip on. When the trouble is over it is armed again.
            self.unknown_clips.clear();
            return;
        }
        for Resend { folder, told } in self.unknown_clips.beat(open, &self.recorder.beat.clips_known, now) {
            if told >= TELLINGS {
                self.replace_deaf_recorder(&folder, now);
                return;
            }
            if told == 0 {
                let shown = folder.display();
                tracing::warn!(
                    clip = &*clip_name(&folder),
                    "clip {shown}: accepted, and the recorder doesn't know of it; telling it again"
                );
            }
            self.orders_resent += 1;
            self.tell_recorder(RecorderOrder::Clip(folder));
        }
    }

    fn replace_deaf_recorder(&mut self, folder: &Path, now: Instant) {
        let shown = folder.display();
        tracing::error!(
            clip = &*clip_name(folder),
            "clip {shown}: the recorder was told of it {TELLINGS} times and doesn't know of it; replacing it"
        );
        self.unknown_clips.clear();
        self.recorder.begin_again(EndReason::Deaf, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(250);

    /// Beats that name these clips; returns the number of the beat that shows a clip to be unknown.
    fn beats(
        clips: &mut UnknownClips,
        now: &mut Instant,
        known: &[u64],
        times: u32,
    ) -> Option<(u32, Resend)> {
        let open = [PathBuf::from("/run/clip-1")];
        (1..=times).find_map(|beat| {
            *now += BEAT;
            clips.beat(&open, known, *now).pop().map(|resend| (beat, resend))
        })
    }

    #[test]
    fn a_clip_that_three_beats_do_not_name_is_told_again_and_then_less_and_less_often() {
        let (mut clips, mut now) = (UnknownClips::default(), Instant::now());
        let intervals: Vec<_> = (0..=TELLINGS)
            .map(|told| {
                let (beat, resend) = beats(&mut clips, &mut now, &[], 100).unwrap();
                assert_eq!(resend.told, told);
                beat
            })
            .collect();
        assert_eq!(intervals, [3, 6, 12, 24]);
    }

    #[test]
    fn a_clip_that_is_named_or_ends_is_forgotten() {
        let (mut clips, mut now) = (UnknownClips::default(), Instant::now());
        let mark = clip::mark(Path::new("/run/clip-1"));
        assert_eq!(beats(&mut clips, &mut now, &[], 2), None);
        assert_eq!(beats(&mut clips, &mut now, &[mark], 9), None);
        assert_eq!(beats(&mut clips, &mut now, &[], 2), None, "from the start");
        assert_eq!(clips.beat(&[], &[], now), []);
        assert_eq!(beats(&mut clips, &mut now, &[], 2), None, "from the start");
    }

    #[test]
    fn beats_that_are_heard_all_at_once_show_nothing() {
        let (mut clips, now) = (UnknownClips::default(), Instant::now());
        let open = [PathBuf::from("/run/clip-1")];
        assert!((0..20).all(|_| clips.beat(&open, &[], now).is_empty()));
    }
}
