//! A clip's plan and its pictures, made up.

use proto::clip::{CaptureTime, PLAN_SCHEMA, Plan, PlannedCamera, Window};
use proto::frame::{Fps, FrameInfo, Geometry, Payload, PictureTags};
use proto::name::Name;
use proto::time::WallAnchor;

use super::ms;
use crate::frames::HeldFrame;

/// A frame of no ring, with bytes of its own.
pub(crate) struct Picture(pub(crate) FrameInfo, pub(crate) Vec<u8>);

impl HeldFrame for Picture {
    fn info(&self) -> &FrameInfo {
        &self.0
    }

    fn bytes(&self) -> &[u8] {
        &self.1
    }
}

/// The plan of a clip of these cameras, triggered when its window begins.
pub(crate) fn plan(window: Window, cameras: Vec<PlannedCamera>) -> Plan {
    Plan {
        schema: PLAN_SCHEMA,
        clip_id: "clip-0001".to_owned(),
        label: None,
        rig: None,
        boot_id: String::new(),
        origin: None,
        wall: WallAnchor { monotonic_ns: ms(0), unix_ns: 0 },
        clock: None,
        trigger: None,
        trigger_ns: window.start_ns,
        window,
        asked_start_ns: window.start_ns,
        notes: Vec::new(),
        cameras_asked: None,
        cameras,
    }
}

/// A camera that a plan names `left`.
pub(crate) fn planned_camera(geometry: Geometry, fps: Fps) -> PlannedCamera {
    let name = Name::new("left").unwrap();
    PlannedCamera {
        name,
        index: 0,
        ring_id: 1,
        geometry,
        payload: Payload::Planes,
        fps,
        capture_time: CaptureTime::Device,
        time_error_ns: None,
        latency_ns: 0,
        variable_rate: false,
        reorders: false,
        picture: PictureTags::default(),
    }
}
