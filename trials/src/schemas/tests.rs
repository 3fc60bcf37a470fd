//! Tests of the schemas without a process: they name what our types hold, and nothing else.

use std::collections::BTreeSet;
use std::process::Command;

use proto::clip;
use proto::codec::{Codec, EncoderChoice};
use proto::config;
use proto::event::{self, Event, LoggedEvent};
use proto::found_camera::{FoundCamera, FoundMode, SizeRow};
use proto::frame::{Geometry, Payload, PixelFormat};
use proto::ladder::CodecTrial;
use proto::stats;
use proto::status;
use proto::time::{MonotonicNs, WallAnchor};
use proto::wall_clock::ClockState;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Value, json};

use super::{assert_valid, assert_valid_manifest, folder, mistakes, texts};

/// Learns the names in a type's own description, which is what it asks its reader for.
struct Asked<'a>(&'a mut BTreeSet<String>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("neither a struct nor an enum"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields.iter().map(|name| (*name).to_owned()));
        Err(Error::custom("its fields are known"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(variants.iter().map(|name| (*name).to_owned()));
        Err(Error::custom("its variants are known"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

/// The fields of a struct, or the variants of an enum, as they are in JSON.
fn names_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _ = T::deserialize(Asked(&mut names));
    assert!(!names.is_empty(), "{} tells nothing", std::any::type_name::<T>());
    names
}

/// The names that a definition of a schema has: properties, words, or the only property of each of several forms.
fn names_in(definition: &Value) -> BTreeSet<String> {
    if let Some(properties) = definition["properties"].as_object() {
        return properties.keys().cloned().collect();
    }
    if let Some(words) = definition["enum"].as_array() {
        return words.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    }
    definition["oneOf"].as_array().into_iter().flatten().flat_map(names_in).collect()
}

/// Asserts that definitions, as `schema#name`, have the names of a type. Without a name it is the whole document.
#[track_caller]
fn assert_names<T: DeserializeOwned>(definitions: &[&str]) {
    let schemas = texts();
    for place in definitions {
        let (schema, name) = place.split_once('#').unwrap();
        let document = &schemas[schema];
        let definition = if name.is_empty() { document } else { &document["$defs"][name] };
        let (of_type, of_schema) = (names_of::<T>(), names_in(definition));
        let lacking: Vec<_> = of_type.difference(&of_schema).collect();
        let never: Vec<_> = of_schema.difference(&of_type).collect();
        assert!(
            lacking.is_empty() && never.is_empty(),
            "{place} lacks {lacking:?}; never written: {never:?}"
        );
    }
}

#[test]
fn a_manifest_has_the_fields_of_its_schema() {
    assert_names::<clip::Manifest>(&["manifest#"]);
    assert_names::<clip::CameraClip>(&["manifest#camera"]);
    assert_names::<clip::FileMaker>(&["manifest#made_by"]);
    assert_names::<clip::Stretch>(&["manifest#stretch"]);
    assert_names::<clip::StretchHow>(&["manifest#how"]);
    assert_names::<clip::CameraTime>(&["manifest#time"]);
    assert_names::<clip::CaptureTime>(&["manifest#capture_time", "run#capture_time", "stats#capture_time"]);
    assert_names::<clip::ManifestTrigger>(&["manifest#trigger"]);
    assert_names::<clip::TriggerSource>(&["manifest#trigger_source"]);
    assert_names::<clip::TriggerKind>(&["manifest#trigger_kind"]);
    assert_names::<clip::Window>(&["manifest#window"]);
    assert_names::<clip::Verdict>(&[
        "manifest#verdict",
        "trigger#verdict",
        "event#verdict",
        "follow#verdict",
    ]);
    assert_names::<clip::Gap>(&["manifest#gap", "trigger#gap"]);
    assert_names::<clip::GapCause>(&["manifest#gap_cause", "trigger#gap_cause"]);
    assert_names::<clip::Interruption>(&["manifest#interruption", "trigger#interruption"]);
    assert_names::<clip::InterruptionCause>(&["manifest#interruption_cause", "trigger#interruption_cause"]);
    assert_names::<WallAnchor>(&["manifest#wall", "run#wall"]);
    assert_names::<ClockState>(&["manifest#clock"]);
    assert_names::<Codec>(&["manifest#codec", "run#codec", "codecs#codec"]);
}

#[test]
fn damaged_rows_are_two_numbers_and_a_cause() {
    let text = include_str!("../../../proto/src/clip/schema1/whole.json");
    let mut manifest = serde_json::to_value(serde_json::from_str::<clip::Manifest>(text).unwrap()).unwrap();
    manifest["schema"] = clip::SCHEMA.into();
    manifest["cameras"]["left"]["damaged"] =
        serde_json::to_value([clip::DamagedRows(3, 5, clip::GapCause::Corrupt)]).unwrap();
    let about = |manifest: &Value| -> Vec<String> {
        mistakes("manifest", manifest).into_iter().filter(|mistake| mistake.contains("damaged")).collect()
    };
    assert_eq!(about(&manifest), Vec::<String>::new());
    for wrong in
        [json!([3, 5]), json!([3, 5, "corrupt", 7]), json!([3, 5, "rain"]), json!(["3", 5, "corrupt"])]
    {
        manifest["cameras"]["left"]["damaged"] = json!([wrong]);
        assert_eq!(about(&manifest).len(), 1, "{wrong}");
    }
}

#[test]
fn stats_have_the_fields_of_their_schema() {
    assert_names::<stats::Stats>(&["stats#"]);
    assert_names::<stats::Health>(&["stats#health"]);
    assert_names::<stats::CameraStats>(&["stats#camera"]);
    assert_names::<stats::Dropped>(&["stats#dropped"]);
    assert_names::<stats::TransportStats>(&["stats#transport"]);
    assert_names::<stats::IntervalStats>(&["stats#interval_ms"]);
    assert_names::<stats::TimeStats>(&["stats#time_now"]);
    assert_names::<stats::RingStats>(&["stats#ring"]);
    assert_names::<Payload>(&["stats#payload", "run#payload"]);
    assert_names::<stats::RecorderStats>(&["stats#recorder"]);
    assert_names::<stats::BacklogStats>(&["stats#backlog"]);
    assert_names::<stats::DiskStats>(&["stats#disk"]);
    assert_names::<stats::ProcessStats>(&["stats#process"]);
    assert_names::<stats::Totals>(&["stats#totals"]);
    assert_names::<stats::DelayStats>(&["stats#loop_delay_ms"]);
    assert_names::<status::InstanceState>(&["stats#state"]);
    assert_names::<status::HealthStatus>(&["stats#health_status"]);
    assert_names::<status::CameraStatus>(&["stats#camera_state"]);
    assert_names::<status::ProcessRole>(&["stats#role"]);
    assert_names::<status::ProcessState>(&["stats#process_state"]);
    // Whatever the figures are.
    let document = stats::Stats {
        schema: stats::SCHEMA,
        rig: "bench".into(),
        cameras: vec![stats::CameraStats { name: "left".into(), ..Default::default() }],
        processes: vec![stats::ProcessStats::default()],
        ..Default::default()
    };
    assert_valid("stats", &serde_json::to_value(document).unwrap());
}

#[test]
fn a_list_of_cameras_has_the_fields_of_its_schema() {
    assert_names::<FoundCamera>(&["cameras#found_camera"]);
    assert_names::<FoundMode>(&["cameras#mode"]);
    assert_names::<SizeRow>(&["cameras#row"]);
    let row = Some(SizeRow { least_width: 64, least_height: 48, width_step: 2, height_step: 2 });
    let mode = FoundMode { row, fps: vec![29.97], ..FoundMode::default() };
    let full = FoundCamera { modes: vec![mode, FoundMode::default()], ..FoundCamera::default() };
    assert_valid("cameras", &json!([full, FoundCamera::default()]));
    assert_valid("cameras", &json!([]));
}

#[test]
fn run_files_and_codecs_have_the_fields_of_their_schemas() {
    assert_names::<config::Config>(&["run#config"]);
    assert_names::<config::CameraConfig>(&["run#camera"]);
    assert_names::<Geometry>(&["run#geometry"]);
    assert_names::<PixelFormat>(&["run#pixel_format"]);
    assert_names::<config::Backend>(&["run#backend"]);
    assert_names::<config::SimConfig>(&["run#sim"]);
    assert_names::<config::SimFaults>(&["run#sim_faults"]);
    assert_names::<config::Episode>(&["run#episode"]);
    assert_names::<config::FileConfig>(&["run#file"]);
    assert_names::<config::OpencvConfig>(&["run#opencv"]);
    assert_names::<config::V4l2Config>(&["run#v4l2"]);
    assert_names::<config::V4l2Format>(&["run#v4l2_format"]);
    assert_names::<config::MjpegConfig>(&["run#mjpeg"]);
    assert_names::<config::GigeConfig>(&["run#gige"]);
    assert_names::<config::Feature>(&["run#feature"]);
    assert_names::<config::PipeConfig>(&["run#pipe"]);
    assert_names::<config::PipeFormat>(&["run#pipe_format"]);
    assert_names::<config::RtspConfig>(&["run#rtsp"]);
    assert_names::<config::RtspTransport>(&["run#rtsp_transport"]);
    assert_names::<config::Typed>(&["run#typed"]);
    assert_names::<config::ClipMode>(&["run#clip_mode"]);
    assert_names::<config::Compressed>(&["run#compressed"]);
    assert_names::<config::JpegContainer>(&["run#jpeg_container"]);
    assert_names::<config::Overlap>(&["run#overlap"]);
    assert_names::<config::RecordingConfig>(&["run#recording"]);
    assert_names::<config::KeepConfig>(&["run#keep"]);
    assert_names::<config::AccessConfig>(&["run#access"]);
    assert_names::<EncoderChoice>(&["run#choice", "codecs#choice"]);
    assert_names::<CodecTrial>(&["codecs#trial"]);
}

/// An event of each kind.
fn events() -> Vec<Event> {
    let text = || "x".to_owned();
    let (clip_id, path) = (text, text);
    vec![
        Event::Supervisor { state: event::SupervisorState::Started, pid: 7, version: text() },
        Event::CameraState { camera: text(), state: status::CameraStatus::Silent, reason: Some(text()) },
        Event::TriggerAccepted {
            id: text(),
            clip_id: clip_id(),
            path: path(),
            op: event::TriggerOp::Begin,
            label: None,
            at_ns: MonotonicNs(7),
        },
        Event::TriggerRefused {
            id: None,
            op: event::TriggerOp::End,
            label: Some(text()),
            reason: text(),
            error: text(),
        },
        Event::ClipFinished {
            clip_id: clip_id(),
            path: path(),
            verdict: clip::Verdict::Gaps,
            complete: false,
        },
        Event::ClipLost { clip_id: clip_id(), path: path(), why: text() },
        Event::ClipRemoved { clip_id: clip_id(), path: path(), bytes: 7, why: event::Removal::MaxAgeH },
        Event::SumsMade { clip_id: clip_id(), path: path() },
        Event::Disk { state: event::DiskState::NoAnswer, free_bytes: None, min_free_bytes: 7 },
        Event::Health { status: status::HealthStatus::Fair, reasons: vec![text()] },
        Event::Lagged { missed: 7 },
    ]
}

#[test]
fn events_have_the_fields_of_their_schema_and_each_kind_is_described() {
    assert_names::<event::SupervisorState>(&["event#supervisor_state"]);
    assert_names::<event::TriggerOp>(&["event#trigger_op", "follow#trigger_op"]);
    assert_names::<event::Removal>(&["event#removal"]);
    assert_names::<event::DiskState>(&["event#disk_state"]);
    assert_names::<status::CameraStatus>(&["event#camera_state"]);
    let schemas = texts();
    let forms = schemas["event"]["oneOf"].as_array().unwrap().iter();
    let described: BTreeSet<String> = forms
        .map(|form| form["$ref"].as_str().unwrap().strip_prefix("#/$defs/event_").unwrap().to_owned())
        .collect();
    assert_eq!(described, names_of::<Event>());
    let mut seen = BTreeSet::new();
    for event in events() {
        let line = LoggedEvent { seq: 1, t_ns: MonotonicNs(1), unix_ns: 1, event }.line().unwrap();
        let document: Value = serde_json::from_str(&line).unwrap();
        assert_valid("event", &document);
        seen.insert(document["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, described);
}

/// Every object that a schema describes, with its place.
fn objects<'a>(schema: &'a Value, place: &str, found: &mut Vec<(String, &'a Value)>) {
    let Some(here) = schema.as_object() else { return };
    if here.contains_key("properties") {
        found.push((place.to_owned(), schema));
    }
    let within = ["properties", "$defs"].into_iter().filter_map(|key| here.get(key)?.as_object()).flatten();
    within.for_each(|(name, below)| objects(below, &format!("{place}/{name}"), found));
    let others = ["items", "additionalProperties"].into_iter().filter_map(|key| here.get(key));
    let forms = here.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    others.chain(forms).for_each(|below| objects(below, place, found));
}

#[test]
fn a_schema_demands_every_field_that_it_names_and_allows_no_other() {
    // Fields that are there or not: those of single lines, and those that versions before schema 2 came to have.
    let not_always = ["log-line/camera", "log-line/clip", "log-line/thread", "log-line/place"];
    let not_always_of_old = ["manifest-1/rig", "manifest-1/cameras_asked", "manifest-1/camera/stretches"];
    for (name, schema) in texts() {
        let mut found = Vec::new();
        objects(&schema, &name, &mut found);
        assert!(!found.is_empty(), "{name} describes no object");
        for (place, object) in found {
            assert_eq!(object["additionalProperties"], false, "{place}");
            let required: BTreeSet<&str> =
                object["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            for (field, described) in object["properties"].as_object().unwrap() {
                let at = format!("{place}/{field}");
                let is_optional = not_always.contains(&&*at) || not_always_of_old.contains(&&*at);
                assert_eq!(required.contains(&**field), !is_optional, "{at}");
                let has_words = ["description", "$ref"].iter().any(|key| described.get(key).is_some());
                assert!(has_words, "{at} has no description");
            }
        }
    }
}

#[test]
fn a_definition_is_the_same_in_every_schema_that_has_it() {
    let schemas = texts();
    for (name, definition) in schemas.values().flat_map(|schema| schema["$defs"].as_object()).flatten() {
        // A camera is something else in each document.
        if name == "camera" {
            continue;
        }
        for (other, schema) in &schemas {
            let there = &schema["$defs"][name];
            assert!(there.is_null() || there == definition, "{name} is another thing in {other}");
        }
    }
}

/// Whole clips and one that lacks all of its frames, by version 0.1.0.
const OF_SCHEMA_1: [&str; 2] = ["whole.json", "gaps.json"];

#[test]
fn manifests_of_schema_1_are_as_their_schema_says() {
    for name in OF_SCHEMA_1 {
        let text = std::fs::read(folder().join("../../proto/src/clip/schema1").join(name)).unwrap();
        assert_valid_manifest(&serde_json::from_slice(&text).unwrap());
    }
}

#[test]
fn a_stock_validator_takes_the_schemas_too_and_says_the_same() {
    let program = "
import json, sys
try:
    from jsonschema import Draft202012Validator as Validator
except ImportError:
    sys.exit(77)
folder, names = sys.argv[1], sys.argv[2:]
schemas = {name: json.load(open(f'{folder}/{name}.schema.json')) for name in names}
for schema in schemas.values():
    Validator.check_schema(schema)
old = Validator(schemas['manifest-1'])
for name in ['whole', 'gaps']:
    clip = json.load(open(f'{folder}/../../proto/src/clip/schema1/{name}.json'))
    old.validate(clip)
    clip['cameras']['left']['surprise'] = 1
    assert not old.is_valid(clip)
";
    let names: Vec<String> = texts().into_keys().collect();
    let Ok(said) = Command::new("python3").arg("-c").arg(program).arg(folder()).args(names).output() else {
        return println!("skipped: there is no python3");
    };
    if said.status.code() == Some(77) {
        return println!("skipped: python3 has no jsonschema");
    }
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn what_is_not_as_the_schema_says_is_noticed() {
    let line = json!({ "timestamp": "2026-11-25T20:36:00.123Z", "level": "INFO", "process": "capture", "message": "x" });
    assert_valid("log-line", &line);
    let with = |key: &str, value: Value| {
        let mut line = line.clone();
        line[key] = value;
        mistakes("log-line", &line).len()
    };
    assert_eq!((with("frames", json!(1)), with("level", json!("LOUD")), with("clip", json!(7))), (1, 1, 1));
    assert_eq!(with("clip", json!("clip-0001")), 0);
}
