//! `clips show`: all that is known of a clip, in sentences or as JSON. Nothing waits for whoever works on the clip: documents are
//! read whole or not at all.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use proto::clip::{CameraClip, Gap, GapCause, MANIFEST, Manifest, ManifestTrigger, SUMS};
use proto::exit;
use proto::name::Name;
use proto::opened;
use serde::Serialize;
use serde_json::Value;

use super::library::Library;
use super::list::{RowAnswer, seconds, size};
use crate::ask::{print, say};
use crate::failure::Failure;
use crate::stored_clips::hold;
use crate::stored_clips::notes::{self, Note, Said};
use crate::stored_clips::row::{Row, Standing};

/// The JSON document: the row of the list, and what only this clip's own documents say.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    row: RowAnswer<'a>,
    /// The note that came with the first trigger that brought one.
    note: Option<&'a str>,
    /// The notes that people have made since.
    notes: &'a [Note],
    /// Sentences on what the clip lacks, and on what else a person should know.
    sentences: Vec<String>,
    /// The manifest as it was written; null while there is none.
    manifest: Value,
}

/// Prints a clip.
pub(super) fn show(library: &Library, id: &str, json: bool) -> Result<u8, Failure> {
    let row = library.find(id)?;
    let folder = library.folder(row);
    // Nobody removes it meanwhile. Before its sums are there the recorder needs the lock, and would try again a minute later.
    let _held = folder.join(SUMS).exists().then(|| hold::to_read(&folder, Duration::ZERO));
    let text = opened::read(&folder.join(MANIFEST)).unwrap_or_default();
    let manifest: Option<Manifest> = serde_json::from_slice(&text).ok();
    let said = notes::read(&folder).map_err(|e| e.to_string());
    let sentences = sentences(row, manifest.as_ref(), said.as_ref().err().map(String::as_str));
    let nothing = Said::default();
    let said = said.as_ref().unwrap_or(&nothing);
    if json {
        let triggers = manifest.as_ref().map(|manifest| &manifest.triggers[..]).unwrap_or_default();
        return print(&Answer {
            row: RowAnswer::of(row, &folder),
            note: triggers.iter().find_map(|trigger| trigger.note.as_deref()),
            notes: &said.notes,
            sentences,
            manifest: serde_json::from_slice(&text).unwrap_or(Value::Null),
        })
        .map(|()| exit::DONE);
    }
    say(&shown(row, &folder, manifest.as_ref(), said, &sentences)).map(|()| exit::DONE)
}

/// Writing to a String can't fail.
fn shown(row: &Row, folder: &Path, manifest: Option<&Manifest>, said: &Said, sentences: &[String]) -> String {
    let mut text = String::new();
    let kept = if row.keep { ", kept" } else { "" };
    let _ = writeln!(text, "{}: {}{kept}", row.clip_id(), row.standing.name().replace('_', " "));
    let _ = writeln!(text, "  {}, {}", folder.display(), size(row.bytes));
    if row.trigger_unix_ns > 0 {
        let _ =
            writeln!(text, "  trigger at {}, window of {:.3} s", row.trigger_utc(), seconds(row.duration_ms));
    }
    if let Some(rig) = &row.rig {
        let _ = writeln!(text, "  rig {rig}");
    }
    let triggers = manifest.map(|manifest| &manifest.triggers[..]).unwrap_or_default();
    for trigger in triggers {
        write_trigger(&mut text, trigger);
    }
    if triggers.is_empty() {
        for id in &row.triggers {
            let _ = writeln!(text, "  trigger {}", plain(id));
        }
        for (key, value) in &row.meta {
            let _ = writeln!(text, "    {}={}", plain(key), plain(value));
        }
    }
    for (name, camera) in manifest.iter().flat_map(|manifest| manifest.cameras.iter()) {
        write_camera(&mut text, name, camera);
    }
    for sentence in sentences {
        let _ = writeln!(text, "  ! {}", plain(sentence));
    }
    for Note { utc, text: note } in &said.notes {
        let _ = writeln!(text, "  note of {}: {}", plain(utc), plain(note));
    }
    text
}

fn write_trigger(to: &mut String, trigger: &ManifestTrigger) {
    let label = trigger.label.as_ref().map_or(String::new(), |label| format!(", label {label}"));
    let _ = writeln!(to, "  trigger {} at {}{label}", plain(&trigger.id), plain(&trigger.utc));
    for (key, value) in trigger.meta.iter().flatten() {
        let _ = writeln!(to, "    {key}={}", plain(value));
    }
    if let Some(note) = &trigger.note {
        let _ = writeln!(to, "    note: {}", plain(note));
    }
}

fn write_camera(to: &mut String, name: &Name, camera: &CameraClip) {
    let CameraClip { frames_expected, frames_written, width, height, codec, encoder, .. } = camera;
    let files = if camera.files.is_empty() { "no video".to_owned() } else { camera.files.join(", ") };
    let _ = writeln!(
        to,
        "  {name}: {frames_written} of {frames_expected} frames, {width}x{height} at {} fps, {codec} ({encoder}), {}, {}",
        camera.fps,
        plain(&files),
        size(camera.size_bytes)
    );
}

