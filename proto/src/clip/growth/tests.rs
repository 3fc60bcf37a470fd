//! Clips that grow: the fold by itself, and two processes that append to one file in any order.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::file::{self, GrowthFile};
use super::*;
use crate::clip::{MANIFEST, PARTIAL_DIR};

fn plan(kind: &str, end_ns: u64) -> Plan {
    serde_json::from_value(json!({
        "schema": 1, "clip_id": "clip-0001", "label": "goal", "boot_id": "b",
        "wall": { "monotonic_ns": 0, "unix_ns": 0 }, "trigger_ns": 50,
        "trigger": { "id": "first", "source": "command", "kind": kind, "note": "seen" },
        "window": { "start_ns": 40, "end_ns": end_ns }, "asked_start_ns": 40, "notes": [], "cameras": [],
    }))
    .unwrap()
}

fn added(id: &str, t_ns: u64, end_ns: u64) -> AddedTrigger {
    AddedTrigger {
        id: id.to_owned(),
        start_ns: MonotonicNs(t_ns - 5),
        t_ns: MonotonicNs(t_ns),
        end_ns: MonotonicNs(end_ns),
        label: None,
        meta: None,
        note: None,
        source: TriggerSource::Command,
    }
}

fn end(id: &str, end_ns: u64) -> Line {
    Line::End { id: id.to_owned(), end_ns: MonotonicNs(end_ns), cut: false }
}

fn extend(id: &str, end_ns: u64) -> Line {
    Line::Extend { id: id.to_owned(), by_ns: 1, end_ns: MonotonicNs(end_ns), cut: false }
}

fn closed(end_ns: u64) -> Line {
    Line::Closed { end_ns: MonotonicNs(end_ns), early: false }
}

/// What each line counts for, and the end after it.
fn fold(plan: &Plan, lines: &[Line]) -> Vec<(bool, u64)> {
    let mut growth = Growth::of(plan);
    lines.iter().map(|line| (growth.take(line), growth.end_ns().0)).collect()
}

#[test]
fn a_clip_ends_with_the_last_of_its_triggers() {
    let growth = Growth::of(&plan("trigger", 60));
    assert_eq!((growth.end_ns().0, growth.open(), growth.triggers().len()), (60, 0, 1));
    assert_eq!(growth.trigger("first").unwrap().note.as_deref(), Some("seen"));
    let lines = [
        Line::Trigger(added("a", 55, 65)),
        Line::Trigger(added("b", 56, 62)),
        Line::Begin(added("c", 58, 600)),
        end("c", 64),
        extend("b", 63),
        extend("b", 90),
    ];
    let folded = fold(&plan("trigger", 60), &lines);
    assert_eq!(folded, [(true, 65), (true, 65), (true, 600), (true, 65), (true, 65), (true, 90)]);
}

#[test]
fn a_begun_trigger_lasts_as_long_as_it_may_until_it_is_ended() {
    let begun = plan("begin", 600);
    assert_eq!(Growth::of(&begun).open(), 1);
    assert_eq!(fold(&begun, &[end("first", 70)]), [(true, 70)]);
    assert_eq!(fold(&begun, &[end("first", 20)]), [(true, 50)], "no sooner than its moment");
    assert_eq!(fold(&begun, &[end("first", 70), end("first", 90)]), [(true, 70), (false, 70)]);
    // An extension of what has no end yet, and an end of what was not begun, say nothing.
    assert_eq!(fold(&begun, &[extend("first", 700)]), [(false, 600)]);
    assert_eq!(fold(&plan("trigger", 60), &[end("first", 70)]), [(false, 60)]);
    assert_eq!(fold(&begun, &[end("nobody", 70), extend("nobody", 70)]), [(false, 600); 2]);
}

#[test]
fn a_clip_is_closed_by_whoever_knows_its_end() {
    let lines = [Line::Trigger(added("a", 55, 80)), closed(60), closed(80), end("a", 90), closed(99)];
    let folded = fold(&plan("trigger", 60), &lines);
    assert_eq!(folded, [(true, 80), (false, 80), (true, 80), (false, 80), (false, 80)]);
    // A stop ends it whatever was asked for, and nothing comes to it from then on.
    let early = Line::Closed { end_ns: MonotonicNs(55), early: true };
    let late = Line::Trigger(added("b", 55, 90));
    assert_eq!(fold(&plan("begin", 600), &[early, late]), [(true, 600), (false, 600)]);
    // It knows of an end that was sooner by the time that it wrote.
    assert_eq!(fold(&plan("begin", 600), &[end("first", 70), closed(600)]), [(true, 70), (true, 70)]);
}

