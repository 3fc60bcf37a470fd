//! A line of `preroll trigger --follow`: what it may hold, and the request that it becomes. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::control::{EndRequest, ExtendRequest, Request, TriggerRequest};
use proto::event::TriggerOp;
use proto::time::MonotonicNs;
use serde::Deserialize;
use serde_json::Value;

/// A line, as it is typed. Which of these an operation may have is in [`Line::request`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[serde(default)]
    op: TriggerOp,
    id: Option<String>,
    label: Option<String>,
    cameras: Option<Vec<String>>,
    at_ns: Option<MonotonicNs>,
    ago_ms: Option<u64>,
    pre_ms: Option<u64>,
    post_ms: Option<u64>,
    by_ms: Option<u64>,
    meta: Option<BTreeMap<String, String>>,
    note: Option<String>,
}

/// A line that is no request. Its id and operation are named as far as they can be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) id: Option<String>,
    pub(super) op: Option<TriggerOp>,
    /// For a person: what is wrong with it.
    pub(super) why: String,
}

/// A request that a line stands for.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) id: Option<String>,
    pub(super) op: TriggerOp,
    pub(super) request: Request,
}

/// Reads a line that came at this moment.
pub(super) fn read(text: &[u8], now: MonotonicNs) -> Result<Wanted, BadLine> {
    let line: Line = serde_json::from_slice(text).map_err(|e| bad(text, &e))?;
    let (id, op) = (line.id.clone(), line.op);
    match line.request(now) {
        Ok(request) => Ok(Wanted { id, op, request }),
        Err(why) => Err(BadLine { id, op: Some(op), why }),
    }
}

/// A line that is longer than any request.
pub(super) fn too_long(at_most: usize) -> BadLine {
    BadLine { id: None, op: None, why: format!("the line is longer than {at_most} bytes") }
}

/// Says what is wrong with a text that is no line, and whose it may be.
fn bad(text: &[u8], error: &serde_json::Error) -> BadLine {
    let object: Option<Value> = serde_json::from_slice(text).ok();
    let field = |name: &str| object.as_ref()?.get(name).cloned();
    let what = if object.is_some() { "the line is no request" } else { "the line is no JSON" };
    BadLine {
        id: field("id").and_then(|id| id.as_str().map(str::to_owned)),
        op: field("op").and_then(|op| serde_json::from_value(op).ok()),
        why: format!("{what}: {}", without_place(error)),
    }
}

/// The complaint without its line, which is always the first of one.
fn without_place(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.replace(&format!(" at line {} column {}", error.line(), error.column()), "")
}

impl Line {
    fn request(self, now: MonotonicNs) -> Result<Request, String> {
        self.check_fields()?;
        let at = match (self.at_ns, self.ago_ms) {
            (Some(_), Some(_)) => {
                return Err("at_ns and ago_ms name one moment each; leave one out".to_owned());
            }
            (Some(at), None) => at,
            (None, Some(ago)) => now.before(Duration::from_millis(ago)),
            (None, None) => now,
        };
        let needs_id =
            |id: Option<String>| id.ok_or_else(|| "it needs the id of the trigger that it is for".to_owned());
        Ok(match self.op {
            TriggerOp::Trigger | TriggerOp::Begin => Request::Trigger(TriggerRequest {
                label: self.label,
                cameras: self.cameras.unwrap_or_default(),
                pre_ms: self.pre_ms,
                post_ms: self.post_ms,
                begin: self.op == TriggerOp::Begin,
                id: self.id,
                meta: self.meta.unwrap_or_default().into_iter().collect(),
                note: self.note,
                ..TriggerRequest::of(at)
            }),
            TriggerOp::End => Request::End(EndRequest {
                id: needs_id(self.id)?,
                at,
                at_whole_second: false,
                post_ms: self.post_ms,
                wait: false,
            }),
            TriggerOp::Extend => Request::Extend(ExtendRequest {
                id: needs_id(self.id)?,
                by_ms: self.by_ms.ok_or_else(|| "it needs by_ms, by which the end moves".to_owned())?,
                wait: false,
            }),
        })
    }

