//! The encoder ladder: every decision of this process about which encoder is used. An encoder in which recorders keep
//! crashing is given up by the supervisor, in its `watch/encoder.rs`.
//!
//! [`SharedLadder`] is what new clips begin with: assumed at first, then probed or told by the supervisor.
//! [`TakeLadder`] is one camera's copy in one clip, which may step down by itself. Whether an encoder works is found
//! out in [`crate::probe`], whether it is too slow in [`crate::lagging`].

use std::sync::{Arc, Mutex, MutexGuard};

use proto::codec::{Codec, EncoderChoice, EncoderLadder, X264_PRESETS};
use proto::config::RecordingConfig;

use crate::poison::lock;

/// The presets that are tried, fastest first: from `slow` on, x264 is too slow for live cameras.
pub(crate) const PRESETS: [&str; 6] = {
    let [fastest, superfast, veryfast, faster, fast, medium, ..] = X264_PRESETS;
    [fastest, superfast, veryfast, faster, fast, medium]
};

/// The encoder that works everywhere, for when no other does.
pub(crate) fn last_resort() -> EncoderChoice {
    EncoderChoice { codec: Codec::Mjpg, encoder: "mjpeg".into(), preset: None }
}

/// The same encoder at its fastest preset. `None` if that is where it is, or it has no presets.
fn fastest(choice: &EncoderChoice) -> Option<EncoderChoice> {
    let [fastest, slower @ ..] = PRESETS;
    let preset = choice.preset.as_deref()?;
    slower.contains(&preset).then(|| EncoderChoice { preset: Some(fastest.to_owned()), ..choice.clone() })
}

/// Takes over another's ladder, but keeps the presets that were made faster here: they were too slow in a clip.
fn merged(mut known: EncoderLadder, own: &EncoderLadder) -> EncoderLadder {
    for choice in &mut known.chain {
        let is_faster_here =
            |fastest: &EncoderChoice| own.chain.contains(fastest) && !own.chain.contains(choice);
        if let Some(faster) = fastest(choice).filter(is_faster_here) {
            *choice = faster;
        }
    }
    known
}

/// A ladder that works nearly everywhere: a trigger may come before the probe is done.
fn assumed(recording: &RecordingConfig) -> EncoderLadder {
    let choice = |codec: Codec| {
        let (encoder, preset) = match codec {
            Codec::H264 => ("libx264", Some(recording.preset.as_deref().unwrap_or("superfast"))),
            Codec::Avc1 => ("libx264", Some("ultrafast")),
            Codec::Xvid | Codec::Mp4v => ("mpeg4", None),
            Codec::Mjpg => return last_resort(),
        };
        EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(str::to_owned) }
    };
    let chain = match recording.preferred_codec {
        None => Codec::CHAIN.map(choice).to_vec(),
        Some(Codec::Mjpg) => vec![last_resort()],
        Some(codec) => vec![choice(codec), last_resort()],
    };
    EncoderLadder { chain, ..EncoderLadder::default() }
}

/// The origin of the shared ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Assumed. The probe has not been asked for.
    Assumed,
    /// Assumed, while the probe runs.
    BeingProbed,
    /// Probed here, or told by a supervisor that knew.
    Known,
}

/// The action that has to follow when the recorder is armed.
#[derive(Debug, PartialEq)]
pub(crate) enum AfterArming {
    /// Tell the supervisor this ladder.
    Report(EncoderLadder),
    /// Start the probe.
    Probe,
    /// Nothing: the probe runs, and reports at its end.
    Wait,
}

/// The ladder that new clips begin with, shared by all threads of the recorder.
#[derive(Clone)]
pub(crate) struct SharedLadder(Arc<Mutex<(EncoderLadder, Origin)>>);

impl SharedLadder {
    /// A ladder that nothing is known of yet.
    pub(crate) fn assumed(recording: &RecordingConfig) -> Self {
        Self(Arc::new(Mutex::new((assumed(recording), Origin::Assumed))))
    }

