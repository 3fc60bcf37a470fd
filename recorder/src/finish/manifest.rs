//! The text of a clip's manifest, from its plan and its joined cameras. Nothing here touches the disk.

use std::path::Path;

use proto::by_camera::ByCamera;
use proto::clip::growth::Ending;
use proto::clip::{
    CameraClip, FileMaker, Manifest, PlannedCamera, SCHEMA, Stretch, StretchHow, TRIGGERS, Verdict,
    VideoMode, Window, clip_id, untold_in,
};
use proto::codec::Codec;
use proto::name::Name;
use proto::time::UtcTime;

use super::announce::frames_text;
use super::join::FinishedCamera;
use super::made;
use super::trigger_list::TriggerList;
use crate::assignment::Footage;
use crate::open_window::ClosedWindow;
use crate::video_time::pts_us;

/// The manifest of a clip whose cameras' parts are joined.
pub(super) fn manifest(
    folder: &Path,
    set: &[Footage],
    window: &ClosedWindow,
    triggers: &TriggerList<'_>,
    cameras: ByCamera<FinishedCamera>,
) -> Manifest {
    let ClosedWindow { plan, recorded, growth } = window;
    let ended_early = window.ended_early();
    let mut notes = plan.notes.clone();
    notes.extend(early_note(window));
    notes.extend(growth.cut_notes(recorded.end_ns));
    if triggers.is_cut() {
        let (all, listed) = (growth.triggers().len(), triggers.listed().len());
        notes.push(format!(
            "it has {all} triggers: the first {listed} are listed here, and all of them in {TRIGGERS}"
        ));
    }
    let cameras: ByCamera<CameraClip> =
        cameras.into_iter().map(|(name, camera)| (name, camera.clip)).collect();
    cameras.iter().for_each(|(name, camera)| notes.extend(notes_of(name, camera)));
    set.iter().for_each(|footage| notes.extend(untold_of(footage, &cameras)));
    notes.extend(set.iter().filter_map(|footage| lead_in_note(footage, cameras.get(&footage.camera.name)?)));
    let has_gaps = cameras.values().any(|camera| !camera.live || !camera.gaps.is_empty());
    let verdict = Verdict::of(has_gaps, ended_early, plan.window.start_ns > plan.asked_start_ns);
    let trigger = triggers.listed().first().cloned();
    Manifest {
        schema: SCHEMA,
        clip_id: clip_id(folder),
        label: plan.label.clone(),
        rig: plan.rig.clone(),
        verdict,
        complete: verdict == Verdict::Complete,
        ended_early,
        triggers: triggers.listed().to_vec(),
        trigger_utc: UtcTime::from_unix_ns(plan.wall.unix(plan.trigger_ns)).to_string(),
        trigger,
        trigger_ns: plan.trigger_ns,
        window: *recorded,
        asked_window: Some(Window { start_ns: plan.asked_start_ns, end_ns: growth.end_ns() }),
        asked_start_ns: plan.asked_start_ns,
        wall: plan.wall,
        clock: plan.clock,
        notes,
        cameras_asked: plan.cameras_asked.clone(),
        cameras,
    }
}

/// The note on a clip that a stop has ended. Of one that somebody was still to end nobody knows how much it lacks.
fn early_note(window: &ClosedWindow) -> Option<String> {
    let ClosedWindow { recorded, growth, .. } = window;
    let asked = growth.end_ns();
    let waits =
        growth.triggers().iter().any(|trigger| trigger.ending == Ending::Open && trigger.end_ns == asked);
    window.ended_early().then(|| match waits {
        true => "Preroll was stopped before its trigger was ended".to_owned(),
        false => {
            let early = asked - recorded.end_ns;
            format!("ended {} ms early, because Preroll was stopped", early.as_millis())
        }
    })
}

