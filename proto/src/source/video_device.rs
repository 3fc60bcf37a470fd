//! A device of Video4Linux by what a person writes for it. Nothing is looked for here.

use std::path::Path;

/// A device by its number, its path or its serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoDevice<'a> {
    /// `0` is `/dev/video0`.
    Number(u16),
    /// Such as `/dev/v4l/by-id/…`: a text with a slash.
    Path(&'a Path),
    /// The camera's own serial number.
    Serial(&'a str),
}

impl<'a> VideoDevice<'a> {
    /// Classifies a text. A short number is a device's; a serial number of digits alone that is no longer has to be given as
    /// a path instead.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        if let Ok(number) = text.parse() {
            Self::Number(number)
        } else if text.contains('/') {
            Self::Path(Path::new(text))
        } else {
            Self::Serial(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_number_a_path_or_a_serial_number() {
        for (text, device) in [
            ("0", VideoDevice::Number(0)),
            ("/dev/video2", VideoDevice::Path(Path::new("/dev/video2"))),
            ("dev/cam", VideoDevice::Path(Path::new("dev/cam"))),
            ("8A3F01", VideoDevice::Serial("8A3F01")),
            ("20240115007", VideoDevice::Serial("20240115007")),
        ] {
            assert_eq!(VideoDevice::of(text), device, "{text}");
        }
    }
}
