//! The reasons why the supervisor does not do what a command asks: each with its exit code and its sentence. Where they
//! are shown is the command's business.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clip::MOST_ID_CHARS;
use crate::exit;

/// A request that was not done. Its JSON form is the reason's name (`too_many_open_clips`) with the figures that
/// belong to it, so that a program can tell reasons apart without reading the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The label can't be a part of a file name.
    #[error("--label: {why}")]
    BadLabel {
        /// The complaint of [`Name::new`](crate::name::Name::new).
        why: String,
    },
    /// The id can't be a trigger's.
    #[error("--id {id:?}: an id has 1 to {most} printable characters, and no space among them", most = MOST_ID_CHARS)]
    BadId {
        /// The beginning of the id.
        id: String,
    },
    /// A key or a value can't come with a trigger.
    #[error("--meta: {why}")]
    BadMeta {
        /// For a person: what is wrong with it.
        why: String,
    },
    /// The note can't come with a trigger.
    #[error("--note: {bytes} bytes are too long; a note has {at_most} at most")]
    NoteTooLong {
        /// The note's length.
        bytes: usize,
        /// The longest.
        at_most: usize,
    },
    /// A post-roll for a trigger that is begun.
    #[error("--begin takes no --post-ms, since the trigger lasts until it is ended; give it to --end")]
    PostRollOfBegun,
    /// No trigger of this run has the id, and no clip.
    #[error("{id:?}: no trigger of this run has this id, and no clip; {}", begun_are(begun))]
    UnknownTrigger {
        /// The beginning of the id that was asked for.
        id: String,
        /// The triggers that are begun, the newest first.
        begun: Vec<String>,
    },
    /// Several triggers may be meant.
    #[error("{id:?} may be several triggers: {}; name one of them", candidates.join(", "))]
    AmbiguousTrigger {
        /// The beginning of the id that was asked for.
        id: String,
        /// The triggers that may be meant.
        candidates: Vec<String>,
    },
    /// The trigger has ended.
    #[error("trigger {id} has ended, and its clip holds no more; trigger again for what comes")]
    TriggerEnded {
        /// The trigger's id, or the beginning of what was asked for.
        id: String,
    },
    /// An end for a trigger that has one.
    #[error("trigger {id} was not begun, so its window ends by itself; --extend gives it a later end")]
    NotBegun {
        /// The trigger's id.
        id: String,
    },
    /// A later end for a trigger that has none yet.
    #[error(
        "trigger {id} is begun and has no end yet that could be moved; end it with --end, and --post-ms for what is to come"
    )]
    NotEnded {
        /// The trigger's id.
        id: String,
    },
    /// An end before the trigger's moment.
    #[error("trigger {id} began {by_ms} ms after the moment that is to end it")]
    EndBeforeBegin {
        /// The trigger's id.
        id: String,
        /// The time between the two.
        by_ms: u64,
    },
    /// The trigger names a camera that the config does not have.
    #[error("--camera {name:?}: there is no such camera; there are {}", known.join(", "))]
    UnknownCamera {
        /// The beginning of the name that was asked for.
        name: String,
        /// The cameras that there are.
        known: Vec<String>,
    },
    /// Pre-roll and post-roll are both zero.
    #[error("--pre-ms and --post-ms: a clip of no length holds no frame; let one of them be more than 0")]
    NoLength,
    /// The post-roll is longer than any trigger may have.
    #[error("--post-ms: at most {at_most_ms} ms")]
    PostRollTooLong {
        /// The longest post-roll.
        at_most_ms: u64,
    },
    /// The trigger's time lies too far ahead.
    #[error(
        "the trigger names a time {ahead_ms} ms in the future, and at most {at_most_ms} ms (max_clip_ms) are taken; trigger \
         later, or set a larger max_clip_ms"
    )]
    InTheFuture {
        /// The distance to that time.
        ahead_ms: u64,
        /// The largest distance.
        at_most_ms: u64,
    },
    /// All frames of the trigger's window have been overwritten.
    #[error(
        "the trigger names a time {ago_ms} ms ago, and the rings reach back {reach_ms} ms: nothing of its window is left; \
         ask sooner, or set a larger late_ms"
    )]
    TooLongAgo {
        /// The distance to that time.
        ago_ms: u64,
        /// The age of the oldest moment that every ring still holds.
        reach_ms: u64,
    },
    /// `restart` names neither the recorder nor a camera.
    #[error("{name:?} is neither recorder nor a camera; there are {}", known.join(", "))]
    UnknownProcess {
        /// The beginning of the name that was asked for.
        name: String,
        /// The cameras that there are.
        known: Vec<String>,
    },
    /// As many clips are open as the config allows.
    #[error(
        "{} (max_open_clips); this moment was not recorded. Trigger again when one is finished, or ask for one \
         longer clip with --post-ms",
        open_already(*open)
    )]
    TooManyOpenClips {
        /// The clips that are open.
        open: usize,
    },
    /// The clip's plan could not be written, so nothing was promised.
    #[error("nothing was recorded: the clip's plan can't be written in {}: {error}", folder.display())]
    PlanNotWritten {
        /// The run's folder.
        folder: PathBuf,
        /// The system's or the disk check's complaint.
        error: String,
    },
    /// The end or the extension could not be written, so it doesn't hold.
    #[error("nothing was done: it can't be written to clip {clip_id} in {}: {error}", folder.display())]
    LineNotWritten {
        /// The clip's id.
        clip_id: String,
        /// The clip's folder.
        folder: PathBuf,
        /// The system's or the disk check's complaint.
        error: String,
    },
    /// The disk did not take the plan in time. Nobody knows yet whether it will.
    #[error(
        "disk stalled: {} has not answered for {waited_s} s; if it does, what the rings hold by then is recorded",
        folder.display()
    )]
    DiskStalled {
        /// The run's folder.
        folder: PathBuf,
        /// The time that was waited.
        waited_s: u64,
    },
    /// The thread that wrote the plan has ended without a word.
    #[error("the supervisor failed while it wrote the plan of this trigger; its log says why")]
    PlanFailed,
    /// The supervisor may have no more threads.
    #[error("the supervisor can't start a thread for this command: {error}; nothing was done")]
    NoThread {
        /// The system's complaint.
        error: String,
    },
    /// A trigger came while everything is being ended.
    #[error("the supervisor is ending; this moment was not recorded")]
    EndingTrigger,
    /// Any other command came while everything is being ended.
    #[error("the supervisor is ending; nothing was done")]
    Ending,
    /// The supervisor has ended before the clip was finished.
    #[error(
        "clip {clip_id} is not finished: the supervisor has ended; its plan is on disk, so the next supervisor \
         finishes it"
    )]
    EndedBeforeClip {
        /// The clip.
        clip_id: String,
    },
    /// The clip's folder, or its plan, was removed by somebody.
    #[error("clip {clip_id} was removed before it was finished: {}", folder.display())]
    ClipRemoved {
        /// The clip.
        clip_id: String,
        /// The clip's folder.
        folder: PathBuf,
    },
    /// The recorder has given the clip up.
    #[error(
        "clip {clip_id} is given up, and {} has no manifest that can be read; the supervisor's log says why",
        folder.display()
    )]
    ClipLost {
        /// The clip.
        clip_id: String,
        /// The clip's folder.
        folder: PathBuf,
    },
    /// The recorder has not tried the codecs yet.
    #[error("the codecs are still being probed; ask again in a second")]
    CodecsNotProbed,
    /// The command's process is none that the supervisor's pid namespace knows.
    #[error(
        "this command runs in another pid namespace than the supervisor, such as outside of its container, so neither knows \
         the other's processes; run it where the supervisor runs, such as with docker exec; nothing was done"
    )]
    OtherPidNamespace,
    /// The request took too long to arrive.
    #[error("the request took longer than {at_most_s} s to arrive; nothing was done")]
    RequestTooSlow {
        /// The longest time.
        at_most_s: u64,
    },
    /// The bytes that came are no request.
    #[error("the request can't be understood: {why}; are both programs of one version?")]
    NotUnderstood {
        /// The decoder's complaint.
        why: String,
    },
    /// More connections are open than are listened to, and this one had said nothing yet.
    #[error("too many other connections are waiting to be heard; ask again")]
    TooManyConnections,
    /// As many connections follow the events as may.
    #[error("{at_most} connections follow the events already, and no more may; end one of them")]
    TooManySubscribers {
        /// The most that may.
        at_most: usize,
    },
    /// As many requests wait for the end of their clips as may.
    #[error(
        "clip {clip_id} is accepted, and its end isn't told: {at_most} commands wait for clips already; it is finished when \
         its manifest is in {}",
        folder.display()
    )]
    TooManyWaiting {
        /// The most that may.
        at_most: usize,
        /// The clip.
        clip_id: String,
        /// The clip's folder.
        folder: PathBuf,
    },
    /// The answer is larger than a message may be.
    #[error("the answer of {bytes} bytes is over the limit of {at_most}")]
    AnswerTooLarge {
        /// The answer's size.
        bytes: usize,
        /// The limit.
        at_most: usize,
    },
}