    /// Refuses a field that its operation has no use for: it would be passed over in silence.
    fn check_fields(&self) -> Result<(), String> {
        use TriggerOp::{Begin, End, Extend, Trigger};
        let fields: [(&str, bool, &[TriggerOp]); 9] = [
            ("label", self.label.is_some(), &[Trigger, Begin]),
            ("cameras", self.cameras.is_some(), &[Trigger, Begin]),
            ("at_ns", self.at_ns.is_some(), &[Trigger, Begin, End]),
            ("ago_ms", self.ago_ms.is_some(), &[Trigger, Begin, End]),
            ("pre_ms", self.pre_ms.is_some(), &[Trigger, Begin]),
            ("post_ms", self.post_ms.is_some(), &[Trigger, End]),
            ("by_ms", self.by_ms.is_some(), &[Extend]),
            ("meta", self.meta.is_some(), &[Trigger, Begin]),
            ("note", self.note.is_some(), &[Trigger, Begin]),
        ];
        let stray = fields.iter().find(|(_, is_there, of)| *is_there && !of.contains(&self.op));
        match stray {
            Some((name, ..)) => Err(format!("{name} has no meaning for op {}; leave it out", self.op.name())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MonotonicNs = MonotonicNs(50_000_000_000);

    fn request(text: &str) -> Request {
        read(text.as_bytes(), NOW).unwrap().request
    }

    fn why(text: &str) -> String {
        read(text.as_bytes(), NOW).unwrap_err().why
    }

    #[test]
    fn each_operation_becomes_its_request() {
        assert_eq!(
            request("{}"),
            Request::Trigger(TriggerRequest::of(NOW)),
            "as the command without an option"
        );
        let full = r#"{"op":"trigger","id":"a","label":"goal","cameras":["left"],"ago_ms":400,"pre_ms":1,"post_ms":2,
                       "meta":{"animal":"m12"},"note":"ü"}"#;
        let expected = TriggerRequest {
            label: Some("goal".into()),
            cameras: vec!["left".into()],
            pre_ms: Some(1),
            post_ms: Some(2),
            id: Some("a".into()),
            meta: vec![("animal".into(), "m12".into())],
            note: Some("ü".into()),
            ..TriggerRequest::of(MonotonicNs(49_600_000_000))
        };
        assert_eq!(request(full), Request::Trigger(expected));
        let begun = TriggerRequest { begin: true, ..TriggerRequest::of(MonotonicNs(7)) };
        assert_eq!(request(r#"{"op":"begin","at_ns":7}"#), Request::Trigger(begun));
        let end =
            EndRequest { id: "a".into(), at: NOW, at_whole_second: false, post_ms: Some(9), wait: false };
        assert_eq!(request(r#"{"op":"end","id":"a","post_ms":9}"#), Request::End(end));
        let extend = ExtendRequest { id: "a".into(), by_ms: 9, wait: false };
        assert_eq!(request(r#"{"op":"extend","id":"a","by_ms":9}"#), Request::Extend(extend));
    }

    #[test]
    fn a_line_that_is_no_request_is_refused_for_what_is_wrong_with_it() {
        for (text, says) in [
            ("goal", "the line is no JSON"),
            ("[1]", "the line is no request"),
            (r#"{"op":"shoot"}"#, "unknown variant `shoot`"),
            (r#"{"lable":"x"}"#, "unknown field `lable`"),
            (r#"{"at_ns":-1}"#, "invalid value"),
            (r#"{"meta":{"n":7}}"#, "expected a string"),
            (r#"{"at_ns":1,"ago_ms":1}"#, "leave one out"),
            (r#"{"op":"end"}"#, "needs the id"),
            (r#"{"op":"extend","id":"a"}"#, "needs by_ms"),
            (r#"{"op":"begin","post_ms":1}"#, "post_ms has no meaning for op begin"),
            (r#"{"op":"end","id":"a","label":"x"}"#, "label has no meaning for op end"),
            (r#"{"by_ms":1}"#, "by_ms has no meaning for op trigger"),
        ] {
            let why = why(text);
            assert!(why.contains(says) && !why.contains("column"), "{text}: {why}");
        }
        assert!(read(b"\xff", NOW).is_err());
    }

    #[test]
    fn a_line_that_is_no_request_is_answered_under_its_own_id() {
        let bad = read(br#"{"op":"end","id":"a","lable":"x"}"#, NOW).unwrap_err();
        assert_eq!((bad.id.as_deref(), bad.op), (Some("a"), Some(TriggerOp::End)));
        let bad = read(br#"{"id":7}"#, NOW).unwrap_err();
        assert_eq!((bad.id, bad.op), (None, None));
    }
}
