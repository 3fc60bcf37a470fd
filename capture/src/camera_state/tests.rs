//! Each way through the states of a camera.

use super::*;
use proto::frame::{Geometry, PixelFormat};

const FLAGGED_AFTER: Duration = Duration::from_secs(2);

fn at(ms: u64) -> MonotonicNs {
    MonotonicNs(5_000_000_000 + ms * 1_000_000)
}

fn watch() -> CameraWatch {
    CameraWatch::new(FLAGGED_AFTER, at(0))
}

/// The digest of a picture of one brightness.
fn picture(luma: u8) -> PictureDigest {
    let geometry = Geometry::new(64, 64, PixelFormat::GRAY8).unwrap();
    PictureDigest::of(&vec![luma; geometry.frame_bytes()], &geometry.planes()[0])
}

/// A frame with this picture, at this moment.
fn deliver(watch: &mut CameraWatch, luma: u8, ms: u64) -> Option<Change> {
    let arrived = watch.frame(at(ms));
    arrived.or(watch.picture(picture(luma), at(ms)))
}

#[test]
fn a_camera_is_opening_until_its_first_frame_and_then_live() {
    let mut watch = watch();
    assert_eq!(watch.state(), CameraState::Opening);
    assert_eq!(watch.frame(at(10)), Some(Change::Live { silent_for: None }));
    assert_eq!(watch.state(), CameraState::Live);
    assert_eq!(watch.frame(at(20)), None, "live is said once");
}

#[test]
fn a_camera_without_frames_is_silent_once_and_live_with_the_next_frame() {
    let mut watch = watch();
    watch.frame(at(0));
    assert_eq!(watch.no_frame(at(2_000)), None, "not before the time is over");
    assert_eq!(watch.no_frame(at(2_001)), Some(Change::Silent { for_at_least: FLAGGED_AFTER }));
    assert_eq!(watch.state(), CameraState::Silent);
    assert_eq!(watch.no_frame(at(9_000)), None, "silence is said once");
    let silent_for = Some(Duration::from_millis(9_500));
    assert_eq!(watch.frame(at(9_500)), Some(Change::Live { silent_for }));
    assert_eq!(watch.state(), CameraState::Live);
}

#[test]
fn a_camera_that_never_delivers_is_silent_too() {
    let mut watch = watch();
    assert!(watch.no_frame(at(2_001)).is_some());
    assert_eq!(watch.state(), CameraState::Silent);
}

#[test]
fn each_frame_puts_silence_off() {
    let mut watch = watch();
    for ms in (0..60_000).step_by(1_900) {
        watch.frame(at(ms));
        assert_eq!(watch.no_frame(at(ms + 1_899)), None);
    }
}

#[test]
fn a_picture_that_repeats_is_frozen_until_another_comes() {
    let mut watch = watch();
    deliver(&mut watch, 90, 0);
    assert_eq!(deliver(&mut watch, 90, 1_999), None);
    let since = Duration::from_millis(2_040);
    assert_eq!(deliver(&mut watch, 90, 2_040), Some(Change::Frozen { black: false, since }));
    assert_eq!(watch.state(), CameraState::Frozen { black: false });
    assert_eq!(deliver(&mut watch, 90, 4_000), None, "frozen is said once");
    assert_eq!(deliver(&mut watch, 91, 4_040), Some(Change::Unfrozen));
    assert_eq!(watch.state(), CameraState::Live);
    assert_eq!(deliver(&mut watch, 91, 6_000), None, "the time starts anew with the new picture");
}

#[test]
fn a_black_picture_that_repeats_is_said_to_be_black() {
    let mut watch = watch();
    deliver(&mut watch, 16, 0);
    assert!(matches!(deliver(&mut watch, 16, 2_000), Some(Change::Frozen { black: true, .. })));
    assert_eq!(watch.state(), CameraState::Frozen { black: true });
}

#[test]
fn a_picture_that_changes_with_each_frame_never_freezes() {
    let mut watch = watch();
    watch.frame(at(0));
    for n in 0..200_u8 {
        assert_eq!(deliver(&mut watch, n, 1_000 * u64::from(n)), None);
    }
}

#[test]
fn a_frozen_camera_that_falls_silent_forgets_its_picture() {
    let mut watch = watch();
    deliver(&mut watch, 90, 0);
    deliver(&mut watch, 90, 2_000);
    assert!(matches!(watch.no_frame(at(4_001)), Some(Change::Silent { .. })));
    assert!(matches!(deliver(&mut watch, 90, 5_000), Some(Change::Live { silent_for: Some(_) })));
    assert_eq!(deliver(&mut watch, 90, 6_999), None, "counted from the first frame after the silence");
    assert!(matches!(deliver(&mut watch, 90, 7_000), Some(Change::Frozen { .. })));
}

#[test]
fn a_camera_that_is_away_shows_its_reason_and_is_live_with_its_next_frame() {
    let mut watch = watch();
    deliver(&mut watch, 90, 0);
    assert_eq!(watch.away("it is unplugged"), Some(Change::Away));
    assert_eq!(watch.state(), CameraState::Failed("it is unplugged".into()));
    assert_eq!(watch.away("it is unplugged"), None, "the reason is said once");
    assert_eq!(watch.away("it is in use"), Some(Change::AwayOtherwise));
    assert_eq!(watch.state(), CameraState::Failed("it is in use".into()));
    let silent_for = Some(Duration::from_millis(3_000));
    assert_eq!(watch.frame(at(3_000)), Some(Change::Live { silent_for }));
    assert_eq!(watch.state(), CameraState::Live);
}

#[test]
fn a_camera_that_was_away_and_gives_nothing_once_it_is_open_is_silent() {
    let mut watch = watch();
    watch.away("it is unplugged");
    assert_eq!(watch.no_frame(at(1_900)), None);
    assert_eq!(watch.no_frame(at(2_001)), Some(Change::Silent { for_at_least: FLAGGED_AFTER }));
    assert_eq!(watch.away("it is unplugged"), Some(Change::Away));
}

#[test]
fn the_end_and_a_failure_are_final() {
    let mut ended = watch();
    ended.frame(at(0));
    ended.end();
    let mut failed = watch();
    failed.fail("it is unplugged".into());
    for (mut watch, state) in
        [(ended, CameraState::Ended), (failed, CameraState::Failed("it is unplugged".into()))]
    {
        assert_eq!(deliver(&mut watch, 1, 10), None);
        assert_eq!(watch.no_frame(at(60_000)), None);
        assert_eq!(watch.away("it is in use"), None);
        assert_eq!(watch.state(), state);
    }
}

#[test]
fn slow_cameras_are_given_ten_frames() {
    assert_eq!(flagged_after(Fps::new(60.0).unwrap()), Duration::from_secs(2));
    assert_eq!(flagged_after(Fps::new(1.0).unwrap()), Duration::from_secs(10));
}
