//! The clips that are found after a crash, taken on one by one. The rule is in [`crate::suspects`].

use std::path::Path;
use std::sync::Arc;

use proto::clip::{Plan, plan_path};
use proto::opened;

use super::Intake;
use crate::open_window::OpenWindow;
use crate::{disk, stop, suspects};

impl Intake {
    /// The recorder is armed; `after_crash`: the one before it crashed, and no encoder is held responsible.
    pub(crate) fn arm(&mut self, after_crash: bool) {
        self.suspects.arm(after_crash);
    }

    /// Has a clip that was found after a crash wait for its turn. The mover saves its frames meanwhile.
    pub(super) fn suspect(&mut self, folder: &Path) {
        if self.taken_on.contains_key(folder) || !self.suspects.add(folder) {
            return;
        }
        // Whatever is wrong with the plan is said when its turn comes.
        let Ok(text) = disk::ask(|| opened::read(&plan_path(folder))) else { return };
        if disk::ask(|| self.left_alone.is_anothers(folder, &text)) {
            return;
        }
        if let Ok(plan) = Plan::read(&text, folder) {
            let (plan, stopped) = (Arc::new(plan), disk::ask(|| stop::read(folder)).ok().flatten());
            let window = OpenWindow::read(folder, &plan, stopped)
                .unwrap_or_else(|_| OpenWindow::planned(folder, &plan, stopped));
            self.need(folder, &plan, window.now());
        }
    }

    /// Takes on the next of the clips that the last recorder may have crashed over, if it is time.
    pub(super) fn try_suspects(&mut self) {
        let pulse = Arc::clone(&self.pulse);
        let is_over = |folder: &Path| {
            let clips = pulse.clips();
            !clips.is_open(folder) || clips.has_passed(folder)
        };
        while let Some(folder) = self.suspects.next(is_over) {
            self.take_on(&folder);
            if !self.pulse.clips().is_open(&folder) && !self.waiting.contains_key(&folder) {
                // It was set aside, or is another's: no take will say that its frames are done with.
                self.backlog.cameras().for_each(|camera| camera.done(&folder));
            }
        }
    }

    /// Marks a clip on trial. False if it has crashed a recorder in its trial.
    pub(super) fn may_be_tried(&self, folder: &Path, plan: &Plan) -> bool {
        let is_on_trial = self.suspects.is_on_trial(folder);
        let may_be = !is_on_trial || disk::ask(|| suspects::mark(folder));
        if is_on_trial && may_be {
            self.pulse.clips().begin_trial(folder, plan.cameras.iter().map(|camera| camera.name.clone()));
        } else {
            // Left by a recorder that was killed. And a clip that is moved back by a person begins anew.
            disk::ask(|| suspects::unmark(folder));
        }
        may_be
    }
}
