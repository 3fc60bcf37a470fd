//! Foreign readers of the cameras' rings: those that keep frames are said, and their frames freed once nobody can be
//! looking at them. What is held for how long is in [`crate::inflow`], who maps a ring in [`crate::mappers`].

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proto::name::Name;
use proto::process::Pid;

use super::children::Children;
use crate::child::LATE;
use crate::child::running::Running;
use crate::world::World;

impl Children {
    /// Looks at what comes into every ring, and who holds its frames.
    pub(super) fn look_at_readers(&mut self, world: &dyn World, now: Instant, since_last: Duration) {
        for camera in &mut self.cameras {
            if since_last > LATE {
                camera.inflow.forgive(since_last, now);
            }
            if camera.inflow.look(&camera.ring.inflow(), now) {
                world.find_mappers(&camera.config.name, camera.ring.identity());
            }
        }
    }

    /// Takes the answer to who maps a camera's ring: processes, each with its parent.
    pub(super) fn on_mapped(&mut self, camera: &Name, by: &[(Pid, Option<Pid>)]) {
        let running = self.all().filter_map(|child| child.running().map(Running::pid));
        let own: HashSet<Pid> = running.chain([Pid::this()]).collect();
        // The recorder's probe is a process of its own.
        let is_own = |(pid, parent): &&(Pid, Option<Pid>)| {
            own.contains(pid) || parent.is_some_and(|parent| own.contains(&parent))
        };
        let strangers = by.iter().filter(|process| !is_own(process)).map(|(pid, _)| *pid).collect();
        let Some(camera) = self.cameras.iter_mut().find(|its| its.name() == camera) else { return };
        for (bit, frames) in camera.inflow.mapped_by(strangers) {
            let freed = camera.ring.sweep_frames(bit, &frames);
            tracing::warn!(
                camera = camera.name().as_str(),
                "camera {}: reader {} held {freed} of its frames, and no process but Preroll's maps its ring; they are free \
                 again",
                camera.name(),
                bit.number()
            );
        }
    }
}
