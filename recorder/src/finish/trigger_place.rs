//! Where the triggers' moments are in a camera's finished video.

use std::sync::Arc;

use proto::frame::Fps;
use proto::time::MonotonicNs;

use super::join::Joined;
use crate::assignment::Footage;
use crate::video_time::video_base;

/// The places of moments in a camera's video, whose time 0 is its first frame, or the first that players show.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TriggerPlaces {
    /// A file with real times has a moment where its clock says.
    ByTheClock {
        /// The moment that time 0 stands for.
        begins: MonotonicNs,
    },
    /// A file of a constant rate has it where the first frame at or after it is shown.
    ByFrames {
        /// The moments that were asked for, in order.
        moments: Arc<[MonotonicNs]>,
        /// The number of frames before each of them.
        before: Vec<u64>,
        fps: Fps,
    },
}

impl TriggerPlaces {
    /// The places in a joined video. `None` if there is no video.
    pub(super) fn of(footage: &Footage, joined: &Joined, hides_lead_in: bool) -> Option<Self> {
        let (first, file) = (joined.frames.first()?, joined.files.first()?);
        if file.file.ends_with(".avi") {
            let (moments, before) = (Arc::clone(&footage.moments), joined.rows.before.clone());
            return Some(Self::ByFrames { moments, before, fps: footage.camera.fps });
        }
        let begins = match joined.rows.first_inside {
            Some(inside) if hides_lead_in => inside,
            _ => video_base(first.t_capture, footage.plan.window.start_ns),
        };
        Some(Self::ByTheClock { begins })
    }

    /// The place of a moment, in seconds.
    pub(super) fn offset_s(&self, moment: MonotonicNs) -> f64 {
        match self {
            Self::ByTheClock { begins } => by_the_clock(*begins, moment),
            Self::ByFrames { moments, before, fps } => {
                let at = moments.partition_point(|one| *one < moment);
                by_frames(before.get(at).copied().unwrap_or(0), *fps)
            }
        }
    }
}

/// Seconds from the first frame to a moment; negative if the moment came first.
fn by_the_clock(first: MonotonicNs, moment: MonotonicNs) -> f64 {
    if moment < first { -(first - moment).as_secs_f64() } else { (moment - first).as_secs_f64() }
}

/// The time at which the frame after so many is shown.
fn by_frames(before: u64, fps: Fps) -> f64 {
    f64::from(u32::try_from(before).unwrap_or(u32::MAX)) / fps.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_where_its_clock_says_or_where_its_first_frame_is_shown() {
        let ms = |ms: u64| MonotonicNs(ms * 1_000_000);
        let clock = TriggerPlaces::ByTheClock { begins: ms(5000) };
        assert!((clock.offset_s(ms(5500)) - 0.5).abs() < 1e-9);
        assert!((clock.offset_s(ms(4990)) + 0.01).abs() < 1e-9);
        let (moments, fps) = ([ms(10), ms(500), ms(900)].into(), Fps::new(60.0).unwrap());
        let frames = TriggerPlaces::ByFrames { moments, before: vec![0, 30, 54], fps };
        for (moment, seconds) in [(10, 0.0), (500, 0.5), (900, 0.9)] {
            assert!((frames.offset_s(ms(moment)) - seconds).abs() < 1e-9, "{moment}");
        }
    }
}
