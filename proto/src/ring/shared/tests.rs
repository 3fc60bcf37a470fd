//! The ring in real shared memory: permissions, and waking a reader.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;
use std::time::Instant;

use super::*;
use crate::frame::{Fps, Geometry, PixelFormat};
use crate::instance::RuntimeDir;
use crate::name::Name;
use crate::ring::RingSize;
use crate::ring::segment::SegmentError;

/// A ring of three small frames.
fn small() -> RingSpec {
    let size = RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 0 };
    RingSpec::planes(Geometry::new(64, 16, PixelFormat::GRAY8).unwrap(), Fps::new(60.0).unwrap(), size)
}

#[test]
fn a_ring_that_others_may_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let name = RuntimeDir::create(dir.path()).unwrap().segment(&Name::new("open").unwrap());
    let spec = small();
    drop(Ring::create(&name, &spec).unwrap());
    let opened_with = |mode| {
        std::fs::set_permissions(name.path(), Permissions::from_mode(mode)).unwrap();
        Ring::open(&name).map(drop)
    };
    let (refused, own) = (opened_with(0o666), opened_with(0o600));
    Ring::remove(&name).unwrap();
    assert!(matches!(refused, Err(RingError::Segment(SegmentError::NotOurs { mode: 0o666, .. }))));
    own.unwrap();
}

#[test]
fn a_new_writer_wakes_a_reader_that_the_dead_one_had_no_time_to() {
    let dir = tempfile::tempdir().unwrap();
    let name = RuntimeDir::create(dir.path()).unwrap().segment(&Name::new("test").unwrap());
    let spec = small();
    let ring = Ring::create(&name, &spec).unwrap();
    Ring::remove(&name).unwrap();
    let (say, heard) = channel();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            say.send(rustix::thread::gettid()).unwrap();
            let asleep = Instant::now();
            (ring.wait_newer(0, Duration::from_secs(60)), asleep.elapsed())
        });
        let thread = heard.recv().unwrap().as_raw_nonzero();
        let is_asleep =
            || std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap().contains(") S ");
        while !is_asleep() {
            std::thread::yield_now();
        }
        // A writer's last frame, and its death on the way to waking anyone.
        let mut at = ring.protocol().take_over();
        let slot = ring.protocol().claim(&mut at).unwrap();
        ring.protocol().publish(slot, &FrameInfo { sequence: 1, ..FrameInfo::default() });
        // Every writer does this when it has the lock.
        ring.take_over();
        let (is_newer, after) = waiting.join().unwrap();
        assert!(is_newer && after < Duration::from_secs(60), "it slept through, for {after:?}");
    });
}
