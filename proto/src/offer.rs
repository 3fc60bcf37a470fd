//! A camera's own word on what it gives. A probe (`capture --probe CAMERA`) prints it as one line of JSON, and a capture
//! reports it of a camera that comes later. What counts in the end is decided in [`crate::config`]: the config's word comes
//! first.

use serde::{Deserialize, Serialize};

use crate::clip::CaptureTime;
use crate::frame::{Payload, PixelFormat};

/// A camera's word on its frames.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The form of a frame's bytes.
    pub payload: Payload,
    /// Of raw frames; of others the format that a decoder is asked for.
    pub pixel_format: PixelFormat,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Frames a second, at most.
    pub fps: f64,
    /// No frame is due at any moment.
    pub variable_rate: bool,
    /// The meaning of its capture times.
    pub capture_time: CaptureTime,
    /// Its pictures are shown in another order than they come in (B-frames). Never left out: a link's messages have no names, by
    /// which the end that reads them would notice.
    #[serde(default)]
    pub reorders: bool,
}

/// A probe's word on a camera that offers nothing, in the place of an [`Offer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoOffer {
    /// The reason, for a person.
    pub error: String,
    /// The camera has refused the login. It is asked again more slowly, so that it doesn't lock the user out.
    pub refused: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_one_line_that_scripts_can_read() {
        let offer = Offer {
            payload: Payload::Jpeg,
            pixel_format: PixelFormat::I420,
            width: 1280,
            height: 720,
            fps: 29.97,
            variable_rate: false,
            capture_time: CaptureTime::Driver,
            reorders: false,
        };
        let line = serde_json::to_string(&offer).unwrap();
        let expected = "{\"payload\":\"jpeg\",\"pixel_format\":\"I420\",\"width\":1280,\"height\":720,\"fps\":29.97,\
                        \"variable_rate\":false,\"capture_time\":\"driver\",\"reorders\":false}";
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<Offer>(&line).unwrap(), offer);
        let reordered = Offer { reorders: true, ..offer };
        let line = serde_json::to_string(&reordered).unwrap();
        assert!(line.ends_with(",\"reorders\":true}"), "{line}");
        assert_eq!(serde_json::from_str::<Offer>(&line).unwrap(), reordered);
    }
}
