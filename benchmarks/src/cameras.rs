//! The cameras that something is measured with: so many alike, as a config.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

/// Cameras that are all alike.
#[derive(Clone, Debug)]
pub struct Cameras<'a> {
    /// Number of cameras.
    pub count: u32,
    /// Each one's pixels, as in 1280x720.
    pub size: &'a str,
    /// Frames a second.
    pub fps: u32,
    /// `sim`, or a video file that every camera plays.
    pub backend: &'a str,
    /// Pre-roll, if not the config's default.
    pub pre_roll: Option<Duration>,
}

impl<'a> Cameras<'a> {
    /// Simulated ones.
    #[must_use]
    pub fn simulated(count: u32, size: &'a str, fps: u32) -> Self {
        Self { count, size, fps, backend: "sim", pre_roll: None }
    }

    /// The name of one of them, counted from 1.
    #[must_use]
    pub fn name(number: u32) -> String {
        format!("cam{number}")
    }

    /// Writes a config for them into this folder, with recordings beside it.
    ///
    /// # Errors
    /// When the size is none, the film isn't there, or the config can't be written.
    pub fn write_config(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let (width, height) = self.size.split_once('x').context("--size takes pixels, as in 1280x720")?;
        let mut text =
            format!("camera: {{ width: {width}, height: {height}, fps: {} }}\ncameras:\n", self.fps);
        for name in (1..=self.count).map(Self::name) {
            text += &match self.backend {
                "sim" => format!("  - {{ name: {name}, backend: sim }}\n"),
                film => {
                    let film = Path::new(film).canonicalize().with_context(|| film.to_owned())?;
                    let film = film.display();
                    format!(
                        "  - {{ name: {name}, backend: file, path: {film:?}, loop: true, scale: true }}\n"
                    )
                }
            };
        }
        let recordings = folder.join("recordings");
        text += &format!("recording:\n  output_dir: {:?}\n", recordings.display().to_string());
        if let Some(pre_roll) = self.pre_roll {
            text += &format!("  pre_roll_ms: {}\n", pre_roll.as_millis());
        }
        let path = folder.join("benchmark.yaml");
        std::fs::write(&path, text)?;
        Ok(path)
    }
}
