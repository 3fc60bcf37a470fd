//! The table of situations and verdicts, from the operator's side: docs/operations.md ("What health says") in code.

use std::time::{Duration, Instant};

use proto::stats::BacklogStats;
use proto::status::{CameraStatus, HealthStatus};

use super::absence::{Absence, Missed};
use super::flow::Flow;
use super::growth::Growth;
use super::load::{Expected, Load};
use super::processes::{self, Recorder};
use super::reach::Reach;
use super::surroundings::{ClockWatch, DiskRoom};
use super::*;

const MB: u64 = 1_000_000;
use HealthStatus::{Attention, Fair, Good};

/// Asserts a verdict, and that the one reason for it says this.
#[track_caller]
fn judged(situation: &Situation<'_>, status: HealthStatus, says: &str) {
    let health = verdict(situation);
    assert_eq!(health.status, status, "{:?}", health.reasons);
    let expected = usize::from(status != Good);
    assert_eq!(health.reasons.len(), expected, "{:?}", health.reasons);
    assert!(health.reasons.iter().all(|reason| reason.contains(says)), "{:?}", health.reasons);
}

/// A machine on which nothing is wrong: the default config, armed, in numbers that were measured.
fn well() -> Situation<'static> {
    Situation {
        load: Load { cpu_percent: 3.0, memory_bytes: 186 * MB, ..Load::default() },
        expected: Expected { memory_bytes: 429 * MB, written_bytes_per_s: 1.4e6 },
        disk: DiskRoom { free_bytes: Some(9_000 * MB), floor_bytes: 67 * MB, clip_bytes: 1.4e6 },
        ..Situation::default()
    }
}

/// A camera's history: each look so many seconds after the start.
fn seen(looks: &[(u64, CameraStatus, Option<&str>)], exits: Option<&str>, at_s: u64) -> Option<Reason> {
    let start = Instant::now();
    let after = |s| start + Duration::from_secs(s);
    let mut absence = Absence::new(start);
    for (s, status, why) in looks {
        absence.note(processes::presence(*status, *why, exits), after(*s));
    }
    let (_, status, why) = looks[looks.len() - 1];
    processes::camera("left", (status, why), &absence, false, after(at_s))
}

#[test]
fn cameras() {
    use CameraStatus::{Ended, Failed, Frozen, Live, Restarting, Silent, Starting};
    let refused = Some("connection refused");
    let killed = Some("signal 9");
    for (what, looks, exits, at_s, status, says) in [
        ("just started", &[(0, Starting, None)][..], None, 4, Good, ""),
        (
            "absent at start: it doesn't open",
            &[(0, Starting, None)],
            None,
            5,
            Attention,
            "starting: it has not come up",
        ),
        (
            "absent at start: it says why",
            &[(0, Starting, None), (1, Failed, refused)],
            None,
            1,
            Attention,
            "failed: connection",
        ),
        (
            "absent at start, and tried again",
            &[(0, Starting, None), (1, Failed, refused), (2, Starting, None)],
            Some("exit code 1"),
            2,
            Attention,
            "starting: connection refused",
        ),
        ("live", &[(0, Starting, None), (1, Live, None)], None, 90, Good, ""),
        (
            "was live, and is replaced",
            &[(1, Live, None), (90, Restarting, killed)],
            killed,
            90,
            Fair,
            "restarting: signal 9",
        ),
        (
            "was live, and opens again",
            &[(1, Live, None), (90, Starting, None)],
            killed,
            94,
            Fair,
            "starting: signal 9",
        ),
        (
            "was live, and doesn't come back",
            &[(1, Live, None), (90, Starting, None)],
            killed,
            95,
            Attention,
            "starting: signal 9",
        ),
        (
            "was live, and is unplugged",
            &[(1, Live, None), (90, Failed, refused)],
            None,
            90,
            Attention,
            "failed: connection",
        ),
        (
            "refuses the login",
            &[(0, Starting, None), (1, Failed, Some("http://cam/x: 401 Unauthorized"))],
            None,
            1,
            Attention,
            "failed: http://cam/x: 401",
        ),
        (
            "was live, and its network is away: tried for 29.5 s of each 30",
            &[(1, Live, None), (90, Failed, refused), (91, Starting, None), (119, Starting, None)],
            Some("exit code 1"),
            119,
            Attention,
            "starting: connection refused",
        ),
        (
            "silent",
            &[(1, Live, None), (9, Silent, Some("no frames"))],
            None,
            9,
            Attention,
            "silent: no frames",
        ),
        (
            "silent, and then tried anew",
            &[(1, Live, None), (9, Silent, Some("no frames")), (10, Starting, None)],
            None,
            10,
            Attention,
            "starting: no frames",
        ),
        (
            "frozen",
            &[(1, Live, None), (9, Frozen, Some("the same picture"))],
            None,
            9,
            Attention,
            "frozen: the same",
        ),
        ("back again", &[(1, Live, None), (9, Failed, refused), (99, Live, None)], None, 99, Good, ""),
        ("a film that has played to its end", &[(1, Live, None), (9, Ended, None)], None, 99, Good, ""),
    ] {
        println!("{what}");
        let told: Vec<Reason> = seen(looks, exits, at_s).into_iter().collect();
        judged(&Situation { told: &told, ..well() }, status, says);
    }
}