#[test]
fn a_line_that_can_not_be_counts_for_nothing() {
    let day = 86_400_000_000_000;
    let plan = plan("trigger", 60);
    for line in [
        Line::Trigger(added("first", 55, 80)),
        Line::Trigger(added("a b", 55, 80)),
        Line::Trigger(added("", 55, 80)),
        Line::Trigger(added("a", 90, 80)),
        Line::Begin(added("a", 55, 2 * day)),
        extend("first", 2 * day),
        extend("first", 59),
    ] {
        assert_eq!(fold(&plan, std::slice::from_ref(&line)), [(false, 60)], "{line:?}");
    }
    let mut growth = Growth::of(&plan);
    growth.take_text(b"\n\nx\n{}\n{\"op\":\"grow\"}\n\0\0\0\n{\"op\":\"closed\"}\n[1]\n");
    assert_eq!(growth, Growth::of(&plan));
}

#[test]
fn a_clip_says_which_of_its_triggers_were_cut() {
    let mut growth = Growth::of(&plan("begin", 2_000_050));
    assert!(growth.take(&Line::Begin(added("b", 60, 3_000_060))));
    assert!(growth.take(&Line::Begin(added("c", 60, 3_000_060))));
    assert!(growth.take(&Line::End { id: "b".into(), end_ns: MonotonicNs(3_000_060), cut: true }));
    assert!(growth.take(&end("c", 90)));
    let notes = growth.cut_notes(growth.end_ns());
    assert_eq!(
        notes,
        [
            "trigger first was begun, and nobody ended it: it ends 2 ms after its moment (max_clip_ms)",
            "trigger b was to end later: it ends 3 ms after its moment (max_clip_ms)",
        ]
    );
    assert_eq!(growth.cut_notes(MonotonicNs(100)), [""; 0], "Preroll was stopped before");
}

#[test]
fn lines_are_written_as_the_documents_say() {
    let text = |line: &Line| serde_json::to_value(line).unwrap();
    let begin = Line::Begin(AddedTrigger { note: Some("n".into()), ..added("a", 6, 9) });
    assert_eq!(
        text(&begin),
        json!({ "op": "begin", "id": "a", "start_ns": 1, "t_ns": 6, "end_ns": 9, "label": null, "meta": null, "note": "n",
                "source": "command" })
    );
    assert_eq!(text(&end("a", 7)), json!({ "op": "end", "id": "a", "end_ns": 7, "cut": false }));
    assert_eq!(text(&closed(7)), json!({ "op": "closed", "end_ns": 7, "early": false }));
    assert_eq!(
        text(&extend("a", 7)),
        json!({ "op": "extend", "id": "a", "by_ns": 1, "end_ns": 7, "cut": false })
    );
}

/// A clip's folder on the disk.
fn clip_folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let output = tempfile::tempdir().unwrap();
    let folder = output.path().join("run_1/clip-0001");
    std::fs::create_dir_all(folder.join(PARTIAL_DIR)).unwrap();
    (output, folder)
}

/// What a process that is killed, or that runs out of disk, leaves of its lines.
fn tear(folder: &Path, text: &[u8]) {
    use std::io::Write;
    let path = file::path(folder);
    std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text).unwrap();
}

