//! What is asked and not answered, and which clips are open: each request gets a first answer, each trigger a last one. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use proto::clip::Verdict;
use proto::control::Accepted;
use proto::event::TriggerOp;
use proto::refusal::Refusal;
use proto::time::MonotonicNs;
use serde::Serialize;

use super::line::BadLine;

/// An answer, a line of JSON. `id` is the request's, or the trigger's own where the request has none; `line` the number of
/// the line that the request was in, from 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    /// The request is on disk.
    Accepted {
        id: String,
        line: u64,
        op: TriggerOp,
        trigger_id: String,
        clip_id: String,
        path: String,
        pre_roll_ms: u64,
        asked_pre_roll_ms: u64,
        end_ns: Option<MonotonicNs>,
        notes: Vec<String>,
    },
    /// The request was not done.
    Refused {
        id: Option<String>,
        line: u64,
        op: Option<TriggerOp>,
        /// Always null: what is refused has no clip.
        clip_id: Option<String>,
        reason: String,
        error: String,
    },
    /// The trigger's clip is finished.
    Finished { id: String, line: u64, clip_id: String, path: String, verdict: Verdict, complete: bool },
    /// The trigger's clip won't be finished by this supervisor.
    Failed { id: String, line: u64, clip_id: String, path: String, reason: String, error: String },
}

/// A request that waits for its first answer.
#[derive(Debug)]
struct Unanswered {
    line: u64,
    id: Option<String>,
    op: TriggerOp,
}

/// A clip that is open, and the triggers that wait for it.
#[derive(Debug)]
struct OpenClip {
    clip_id: String,
    /// In the order in which they were accepted: the id under which each was asked for, and its line.
    triggers: Vec<(String, u64)>,
    known: HashSet<String>,
}

/// What an acceptance brings besides its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    None,
    /// Its clip was not among the open ones.
    Clip,
}

/// The book.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// By the request's number.
    unanswered: HashMap<u64, Unanswered>,
    /// By the clip's folder.
    open: BTreeMap<String, OpenClip>,
    /// Answers that are still to be printed.
    answers: Vec<Answer>,
    /// No further line comes.
    pub(super) is_at_end: bool,
}

impl Book {
    /// A request is sent.
    pub(super) fn ask(&mut self, number: u64, line: u64, id: Option<String>, op: TriggerOp) {
        self.unanswered.insert(number, Unanswered { line, id, op });
    }

    /// A line is no request.
    pub(super) fn bad_line(&mut self, line: u64, bad: BadLine) {
        let BadLine { id, op, why } = bad;
        self.answers.push(Answer::Refused {
            id,
            line,
            op,
            clip_id: None,
            reason: "bad_line".into(),
            error: why,
        });
    }

    /// A request was accepted.
    pub(super) fn accepted(&mut self, number: u64, accepted: Accepted) -> News {
        let Some(Unanswered { line, id, op }) = self.unanswered.remove(&number) else { return News::None };
        let Accepted { trigger_id, clip_id, path, pre_roll_ms, asked_pre_roll_ms, end_ns, notes } = accepted;
        let asked_id = id.unwrap_or_else(|| trigger_id.clone());
        let news = if self.open.contains_key(&path) { News::None } else { News::Clip };
        let clip = self.open.entry(path.clone()).or_insert_with(|| OpenClip {
            clip_id: clip_id.clone(),
            triggers: Vec::new(),
            known: HashSet::new(),
        });
        // An end and an extension are of a trigger that has its last answer coming, if it was asked for here.
        if clip.known.insert(trigger_id.clone()) {
            clip.triggers.push((if op.is_new() { asked_id.clone() } else { trigger_id.clone() }, line));
        }
        self.answers.push(Answer::Accepted {
            id: asked_id,
            line,
            op,
            trigger_id,
            clip_id,
            path,
            pre_roll_ms,
            asked_pre_roll_ms,
            end_ns,
            notes,
        });
        news
    }

    /// A request was refused.
    pub(super) fn refused(&mut self, number: u64, refusal: &Refusal) {
        self.refuse(number, refusal.reason(), refusal.to_string());
    }

    fn refuse(&mut self, number: u64, reason: String, error: String) {
        let Some(Unanswered { line, id, op }) = self.unanswered.remove(&number) else { return };
        self.answers.push(Answer::Refused { id, line, op: Some(op), clip_id: None, reason, error });
    }

    /// A clip has its manifest.
    pub(super) fn finished(&mut self, path: &str, verdict: Verdict, complete: bool) {
        self.last(path, |id, line, clip_id| Answer::Finished {
            id,
            line,
            clip_id,
            path: path.to_owned(),
            verdict,
            complete,
        })
    }

    /// A clip comes to no end that could be told.
    pub(super) fn failed(&mut self, path: &str, reason: &str, error: &str) {
        self.last(path, |id, line, clip_id| Answer::Failed {
            id,
            line,
            clip_id,
            path: path.to_owned(),
            reason: reason.to_owned(),
            error: error.to_owned(),
        })
    }