#[test]
fn the_recorder_and_its_standby() {
    let with = |missed, keeps_ending, up_for| Recorder {
        missed,
        keeps_ending,
        last_exit: Some("signal 11".into()),
        probed: false,
        up_for: Duration::from_secs(up_for),
    };
    for (missed, keeps_ending, up_for, status, says) in [
        (Missed::No, false, 3, Good, ""),
        (Missed::No, false, 20, Fair, "still tries which encoders work"),
        (Missed::Briefly, false, 3, Fair, "is being replaced: signal 11"),
        (Missed::Long, false, 30, Attention, "recorder: is away: signal 11"),
        (Missed::No, true, 30, Attention, "keeps ending: signal 11"),
    ] {
        let told: Vec<Reason> =
            processes::recorder(&with(missed, keeps_ending, up_for)).into_iter().collect();
        judged(&Situation { told: &told, ..well() }, status, says);
    }
    for (missed, keeps_ending, status) in [
        (Missed::No, false, Good),
        (Missed::Briefly, false, Good),
        (Missed::Long, false, Fair),
        (Missed::No, true, Fair),
    ] {
        let told: Vec<Reason> = processes::standby(&with(missed, keeps_ending, 99)).into_iter().collect();
        judged(&Situation { told: &told, ..well() }, status, "standby recorder: is away: signal 11");
    }
}

#[test]
fn what_processes_say_of_clips_disks_and_rings_is_for_a_person_to_look() {
    // Set-aside clips, a full disk, one that stalls or is gone, a ring that broke: the loop passes the words on.
    let told = [Reason::attention("1 clip set aside, since it can't be recorded: clip-0003".into())];
    judged(&Situation { told: &told, ..well() }, Attention, "set aside");
}

#[test]
fn memory_is_judged_by_the_configs_own_sum_and_by_its_growth() {
    let growth = Some(Growth { bytes: 30 * MB, within: Duration::from_secs(1800) });
    for (what, taken, expected, growth, status, says) in [
        ("the default config, armed", 186, 429, None, Good, ""),
        ("the default config, in a clip", 306, 429, None, Good, ""),
        ("2 s of pre-roll", 538, 728, None, Good, ""),
        ("5 s of pre-roll", 1150, 1329, None, Good, ""),
        (
            "more than the config explains",
            430,
            429,
            None,
            Fair,
            "memory: 430 MB, where rings and processes of this config take up to 429",
        ),
        ("far more", 644, 429, None, Attention, "644 MB"),
        ("a leak, in its beginning", 250, 429, growth, Fair, "it grows: 30 MB more within 30 min"),
        ("a leak, beyond the sum", 440, 429, growth, Attention, "it grows: 30 MB more within 30 min"),
    ] {
        println!("{what}");
        let situation = Situation {
            load: Load { memory_bytes: taken * MB, growth, ..well().load },
            expected: Expected { memory_bytes: expected * MB, ..well().expected },
            ..well()
        };
        judged(&situation, status, says);
    }
}

#[test]
fn processors_and_disk() {
    for (cpu_percent, written, loop_p99_ms, status, says) in [
        (39.0, 9.9e6, 0.2, Good, ""),
        (41.0, 0.0, 0.2, Fair, "cpu: 41 % of the machine over the last minute"),
        (71.0, 0.0, 0.2, Attention, "cpu: 71 %"),
        (1.0, 11e6, 0.2, Fair, "disk: 11.0 MB/s written"),
        (1.0, 21e6, 0.2, Attention, "is H.264 not working?"),
        (1.0, 0.0, 500.0, Fair, "machine: the supervisor waits up to 0.5 s for its turn"),
    ] {
        let load = Load { cpu_percent, written_bytes_per_s: written, loop_p99_ms, ..well().load };
        judged(&Situation { load, ..well() }, status, says);
    }
    // Many large cameras write more.
    let load = Load { written_bytes_per_s: 35e6, ..well().load };
    let expected = Expected { written_bytes_per_s: 9e6, ..well().expected };
    judged(&Situation { load, expected, ..well() }, Good, "");
}

#[test]
fn a_disk_that_will_be_full_soon_is_said_before_it_is() {
    for (free_mb, clip_bytes, status, says) in [
        (Some(9000), 1.4e6, Good, ""),
        (Some(140), 1.4e6, Good, ""),
        (Some(130), 1.4e6, Fair, "disk: 63 MB left until it counts as full, about 45 clips"),
        (Some(900), 20e6, Fair, "disk: 833 MB left until it counts as full, about 42 clips"),
        // Full, or away: the recorder says so, in words of its own.
        (Some(60), 1.4e6, Good, ""),
        (None, 1.4e6, Good, ""),
    ] {
        let disk = DiskRoom { free_bytes: free_mb.map(|mb| mb * MB), floor_bytes: 67 * MB, clip_bytes };
        judged(&Situation { disk, ..well() }, status, says);
    }
}