    fn lock(&self) -> MutexGuard<'_, (EncoderLadder, Origin)> {
        lock(&self.0)
    }

    /// The ladder as it stands.
    pub(crate) fn get(&self) -> EncoderLadder {
        self.lock().0.clone()
    }

    /// The encoder that a clip begun now would have.
    pub(crate) fn first(&self) -> Option<EncoderChoice> {
        self.lock().0.chain.first().cloned()
    }

    /// Arms the recorder with the ladder that the supervisor knows, if it knows one.
    pub(crate) fn arm(&self, known: Option<EncoderLadder>) -> AfterArming {
        let mut this = self.lock();
        let (ladder, origin) = &mut *this;
        match (known, *origin) {
            (Some(known), Origin::Known) => *ladder = merged(known, ladder),
            (Some(known), Origin::Assumed | Origin::BeingProbed) => *ladder = known,
            // A supervisor that has adopted this recorder asks for what is known here.
            (None, Origin::Known) => {}
            (None, Origin::BeingProbed) => return AfterArming::Wait,
            (None, Origin::Assumed) => {
                *origin = Origin::BeingProbed;
                return AfterArming::Probe;
            }
        }
        *origin = Origin::Known;
        AfterArming::Report(ladder.clone())
    }

    /// Goes by another recorder's ladder until this one is armed.
    pub(crate) fn follow(&self, known: EncoderLadder) {
        self.lock().0 = known;
    }

    /// Ends the probe. Without a result the assumed ladder stays, and counts as known: a second probe would fail too.
    pub(crate) fn probed(&self, found: Option<EncoderLadder>) -> EncoderLadder {
        let mut this = self.lock();
        if let Some(found) = found {
            this.0 = found;
        }
        this.1 = Origin::Known;
        this.0.clone()
    }

    /// Begins later clips at a preset that a clip had to change to. Returns the ladder if the supervisor is to hear of it:
    /// it isn't when nothing was tried here, since every recorder begins with the same assumption.
    pub(crate) fn change_preset(&self, from: &EncoderChoice, to: &EncoderChoice) -> Option<EncoderLadder> {
        let ladder = &mut self.lock().0;
        // Another camera may have been first.
        *ladder.chain.iter_mut().find(|choice| *choice == from)? = to.clone();
        let preset = to.preset.as_deref().unwrap_or_default();
        for trial in ladder.trials.iter_mut().filter(|trial| trial.choice == *from) {
            trial.verdict = format!("was too slow in a clip: {preset} since");
        }
        (!ladder.trials.is_empty()).then(|| ladder.clone())
    }
}

/// One camera's ladder in one clip, and where on it the clip stands.
pub(crate) struct TakeLadder {
    ladder: EncoderLadder,
    at: usize,
    /// The config names no preset, so a preset that is too slow may be changed.
    may_change_preset: bool,
}

impl TakeLadder {
    /// Begins at the best.
    pub(crate) fn new(ladder: EncoderLadder, may_change_preset: bool) -> Self {
        Self { ladder, at: 0, may_change_preset }
    }

    /// The encoder to use.
    pub(crate) fn current(&self) -> EncoderChoice {
        self.ladder.chain.get(self.at).cloned().unwrap_or_else(last_resort)
    }

    /// Goes on with the encoder of the part before, so that the two parts can be joined. A choice that was given up,
    /// because recorders kept crashing in it, is not taken again at whatever preset.
    pub(crate) fn resume_at(&mut self, before: &EncoderChoice) {
        let is_same =
            |given_up: &EncoderChoice| given_up.codec == before.codec && given_up.encoder == before.encoder;
        self.at = match self.ladder.chain.iter().position(|choice| choice == before) {
            Some(at) => at,
            None if self.ladder.given_up.iter().any(is_same) => 0,
            // The clip was begun before the probe was done. An encoder that has worked so far is as good as any.
            None => {
                self.ladder.chain.insert(0, before.clone());
                0
            }
        };
    }

    /// Goes one step down, since the encoder has failed. `None` when there is no other.
    pub(crate) fn step_down(&mut self) -> Option<&EncoderChoice> {
        let next = self.ladder.chain.get(self.at + 1)?;
        self.at += 1;
        Some(next)
    }

