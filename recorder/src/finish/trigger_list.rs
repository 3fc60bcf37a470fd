//! The triggers of a finished clip, as its manifest lists them. A clip with very many has them in a file of their own, a line each:
//! every reader of a manifest has it in memory as a whole.

use std::io;
use std::path::Path;

use proto::by_camera::ByCamera;
use proto::clip::growth::ClipTrigger;
use proto::clip::{ManifestTrigger, Plan};
use proto::durable;
use proto::opened;

use super::join::FinishedCamera;
use super::trigger_place::TriggerPlaces;
use crate::open_window::ClosedWindow;

/// A manifest lists so many triggers.
const MOST_LISTED: usize = 1000;
/// And so many bytes of them: a thousand with all the meta data that there may be would be longer than any document that is read.
const MOST_LISTED_BYTES: usize = 4 << 20;
/// The text of the file is handed to the kernel in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

/// The triggers of a finished clip.
pub(super) struct TriggerList<'a> {
    plan: &'a Plan,
    triggers: &'a [ClipTrigger],
    places: ByCamera<Option<TriggerPlaces>>,
    listed: Vec<ManifestTrigger>,
}

impl<'a> TriggerList<'a> {
    /// The triggers of a clip whose cameras are joined.
    pub(super) fn of(window: &'a ClosedWindow, cameras: &ByCamera<FinishedCamera>) -> Self {
        let places = cameras.iter().map(|(name, camera)| (name.clone(), camera.moments.clone())).collect();
        Self::with(window, places)
    }

    fn with(window: &'a ClosedWindow, places: ByCamera<Option<TriggerPlaces>>) -> Self {
        let (plan, triggers) = (&*window.plan, window.growth.triggers());
        let mut list = Self { plan, triggers, places, listed: Vec::new() };
        list.listed = list.those_listed();
        list
    }

    /// Those in the manifest: all of them, or the first.
    pub(super) fn listed(&self) -> &[ManifestTrigger] {
        &self.listed
    }

    /// Are there more than the manifest lists?
    pub(super) fn is_cut(&self) -> bool {
        self.listed.len() < self.triggers.len()
    }

    /// Writes all of them to a new file, a line each, and flushes it.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = opened::create_new(path)?;
        let mut text = Vec::new();
        for trigger in self.triggers {
            serde_json::to_writer(&mut text, &self.of_manifest(trigger))?;
            text.push(b'\n');
            if text.len() >= PIECE_BYTES {
                durable::write_all(&mut file, &text, path)?;
                text.clear();
            }
        }
        durable::write_all(&mut file, &text, path)?;
        durable::sync_contents(path)
    }

    fn those_listed(&self) -> Vec<ManifestTrigger> {
        let mut bytes = 0;
        let fits = |trigger: &ManifestTrigger| {
            bytes += serde_json::to_vec(trigger).map_or(0, |text| text.len());
            bytes <= MOST_LISTED_BYTES
        };
        let first = self.triggers.iter().take(MOST_LISTED).map(|trigger| self.of_manifest(trigger));
        first.take_while(fits).collect()
    }

    fn of_manifest(&self, trigger: &ClipTrigger) -> ManifestTrigger {
        let place =
            |places: &Option<TriggerPlaces>| places.as_ref().map(|places| places.offset_s(trigger.t_ns));
        let offsets = self.places.iter().map(|(name, places)| (name.clone(), place(places))).collect();
        ManifestTrigger::of(trigger, self.plan, offsets)
    }
}

#[cfg(test)]
mod tests;
