//! Clips that are opened, counted and waited for, without a recorder.

use proto::clip::{MANIFEST, PARTIAL_DIR};

use super::*;

const RUN: &str = "/nowhere/run_1";
const A_MANIFEST: &str = r#"{ "schema": 1, "clip_id": "clip-0001", "label": null, "complete": true, "ended_early": false,
    "trigger_ns": 1, "window": { "start_ns": 0, "end_ns": 2 }, "asked_start_ns": 0,
    "wall": { "monotonic_ns": 0, "unix_ns": 0 }, "trigger_utc": "", "notes": [], "cameras": {} }"#;

fn clips(at_most_open: usize) -> Clips {
    Clips::new(RUN.into(), at_most_open, HashSet::new(), Counts::default())
}

/// Waits as those do that a command has left to wait.
fn wait(clips: &Clips, folder: &Path) -> Outcome {
    let mut seen = 0;
    loop {
        match clips.outcome(folder) {
            Some(outcome) => return outcome,
            None => seen = clips.await_change(seen, false),
        }
    }
}

/// The events so far.
fn events(clips: &Clips) -> Vec<Event> {
    let mut place = 0;
    std::iter::from_fn(|| {
        let event = clips.events().after(place)?;
        place = event.seq;
        Some(event.event.clone())
    })
    .collect()
}

fn folder(name: &str) -> PathBuf {
    Path::new(RUN).join(name)
}

#[test]
fn no_more_clips_are_open_than_the_config_allows() {
    let clips = clips(2);
    clips.reserve().unwrap().take(folder("a")).unwrap();
    let second = clips.reserve().unwrap();
    assert_eq!(clips.reserve().err(), Some(Refusal::TooManyOpenClips { open: 2 }));
    // The plan of the second could not be written.
    drop(second);
    clips.reserve().unwrap().take(folder("b")).unwrap();
    assert!(clips.finish(&folder("a"), Verdict::Complete, Some(25)));
    assert!(clips.reserve().is_ok());
}

#[test]
fn a_clip_is_counted_once_however_often_its_end_is_told() {
    let clips = clips(4);
    clips.reserve().unwrap().take(folder("a")).unwrap();
    assert_eq!(clips.open_and_finished(), (1, Counts::default()));
    assert!(clips.finish(&folder("a"), Verdict::Gaps, Some(25)));
    assert!(!clips.finish(&folder("a"), Verdict::Gaps, None));
    let counts = Counts { completed: 0, incomplete: 1, last_finish_ms: Some(25) };
    assert_eq!(clips.open_and_finished(), (0, counts));
}

#[test]
fn clips_of_earlier_runs_are_waited_for_and_not_counted() {
    let other = PathBuf::from("/nowhere/run_0/clip-0001");
    let clips = Clips::new(RUN.into(), 4, HashSet::from([other.clone()]), Counts::default());
    assert!(clips.finish(&other, Verdict::Complete, Some(9)));
    assert_eq!(clips.open_and_finished(), (0, Counts::default()));
}

#[test]
fn clips_that_a_start_could_not_read_are_read_once_the_disk_answers() {
    let output = tempfile::tempdir().unwrap();
    let run = output.path().join("run_1");
    let clips = Clips::new(run.clone(), 4, HashSet::new(), Counts::default());
    assert!(!clips.read_run_folder(), "it is away");
    let open = run.join("clip-0002");
    std::fs::create_dir_all(open.join(PARTIAL_DIR)).unwrap();
    std::fs::write(plan_path(&open), "{}").unwrap();
    let finished = run.join("clip-0001");
    std::fs::create_dir(&finished).unwrap();
    std::fs::write(finished.join(MANIFEST), A_MANIFEST).unwrap();
    assert!(clips.read_run_folder());
    let counts = Counts { completed: 1, ..Counts::default() };
    assert_eq!((clips.open(), clips.counts()), (vec![open], counts));
}

