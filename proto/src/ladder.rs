//! One camera's encoder ladder: the encoders to try for it, best first, what is known of each, and which were given up.
//!
//! Pure operations, used by the recorder, which owns its cameras' ladders, and by the supervisor, which stores them for
//! the next recorder. The first encoder of the chain is the one in use; no other record of it is kept. Which preset the
//! next clip takes is decided in [`preset`]; whether an encoder works, and what it costs, is found out in the recorder.

pub mod preset;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{Codec, EncoderChoice, X264_PRESETS};
use crate::name::Name;
use preset::{Demand, Wait};

/// The ladder of each camera.
pub type Ladders = BTreeMap<Name, EncoderLadder>;

/// The preset that is assumed to be fast enough until a clip has measured it.
pub const ASSUMED_PRESET: &str = "superfast";

/// One encoder, as far as it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodecTrial {
    /// The encoder.
    pub choice: EncoderChoice,
    /// True if the camera's own pictures were encoded into the real container and decoded back.
    pub works: bool,
    /// The frames a second that it made in the last clips; `None` until a clip has measured it.
    pub frames_per_second: Option<f64>,
    /// The frames that this was measured with.
    pub measured_frames: u64,
    /// The reason why it was not chosen, or that it works, in words for a person.
    pub verdict: String,
}

/// The cost of some frames to the encoder that made them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeCost {
    /// The number of frames.
    pub frames: u64,
    /// The time that passed inside the encoder.
    pub spent: Duration,
}

/// A change of the encoder in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The encoder before.
    pub from: EncoderChoice,
    /// The encoder from now on.
    pub to: EncoderChoice,
    /// The reason, in words for a person.
    pub why: String,
}

/// The encoders to try for one camera, best first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EncoderLadder {
    /// The encoders that work, in order of preference. The first is in use.
    pub chain: Vec<EncoderChoice>,
    /// All encoders that were tried or used.
    pub trials: Vec<CodecTrial>,
    /// The encoders that were given up, because recorders crashed or were stuck in them.
    pub given_up: Vec<EncoderChoice>,
    /// Grows with each change, so that of two copies the newer is known.
    revision: u64,
    /// The clips before a better preset is tried again.
    wait: Wait,
}

/// The encoder that works everywhere, for when no other does.
#[must_use]
pub fn last_resort() -> EncoderChoice {
    EncoderChoice { codec: Codec::Mjpg, encoder: "mjpeg".into(), preset: None }
}

/// The next faster x264 preset of this encoder. `None` at the fastest, and where an encoder has no presets.
#[must_use]
pub fn faster(choice: &EncoderChoice) -> Option<EncoderChoice> {
    let preset = choice.preset.as_deref()?;
    let at = X264_PRESETS.iter().position(|p| *p == preset)?;
    let next = X264_PRESETS.get(at.checked_sub(1)?)?;
    Some(EncoderChoice { preset: Some((*next).to_owned()), ..choice.clone() })
}

