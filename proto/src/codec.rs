//! The codecs that a clip can be made with, and the ladder of encoders that are tried for it. An encoder's settings are
//! the recorder's part.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A codec and its container, by the names of the recorder that Preroll began from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// H.264 by the best encoder that works here.
    H264,
    /// H.264 by software alone, with the safest settings.
    #[serde(rename = "avc1")]
    Avc1,
    /// MPEG-4 part 2 in AVI.
    #[serde(rename = "XVID")]
    Xvid,
    /// MPEG-4 part 2 in MP4.
    #[serde(rename = "MP4V")]
    Mp4v,
    /// Motion JPEG in AVI: large, and always works.
    #[serde(rename = "MJPG")]
    Mjpg,
}

/// libx264's presets, fastest first, without `placebo`, which is slower than any camera (`x264 --fullhelp`).
pub const X264_PRESETS: [&str; 9] =
    ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"];

impl Codec {
    /// Every codec that can be asked for by name.
    pub const ALL: [Self; 5] = [Self::H264, Self::Avc1, Self::Xvid, Self::Mp4v, Self::Mjpg];
    /// The codecs that `auto` tries, in order.
    pub const CHAIN: [Self; 3] = [Self::H264, Self::Avc1, Self::Mjpg];

    /// The name used in configs, logs and manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::Avc1 => "avc1",
            Self::Xvid => "XVID",
            Self::Mp4v => "MP4V",
            Self::Mjpg => "MJPG",
        }
    }

    /// The codec of this name, upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name().eq_ignore_ascii_case(name))
    }

    /// The file name's ending, with its dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::H264 | Self::Avc1 | Self::Mp4v => ".mp4",
            Self::Xvid | Self::Mjpg => ".avi",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rung of the ladder: an encoder with its preset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderChoice {
    /// The codec that it makes.
    pub codec: Codec,
    /// libav's name of the encoder.
    pub encoder: String,
    /// The encoder's preset, where it has one.
    pub preset: Option<String>,
}

/// The trial of one encoder by the probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodecTrial {
    /// The encoder that was tried.
    pub choice: EncoderChoice,
    /// True if the cameras' own pictures were encoded into the real container and decoded back.
    pub works: bool,
    /// The frames a second of the slowest camera while all cameras encode at once; 0 if it doesn't work.
    pub frames_per_second: f64,
    /// The reason why it was not chosen, or that it was, in words for a person.
    pub verdict: String,
}

/// The encoders to try, best first, and everything that the probe tried for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EncoderLadder {
    /// The encoders that work, in order of preference. The first is used. When recorders keep crashing, it is given up.
    pub chain: Vec<EncoderChoice>,
    /// All trials of the probe.
    pub trials: Vec<CodecTrial>,
    /// The encoders that were given up since, because recorders kept crashing in them.
    pub given_up: Vec<EncoderChoice>,
}
