//! A take's place on its camera's ladder: the encoder of its open part, or of the next one, and what each encoder of this
//! take has cost; or the stream that is copied. The ladder itself is shared, in [`crate::ladder`].

use std::rc::Rc;
use std::time::Duration;

use proto::codec::{Codec, EncoderChoice};
use proto::ladder::{self, EncodeCost};

use super::how::How;
use crate::ladder::CameraLadder;

/// A take's place on its camera's ladder.
pub(super) struct Place {
    /// None where frames are passed on as they came.
    ladder: Option<CameraLadder>,
    encoder: EncoderChoice,
    /// The parameter sets of the H.264 that is copied at this place.
    sets: Option<Rc<[u8]>>,
    /// The frame that a copy begins with although it is no key frame.
    start: Option<u64>,
    /// Nothing is recorded before the next key frame.
    awaits_key: bool,
    costs: Vec<(EncoderChoice, EncodeCost)>,
}

impl Place {
    /// At the first encoder.
    pub(super) fn first(how: &How) -> Self {
        let (encoder, ladder) = (how.first(), how.ladder().cloned());
        Self { encoder, ladder, sets: None, start: None, awaits_key: false, costs: Vec::new() }
    }

    /// The encoder of the open part, or of the next one; what stands in its place where frames are passed on.
    pub(super) fn encoder(&self) -> &EncoderChoice {
        &self.encoder
    }

    /// The parameter sets of the H.264 that is copied here; `None` where frames are encoded.
    pub(super) fn sets(&self) -> Option<Rc<[u8]>> {
        self.sets.clone()
    }

    /// Is H.264 copied here?
    pub(super) fn copies_h264(&self) -> bool {
        self.sets.is_some()
    }

    /// The frame that a copy begins with although it is no key frame.
    pub(super) fn start(&self) -> Option<u64> {
        self.start
    }

    /// A copy can begin with this frame, although it is no key frame.
    pub(super) fn start_at(&mut self, sequence: u64) {
        self.start = Some(sequence);
    }

    /// Goes on by copying H.264 with these parameter sets.
    pub(super) fn copy_h264(&mut self, sets: Rc<[u8]>) {
        self.encoder = EncoderChoice::copied(Codec::H264);
        self.sets = Some(sets);
    }

    /// Ends the copying of a stream. Frames are encoded from here on, if there is anything to encode them with.
    pub(super) fn end_copy(&mut self) {
        self.sets = None;
        if let Some(ladder) = &self.ladder {
            self.encoder = ladder.first();
        }
    }

    /// Nothing that was copied can be gone on with: frames are encoded from here on, in this way.
    pub(super) fn encode(&mut self, how: &How) {
        (self.sets, self.start) = (None, None);
        (self.encoder, self.ladder) = (how.first(), how.ladder().cloned());
    }

    /// Nothing is recorded before the next key frame.
    pub(super) fn await_key(&mut self, awaits_key: bool) {
        self.awaits_key = awaits_key;
    }

    /// Is nothing recorded before the next key frame?
    pub(super) fn awaits_key(&self) -> bool {
        self.awaits_key
    }

    /// Goes on with the encoder of the part before, unless it was given up, or there was none.
    pub(super) fn resume_at(&mut self, before: &EncoderChoice) {
        if let Some(ladder) = self.ladder.as_ref().filter(|_| !before.is_copied()) {
            self.encoder = ladder.resume_at(before);
        }
    }

    /// Goes on with the next encoder, since this one has failed. False when there is no other.
    pub(super) fn step_down(&mut self) -> bool {
        let ladder = self.ladder.as_ref().filter(|_| !self.copies_h264());
        match ladder.and_then(|ladder| ladder.after(&self.encoder)) {
            Some(next) => {
                self.encoder = next;
                true
            }
            None => false,
        }
    }

    /// The same encoder at its next faster preset, if it has one.
    pub(super) fn faster(&self) -> Option<EncoderChoice> {
        ladder::faster(&self.encoder)
    }

    /// Goes on with this encoder.
    pub(super) fn change_to(&mut self, encoder: EncoderChoice) {
        self.encoder = encoder;
    }

    /// Adds the time that a frame took to be decoded and encoded. Copying is no encoder's cost.
    pub(super) fn add_cost(&mut self, spent: Duration) {
        if self.encoder.is_copied() {
            return;
        }
        match self.costs.last_mut() {
            Some((encoder, cost)) if *encoder == self.encoder => {
                cost.frames += 1;
                cost.spent += spent;
            }
            _ => self.costs.push((self.encoder.clone(), EncodeCost { frames: 1, spent })),
        }
    }

    /// What each encoder has cost.
    pub(super) fn costs(&self) -> &[(EncoderChoice, EncodeCost)] {
        &self.costs
    }
}