#[test]
fn a_trigger_whose_plan_comes_before_the_recorder_closes_counts_and_a_later_one_does_not() {
    let clips = Arc::new(clips(4));
    let (begun, is_begun) = std::sync::mpsc::channel();
    let writer = {
        let clips = Arc::clone(&clips);
        std::thread::spawn(move || {
            let place = clips.reserve().unwrap();
            begun.send(()).unwrap();
            while clips.phase() == Phase::Running {
                std::thread::yield_now();
            }
            place.take(folder("last"))
        })
    };
    is_begun.recv().unwrap();
    assert_eq!(clips.close(Duration::from_secs(60)), [folder("last")]);
    assert_eq!(writer.join().unwrap(), Ok(()));
    assert_eq!(clips.reserve().err(), Some(Refusal::EndingTrigger));
}

#[test]
fn a_plan_that_comes_after_the_recorder_was_told_to_close_is_refused() {
    let clips = clips(4);
    let place = clips.reserve().unwrap();
    assert_eq!(clips.close(Duration::ZERO), Vec::<PathBuf>::new());
    assert_eq!(clips.phase(), Phase::Closing);
    assert_eq!(place.take(folder("late")), Err(Refusal::EndingTrigger));
    assert_eq!(clips.lock().reserved, 0);
}

#[test]
fn whoever_has_waited_for_a_clip_finds_it_counted() {
    let run = tempfile::tempdir().unwrap();
    let folder = run.path().join("clip-0001");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(MANIFEST), A_MANIFEST).unwrap();
    assert!(plan::manifest(&folder).is_some());
    let open = HashSet::from([folder.clone()]);
    let clips = Arc::new(Clips::new(run.path().to_owned(), 4, open, Counts::default()));
    let (say, said) = std::sync::mpsc::channel();
    let (waited, its_folder) = (Arc::clone(&clips), folder.clone());
    std::thread::spawn(move || say.send((wait(&waited, &its_folder), waited.counts().completed)));
    assert!(said.recv_timeout(Duration::from_millis(300)).is_err(), "its recorder has not said so yet");
    clips.finish(&folder, Verdict::Complete, None);
    assert_eq!(said.recv().unwrap(), (Outcome::Finished, 1));
}

#[test]
fn whoever_waits_for_a_clip_hears_how_it_ended() {
    let run = tempfile::tempdir().unwrap();
    let clip = |name: &str| {
        let folder = run.path().join(name);
        std::fs::create_dir_all(plan_path(&folder).parent().unwrap()).unwrap();
        std::fs::write(plan_path(&folder), "{}").unwrap();
        folder
    };
    let (lost, removed, open) = (clip("clip-0001"), clip("clip-0002"), clip("clip-0003"));
    let all = HashSet::from([lost.clone(), removed.clone(), open.clone()]);
    let clips = Clips::new(run.path().to_owned(), 4, all, Counts::default());
    clips.give_up(&lost, "it is lost");
    assert_eq!(wait(&clips, &lost), Outcome::Lost);
    std::fs::remove_dir_all(&removed).unwrap();
    assert_eq!(wait(&clips, &removed), Outcome::Removed);
    assert!(matches!(unreported_end(removed.clone()), Some(LoopEvent::Gone(gone)) if gone == removed));
    assert!(unreported_end(open.clone()).is_none());
    clips.end();
    assert_eq!(wait(&clips, &open), Outcome::Ended);
}

#[test]
fn each_end_of_a_clip_is_one_event() {
    let earlier = PathBuf::from("/nowhere/run_0/clip-0007");
    let clips = clips(4);
    for name in ["a", "b"] {
        clips.reserve().unwrap().take(folder(name)).unwrap();
    }
    assert!(clips.finish(&folder("a"), Verdict::Short, Some(1)));
    assert!(!clips.finish(&folder("a"), Verdict::Short, Some(1)));
    (0..2).for_each(|_| clips.give_up(&folder("b"), "the disk is gone"));
    clips.finish(&earlier, Verdict::Complete, None);
    let path = |folder: &Path| folder.display().to_string();
    let finished = |clip_id: &str, folder: &Path, verdict, complete| Event::ClipFinished {
        clip_id: clip_id.into(),
        path: path(folder),
        verdict,
        complete,
    };
    assert_eq!(
        events(&clips),
        [
            finished("a", &folder("a"), Verdict::Short, false),
            Event::ClipLost { clip_id: "b".into(), path: path(&folder("b")), why: "the disk is gone".into() },
            finished("clip-0007", &earlier, Verdict::Complete, true),
        ]
    );
}
