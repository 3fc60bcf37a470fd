//! A log line as a JSON object, with the process, camera and clip that it is about as fields.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Writes lines for machines.
pub(super) struct Json {
    process: String,
    camera: Option<String>,
}

impl Json {
    /// Of a process that serves this camera, if it serves one.
    pub(super) fn of(process: &str, camera: Option<&str>) -> Self {
        Self { process: process.to_owned(), camera: camera.map(str::to_owned) }
    }

    /// The line of an event with these fields.
    fn line(&self, level: &str, mut fields: Fields) -> serde_json::Result<String> {
        let process = Some(Value::from(self.process.as_str()));
        let camera = fields.0.remove("camera").or_else(|| self.camera.as_deref().map(Value::from));
        let (clip, message) = (fields.0.remove("clip"), fields.0.remove("message"));
        serde_json::to_string(&Line {
            timestamp: super::now().to_string(),
            level,
            process,
            camera,
            clip,
            message,
            more: fields.0,
        })
    }
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    process: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clip: Option<Value>,
    message: Option<Value>,
    #[serde(flatten)]
    more: BTreeMap<&'static str, Value>,
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = self.line(event.metadata().level().as_str(), fields).map_err(|_| fmt::Error)?;
        writeln!(to, "{line}")
    }
}

/// The fields of an event, its message among them.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, Value>);

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(of: &Json, fields: &[(&'static str, &str)]) -> Value {
        let fields = fields.iter().map(|(name, value)| (*name, Value::from(*value))).collect();
        serde_json::from_str(&of.line("WARN", Fields(fields)).unwrap()).unwrap()
    }

    #[test]
    fn a_line_holds_the_process_and_what_it_is_about() {
        let recorder = Json::of("recorder", None);
        let said = line(
            &recorder,
            &[("message", "gone"), ("camera", "left"), ("clip", "clip-0001"), ("place", "a.rs")],
        );
        for (field, value) in [
            ("level", "WARN"),
            ("process", "recorder"),
            ("camera", "left"),
            ("clip", "clip-0001"),
            ("message", "gone"),
            ("place", "a.rs"),
        ] {
            assert_eq!(said[field], value, "{said}");
        }
        let said = line(&recorder, &[("message", "ready")]);
        assert!(said.get("camera").is_none() && said.get("clip").is_none(), "{said}");
    }

    #[test]
    fn a_capture_names_its_camera_in_each_line() {
        let capture = Json::of("capture", Some("left"));
        assert_eq!(line(&capture, &[("message", "live")])["camera"], "left");
    }
}
