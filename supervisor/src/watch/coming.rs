//! Cameras that are to come: of some it isn't known what they give, so they have no ring yet and no capture. Such a camera is
//! asked again and again, and gets both when it answers. The same is done with a camera that came back and gives something
//! else. What counts of an answer is decided in [`proto::config`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::{Backend, CameraConfig};
use proto::messages::{CameraState, CaptureOrder, RecorderOrder};
use proto::name::Name;
use proto::offer::{NoOffer, Offer};
use proto::process::Pid;
use proto::ring::RingSpec;

use super::children::Children;
use super::{Camera, Instance};
use crate::check::offers::Answer;
use crate::child::running::EndReason;
use crate::inflow::InflowWatch;
use crate::world::World;

/// From one answer to the next question. A camera that is back has to be live within a second.
const AGAIN: Duration = Duration::from_millis(500);
/// The same after a refused login, which many cameras count, and after an answer that nothing but a person's hand changes.
const AGAIN_REFUSED: Duration = Duration::from_secs(5);

impl Camera {
    /// Can it be asked by a probe? A look would end a pipe's writer.
    fn can_be_asked(&self) -> bool {
        self.config.backend.is_live() && !matches!(self.config.backend, Backend::Pipe(_))
    }

    /// Does its capture have to wait until the camera has said what it gives?
    pub(super) fn is_to_come(&self) -> bool {
        !self.config.is_known && self.can_be_asked()
    }

    /// Shows why nothing comes from it, unless its capture says that itself.
    fn show_absent(&mut self, why: String) {
        if self.capture.running().is_none() {
            self.capture.camera = CameraState::Failed(why);
        }
    }

    fn ask(&mut self, world: &dyn World, after: Duration) {
        self.is_asked = true;
        world.ask(&self.config, after);
    }
}

impl Children {
    /// Begins with cameras that have said nothing yet: shows why, and has them asked on.
    pub(crate) fn begin_without(&mut self, absent: &BTreeMap<Name, NoOffer>, world: &dyn World) {
        for camera in self.cameras.iter_mut().filter(|camera| camera.is_to_come()) {
            let refused = absent.get(camera.name()).is_some_and(|why| why.refused);
            if let Some(why) = absent.get(camera.name()) {
                camera.show_absent(why.error.clone());
            }
            camera.ask(world, if refused { AGAIN_REFUSED } else { AGAIN });
        }
    }

    /// Has a camera asked whose capture has ended since it can't use it as it is: it may give something else now. One whose size
    /// the config says is told by its capture what is wrong.
    pub(super) fn ask_if_it_may_have_changed(&mut self, name: &Name, world: &dyn World) {
        let camera = self.cameras.iter_mut().find(|camera| camera.name() == name);
        if let Some(camera) = camera
            .filter(|camera| camera.can_be_asked() && camera.config.typed.size.is_none() && !camera.is_asked)
        {
            camera.ask(world, Duration::ZERO);
        }
    }

    /// Takes a camera's answer. Returns the camera as it counts now, if that is something new.
    fn on_answer(
        &mut self,
        name: &Name,
        answer: Result<Answer, String>,
        world: &dyn World,
    ) -> Option<CameraConfig> {
        let camera = self.cameras.iter_mut().find(|camera| camera.name() == name)?;
        camera.is_asked = false;
        let (why, after) = match answer {
            Ok(Answer::Offer(offer)) => match camera.config.resolved(&offer) {
                Ok(resolved) if resolved == *camera.config => return None,
                Ok(resolved) => return Some(resolved),
                Err(contradiction) => (format!("it {contradiction}"), AGAIN_REFUSED),
            },
            Ok(Answer::Absent(NoOffer { error, refused })) => {
                (error, if refused { AGAIN_REFUSED } else { AGAIN })
            }
            Ok(Answer::Never(why)) | Err(why) => (why, AGAIN_REFUSED),
        };
        camera.show_absent(why);
        camera.ask(world, after);
        None
    }

    /// Tells a capture again that its ring is there.
    fn tell_of_ring(&mut self, capture: Pid) {
        if let Some(orders) = self.by_pid(capture).and_then(|child| child.orders()) {
            orders.to_capture(CaptureOrder::Ring);
        }
    }

    /// Gives a camera another ring. A capture that `waits` for it goes on with it; any other begins anew.
    fn fit_ring(&mut self, resolved: CameraConfig, spec: RingSpec, waits: bool, now: Instant) {
        let Some(camera) = self.cameras.iter_mut().find(|camera| *camera.name() == resolved.name) else {
            return;
        };
        let period = resolved.fps.period();
        camera.config = Arc::new(resolved);
        camera.capture.expect_frames_every(period);
        camera.inflow = InflowWatch::new(period, now);
        camera.ring.make_for(spec);
        match camera.capture.orders().filter(|_| waits) {
            Some(orders) => orders.to_capture(CaptureOrder::Ring),
            None => {
                camera.capture.record.forgive();
                camera.capture.begin_again(EndReason::RingBroke, now);
            }
        }
        self.ring_broke = Some(now);
        self.publish_rings();
        self.tell_recorders(&RecorderOrder::Rings);
    }
}

impl Instance {
    /// A camera has answered.
    pub(super) fn on_answer(&mut self, name: &Name, answer: Result<Answer, String>) {
        if let Some(resolved) = self.children.on_answer(name, answer, &*self.world) {
            self.fit(resolved, false);
        }
    }

    /// A camera's capture says what comes, which isn't what its ring was made for.
    pub(super) fn on_offer(&mut self, capture: Pid, offer: &Offer) {
        let camera = self.children.cameras().iter().find(|camera| camera.capture.is_process(capture));
        let Some(config) = camera.map(|camera| Arc::clone(&camera.config)) else { return };
        match config.resolved(offer) {
            // A capture repeats its word until it has its ring; the order may have been lost on its way.
            Ok(resolved) if resolved == *config => self.children.tell_of_ring(capture),
            Ok(resolved) => self.fit(resolved, true),
            // The capture has found that out itself, and says so.
            Err(_) => {}
        }
    }

    /// Takes a camera for what it is now: in the config that children read, in its ring, and in what is told of it.
    fn fit(&mut self, resolved: CameraConfig, waits: bool) {
        let mut config = self.telling.config().clone();
        let Some(place) = config.cameras.iter_mut().find(|camera| camera.name == resolved.name) else {
            return;
        };
        *place = resolved.clone();
        let Some(spec) = config.ring_spec(&resolved) else {
            tracing::error!(
                camera = resolved.name.as_str(),
                "camera {}: the pre-roll of what it gives now is more than any ring can hold; write a shorter pre_roll_ms",
                resolved.name
            );
            return;
        };
        let config = Arc::new(config);
        // First of all: a capture that starts reads it.
        self.world.keep_config(&config);
        self.telling.use_config(config);
        self.children.fit_ring(resolved, spec, waits, self.world.now());
        self.write_run_file_if(true);
    }
}
