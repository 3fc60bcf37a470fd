//! The standby recorder: kept warm while clips are recorded, and made the recorder when that has ended. The reasons are
//! in `docs/decisions/standby.md`.

use std::time::Instant;

use proto::messages::RecorderOrder;

use super::children::Children;
use crate::world::World;

/// A recorder this close behind the cameras has its first rush behind it.
const CAUGHT_UP: u64 = 4;

impl Children {
    /// Makes the standby the recorder if there is none and one is due. True if it has.
    pub(super) fn let_standby_take_over(&mut self, world: &dyn World, now: Instant) -> bool {
        let Some(standby) = &mut self.standby else { return false };
        let recorder = &mut self.recorder;
        if recorder.last_exit.is_none() || !recorder.is_due(now) || !recorder.take_place_from(standby, now) {
            return false;
        }
        recorder.record.restarts += 1;
        let pid = recorder.running().map_or(String::new(), |running| format!(" (pid {})", running.pid()));
        tracing::info!("the standby{pid} is the recorder now");
        // Kept before it holds anything: the next supervisor must know that it is the recorder.
        self.save(world);
        self.arm();
        true
    }

    /// Has the standby close its encoders: they are no longer those that it would need.
    pub(super) fn cool_standby(&mut self) {
        let Some(standby) = self.standby.as_mut().and_then(|standby| standby.running_mut()) else { return };
        if !standby.warm {
            return;
        }
        if let Some(orders) = &standby.orders {
            orders.to_recorder(RecorderOrder::Cool);
        }
        standby.warm = false;
    }

    /// While clips are being recorded the standby has the encoders open that it would need; before that they would only
    /// take memory, and until the recorder has caught up with the cameras they would take its processor.
    pub(super) fn keep_standby_warm(&mut self) {
        let recording = self.recorder.beat.clips_open > 0;
        let caught_up = self.recorder.beat.lag_frames <= CAUGHT_UP;
        let Some(standby) = self.standby.as_mut().and_then(|standby| standby.running_mut()) else { return };
        let Some(orders) = &standby.orders else { return };
        match (&self.ladders, standby.warm) {
            (Some(ladders), false) if recording && caught_up => {
                orders.to_recorder(RecorderOrder::Warm(ladders.clone()));
                standby.warm = true;
            }
            (_, true) if !recording => {
                orders.to_recorder(RecorderOrder::Cool);
                standby.warm = false;
            }
            _ => {}
        }
    }
}
