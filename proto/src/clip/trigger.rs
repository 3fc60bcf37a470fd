//! A trigger as plan and manifest name it: where it came from, and where its moment is in the videos.

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::by_camera::ByCamera;
use crate::time::{MonotonicNs, UtcTime};

/// A trigger's part of a plan, beside its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTrigger {
    /// The trigger's own name, which no other trigger of this rig has.
    pub id: String,
    /// The way on which it came.
    pub source: TriggerSource,
}

/// The way on which a trigger came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerSource {
    /// The command `trigger`.
    Command,
}

/// A trigger in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestTrigger {
    /// The trigger's own name; the clip's in a clip that was planned by a version whose triggers had none.
    pub id: String,
    /// The way on which it came; null where the plan doesn't say.
    pub source: Option<TriggerSource>,
    /// The moment that it named.
    pub t_ns: MonotonicNs,
    /// The same moment in UTC, as RFC 3339 writes it.
    pub utc: String,
    /// What came with it for the people and programs that read the clip. No trigger can bring anything yet, so it is null.
    pub meta: Option<serde_json::Value>,
    /// Its place in each camera's video, in seconds from the first frame; null for a camera without a video.
    pub offset_s: ByCamera<Option<f64>>,
}

impl ManifestTrigger {
    /// The trigger of a plan.
    #[must_use]
    pub fn of(plan: &Plan, offset_s: ByCamera<Option<f64>>) -> Self {
        let planned = plan.trigger.as_ref();
        Self {
            id: planned.map_or_else(|| plan.clip_id.clone(), |trigger| trigger.id.clone()),
            source: planned.map(|trigger| trigger.source),
            t_ns: plan.trigger_ns,
            utc: UtcTime::from_unix_ns(plan.wall.unix(plan.trigger_ns)).to_string(),
            meta: None,
            offset_s,
        }
    }
}
