//! The health verdict: one word, and a sentence for each thing that isn't good, over all that is known of an instance. The
//! table of situations and verdicts is in docs/operations.md ("What health says"), and `tests` holds it. Pure: what is
//! judged here is measured in [`crate::statistics`] and told by [`crate::watch`].

pub(crate) mod absence;
pub(crate) mod flow;
pub(crate) mod growth;
pub(crate) mod load;
pub(crate) mod processes;
pub(crate) mod reach;
pub(crate) mod surroundings;
#[cfg(test)]
mod tests;

use std::fmt;

use proto::stats::{BacklogStats, Health};
use proto::status::HealthStatus;
use proto::storage::mb;

use crate::backlog::pace;

/// How bad a reason is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    /// A person should know, and needn't hurry.
    Fair,
    /// A person should look: clips are incomplete, or may be soon.
    Attention,
}

/// A thing that isn't good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) grade: Grade,
    /// The sentence.
    pub(crate) text: String,
}

impl Reason {
    pub(crate) fn new(grade: Grade, text: String) -> Self {
        Self { grade, text }
    }

    /// A reason for a person to look.
    pub(crate) fn attention(text: String) -> Self {
        Self::new(Grade::Attention, text)
    }
}

/// Everything that is judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Situation<'a> {
    /// Told by the loop: cameras, the recorder, the standby, and what they say of themselves.
    pub(crate) told: &'a [Reason],
    pub(crate) behind: Behind,
    pub(crate) flows: &'a [flow::Flow],
    pub(crate) reaches: &'a [reach::Reach],
    pub(crate) load: load::Load,
    pub(crate) expected: load::Expected,
    pub(crate) disk: surroundings::DiskRoom,
    /// The limit of `recording.keep` that can't be kept.
    pub(crate) retention: Option<String>,
    /// Of the system's time of day.
    pub(crate) clock: Option<Reason>,
}

/// The frames that the encoder hasn't reached in time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behind {
    pub(crate) backlog: BacklogStats,
    /// All frames of open clips that are captured and not encoded, those in the rings too.
    pub(crate) frames_left: u64,
    /// The frames a second that are encoded just now, if that is known.
    pub(crate) encoded_per_s: Option<f64>,
}

/// Judges a situation. The worst reasons come first.
pub(crate) fn verdict(situation: &Situation<'_>) -> Health {
    let Situation { told, behind, flows, reaches, load, expected, disk, retention, clock } = situation;
    let mut reasons: Vec<Reason> = told.to_vec();
    reasons.extend(behind.reason());
    reasons.extend(flows.iter().flat_map(flow::reasons));
    reasons.extend(reaches.iter().flat_map(reach::reasons));
    reasons.extend(surroundings::disk(disk));
    reasons.extend(retention.clone().map(|why| Reason::new(Grade::Fair, why)));
    reasons.extend(load::reasons(load, expected));
    reasons.extend(clock.clone());
    // Stable: within a grade the order above is kept.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.grade));
    let status = match reasons.first().map(|worst| worst.grade) {
        None => HealthStatus::Good,
        Some(Grade::Fair) => HealthStatus::Fair,
        Some(Grade::Attention) => HealthStatus::Attention,
    };
    Health { status, reasons: reasons.into_iter().map(|reason| reason.text).collect() }
}

impl Behind {
    /// Frames that wait are late, and not lost, as long as there is room for more.
    fn reason(&self) -> Option<Reason> {
        let BacklogStats { frames, bytes, bound_bytes, .. } = self.backlog;
        let in_danger = bytes.saturating_mul(4) >= bound_bytes.saturating_mul(3);
        let grade = if in_danger { Grade::Attention } else { Grade::Fair };
        (frames > 0).then(|| Reason::new(grade, self.sentence(in_danger)))
    }

    fn sentence(&self, in_danger: bool) -> String {
        let BacklogStats { frames, bytes, bound_bytes, .. } = self.backlog;
        let (noun, wait) = if frames == 1 { ("frame", "waits") } else { ("frames", "wait") };
        let late = pace::seconds(self.frames_left, self.encoded_per_s);
        let late = late.map_or(String::new(), |seconds| format!(", {seconds:.1} s behind"));
        let (held, bound) = (mb(bytes), mb(bound_bytes));
        let outlook =
            if in_danger { "and frames are lost when that is full" } else { "and no frame is lost by that" };
        format!(
            "recorder: {frames} {noun} of open clips {wait} in the backlog{late}; {held:.0} of at most {bound:.0} MB are \
             taken, {outlook}"
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
