//! `supervisor trigger`: the request from the command line, and the JSON that it prints.

use std::path::Path;
use std::time::Duration;

use proto::by_camera::ByCamera;
use proto::clip::{CameraClip, Gap, Interruption, Manifest, Verdict};
use proto::control::{Accepted, EndRequest, ExtendRequest, Request, Response, TriggerRequest};
use proto::exit;
use proto::name::Name;
use proto::time::{MonotonicNs, WallAnchor};
use serde::Serialize;

use super::client::{Address, Client, unexpected};
use super::moment::{self, Moment};
use super::print;
use super::progress::Progress;
use crate::cli::TriggerArgs;
use crate::failure::Failure;
use crate::trigger::plan;

/// The JSON document.
#[derive(Serialize)]
struct Answer<'a> {
    trigger_id: &'a str,
    clip_id: &'a str,
    path: &'a str,
    pre_roll_ms: u64,
    asked_pre_roll_ms: u64,
    /// Null as long as it is begun and not ended.
    end_ns: Option<MonotonicNs>,
    notes: &'a [String],
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    finished: Option<FinishedAnswer<'a>>,
}

/// The part that is known only when the clip is finished.
#[derive(Serialize)]
struct FinishedAnswer<'a> {
    verdict: Verdict,
    complete: bool,
    ended_early: bool,
    cameras: ByCamera<CameraAnswer<'a>>,
}

#[derive(Serialize)]
struct CameraAnswer<'a> {
    file: Option<&'a str>,
    frames_expected: u64,
    frames_written: u64,
    gaps: &'a [Gap],
    /// The number of them. Scripts read it since before there was the list.
    interruptions: usize,
    /// The same list as the manifest's `interruptions`.
    interrupted: &'a [Interruption],
}

/// Triggers, and waits for the clip if that is asked for.
pub(crate) fn trigger(of: &Address, args: &TriggerArgs) -> Result<u8, Failure> {
    let request = request(args, MonotonicNs::now())?;
    let mut client = Client::connect(of)?;
    let accepted = match client.ask(request)? {
        Response::Accepted(accepted) => accepted,
        other => return Err(unexpected(&other)),
    };
    if !args.wait {
        print(&Answer::to(&accepted, None))?;
        return Ok(exit::DONE);
    }
    let second = {
        let mut progress = Progress::for_a_person(of, &accepted.clip_id);
        client.await_second(args.timeout, || progress.iter_mut().for_each(Progress::show))
    };
    match second {
        Ok(Some(Response::Finished)) => finished(&accepted),
        Ok(Some(other)) => Err(unexpected(&other)),
        Ok(None) => {
            print(&Answer::to(&accepted, None))?;
            Err(Failure::TimedOut(format!(
                "clip {} is not finished yet, and the time of --timeout is over; it goes on, and is finished when its manifest \
                 is in {}",
                accepted.clip_id, accepted.path
            )))
        }
        Err(failure) => {
            print(&Answer::to(&accepted, None))?;
            Err(unfinished(&accepted, failure))
        }
    }
}

/// The request as typed. The supervisor checks all of it once more; a label that can't be right is refused here too,
/// so that the answer is the same whether a supervisor runs or not.
fn request(args: &TriggerArgs, now: MonotonicNs) -> Result<Request, Failure> {
    if let Some([id, by]) = args.length.extend.as_deref() {
        let by_ms = by.parse().map_err(|_| {
            Failure::bad_input(format!(
                "--extend {id} {by:?}: must be milliseconds, a whole number such as 1000"
            ))
        })?;
        return Ok(Request::Extend(ExtendRequest { id: id.clone(), by_ms, wait: args.wait }));
    }
    if let Some(id) = &args.length.end {
        let Moment { at, is_whole_second } = named_moment(args, now)?;
        return Ok(Request::End(EndRequest {
            id: id.clone(),
            at,
            at_whole_second: is_whole_second,
            post_ms: args.post_ms,
            wait: args.wait,
        }));
    }
    if let Some(label) = &args.label {
        Name::new(label).map_err(|e| Failure::bad_input(format!("--label: {e}")))?;
    }
    let Moment { at, is_whole_second } = named_moment(args, now)?;
    Ok(Request::Trigger(TriggerRequest {
        label: args.label.clone(),
        cameras: args.cameras.clone(),
        at,
        at_whole_second: is_whole_second,
        pre_ms: args.pre_ms,
        post_ms: args.post_ms,
        begin: args.length.begin,
        id: args.brings.id.clone(),
        meta: args.brings.meta.clone(),
        note: args.brings.note.clone(),
        wait: args.wait,
    }))
}