impl Refusal {
    /// The reason's name, which programs go by: the one word of its JSON form.
    #[must_use]
    pub fn reason(&self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(name)) => name,
            Ok(Value::Object(named)) => named.keys().next().cloned().unwrap_or_default(),
            // A refusal has no other form.
            _ => String::new(),
        }
    }

    /// The code that the command ends with: [`exit::BAD_INPUT`] where another request would be done at this moment,
    /// [`exit::FAILED`] where the same request may be done later.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BadLabel { .. }
            | Self::BadId { .. }
            | Self::BadMeta { .. }
            | Self::NoteTooLong { .. }
            | Self::PostRollOfBegun
            | Self::UnknownTrigger { .. }
            | Self::AmbiguousTrigger { .. }
            | Self::TriggerEnded { .. }
            | Self::NotBegun { .. }
            | Self::NotEnded { .. }
            | Self::EndBeforeBegin { .. }
            | Self::UnknownCamera { .. }
            | Self::NoLength
            | Self::PostRollTooLong { .. }
            | Self::InTheFuture { .. }
            | Self::TooLongAgo { .. }
            | Self::UnknownProcess { .. } => exit::BAD_INPUT,
            Self::TooManyOpenClips { .. }
            | Self::PlanNotWritten { .. }
            | Self::LineNotWritten { .. }
            | Self::DiskStalled { .. }
            | Self::PlanFailed
            | Self::NoThread { .. }
            | Self::EndingTrigger
            | Self::Ending
            | Self::EndedBeforeClip { .. }
            | Self::ClipRemoved { .. }
            | Self::ClipLost { .. }
            | Self::CodecsNotProbed
            | Self::OtherPidNamespace
            | Self::RequestTooSlow { .. }
            | Self::NotUnderstood { .. }
            | Self::TooManyConnections
            | Self::TooManySubscribers { .. }
            | Self::TooManyWaiting { .. }
            | Self::AnswerTooLarge { .. } => exit::FAILED,
        }
    }
}

