//! Time that stands still, and clocks that jump.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use trials::{Rig, TWO_CAMERAS, clip_of, kill, list, manifest, names};

use crate::cgroup::Cgroup;

/// Longer than anybody may be silent for.
const ASLEEP: Duration = Duration::from_secs(5);

/// A clip is recorded while everything stands still for a while and then goes on.
fn assert_slept_well(sleep: impl FnOnce(&Rig)) {
    let rig = Rig::start(TWO_CAMERAS);
    let before = rig.children();
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "7000"]).code(0).json());
    rig.await_frames(&clip, "right", 60);
    sleep(&rig);
    let manifest = rig.await_manifest(&clip);
    rig.assert_true();
    for name in ["left", "right"] {
        // What the sleep cost is declared at one place.
        let gaps = list(&manifest["cameras"][name], "gaps");
        assert_eq!(gaps.len(), 1, "{gaps:#?}");
    }
    rig.command(&["trigger", "--wait"]).code(0);
    let stats = rig.stats();
    assert!(list(&stats, "processes").iter().all(|p| p["restarts"] == 0), "{stats:#}");
    assert_eq!(rig.children(), before);
    rig.assert_true();
}

#[test]
fn f36_processes_that_all_stand_still_go_on_as_if_nothing_had_been() {
    assert_slept_well(|rig| {
        let everybody = rig.processes();
        everybody.iter().for_each(|pid| kill(*pid, Signal::STOP));
        std::thread::sleep(ASLEEP);
        everybody.iter().for_each(|pid| kill(*pid, Signal::CONT));
    });
}

#[test]
fn f36_a_frozen_group_goes_on_as_if_nothing_had_been() {
    let Some(group) = Cgroup::new("freezer") else { return };
    assert_slept_well(|rig| {
        rig.processes().into_iter().for_each(|pid| group.take_in(pid));
        group.freeze(true);
        std::thread::sleep(ASLEEP);
        group.freeze(false);
    });
}

/// The machine's clock, moved by so much until dropped: put back by what the monotonic clock says has passed.
struct Moved {
    wall: Timespec,
    monotonic: Timespec,
}

impl Moved {
    fn by(seconds: i64) -> Option<Self> {
        let this =
            Self { wall: clock_gettime(ClockId::Realtime), monotonic: clock_gettime(ClockId::Monotonic) };
        let there = Timespec { tv_sec: this.wall.tv_sec + seconds, ..this.wall };
        match clock_settime(ClockId::Realtime, there) {
            Ok(()) => Some(this),
            Err(e) => {
                println!("skipped: the clock can't be set: {e}");
                None
            }
        }
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        let now = clock_gettime(ClockId::Monotonic);
        let passed =
            (now.tv_sec - self.monotonic.tv_sec) * 1_000_000_000 + now.tv_nsec - self.monotonic.tv_nsec;
        let ns = self.wall.tv_nsec + passed;
        let back = Timespec {
            tv_sec: self.wall.tv_sec + ns.div_euclid(1_000_000_000),
            tv_nsec: ns.rem_euclid(1_000_000_000),
        };
        clock_settime(ClockId::Realtime, back).unwrap();
    }
}

#[test]
fn f35_a_wall_clock_that_jumps_changes_no_clip() {
    if std::env::var_os("PREROLL_MAY_SET_THE_CLOCK").is_none() {
        println!("skipped: it sets the machine's clock, if PREROLL_MAY_SET_THE_CLOCK=1 permits it");
        return;
    }
    let begun = Instant::now();
    let mut rig = Rig::start(TWO_CAMERAS);
    let children = rig.children();
    for seconds in [-3_600, 86_400] {
        let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "2500"]);
        rig.await_stats("the clip to be open", |s| s["recorder"]["clips_open"] == 1);
        let Some(moved) = Moved::by(seconds) else { return };
        // In the middle of a clip, and longer than anybody may be silent for.
        trigger.answer().code(0);
        rig.command(&["trigger", "--wait"]).code(0);
        drop(moved);
    }
    assert_eq!(rig.children(), children);
    assert!(list(&rig.stats(), "processes").iter().all(|p| p["restarts"] == 0));
    rig.assert_complete();
    let clips = rig.clips();
    let lengths: Vec<_> = clips.iter().map(|clip| frames(clip)).collect();
    let about = |frames: u64, asked: u64| frames.abs_diff(asked) <= 1;
    assert!(
        lengths.iter().zip([180, 60, 180, 60]).all(|(frames, asked)| about(*frames, asked)),
        "{lengths:?}"
    );
    // The next run begins at the time at which the last one did.
    kill(rig.supervisor_pid(), Signal::TERM);
    assert!(rig.await_end().success());
    let Some(moved) = Moved::by(-begun.elapsed().as_secs().cast_signed()) else { return };
    rig.launch(&[]);
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
    drop(moved);
    assert_eq!(names(&rig.recordings()).len(), 2);
    assert_eq!(rig.clips().len(), clips.len() + 1);
}

fn frames(clip: &Path) -> u64 {
    manifest(clip)["cameras"]["left"]["frames_expected"].as_u64().unwrap()
}