/// The moment that `--at` or `--ago` names; now without either.
fn named_moment(args: &TriggerArgs, now: MonotonicNs) -> Result<Moment, Failure> {
    let exact = |at| Moment { at, is_whole_second: false };
    if let Some(ago) = &args.ago {
        let ms: u64 = ago.parse().map_err(|_| {
            Failure::bad_input(format!("--ago {ago:?}: must be milliseconds, a whole number such as 400"))
        })?;
        return Ok(exact(now.before(Duration::from_millis(ms))));
    }
    let Some(at) = &args.at else { return Ok(exact(now)) };
    moment::parse(at, WallAnchor::now()).map_err(|why| Failure::bad_input(format!("--at {at:?}: {why}")))
}

/// The clip has its manifest, which says whether all of it is there.
fn finished(accepted: &Accepted) -> Result<u8, Failure> {
    let manifest = plan::manifest(Path::new(&accepted.path));
    print(&Answer::to(accepted, manifest.as_ref()))?;
    match manifest {
        None => Err(Failure::failed(format!(
            "clip {} is finished, but its manifest in {} can't be read",
            accepted.clip_id, accepted.path
        ))),
        Some(manifest) if manifest.verdict == Verdict::Complete => Ok(exit::DONE),
        Some(manifest) => Err(Failure::Incomplete(incompleteness(accepted, &manifest))),
    }
}

/// A refusal says all there is to say. A supervisor that is gone has promised the clip all the same.
fn unfinished(accepted: &Accepted, failure: Failure) -> Failure {
    match failure {
        Failure::Refused(_) => failure,
        lost => Failure::failed(format!(
            "clip {} is not finished yet; its plan is on disk, so a running supervisor, or the next one, finishes it \
             ({lost})",
            accepted.clip_id
        )),
    }
}

/// The end of a trigger's window in a finished clip, as far as its manifest lists it.
fn end_of(trigger_id: &str, manifest: &Manifest) -> Option<MonotonicNs> {
    manifest.triggers.iter().find(|trigger| trigger.id == trigger_id)?.end_ns
}

/// A sentence on what a clip lacks.
fn incompleteness(accepted: &Accepted, manifest: &Manifest) -> String {
    let lacks = |(name, camera): (&Name, &CameraClip)| {
        let frames = camera.frames_expected.saturating_sub(camera.frames_written);
        if !camera.live {
            return Some(format!("{name} was not live in its window"));
        }
        (frames > 0).then(|| format!("{name} misses {frames} of {} frames", camera.frames_expected))
    };
    let mut why: Vec<String> = manifest.cameras.iter().filter_map(lacks).collect();
    if manifest.ended_early {
        why.push("it was ended early".to_owned());
    }
    if manifest.window.start_ns > manifest.asked_start_ns {
        let Accepted { pre_roll_ms, asked_pre_roll_ms, .. } = accepted;
        why.push(format!("its pre-roll is {pre_roll_ms} ms instead of {asked_pre_roll_ms} ms"));
    }
    format!("clip {} is incomplete: {}", manifest.clip_id, why.join(", "))
}

impl<'a> Answer<'a> {
    fn to(accepted: &'a Accepted, manifest: Option<&'a Manifest>) -> Self {
        Self {
            trigger_id: &accepted.trigger_id,
            clip_id: &accepted.clip_id,
            path: &accepted.path,
            pre_roll_ms: accepted.pre_roll_ms,
            asked_pre_roll_ms: accepted.asked_pre_roll_ms,
            end_ns: accepted.end_ns.or_else(|| end_of(&accepted.trigger_id, manifest?)),
            // The manifest repeats the notes of the plan, and has those that came later.
            notes: manifest.map_or(&accepted.notes, |m| &m.notes),
            finished: manifest.map(FinishedAnswer::of),
        }
    }
}

