//! Events, as a program that follows them reads them.

use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, kill, program};

use crate::json_lines::JsonLines;

/// A program that follows the events.
struct Follower {
    child: Child,
    lines: JsonLines,
}

impl Follower {
    fn start(rig: &Rig, args: &[&str]) -> Self {
        let mut child = Command::new(program("preroll"))
            .arg("events")
            .args(args)
            .env("PREROLL_RUNTIME_DIR", rig.path("run"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = JsonLines::of(child.stdout.take().unwrap(), "event");
        Self { child, lines }
    }

    /// The next event, as its schema says; none at the end.
    fn next(&self) -> Option<Value> {
        self.lines.next()
    }

    /// The next event of this name.
    fn await_event(&self, name: &str) -> Value {
        std::iter::from_fn(|| self.next())
            .find(|event| event["event"] == name)
            .unwrap_or_else(|| panic!("{name}"))
    }
}

/// The names of events, in order, without those of health and disk.
fn names<'a>(events: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    let names = events.into_iter().map(|event| event["event"].as_str().unwrap());
    names.filter(|name| !["health", "disk"].contains(name)).collect()
}

#[test]
fn whoever_follows_the_events_hears_of_cameras_triggers_clips_and_the_end() {
    let rig = Rig::start(TWO_CAMERAS);
    let mut follower = Follower::start(&rig, &["--follow"]);
    let first = follower.next().unwrap();
    assert_eq!(
        (&first["event"], &first["state"], &first["seq"]),
        (&"supervisor".into(), &"started".into(), &1.into())
    );
    let mut live = std::collections::BTreeSet::new();
    while live.len() < 2 {
        let event = follower.await_event("camera_state");
        if event["state"] == "live" {
            live.insert(event["camera"].as_str().unwrap().to_owned());
        }
    }
    let answer = rig.command(&["trigger", "--label", "goal", "--wait"]).code(0).json();
    let accepted = follower.await_event("trigger_accepted");
    assert_eq!((&accepted["path"], &accepted["label"]), (&answer["path"], &"goal".into()));
    let finished = follower.await_event("clip_finished");
    assert_eq!((&finished["path"], &finished["verdict"]), (&answer["path"], &"complete".into()));
    assert_eq!((&accepted["clip_id"], &finished["clip_id"]), (&answer["clip_id"], &answer["clip_id"]));
    assert_eq!(follower.await_event("sums_made")["path"], answer["path"]);
    rig.command(&["trigger", "--camera", "middle"]).code(2);
    assert_eq!(follower.await_event("trigger_refused")["reason"], "unknown_camera");
    kill(rig.pid_of("left"), Signal::KILL);
    assert_eq!(follower.await_event("camera_state")["camera"], "left");

    // What is kept is printed again for whoever comes later, with the same numbers, and then that is all.
    let kept = rig.command(&["events"]).code(0).stdout;
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(kept.iter().enumerate().all(|(n, event)| event["seq"] == n + 1), "{kept:#?}");
    let of_clip = ["trigger_accepted", "clip_finished", "sums_made", "trigger_refused"];
    let in_order: Vec<&str> = names(&kept).into_iter().filter(|name| of_clip.contains(name)).collect();
    assert_eq!(in_order, of_clip);
    let since = accepted["seq"].as_u64().unwrap().to_string();
    let later = rig.command(&["events", "--since", &since]).code(0).stdout;
    let later: Value = serde_json::from_str(later.lines().next().unwrap()).unwrap();
    assert_eq!(later["seq"].as_u64(), accepted["seq"].as_u64().map(|seq| seq + 1));

    // A clip that the end cuts short is finished before the last line.
    let trigger = rig.command(&["trigger", "--camera", "right", "--post-ms", "60000"]).code(0).json();
    rig.command(&["stop"]).code(0);
    assert_eq!(follower.await_event("supervisor")["state"], "ending");
    let cut = follower.await_event("clip_finished");
    assert_eq!((&cut["path"], &cut["verdict"]), (&trigger["path"], &"ended_early".into()));
    while follower.next().is_some() {}
    assert_eq!(follower.child.wait().unwrap().code(), Some(0));
    rig.command(&["events", "--follow"]).refusal(3, &["no supervisor is running"]);
}

#[test]
fn one_who_follows_ends_with_whoever_reads_it_and_says_so_when_the_supervisor_is_killed() {
    let mut rig = Rig::start(TWO_CAMERAS);
    // The shell waits for both: that nobody reads is noticed without a further event.
    let mut piped = Command::new("sh");
    piped.arg("-c").arg(format!("{} events --follow | head -n 1", program("preroll").display()));
    let said = piped.env("PREROLL_RUNTIME_DIR", rig.path("run")).output().unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap().lines().count(), 1);

    let mut follower = Follower::start(&rig, &["--follow"]);
    follower.next().unwrap();
    rig.kill_supervisor();
    while follower.next().is_some() {}
    assert_eq!(follower.child.wait().unwrap().code(), Some(1));
    rig.launch(&[]);
    rig.await_ready();
}
