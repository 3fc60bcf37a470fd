//! Triggers with a length, and those that join an open clip.

use proto::clip::growth::Line;
use proto::clip::growth::file::GrowthFile;
use proto::clip::{MANIFEST, TriggerKind, Verdict};
use proto::control::{EndRequest, ExtendRequest};

use super::*;

const MS: u64 = 1_000_000;

fn begin() -> TriggerRequest {
    TriggerRequest { begin: true, ..request() }
}

fn end(id: &str) -> Wanted {
    end_at(id, MonotonicNs::now(), None)
}

fn end_at(id: &str, at: MonotonicNs, post_ms: Option<u64>) -> Wanted {
    Wanted::End(EndRequest { id: id.to_owned(), at, at_whole_second: false, post_ms, wait: false })
}

fn extend(id: &str, by_ms: u64) -> Wanted {
    Wanted::Extend(ExtendRequest { id: id.to_owned(), by_ms, wait: false })
}

fn one(instance: &Instance, wanted: Wanted) -> Result<Taken, Refusal> {
    instance.take([wanted]).remove(0)
}

/// What the recorder would read of a clip.
fn growth(folder: &Path) -> GrowthFile {
    let plan = Plan::read(&std::fs::read(plan_path(folder)).unwrap(), folder).unwrap();
    let mut file = GrowthFile::of(folder, &plan);
    file.read_on().unwrap();
    file
}

fn close(folder: &Path) {
    let mut file = growth(folder);
    let end_ns = file.growth().end_ns();
    file.append(&[Line::Closed { end_ns, early: false }]).unwrap();
    assert!(file.growth().is_closed());
}

#[test]
fn a_begun_trigger_ends_when_it_is_ended_and_once() {
    let instance = Instance::recording("max_clip_ms: 60000");
    let (begun, folder) = instance.accept(&begin()).unwrap();
    assert_eq!(begun.end_ns, None);
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan_path(&folder)).unwrap()).unwrap();
    assert_eq!(plan.trigger.unwrap().kind, TriggerKind::Begin);
    assert_eq!(plan.window.end_ns, plan.trigger_ns + Duration::from_secs(60));
    assert!(!proto::clip::growth::file::path(&folder).exists(), "there is nothing to say yet");

    let refused = one(&instance, extend(&begun.trigger_id, 10)).unwrap_err();
    assert!(matches!(refused, Refusal::NotEnded { .. }), "{refused}");
    let early =
        one(&instance, end_at(&begun.trigger_id, plan.trigger_ns.before(Duration::from_millis(3)), None));
    assert_eq!(early, Err(Refusal::EndBeforeBegin { id: begun.trigger_id.clone(), by_ms: 3 }));

    let at = MonotonicNs::now();
    let ended = one(&instance, end_at(&begun.trigger_id, at, Some(40))).unwrap();
    assert_eq!((ended.folder, ended.accepted.end_ns), (folder.clone(), Some(at + Duration::from_millis(40))));
    assert_eq!(growth(&folder).growth().end_ns(), at + Duration::from_millis(40));
    let twice = one(&instance, end(&begun.trigger_id)).unwrap_err();
    assert_eq!(
        (twice.exit_code(), &twice),
        (exit::BAD_INPUT, &Refusal::TriggerEnded { id: begun.trigger_id })
    );
}

#[test]
fn an_end_names_its_trigger_by_each_of_its_names() {
    for name in ["mine", "20261122-091510-clip-0001-goal", "clip-0001-goal", "clip-0001"] {
        let instance = Instance::recording("max_open_clips: 2");
        let asked = TriggerRequest { id: Some("mine".into()), label: Some("goal".into()), ..begin() };
        let (begun, folder) = instance.accept(&asked).unwrap();
        assert_eq!(begun.trigger_id, "mine");
        let ended = one(&instance, end(name)).unwrap();
        assert_eq!((ended.folder, ended.accepted.trigger_id.as_str()), (folder, "mine"), "{name}");
    }
    let instance = Instance::recording("max_open_clips: 2");
    instance.accept(&begin()).unwrap();
    assert!(one(&instance, end("trigger-0001")).is_ok(), "its made id, without the run's time");
    instance.accept(&request()).unwrap();
    let plain = one(&instance, end("clip-0002")).unwrap_err();
    assert_eq!(plain, Refusal::NotBegun { id: "20261122-091510-trigger-0002".into() });
}

