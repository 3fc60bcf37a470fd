//! Tests of a take's fate: runs and ranges against single frames.

use proptest::prelude::*;

use super::*;
use crate::fakes::{FakeRing, PERIOD, frame};

/// The next thing that happens to a take, and to how many frames.
#[derive(Clone, Copy, Debug)]
enum Event {
    Written(u64),
    GivenUp(u64, GapCause),
    /// Taken back, as far as they are not in a part.
    TakenBack(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let cause = prop_oneof![Just(GapCause::RingOverrun), Just(GapCause::Disk)];
    let event = prop_oneof![
        3 => (1_u64..8).prop_map(Event::Written),
        2 => (1_u64..8, cause).prop_map(|(frames, cause)| Event::GivenUp(frames, cause)),
        2 => (1_usize..12).prop_map(Event::TakenBack),
    ];
    prop::collection::vec(event, 0..30)
}

/// The evidence frame by frame: each frame, and the cause of its loss.
fn one_by_one(evidence: &Evidence) -> Vec<(FrameInfo, Option<GapCause>)> {
    let frames = |wanted: &Wanted| {
        let (run, lost) = (wanted.run, wanted.lost);
        (run.first().sequence..=run.last().sequence).map(move |sequence| (run.at(sequence), lost))
    };
    evidence.wanted.iter().flat_map(frames).collect()
}

proptest! {
    #[test]
    fn a_fate_in_runs_is_the_fate_frame_by_frame(events in events(), first in 1_u64..5) {
        let previous = Some(frame(first - 1));
        let mut fate = Fate { first: Some(First { sequence: first, previous }), ..Fate::default() };
        let mut single: Vec<(FrameInfo, Option<GapCause>)> = Vec::new();
        for event in events {
            let next = first + single.len() as u64;
            match event {
                Event::Written(frames) => {
                    (next..next + frames).for_each(|n| fate.written.add(&frame(n)));
                    single.extend((next..next + frames).map(|n| (frame(n), None)));
                }
                Event::GivenUp(frames, cause) => {
                    fate.give_up(next, next + frames, cause);
                    single.extend((next..next + frames).map(|n| (frame(n), Some(cause))));
                }
                Event::TakenBack(frames) => {
                    let last_written = single.iter().rposition(|(_, lost)| lost.is_none());
                    let in_parts = last_written.map_or(0, |at| at + 1);
                    single.truncate(single.len().saturating_sub(frames).max(in_parts));
                    fate.take_back(first + single.len() as u64);
                }
            }
        }
        let end = first + single.len() as u64;
        let ring = FakeRing::new();
        ring.publish_to(end);
        let window = Window { start_ns: frame(first).t_capture, end_ns: frame(end - 1).t_capture };
        let evidence = fate.evidence(window, PERIOD, &*ring).unwrap();
        prop_assert_eq!(evidence.following, Some(frame(end)));
        prop_assert_eq!(one_by_one(&evidence), single.clone());

        // Without the ring, frames behind the last one on the disk are the gone ring's.
        let on_disk = single.iter().rposition(|(_, lost)| lost.is_none()).map_or(0, |at| at + 1);
        let evidence = fate.evidence_without_ring(window, PERIOD);
        prop_assert_eq!(&one_by_one(&evidence)[..], &single[..on_disk]);
    }
}
