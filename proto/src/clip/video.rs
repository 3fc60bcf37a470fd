//! The way in which a camera's video was made as a whole, beside what the config asks for.

use serde::{Deserialize, Serialize};

use crate::config::ClipMode;
use crate::frame::Payload;

/// The way in which a camera's video was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoMode {
    /// Encoded from raw pictures.
    #[default]
    Encoded,
    /// Exact to the frame, and copied as far as that allows.
    Smart,
    /// All of it decoded, and encoded again.
    Exact,
    /// The camera's own bytes.
    Verbatim,
}

impl VideoMode {
    /// The name used in manifests and stats.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoded => "encoded",
            Self::Smart => "smart",
            Self::Exact => "exact",
            Self::Verbatim => "verbatim",
        }
    }

    /// The way in which frames of this payload are made into videos by default, where the config asks for `mode`. A single clip
    /// may have to be made in another, and says why.
    #[must_use]
    pub fn of(payload: Payload, mode: ClipMode) -> Self {
        match (payload, mode) {
            (Payload::Planes, _) => Self::Encoded,
            (Payload::H265, _) | (_, ClipMode::Exact) => Self::Exact,
            (Payload::Jpeg | Payload::H264, ClipMode::Smart) => Self::Smart,
            (Payload::Jpeg | Payload::H264, ClipMode::Verbatim) => Self::Verbatim,
        }
    }
}

/// The reason why a video wasn't made as the config asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotAsAsked {
    /// The window has no key frame, at which a copy could begin.
    NoKeyFrame,
    /// Its pictures are shown in another order than they come in (B-frames), so a copy can't begin and end at any of them.
    BFrames,
    /// Frames of this payload are not made so.
    Payload,
}