#[test]
fn an_end_of_what_is_not_there_or_has_ended_is_refused_for_what_it_is() {
    let instance = Instance::recording("max_open_clips: 2");
    let unknown = one(&instance, end("nobody")).unwrap_err();
    assert_eq!(unknown, Refusal::UnknownTrigger { id: "nobody".into(), begun: Vec::new() });
    let (begun, folder) = instance.accept(&begin()).unwrap();
    let unknown = one(&instance, end("nobody")).unwrap_err();
    assert_eq!(
        unknown,
        Refusal::UnknownTrigger { id: "nobody".into(), begun: vec![begun.trigger_id.clone()] }
    );
    // The recorder has ended it, and later finished it.
    close(&folder);
    let ended = |id: &str| Err(Refusal::TriggerEnded { id: id.to_owned() });
    assert_eq!(one(&instance, end(&begun.trigger_id)), ended(&begun.trigger_id));
    instance.clips.finish(&folder, Verdict::Complete, None);
    for id in [begun.trigger_id.as_str(), "trigger-0001", "clip-0001", "20261122-091510-clip-0001"] {
        assert_eq!(one(&instance, end(id)), ended(id));
        assert_eq!(one(&instance, extend(id, 5)), ended(id));
    }
    assert!(matches!(one(&instance, end("clip-0009")), Err(Refusal::UnknownTrigger { .. })));
}

#[test]
fn an_end_beyond_the_longest_clip_ends_there_and_says_so() {
    let instance = Instance::recording("max_clip_ms: 1000");
    let (begun, folder) = instance.accept(&begin()).unwrap();
    let ended = one(&instance, end_at(&begun.trigger_id, MonotonicNs::now(), Some(5000))).unwrap();
    let file = growth(&folder);
    let trigger = &file.growth().triggers()[0];
    assert_eq!(ended.accepted.end_ns, Some(trigger.t_ns + Duration::from_secs(1)));
    assert!(ended.accepted.notes[0].contains("1000 ms after its moment (max_clip_ms)"), "{ended:?}");
    assert_eq!(file.growth().cut_notes(file.growth().end_ns()).len(), 1);
}

#[test]
fn an_extension_moves_the_end_by_exactly_what_it_says() {
    let instance = Instance::recording("max_open_clips: 2, post_roll_ms: 600, max_clip_ms: 2000");
    let (accepted, folder) = instance.accept(&request()).unwrap();
    let end_ns = accepted.end_ns.unwrap();
    for (by, to) in [(250, 250), (1, 251)] {
        let extended = one(&instance, extend(&accepted.trigger_id, by)).unwrap();
        assert_eq!(extended.accepted.end_ns, Some(end_ns + Duration::from_millis(to)));
        assert_eq!(growth(&folder).growth().end_ns().0, end_ns.0 + to * MS);
    }
    let by_clip = one(&instance, extend("clip-0001", 5000)).unwrap();
    assert_eq!(by_clip.accepted.end_ns, Some(end_ns + Duration::from_millis(1400)));
    assert!(by_clip.accepted.notes[0].contains("max_clip_ms"), "{by_clip:?}");
}

