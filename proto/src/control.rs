//! The vocabulary of the control socket: what a command asks the supervisor, and what it answers. How a message
//! travels (its frame, its cap, its deadline) is in [`crate::wire`].

use serde::{Deserialize, Serialize};

use crate::codec::EncoderLadder;
use crate::refusal::Refusal;
use crate::stats::Stats;
use crate::time::MonotonicNs;
use crate::wire::{MAX_BYTES, Message};

/// The names of 256 cameras are 16 KiB, and nothing else in a request is as long.
impl Message for Request {
    const MAX_BYTES: usize = 32 * 1024;
}

/// Stats of a hundred cameras are well under it.
impl Message for Response {
    const MAX_BYTES: usize = MAX_BYTES;
}

/// What a command asks. One request a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Record a clip.
    Trigger(TriggerRequest),
    /// All there is to know.
    Stats,
    /// The codec probe's table.
    Codecs,
    /// End a child and start it again: "recorder" or a camera's name.
    Restart(String),
    /// End everything in order.
    Stop,
}

/// What a trigger asks. Texts come as typed: the supervisor checks them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerRequest {
    /// What to call the clip.
    pub label: Option<String>,
    /// Which cameras; none means all.
    pub cameras: Vec<String>,
    /// The moment it names.
    pub at: MonotonicNs,
    /// Other than the config's.
    pub pre_ms: Option<u64>,
    /// Other than the config's.
    pub post_ms: Option<u64>,
    /// Answer again when the clip set is finished.
    pub wait: bool,
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The trigger's plan is on disk; the clip will exist.
    Accepted(Accepted),
    /// The clip set of a trigger that waits is finished: its manifest is in its folder. A manifest can be larger than any
    /// message.
    Finished,
    /// Stats.
    Stats(Box<Stats>),
    /// The probe's table.
    Codecs(EncoderLadder),
    /// Done; a sentence for the person.
    Done(String),
    /// Not done, and why.
    Refused(Refusal),
}

/// A trigger that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The clip's name.
    pub clip_id: String,
    /// Its folder.
    pub path: String,
    /// How much pre-roll it will hold.
    pub pre_roll_ms: u64,
    /// How much was asked for.
    pub asked_pre_roll_ms: u64,
    /// What could not be given as asked.
    pub notes: Vec<String>,
}