    /// The change that would make the encoder faster: from, and to. `None` when there is none, or it may not be made.
    pub(crate) fn faster(&self) -> Option<(EncoderChoice, EncoderChoice)> {
        let choice = self.ladder.chain.get(self.at).filter(|_| self.may_change_preset)?;
        Some((choice.clone(), fastest(choice)?))
    }

    /// Replaces the current encoder.
    pub(crate) fn change_to(&mut self, choice: EncoderChoice) {
        if let Some(current) = self.ladder.chain.get_mut(self.at) {
            *current = choice;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(codec: Codec, encoder: &str, preset: Option<&str>) -> EncoderChoice {
        EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) }
    }

    fn ladder(preset: &str) -> EncoderLadder {
        let chain = vec![choice(Codec::H264, "libx264", Some(preset)), last_resort()];
        EncoderLadder { chain, ..EncoderLadder::default() }
    }

    fn shared(preset: &str) -> SharedLadder {
        SharedLadder(Arc::new(Mutex::new((ladder(preset), Origin::Assumed))))
    }

    #[test]
    fn a_preset_that_was_too_slow_is_not_taken_back_by_somebody_who_has_not_heard_of_it() {
        assert_eq!(merged(ladder("medium"), &ladder("ultrafast")), ladder("ultrafast"));
        assert_eq!(merged(ladder("medium"), &ladder("medium")), ladder("medium"));
        // The other has made it faster, or has given H264 up.
        assert_eq!(merged(ladder("ultrafast"), &ladder("medium")), ladder("ultrafast"));
        let mut mjpg_alone = ladder("medium");
        mjpg_alone.chain.remove(0);
        assert_eq!(merged(mjpg_alone.clone(), &ladder("ultrafast")), mjpg_alone);
    }

    #[test]
    fn a_recorder_probes_once_and_tells_every_supervisor_what_it_knows() {
        let shared = shared("superfast");
        assert_eq!(shared.arm(None), AfterArming::Probe);
        assert_eq!(shared.arm(None), AfterArming::Wait, "the probe runs");
        assert_eq!(shared.probed(Some(ladder("medium"))), ladder("medium"));
        assert_eq!(shared.arm(None), AfterArming::Report(ladder("medium")));
        // A supervisor that knows an older state arms it again after a clip had to be made faster.
        let (from, to) = TakeLadder::new(shared.get(), true).faster().unwrap();
        shared.change_preset(&from, &to);
        assert_eq!(shared.arm(Some(ladder("medium"))), AfterArming::Report(ladder("ultrafast")));
    }

    #[test]
    fn a_recorder_that_knows_nothing_takes_what_it_is_told() {
        let told = shared("superfast");
        assert_eq!(told.arm(Some(ladder("fast"))), AfterArming::Report(ladder("fast")));
        let failed = shared("superfast");
        assert_eq!(failed.arm(None), AfterArming::Probe);
        assert_eq!(failed.probed(None), ladder("superfast"));
        assert_eq!(failed.arm(None), AfterArming::Report(ladder("superfast")), "it is not probed again");
    }

    #[test]
    fn a_take_goes_on_where_the_part_before_was_unless_that_was_given_up() {
        let before = choice(Codec::H264, "libx264", Some("fast"));
        let mut take = TakeLadder::new(ladder("medium"), true);
        take.resume_at(&before);
        assert_eq!(take.current(), before, "begun before the probe was done");
        let mut given_up = ladder("medium");
        given_up.chain.remove(0);
        given_up.given_up.push(choice(Codec::H264, "libx264", Some("medium")));
        let mut take = TakeLadder::new(given_up, true);
        take.resume_at(&before);
        assert_eq!(take.current(), last_resort());
        let mut take = TakeLadder::new(ladder("medium"), true);
        take.resume_at(&last_resort());
        assert_eq!(take.current(), last_resort());
        assert!(take.step_down().is_none());
    }

    #[test]
    fn a_preset_that_was_asked_for_is_not_changed() {
        assert!(TakeLadder::new(ladder("medium"), false).faster().is_none());
        assert!(TakeLadder::new(ladder("ultrafast"), true).faster().is_none());
        let mut take = TakeLadder::new(ladder("medium"), true);
        let (_, to) = take.faster().unwrap();
        take.change_to(to.clone());
        assert_eq!(take.current(), to);
    }
}
