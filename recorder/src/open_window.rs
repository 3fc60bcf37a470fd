//! The window of an open clip, which its cameras share. Its triggers may move its end until it is closed: they are lines of a file
//! that the supervisor appends to ([`proto::clip::growth`]), and the order of the lines decides every race. Which frames a take
//! writes meanwhile is [`crate::take`]'s subject.
//!
//! Theory of operation. The end is kept in atomics, so that workers and the mover learn it without asking the disk: the intake
//! reads the file on. Before the first of a clip's takes ends, its worker appends a line that closes the window, and reads the file
//! back. The line counts only if no line before it asks for more than the take has recorded; else the take goes on. So no trigger
//! that the supervisor has accepted is ever left out, and a recorder that takes over finds the same window. Nothing locks the file:
//! a process that stands still holds nobody up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, TryLockError};

use proto::clip::growth::file::{self, GrowthFile};
use proto::clip::growth::{Growth, Line};
use proto::clip::{Plan, Window, clip_name};
use proto::failpoint;
use proto::opened;
use proto::storage;
use proto::time::MonotonicNs;

use crate::disk;
use crate::poison::lock;

/// No moment: nothing was stopped.
const NEVER: u64 = u64::MAX;

/// The window of an open clip.
pub(crate) struct OpenWindow {
    clip_folder: PathBuf,
    plan: Arc<Plan>,
    /// The times of the plan are times of this boot.
    is_of_this_boot: bool,
    lines: Mutex<GrowthFile>,
    /// The end that the clip's triggers ask for, as far as their lines have been read.
    asked_end: AtomicU64,
    /// The moment at which Preroll was stopped in the clip: nothing from after it belongs to the clip.
    stopped: AtomicU64,
    /// A trigger is begun, and nobody has ended it.
    waits_for_an_end: AtomicBool,
    is_closed: AtomicBool,
}

/// The result of closing a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Closed: no trigger moves its end any more.
    Closed,
    /// Open, and with another end than was thought: frames of it may be missing.
    Moved,
    /// Another thread is at its lines.
    Busy,
}

/// A window that is closed.
#[derive(Clone, Debug)]
pub(crate) struct ClosedWindow {
    pub(crate) plan: Arc<Plan>,
    /// The window that was recorded.
    pub(crate) recorded: Window,
    /// The clip's triggers, with the end that they ask for.
    pub(crate) growth: Growth,
}

impl ClosedWindow {
    /// Did the clip end before its triggers wanted it to?
    pub(crate) fn ended_early(&self) -> bool {
        self.recorded.end_ns < self.growth.end_ns()
    }

    /// The moments of all triggers, in order.
    pub(crate) fn moments(&self) -> Arc<[MonotonicNs]> {
        let mut moments: Vec<MonotonicNs> =
            self.growth.triggers().iter().map(|trigger| trigger.t_ns).collect();
        moments.sort_unstable();
        moments.dedup();
        moments.into()
    }
}

impl OpenWindow {
    /// The window of the clip in this folder, with all that has come to it after its plan. `stopped`: the moment at which an
    /// earlier Preroll was stopped in it.
    ///
    /// # Errors
    /// The lines can't be read now.
    pub(crate) fn read(
        clip_folder: &Path,
        plan: &Arc<Plan>,
        stopped: Option<MonotonicNs>,
    ) -> io::Result<Arc<Self>> {
        let window = Self::planned(clip_folder, plan, stopped);
        window.look()?;
        Ok(window)
    }

    /// The same, by the plan alone.
    pub(crate) fn planned(clip_folder: &Path, plan: &Arc<Plan>, stopped: Option<MonotonicNs>) -> Arc<Self> {
        let lines = GrowthFile::of(clip_folder, plan);
        let window = Self {
            clip_folder: clip_folder.to_owned(),
            plan: Arc::clone(plan),
            is_of_this_boot: plan.boot_id == proto::instance::boot_id(),
            asked_end: AtomicU64::new(plan.window.end_ns.0),
            stopped: AtomicU64::new(stopped.map_or(NEVER, |stopped| stopped.0)),
            waits_for_an_end: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            lines: Mutex::new(lines),
        };
        window.show(lock(&window.lines).growth());
        Arc::new(window)
    }

    /// Reads what has come to the clip since the last look.
    ///
    /// # Errors
    /// The system's error. It may work another time.
    pub(crate) fn look(&self) -> io::Result<()> {
        let mut lines = lock(&self.lines);
        disk::ask(|| storage::no_link_to(&self.clip_folder))?;
        let read = disk::ask(|| lines.read_on());
        self.show(lines.growth());
        match read {
            Err(e) if opened::is_foreign(&e) => self.move_aside(&mut lines, &e),
            other => other.map(drop),
        }
    }

    /// The window as far as it is known: with the end that its triggers ask for, or a stop's.
    pub(crate) fn now(&self) -> Window {
        let Window { start_ns, .. } = self.plan.window;
        Window { start_ns, end_ns: self.over_at().max(start_ns) }
    }

