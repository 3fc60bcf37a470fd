//! Clips that grow, while the supervisor is killed over it, or its disk fails.

use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, list, manifest, no_failpoints};

/// Every step of a line on its way, in order.
const STEPS: [&str; 5] =
    ["grow.append", "disk.write:triggers.jsonl", "grow.appended", "grow.synced", "grow.told"];

fn extending() -> String {
    format!("{TWO_CAMERAS}  overlap: extend\n  max_clip_ms: 60000\n")
}

/// Has the supervisor killed over what this asks for, starts another, and asks again.
fn ask_again(rig: &mut Rig, step: &str, args: &[&str]) -> trials::command::Answer {
    rig.arm(&format!("{step}=kill"));
    let asked = rig.ask(args);
    rig.await_end();
    assert_ne!(asked.answer().code, Some(0), "{step}: nothing was promised");
    rig.launch(&[]);
    rig.await_ready();
    rig.command(args)
}

fn end_ns(document: &Value) -> u64 {
    document["end_ns"].as_u64().unwrap_or_else(|| panic!("no end: {document:#}"))
}

#[test]
fn f91_a_supervisor_killed_at_any_step_of_what_a_clip_grows_by_loses_nothing() {
    if no_failpoints() {
        return;
    }
    let mut rig = Rig::start(&extending());
    let children = rig.children();
    for (number, step) in STEPS.into_iter().enumerate() {
        let [begun, joins] = ["begun", "joins"].map(|what| format!("{what}-{number}"));
        let clip = clip_of(&rig.command(&["trigger", "--begin", "--id", &begun]).code(0).json());
        let joined = ask_again(&mut rig, step, &["trigger", "--id", &joins]).code(0).json();
        assert_eq!(clip_of(&joined), clip, "{step}");
        let extended = ask_again(&mut rig, step, &["trigger", "--extend", &joins, "300"]).code(0).json();
        // The extension that nobody has answered may be on the disk.
        let by_ms = (end_ns(&extended) - end_ns(&joined)) / 1_000_000;
        assert!([300, 600].contains(&by_ms), "{step}: {by_ms} ms");
        let ended = ask_again(&mut rig, step, &["trigger", "--end", &begun]);
        if ended.code != Some(0) {
            ended.refusal(2, &["has ended"]);
        }
        let manifest = rig.await_manifest(&clip);
        let triggers = list(&manifest, "triggers");
        let ids: Vec<&str> = triggers.iter().filter_map(|trigger| trigger["id"].as_str()).collect();
        assert_eq!(ids, [&begun, &joins], "{step}: each once");
        let last = triggers.iter().map(end_ns).max().unwrap();
        assert_eq!(end_ns(&manifest["window"]), last, "{step}: {manifest:#}");
        assert_eq!(end_ns(&triggers[1]), end_ns(&extended), "{step}: as it was answered");
    }
    assert_eq!(rig.children(), children, "all the same processes");
    assert_eq!(rig.assert_complete().clips.len(), STEPS.len());
}

#[test]
fn f91_a_supervisor_killed_over_a_begin_leaves_a_begun_trigger_or_none() {
    if no_failpoints() {
        return;
    }
    let mut rig = Rig::start(TWO_CAMERAS);
    for (number, step) in ["plan.folder", "plan.written", "plan.synced"].into_iter().enumerate() {
        let id = format!("b{number}");
        let begun = ask_again(&mut rig, step, &["trigger", "--begin", "--id", &id]).code(0).json();
        rig.command(&["trigger", "--end", &id, "--wait"]).code(0);
        assert_eq!(manifest(&clip_of(&begun))["trigger"]["id"], *id);
        assert_eq!(rig.clips().len(), number + 1, "{step}: one clip");
    }
    rig.assert_complete();
}

#[test]
fn f92_a_line_that_can_not_be_written_is_said_and_costs_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&extending());
    let clip = clip_of(&rig.command(&["trigger", "--begin", "--id", "b"]).code(0).json());
    // Half of a line is written, each time.
    rig.arm("disk.write:triggers.jsonl=error(EIO)");
    let own = rig.command(&["trigger"]).code(0).json();
    assert_ne!(clip_of(&own), clip, "a trigger has a clip of its own");
    rig.arm("disk.write:triggers.jsonl=error(ENOSPC)");
    rig.command(&["trigger", "--end", "b"]).refusal(1, &["nothing was done", "clip-0001"]);
    let ended = rig.command(&["trigger", "--end", "b", "--wait"]).code(0).json();
    assert_eq!(end_ns(&manifest(&clip)["window"]), end_ns(&ended));
    rig.await_manifest(&clip_of(&own));
    rig.assert_complete();
}

#[test]
fn f92_a_line_that_can_not_be_flushed_is_said_and_nothing_more_is_entrusted_to_its_file() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&extending());
    let clip = clip_of(&rig.command(&["trigger", "--begin", "--id", "b"]).code(0).json());
    rig.arm("disk.fsync:triggers.jsonl=error(EIO)");
    let joined = rig.command(&["trigger"]).code(0).json();
    assert_eq!(clip_of(&joined), clip);
    assert!(joined["notes"].to_string().contains("may not be on the disk yet"), "{joined:#}");
    let own = rig.command(&["trigger"]).code(0).json();
    assert_ne!(clip_of(&own), clip);
    rig.command(&["trigger", "--end", "b", "--wait"]).code(0);
    rig.await_manifest(&clip_of(&own));
    rig.assert_complete();
}