/// Sentences on what a person should know of a clip: what it lacks, camera by camera, and what its manifest notes.
fn sentences(row: &Row, manifest: Option<&Manifest>, said_wrong: Option<&str>) -> Vec<String> {
    let mut sentences = Vec::new();
    match row.standing {
        Standing::Open => {
            sentences.push("it is being recorded, or waits for a recorder to finish it".to_owned())
        }
        Standing::Unreadable => {
            sentences.push(format!("its documents can't be read; is {} whole?", row.name()))
        }
        Standing::Finished(_) => {}
    }
    if let Some(why) = said_wrong {
        sentences.push(format!("what people have said of it can't be read, so it counts as kept: {why}"));
    }
    let Some(manifest) = manifest else { return sentences };
    for (name, camera) in manifest.cameras.iter() {
        if !camera.live {
            sentences.push(format!("{name} was not live at any moment of it"));
        }
        sentences.extend(camera.gaps.iter().map(|gap| gap_sentence(name, gap)));
        for proto::clip::DamagedRows(first, last, cause) in &camera.damaged {
            sentences.push(format!("{name}: rows {first} to {last} are damaged ({})", why(*cause)));
        }
    }
    sentences.extend(manifest.notes.iter().cloned());
    sentences
}

fn gap_sentence(camera: &Name, gap: &Gap) -> String {
    let frames = if gap.missing == 1 { "1 frame".to_owned() } else { format!("{} frames", gap.missing) };
    format!("{camera} lacks {frames} after sequence {}: {}", gap.after_sequence, why(gap.cause))
}

/// A cause in words, with its name in documents.
fn why(cause: GapCause) -> String {
    let words = match cause {
        GapCause::RingOverrun => "the ring overwrote them before they were encoded",
        GapCause::BacklogFull => "the backlog had no room for them",
        GapCause::CaptureRestart => "no capture ran",
        GapCause::CameraDrop => "the camera or its driver lost them",
        GapCause::CameraStall => "the camera was silent",
        GapCause::RingFull => "readers held every slot of the ring",
        GapCause::Disk => "the disk didn't take them",
        GapCause::Encoder => "the encoder didn't take them",
        GapCause::EndedEarly => "Preroll was stopped",
        GapCause::RingGone => "the ring that held them is gone",
        GapCause::Unplugged => "the camera was unplugged",
        GapCause::Network => "the connection to the camera was lost",
        GapCause::Corrupt => "they came damaged",
        GapCause::NoKeyFrame => "nothing could be decoded before the next key frame",
        GapCause::TooLarge => "they were larger than the ring takes",
        GapCause::RingSmall => "the ring is too small for the camera's bit rate",
    };
    format!("{words} ({})", cause.name())
}

/// A text that somebody has written, without what a terminal would take for orders.
fn plain(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_debug().collect::<String>() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stored_clips::row::tests::manifest;

    #[test]
    fn a_clip_is_told_with_what_it_lacks_and_what_people_have_said() {
        let mut document = manifest(Some("pitch"), Some("goal"), 1_795_342_500_250_000_000);
        let name = document["cameras"].as_object().unwrap().keys().next().unwrap().clone();
        document["cameras"][&name]["gaps"] =
            json!([{ "after_sequence": 973, "missing": 3, "cause": "camera_drop" }]);
        document["triggers"][0]["note"] = json!("a \u{1b}[2Jnote");
        document["notes"] = json!(["the preset changed"]);
        let read: Manifest = serde_json::from_value(document).unwrap();
        let output = tempfile::tempdir().unwrap();
        let place = "run_20261122-091510/clip-0001-goal";
        let text = serde_json::to_value(&read).unwrap();
        let folder = crate::stored_clips::row::tests::clip(output.path(), place, &text, 10);
        let row = Row::read(output.path(), &folder).unwrap().unwrap();
        let said = Said {
            keep: true,
            notes: vec![Note { utc: "T".into(), text: "look again".into() }],
            ..Said::default()
        };
        let lacks = sentences(&row, Some(&read), None);
        let gap = format!(
            "{name} lacks 3 frames after sequence 973: the camera or its driver lost them (camera_drop)"
        );
        assert!(lacks.contains(&gap), "{lacks:#?}");
        let text = shown(&Row { keep: true, ..row }, &folder, Some(&read), &said, &lacks);
        for words in [
            "20261122-091510-clip-0001-goal: short, kept\n",
            "trigger at 2026-11-22T10:15:00.250Z, window of 2.500 s\n",
            "  trigger mine-7 at ",
            "    animal=m12\n    note: a \\u{1b}[2Jnote\n",
            "  ! the preset changed\n",
            "  note of T: look again\n",
        ] {
            assert!(text.contains(words), "{words:?} is missing:\n{text}");
        }
    }

    #[test]
    fn a_clip_that_is_open_or_can_not_be_read_says_so() {
        let open =
            Row { standing: Standing::Open, ..Row::unreadable("run_20261122-091510/clip-0001".into()) };
        assert!(sentences(&open, None, None)[0].contains("being recorded"));
        let unreadable = Row::unreadable("run_20261122-091510/clip-0001".into());
        let said = sentences(&unreadable, None, Some("it is a FIFO"));
        assert!(
            said[0].contains("clip-0001") && said[1].contains("counts as kept: it is a FIFO"),
            "{said:?}"
        );
    }
}
