//! A ring that nobody else uses, to be measured.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use proto::frame::{Fps, Geometry, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::{Ring, RingSize, RingSpec, SegmentName};

/// The ring, gone with this value.
pub(crate) struct Scratch {
    name: SegmentName,
    pub(crate) ring: Arc<Ring>,
    pub(crate) folder: tempfile::TempDir,
}

impl Scratch {
    /// Frames in I420, of this size.
    pub(crate) fn new(width: u32, height: u32, slots: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let name = segment(folder.path())?;
        let size = RingSize { pre_roll_slots: slots, reserve_slots: 0, lease_slots: 2 };
        let geometry = Geometry::new(width, height, PixelFormat::I420)?;
        let spec = RingSpec::planes(geometry, Fps::new(60.0).context("a rate")?, size);
        Ok(Self { ring: Ring::create(&name, &spec)?, name, folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Ring::remove(&self.name);
    }
}

/// The name of the ring whose runtime directory is this folder: so a second process finds it.
pub(crate) fn segment(folder: &Path) -> anyhow::Result<SegmentName> {
    Ok(RuntimeDir::create(folder)?.segment(&Name::new("ring")?))
}
