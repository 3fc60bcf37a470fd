//! Does a video suit the camera that plays it? The one place for `check`, `start` and the captures.

use crate::frame::{Fps, Geometry};

/// The factor by which a video may be faster than its camera's `fps`: rounding 29.97 or 59.94 makes no difference to it,
/// and it is well within the fifth that the ring has to spare.
pub(super) const FPS_MARGIN: f64 = 1.05;

/// A video that doesn't suit its camera. The text goes behind the video's name.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Misfit {
    /// Frames have another size than the ring's.
    #[error(
        "gives frames of {}x{} and the camera's are {}x{}: write width: {} and height: {}, or scale: true to have \
         them scaled", found.0, found.1, ring.0, ring.1, found.0, found.1
    )]
    WrongSize {
        /// Width and height of the video's frames, in pixels.
        found: (u32, u32),
        /// Width and height of the ring's frames, in pixels.
        ring: (u32, u32),
    },
    /// The video has more frames a second than the config says, which is what the ring's length follows from.
    #[error("plays {fps} frames a second and the camera's fps is {configured}: set fps: {fps}")]
    TooFast {
        /// The video's frames a second, rounded up to thousandths, as the config should say it.
        fps: f64,
        /// The config's `fps`.
        configured: Fps,
    },
}

/// Checks the size of a video's frames, which have to be scaled if it is not the ring's.
///
/// # Errors
/// [`Misfit::WrongSize`].
pub fn check_size(ring: &Geometry, found: (u32, u32), scale: bool) -> Result<(), Misfit> {
    let ring = (ring.width(), ring.height());
    // Some headers leave the size to the pictures.
    if scale || found == ring || found == (0, 0) {
        return Ok(());
    }
    Err(Misfit::WrongSize { found, ring })
}

/// Checks a video's rate, in frames a second. A ring is as long as its config's `fps` makes it: a video that is faster
/// would fill it with less time than was asked for.
///
/// # Errors
/// [`Misfit::TooFast`].
pub fn check_rate(configured: Fps, fps: f64) -> Result<(), Misfit> {
    if fps <= configured.as_f64() * FPS_MARGIN {
        return Ok(());
    }
    Err(Misfit::TooFast { fps: (fps * 1000.0).ceil() / 1000.0, configured })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelFormat;

    #[test]
    fn a_video_of_another_size_is_told_what_to_write() {
        let ring = Geometry::new(96, 54, PixelFormat::I420).unwrap();
        let says = check_size(&ring, (192, 108), false).unwrap_err().to_string();
        for word in ["192x108", "96x54", "width: 192", "height: 108", "scale: true"] {
            assert!(says.contains(word), "{says}");
        }
        for (size, scale) in [((192, 108), true), ((96, 54), false), ((0, 0), false)] {
            assert_eq!(check_size(&ring, size, scale), Ok(()), "{size:?}");
        }
    }

    #[test]
    fn a_video_that_is_faster_is_told_what_to_write() {
        let fps = Fps::new(20.0).unwrap();
        for (video, says) in [(25.0, "set fps: 25"), (21.0001, "set fps: 21.001")] {
            assert!(check_rate(fps, video).unwrap_err().to_string().ends_with(says), "{video}");
        }
        assert_eq!(check_rate(fps, 20.9), Ok(()));
    }
}