impl EncoderLadder {
    /// The encoders that work nearly everywhere: a trigger may come before they are tried. `codec` and `preset` are those
    /// that the config asks for by name.
    #[must_use]
    pub fn assumed(codec: Option<Codec>, preset: Option<&str>) -> Self {
        let choice = |codec: Codec| {
            let (encoder, preset) = match codec {
                Codec::H264 => ("libx264", Some(preset.unwrap_or(ASSUMED_PRESET))),
                Codec::Avc1 => ("libx264", Some("ultrafast")),
                Codec::Xvid | Codec::Mp4v => ("mpeg4", None),
                Codec::Mjpg => return last_resort(),
            };
            EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(str::to_owned) }
        };
        let chain = match codec {
            None => Codec::CHAIN.map(choice).to_vec(),
            Some(Codec::Mjpg) => vec![last_resort()],
            Some(codec) => vec![choice(codec), last_resort()],
        };
        Self { chain, ..Self::default() }
    }

    /// The ladder of what was tried.
    #[must_use]
    pub fn tried(chain: Vec<EncoderChoice>, trials: Vec<CodecTrial>) -> Self {
        Self { chain, trials, ..Self::default() }
    }

    /// The first encoder to try.
    #[must_use]
    pub fn first(&self) -> EncoderChoice {
        self.chain.first().cloned().unwrap_or_else(last_resort)
    }

    /// The encoder to try in a clip after this one has failed. `None` when there is no other.
    #[must_use]
    pub fn after(&self, failed: &EncoderChoice) -> Option<&EncoderChoice> {
        match self.chain.iter().position(|choice| choice.is_same_encoder(failed)) {
            Some(at) => self.chain.get(at + 1),
            // It was given up meanwhile, or was used before the encoders were tried.
            None => self.chain.iter().find(|choice| choice.codec > failed.codec),
        }
    }

    /// The encoder for the rest of a clip whose last part was made with `before`: the same, so that the parts can be
    /// joined, unless it was given up.
    #[must_use]
    pub fn resume_at(&self, before: &EncoderChoice) -> EncoderChoice {
        if self.has_given_up(before) { self.first() } else { before.clone() }
    }

    /// Gives an encoder up: at whatever preset it is not taken again. The last one of the chain is kept. Returns the
    /// change if it was in use, or would have been used next.
    pub fn step_down(&mut self, encoder: &EncoderChoice, why: &str) -> Option<Change> {
        let at = self.chain.iter().position(|choice| choice.is_same_encoder(encoder))?;
        let next = self.chain.get(at + 1).or_else(|| self.chain.get(at.checked_sub(1)?))?.clone();
        let from = self.chain.remove(at);
        for trial in self.trials.iter_mut().filter(|trial| trial.choice.is_same_encoder(&from)) {
            trial.verdict = format!("given up: {why}");
        }
        self.given_up.push(from.clone());
        self.revision += 1;
        Some(Change { from, to: next, why: why.to_owned() })
    }

    /// Learns what an encoder cost in a clip. The last clips count alike with all that came before them.
    pub fn measured(&mut self, choice: &EncoderChoice, cost: EncodeCost) {
        if cost.frames == 0 {
            return;
        }
        self.revision += 1;
        let trial = self.trial(choice);
        let (frames, spent) = (count(cost.frames), cost.spent.as_secs_f64().max(1e-9));
        let earlier = count(trial.measured_frames.min(cost.frames));
        let before = trial.frames_per_second.map_or(0.0, |rate| earlier / rate);
        trial.frames_per_second = Some((earlier + frames) / (before + spent));
        trial.measured_frames = trial.measured_frames.saturating_add(cost.frames);
    }

    /// The time that a frame took with this encoder in the last clips; `None` until a clip has measured it.
    #[must_use]
    pub fn cost(&self, choice: &EncoderChoice) -> Option<Duration> {
        let trial = self.trials.iter().find(|trial| trial.choice == *choice)?;
        Duration::try_from_secs_f64(1.0 / trial.frames_per_second?).ok()
    }

    /// Decides between two clips which encoder the next one begins with, by what the last ones cost.
    pub fn next_clip(&mut self, demand: &Demand) -> Option<Change> {
        let from = self.first();
        let measured = self.trials.iter().find(|trial| trial.choice == from)?.measured_frames;
        let cost = self.cost(&from).filter(|_| measured >= preset::ENOUGH_FRAMES)?;
        let before = self.wait;
        let decided = preset::decide(&from, cost, demand, &mut self.wait);
        self.revision += u64::from(self.wait != before);
        let why = preset::reason(cost, demand);
        let to = match decided? {
            preset::Decision::Preset(name) => {
                let to = EncoderChoice { preset: Some(name.to_owned()), ..from.clone() };
                self.chain[0] = to.clone();
                to
            }
            // Encoders without presets can't be hurried. A slower-than-needed one goes behind the next of its codec.
            preset::Decision::NextEncoder => {
                let to = self.chain.get(1).filter(|next| next.codec == from.codec)?.clone();
                self.chain.swap(0, 1);
                to
            }
        };
        let has_climbed = faster(&to).is_some_and(|next| next == from);
        if !has_climbed {
            self.trial(&from).verdict = "too slow in the last clips".to_owned();
        }
        self.trial(&to).verdict = "works".to_owned();
        self.revision += 1;
        Some(Change { from, to, why })
    }

    /// Takes what was tried: the chain and its trials are new, what was measured and given up stays.
    pub fn found(&mut self, tried: Self) {
        let newer = Self { revision: self.revision + 1, wait: self.wait, ..tried };
        self.merge(&newer);
    }

    /// Learns what another recorder, or the supervisor for it, has learnt. The newer copy counts; nothing that either has
    /// given up is taken again.
    pub fn merge(&mut self, other: &Self) {
        let mut newer = other.clone();
        // Of two that were changed as often, both sides choose the same.
        if (other.revision, &other.chain) > (self.revision, &self.chain) {
            std::mem::swap(self, &mut newer);
        }
        let older = newer;
        for given_up in &older.given_up {
            if self.step_down(given_up, "another recorder crashed or was stuck in it").is_none()
                && !self.has_given_up(given_up)
                && !self.chain.iter().any(|choice| choice.is_same_encoder(given_up))
            {
                self.given_up.push(given_up.clone());
            }
        }
        for trial in older.trials {
            let known = self.trials.iter_mut().find(|known| known.choice == trial.choice);
            match known {
                Some(known) if known.measured_frames < trial.measured_frames => {
                    known.frames_per_second = trial.frames_per_second;
                    known.measured_frames = trial.measured_frames;
                }
                Some(_) => {}
                None if trial.measured_frames > 0 => self.trials.push(trial),
                None => {}
            }
        }
    }

    /// Was this encoder given up, at whatever preset?
    #[must_use]
    pub fn has_given_up(&self, encoder: &EncoderChoice) -> bool {
        self.given_up.iter().any(|given_up| given_up.is_same_encoder(encoder))
    }

    fn trial(&mut self, choice: &EncoderChoice) -> &mut CodecTrial {
        let at = self.trials.iter().position(|trial| trial.choice == *choice).unwrap_or_else(|| {
            self.trials.push(CodecTrial {
                choice: choice.clone(),
                works: true,
                frames_per_second: None,
                measured_frames: 0,
                verdict: "works".to_owned(),
            });
            self.trials.len() - 1
        });
        &mut self.trials[at]
    }
}

#[expect(clippy::cast_precision_loss, reason = "frames of some clips: far fewer than 2^52")]
fn count(frames: u64) -> f64 {
    frames as f64
}

#[cfg(test)]
mod tests;
