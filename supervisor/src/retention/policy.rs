//! The choice of the clips that go: the oldest first, until what is left keeps every limit of `recording.keep`. Pure.

use std::cmp::Reverse;
use std::time::Duration;

use proto::config::KeepConfig;

use super::candidates::Candidate;

/// A clip stays for so long after it was finished: whoever has waited for it reads its manifest.
const GRACE: Duration = Duration::from_millis(1500);
/// Before this (2020-01-01) there was no Preroll: the date of a clip, or of this machine, wasn't set.
const NO_DATE_BEFORE_NS: u64 = 1_577_836_800_000_000_000;

/// The limits that clips are to keep. None of them: every clip stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The most that the clips of this rig may take.
    pub(crate) max_bytes: Option<u64>,
    /// The greatest age.
    pub(crate) max_age: Option<Duration>,
    /// The least room on the disk.
    pub(crate) free_bytes: Option<u64>,
}

/// The present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Nanoseconds since 1970.
    pub(crate) unix_ns: u64,
    /// The room on the disk; none while it doesn't say.
    pub(crate) free_bytes: Option<u64>,
}

/// The limit that a clip has to go for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    MaxBytes,
    MaxAge,
    FreeBytes,
}

impl Why {
    /// The reason as a sentence's end.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::MaxBytes => "the clips take more than recording.keep.max_bytes",
            Self::MaxAge => "it is older than recording.keep.max_age_h",
            Self::FreeBytes => "the disk has less free than recording.keep.free_bytes",
        }
    }
}

impl Limits {
    pub(crate) fn of(keep: &KeepConfig) -> Self {
        Self {
            max_bytes: keep.max_bytes,
            max_age: keep.max_age_h.and_then(|hours| Duration::try_from_secs_f64(hours * 3600.0).ok()),
            free_bytes: keep.free_bytes,
        }
    }

    /// Does every clip stay?
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The bytes that clips may still take before the first of them has to go, or before the disk counts as full.
    pub(crate) fn room(&self, clips_bytes: u64, free_bytes: Option<u64>, floor_bytes: u64) -> Option<u64> {
        let on_disk = free_bytes.map(|free| free.saturating_sub(self.free_bytes.unwrap_or(floor_bytes)));
        let of_limit = self.max_bytes.map(|most| most.saturating_sub(clips_bytes));
        [on_disk, of_limit].into_iter().flatten().min()
    }

    /// The limit that this clip has to go for, in this state.
    fn why(&self, clip: &Candidate, clips_bytes: u64, free_bytes: Option<u64>, now_ns: u64) -> Option<Why> {
        let too_old = |most: Duration| {
            let age = |dated: u64| Duration::from_nanos(now_ns.saturating_sub(dated));
            now_ns >= NO_DATE_BEFORE_NS && clip.dated().is_some_and(|dated| age(dated) > most)
        };
        if self.max_age.is_some_and(too_old) {
            Some(Why::MaxAge)
        } else if self.max_bytes.is_some_and(|most| clips_bytes > most) {
            Some(Why::MaxBytes)
        } else if self.free_bytes.is_some_and(|wanted| free_bytes.is_some_and(|free| free < wanted)) {
            Some(Why::FreeBytes)
        } else {
            None
        }
    }
}

impl Candidate {
    /// The moment of its trigger, if the date was set then.
    fn dated(&self) -> Option<u64> {
        Some(self.trigger_unix_ns).filter(|ns| *ns >= NO_DATE_BEFORE_NS)
    }

    /// May it go now?
    fn may_go(&self, now_ns: u64) -> bool {
        let is_new = now_ns.saturating_sub(self.finished_unix_ns)
            < GRACE.as_nanos().try_into().unwrap_or(u64::MAX)
            && self.finished_unix_ns <= now_ns;
        !self.keep && !self.stays && !is_new
    }
}

/// The clips that have to go, in the order in which they go, each with the first limit that asks for it. They are named by their
/// places in the list. Kept clips count for what clips take, and stay.
pub(crate) fn due(clips: &[Candidate], limits: &Limits, now: &Now) -> Vec<(usize, Why)> {
    let mut clips_bytes = total(clips);
    let mut free_bytes = now.free_bytes;
    let mut due = Vec::new();
    for at in oldest_first(clips) {
        let clip = &clips[at];
        if !clip.may_go(now.unix_ns) {
            continue;
        }
        // None of those that follow is older.
        let Some(why) = limits.why(clip, clips_bytes, free_bytes, now.unix_ns) else { break };
        clips_bytes = clips_bytes.saturating_sub(clip.bytes);
        free_bytes = free_bytes.map(|free| free.saturating_add(clip.disk_bytes));
        due.push((at, why));
    }
    due
}

/// A sentence about the limit that can't be kept, since the clips that are left must stay. It stays the same while nothing changes
/// for a person, whatever the disk does.
pub(crate) fn exceeded(clips: &[Candidate], limits: &Limits, now: &Now) -> Option<String> {
    if clips.iter().any(|clip| !clip.keep && !clip.stays) {
        // One that was finished just now goes in a moment.
        return None;
    }
    let kept = clips.iter().filter(|clip| clip.keep).count();
    let left = |what: String| {
        format!(
            "recording.keep: {what}, and the {} clips that are left ({kept} kept) can't be removed now",
            clips.len()
        )
    };
    let clips_bytes = total(clips);
    if let Some(most) = limits.max_bytes.filter(|most| clips_bytes > *most) {
        return Some(left(format!("clips take more than max_bytes ({most})")));
    }
    let free = now.free_bytes?;
    let wanted = limits.free_bytes.filter(|wanted| free < *wanted)?;
    Some(left(format!("less than free_bytes ({wanted}) is free")))
}

fn total(clips: &[Candidate]) -> u64 {
    clips.iter().fold(0, |sum, clip| sum.saturating_add(clip.bytes))
}

/// The places of the clips, the oldest first. Nobody knows how old a clip is that was recorded before the date was set: it goes last.
fn oldest_first(clips: &[Candidate]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..clips.len()).collect();
    places.sort_by_key(|at| {
        let clip = &clips[*at];
        (Reverse(clip.dated().is_some()), clip.trigger_unix_ns, &clip.place)
    });
    places
}

#[cfg(test)]
mod tests;