/// Notes on what a camera's pictures say of themselves and one of its files can't.
fn untold_of(footage: &Footage, cameras: &ByCamera<CameraClip>) -> Vec<String> {
    let PlannedCamera { name, picture, .. } = &footage.camera;
    let mut notes = Vec::new();
    for file in cameras.get(name).into_iter().flat_map(|camera| &camera.made_by) {
        let ending = file.file.rfind('.').map_or("", |at| &file.file[at..]);
        let told = untold_in(picture, file.codec, ending);
        let told = told.into_iter().map(|what| format!("camera {name}: {what}"));
        let new: Vec<String> = told.filter(|note| !notes.contains(note)).collect();
        notes.extend(new);
    }
    notes
}

/// The note for a camera of variable rate whose clip begins without the picture that stood when its window began.
fn lead_in_note(footage: &Footage, clip: &CameraClip) -> Option<String> {
    let start = footage.plan.window.start_ns;
    let is_without = footage.camera.variable_rate && clip.lead_in_frames == 0;
    let stood = footage.evidence.previous.filter(|previous| is_without && previous.t_capture < start)?;
    let begins_later = clip.first_frame_ns.is_none_or(|first| pts_us(first, start) > 0);
    begins_later.then(|| {
        format!(
            "camera {}: the picture that stood when the window began (frame {}) was no longer in the ring; its video begins with \
             the first one behind it",
            footage.camera.name, stood.sequence
        )
    })
}

/// The note on a camera whose clock lies otherwise from some frame of the clip on.
fn anchor_note(name: &Name, camera: &CameraClip) -> Option<String> {
    let time = camera.time.filter(|time| time.anchors > 0)?;
    let times = if time.anchors == 1 { "once".to_owned() } else { format!("{} times", time.anchors) };
    Some(format!(
        "camera {name}: its clock was set, or it was opened again, {times} within the clip: capture times before and behind such a \
         frame (flag a in its timestamps) lie otherwise"
    ))
}

/// The note for a clip that holds frames from before its window for the sake of others.
fn hidden_note(name: &Name, camera: &CameraClip) -> Option<String> {
    let hides = camera.video == Some(VideoMode::Verbatim) && camera.lead_in_frames > 0;
    hides.then(|| {
        format!(
            "camera {name}: the first {} in its video are from before the window, since the window's first frame can't be decoded \
             without them; a player that passes over edit lists shows them too",
            frames_text(camera.lead_in_frames)
        )
    })
}

/// A note on a codec, a preset or a way of making that changed on the way. A smart clip is cut on purpose, and its stretches say
/// where.
fn change_note(name: &Name, camera: &CameraClip) -> Option<String> {
    let [first, .., last] = &camera.stretches[..] else { return None };
    if camera.video == Some(VideoMode::Smart) {
        return None;
    }
    let preset = |stretch: &Stretch| stretch.preset.clone().unwrap_or_default();
    let by_the_same = first.codec == last.codec && first.encoder == last.encoder;
    Some(if first.how != last.how {
        let how = |stretch: &Stretch| if stretch.how == StretchHow::Copied { "copied" } else { "encoded" };
        let (from, to) = (how(first), how(last));
        format!(
            "camera {name}: its frames were {from} in the beginning and {to} at the end, since the config was changed"
        )
    } else if by_the_same {
        let (from, to) = (preset(first), preset(last));
        format!("camera {name}: the encoder's preset changed on the way, from {from} to {to}")
    } else {
        let (from, to) = (first.codec, last.codec);
        format!("camera {name}: the codec changed on the way, from {from} to {to}")
    })
}

/// Notes on one camera, for a person.
fn notes_of(name: &Name, camera: &CameraClip) -> Vec<String> {
    let mut notes = Vec::new();
    if !camera.live {
        notes.push(format!(
            "camera {name} was not live at any moment of this window, so nobody knows how many of its frames are missing"
        ));
    } else if camera.frames_expected == 0 {
        notes.push(format!(
            "camera {name} made no frame in this window: its file had ended, or it had not begun"
        ));
    }
    notes.extend(anchor_note(name, camera));
    if let Some(why) = camera.why {
        let why = made::in_words(why);
        notes.push(format!("camera {name}: it was recorded as with clip: exact, since {why}"));
    }
    notes.extend(hidden_note(name, camera));
    notes.extend(change_note(name, camera));
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
