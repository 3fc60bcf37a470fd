//! Which of the children are not at work and since when, kept up by the loop for the verdict on health.

use std::time::Instant;

use super::children::Children;
use crate::child::{Child, Life};
use crate::health::Reason;
use crate::health::absence::{Absence, Presence};
use crate::health::processes::{self, Recorder};

/// The watch over the recorder and its standby.
#[derive(Debug)]
pub(super) struct RecorderAbsences {
    begun: Instant,
    recorder: Absence,
    standby: Absence,
}

impl RecorderAbsences {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, recorder: Absence::new(now), standby: Absence::new(now) }
    }
}

impl Children {
    /// Takes note of who is at work.
    pub(super) fn note_absences(&mut self, now: Instant) {
        self.cameras.iter_mut().for_each(|camera| camera.note_absence(now));
        self.absences.recorder.note(presence(&self.recorder), now);
        if let Some(standby) = &self.standby {
            self.absences.standby.note(presence(standby), now);
        }
    }

    /// The reasons that the recorder and its standby are.
    pub(super) fn recorder_reasons(&self, now: Instant) -> Vec<Reason> {
        let RecorderAbsences { begun, recorder, standby } = &self.absences;
        let as_judged = |child: &'_ Child, absence: &'_ Absence| Recorder {
            keeps_ending: child.record.keeps_ending(),
            last_exit: child.last_exit.clone(),
            probed: self.ladders.is_some(),
            up_for: now.saturating_duration_since(*begun),
            missed: absence.missed(now),
        };
        let recorder = processes::recorder(&as_judged(&self.recorder, recorder));
        let standby = self.standby.as_ref().and_then(|child| processes::standby(&as_judged(child, standby)));
        recorder.into_iter().chain(standby).collect()
    }
}

fn presence(child: &Child) -> Presence {
    // While everything ends nobody is missed.
    if child.orders().is_some() || matches!(child.life, Life::Ended) {
        Presence::There
    } else {
        Presence::ComingUp(child.last_exit.clone())
    }
}
