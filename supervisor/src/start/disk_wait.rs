//! Waiting for the disk that clips go to. A machine starts a rig while some of its disks are still being mounted.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use proto::config::Config;

use super::inherited::Inherited;
use crate::check::output_dir;
use crate::failure::Failure;
use crate::loop_events::LoopEvent;
use crate::service;

/// A service manager starts it again at once, and each start is a line in the log and a look at every source.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Waits for the folder in which the output folder is to be made, for a while under a service manager and not at all for a
/// person, who reads the reason at once. False when a signal has ended it meanwhile.
pub(super) fn wait(
    config: &Config,
    inherited: &Inherited,
    happening: &Receiver<LoopEvent>,
) -> Result<bool, Failure> {
    // The run that is adopted has its folder, and records again when its disk is back.
    if inherited.is_adopting {
        return Ok(true);
    }
    let patience = if service::is_asked_for() { PATIENCE } else { Duration::ZERO };
    let until = Instant::now() + patience;
    let mut is_said = false;
    while let Some(missing) = output_dir::look_for_disk(config)? {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::failed(missing));
        }
        if !is_said {
            tracing::warn!("{missing}; waiting for it");
            is_said = true;
        }
        match happening.recv_timeout(left.min(LOOK_AGAIN)) {
            Ok(LoopEvent::Signal) => {
                tracing::info!("stopped");
                return Ok(false);
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(left.min(LOOK_AGAIN)),
        }
    }
    Ok(true)
}