#[test]
fn frames_of_live_cameras() {
    let full =
        Flow { camera: "left".into(), captured: 3600, seconds: 60.0, nominal_fps: 60.0, ..Flow::default() };
    for (what, flow, status, says) in [
        ("all of them", full.clone(), Good, ""),
        ("three lost", Flow { captured: 3597, lost_by_camera: 3, ..full.clone() }, Good, ""),
        (
            "a capture was replaced",
            Flow { captured: 3588, lost_by_camera: 12, ..full.clone() },
            Fair,
            "camera left: lost 12 frames in the last minute, and delivered 3588",
        ),
        (
            "one lost, just after the start",
            Flow { captured: 59, lost_by_camera: 1, seconds: 1.0, ..full.clone() },
            Good,
            "",
        ),
        (
            "late by the machine's fault, or a reader's",
            Flow { captured: 3300, lost_ring_full: 300, ..full.clone() },
            Attention,
            "300 of them since readers held every frame of its ring",
        ),
        (
            "a webcam in the dark",
            Flow { captured: 900, nominal_fps: 30.0, ..full.clone() },
            Fair,
            "camera left: makes 15.0 frames a second, and its config says 30.0",
        ),
        (
            "a film that shows one picture",
            Flow { captured: 90, may_stand_still: true, ..full.clone() },
            Good,
            "",
        ),
        ("not known yet", Flow { captured: 90, seconds: 10.0, ..full.clone() }, Good, ""),
    ] {
        println!("{what}");
        judged(&Situation { flows: &[flow], ..well() }, status, says);
    }
}

#[test]
fn the_clock() {
    const S: i64 = 1_000_000_000;
    let (start, today) = (Instant::now(), 1_800_000_000 * S);
    let judge = |steps: &[(i64, i64)], at_s| {
        let mut clock = ClockWatch::default();
        steps.iter().for_each(|(unix, monotonic)| clock.note(*unix, *monotonic, start));
        clock.reason(start + Duration::from_secs(at_s))
    };
    for (steps, at_s, status, says) in [
        (&[(today, 5 * S), (today + S + 400_000, 6 * S)][..], 0, Good, ""),
        (&[(today, 5 * S), (today + 3601 * S, 6 * S)], 599, Fair, "the system's time went 3600 s forward"),
        (&[(today, 5 * S), (today + 3601 * S, 6 * S)], 600, Good, ""),
        (&[(today, 5 * S), (today - 9 * S, 6 * S)], 0, Fair, "10 s back"),
        (&[(7 * S, 5 * S)], 0, Fair, "the system's date isn't set"),
    ] {
        judged(&Situation { clock: judge(steps, at_s), ..well() }, status, says);
    }
}

#[test]
fn the_worst_reasons_come_first() {
    let told = [Reason::new(Grade::Fair, "one".into()), Reason::attention("two".into())];
    let load = Load { cpu_percent: 90.0, ..well().load };
    let health = verdict(&Situation { told: &told, load, ..well() });
    assert_eq!(health.reasons[0], "two");
    assert!(health.reasons[1].starts_with("cpu") && health.reasons[2] == "one", "{:?}", health.reasons);
}

#[test]
fn frames_in_the_backlog_are_late_and_from_three_quarters_on_in_danger() {
    let behind = |frames, mb: u64, encoded_per_s| {
        let (bytes, bound_bytes) = (mb * MB, 1_000 * MB);
        let backlog = BacklogStats { frames, bytes, bound_bytes, ..BacklogStats::default() };
        Behind { backlog, frames_left: frames + 10, encoded_per_s }
    };
    for (behind, status, says) in [
        (behind(0, 44, Some(25.0)), Good, ""),
        (
            behind(50, 749, Some(25.0)),
            Fair,
            "recorder: 50 frames of open clips wait in the backlog, 2.4 s behind; 749 of at most 1000 MB are taken, \
             and no frame is lost by that",
        ),
        (
            behind(1, 750, None),
            Attention,
            "recorder: 1 frame of open clips waits in the backlog; 750 of at most 1000 MB are taken, and frames are lost \
             when that is full",
        ),
    ] {
        judged(&Situation { behind, ..well() }, status, says);
    }
}

#[test]
fn rings_of_compressed_frames() {
    let ring = |reach_ms, too_large| Reach {
        camera: "left".into(),
        reach_ms,
        wanted_ms: 10_000,
        max_rate_bytes: 500_000,
        too_large,
        max_frame_bytes: 500_000,
    };
    for (reach, status, says) in [
        (ring(Some(12_200.0), 0), Good, ""),
        (ring(None, 0), Good, ""),
        (ring(Some(8_200.0), 0), Attention, "reaches 8.2 s back"),
        (ring(Some(12_200.0), 3), Attention, "3 frames were dropped"),
    ] {
        judged(&Situation { reaches: &[reach], ..well() }, status, says);
    }
}