fn begun_are(begun: &[String]) -> String {
    if begun.is_empty() { "none is begun".to_owned() } else { format!("begun are {}", begun.join(", ")) }
}

fn open_already(clips: usize) -> String {
    if clips == 1 { "1 clip is open already".to_owned() } else { format!("{clips} clips are open already") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_the_reason_and_a_person_the_sentence() {
        let refusal = Refusal::TooManyOpenClips { open: 1 };
        assert_eq!(
            serde_json::to_value(&refusal).unwrap(),
            serde_json::json!({ "too_many_open_clips": { "open": 1 } })
        );
        assert!(refusal.to_string().starts_with("1 clip is open already (max_open_clips)"), "{refusal}");
        assert!(Refusal::TooManyOpenClips { open: 4 }.to_string().starts_with("4 clips are open"));
        assert_eq!(serde_json::to_value(Refusal::NoLength).unwrap(), "no_length");
        assert_eq!(
            (refusal.reason(), Refusal::NoLength.reason()),
            ("too_many_open_clips".into(), "no_length".into())
        );
    }

    #[test]
    fn bad_input_and_bad_luck_have_codes_of_their_own() {
        assert_eq!(Refusal::InTheFuture { ahead_ms: 3, at_most_ms: 2 }.exit_code(), exit::BAD_INPUT);
        assert_eq!(Refusal::TriggerEnded { id: "a".into() }.exit_code(), exit::BAD_INPUT);
        let unknown = |begun: &[&str]| Refusal::UnknownTrigger {
            id: "x".into(),
            begun: begun.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert!(unknown(&[]).to_string().ends_with("; none is begun"), "{}", unknown(&[]));
        assert!(unknown(&["a", "b"]).to_string().ends_with("; begun are a, b"));
        assert_eq!(Refusal::EndingTrigger.exit_code(), exit::FAILED);
    }
}
