//! The text of a clip's manifest, from its plan and its joined cameras. Nothing here touches the disk.

use std::collections::BTreeMap;

use proto::clip::{CameraClip, FileMaker, Manifest, SCHEMA, Stretch, Window};
use proto::codec::Codec;
use proto::name::Name;
use proto::time::UtcTime;

use crate::assignment::Footage;

/// The manifest of a clip whose cameras' parts are joined. `None` when it has no camera.
pub(super) fn manifest(set: &[Footage], cameras: BTreeMap<Name, CameraClip>) -> Option<Manifest> {
    let first = set.first()?;
    let plan = &first.plan;
    let ended_early = set.iter().any(|f| f.ended_early);
    let end_ns = set.iter().map(|f| f.evidence.window.end_ns).max()?;
    let mut notes = plan.notes.clone();
    if ended_early {
        let early = plan.window.end_ns - end_ns;
        notes.push(format!("ended {} ms early, because Preroll was stopped", early.as_millis()));
    }
    cameras.iter().for_each(|(name, camera)| notes.extend(notes_of(name, camera)));
    Some(Manifest {
        schema: SCHEMA,
        clip_id: plan.clip_id.clone(),
        label: plan.label.clone(),
        rig: plan.rig.clone(),
        complete: !ended_early && cameras.values().all(|c| c.gaps.is_empty()),
        ended_early,
        trigger_ns: plan.trigger_ns,
        window: Window { start_ns: plan.window.start_ns, end_ns },
        asked_start_ns: plan.asked_start_ns,
        wall: plan.wall,
        trigger_utc: UtcTime::from_unix_ns(plan.wall.unix(plan.trigger_ns)).to_string(),
        notes,
        cameras_asked: plan.cameras_asked.clone(),
        cameras,
    })
}

/// Notes on one camera, for a person.
fn notes_of(name: &Name, camera: &CameraClip) -> Vec<String> {
    let mut notes = Vec::new();
    if camera.frames_expected == 0 {
        notes.push(format!(
            "camera {name} made no frame in this window: its file had ended, or it had not begun"
        ));
    }
    if let [first, .., last] = &camera.stretches[..] {
        let preset = |stretch: &Stretch| stretch.preset.clone().unwrap_or_default();
        let by_the_same = first.codec == last.codec && first.encoder == last.encoder;
        notes.push(if by_the_same {
            let (from, to) = (preset(first), preset(last));
            format!("camera {name}: the encoder's preset changed on the way, from {from} to {to}")
        } else {
            let (from, to) = (first.codec, last.codec);
            format!("camera {name}: the codec changed on the way, from {from} to {to}")
        });
    }
    let is_h264 = |codec: Codec| matches!(codec, Codec::H264 | Codec::Avc1);
    let split = |pair: &[FileMaker]| {
        let [a, b] = pair else { return false };
        a.codec == b.codec || (is_h264(a.codec) && is_h264(b.codec))
    };
    if camera.made_by.windows(2).any(split) {
        notes.push(format!(
            "camera {name}: its video is split into several files, since a file could not grow any more"
        ));
    }
    let other_encoder = |pair: &[Stretch]| {
        let [a, b] = pair else { return false };
        a.file == b.file && is_h264(a.codec) && (a.codec, &a.encoder) != (b.codec, &b.encoder)
    };
    if camera.stretches.windows(2).any(other_encoder) {
        notes.push(format!(
            "camera {name}: streams of several encoders are in one file, which carries their parameter sets in band; \
             Apple's players were not tried with that"
        ));
    }
    notes
}
