//! A trigger as plan and manifest name it: where it came from, what came with it, and where its moment is in the videos.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Plan;
use super::growth::ClipTrigger;
use crate::by_camera::ByCamera;
use crate::name::Name;
use crate::time::{MonotonicNs, UtcTime};

/// The most characters of a trigger's id.
pub const MOST_ID_CHARS: usize = 128;
/// The most values that come with a trigger.
pub const MOST_META: usize = 64;
/// The longest of these values, in bytes.
pub const MOST_META_BYTES: usize = 1024;
/// The longest note, in bytes.
pub const MOST_NOTE_BYTES: usize = 4096;

/// The values that came with a trigger, for the people and programs that read its clip.
pub type Meta = BTreeMap<Name, String>;

/// Can a trigger have this id? It has 1 to [`MOST_ID_CHARS`] printable characters, and no space among them: it is printed,
/// typed and searched for.
#[must_use]
pub fn is_trigger_id(text: &str) -> bool {
    let chars = text.chars().take(MOST_ID_CHARS + 1).count();
    (1..=MOST_ID_CHARS).contains(&chars) && text.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

/// A trigger's part of a plan, beside its moment and its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTrigger {
    /// The trigger's own name, which no other trigger of this rig has.
    pub id: String,
    /// The way on which it came.
    pub source: TriggerSource,
    /// Is it begun? Then the plan's window ends at the latest moment that it may last to. A plan of a version that knew no
    /// begun triggers has none.
    #[serde(default)]
    pub kind: TriggerKind,
    /// The values that came with it; none in an older plan.
    #[serde(default)]
    pub meta: Option<Meta>,
    /// The note that came with it; none in an older plan.
    #[serde(default)]
    pub note: Option<String>,
}

/// The way on which a trigger came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerSource {
    /// The command `trigger`.
    Command,
}

/// The kind of a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// Its window ends a post-roll after its moment.
    #[default]
    Trigger,
    /// Its window ends when somebody ends it.
    Begin,
}

/// A trigger in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestTrigger {
    /// The trigger's own name; the clip's in a clip that was planned by a version whose triggers had none.
    pub id: String,
    /// The way on which it came; null where the plan doesn't say.
    pub source: Option<TriggerSource>,
    /// Was it begun? Not in manifests of a version that knew no begun triggers.
    #[serde(default)]
    pub kind: TriggerKind,
    /// The label that it gave. Not in manifests of a version whose clips had one trigger each.
    #[serde(default)]
    pub label: Option<Name>,
    /// The moment that it named.
    pub t_ns: MonotonicNs,
    /// The start of its window, as it was asked for. Not in manifests of a version whose clips had one trigger each.
    #[serde(default)]
    pub start_ns: Option<MonotonicNs>,
    /// The end of its window. Not in manifests of a version whose clips had one trigger each.
    #[serde(default)]
    pub end_ns: Option<MonotonicNs>,
    /// The same moment as `t_ns` in UTC, as RFC 3339 writes it.
    pub utc: String,
    /// The values that came with it for the people and programs that read the clip; null if none did.
    pub meta: Option<Meta>,
    /// The note that came with it; null if none did. Not in manifests of a version that knew no notes.
    #[serde(default)]
    pub note: Option<String>,
    /// Its place in each camera's video, in seconds from the first frame; null for a camera without a video.
    pub offset_s: ByCamera<Option<f64>>,
}

impl ManifestTrigger {
    /// A trigger of the clip that this plan began.
    #[must_use]
    pub fn of(trigger: &ClipTrigger, plan: &Plan, offset_s: ByCamera<Option<f64>>) -> Self {
        let ClipTrigger { id, source, kind, label, meta, note, start_ns, t_ns, end_ns, ending: _ } = trigger;
        Self {
            id: id.clone().unwrap_or_else(|| plan.clip_id.clone()),
            source: *source,
            kind: *kind,
            label: label.clone(),
            t_ns: *t_ns,
            start_ns: Some(*start_ns),
            end_ns: Some(*end_ns),
            utc: UtcTime::from_unix_ns(plan.wall.unix(*t_ns)).to_string(),
            meta: meta.clone(),
            note: note.clone(),
            offset_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_printable_has_no_space_and_has_an_end() {
        for good in ["a", "20261122-091510-trigger-0001", "été", "#/:\"", &"é".repeat(128)] {
            assert!(is_trigger_id(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "\u{7f}", "a\u{a0}b", &"x".repeat(129)] {
            assert!(!is_trigger_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_trigger_of_an_older_manifest_is_read_with_what_it_did_not_know() {
        let older = serde_json::json!({
            "id": "20261122-091510-trigger-0001", "source": "command", "t_ns": 5, "utc": "", "meta": null,
            "offset_s": { "left": 0.5 },
        });
        let read: ManifestTrigger = serde_json::from_value(older).unwrap();
        assert_eq!((read.kind, read.label, read.end_ns), (TriggerKind::Trigger, None, None));
        let planned: PlannedTrigger =
            serde_json::from_value(serde_json::json!({ "id": "x", "source": "command" })).unwrap();
        assert_eq!((planned.kind, planned.meta, planned.note), (TriggerKind::Trigger, None, None));
    }
}
