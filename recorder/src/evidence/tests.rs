//! Tests of a take's fate: runs and ranges against single frames.

use std::rc::Rc;

use proptest::prelude::*;
use proto::frame::{LossBefore, PictureTags};

use super::*;
use crate::fakes::{FakeRing, PERIOD, frame};
use crate::frames::NotHeld;
use crate::frames::{HeldFrame, Soundness};

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

/// A ring whose ledger has forgotten what came before a frame.
struct Forgetful {
    ring: Rc<FakeRing>,
    oldest: u64,
}

impl Frames for Forgetful {
    fn soundness(&self) -> Soundness {
        self.ring.soundness()
    }

    fn picture_tags(&self) -> PictureTags {
        PictureTags::default()
    }

    fn head(&self) -> u64 {
        self.ring.head()
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        self.ring.info(sequence).filter(|_| sequence >= self.oldest)
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        self.ring.next_held(at_least)
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.ring.first_at_or_after(at.max(frame(self.oldest).t_capture))
    }

    fn has_ended(&self) -> bool {
        self.ring.has_ended()
    }

    fn away(&self) -> Option<LossBefore> {
        None
    }

    fn reorders(&self) -> bool {
        false
    }

    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        self.ring.hold(sequence)
    }
}

#[test]
fn frames_behind_the_window_that_the_ledger_has_forgotten_are_not_missing() {
    let ring = FakeRing::new();
    ring.publish_to(5000);
    let mut fate = Fate { first: Some(First { sequence: 10, previous: Some(frame(9)) }), ..Fate::default() };
    let window = Window { start_ns: frame(10).t_capture, end_ns: frame(19).t_capture };
    (10..20).for_each(|n| fate.written.add(&frame(n)));
    let evidence = fate.evidence(window, PERIOD, &Forgetful { ring, oldest: 4000 }).unwrap();
    assert_eq!(one_by_one(&evidence), (10..20).map(|n| (frame(n), None)).collect::<Vec<_>>());
    assert_eq!(evidence.following, None);
    let account = evidence.account();
    assert_eq!((account.expected, account.written, account.gaps.len()), (10, 10, 0));
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
