//! The last supervisor's legacy, when it was killed: its processes, its run folder, its rings, and the encoders that it
//! knew. Processes of the same config are adopted; all others are ended.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use proto::config::{CameraConfig, Config};
use proto::instance::{ChildId, RuntimeDir};
use proto::ladder::Ladders;
use proto::name::Name;

use super::last_offers::LastOffers;
use crate::check::offers::Before;
use crate::child::Child;
use crate::failure::Failure;
use crate::lock;
use crate::state::{self, Saved, SavedChild};
use crate::world::World;

/// Processes of another config may take this long to be gone.
const EVICTION: Duration = Duration::from_secs(2);

/// The legacy.
pub(super) struct Inherited {
    saved: Option<Saved>,
    /// The config that it left, with what its cameras offered.
    config: Option<Config>,
    same_config: bool,
    /// Processes of the same config, alive or not.
    adoptable: Vec<SavedChild>,
    /// Is any of them alive?
    pub(super) is_adopting: bool,
}

impl Inherited {
    /// Finds the legacy, and ends the processes of another config: they would go on with rings that no longer fit.
    /// `unanswered`: something that the config names gave no answer. Processes that run need their supervisor all the same.
    ///
    /// # Errors
    /// That failure, when nothing runs that could be adopted: the start can be tried again.
    pub(super) fn find(
        config: &Config,
        dir: &RuntimeDir,
        unanswered: Option<Failure>,
    ) -> Result<Self, Failure> {
        let saved = state::load(dir);
        let old = Config::load_checked(&dir.config_path()).ok();
        let same_config = old.as_ref().is_some_and(|old| same(old, config));
        let runs = |saved: &Saved| same_config && saved.children.iter().any(|child| child.alive().is_some());
        match unanswered {
            Some(why) if saved.as_ref().is_some_and(runs) => {
                tracing::error!("{why}. Processes that run are adopted without it");
            }
            Some(why) => return Err(why),
            None => {}
        }
        let adoptable = match &saved {
            Some(saved) if same_config => saved.children.clone(),
            Some(saved) => {
                saved.children.iter().for_each(|child| end(child, "runs with another config"));
                // Processes and encoders were of the other config.
                state::save(dir, &Saved { children: Vec::new(), ladders: None, ..saved.clone() });
                Vec::new()
            }
            None => Vec::new(),
        };
        let is_adopting = adoptable.iter().any(|child| child.alive().is_some());
        Ok(Self { saved, config: old, same_config, adoptable, is_adopting })
    }

    /// The knowledge of a camera that is left from the last supervisor, or from the last run that made a clip.
    pub(super) fn before(&self, camera: &CameraConfig, earlier_runs: &LastOffers) -> Before {
        let old = self.config.as_ref().and_then(|config| config.camera(&camera.name));
        let old = old.filter(|old| old.backend == camera.backend);
        let is_captured = |child: &SavedChild| {
            matches!(&child.id, ChildId::Capture(name) if *name == camera.name) && child.alive().is_some()
        };
        match old {
            Some(old) if self.same_config && self.adoptable.iter().any(is_captured) => {
                Before::Captured(Box::new(old.clone()))
            }
            _ => match old.and_then(CameraConfig::last_offer).or_else(|| earlier_runs.of(camera)) {
                Some(offer) => Before::Offered(offer),
                None => Before::Nothing,
            },
        }
    }

    /// The last run's folder.
    pub(super) fn run_folder(&self) -> Option<&Path> {
        self.saved.as_ref().map(|saved| &*saved.run_folder)
    }

    /// Was there room for these rings before?
    pub(super) fn had_rings(&self) -> bool {
        self.same_config && self.saved.is_some()
    }

    /// The encoder ladders that the last supervisor knew.
    pub(super) fn ladders(&self) -> Option<Ladders> {
        self.saved.as_ref().filter(|_| self.same_config)?.ladders.clone()
    }

    /// Ends captures whose ring is not the one that is there now: they would write where nobody looks.
    pub(super) fn end_captures_of(&mut self, new_rings: &HashSet<Name>) {
        let is_lost = |child: &mut SavedChild| matches!(&child.id, ChildId::Capture(camera) if new_rings.contains(camera));
        self.adoptable.extract_if(.., is_lost).for_each(|child| end(&child, "has a ring that is gone"));
    }

    /// Lets a child take its process over, if that still runs.
    pub(super) fn adopt(&self, child: &mut Child, world: &dyn World) {
        let Some(left) = self.adoptable.iter().find(|left| left.id == child.id) else { return };
        let Some(pid) = left.alive() else { return };
        match world.adopt(&child.id, pid) {
            Ok(process) => {
                child.adopt(process, Instant::now());
                tracing::info!(camera = child.id.camera(), "{} runs already (pid {pid}); adopted", child.id);
            }
            // A process that can't be watched must not run on beside its successor.
            Err(e) => end(left, &format!("can't be adopted ({e})")),
        }
    }
}

/// The same but for the name of the file it came from, and for what cameras offered.
fn same(a: &Config, b: &Config) -> bool {
    let (a, b) = (a.without_offers(), b.without_offers());
    // A recorder gives clips to the group that it began with.
    let readers = |config: &Config| config.access.clips_group.clone();
    a.cameras == b.cameras && a.recording == b.recording && readers(&a) == readers(&b)
}

fn end(child: &SavedChild, why: &str) {
    if let Some(pid) = child.alive() {
        tracing::info!(camera = child.id.camera(), "{} (pid {pid}) {why}; ending it", child.id);
        let _ = rustix::process::kill_process(pid.for_rustix(), rustix::process::Signal::KILL);
        let _ = lock::wait_for_end(pid, EVICTION);
    }
}
