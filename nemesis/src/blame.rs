//! Lays missing frames at the door of blows. Pure: from losses and blows to blame, and to what can't be excused.

use std::collections::{BTreeMap, BTreeSet};

use crate::clips::CameraJudged;
use crate::deal::Struck;
use crate::strike::Price;

/// Spans by which blame is laid.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// From frame to frame.
    pub period_ns: u64,
    /// Reach of a full ring into the past.
    pub ring_ns: u64,
    /// Outage that the promise allows for.
    pub reserve_ns: u64,
}

/// Cost of one blow to one camera of one clip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// Frames that were made and are lost, by the number of the blow.
    pub lost: BTreeMap<usize, u64>,
    /// Frames that were made and are lost, and nobody was struck who could have lost them.
    pub by_nobody: u64,
    /// Losses that no blow excuses, in words.
    pub inexcusable: Vec<String>,
}

/// Blames the blows for the frames that a camera's clip lacks. `name` is the camera's.
#[must_use]
pub fn blame(name: &str, camera: &CameraJudged, blows: &[Struck], sizes: Sizes) -> Blame {
    let mut blame = Blame::default();
    let mut shown = holes(name, camera, blows, sizes, &mut blame);
    losses(name, camera, blows, sizes, &mut shown, &mut blame);
    for (cause, frames) in &camera.causes {
        if !shown.allows(cause, *frames) {
            blame
                .inexcusable
                .push(format!("camera {name}: {frames} frames are declared as {cause}, and that can't be"));
        }
    }
    blame
}

/// The causes for which holes and losses give evidence.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// A capture was away, by a blow.
    away: bool,
    /// A capture was late, by no blow.
    late: bool,
    /// There are holes at all.
    holes: bool,
    /// Captured frames that were overwritten before they were encoded.
    overrun: u64,
}

impl Shown {
    fn allows(self, cause: &str, frames: u64) -> bool {
        match cause {
            "capture_restart" => self.away,
            // A camera that is away for longer than a clip waits for it.
            "camera_stall" => self.holes && self.away,
            // The hole itself was said already.
            "camera_drop" => self.late,
            "ring_overrun" | "backlog_full" => self.overrun >= frames,
            _ => false,
        }
    }
}

/// Frames that were never made.
fn holes(name: &str, camera: &CameraJudged, blows: &[Struck], sizes: Sizes, blame: &mut Blame) -> Shown {
    let mut shown = Shown { holes: !camera.holes.is_empty(), ..Shown::default() };
    for (last, next) in &camera.holes {
        let until = next.map_or(u64::MAX, |row| row.t_ns);
        let fits = |blow: &Struck| {
            captures(blow, name) && blow.last.0 + sizes.period_ns >= last.t_ns && blow.at.0 <= until
        };
        if blows.iter().any(fits) {
            shown.away = true;
            continue;
        }
        shown.late = true;
        blame.inexcusable.push(match next {
            Some(next) => format!(
                "camera {name}: {} frames before {} were not made, and nobody had struck its capture: it was late",
                next.sequence.saturating_sub(last.sequence + 1),
                next.sequence
            ),
            None => format!("camera {name} made no frame after {}", last.sequence),
        });
    }
    shown
}

/// Frames that were made and are in no clip.
fn losses(
    name: &str,
    camera: &CameraJudged,
    blows: &[Struck],
    sizes: Sizes,
    shown: &mut Shown,
    blame: &mut Blame,
) {
    let mut for_no_reason = 0_u64;
    // One frame, no more, for each death.
    let mut unpublished_by = BTreeSet::new();
    for frame in &camera.lost {
        // Its capture died between noting it down and publishing it: the last one before the blow.
        let unpublished = |blow: &Struck| {
            captures(blow, name) && frame.t_ns <= blow.last.0 && frame.t_ns + 2 * sizes.period_ns > blow.at.0
        };
        let overtaken = |blow: &Struck| {
            blow.strike.stops_the_recorder()
                && blow.strike.reaches(name)
                && blow.at.0 <= frame.t_ns + sizes.ring_ns
                && blow.over.0 + sizes.ring_ns >= frame.t_ns
        };
        let died_with = blows.iter().position(unpublished);
        if let Some(by) = died_with.filter(|by| unpublished_by.insert(*by)) {
            *blame.lost.entry(by).or_default() += 1;
            shown.away = true;
            continue;
        }
        shown.overrun += 1;
        match blows.iter().rposition(overtaken) {
            Some(by) => {
                *blame.lost.entry(by).or_default() += 1;
                for_no_reason += u64::from(!is_excused(&blows[by], sizes));
            }
            None => {
                blame.by_nobody += 1;
                for_no_reason += 1;
            }
        }
    }
    if for_no_reason > 0 {
        blame.inexcusable.push(format!("camera {name}: {for_no_reason} captured frames are lost"));
    }
}

fn captures(blow: &Struck, camera: &str) -> bool {
    blow.strike.stops_a_capture()
        && blow.strike.reaches(camera)
        && (blow.strike.hits_all_cameras() || blow.camera.as_deref() == Some(camera))
}

