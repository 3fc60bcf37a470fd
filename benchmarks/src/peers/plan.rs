//! The plan of `benchmark peers`: cameras, windows and encoder settings that are the same for all contenders.

use std::time::Duration;

use anyhow::{Context, ensure};
use proto::frame::Fps;
use serde::{Deserialize, Serialize};

/// libx264's, for all that let one choose.
pub const PRESET: &str = "superfast";
/// The same.
pub const CRF: u32 = 23;

/// The plan of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Each camera's pixels, as in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// Before a trigger.
    pub pre_ms: u32,
    /// After it.
    pub post_ms: u32,
    /// Clips of each.
    pub rounds: u32,
    /// Between them, with nothing to record.
    pub armed_s: f64,
    /// Names; all, if there are none.
    pub only: Vec<String>,
}

impl Plan {
    pub(super) fn pixels(&self) -> anyhow::Result<(u32, u32)> {
        let (width, height) = self.size.split_once('x').context("--size takes pixels, as in 1280x720")?;
        let (width, height) = (width.parse()?, height.parse()?);
        ensure!(
            width % 4 == 0 && height % 2 == 0 && width >= 256 && height >= 128,
            "{} can't be drawn",
            self.size
        );
        Ok((width, height))
    }

    pub(super) fn fps(&self) -> anyhow::Result<Fps> {
        Fps::new(self.fps.into()).context("--fps")
    }

    pub(super) fn pre(&self) -> Duration {
        Duration::from_millis(self.pre_ms.into())
    }

    pub(super) fn post(&self) -> Duration {
        Duration::from_millis(self.post_ms.into())
    }

    pub(super) fn armed(&self) -> Duration {
        Duration::from_secs_f64(self.armed_s)
    }
}
