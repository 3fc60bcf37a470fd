//! The config in use, and the memory that it explains. It changes when a camera gives something else than was known of it.

use std::sync::{Arc, Mutex, PoisonError};

use proto::config::Config;

use crate::check::price::Memory;

/// The config in use. Any thread may read it.
pub(super) struct InUse(Mutex<Arc<Explained>>);

/// A config, and what it explains.
pub(super) struct Explained {
    pub(super) config: Arc<Config>,
    /// The most that it explains.
    pub(super) memory: Memory,
}

impl InUse {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self(Mutex::new(Arc::new(Explained::by(config))))
    }

    pub(super) fn now(&self) -> Arc<Explained> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace(&self, config: &Arc<Config>) {
        let explained = Arc::new(Explained::by(Arc::clone(config)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = explained;
    }
}

impl Explained {
    fn by(config: Arc<Config>) -> Self {
        Self { memory: Memory::of(&config), config }
    }
}
