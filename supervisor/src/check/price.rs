//! The price of a config on this machine: memory for its rings, bytes for its clips. A config whose rings don't fit is
//! refused.

use proto::config::{CameraConfig, Config, ValueOf};
use proto::storage::mb;

use crate::backlog::room::Room;
use crate::failure::Failure;

/// Bits that H.264 at CRF 23 takes for a pixel of a moving scene, roughly. A guess, and called one.
pub(crate) const BITS_PER_PIXEL: f64 = 0.1;

/// Refuses rings that are larger than the memory there is; returns their size in bytes.
pub(crate) fn fits(config: &Config) -> Result<u64, Failure> {
    let mut needed = 0_u64;
    for camera in &config.cameras {
        let bytes = config.ring_spec(camera).and_then(|spec| spec.layout()).map(|l| l.total_bytes as u64);
        let bytes = bytes.ok_or_else(|| {
            let message = format!("camera {}: its ring would be larger than any memory", camera.name);
            Failure::bad_input(config.mistake(ValueOf::Camera(&camera.name), message))
        })?;
        needed = needed.saturating_add(bytes);
    }
    let available = available_bytes();
    if needed > available {
        let message = format!(
            "the rings need {needed} bytes ({:.0} MB) and {available} bytes ({:.0} MB) of shared memory are \
             available; ask for less pre-roll, smaller frames or fewer cameras",
            mb(needed),
            mb(available)
        );
        // The pre-roll is the first thing to make smaller, if the config has a key for it.
        let pre_roll = config.mistake(ValueOf::PreRoll, message.clone());
        let mistake =
            if pre_roll.line().is_some() { pre_roll } else { config.mistake(ValueOf::Cameras, message) };
        return Err(Failure::bad_input(mistake));
    }
    Ok(needed)
}

/// The memory that rings may take: the room in /dev/shm, or free memory if that is less. A ring that exists already (of
/// an instance that is to be adopted) is counted against it, which only errs on the safe side.
pub(crate) fn available_bytes() -> u64 {
    let room = Room::now();
    room.shm.min(room.memory)
}

/// The bytes a second of all cameras while they are recorded as H.264.
pub(crate) fn recording_bytes_per_s(config: &Config) -> f64 {
    config.cameras.iter().map(camera_bytes_per_s).sum()
}

/// The bytes a second of one camera while it is recorded as H.264.
pub(crate) fn camera_bytes_per_s(camera: &CameraConfig) -> f64 {
    let pixels = f64::from(camera.geometry.width()) * f64::from(camera.geometry.height());
    pixels * camera.fps.as_f64() * BITS_PER_PIXEL / 8.0
}
