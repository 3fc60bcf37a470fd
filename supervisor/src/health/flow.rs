//! The reasons that follow from the frames that a live camera's ring got in the last minute: frames lost, and fewer than
//! the config says. Pure.

use super::{Grade, Reason};

/// Lost frames of a thousand that are worth a word: a frame now and then is declared in its clip, and counted in `dropped`.
const LOST_FAIR_PER_MILLE: u64 = 1;
const LOST_ATTENTION_PER_MILLE: u64 = 50;
/// A camera that delivers less than this part of its rate isn't configured as it is.
const SLOW: f64 = 0.9;
/// A rate that was counted over less time may be chance.
const LONG_ENOUGH_S: f64 = 20.0;

/// One camera's frames in the last minute, of the time that it was live without a break.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Flow {
    pub(crate) camera: String,
    pub(crate) captured: u64,
    /// Lost by the camera or its driver, or made while its capture was replaced.
    pub(crate) lost_by_camera: u64,
    /// Lost since every slot of the ring was held by readers.
    pub(crate) lost_ring_full: u64,
    pub(crate) seconds: f64,
    pub(crate) nominal_fps: f64,
    /// No frame is due at a certain time: a film may show one picture for a while.
    pub(crate) may_stand_still: bool,
}

/// The reasons that a camera's frames are.
pub(crate) fn reasons(flow: &Flow) -> Vec<Reason> {
    lost(flow).into_iter().chain(slow(flow)).collect()
}

fn lost(flow: &Flow) -> Option<Reason> {
    let lost = flow.lost_by_camera.saturating_add(flow.lost_ring_full);
    // Shortly after a start a single frame must not be a large part of the few.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frames of a minute")]
    let due = (flow.captured.saturating_add(lost)).max((flow.nominal_fps * 60.0) as u64);
    let per_mille = lost.saturating_mul(1000) / due.max(1);
    let grade = match per_mille {
        0..LOST_FAIR_PER_MILLE => return None,
        LOST_FAIR_PER_MILLE..LOST_ATTENTION_PER_MILLE => Grade::Fair,
        _ => Grade::Attention,
    };
    let full = match flow.lost_ring_full {
        0 => String::new(),
        full => format!(", {full} of them since readers held every frame of its ring"),
    };
    let camera = &flow.camera;
    Some(Reason::new(
        grade,
        format!(
            "camera {camera}: lost {lost} frames in the last minute, and delivered {}{full}",
            flow.captured
        ),
    ))
}

#[expect(clippy::cast_precision_loss, reason = "frames of a minute")]
fn slow(flow: &Flow) -> Option<Reason> {
    if flow.may_stand_still || flow.seconds < LONG_ENOUGH_S {
        return None;
    }
    let made = flow.captured.saturating_add(flow.lost_by_camera).saturating_add(flow.lost_ring_full);
    let (rate, nominal) = (made as f64 / flow.seconds, flow.nominal_fps);
    (rate < nominal * SLOW).then(|| {
        Reason::new(
            Grade::Fair,
            format!(
                "camera {}: makes {rate:.1} frames a second, and its config says {nominal:.1}; clips declare the rest missing",
                flow.camera
            ),
        )
    })
}