#[test]
fn triggers_in_an_open_clip_join_it_and_others_get_their_own() {
    let settings =
        "overlap: extend, max_open_clips: 8, pre_roll_ms: 100, post_roll_ms: 400, max_clip_ms: 5000";
    let instance = Instance::recording(settings);
    let first = MonotonicNs::now();
    let after = |ms: u64| TriggerRequest::of(first + Duration::from_millis(ms));
    let (_, clip) = instance.accept(&after(0)).unwrap();
    let meta = vec![("score".to_owned(), "0.9".to_owned())];
    let joins =
        TriggerRequest { meta, note: Some("seen".into()), label: Some("second".into()), ..after(300) };
    let (joined, folder) = instance.accept(&joins).unwrap();
    assert_eq!((&folder, joined.clip_id.as_str()), (&clip, "20261122-091510-clip-0001"));
    assert_eq!((joined.trigger_id.as_str(), joined.pre_roll_ms), ("20261122-091510-trigger-0001-2", 100));
    // It grows on: this one begins after the first one's end.
    let (third, folder) = instance.accept(&after(700)).unwrap();
    assert_eq!((&folder, third.trigger_id.as_str()), (&clip, "20261122-091510-trigger-0001-3"));
    let file = growth(&clip);
    let [_, second, _] = file.growth().triggers() else { panic!("{file:?}") };
    assert_eq!((second.note.as_deref(), second.label.as_ref().unwrap().as_str()), (Some("seen"), "second"));
    assert_eq!(file.growth().end_ns(), first + Duration::from_millis(1100));

    let elsewhere = |request: &TriggerRequest| {
        let (_, folder) = instance.accept(request).unwrap();
        assert_ne!(folder, clip, "{request:?}");
        instance.clips.finish(&folder, Verdict::Complete, None);
    };
    elsewhere(&TriggerRequest { pre_ms: Some(300), ..after(100) });
    elsewhere(&after(1201));
    elsewhere(&TriggerRequest { post_ms: Some(4900), ..after(200) });
    let (begun, folder) = instance.accept(&TriggerRequest { begin: true, ..after(1200) }).unwrap();
    assert_eq!(folder, clip);
    assert!(begun.notes[0].contains("ends 3800 ms after its moment at the latest"), "{begun:?}");
    // It would have less than half of the longest time.
    elsewhere(&TriggerRequest { begin: true, ..after(2600) });
    close(&clip);
    elsewhere(&after(300));
}

#[test]
fn a_trigger_of_other_cameras_does_not_join() {
    let instance = Instance::recording("overlap: extend, max_open_clips: 8");
    let of = |camera: &str| TriggerRequest { cameras: vec![camera.into()], ..request() };
    let (_, right) = instance.accept(&of("right")).unwrap();
    let (_, left) = instance.accept(&of("left")).unwrap();
    assert_ne!(left, right);
    assert_eq!(instance.accept(&of("right")).unwrap().1, right);
    let (_, both) = instance.accept(&request()).unwrap();
    assert!(both != left && both != right);
    assert_eq!(instance.accept(&of("left")).unwrap().1, both, "the newest that has it");
}

#[test]
fn a_group_is_decided_on_in_the_order_in_which_it_came() {
    let instance = Instance::recording("overlap: extend, max_open_clips: 2, max_clip_ms: 60000");
    let with = |id: &str, begin| Wanted::Trigger(TriggerRequest { id: Some(id.into()), begin, ..request() });
    let group = [
        with("a", true),
        with("b", true),
        end("b"),
        with("c", false),
        extend("c", 50),
        with("c", true),
        end("a"),
    ];
    let answers: Vec<Taken> = instance.take(group).into_iter().map(Result::unwrap).collect();
    let folders: HashSet<_> = answers.iter().map(|taken| taken.folder.clone()).collect();
    assert_eq!(folders.len(), 1);
    assert_eq!(answers[5].accepted.trigger_id, "c");
    let file = growth(&answers[0].folder);
    assert_eq!((file.growth().triggers().len(), file.growth().open()), (3, 0));
    assert_eq!(file.growth().trigger("c").unwrap().end_ns, answers[4].accepted.end_ns.unwrap());
}

#[test]
fn a_thousand_triggers_in_a_group_are_one_clip() {
    let instance = Instance::recording("overlap: extend, max_open_clips: 1");
    let answers = instance.take((0..1000).map(|_| Wanted::Trigger(request())));
    let ids: HashSet<String> = answers.into_iter().map(|taken| taken.unwrap().accepted.trigger_id).collect();
    assert_eq!(ids.len(), 1000);
    assert_eq!(instance.clips.open_count(), 1);
    let file = growth(&instance.clips.open()[0]);
    assert!(file.growth().triggers().iter().all(|trigger| ids.contains(trigger.id.as_deref().unwrap())));
    assert_eq!(file.growth().triggers().len(), 1000);
}

