//! Waiting for something that gives no sign: looking again and again. No length of time is waited for where an event can be.

use std::time::{Duration, Instant};

use anyhow::ensure;

/// Anything that takes longer than this has gone wrong.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// From one look to the next, where a few milliseconds more don't matter.
pub const GLANCE: Duration = Duration::from_millis(10);
/// From one look to the next, where the moment is measured or the next blow has to fall at once.
pub const CLOSE: Duration = Duration::from_millis(1);

/// Looks every [`GLANCE`] until there is something to see.
///
/// # Errors
/// When there is nothing after [`PATIENCE`].
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    until_every(GLANCE, what, look)
}

/// As [`until`], with another span between two looks.
///
/// # Errors
/// As [`until`].
pub fn until_every<T>(
    glance: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(glance);
    }
}
