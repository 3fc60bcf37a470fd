//! The way in which a camera's video was made as a whole, beside what the config asks for.

use serde::{Deserialize, Serialize};

/// The way in which a camera's video was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoMode {
    /// Encoded from raw pictures.
    Encoded,
    /// Exact to the frame, and copied as far as that allows.
    Smart,
    /// All of it decoded, and encoded again.
    Exact,
    /// The camera's own bytes.
    Verbatim,
}

/// The reason why a video wasn't made as the config asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotAsAsked {
    /// None of its frames is a key frame, at which a copy can begin.
    NoKeyFrame,
    /// Its pictures are shown in another order than they come in (B-frames), so a copy can't begin and end at any of them.
    BFrames,
    /// Frames of this payload are not made so.
    Payload,
}
