//! `preroll trigger --follow`, as a detector uses it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};
use trials::{Rig, TWO_CAMERAS, manifest, program};

use crate::json_lines::JsonLines;

/// A `preroll trigger --follow` of a test's own.
struct Follow {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: JsonLines,
}

impl Follow {
    fn start(rig: &Rig) -> Self {
        let mut child = Command::new(program("preroll"))
            .args(["trigger", "--follow"])
            .env("PREROLL_RUNTIME_DIR", rig.path("run"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = JsonLines::of(child.stdout.take().unwrap(), "follow");
        let stdin = child.stdin.take();
        Self { child, stdin, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ask(&mut self, request: &Value) {
        self.say(&request.to_string());
    }

    /// The next answer, as its schema says; none at the end.
    fn next(&self) -> Option<Value> {
        self.lines.next()
    }

    /// The next answers of this line, until the one that is so.
    #[track_caller]
    fn await_answer(&self, line: u64, what: &str) -> Value {
        let mut passed = Vec::new();
        while let Some(answer) = self.next() {
            if answer["line"] == line && answer["answer"] == what {
                return answer;
            }
            passed.push(answer);
        }
        panic!("no {what} of line {line}: {passed:#?}")
    }

    /// Ends standard input, and returns what is said from then on, and the exit code.
    fn end(mut self) -> (Vec<Value>, Option<i32>) {
        self.stdin = None;
        let rest = std::iter::from_fn(|| self.next()).collect();
        (rest, self.child.wait().unwrap().code())
    }
}

#[test]
fn each_line_is_answered_at_once_and_each_trigger_again_when_its_clip_is_finished() {
    let rig = Rig::start(TWO_CAMERAS);
    let mut follow = Follow::start(&rig);
    follow.ask(
        &json!({ "label": "goal", "post_ms": 300, "id": "mine", "meta": { "animal": "m12" }, "note": "ü" }),
    );
    let accepted = follow.await_answer(1, "accepted");
    assert_eq!((&accepted["id"], &accepted["trigger_id"]), (&"mine".into(), &"mine".into()));
    for line in [
        "",
        "goal",
        r#"{"lable":"x"}"#,
        r#"{"op":"end","id":"nobody"}"#,
        r#"{"cameras":["middle"],"id":"b"}"#,
    ] {
        follow.say(line);
    }
    let refused: Vec<Value> = (3..=6).map(|line| follow.await_answer(line, "refused")).collect();
    let reasons: Vec<&Value> = refused.iter().map(|answer| &answer["reason"]).collect();
    assert_eq!(reasons, ["bad_line", "bad_line", "unknown_trigger", "unknown_camera"]);
    assert_eq!((&refused[0]["id"], &refused[3]["id"]), (&Value::Null, &"b".into()));
    let finished = follow.await_answer(1, "finished");
    assert_eq!((&finished["verdict"], &finished["path"]), (&"complete".into(), &accepted["path"]));
    assert_eq!(finished["clip_id"], accepted["clip_id"]);
    let clip = manifest(Path::new(accepted["path"].as_str().unwrap()));
    assert_eq!((&clip["trigger"]["id"], &clip["trigger"]["meta"]["animal"]), (&"mine".into(), &"m12".into()));

    // A begun one, its extension, and its end by the clip's id; standard input ends before the clip does.
    follow.ask(&json!({ "op": "begin", "label": "jam" }));
    let begun = follow.await_answer(7, "accepted");
    assert_eq!(begun["end_ns"], Value::Null);
    follow.ask(&json!({ "op": "end", "id": begun["clip_id"], "post_ms": 700 }));
    follow.ask(&json!({ "op": "extend", "id": begun["trigger_id"], "by_ms": 300 }));
    let (rest, code) = follow.end();
    assert_eq!(code, Some(0), "{rest:#?}");
    let of = |what: &str| rest.iter().filter(|answer| answer["answer"] == what).collect::<Vec<_>>();
    let (ended, extended) = (of("accepted")[0], of("accepted")[1]);
    assert_eq!((&ended["op"], &extended["op"]), (&"end".into(), &"extend".into()));
    let moved = extended["end_ns"].as_u64().unwrap() - ended["end_ns"].as_u64().unwrap();
    assert_eq!(moved, 300_000_000);
    assert_eq!(of("finished").len(), 1, "{rest:#?}");
    assert_eq!((&of("finished")[0]["id"], &of("finished")[0]["verdict"]), (&begun["id"], &"complete".into()));
    rig.assert_complete();
}

#[test]
fn when_the_supervisor_ends_what_is_open_is_said_to_be() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let mut follow = Follow::start(&rig);
    follow.ask(&json!({ "id": "long", "post_ms": 60000 }));
    follow.await_answer(1, "accepted");
    rig.kill_supervisor();
    let failed = follow.await_answer(1, "failed");
    assert_eq!(failed["reason"], "ended_before_clip");
    assert_eq!(follow.end(), (Vec::new(), Some(1)));
    rig.launch(&[]);
    rig.await_ready();

    // One that ends in order has finished it before.
    let mut follow = Follow::start(&rig);
    follow.ask(&json!({ "id": "second", "post_ms": 60000 }));
    follow.await_answer(1, "accepted");
    rig.command(&["stop"]).code(0);
    assert_eq!(follow.await_answer(1, "finished")["verdict"], "ended_early");
    assert_eq!(follow.end(), (Vec::new(), Some(1)));
    rig.command(&["trigger", "--follow"]).refusal(3, &["no supervisor is running"]);
    rig.command(&["trigger", "--follow", "--label", "x"]).refusal(2, &["--label"]);
}

/// The first program in a document.
fn program_in(document: &str) -> &str {
    let (_, from) = document.split_once("```python\n").unwrap();
    from.split_once("```").unwrap().0
}

#[test]
fn the_detector_in_the_documents_records_what_moves() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3");
        return;
    }
    // It moves for five seconds, stands still for two, and moves again.
    let left = "  - { name: left, backend: sim, truth_log: $DIR/left.truth }\n";
    let frozen = "  - { name: left, backend: sim, truth_log: $DIR/left.truth, faults: { freeze_after_frames: 300, freeze_ms: 2000 } }\n";
    let rig = Rig::start(&TWO_CAMERAS.replace(left, frozen));
    let bin = rig.path("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(program("preroll"), bin.join("preroll")).unwrap();
    let detector = rig.path("detector.py");
    std::fs::write(&detector, program_in(include_str!("../../../docs/detectors.md"))).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let said = Command::new("python3")
        .arg(&detector)
        .args(["left", "8"])
        .env("PATH", path)
        .env("PREROLL_RUNTIME_DIR", rig.path("run"))
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{stdout}\n{stderr}");
    let mut answers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in stdout.lines() {
        let (what, rest) = line.split_once(' ').unwrap();
        answers.entry(rest.split_once(": ").unwrap().0).or_default().push(what);
    }
    assert!(!answers.is_empty(), "{stdout}");
    for (id, of) in &answers {
        assert_eq!(of[..], ["accepted", "accepted", "finished"], "{id}: {stdout}");
    }
    for clip in rig.clips() {
        let manifest = manifest(&clip);
        // Repeated pictures carry the numbers of others, so the judge of pictures has no say here.
        assert_eq!(manifest["verdict"], "complete", "{manifest:#}");
        let trigger = &manifest["trigger"];
        assert_eq!(trigger["kind"], "begin", "{trigger:#}");
        assert!(answers.contains_key(trigger["id"].as_str().unwrap()), "{trigger:#}");
    }
    assert_eq!(rig.clips().len(), answers.len());
}