#[test]
fn lines_come_to_whoever_reads_on_and_a_finished_clip_takes_none() {
    let (_output, folder) = clip_folder();
    let plan = plan("begin", 600);
    let [mut ours, mut theirs] = [(); 2].map(|()| GrowthFile::of(&folder, &plan));
    assert!(!theirs.read_on().unwrap(), "there is no file");
    assert!(ours.append(&[Line::Trigger(added("a", 55, 80)), end("first", 70)]).unwrap(), "it is new");
    file::flush(&folder, true).unwrap();
    assert!(theirs.read_on().unwrap() && !theirs.read_on().unwrap());
    assert_eq!(theirs.growth(), ours.growth());
    assert!(!theirs.append(&[closed(80)]).unwrap());
    assert!(theirs.growth().is_closed() && !ours.growth().is_closed());
    ours.append(&[Line::Trigger(added("b", 55, 90))]).unwrap();
    assert!(ours.growth().is_closed() && ours.growth().trigger("b").is_none());

    // The recorder has removed the file with the rest of the partial folder; or is about to remove the folder.
    std::fs::write(folder.join(MANIFEST), "{}").unwrap();
    std::fs::remove_file(file::path(&folder)).unwrap();
    let refused = GrowthFile::of(&folder, &plan).append(&[Line::Trigger(added("b", 55, 90))]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::NotFound);
    std::fs::remove_dir_all(folder.join(PARTIAL_DIR)).unwrap();
    assert_eq!(ours.append(&[closed(1)]).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    file::flush(&folder, true).unwrap();
}

#[test]
fn a_whole_line_without_its_end_never_comes_to_count() {
    let (_output, folder) = clip_folder();
    let plan = plan("trigger", 60);
    tear(&folder, serde_json::to_string(&Line::Trigger(added("torn", 55, 90))).unwrap().as_bytes());
    let mut reader = GrowthFile::of(&folder, &plan);
    assert!(!reader.read_on().unwrap());
    reader.append(&[Line::Trigger(added("a", 55, 80))]).unwrap();
    let ids: Vec<_> = reader.growth().triggers().iter().filter_map(|t| t.id.as_deref()).collect();
    assert_eq!(ids, ["first", "a"]);
}

#[test]
fn a_file_with_a_second_name_is_not_written_to() {
    let (output, folder) = clip_folder();
    let precious = output.path().join("precious");
    std::fs::write(&precious, "another's\n").unwrap();
    std::fs::hard_link(&precious, file::path(&folder)).unwrap();
    let refused = GrowthFile::of(&folder, &plan("trigger", 60)).append(&[closed(60)]).unwrap_err();
    assert!(refused.to_string().contains("second name"), "{refused}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "another's\n");
}

/// A step of one of the two processes.
#[derive(Clone, Debug)]
enum Step {
    /// The supervisor appends a group of lines.
    Grow(Vec<Line>),
    /// A process reads on: the supervisor, or the recorder.
    Read { recorder: bool },
    /// The recorder closes the clip by the end that it knows.
    Close,
    /// One of them is cut off in the middle of its lines, and begins anew with what is in the file.
    Torn { recorder: bool, lines: Vec<Line>, at: Index },
}

fn line() -> impl Strategy<Value = Line> {
    let id = prop::sample::select(vec!["first", "a", "b", "c"]);
    (0..4, id, 45_u64..200, 0_u64..200).prop_map(|(kind, id, t, span)| match kind {
        0 => Line::Trigger(added(id, t, t + span)),
        1 => Line::Begin(added(id, t, t + 500)),
        2 => end(id, t + span),
        _ => extend(id, t + span),
    })
}

fn step() -> impl Strategy<Value = Step> {
    let lines = || prop::collection::vec(line(), 1..4);
    prop_oneof![
        4 => lines().prop_map(Step::Grow),
        2 => any::<bool>().prop_map(|recorder| Step::Read { recorder }),
        2 => Just(Step::Close),
        1 => (any::<bool>(), lines(), any::<Index>())
            .prop_map(|(recorder, lines, at)| Step::Torn { recorder, lines, at }),
    ]
}

/// The latest end by a definition that knows nothing of how the fold keeps it.
fn latest_end(growth: &Growth) -> MonotonicNs {
    growth.triggers().iter().map(|trigger| trigger.end_ns).max().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn both_processes_come_to_one_end(begun in any::<bool>(), steps in prop::collection::vec(step(), 1..24)) {
        let (_output, folder) = clip_folder();
        let plan = if begun { plan("begin", 550) } else { plan("trigger", 60) };
        let mut both = [(); 2].map(|()| GrowthFile::of(&folder, &plan));
        // What was answered or acted on: it must never change.
        let mut promised: Vec<ClipTrigger> = Vec::new();
        let mut ended: Option<MonotonicNs> = None;
        for step in steps {
            match step {
                Step::Read { recorder } => drop(both[usize::from(recorder)].read_on().unwrap()),
                Step::Close => {
                    let end_ns = both[1].growth().end_ns();
                    both[1].append(&[Line::Closed { end_ns, early: false }]).unwrap();
                    if both[1].growth().is_closed() {
                        prop_assert_eq!(*ended.get_or_insert(both[1].growth().end_ns()), both[1].growth().end_ns());
                    }
                }
                Step::Grow(lines) => {
                    both[0].append(&lines).unwrap();
                    promised = both[0].growth().triggers().to_vec();
                }
                Step::Torn { recorder, lines, at } => {
                    let text: Vec<u8> = lines
                        .iter()
                        .flat_map(|line| [serde_json::to_vec(line).unwrap(), b"\n".to_vec()].concat())
                        .collect();
                    // A process that finds a cut off line puts its own on a new one.
                    let whole = std::fs::read(file::path(&folder)).is_ok_and(|all| !all.is_empty() && !all.ends_with(b"\n"));
                    if whole { tear(&folder, b"#\n"); }
                    tear(&folder, &text[..at.index(text.len())]);
                    both[usize::from(recorder)] = GrowthFile::of(&folder, &plan);
                }
            }
            for each in &both {
                prop_assert_eq!(each.growth().end_ns(), latest_end(each.growth()));
                let open = each.growth().triggers().iter().filter(|trigger| trigger.ending == Ending::Open);
                prop_assert_eq!(each.growth().open(), open.count());
            }
        }
        let mut fresh = GrowthFile::of(&folder, &plan);
        fresh.read_on().unwrap();
        for each in &mut both {
            each.read_on().unwrap();
            prop_assert_eq!(each.growth(), fresh.growth());
        }
        if let Some(ended) = ended {
            prop_assert!(fresh.growth().is_closed());
            prop_assert_eq!(fresh.growth().end_ns(), ended);
        }
        for trigger in promised {
            let now = fresh.growth().triggers().iter().find(|now| now.id == trigger.id);
            prop_assert_eq!(now.map(|now| (now.t_ns, now.kind)), Some((trigger.t_ns, trigger.kind)));
        }
    }

    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut growth = Growth::of(&plan("begin", 550));
        growth.take_text(&text);
        prop_assert_eq!(growth.end_ns(), latest_end(&growth));
    }
}