    fn last(&mut self, path: &str, answer: impl Fn(String, u64, String) -> Answer) {
        let Some(OpenClip { clip_id, triggers, .. }) = self.open.remove(path) else { return };
        self.answers.extend(triggers.into_iter().map(|(id, line)| answer(id, line, clip_id.clone())));
    }

    /// The supervisor is gone: nothing more will be answered.
    pub(super) fn give_up(&mut self) {
        let mut numbers: Vec<u64> = self.unanswered.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let error =
                "the supervisor has ended before it answered; whether it was done is in the clips' manifests";
            self.refuse(number, "no_answer".into(), error.into());
        }
        for path in self.open() {
            let error = "the supervisor has ended before the clip was finished; its plan is on disk, so the next one finishes it";
            self.failed(&path, "ended_before_clip", error);
        }
    }

    /// The answers since the last call.
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    /// The folders of the clips that are open.
    pub(super) fn open(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }

    /// Everything is answered, and nothing more is asked.
    pub(super) fn is_done(&self) -> bool {
        self.is_at_end && self.unanswered.is_empty() && self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn accepted(trigger_id: &str, clip: &str) -> Accepted {
        Accepted {
            trigger_id: trigger_id.into(),
            clip_id: clip.into(),
            path: format!("/run/{clip}"),
            pre_roll_ms: 400,
            asked_pre_roll_ms: 500,
            end_ns: None,
            notes: Vec::new(),
        }
    }

    /// Asks and has it accepted.
    fn accept(book: &mut Book, line: u64, id: Option<&str>, op: TriggerOp, accepted: Accepted) -> News {
        book.ask(line, line, id.map(str::to_owned), op);
        book.accepted(line, accepted)
    }

    /// The answers since, by what they are, whose, and of which line.
    fn answers(book: &mut Book) -> Vec<(String, Value, u64)> {
        let of = |answer: Answer| {
            let json = serde_json::to_value(answer).unwrap();
            (json["answer"].as_str().unwrap().to_owned(), json["id"].clone(), json["line"].as_u64().unwrap())
        };
        book.take_answers().into_iter().map(of).collect()
    }

    fn answer(what: &str, id: impl Into<Value>, line: u64) -> (String, Value, u64) {
        (what.to_owned(), id.into(), line)
    }

    #[test]
    fn each_request_has_a_first_answer_and_each_trigger_a_last_one() {
        let mut book = Book::default();
        assert_eq!(accept(&mut book, 1, Some("a"), TriggerOp::Begin, accepted("a", "clip-1")), News::Clip);
        assert_eq!(accept(&mut book, 2, None, TriggerOp::Trigger, accepted("made-2", "clip-1")), News::None);
        // By the clip's id, so that it is another one than the trigger's.
        accept(&mut book, 3, Some("clip-1"), TriggerOp::End, accepted("a", "clip-1"));
        book.ask(4, 4, Some("b".into()), TriggerOp::Trigger);
        book.refused(4, &Refusal::NoLength);
        assert_eq!(
            answers(&mut book),
            [
                answer("accepted", "a", 1),
                answer("accepted", "made-2", 2),
                answer("accepted", "clip-1", 3),
                answer("refused", "b", 4)
            ]
        );
        book.is_at_end = true;
        assert!(!book.is_done(), "a clip is open");
        book.finished("/run/clip-9", Verdict::Complete, true);
        book.finished("/run/clip-1", Verdict::Complete, true);
        book.finished("/run/clip-1", Verdict::Complete, true);
        assert_eq!(answers(&mut book), [answer("finished", "a", 1), answer("finished", "made-2", 2)]);
        assert!(book.is_done());
    }

    #[test]
    fn the_end_of_a_trigger_that_another_program_has_begun_has_a_last_answer_too() {
        let mut book = Book::default();
        accept(&mut book, 1, Some("other"), TriggerOp::End, accepted("other", "clip-1"));
        book.finished("/run/clip-1", Verdict::Gaps, false);
        assert_eq!(answers(&mut book), [answer("accepted", "other", 1), answer("finished", "other", 1)]);
    }

    #[test]
    fn when_the_supervisor_is_gone_everything_that_waits_is_told_so() {
        let mut book = Book::default();
        accept(&mut book, 1, Some("a"), TriggerOp::Trigger, accepted("a", "clip-1"));
        book.ask(2, 2, None, TriggerOp::Trigger);
        book.bad_line(3, BadLine { id: None, op: None, why: "no JSON".into() });
        book.give_up();
        assert_eq!(
            answers(&mut book),
            [
                answer("accepted", "a", 1),
                answer("refused", Value::Null, 3),
                answer("refused", Value::Null, 2),
                answer("failed", "a", 1)
            ]
        );
    }

    #[test]
    fn a_refusal_has_a_word_for_programs_and_no_clip() {
        let mut book = Book::default();
        book.ask(7, 7, None, TriggerOp::Trigger);
        book.refused(7, &Refusal::NoLength);
        let json = serde_json::to_value(&book.take_answers()[0]).unwrap();
        assert_eq!(
            json,
            json!({ "answer": "refused", "id": null, "line": 7, "op": "trigger", "clip_id": null, "reason": "no_length",
                    "error": Refusal::NoLength.to_string() })
        );
    }
}
