//! The triggers that a clip lists, against its window and its videos. The window ends when the last of them does, wherever that was
//! moved to while the clip was recorded. Clips of a version whose triggers had no ends pass. Pure, but for the reading of a list that
//! has a file of its own.

use std::collections::BTreeSet;
use std::path::Path;

use crate::fault::Fault;
use crate::manifest::{Camera, Manifest, Trigger};
use crate::timestamps::Row;

/// The file with all triggers of a clip that has more than its manifest lists.
pub const FILE: &str = "triggers.jsonl";
/// A place in a video is told in seconds, as a float.
const TOLERANCE_S: f64 = 1e-5;

/// Reads all triggers of a clip, and compares them with each other and with the window.
pub fn check(folder: &Path, manifest: &Manifest) -> Vec<Fault> {
    let wrong = |why: String| vec![Fault::TriggersDiffer { why }];
    match read(folder, manifest) {
        Ok(all) => why_not(manifest, &all).map_or(Vec::new(), wrong),
        Err(why) => wrong(why),
    }
}

/// All triggers: those in the manifest, or those in their own file, which begins with them.
fn read(folder: &Path, manifest: &Manifest) -> Result<Vec<Trigger>, String> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(manifest.triggers.clone());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{FILE}: {error}"))?;
    if !text.ends_with('\n') {
        return Err(format!("{FILE} is torn"));
    }
    let all: Result<Vec<Trigger>, _> = text.lines().map(serde_json::from_str).collect();
    let all = all.map_err(|error| format!("{FILE}: {error}"))?;
    if all.len() <= manifest.triggers.len() || !all.starts_with(&manifest.triggers) {
        return Err(format!("{FILE} doesn't go on with the manifest's list"));
    }
    Ok(all)
}

fn why_not(manifest: &Manifest, all: &[Trigger]) -> Option<String> {
    let ends: Option<Vec<u64>> = all.iter().map(|trigger| trigger.end_ns).collect();
    let (Some(ends), Some(asked), Some(first)) = (ends, manifest.asked_window, all.first()) else {
        return None;
    };
    let ids: BTreeSet<&str> = all.iter().map(|trigger| trigger.id.as_str()).collect();
    let last = ends.iter().copied().max()?.max(manifest.window.start_ns);
    let backwards = all.iter().find(|trigger| trigger.end_ns.is_some_and(|end| end < trigger.t_ns));
    match () {
        () if ids.len() < all.len() => Some("an id is there twice".to_owned()),
        () if manifest.trigger.as_ref() != Some(first) => Some("`trigger` is not the first".to_owned()),
        () if manifest.trigger_ns != Some(first.t_ns) => Some("trigger_ns is not the first's".to_owned()),
        () if backwards.is_some() => Some("one ends before its moment".to_owned()),
        () if last != asked.end_ns => {
            Some(format!("the last ends at {last}, and asked_window at {}", asked.end_ns))
        }
        () if manifest.ended_early != (manifest.window.end_ns < asked.end_ns) => {
            Some("the window and asked_window end apart, and ended_early doesn't say so".to_owned())
        }
        () if manifest.window.end_ns > asked.end_ns => {
            Some("the window lasts longer than its triggers".to_owned())
        }
        () => None,
    }
}

