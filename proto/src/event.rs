//! Events: what happens to an instance, for programs that follow it. `preroll events` prints them as JSON, a line each, in
//! the form that docs/schemas/event.schema.json describes. Who notices them, and who is told, is the supervisor's business.

use serde::ser::{Error, SerializeMap};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::clip::Verdict;
use crate::status::{CameraStatus, HealthStatus};
use crate::time::{MonotonicNs, UtcTime};

/// An event with its place among the others. Its JSON form is one object: the event's name, its place, and its fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedEvent {
    /// The number of the event since the supervisor's start, from 1. An event that tells of missing ones has the number
    /// of the last of those.
    pub seq: u64,
    /// The moment at which it was noticed.
    pub t_ns: MonotonicNs,
    /// The same moment in nanoseconds since 1970.
    pub unix_ns: u64,
    /// The event itself.
    pub event: Event,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The supervisor has started, or has begun to end.
    Supervisor {
        /// The supervisor's state from now on.
        state: SupervisorState,
        /// The supervisor's process.
        pid: u32,
        /// The program's version.
        version: String,
    },
    /// A camera has come to another state. The first states of all cameras are told too.
    CameraState {
        /// The camera's name.
        camera: String,
        /// The state.
        state: CameraStatus,
        /// For a person: what is wrong with it.
        reason: Option<String>,
    },
    /// A trigger, its end or its extension was accepted.
    TriggerAccepted {
        /// The trigger's name.
        id: String,
        /// The clip's name.
        clip_id: String,
        /// The clip's folder.
        path: String,
        /// The request that was accepted.
        op: TriggerOp,
        /// The trigger's label.
        label: Option<String>,
        /// The moment that the request named.
        at_ns: MonotonicNs,
    },
    /// A trigger, its end or its extension was refused.
    TriggerRefused {
        /// The trigger's name, where the request had one.
        id: Option<String>,
        /// The request that was refused.
        op: TriggerOp,
        /// The trigger's label.
        label: Option<String>,
        /// The reason's name, which programs go by.
        reason: String,
        /// The reason as a sentence.
        error: String,
    },
    /// A clip has its manifest.
    ClipFinished {
        /// The clip's name.
        clip_id: String,
        /// The clip's folder.
        path: String,
        /// The manifest's verdict.
        verdict: Verdict,
        /// Every frame that was asked for is there.
        complete: bool,
    },
    /// A clip was given up before it was finished.
    ClipLost {
        /// The clip's name.
        clip_id: String,
        /// The clip's folder.
        path: String,
        /// For a person: the reason.
        why: String,
    },
    /// A clip is no longer there.
    ClipRemoved {
        /// The clip's name.
        clip_id: String,
        /// The folder that it had.
        path: String,
        /// The bytes that its files took.
        bytes: u64,
        /// The reason.
        why: Removal,
    },
    /// A finished clip has its sums.
    SumsMade {
        /// The clip's name.
        clip_id: String,
        /// The clip's folder.
        path: String,
    },
    /// The disk that clips go to has come to another state.
    Disk {
        /// The state.
        state: DiskState,
        /// The room on it; null while it doesn't answer.
        free_bytes: Option<u64>,
        /// The config's `min_free_bytes`.
        min_free_bytes: u64,
    },
    /// The verdict on the instance's health, or one of its reasons, has changed.
    Health {
        /// The verdict.
        status: HealthStatus,
        /// A sentence for each thing that isn't good.
        reasons: Vec<String>,
    },
    /// Events are missing here: the reader was slower than they came.
    Lagged {
        /// The number of events that are missing.
        missed: u64,
    },
}

/// The two states that a supervisor tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupervisorState {
    /// Commands are taken from now on.
    Started,
    /// No trigger is taken any more, and the clips that are open are closed.
    Ending,
}

/// A request about a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerOp {
    /// A trigger whose end is known when it comes.
    #[default]
    Trigger,
    /// The beginning of a trigger that is ended by another request.
    Begin,
    /// The end of a begun trigger.
    End,
    /// A later end for a trigger.
    Extend,
}

impl TriggerOp {
    /// The operation's word in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Begin => "begin",
            Self::End => "end",
            Self::Extend => "extend",
        }
    }

    /// Does it make a trigger?
    #[must_use]
    pub fn is_new(self) -> bool {
        matches!(self, Self::Trigger | Self::Begin)
    }
}

/// The reason for removing a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// A person or a program asked for it.
    Command,
    /// The clips took more than the config's `keep.max_bytes`.
    MaxBytes,
    /// The clip was older than the config's `keep.max_age_h`.
    MaxAgeH,
    /// The disk had less room than the config's `keep.free_bytes`.
    FreeBytes,
}

/// The state of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// There is room.
    Room,
    /// There is less room than the config's `min_free_bytes`, so that no new clip is taken.
    Full,
    /// The disk gives no answer, or is away.
    NoAnswer,
}

impl LoggedEvent {
    /// The event as a line of JSON, without the line's end.
    ///
    /// # Errors
    /// None that is known: everything in an event has a JSON form.
    pub fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Line(self))
    }
}

/// The JSON form.
struct Line<'a>(&'a LoggedEvent);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let LoggedEvent { seq, t_ns, unix_ns, event } = self.0;
        // serde names the variant with its one key; the fields are its value.
        let Value::Object(named) = serde_json::to_value(event).map_err(S::Error::custom)? else {
            return Err(S::Error::custom("an event without fields"));
        };
        let mut map = serializer.serialize_map(None)?;
        for (name, fields) in &named {
            map.serialize_entry("event", name)?;
            map.serialize_entry("seq", seq)?;
            map.serialize_entry("t_ns", t_ns)?;
            map.serialize_entry("utc", &UtcTime::from_unix_ns(*unix_ns).to_string())?;
            for (field, value) in fields.as_object().into_iter().flatten() {
                map.serialize_entry(field, value)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object_that_begins_with_its_name() {
        let event = Event::ClipFinished {
            clip_id: "clip-0001".into(),
            path: "/run_1/clip-0001".into(),
            verdict: Verdict::Short,
            complete: false,
        };
        let logged = LoggedEvent { seq: 7, t_ns: MonotonicNs(5), unix_ns: 1_795_680_000_250_000_000, event };
        assert_eq!(
            logged.line().unwrap(),
            r#"{"event":"clip_finished","seq":7,"t_ns":5,"utc":"2026-11-26T08:00:00.250Z","clip_id":"clip-0001","#
                .to_owned()
                + r#""complete":false,"path":"/run_1/clip-0001","verdict":"short"}"#
        );
    }
}