#[test]
fn the_same_id_twice_is_one_clip_also_for_the_next_supervisor() {
    let instance = Instance::recording("max_open_clips: 8");
    let asked = TriggerRequest { id: Some("detector:7".into()), begin: true, ..request() };
    let (first, folder) = instance.accept(&asked).unwrap();
    assert_eq!(instance.accept(&asked).unwrap(), (first.clone(), folder.clone()));
    assert_eq!(instance.accept(&TriggerRequest { begin: false, ..asked.clone() }).unwrap().1, folder);
    assert_eq!(instance.clips.open_count(), 1);

    instance.start_again();
    assert_eq!(instance.accept(&asked).unwrap(), (first.clone(), folder.clone()));
    let ended = one(&instance, end("detector:7")).unwrap();
    instance.start_again();
    assert_eq!(instance.accept(&asked).unwrap().0.end_ns, ended.accepted.end_ns);

    // It is finished, and removed at last.
    let trigger = serde_json::json!({ "id": "detector:7", "source": "command", "t_ns": 7, "utc": "", "meta": null,
                                      "offset_s": {} });
    let manifest = serde_json::json!({
        "schema": 2, "clip_id": "clip-0001", "label": null, "rig": instance.config.rig, "verdict": "complete",
        "complete": true, "ended_early": false, "trigger": trigger, "triggers": [trigger], "trigger_ns": 5,
        "window": { "start_ns": 1, "end_ns": 9 }, "asked_start_ns": 1, "wall": { "monotonic_ns": 0, "unix_ns": 0 },
        "trigger_utc": "", "notes": [], "cameras": {},
    });
    std::fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
    instance.clips.finish(&folder, Verdict::Complete, None);
    instance.start_again();
    assert_eq!(instance.accept(&asked).unwrap().1, folder);
    assert_eq!(instance.clips.open_count(), 0);
    std::fs::remove_dir_all(&folder).unwrap();
    instance.accept(&asked).unwrap();
    assert_eq!(instance.clips.open_count(), 1);
}

#[test]
fn texts_that_can_not_come_with_a_trigger_are_refused() {
    let instance = Instance::new();
    let many = "x".repeat(4097);
    for (request, reason) in [
        (
            TriggerRequest { id: Some("a b".into()), ..request() },
            "--id \"a b\": an id has 1 to 128 printable",
        ),
        (TriggerRequest { meta: vec![("a=b".into(), String::new())], ..request() }, "--meta: key"),
        (TriggerRequest { note: Some(many), ..request() }, "--note: 4097 bytes are too long"),
        (TriggerRequest { post_ms: Some(5), ..begin() }, "--begin takes no --post-ms"),
        (
            TriggerRequest::of(MonotonicNs::now() + Duration::from_secs(700)),
            "at most 600000 ms (max_clip_ms)",
        ),
    ] {
        let refused = instance.accept(&request).unwrap_err();
        assert_eq!(refused.exit_code(), exit::BAD_INPUT);
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    assert_eq!(instance.clips.open_count(), 0);
}

#[test]
fn a_line_that_can_not_be_written_is_refused_and_a_trigger_gets_its_own_clip() {
    let instance = Instance::recording("overlap: extend, max_open_clips: 8");
    let (begun, folder) = instance.accept(&begin()).unwrap();
    // Somebody has put a folder in the file's place.
    std::fs::create_dir(proto::clip::growth::file::path(&folder)).unwrap();
    let refused = one(&instance, end(&begun.trigger_id)).unwrap_err();
    assert!(matches!(&refused, Refusal::LineNotWritten { .. }), "{refused}");
    assert_eq!(refused.exit_code(), exit::FAILED);
    assert_ne!(instance.accept(&request()).unwrap().1, folder);
}
