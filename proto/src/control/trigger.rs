//! Requests about triggers, and the answer to those that are accepted.

use serde::{Deserialize, Serialize};

use crate::time::MonotonicNs;

/// A trigger. Texts come as typed: the supervisor checks them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerRequest {
    /// The clip's label.
    pub label: Option<String>,
    /// The cameras' names; none means all.
    pub cameras: Vec<String>,
    /// The moment that the trigger names.
    pub at: MonotonicNs,
    /// The moment was typed in whole seconds, so the one that was meant may be up to a second later.
    pub at_whole_second: bool,
    /// A pre-roll other than the config's.
    pub pre_ms: Option<u64>,
    /// A post-roll other than the config's. A trigger that is begun has none.
    pub post_ms: Option<u64>,
    /// The trigger is begun: an [`EndRequest`] ends it.
    pub begin: bool,
    /// The id that the trigger is to have. A trigger that has it already, and whose clip is on disk, is this one.
    pub id: Option<String>,
    /// Keys and values that come with it.
    pub meta: Vec<(String, String)>,
    /// A note that comes with it.
    pub note: Option<String>,
    /// A second answer is wanted when the clip is finished.
    pub wait: bool,
}

impl TriggerRequest {
    /// A trigger of all cameras at this moment, with all else as the config says.
    #[must_use]
    pub fn of(at: MonotonicNs) -> Self {
        Self {
            label: None,
            cameras: Vec::new(),
            at,
            at_whole_second: false,
            pre_ms: None,
            post_ms: None,
            begin: false,
            id: None,
            meta: Vec::new(),
            note: None,
            wait: false,
        }
    }
}

/// The end of a trigger that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndRequest {
    /// The trigger's id, or its clip's.
    pub id: String,
    /// The moment that ends it.
    pub at: MonotonicNs,
    /// The moment was typed in whole seconds.
    pub at_whole_second: bool,
    /// The time after that moment that is still recorded.
    pub post_ms: Option<u64>,
    /// A second answer is wanted when the clip is finished.
    pub wait: bool,
}

/// A later end for a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtendRequest {
    /// The trigger's id, or its clip's.
    pub id: String,
    /// The time by which its end moves.
    pub by_ms: u64,
    /// A second answer is wanted when the clip is finished.
    pub wait: bool,
}

/// A trigger that was accepted, or its end, or its extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The trigger's id.
    pub trigger_id: String,
    /// The clip's id.
    pub clip_id: String,
    /// The clip's folder.
    pub path: String,
    /// The pre-roll that the clip will hold.
    pub pre_roll_ms: u64,
    /// The pre-roll that was asked for.
    pub asked_pre_roll_ms: u64,
    /// The end of the trigger's window; none as long as it is begun and not ended.
    pub end_ns: Option<MonotonicNs>,
    /// Sentences on everything that could not be given as asked.
    pub notes: Vec<String>,
}
