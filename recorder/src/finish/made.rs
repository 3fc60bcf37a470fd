//! How a camera's video was made as a whole, and why not as the config asks. Pure.

use proto::clip::{NotAsAsked, PlannedCamera, Stretch, StretchHow, VideoMode};
use proto::config::ClipMode;
use proto::frame::Payload;

/// The way in which a video of these stretches was made, and why, if it is another than was asked for.
pub(super) fn video(
    camera: &PlannedCamera,
    asked: ClipMode,
    stretches: &[Stretch],
) -> (VideoMode, Option<NotAsAsked>) {
    let is_copied = stretches.iter().any(|stretch| stretch.how == StretchHow::Copied);
    match (camera.payload, asked) {
        (Payload::Planes, _) => (VideoMode::Encoded, None),
        (_, ClipMode::Exact) => (VideoMode::Exact, None),
        (Payload::Jpeg, ClipMode::Verbatim) => (VideoMode::Verbatim, None),
        (Payload::H264, ClipMode::Verbatim) if !camera.reorders => (VideoMode::Verbatim, None),
        (Payload::Jpeg, ClipMode::Smart) => (VideoMode::Smart, None),
        // Of no frame nothing is said.
        (Payload::H264, ClipMode::Smart) if is_copied || stretches.is_empty() => (VideoMode::Smart, None),
        (Payload::H264, ClipMode::Verbatim) => (VideoMode::Exact, Some(NotAsAsked::BFrames)),
        (Payload::H264, ClipMode::Smart) if camera.reorders => (VideoMode::Exact, Some(NotAsAsked::BFrames)),
        (Payload::H264, ClipMode::Smart) => (VideoMode::Exact, Some(NotAsAsked::NoKeyFrame)),
        (Payload::H265, _) => (VideoMode::Exact, Some(NotAsAsked::Payload)),
    }
}

/// The reason in words, behind "camera NAME: it was recorded as with clip: exact, since".
pub(super) fn in_words(why: NotAsAsked) -> &'static str {
    match why {
        NotAsAsked::NoKeyFrame => "none of its frames in the window is a key frame that a copy can begin at",
        NotAsAsked::BFrames => "its pictures are shown in another order than they come in (B-frames)",
        NotAsAsked::Payload => "frames of its payload are not recorded in another way",
    }
}

#[cfg(test)]
mod tests {
    use proto::codec::Codec;

    use super::*;
    use crate::finish::join::tests::camera;

    #[test]
    fn a_video_is_called_what_it_is_and_what_was_not_done_has_a_reason() {
        let stretch = |how| Stretch {
            file: "left.mp4".into(),
            first_frame: 0,
            frames: 9,
            how,
            codec: Codec::H264,
            encoder: String::new(),
            preset: None,
        };
        let encoded = &[stretch(StretchHow::Encoded)][..];
        let cut = &[stretch(StretchHow::Encoded), stretch(StretchHow::Copied)][..];
        let (smart, exact, verbatim) = (ClipMode::Smart, ClipMode::Exact, ClipMode::Verbatim);
        for (payload, asked, stretches, is, why) in [
            (Payload::Planes, smart, encoded, VideoMode::Encoded, None),
            (Payload::Jpeg, smart, cut, VideoMode::Smart, None),
            (Payload::Jpeg, verbatim, cut, VideoMode::Verbatim, None),
            (Payload::Jpeg, exact, encoded, VideoMode::Exact, None),
            (Payload::H264, smart, cut, VideoMode::Smart, None),
            (Payload::H264, smart, &[], VideoMode::Smart, None),
            (Payload::H264, smart, encoded, VideoMode::Exact, Some(NotAsAsked::NoKeyFrame)),
            (Payload::H264, exact, encoded, VideoMode::Exact, None),
            (Payload::H264, verbatim, cut, VideoMode::Verbatim, None),
            (Payload::H264, verbatim, &[], VideoMode::Verbatim, None),
            (Payload::H265, verbatim, encoded, VideoMode::Exact, Some(NotAsAsked::Payload)),
            (Payload::H265, smart, encoded, VideoMode::Exact, Some(NotAsAsked::Payload)),
            (Payload::H265, exact, encoded, VideoMode::Exact, None),
        ] {
            let camera = PlannedCamera { payload, ..camera() };
            assert_eq!(video(&camera, asked, stretches), (is, why), "{payload} {asked:?} {stretches:?}");
        }
        let reordered = PlannedCamera { payload: Payload::H264, reorders: true, ..camera() };
        let is_exact = (VideoMode::Exact, Some(NotAsAsked::BFrames));
        assert_eq!(video(&reordered, smart, encoded), is_exact);
        assert_eq!(video(&reordered, verbatim, encoded), is_exact);
    }
}
