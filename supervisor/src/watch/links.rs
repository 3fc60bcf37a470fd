//! The links to children: one that is faulty is made anew, by closing it, since a child comes again whose link is closed.
//! Whether a link is faulty is found out in [`crate::child::link`].

use std::time::Instant;

use proto::instance::{ChildId, Rendezvous};
use proto::link::{LinkError, Version};
use proto::process::Pid;

use super::children::Children;
use crate::child::link::LinkFault;
use crate::child::running::EndReason;

impl Children {
    /// Looks at every link.
    pub(super) fn look_at_links(&mut self, now: Instant) {
        let mut renewed = 0;
        let mut recorder_missed = false;
        for child in self.all_mut() {
            match child.look_at_link(now) {
                None => {}
                // A capture's next beat says all that the lost ones said.
                Some(LinkFault::Missed(_)) => recorder_missed |= child.id == ChildId::Recorder,
                Some(fault) => {
                    let pid =
                        child.running().map_or(String::new(), |running| format!(" (pid {})", running.pid()));
                    if fault == LinkFault::Ended(LinkError::Closed) {
                        tracing::warn!(
                            camera = child.id.camera(),
                            "{}{pid} has closed its link; it is expected to come again",
                            child.id
                        );
                    } else {
                        tracing::warn!(
                            camera = child.id.camera(),
                            "{}{pid}: {fault}; making its link anew",
                            child.id
                        );
                    }
                    if let Some(running) = child.running_mut() {
                        running.orders = None;
                        running.warm = false;
                    }
                    renewed +=
                        u64::from(child.id != ChildId::Standby && !matches!(child.id, ChildId::Capture(_)));
                }
            }
        }
        self.orders_resent += renewed;
        if recorder_missed {
            // Lost reports may have told of encoders. To be armed again makes it say what it knows.
            self.arm();
        }
    }

    /// A process of another version has come to a rendezvous. Nobody can talk with it, so it is ended.
    pub(super) fn on_stranger(&mut self, rendezvous: &Rendezvous, said: Option<(Pid, Version)>) {
        let own = Version::own();
        let is_it = |child: &&mut crate::child::Child| match &said {
            Some((pid, _)) => child.is_process(*pid),
            None => Rendezvous::of(&child.id) == *rendezvous && child.orders().is_none(),
        };
        let theirs =
            said.as_ref().map_or("an unknown version".to_owned(), |(_, version)| version.to_string());
        let Some(child) = self.all_mut().find(is_it) else {
            tracing::warn!(
                "{rendezvous}: a process that this supervisor doesn't know speaks as Preroll {theirs}, and this is {own}; \
                 it is left alone"
            );
            return;
        };
        let executable = child.executable();
        let why = format!(
            "{executable} is of Preroll {theirs}, and this supervisor is of {own}: build or install all of Preroll together, \
             then restart this"
        );
        tracing::error!(camera = child.id.camera(), "{}: {why}; ending it", child.id);
        child.another_version = Some(why);
        if let Some(running) = child.running_mut() {
            running.kill(EndReason::OtherVersion);
        }
    }
}
