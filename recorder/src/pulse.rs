//! What the recorder's threads show of themselves, for the beat.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use proto::messages::RecorderBeat;
use proto::name::Name;

use crate::disk::Disk;

/// Shared by all threads of the recorder.
#[derive(Default)]
pub(crate) struct Pulse {
    progress: AtomicU64,
    encoded: AtomicU64,
    /// Clips that are open, and steps (probing, finishing) that are under way.
    open: AtomicU64,
    under_way: AtomicU64,
    cameras: Mutex<BTreeMap<Name, Camera>>,
    storage: Mutex<Option<String>>,
    disk: OnceLock<Arc<Disk>>,
}

#[derive(Default)]
struct Camera {
    lag: u64,
    trouble: Option<String>,
}

impl Pulse {
    pub(crate) fn encoded(&self) {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        self.step();
    }

    /// Something was done that counts as being alive.
    pub(crate) fn step(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn clip_opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn clip_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Work that isn't a clip is under way until the value is dropped.
    pub(crate) fn work(&self) -> Work<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Work(self)
    }

    pub(crate) fn set_lag(&self, camera: &Name, lag: u64) {
        let mut cameras = lock(&self.cameras);
        match cameras.get_mut(camera) {
            Some(entry) => entry.lag = lag,
            None => drop(cameras.insert(camera.clone(), Camera { lag, trouble: None })),
        }
    }

    pub(crate) fn set_trouble(&self, camera: &Name, trouble: Option<String>) {
        let mut cameras = lock(&self.cameras);
        if let Some(entry) = cameras.get_mut(camera) {
            entry.trouble = trouble;
        }
    }

    /// What keeps finished footage from being published.
    pub(crate) fn set_storage_trouble(&self, trouble: Option<String>) {
        *lock(&self.storage) = trouble;
    }

    /// From now on the disk's troubles are told too.
    pub(crate) fn show_disk(&self, disk: &Arc<Disk>) {
        let _ = self.disk.set(Arc::clone(disk));
    }

    pub(crate) fn beat(&self) -> RecorderBeat {
        let cameras = lock(&self.cameras);
        let disk = self.disk.get();
        // What is wrong with the folder as a whole says more than what it did to one file.
        let trouble = disk
            .and_then(|d| d.stall().or_else(|| d.trouble()))
            .or_else(|| lock(&self.storage).clone())
            .or_else(|| cameras.values().find_map(|c| c.trouble.clone()));
        let open = self.open.load(Ordering::Relaxed);
        RecorderBeat {
            progress: self.progress.load(Ordering::Relaxed),
            busy: open > 0 || self.under_way.load(Ordering::Relaxed) > 0,
            clips_open: open,
            lag_frames: cameras.values().map(|c| c.lag).max().unwrap_or(0),
            frames_encoded: self.encoded.load(Ordering::Relaxed),
            trouble,
        }
    }
}

/// See [`Pulse::work`].
pub(crate) struct Work<'a>(&'a Pulse);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
