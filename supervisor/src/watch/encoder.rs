//! The ladders that the next recorder begins with: an encoder in which recorders kept crashing, or got stuck, is given up
//! for the camera concerned. The operations on a ladder are in [`proto::ladder`]; the recorder owns its cameras' ladders,
//! and here they are stored for its successor.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::crash_note::CrashNote;
use proto::name::Name;

use super::children::Children;
use crate::child::restart::HEALTHY_LIFE;

/// So many crashes in one camera's encoder, with no healthy life in between, are no chance any more. Each costs frames'
/// time in the ring.
const TOO_MANY: u32 = 2;

/// The crashes of recorders in the encoders of each camera, since a recorder last lived long.
#[derive(Debug, Default)]
pub(super) struct Crashes(BTreeMap<Name, u32>);

/// An encoder that a recorder's end is held against.
pub(super) enum Doubt {
    /// The recorder crashed while an encoder was at work.
    Crashed(CrashNote),
    /// The recorder got stuck in this camera's encoder.
    Stuck { camera: Name },
}

impl Crashes {
    /// Counts a crash. True if there were too many in this camera's encoder.
    fn add(&mut self, camera: &Name) -> bool {
        let count = self.0.entry(camera.clone()).or_default();
        *count += 1;
        let too_many = *count >= TOO_MANY;
        if too_many {
            self.0.remove(camera);
        }
        too_many
    }
}

impl Children {
    /// Does the camera have another encoder than the one in which a recorder crashed?
    pub(super) fn has_another(&self, note: &CrashNote) -> bool {
        let ladder = self.ladders.as_ref().and_then(|ladders| ladders.get(&note.camera));
        ladder.is_none_or(|ladder| ladder.after(&note.encoder).is_some())
    }

    /// A camera in whose encoder recorders have crashed twice, or one was stuck, gets the next encoder of its ladder, and
    /// the next recorder starts at once: frames are ageing. True when an encoder was given up.
    pub(super) fn doubt_the_encoder(&mut self, doubt: &Doubt, life: Duration, now: Instant) -> bool {
        if life >= HEALTHY_LIFE {
            self.crashes = Crashes::default();
        }
        let (camera, why) = match doubt {
            Doubt::Stuck { camera } => (camera, "was stuck in it"),
            Doubt::Crashed(note) if self.crashes.add(&note.camera) => (&note.camera, "kept crashing with it"),
            Doubt::Crashed(_) => return false,
        };
        let Some(ladder) = self.ladders.as_mut().and_then(|ladders| ladders.get_mut(camera)) else {
            return false;
        };
        let encoder = match doubt {
            Doubt::Crashed(note) => note.encoder.clone(),
            Doubt::Stuck { .. } => ladder.first(),
        };
        let Some(change) = ladder.step_down(&encoder, &format!("the recorder {why}")) else { return false };
        tracing::error!(
            camera = camera.as_str(),
            "camera {camera}: {} is given up: the recorder {why}; going on with {} at once",
            change.from,
            change.to
        );
        self.recorder.start_afresh(now);
        true
    }
}