/// Did nobody encode for longer than the promise allows for?
fn is_excused(blow: &Struck, sizes: Sizes) -> bool {
    let outage = blow.encoding.values().max().map_or(blow.over.0 - blow.at.0, |since_last| {
        u64::try_from(since_last.as_nanos()).unwrap_or(u64::MAX) + (blow.last.0 - blow.at.0)
    });
    match blow.strike.price() {
        Price::BeyondTheReserve | Price::WhileAllAreAway => outage > sizes.reserve_ns,
        Price::Nothing | Price::WhileAway => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::time::MonotonicNs;

    use super::*;
    use crate::strike::Strike;
    use oracle::truth::Made;

    const SIZES: Sizes = Sizes { period_ns: 10, ring_ns: 500, reserve_ns: 200 };

    fn made(sequence: u64) -> Made {
        Made { sequence, t_ns: 10 * sequence }
    }

    fn blow(strike: Strike, at: u64, lasts: u64) -> Struck {
        Struck {
            strike,
            camera: Some("left".into()),
            at: MonotonicNs(at),
            last: MonotonicNs(at),
            detected: None,
            encoding: [("left".to_owned(), Duration::from_nanos(lasts))].into(),
            ready: None,
            over: MonotonicNs(at + lasts),
            wrong: vec![],
        }
    }

    fn lacking(lost: &[u64], holes: &[(u64, u64)], cause: &str) -> CameraJudged {
        CameraJudged {
            lost: lost.iter().map(|&n| made(n)).collect(),
            holes: holes.iter().map(|&(a, b)| (made(a), Some(made(b)))).collect(),
            causes: [(cause.to_owned(), 1)].into(),
            ..CameraJudged::default()
        }
    }

    #[test]
    fn a_hole_is_excused_by_whoever_struck_that_capture_then() {
        let hole = lacking(&[], &[(100, 110)], "capture_restart");
        let at_fault = blow(Strike::CaptureKilled, 1003, 80);
        assert_eq!(blame("left", &hole, std::slice::from_ref(&at_fault), SIZES), Blame::default());
        for (name, blows) in [
            ("right", vec![at_fault]),
            ("left", vec![blow(Strike::CaptureKilled, 1203, 80)]),
            ("left", vec![blow(Strike::CaptureKilled, 803, 80)]),
            ("left", vec![blow(Strike::RecorderKilled, 1003, 80)]),
            ("left", vec![]),
        ] {
            // The cause is wrong then, too.
            assert_eq!(blame(name, &hole, &blows, SIZES).inexcusable.len(), 2, "{blows:?}");
        }
        let everything = [blow(Strike::EverythingKilled, 1003, 80)];
        assert_eq!(blame("right", &hole, &everything, SIZES), Blame::default());
    }

    #[test]
    fn a_frame_that_died_with_its_capture_is_excused() {
        let unpublished = lacking(&[100], &[(100, 110)], "capture_restart");
        let blamed = blame("left", &unpublished, &[blow(Strike::CaptureKilled, 1003, 80)], SIZES);
        assert_eq!((blamed.inexcusable, blamed.lost), (vec![], [(0, 1)].into()));
        let two = lacking(&[99, 100], &[(100, 110)], "capture_restart");
        let blamed = blame("left", &two, &[blow(Strike::CaptureKilled, 1003, 80)], SIZES);
        assert_eq!(blamed.inexcusable.len(), 1, "one can be on its way");
        let earlier = lacking(&[97], &[(100, 110)], "capture_restart");
        let blamed = blame("left", &earlier, &[blow(Strike::CaptureKilled, 1003, 80)], SIZES);
        assert_eq!(blamed.inexcusable.len(), 1);
    }

    #[test]
    fn a_killed_recorder_has_no_excuse_and_a_stopped_one_only_beyond_the_reserve() {
        let overrun = lacking(&[100], &[], "ring_overrun");
        for (strike, lasts, inexcusable) in [
            (Strike::RecorderStopped, 900, 0),
            (Strike::RecorderStopped, 150, 1),
            (Strike::RecorderKilled, 900, 1),
            (Strike::RecorderKilled, 150, 1),
        ] {
            let blamed = blame("left", &overrun, &[blow(strike, 1200, lasts)], SIZES);
            assert_eq!(blamed.inexcusable.len(), inexcusable, "{strike:?} {lasts}");
            assert_eq!(blamed.lost, [(0, 1)].into());
        }
        // Long before, long after, or by somebody else.
        for blow in [
            blow(Strike::RecorderStopped, 5200, 900),
            blow(Strike::RecorderStopped, 20, 300),
            blow(Strike::SupervisorKilled, 1200, 900),
        ] {
            let blamed = blame("left", &overrun, &[blow], SIZES);
            assert_eq!((blamed.inexcusable.len(), blamed.by_nobody), (1, 1));
        }
    }

    #[test]
    fn a_cause_that_can_not_be_is_inexcusable() {
        for cause in ["camera_drop", "encoder", "disk", "ring_gone", ""] {
            let hole = lacking(&[], &[(100, 110)], cause);
            let blamed = blame("left", &hole, &[blow(Strike::CaptureKilled, 1003, 80)], SIZES);
            assert_eq!(blamed.inexcusable.len(), 1, "{cause}");
        }
    }
}
