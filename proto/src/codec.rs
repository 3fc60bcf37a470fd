//! The codecs a clip can be made with, and the ladder of encoders that are tried for it. What an encoder's settings are
//! is the recorder's business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A link of the codec chain. The names are those of the recorder Preroll began from: FourCCs.
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

impl Codec {
    /// Every codec that can be asked for by name.
    pub const ALL: [Self; 5] = [Self::H264, Self::Avc1, Self::Xvid, Self::Mp4v, Self::Mjpg];
    /// What `auto` tries, in order.
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

/// One way to encode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderChoice {
    /// The link of the chain.
    pub codec: Codec,
    /// libav's name for the encoder.
    pub encoder: String,
    /// Its preset, where it has one.
    pub preset: Option<String>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodecTrial {
    /// What was tried.
    pub choice: EncoderChoice,
    /// Encoded and decoded back in the real container, with the cameras' own pictures.
    pub works: bool,
    /// Frames a second, of the slowest camera while all encode at once; 0 if it doesn't work.
    pub frames_per_second: f64,
    /// Why it was not chosen, or that it was.
    pub verdict: String,
}

/// What probing found out: the chain to go down, best first, and everything that was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EncoderLadder {
    /// What works, in the order of preference. The first is used; a recorder that keeps crashing steps down.
    pub chain: Vec<EncoderChoice>,
    /// Everything that was tried.
    pub trials: Vec<CodecTrial>,
    /// What was taken off the chain since, because recorders kept crashing in it.
    pub given_up: Vec<EncoderChoice>,
}
