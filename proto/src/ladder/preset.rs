//! The preset that a camera's next clip begins with: `preset: auto`. A pure decision by what the last clips cost, made
//! between two clips. In a clip a preset only becomes faster, when the backlog fills up; that is the recorder's part.
//!
//! A preset *keeps up* if it could encode twice as fast as the camera makes frames: a clip begins a whole pre-roll behind.
//! One that is slower than that is *carried* if the backlog has room for what it falls behind in a clip of the config's
//! length, and the clip is finished within twice its length. `superfast` may be carried; slower presets have to keep up.
//! The better ones are climbed to one at a time, with a margin, and after each fall only when some clips have gone by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ASSUMED_PRESET, EncoderChoice};
use crate::codec::{Codec, X264_PRESETS};

/// The presets that `auto` chooses from, fastest first: from `slow` on, x264 is too slow for live cameras.
pub const AUTO_PRESETS: [&str; 6] = {
    let [ultrafast, superfast, veryfast, faster, fast, medium, ..] = X264_PRESETS;
    [ultrafast, superfast, veryfast, faster, fast, medium]
};

/// A preset is judged by no fewer frames than this: the first ones of a clip are key frames and cold caches.
pub const ENOUGH_FRAMES: u64 = 30;

/// An encoder has to be this much faster than its camera to keep up.
const MARGIN: f64 = 2.0;
/// A better preset is climbed to if its estimated cost is no more than this share of what it may be: the estimate is for
/// another scene, and a fall costs clips their quality.
const CLIMB: f64 = 0.8;
/// The backlog's frames go on at a faster preset when it is so full; more than this is not counted on.
const BACKLOG_SHARE: f64 = 0.75;
/// A clip is to be finished within so many times its length.
const LENGTHS: f64 = 2.0;
/// The most clips that a climb waits for after a fall.
const LONGEST_WAIT: u32 = 16;

/// The time of a frame relative to `ultrafast`, with the settings that all presets share. See docs/decisions/ladder.md.
const RELATIVE_COSTS: [f64; 6] = [1.0, 1.2, 1.9, 2.9, 3.7, 3.7];

/// The work of one camera's encoder, and the room for what it does late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// The config names no preset.
    pub is_auto: bool,
    /// The camera's frames a second.
    pub fps: f64,
    /// The pre-roll of the config.
    pub pre: Duration,
    /// The post-roll of the config.
    pub post: Duration,
    /// The bytes of a frame in the backlog.
    pub frame_bytes: u64,
    /// This camera's share of the backlog's bound.
    pub backlog_bytes: u64,
}

/// The number of clips before a better preset is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Clips that are still to be waited for.
    clips: u32,
    /// The wait that the last fall began.
    last: u32,
}

/// The encoder that the next clip begins with, when it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The same encoder at this preset.
    Preset(&'static str),
    /// The encoder is too slow and has no presets.
    NextEncoder,
}

impl Demand {
    /// Encodes twice as fast as the camera makes frames.
    fn is_kept_up_with(&self, cost: f64) -> bool {
        cost * self.fps * MARGIN <= 1.0
    }

    /// The backlog has room for what is behind when the window ends, beyond what the ring holds anyway, and the clip is
    /// finished in time.
    fn is_carried(&self, cost: f64) -> bool {
        let falls_behind = (self.fps - 1.0 / cost).max(0.0) * self.post.as_secs_f64();
        let fits = falls_behind * bytes(self.frame_bytes) <= bytes(self.backlog_bytes) * BACKLOG_SHARE;
        fits && cost * self.fps <= LENGTHS
    }

    /// The preset affords such a cost. The fastest is taken whatever it costs: a clip with declared gaps is better than none.
    fn affords(&self, preset: usize, cost: f64) -> bool {
        match AUTO_PRESETS[preset] {
            _ if preset == 0 => true,
            ASSUMED_PRESET => self.is_kept_up_with(cost) || self.is_carried(cost),
            _ => self.is_kept_up_with(cost),
        }
    }
}

/// Decides. `cost` is that of a frame with the encoder in use.
pub(super) fn decide(
    in_use: &EncoderChoice,
    cost: Duration,
    demand: &Demand,
    wait: &mut Wait,
) -> Option<Decision> {
    let cost = cost.as_secs_f64();
    let preset = in_use.preset.as_deref();
    let Some(now) = AUTO_PRESETS.iter().position(|p| preset == Some(*p)) else {
        let is_too_slow = !demand.is_kept_up_with(cost) && !demand.is_carried(cost);
        return (preset.is_none() && is_too_slow).then_some(Decision::NextEncoder);
    };
    // avc1 is the safest of all, and stays at its fastest.
    if !demand.is_auto || in_use.codec != Codec::H264 {
        return None;
    }
    let estimate = |preset: usize| cost * RELATIVE_COSTS[preset] / RELATIVE_COSTS[now];
    if !demand.affords(now, cost) {
        wait.begin();
        let fits = (0..now).rev().find(|lower| demand.affords(*lower, estimate(*lower)))?;
        return Some(Decision::Preset(AUTO_PRESETS[fits]));
    }
    let better = now + 1;
    if better < AUTO_PRESETS.len() && demand.affords(better, estimate(better) / CLIMB) && wait.is_over() {
        return Some(Decision::Preset(AUTO_PRESETS[better]));
    }
    None
}

/// The reason for a decision, for a person.
pub(super) fn reason(cost: Duration, demand: &Demand) -> String {
    format!(
        "it took {:.1} ms a frame in the last clips, and the camera makes one every {:.1} ms",
        cost.as_secs_f64() * 1e3,
        1e3 / demand.fps
    )
}

impl Wait {
    /// A preset was too slow: each time the wait is twice as long as the last.
    fn begin(&mut self) {
        self.last = (self.last * 2).clamp(1, LONGEST_WAIT);
        self.clips = self.last;
    }

    /// Counts a clip after which a better preset would do. True if enough have gone by.
    fn is_over(&mut self) -> bool {
        let is_over = self.clips == 0;
        self.clips = self.clips.saturating_sub(1);
        is_over
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of frames and memory: an estimate")]
fn bytes(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
