//! The answer to each request. Those about triggers go to [`crate::trigger`], which answers them when they are on the disk;
//! what changes processes goes to the loop; everything else is read where it is kept, on a thread of its own, so that no
//! command can hold the loop up.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use proto::control::{Request, Response};
use proto::event::{Event, Removal, TriggerOp};
use proto::priority;
use proto::refusal::Refusal;
use proto::time::MonotonicNs;

use super::waiting::Waiting;
use super::{Replier, STACK_BYTES, UnderWay};
use crate::clips::Clips;
use crate::loop_events::{LoopEvent, LoopRequest};
use crate::statistics::Statistics;
use crate::trigger::wish::beginning;
use crate::trigger::{Taken, Triggers, Wanted};

/// Everything that a command's thread needs. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) triggers: Arc<Triggers>,
    pub(crate) clips: Arc<Clips>,
    pub(crate) statistics: Arc<Statistics>,
    /// The way to the loop.
    pub(crate) events: Sender<LoopEvent>,
    /// The requests that have an answer coming.
    pub(crate) under_way: Arc<UnderWay>,
    /// The requests that wait for the end of their clip.
    pub(crate) waiting: Arc<Waiting>,
}

/// Has a request answered. Refused when no thread can be had for it; then nothing was done.
pub(super) fn serve(replier: Replier, request: Request, shared: &Shared) -> Result<(), Refusal> {
    let wanted = match request {
        Request::Trigger(request) => Wanted::Trigger(request),
        Request::End(request) => Wanted::End(request),
        Request::Extend(request) => Wanted::Extend(request),
        other => return answer_by_a_thread(replier, other, shared),
    };
    trigger(replier, wanted, shared);
    Ok(())
}

fn answer_by_a_thread(replier: Replier, request: Request, shared: &Shared) -> Result<(), Refusal> {
    let shared = shared.clone();
    let spawned =
        std::thread::Builder::new().name("command".into()).stack_size(STACK_BYTES).spawn(move || {
            // If the command has gone away, what it asked for is done all the same.
            answer(replier, request, &shared);
        });
    spawned.map(drop).map_err(|e| {
        tracing::warn!("control socket: a command can't be answered: can't start a thread: {e}");
        Refusal::NoThread { error: e.to_string() }
    })
}

fn answer(replier: Replier, request: Request, shared: &Shared) {
    let answer = match request {
        Request::Stats => {
            // This thread ends with its answer.
            priority::set(priority::STATISTICS);
            Ok(Response::Stats(Box::new(shared.statistics.document())))
        }
        Request::Codecs => ask_the_loop(LoopRequest::Codecs, &shared.events),
        Request::Restart(what) => ask_the_loop(LoopRequest::Restart(what), &shared.events),
        Request::Stop => ask_the_loop(LoopRequest::Stop, &shared.events),
        Request::ClipRemoved { clip_id, path, bytes } => {
            shared.clips.events().emit(Event::ClipRemoved { clip_id, path, bytes, why: Removal::Command });
            Ok(Response::Done("told".to_owned()))
        }
        // The connection's own business, which it has seen to; and those about triggers, which don't come here.
        Request::Subscribe { .. } | Request::Trigger(_) | Request::End(_) | Request::Extend(_) => return,
    };
    replier.answer(answer);
}

fn ask_the_loop(request: LoopRequest, events: &Sender<LoopEvent>) -> Result<Response, Refusal> {
    let (reply, answer) = channel();
    events.send(LoopEvent::Request { request, reply }).map_err(|_| Refusal::Ending)?;
    answer.recv().unwrap_or(Err(Refusal::Ending))
}

/// Has a request about a trigger answered, and answered again when its clip is finished if it waits for that. Those who follow
/// the events are told of it first.
fn trigger(replier: Replier, wanted: Wanted, shared: &Shared) {
    let (said, clips, waiting) = (Said::of(&wanted), Arc::clone(&shared.clips), Arc::clone(&shared.waiting));
    let reply = move |answer: Result<Taken, Refusal>| match answer {
        Ok(Taken { accepted, folder }) => {
            let clip_id = accepted.clip_id.clone();
            clips.events().emit(Event::TriggerAccepted {
                id: accepted.trigger_id.clone(),
                clip_id: clip_id.clone(),
                path: accepted.path.clone(),
                op: said.op,
                label: said.label,
                at_ns: said.at.or(accepted.end_ns).unwrap_or_default(),
            });
            replier.answer(Ok(Response::Accepted(accepted)));
            if said.waits {
                waiting.add(folder, clip_id, replier);
            }
        }
        Err(refusal) => {
            clips.events().emit(Event::TriggerRefused {
                id: said.id.as_deref().map(beginning),
                op: said.op,
                label: said.label.as_deref().map(beginning),
                reason: refusal.reason(),
                error: refusal.to_string(),
            });
            replier.answer(Err(refusal));
        }
    };
    shared.triggers.ask(wanted, Box::new(reply));
}

/// What a request about a trigger says of itself. Texts come as typed.
struct Said {
    op: TriggerOp,
    id: Option<String>,
    label: Option<String>,
    /// The moment that it names. An extension names none.
    at: Option<MonotonicNs>,
    waits: bool,
}

impl Said {
    fn of(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Trigger(request) => Self {
                op: if request.begin { TriggerOp::Begin } else { TriggerOp::Trigger },
                id: request.id.clone(),
                label: request.label.clone(),
                at: Some(request.at),
                waits: request.wait,
            },
            Wanted::End(request) => Self {
                op: TriggerOp::End,
                id: Some(request.id.clone()),
                label: None,
                at: Some(request.at),
                waits: request.wait,
            },
            Wanted::Extend(request) => Self {
                op: TriggerOp::Extend,
                id: Some(request.id.clone()),
                label: None,
                at: None,
                waits: request.wait,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_is_gone_refuses_what_only_it_can_do() {
        let (events, loop_end) = channel();
        drop(loop_end);
        assert_eq!(ask_the_loop(LoopRequest::Codecs, &events), Err(Refusal::Ending));
        // The loop ends with the question in its queue.
        let (events, loop_end) = channel();
        let asks = std::thread::spawn(move || ask_the_loop(LoopRequest::Stop, &events));
        drop(loop_end.recv().unwrap());
        assert_eq!(asks.join().unwrap(), Err(Refusal::Ending));
    }
}
