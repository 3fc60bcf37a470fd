//! The windows of open clips: looked at again when a trigger has moved one, and told to the mover.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::clip::{Plan, Window, clip_name};
use proto::time::MonotonicNs;

use super::Intake;
use crate::backlog::{Need, NeededFrom};
use crate::open_window::OpenWindow;

impl Intake {
    /// Tells the mover what the clip needs. Here already: a worker that is busy in its encoder hears of the clip later.
    pub(super) fn need(&self, folder: &Path, plan: &Plan, window: Window) {
        if plan.boot_id != proto::instance::boot_id() {
            return;
        }
        let Window { start_ns, end_ns } = window;
        for camera in &plan.cameras {
            if let Some(of_camera) = self.backlog.of(&camera.name) {
                let from = NeededFrom::Unread(start_ns);
                of_camera.need(folder, Need { ring_id: camera.ring_id, from, end: end_ns });
            }
        }
    }

    /// Looks at what has come to an open clip.
    pub(super) fn look_at(&self, folder: &Path, window: &OpenWindow) {
        if let Err(e) = window.look() {
            // It is read again before the window is closed, and before anything is left out.
            tracing::warn!(
                clip = &*clip_name(folder),
                "clip {}: its triggers can't be read now: {e}; trying again",
                folder.display()
            );
        }
        let Window { end_ns, .. } = window.now();
        self.backlog.cameras().for_each(|camera| camera.need_until(folder, end_ns));
    }

    /// Looks at each clip that has a begun trigger: the order that says that it was ended may have got lost.
    pub(super) fn look_at_begun(&self) {
        for (folder, window) in self.open_windows().filter(|(_, window)| window.waits_for_an_end()) {
            self.look_at(folder, &window);
        }
    }

    /// Is somebody still to end a trigger of an open clip?
    pub(super) fn waits_for_an_end(&self) -> bool {
        self.open_windows().any(|(_, window)| window.waits_for_an_end())
    }

    /// The open clips whose window lasts longer than to this moment.
    pub(super) fn lasting_beyond(&self, end: MonotonicNs) -> impl Iterator<Item = &Path> {
        let lasting = self.open_windows().filter(move |(_, window)| window.lasts_beyond(end));
        lasting.map(|(folder, _)| folder.as_path())
    }

    fn open_windows(&self) -> impl Iterator<Item = (&PathBuf, Arc<OpenWindow>)> {
        self.taken_on.iter().filter_map(|(folder, window)| Some((folder, window.upgrade()?)))
    }
}
