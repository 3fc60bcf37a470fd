//! Where a trigger's moment is in a camera's finished video.

use proto::frame::Fps;
use proto::time::MonotonicNs;

use super::join::Joined;
use crate::assignment::Footage;
use crate::video_time::video_base;

/// The trigger's place in a camera's video, whose time 0 is its first frame, or the first that players show. A file with real times has it where its clock says; one of a constant rate,
/// where the first frame at or after the trigger is shown.
pub(super) fn offset_s(footage: &Footage, joined: &Joined, hides_lead_in: bool) -> Option<f64> {
    let (first, file) = (joined.frames.first()?, joined.files.first()?);
    let fps = footage.camera.fps;
    let has_real_times = !file.file.ends_with(".avi");
    Some(if has_real_times {
        let begins = match joined.rows.first_inside {
            Some(inside) if hides_lead_in => inside,
            _ => video_base(first.t_capture, footage.plan.window.start_ns),
        };
        by_the_clock(begins, footage.plan.trigger_ns)
    } else {
        by_frames(joined.rows.before_trigger, fps)
    })
}

/// Seconds from the first frame to the trigger; negative if the trigger came first.
fn by_the_clock(first: MonotonicNs, trigger: MonotonicNs) -> f64 {
    if trigger < first { -(first - trigger).as_secs_f64() } else { (trigger - first).as_secs_f64() }
}

/// The time at which the frame after so many is shown.
fn by_frames(before: u64, fps: Fps) -> f64 {
    f64::from(u32::try_from(before).unwrap_or(u32::MAX)) / fps.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_is_where_its_clock_says_or_where_its_first_frame_is_shown() {
        let ms = |ms: u64| MonotonicNs(ms * 1_000_000);
        assert!((by_the_clock(ms(5000), ms(5500)) - 0.5).abs() < 1e-9);
        assert!((by_the_clock(ms(5000), ms(4990)) + 0.01).abs() < 1e-9);
        assert!((by_frames(30, Fps::new(60.0).unwrap()) - 0.5).abs() < 1e-9);
    }
}
