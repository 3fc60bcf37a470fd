//! The frames of a simulated camera, as its payload has them: planes that are drawn, or JPEGs and H.264 that are put together.

use proto::config::{CameraConfig, SimConfig};
use proto::frame::{Fps, FrameFlags, Geometry, Payload, PictureTags, Range};

use super::h264::H264Pieces;
use super::jpeg::JpegPieces;
use super::scene::Scene;
use super::stamp;

/// Everything that a simulated camera's frames are made of. It is made once, and takes a while for large frames.
pub(super) enum Pictures {
    Planes(Scene, Geometry),
    Jpeg(JpegPieces),
    H264(H264Pieces),
}

/// A frame that is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shot {
    /// The camera's number of the frame.
    pub(super) number: u64,
    /// The number that it shows: an older one while the picture is frozen.
    pub(super) shown: u64,
    /// It is black, and shows no number.
    pub(super) black: bool,
    /// The picture was exposed to a flash of light.
    pub(super) lit: bool,
}

impl Pictures {
    /// The pictures of a camera. H.265 is made by none: such a config is refused.
    pub(super) fn of(camera: &CameraConfig, sim: &SimConfig) -> Self {
        let (name, geometry) = (camera.name.as_str(), camera.geometry);
        let size = (geometry.width(), geometry.height());
        // Set whenever frames are compressed.
        let frame_bytes = sim.frame_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
        match camera.payload {
            Payload::Planes | Payload::H265 => Self::Planes(Scene::new(geometry, name), geometry),
            Payload::Jpeg => Self::Jpeg(JpegPieces::new(size, name, frame_bytes)),
            Payload::H264 => {
                let gop = gop_frames(camera.fps, camera.compressed.gop_ms);
                Self::H264(H264Pieces::new(size, camera.fps, name, gop, frame_bytes))
            }
        }
    }

    /// The bytes of a compressed frame; 0 for planes.
    pub(super) fn bytes(&self, shot: &Shot) -> usize {
        match self {
            Self::Planes(..) => 0,
            Self::Jpeg(pieces) => pieces.bytes(shot.shown),
            Self::H264(pieces) => pieces.bytes(shot.number),
        }
    }

    /// The remarks on a frame.
    pub(super) fn flags(&self, shot: &Shot) -> FrameFlags {
        let is_key = match self {
            Self::Planes(..) => false,
            Self::Jpeg(_) => true,
            Self::H264(pieces) => pieces.is_key(shot.number),
        };
        FrameFlags::KEY.when(is_key)
    }

    /// Writes a frame of the camera of this index, and says how many bytes it has.
    pub(super) fn draw(&self, frame: &mut [u8], shot: &Shot, index: u8) -> usize {
        let bits = stamp::bits(index, shot.shown);
        match self {
            Self::Planes(scene, _) if shot.black => {
                scene.draw_black(frame);
                frame.len()
            }
            Self::Planes(scene, geometry) => {
                match shot.lit {
                    true => scene.draw_lit(frame),
                    false => scene.draw(frame, shot.shown),
                }
                stamp::draw(frame, geometry, bits);
                frame.len()
            }
            Self::Jpeg(pieces) if shot.black => pieces.draw_black(frame, shot.shown),
            Self::Jpeg(pieces) if shot.lit => pieces.draw_lit(frame, shot.shown, bits),
            Self::Jpeg(pieces) => pieces.draw(frame, shot.shown, bits),
            Self::H264(pieces) if shot.black => pieces.draw_black(frame, shot.number),
            Self::H264(pieces) if shot.lit => pieces.draw_lit(frame, shot.number, bits),
            Self::H264(pieces) => pieces.draw(frame, shot.number, shot.shown, bits),
        }
    }

    /// The tags that the frames carry.
    pub(super) fn tags(&self) -> PictureTags {
        match self {
            Self::Planes(_, geometry) => PictureTags::made_as(geometry.format()),
            // As JFIF has it.
            Self::Jpeg(_) => {
                PictureTags { matrix: PictureTags::BT601, range: Range::Full, ..PictureTags::default() }
            }
            Self::H264(_) => {
                PictureTags { matrix: PictureTags::BT601, range: Range::Limited, ..PictureTags::default() }
            }
        }
    }
}

/// Frames from one key frame to the next.
fn gop_frames(fps: Fps, gop_ms: u64) -> u64 {
    // Half a frame more, to round to the nearest.
    let half = fps.due_ns(1) / 2;
    fps.frames_in(gop_ms.saturating_mul(1_000_000).saturating_add(half)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_as_far_apart_as_the_config_says() {
        let frames = |fps: f64, ms| gop_frames(Fps::new(fps).unwrap(), ms);
        assert_eq!((frames(30.0, 2_000), frames(59.94, 1_000), frames(25.0, 0)), (60, 60, 1));
        assert_eq!(frames(1.0, 2_500), 3);
    }
}
