//! The codecs that a clip can be made with. Which encoder a camera's clips get is [`crate::ladder`]'s part, an encoder's
//! settings are the recorder's.

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

/// An encoder with its preset: one rung of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EncoderChoice {
    /// The codec that it makes.
    pub codec: Codec,
    /// libav's name of the encoder.
    pub encoder: String,
    /// The encoder's preset, where it has one.
    pub preset: Option<String>,
}

/// The name in an encoder's place where a camera's frames are passed on as they came.
const COPIED: &str = "copied";

impl EncoderChoice {
    /// No encoder: a camera's frames, which are in this codec, are passed on as they came.
    #[must_use]
    pub fn copied(codec: Codec) -> Self {
        Self { codec, encoder: COPIED.to_owned(), preset: None }
    }

    /// Says whether frames are passed on as they came.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.encoder == COPIED
    }

    /// The same encoder for the same codec, at whatever preset.
    #[must_use]
    pub fn is_same_encoder(&self, other: &Self) -> bool {
        self.codec == other.codec && self.encoder == other.encoder
    }
}

impl fmt::Display for EncoderChoice {
    /// As in "H264 (libx264, superfast)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preset = self.preset.as_ref().map_or(String::new(), |preset| format!(", {preset}"));
        write!(f, "{} ({}{preset})", self.codec, self.encoder)
    }
}