    /// The moment from which on no frame of the window will be captured. A stop may come before the window begins.
    pub(crate) fn over_at(&self) -> MonotonicNs {
        MonotonicNs(self.asked_end.load(Relaxed).min(self.stopped.load(Relaxed)))
    }

    /// Is somebody still to end a trigger of the clip?
    pub(crate) fn waits_for_an_end(&self) -> bool {
        let may_move = self.is_of_this_boot && !self.is_closed.load(Relaxed) && !self.is_cut_short();
        may_move && self.waits_for_an_end.load(Relaxed)
    }

    /// Ends the window at this moment, if it would last longer: Preroll is being stopped.
    pub(crate) fn stop(&self, end: MonotonicNs) {
        self.stopped.fetch_min(end.0, Relaxed);
    }

    /// Does the window last longer than to this moment, also if Preroll has been told to stop since?
    pub(crate) fn lasts_beyond(&self, end: MonotonicNs) -> bool {
        self.asked_end.load(Relaxed) > end.0 && self.stopped.load(Relaxed) >= end.0
    }

    /// Was Preroll stopped before the window was over?
    pub(crate) fn is_cut_short(&self) -> bool {
        self.stopped.load(Relaxed) < self.asked_end.load(Relaxed)
    }

    /// Closes the window, everything up to `recorded` of which is recorded. Waits for no other thread.
    ///
    /// # Errors
    /// The system's error. It may work another time.
    pub(crate) fn close(&self, recorded: MonotonicNs) -> io::Result<Closing> {
        // SYNC POINT: show.
        if self.is_closed.load(Acquire) {
            return Ok(self.is_moved(recorded));
        }
        let mut lines = match self.lines.try_lock() {
            Ok(lines) => lines,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(Closing::Busy),
        };
        self.close_by(&mut lines, recorded)
    }

    /// Closes the window for the finisher, after which it is what it is.
    ///
    /// # Errors
    /// As for [`OpenWindow::close`].
    pub(crate) fn close_for_good(&self) -> io::Result<ClosedWindow> {
        let mut lines = lock(&self.lines);
        while !lines.growth().is_closed() {
            // A window that grows while no take is left gets longer, and what it lacks is declared.
            self.close_by(&mut lines, self.now().end_ns)?;
        }
        Ok(ClosedWindow {
            plan: Arc::clone(&self.plan),
            recorded: self.now(),
            growth: lines.growth().clone(),
        })
    }

    fn close_by(&self, lines: &mut GrowthFile, recorded: MonotonicNs) -> io::Result<Closing> {
        // Nothing is moved aside in a folder that a link leads to.
        disk::ask(|| storage::no_link_to(&self.clip_folder))?;
        let closed = disk::ask(|| self.append_closed(lines, recorded));
        self.show(lines.growth());
        match closed {
            Err(e) if opened::is_foreign(&e) => self.move_aside(lines, &e).map(|()| Closing::Moved),
            Err(e) => Err(e),
            Ok(()) if lines.growth().is_closed() => Ok(self.is_moved(recorded)),
            Ok(()) => Ok(Closing::Moved),
        }
    }

    fn append_closed(&self, lines: &mut GrowthFile, recorded: MonotonicNs) -> io::Result<()> {
        lines.read_on()?;
        self.show(lines.growth());
        if lines.growth().is_closed() || self.now().end_ns > recorded {
            return Ok(());
        }
        failpoint::pass("clip.closing", self.clip_folder.display());
        let early = self.is_cut_short();
        let end_ns = if early { self.now().end_ns } else { lines.growth().end_ns() };
        lines.append(&[Line::Closed { end_ns, early }])?;
        failpoint::pass("clip.closed", self.clip_folder.display());
        Ok(())
    }

    fn is_moved(&self, recorded: MonotonicNs) -> Closing {
        if self.now().end_ns > recorded { Closing::Moved } else { Closing::Closed }
    }

    /// Shows what the lines say to those who don't wait for the disk.
    fn show(&self, growth: &Growth) {
        self.asked_end.store(growth.end_ns().0, Relaxed);
        self.waits_for_an_end.store(growth.open() > 0, Relaxed);
        // SYNC POINT: show. Whoever sees that it is closed sees its last end.
        self.is_closed.store(growth.is_closed(), Release);
    }

    /// Moves what stands in the place of the clip's lines out of the way, and begins with none: no stranger's file holds up a clip.
    fn move_aside(&self, lines: &mut GrowthFile, found: &io::Error) -> io::Result<()> {
        tracing::error!(
            clip = &*clip_name(&self.clip_folder),
            "clip {}: {found}; it is moved aside, and triggers that came to the clip after its first are lost",
            self.clip_folder.display()
        );
        disk::ask(|| opened::move_aside(&file::path(&self.clip_folder)))?;
        *lines = GrowthFile::of(&self.clip_folder, &self.plan);
        self.show(lines.growth());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