/// Compares the place of each trigger in a camera's video with the capture times of its frames. An AVI counts frames, and knows no
/// times.
pub fn check_places(manifest: &Manifest, name: &str, camera: &Camera, rows: &[Row]) -> Option<Fault> {
    let files = camera.parts();
    let has_times = files.first().is_some_and(|file| file.ends_with(".mp4") || file.ends_with(".mov"));
    let listed = manifest.triggers.iter().filter(|trigger| trigger.end_ns.is_some());
    let first = rows.first().filter(|_| has_times)?;
    let start_ns = manifest.window.start_ns;
    let inside = rows.iter().find(|row| row.t_ns >= start_ns).filter(|_| camera.hides_lead_in());
    // A picture that stood when the window began is shown from there on.
    let begins = inside.map_or(first.t_ns.max(start_ns), |row| row.t_ns);
    let is_off = |trigger: &&Trigger| {
        #[expect(clippy::cast_precision_loss, reason = "compared with a float, within microseconds")]
        let due = (i128::from(trigger.t_ns) - i128::from(begins)) as f64 / 1e9;
        let place = trigger.offset_s.get(name).copied().flatten();
        place.is_none_or(|place| (place - due).abs() > TOLERANCE_S)
    };
    let off = listed.into_iter().find(is_off)?;
    Some(Fault::TriggerElsewhere { trigger: off.id.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamps;

    fn manifest(ended_early: bool, end_ns: u64, triggers: &str) -> Manifest {
        let first = triggers.split("},").next().unwrap();
        let first = if first.ends_with('}') { first.to_owned() } else { format!("{first}}}") };
        let text = format!(
            r#"{{ "schema": 2, "clip_id": "c", "label": null, "complete": true, "ended_early": {ended_early},
                "trigger_ns": 500, "window": {{ "start_ns": 100, "end_ns": {end_ns} }}, "trigger": {first},
                "asked_window": {{ "start_ns": 100, "end_ns": 900 }}, "triggers": [{triggers}],
                "cameras": {{ "left": {{ "file": "left.mp4", "frames_expected": 1, "frames_written": 1 }} }} }}"#
        );
        Manifest::parse(&text).unwrap()
    }

    fn trigger(id: &str, t_ns: u64, end_ns: u64) -> String {
        format!(r#"{{ "id": "{id}", "t_ns": {t_ns}, "end_ns": {end_ns}, "offset_s": {{ "left": 0.0004 }} }}"#)
    }

    fn faults(manifest: &Manifest) -> Vec<Fault> {
        check(Path::new("/nowhere"), manifest)
    }

    #[test]
    fn a_window_ends_with_the_last_of_its_triggers() {
        let two = [trigger("a", 500, 600), trigger("b", 550, 900)].join(",");
        assert_eq!(faults(&manifest(false, 900, &two)), []);
        assert_eq!(faults(&manifest(true, 700, &two)), []);
        for (why, bad) in [
            ("ended_early", manifest(false, 700, &two)),
            ("ended_early", manifest(true, 900, &two)),
            ("the last ends at 800", manifest(false, 900, &two.replace("900", "800"))),
            ("twice", manifest(false, 900, &two.replace("\"b\"", "\"a\""))),
            ("before its moment", manifest(false, 900, &two.replace("600", "400"))),
            ("trigger_ns", manifest(false, 900, &two.replace("500", "501"))),
        ] {
            let faults = faults(&bad);
            let [Fault::TriggersDiffer { why: said }] = &faults[..] else { panic!("{why}: {faults:?}") };
            assert!(said.contains(why), "{said}");
        }
        let older = two.replace("\"end_ns\"", "\"_\"");
        assert_eq!(faults(&manifest(false, 700, &older)), []);
    }

    #[test]
    fn a_list_in_a_file_of_its_own_goes_on_with_the_manifests() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (trigger("a", 500, 600), trigger("b", 550, 900));
        let manifest = manifest(false, 900, &a);
        let judge = |text: String| {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            check(folder.path(), &manifest)
        };
        assert_eq!(judge(format!("{a}\n{b}\n")), []);
        for bad in [format!("{a}\n{b}"), format!("{b}\n{a}\n"), format!("{a}\n"), "x\n".to_owned()] {
            assert!(matches!(judge(bad)[..], [Fault::TriggersDiffer { .. }]));
        }
    }

    #[test]
    fn a_trigger_is_where_the_times_of_the_frames_say() {
        let rows = |first: u64| {
            timestamps::parse(&format!("{}\nleft,0,{first},1,0,\n", timestamps::HEADER)).unwrap()
        };
        let ms = |ms: u64| ms * 1_000_000;
        let text = trigger("a", ms(500), ms(900)).replace("0.0004", "0.25");
        let manifest = manifest(false, ms(900), &text);
        let left = &manifest.cameras["left"];
        assert_eq!(check_places(&manifest, "left", left, &rows(ms(250))), None);
        let elsewhere = Some(Fault::TriggerElsewhere { trigger: "a".into() });
        assert_eq!(check_places(&manifest, "left", left, &rows(ms(251))), elsewhere);
        assert_eq!(check_places(&manifest, "right", left, &rows(ms(250))), elsewhere);
        assert_eq!(check_places(&manifest, "left", left, &[]), None, "there is no video");
    }
}
