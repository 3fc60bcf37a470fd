//! The vocabulary of the control socket, version 2: requests of commands, and the supervisor's answers. A connection begins
//! with a greeting of both sides ([`crate::wire::hello`]); then it carries any number of requests, each with a number of its
//! own, and answers in any order. How a message travels (its frame, its cap, its deadline) is in [`crate::wire`]; why a
//! request was not done is in [`crate::refusal`]. Why it is made so: docs/decisions/control.md.

use serde::{Deserialize, Serialize};

use crate::event::LoggedEvent;
use crate::ladder::EncoderLadder;
use crate::name::Name;
use crate::refusal::Refusal;
use crate::stats::Stats;
use crate::wire::{MAX_BYTES, Message};

mod trigger;

pub use trigger::{Accepted, EndRequest, ExtendRequest, TriggerRequest};

/// The number of what concerns the whole connection instead of a request.
pub const WHOLE_CONNECTION: u64 = 0;

/// A request as it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The number that its answers have: any but [`WHOLE_CONNECTION`], and none of a request that waits for an answer.
    pub id: u64,
    /// The request.
    pub request: Request,
}

/// An answer as it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The number of the request that it answers, or [`WHOLE_CONNECTION`].
    pub id: u64,
    /// The answer.
    pub response: Response,
}

/// The values of `meta` are 64 KiB, the names of 256 cameras 16 KiB, and nothing else in a request is as long.
impl Message for Asked {
    const MAX_BYTES: usize = 96 * 1024;
}

/// Stats of a hundred cameras are well under it.
impl Message for Told {
    const MAX_BYTES: usize = MAX_BYTES;
}

/// A command's request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Record a clip.
    Trigger(TriggerRequest),
    /// End a trigger that was begun.
    End(EndRequest),
    /// Move the end of a trigger.
    Extend(ExtendRequest),
    /// The stats document.
    Stats,
    /// Each camera's encoder ladder, with everything that was tried.
    Codecs,
    /// End a child and start it again: "recorder" or a camera's name.
    Restart(String),
    /// End everything in order.
    Stop,
    /// Tell this connection every event from the one after this number on, as far as they are kept; 0 for all, and none for
    /// those alone that are still to come. A number that no event has had yet, as of an earlier supervisor, stands for 0.
    Subscribe {
        /// The number of the last event that is known.
        since: Option<u64>,
    },
    /// A clip was removed from the disk: tell it to all who follow the events.
    ClipRemoved {
        /// The clip's name.
        clip_id: String,
        /// The folder that it had.
        path: String,
        /// The bytes that its files took.
        bytes: u64,
    },
}

/// The supervisor's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The trigger, its end or its extension is on disk; the clip will exist and hold it.
    Accepted(Accepted),
    /// The clip of a trigger that waits is finished: its manifest is in its folder. The manifest itself is not sent,
    /// since it can be larger than any message.
    Finished,
    /// The stats document.
    Stats(Box<Stats>),
    /// Each camera's encoder ladder, in the config's order.
    Codecs(Vec<(Name, EncoderLadder)>),
    /// The request has been done; a sentence for the person.
    Done(String),
    /// Events follow, as [`Response::Event`]s of the same request.
    Subscribed {
        /// The number of the newest event there is; 0 if there is none.
        newest: u64,
    },
    /// Something has happened.
    Event(LoggedEvent),
    /// The request has not been done.
    Refused(Refusal),
}
