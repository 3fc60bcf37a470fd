//! A fake process, and the loop's end of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use proto::clip;
use proto::instance::ChildId;
use proto::messages::{
    CameraState, CaptureOrder, CaptureReport, RecorderBeat, RecorderOrder, RecorderReport,
};
use proto::offer::Offer;
use proto::process::Pid;

use super::fake::{FakeWorld, by_signal, ms};
use crate::child::link::Traffic;
use crate::child::proc::Sign;
use crate::loop_events::Report;
use crate::world::Process;

/// The behaviour of a fake process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    /// Reports, and gets nowhere.
    Hung,
    /// Stopped by a signal: says and does nothing.
    Stopped,
    /// Says nothing, since it waits for its turn all the time.
    Starved,
}

/// A process that is not real. Its fifteen fields are what tests set and ask for.
pub(super) struct Fake {
    pub(super) id: ChildId,
    pub(super) alive: bool,
    pub(super) mood: Mood,
    pub(super) camera: CameraState,
    pub(super) beat: RecorderBeat,
    pub(super) heard: Vec<RecorderOrder>,
    pub(super) progress: u64,
    pub(super) captures: Option<Receiver<CaptureOrder>>,
    pub(super) recorders: Option<Receiver<RecorderOrder>>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) orders_heard: u64,
    /// Orders get lost on the way to it.
    pub(super) loses_orders: bool,
    /// Clips that it hears of are forgotten at once.
    pub(super) forgets_clips: bool,
    /// A capture's word on frames that its ring isn't made for.
    pub(super) offer: Option<Offer>,
    /// The times that a capture was told of another ring.
    pub(super) told_of_rings: usize,
}

impl Fake {
    pub(super) fn is_deaf(&self) -> bool {
        !self.alive || self.mood != Mood::Well
    }

    pub(super) fn report(&mut self) -> Option<Option<Report>> {
        if !self.alive {
            return None;
        }
        if self.mood == Mood::Well {
            self.progress += 1;
        }
        if matches!(self.mood, Mood::Stopped | Mood::Starved) {
            return Some(None);
        }
        let progress = self.progress;
        self.traffic.reported(progress, self.orders_heard);
        Some(Some(match &self.id {
            ChildId::Capture(_) => Report::Capture(CaptureReport::Beat {
                progress,
                camera: self.camera.clone(),
                offer: self.offer,
                transport: None,
            }),
            _ => Report::Recorder(RecorderReport::Beat(RecorderBeat { progress, ..self.beat.clone() })),
        }))
    }

    /// The new orders to a recorder, and whether their way was closed.
    pub(super) fn take_orders(&mut self) -> (Vec<RecorderOrder>, bool) {
        let Some(orders) = self.recorders.as_ref().filter(|_| !self.is_deaf()) else {
            return (Vec::new(), false);
        };
        let mut new = Vec::new();
        let is_closed = loop {
            match orders.try_recv() {
                Ok(order) => new.push(order),
                Err(end) => break end == TryRecvError::Disconnected,
            }
        };
        if self.loses_orders {
            new.clear();
        }
        if is_closed {
            self.recorders = None;
        }
        self.orders_heard += new.len() as u64;
        self.heard.extend(new.iter().cloned());
        (new, is_closed)
    }

    /// Knows this clip from now on.
    pub(super) fn know(&mut self, folder: &Path) {
        if !self.forgets_clips {
            self.beat.clips_known.push(clip::mark(folder));
        }
    }

    pub(super) fn is_told_to_stop(&mut self) -> bool {
        let Some(orders) = self.captures.as_ref().filter(|_| !self.is_deaf()) else { return false };
        let orders: Vec<_> = orders.try_iter().collect();
        let rings = orders.iter().filter(|order| matches!(order, CaptureOrder::Ring)).count();
        if rings > 0 {
            // It goes on in the new one.
            self.offer = None;
        }
        self.told_of_rings += rings;
        rings < orders.len()
    }

    pub(super) fn progress(&self) -> u64 {
        self.progress
    }

    pub(super) fn clips(&self) -> Vec<PathBuf> {
        let clip = |order: &RecorderOrder| match order {
            RecorderOrder::Clip(folder) => Some(folder.clone()),
            _ => None,
        };
        self.heard.iter().filter_map(clip).collect()
    }
}

/// A process of the fake world, as the loop holds it.
pub(super) struct FakeProcess {
    pub(super) world: FakeWorld,
    pub(super) pid: Pid,
}

impl FakeProcess {
    fn look<T>(&self, look: impl FnOnce(&Fake) -> T) -> Option<T> {
        self.world.with(self.pid, |fake| fake.alive.then(|| look(fake)))
    }
}

impl Process for FakeProcess {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn kill(&self) {
        self.world.exit_in(ms(1), self.pid, by_signal(9));
    }

    fn has_ended(&self) -> bool {
        self.look(|_| ()).is_none()
    }

    fn sign(&self) -> Option<Sign> {
        let start_ticks = u64::from(self.pid.as_u32());
        self.look(|fake| Sign {
            state: match fake.mood {
                Mood::Stopped => 'T',
                Mood::Starved => 'R',
                Mood::Well | Mood::Hung => 'S',
            },
            cpu: Duration::ZERO,
            start_ticks,
        })
    }

    fn close_look(&self) -> Option<Sign> {
        self.sign()
    }

    fn waited(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn turns(&self) -> Option<u64> {
        self.look(|fake| fake.progress())
    }
}
