//! The consequences of a process's end: rings are put right, frames are freed, an encoder is doubted
//! ([`super::encoder`]). That a process has ended is noticed in [`crate::child::end`].

use std::time::{Duration, Instant};

use proto::exit;
use proto::instance::ChildId;
use proto::messages::CameraState;
use proto::process::Pid;
use signal_hook::consts::SIGKILL;

use super::children::Children;
use super::encoder::Doubt;
use crate::child::end::End;
use crate::child::restart::Ending;
use crate::world::World;

/// A process that crashes so soon after a ring broke has done nothing wrong.
const AFTER_A_BREAK: Duration = Duration::from_secs(1);

impl Children {
    /// A capture whose film has played to its end says so, and ends. Its last word may be read behind its end, or by nobody if
    /// the supervisor was away; its ring says it too.
    fn hear_the_end_of_a_film(&mut self, pid: Pid, end: &End) {
        let camera = self.cameras.iter_mut().find(|camera| camera.capture.is_process(pid));
        if let Some(camera) = camera.filter(|camera| end.signal.is_none() && camera.ring.has_ended()) {
            camera.capture.camera = CameraState::Ended;
        }
    }

    /// A process has ended. True when that has changed an encoder ladder.
    pub(super) fn on_exited(&mut self, world: &dyn World, pid: Pid, end: &End) -> bool {
        let now = world.now();
        // The process may have died of a ring that was cut short: that is put right first.
        self.mend_rings(now);
        self.hear_the_end_of_a_film(pid, end);
        let broke = |at: Instant| now.saturating_duration_since(at) <= AFTER_A_BREAK;
        let mut end = end.clone();
        end.crashed &= !self.ring_broke.is_some_and(broke);
        let may_be_for_memory =
            end.signal == Some(SIGKILL) && self.memory.ran_out(world.out_of_memory_kills());
        let Some(child) = self.by_pid(pid) else { return false };
        let is_being_ended = child.running().is_some_and(|running| running.ending().is_some());
        if may_be_for_memory && !is_being_ended {
            end.how = "signal 9 (killed: out of memory?)".into();
        }
        let stuck = child.stuck_in_an_encoder();
        let life = child.running().map_or(Duration::ZERO, |r| now.saturating_duration_since(r.since));
        let ending = child.ended(&end, now);
        if let (Some(Ending::Misconfigured), ChildId::Capture(camera)) = (ending, child.id.clone()) {
            self.ask_if_it_may_have_changed(&camera, world);
            self.save(world);
            return false;
        }
        let mut gave_up = false;
        if child.id == ChildId::Recorder {
            // Before the next one can hold anything: they share a reader's bit.
            self.sweep_recorder();
            // A panic is a fault of ours, and no encoder's.
            let panicked = end.code == Some(i32::from(exit::PANICKED));
            let has_crashed = stuck.is_none() && end.crashed && ending == Some(Ending::Crashed);
            let note = if has_crashed && !panicked { world.crash_note(pid) } else { None };
            self.after_crash = has_crashed && !note.as_ref().is_some_and(|note| self.has_another(note));
            let doubt = match stuck {
                Some(camera) => Some(Doubt::Stuck { camera }),
                None => note.map(Doubt::Crashed),
            };
            gave_up = doubt.is_some_and(|doubt| self.doubt_the_encoder(&doubt, life, now));
        }
        self.save(world);
        gave_up
    }
}
