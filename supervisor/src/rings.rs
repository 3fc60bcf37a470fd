//! The cameras' rings: made at start, kept from the last run where they fit, removed at the end.

use std::path::Path;
use std::sync::Arc;

use proto::config::{CameraConfig, Config};
use proto::instance::RuntimeDir;
use proto::ring::segment::SegmentError;
use proto::ring::{ReaderBit, Ring, RingError, SegmentName};

use crate::Failure;

/// One ring a camera, in the config's order.
pub(crate) type Rings = Vec<Arc<Ring>>;

/// Finds or makes every ring. What was made is removed again if one can't be.
pub(crate) fn open(config: &Config, dir: &RuntimeDir) -> Result<Rings, Failure> {
    let mut rings = Vec::new();
    let mut made: Vec<SegmentName> = Vec::new();
    remove_others(config, dir);
    for camera in &config.cameras {
        let name = dir.segment(&camera.name);
        match find_or_make(config, camera, &name) {
            Ok((ring, is_new)) => {
                if is_new {
                    made.push(name);
                }
                rings.push(ring);
            }
            Err(e) => {
                made.iter().for_each(|name| drop(Ring::remove(name)));
                return Err(Failure::bad_input(format!("camera {}: {e}", camera.name)));
            }
        }
    }
    Ok(rings)
}

fn find_or_make(
    config: &Config,
    camera: &CameraConfig,
    name: &SegmentName,
) -> Result<(Arc<Ring>, bool), RingError> {
    let Some(spec) = config.ring_spec(camera) else {
        return Err(RingError::Absurd { slots: usize::MAX, frame_bytes: camera.geometry.frame_bytes() });
    };
    match Ring::open(name) {
        Ok(ring) if *ring.spec() == spec => {
            tracing::info!(
                "camera {}: its ring is there, with {} frames captured so far",
                camera.name,
                ring.head()
            );
            return Ok((ring, false));
        }
        Ok(_) => {
            tracing::info!("camera {}: its ring was made for another config; making a new one", camera.name)
        }
        Err(RingError::Segment(SegmentError::Missing(_))) => {}
        Err(e) => tracing::warn!("camera {}: {e}; making a new one", camera.name),
    }
    Ring::remove(name)?;
    Ok((Ring::create(name, &spec)?, true))
}

/// Says what was made and what it is good for.
pub(crate) fn announce(config: &Config, rings: &Rings) {
    for (camera, ring) in config.cameras.iter().zip(rings) {
        let size = ring.spec().size;
        tracing::info!(
            "camera {}: {} at {} fps; ring of {} frames, {} MB: {} pre-roll, {} reserve ({} ms), {} for readers",
            camera.name,
            camera.geometry,
            camera.fps,
            size.slots(),
            (ring.total_bytes() + 500_000) / 1_000_000,
            size.pre_roll_slots,
            size.reserve_slots,
            config.recording.reserve_ms,
            size.lease_slots,
        );
    }
}

/// Clears the leases of a recorder that is proven dead.
pub(crate) fn sweep_recorder(rings: &Rings) {
    let swept: usize = rings.iter().map(|ring| ring.sweep(ReaderBit::RECORDER)).sum();
    if swept > 0 {
        tracing::debug!("{swept} frames that the last recorder held are free again");
    }
}

/// Takes every ring's name away.
pub(crate) fn remove(config: &Config, dir: &RuntimeDir) {
    for camera in &config.cameras {
        if let Err(e) = Ring::remove(&dir.segment(&camera.name)) {
            tracing::warn!("{e}");
        }
    }
}

/// Removes rings of this instance's cameras that the config no longer has.
fn remove_others(config: &Config, dir: &RuntimeDir) {
    let prefix = format!("preroll-{}-", dir.instance());
    let Ok(entries) = std::fs::read_dir(Path::new("/dev/shm")) else { return };
    for entry in entries.filter_map(Result::ok) {
        let file = entry.file_name();
        let Some(camera) = file.to_str().and_then(|f| f.strip_prefix(&prefix)) else { continue };
        if !config.cameras.iter().any(|c| c.name.as_str() == camera) {
            // The name has this instance's own prefix; if it can't be removed it does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
