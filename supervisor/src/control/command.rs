//! The answer to each request, made on a thread of its own. Only what changes processes goes to the loop; everything else is
//! read where it is kept, so that no command can hold the loop up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use proto::clip::clip_name;
use proto::control::{Accepted, Request, Response, TriggerRequest};
use proto::event::{Event as Happened, Removal, TriggerOp};
use proto::failpoint;
use proto::priority;
use proto::refusal::Refusal;
use proto::time::MonotonicNs;

use super::waiting::Waiting;
use super::{Replier, STACK_BYTES, UnderWay};
use crate::clips::{Clips, Phase};
use crate::events::{Event, LoopRequest};
use crate::settled::Settled;
use crate::statistics::Statistics;
use crate::trigger::plan;
use crate::trigger::{Triggers, beginning};

/// A disk that takes longer than this to take a plan, or to flush it, has stalled. Both fit into the time in which a
/// command expects its answer.
const DISK_PATIENCE: Duration = Duration::from_secs(4);
/// The time that a plan's flush has to itself before the recorder is told of the clip. Encoders take the processor at once,
/// and would double the time to a trigger's answer; a longer wait would take from the ring's reserve.
const HEAD_START: Duration = Duration::from_millis(20);

/// Everything that a command's thread needs. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) triggers: Arc<Triggers>,
    pub(crate) clips: Arc<Clips>,
    pub(crate) statistics: Arc<Statistics>,
    /// The way to the loop.
    pub(crate) events: Sender<Event>,
    /// The requests that have an answer coming.
    pub(crate) under_way: Arc<UnderWay>,
    /// The requests that wait for the end of their clip.
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) settled: Arc<Settled>,
}

/// Has a request answered. Refused when no thread can be had for it; then nothing was done.
pub(super) fn serve(replier: Replier, request: Request, shared: &Shared) -> Result<(), Refusal> {
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
        Request::Trigger(request) => return trigger(replier, &request, shared),
        Request::Stats => {
            // This thread ends with its answer.
            priority::set(priority::STATISTICS);
            Ok(Response::Stats(Box::new(shared.statistics.document())))
        }
        Request::Codecs => ask_the_loop(LoopRequest::Codecs, &shared.events),
        Request::Restart(what) => ask_the_loop(LoopRequest::Restart(what), &shared.events),
        Request::Stop => ask_the_loop(LoopRequest::Stop, &shared.events),
        Request::ClipRemoved { clip_id, path, bytes } => {
            shared.clips.events().emit(Happened::ClipRemoved { clip_id, path, bytes, why: Removal::Command });
            Ok(Response::Done("told".to_owned()))
        }
        // The connection's own business, which it has seen to.
        Request::Subscribe { .. } => return,
    };
    replier.answer(answer);
}

fn ask_the_loop(request: LoopRequest, events: &Sender<Event>) -> Result<Response, Refusal> {
    let (reply, answer) = channel();
    events.send(Event::Request { request, reply }).map_err(|_| Refusal::Ending)?;
    answer.recv().unwrap_or(Err(Refusal::Ending))
}

/// Answers a trigger, and has it answered again when its clip is finished if it waits for that.
fn trigger(replier: Replier, request: &TriggerRequest, shared: &Shared) {
    let (accepted, folder) = match take(request, shared) {
        Ok(taken) => taken,
        Err(refusal) => {
            tell_refused(request, &refusal, shared);
            return replier.answer(Err(refusal));
        }
    };
    failpoint::pass("plan.synced", folder.display());
    let clip_id = accepted.clip_id.clone();
    // A trigger that was accepted is worth captures that outlive this supervisor, and it is known to nobody before they do.
    shared.settled.settle();
    shared.clips.events().emit(Happened::TriggerAccepted {
        id: plan::trigger_id(shared.clips.run_folder(), &clip_id),
        clip_id: clip_id.clone(),
        path: accepted.path.clone(),
        op: TriggerOp::Trigger,
        label: request.label.clone(),
        at_ns: request.at,
    });
    replier.answer(Ok(Response::Accepted(accepted)));
    if request.wait {
        shared.waiting.add(folder, clip_id, replier);
    }
}

/// Tells those who follow the events of a trigger that was refused. Texts come as typed, so they are cut.
fn tell_refused(request: &TriggerRequest, refusal: &Refusal, shared: &Shared) {
    shared.clips.events().emit(Happened::TriggerRefused {
        id: None,
        op: TriggerOp::Trigger,
        label: request.label.as_deref().map(beginning),
        reason: refusal.reason(),
        error: refusal.to_string(),
    });
}

/// Has the trigger's plan written and flushed, and waits for both no longer than the disk may take.
fn take(request: &TriggerRequest, shared: &Shared) -> Result<(Accepted, PathBuf), Refusal> {
    if shared.clips.phase() > Phase::Running {
        return Err(Refusal::EndingTrigger);
    }
    let recorder = Arc::new(ToldOnce { events: shared.events.clone(), told: AtomicBool::new(false) });
    let steps = plan(request, shared, &recorder).map_err(|e| Refusal::NoThread { error: e.to_string() })?;
    let run_folder = shared.clips.run_folder();
    let (mut accepted, folder) = written(&steps, run_folder, DISK_PATIENCE)?;
    let in_time = steps.recv_timeout(HEAD_START);
    recorder.tell(&folder);
    let flushed = match in_time {
        Err(RecvTimeoutError::Timeout) => flushed(steps.recv_timeout(DISK_PATIENCE)),
        other => flushed(other),
    };
    if let Err(e) = flushed {
        tracing::error!(
            clip = &*clip_name(&folder),
            "clip {}: its plan may not be on the disk yet: {e}",
            folder.display()
        );
        accepted
            .notes
            .push(format!("the plan may not be on the disk yet, so it may not outlive a power cut: {e}"));
    }
    Ok((accepted, folder))
}

