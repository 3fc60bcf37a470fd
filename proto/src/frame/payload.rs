//! The payload of a frame: pixels as planes, or a picture as a codec made it. How payloads lie in a ring is in
//! [`crate::ring::layout`].

use core::fmt;

/// The bytes of a camera's frames. A ring holds payloads of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Payload {
    /// Pixels, laid out by [`Geometry::planes`](super::Geometry::planes). Each frame has the same length.
    #[default]
    Planes,
    /// A JPEG, from SOI to EOI.
    Jpeg,
    /// An H.264 access unit in Annex B form. A key frame carries its own parameter sets.
    H264,
    /// An H.265 access unit in Annex B form. A key frame carries its own parameter sets.
    H265,
}

impl Payload {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Planes, Self::Jpeg, Self::H264, Self::H265];

    /// The name used in configs, plans and stats.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planes => "planes",
            Self::Jpeg => "jpeg",
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }

    /// The payload with this name, upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|payload| payload.name().eq_ignore_ascii_case(name))
    }

    /// The number of this payload in a ring's header.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Planes => 0,
            Self::Jpeg => 1,
            Self::H264 => 2,
            Self::H265 => 3,
        }
    }

    /// The payload with this number in a ring's header.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|payload| u64::from(payload.code()) == code)
    }

    /// Did a codec make it, so that frames differ in length?
    #[must_use]
    pub fn is_compressed(self) -> bool {
        self != Self::Planes
    }

    /// May a frame need earlier ones to be decoded?
    #[must_use]
    pub fn needs_key_frames(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_payload_has_a_name_and_a_code_of_its_own() {
        for payload in Payload::ALL {
            assert_eq!(Payload::from_name(&payload.name().to_uppercase()), Some(payload));
            assert_eq!(Payload::from_code(payload.code().into()), Some(payload));
        }
        assert_eq!((Payload::from_name("raw"), Payload::from_code(4)), (None, None));
        assert_eq!(Payload::ALL.map(Payload::is_compressed), [false, true, true, true]);
        assert_eq!(Payload::ALL.map(Payload::needs_key_frames), [false, false, true, true]);
    }
}
