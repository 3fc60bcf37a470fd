//! Mutexes that stay usable after a thread has panicked while it held one. The values behind them are whole at each
//! moment, and the panic itself is in the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, poisoned or not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