/// The way on which the recorder is told of a clip, by one of two threads, once.
struct ToldOnce {
    events: Sender<Event>,
    told: AtomicBool,
}

impl ToldOnce {
    fn tell(&self, folder: &Path) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let _ = self.events.send(Event::Planned(folder.to_owned()));
        }
    }
}

/// A step of the thread that takes a trigger.
enum Step {
    /// The plan is written, or the trigger is refused.
    Written(Result<(Accepted, PathBuf), Refusal>),
    /// The plan was flushed to the disk.
    Flushed(io::Result<()>),
}

/// Takes a trigger on a thread of its own: a disk that hangs must not keep the command without an answer.
fn plan(request: &TriggerRequest, shared: &Shared, recorder: &Arc<ToldOnce>) -> io::Result<Receiver<Step>> {
    let (step, steps) = channel();
    let (request, shared, recorder) = (request.clone(), shared.clone(), Arc::clone(recorder));
    let now = MonotonicNs::now();
    std::thread::Builder::new().name("plan".into()).stack_size(STACK_BYTES).spawn(move || {
        let taken = shared.triggers.accept(&request, now);
        let folder = taken.as_ref().ok().map(|(_, folder)| folder.clone());
        if let Some(folder) = &folder {
            failpoint::pass("plan.written", folder.display());
        }
        // The command may have been answered by now: that the disk has stalled. Then nobody else tells the recorder.
        let is_heard = step.send(Step::Written(taken)).is_ok();
        if let Some(folder) = &folder {
            if !is_heard {
                recorder.tell(folder);
            }
            let flushed = plan::sync_plan(folder);
            recorder.tell(folder);
            let _ = step.send(Step::Flushed(flushed));
        }
    })?;
    Ok(steps)
}

/// Waits for the first step.
fn written(
    steps: &Receiver<Step>,
    run_folder: &Path,
    at_most: Duration,
) -> Result<(Accepted, PathBuf), Refusal> {
    match steps.recv_timeout(at_most) {
        Ok(Step::Written(taken)) => taken,
        Err(RecvTimeoutError::Disconnected) => Err(Refusal::PlanFailed),
        Ok(Step::Flushed(_)) | Err(RecvTimeoutError::Timeout) => {
            Err(Refusal::DiskStalled { folder: run_folder.to_owned(), waited_s: at_most.as_secs() })
        }
    }
}

/// The second step. The error is for a person: the plan is written all the same.
fn flushed(step: Result<Step, RecvTimeoutError>) -> Result<(), String> {
    match step {
        Ok(Step::Flushed(flushed)) => flushed.map_err(|e| e.to_string()),
        Err(RecvTimeoutError::Disconnected) => Err("the thread that flushes it has ended".to_owned()),
        Ok(Step::Written(_)) | Err(RecvTimeoutError::Timeout) => {
            Err(format!("the disk has not answered for {} s", DISK_PATIENCE.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(5);

    fn accepted() -> (Accepted, PathBuf) {
        let accepted = Accepted {
            clip_id: "clip-0001".into(),
            path: "/run_1/clip-0001".into(),
            pre_roll_ms: 500,
            asked_pre_roll_ms: 500,
            notes: Vec::new(),
        };
        (accepted, "/run_1/clip-0001".into())
    }

    #[test]
    fn a_disk_that_takes_a_plan_and_flushes_it_costs_no_note() {
        let (step, steps) = channel();
        step.send(Step::Written(Ok(accepted()))).unwrap();
        step.send(Step::Flushed(Ok(()))).unwrap();
        assert_eq!(written(&steps, Path::new("/run_1"), SOON), Ok(accepted()));
        assert_eq!(flushed(steps.recv_timeout(SOON)), Ok(()));
    }

    #[test]
    fn a_disk_that_hangs_is_named_in_the_refusal() {
        let (_step, steps) = channel();
        let refusal = written(&steps, Path::new("/run_1"), SOON).unwrap_err();
        assert_eq!(refusal, Refusal::DiskStalled { folder: "/run_1".into(), waited_s: 0 });
        assert!(flushed(steps.recv_timeout(SOON)).unwrap_err().contains("has not answered"));
    }

    #[test]
    fn a_recorder_is_told_of_a_clip_once() {
        let (events, told) = channel();
        let recorder = ToldOnce { events, told: AtomicBool::new(false) };
        (0..2).for_each(|_| recorder.tell(Path::new("/run_1/clip-0001")));
        assert_eq!(told.try_iter().count(), 1);
    }

    #[test]
    fn a_thread_that_ends_without_a_word_is_no_stalled_disk() {
        let (step, steps) = channel();
        drop(step);
        assert_eq!(written(&steps, Path::new("/run_1"), SOON), Err(Refusal::PlanFailed));
        assert!(flushed(steps.recv_timeout(SOON)).unwrap_err().contains("has ended"));
    }

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
