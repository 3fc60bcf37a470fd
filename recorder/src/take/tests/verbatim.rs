//! Tests of takes whose H.264 is in the clip as it came.

use super::*;
use crate::part;

/// Each part's first frame, the moment that its video's time 0 stands for, and whether it goes on with the one before.
fn parts(rig: &Rig) -> Vec<(u64, MonotonicNs, bool)> {
    let of = |part: &part::Part| (part.first.frame.sequence, part.header.base_ns, part.header.goes_on);
    rig.parts().iter().map(of).collect()
}

/// The account of a clip with ten frames before its window.
fn with_lead_in(gaps: Vec<Gap>) -> Account {
    let missing: u64 = gaps.iter().map(|gap| gap.missing).sum();
    Account { expected: 111, written: 111 - missing, gaps, live: true }
}

#[test]
fn a_copy_begins_with_the_key_frame_before_the_window_and_needs_no_encoder() {
    let mut rig = Rig::verbatim(30);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(90, ms(900), false)]);
    assert_eq!(rig.payloads(), (90..=200).collect::<Vec<_>>());
    assert_eq!((rig.media.opened(), rig.take.costs()), (Vec::<String>::new(), &[][..]));
    assert_eq!(rig.account(), with_lead_in(vec![]));
}

#[test]
fn a_killed_recorder_loses_nothing_before_the_window_and_in_it() {
    for killed_at in [91, 99, 100, 140] {
        let mut rig = Rig::verbatim(30);
        rig.ring.publish_to(100);
        while rig.take.next() <= killed_at.min(100) && rig.step(1000) != Step::Waiting {}
        (101..=killed_at).for_each(|n| _ = rig.run_to(n * 10));
        let mut rig = rig.killed();
        rig.run(killed_at.max(101) + 3..=200);
        assert_eq!(rig.run_to(2010), Step::Over);
        let parts = parts(&rig);
        assert_eq!((parts.len(), parts[0], parts[1].2), (2, (90, ms(900), false), true), "{killed_at}");
        assert_eq!(rig.account(), with_lead_in(vec![]), "{killed_at}");
    }
}

#[test]
fn without_its_key_frame_the_window_begins_with_the_next_one_and_what_is_before_is_declared() {
    let mut rig = Rig::verbatim(30);
    // The oldest frame is 95 when the take begins.
    rig.run_to((95 + SLOTS as u64 - 2) * 10);
    rig.run(180..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(120, ms(1200), false)]);
    assert_eq!(rig.account(), one_gap(99, 20, GapCause::NoKeyFrame));
}

#[test]
fn frames_that_are_gone_when_their_turn_comes_are_no_matter_of_key_frames() {
    let mut rig = Rig::verbatim(30);
    assert_eq!(rig.run_to((130 + SLOTS as u64 - 2) * 10), Step::Over);
    assert_eq!(parts(&rig), [(150, ms(1500), false)]);
    let gaps = vec![
        Gap { after_sequence: 99, missing: 30, cause: GapCause::RingOverrun },
        Gap { after_sequence: 129, missing: 20, cause: GapCause::NoKeyFrame },
    ];
    assert_eq!(rig.account(), Account { expected: 101, written: 51, gaps, live: true });
}

#[test]
fn a_stream_that_was_away_is_copied_again_from_its_next_key_frame_on() {
    let mut rig = Rig::verbatim(30);
    rig.ring.back_at.set(135);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(90, ms(900), false), (150, ms(900), false)]);
    let gap = Gap { after_sequence: 134, missing: 15, cause: GapCause::NoKeyFrame };
    assert_eq!(rig.account(), with_lead_in(vec![gap]));
}