impl<'a> FinishedAnswer<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let camera = |c: &'a CameraClip| CameraAnswer {
            file: c.file.as_deref(),
            frames_expected: c.frames_expected,
            frames_written: c.frames_written,
            gaps: &c.gaps,
            interruptions: c.interruptions.len(),
            interrupted: &c.interruptions,
        };
        Self {
            verdict: manifest.verdict,
            complete: manifest.complete,
            ended_early: manifest.ended_early,
            cameras: manifest.cameras.iter().map(|(name, c)| (name.clone(), camera(c))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::refusal::Refusal;

    use super::*;
    use crate::cli::{BringsArgs, LengthArgs};

    fn args() -> TriggerArgs {
        TriggerArgs {
            label: None,
            cameras: Vec::new(),
            at: None,
            ago: None,
            pre_ms: None,
            post_ms: None,
            length: LengthArgs::default(),
            brings: BringsArgs::default(),
            wait: false,
            timeout: None,
            follow: false,
        }
    }

    fn at(args: &TriggerArgs) -> Result<MonotonicNs, Failure> {
        named_moment(args, MonotonicNs(50_000_000_000)).map(|moment| moment.at)
    }

    fn accepted() -> Accepted {
        Accepted {
            trigger_id: "trigger-0001".into(),
            clip_id: "clip-0001".into(),
            path: "/run_1/clip-0001".into(),
            pre_roll_ms: 400,
            asked_pre_roll_ms: 500,
            end_ns: None,
            notes: vec!["pre-roll is 400 ms instead of 500 ms".into()],
        }
    }

    #[test]
    fn a_moment_is_now_or_some_time_ago_or_a_time_on_either_clock() {
        assert_eq!(at(&args()).unwrap(), MonotonicNs(50_000_000_000));
        let ago = TriggerArgs { ago: Some("400".into()), ..args() };
        assert_eq!(at(&ago).unwrap(), MonotonicNs(49_600_000_000));
        let ns = TriggerArgs { at: Some("41000000000".into()), ..args() };
        assert_eq!(at(&ns).unwrap(), MonotonicNs(41_000_000_000));
        for wrong in ["yesterday", "2026-11-22 10:15", "-5"] {
            let failure = at(&TriggerArgs { at: Some(wrong.into()), ..args() }).unwrap_err();
            assert_eq!(failure.exit_code(), exit::BAD_INPUT);
            assert!(failure.to_string().starts_with(&format!("--at {wrong:?}: ")), "{failure}");
        }
        let failure = at(&TriggerArgs { ago: Some("0.5".into()), ..args() }).unwrap_err();
        assert!(failure.to_string().contains("a whole number"), "{failure}");
    }

    #[test]
    fn a_label_that_can_not_be_a_file_name_is_refused_before_anybody_is_asked() {
        let failure =
            request(&TriggerArgs { label: Some("../x".into()), ..args() }, MonotonicNs(1)).unwrap_err();
        assert_eq!(failure.exit_code(), exit::BAD_INPUT);
    }

    #[test]
    fn an_answer_before_the_end_says_nothing_of_completeness() {
        let json = serde_json::to_value(Answer::to(&accepted(), None)).unwrap();
        assert_eq!((&json["clip_id"], &json["trigger_id"]), (&"clip-0001".into(), &"trigger-0001".into()));
        assert_eq!(json["notes"][0], "pre-roll is 400 ms instead of 500 ms");
        assert!(json.get("complete").is_none() && json.get("cameras").is_none(), "{json}");
    }

    #[test]
    fn a_supervisor_that_is_gone_has_promised_the_clip_and_a_refusal_has_not() {
        let gone = unfinished(&accepted(), Failure::failed("the connection was closed"));
        assert_eq!(gone.exit_code(), exit::FAILED);
        assert!(gone.to_string().contains("clip-0001 is not finished yet"), "{gone}");
        let lost = Refusal::ClipLost { clip_id: "clip-0001".into(), folder: "/run_1/clip-0001".into() };
        let refused = unfinished(&accepted(), lost.clone().into());
        assert_eq!(refused.to_string(), lost.to_string());
    }

    #[test]
    fn an_incomplete_clip_is_said_camera_by_camera() {
        let camera = |expected: u64, written: u64, live: bool| {
            serde_json::json!({
                "file": null, "files": [], "made_by": [], "timestamps": "left_timestamps.csv", "codec": "H264",
                "encoder": "libx264", "preset": null, "width": 320, "height": 192, "fps": 60.0, "camera_index": 0,
                "capture_time": "device", "live": live, "frames_expected": expected, "frames_written": written,
                "first_frame_ns": null, "last_frame_ns": null, "gaps": [], "interruptions": [], "size_bytes": 0,
            })
        };
        let manifest = serde_json::json!({
            "schema": 2, "clip_id": "clip-0001", "label": null, "verdict": "gaps", "complete": false,
            "ended_early": true, "trigger_ns": 500, "window": { "start_ns": 100, "end_ns": 900 },
            "asked_start_ns": 0, "wall": { "monotonic_ns": 0, "unix_ns": 0 }, "trigger_utc": "", "notes": [],
            "cameras": { "left": camera(60, 57, true), "middle": camera(0, 0, false), "right": camera(60, 60, true) },
        });
        assert_eq!(
            incompleteness(&accepted(), &serde_json::from_value(manifest).unwrap()),
            "clip clip-0001 is incomplete: left misses 3 of 60 frames, middle was not live in its window, it was \
             ended early, its pre-roll is 400 ms instead of 500 ms"
        );
    }
}
