//! The encoder that the next recorder begins with: one in which recorders kept crashing, or got stuck, is given up. The
//! ladder inside a recorder is in the recorder's own `ladder.rs`.

use std::time::Instant;

use super::children::Children;

impl Children {
    /// A recorder that has crashed twice over its clips, or has been stuck in an encoder, gets the next one of the
    /// ladder, and at once: frames are ageing. True when one was given up.
    pub(super) fn doubt_the_encoder(&mut self, stuck: bool, now: Instant) -> bool {
        if !stuck && !self.recorder.record.is_suspicious() {
            return false;
        }
        let Some(ladder) = self.ladder.as_mut().filter(|ladder| ladder.chain.len() > 1) else { return false };
        let given_up = ladder.chain.remove(0);
        let why = if stuck { "was stuck in it" } else { "kept crashing with it" };
        for trial in ladder.trials.iter_mut().filter(|trial| trial.choice == given_up) {
            trial.verdict = format!("given up: the recorder {why}");
        }
        let next = &ladder.chain[0];
        tracing::error!(
            "{} ({}) is given up: the recorder {why}; going on with {} ({}) at once",
            given_up.codec,
            given_up.encoder,
            next.codec,
            next.encoder
        );
        ladder.given_up.push(given_up);
        self.recorder.start_afresh(now);
        true
    }
}
