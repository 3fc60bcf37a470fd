//! Tests of the account: small clips by hand, and runs against single frames.

use proptest::prelude::*;
use proto::frame::FrameFlags;

use super::*;

const MS: u64 = 1_000_000;

/// Frame `n` of a camera that makes one every 10 ms, as the ring numbers it too.
fn frame(n: u64) -> FrameInfo {
    FrameInfo {
        sequence: n,
        source_sequence: n,
        t_capture: MonotonicNs(n * 10 * MS),
        epoch: 1,
        before: LossBefore::Nothing,
        flags: FrameFlags::NONE,
        ..FrameInfo::default()
    }
}

/// A frame that was published in the window, and what became of it.
#[derive(Clone, Copy, Debug)]
struct One {
    frame: FrameInfo,
    lost: Option<GapCause>,
}

fn here(frame: FrameInfo) -> One {
    One { frame, lost: None }
}

/// A window from 100 to 200 ms: frames 10 to 20.
fn evidence(wanted: Vec<One>) -> Evidence {
    let mut evidence = Evidence {
        window: Window { start_ns: MonotonicNs(100 * MS), end_ns: MonotonicNs(200 * MS) },
        previous: Some(frame(9)),
        wanted: Vec::new(),
        following: Some(frame(21)),
        period: Duration::from_millis(10),
        silence: Some(GapCause::CameraStall),
        variable_rate: false,
    };
    wanted.iter().for_each(|one| evidence.want(&one.frame, one.lost));
    evidence
}

#[test]
fn a_whole_clip_has_no_gap() {
    let account = evidence((10..=20).map(|n| here(frame(n))).collect()).account();
    assert_eq!(account, Account { expected: 11, written: 11, gaps: vec![], live: true });
}

#[test]
fn overwritten_frames_in_a_row_are_one_gap() {
    let lost = |n| n == 10 || (14..=16).contains(&n);
    let wanted = |n| One { frame: frame(n), lost: lost(n).then_some(GapCause::RingOverrun) };
    let account = evidence((10..=20).map(wanted).collect()).account();
    let gap = |after_sequence, missing| Gap { after_sequence, missing, cause: GapCause::RingOverrun };
    assert_eq!(account, Account { expected: 11, written: 7, gaps: vec![gap(9, 1), gap(13, 3)], live: true });
}

#[test]
fn two_holes_with_frames_between_are_two_gaps() {
    // Frames 12 and 13 were never published, and after two that were, 16 neither. The ring's numbers have no hole,
    // so the second gap is behind the number at which the first would end, were it one of published frames.
    let wanted: Vec<_> = [(10, 10), (11, 11), (14, 12), (15, 13), (17, 14), (18, 15), (19, 16), (20, 17)]
        .map(|(n, sequence)| here(FrameInfo { sequence, ..frame(n) }))
        .to_vec();
    let following = Some(FrameInfo { sequence: 18, ..frame(21) });
    let account = Evidence { following, ..evidence(wanted) }.account();
    let gap = |after_sequence, missing| Gap { after_sequence, missing, cause: GapCause::CameraDrop };
    assert_eq!(account, Account { expected: 11, written: 8, gaps: vec![gap(11, 2), gap(13, 1)], live: true });
}

#[test]
fn a_killed_capture_costs_what_its_camera_made_meanwhile() {
    // Frames 13 to 17 were never published; the ring's numbers go on without a hole.
    let after = |n: u64| FrameInfo { sequence: n - 5, epoch: 2, ..frame(n) };
    let wanted = (10..=12).map(frame).chain((18..=20).map(after)).map(here).collect();
    let account = Evidence { following: Some(after(21)), ..evidence(wanted) }.account();
    let gap = Gap { after_sequence: 12, missing: 5, cause: GapCause::CaptureRestart };
    assert_eq!(account, Account { expected: 11, written: 6, gaps: vec![gap], live: true });
}

#[test]
fn a_camera_that_was_away_costs_what_it_made_meanwhile_for_the_reason_of_its_absence() {
    for (before, epoch, cause) in [
        (LossBefore::Unplugged, 1, GapCause::Unplugged),
        (LossBefore::Network, 1, GapCause::Network),
        (LossBefore::CameraStall, 1, GapCause::CameraStall),
        (LossBefore::TooLarge, 1, GapCause::TooLarge),
        (LossBefore::Corrupt, 1, GapCause::Corrupt),
        (LossBefore::Packets, 1, GapCause::Network),
        // A capture that was replaced meanwhile is not the reason.
        (LossBefore::Unplugged, 2, GapCause::Unplugged),
        (LossBefore::Network, 2, GapCause::Network),
        (LossBefore::CameraStall, 2, GapCause::CaptureRestart),
        (LossBefore::TooLarge, 2, GapCause::CaptureRestart),
        (LossBefore::Packets, 2, GapCause::CaptureRestart),
    ] {
        let back = |n: u64| FrameInfo { sequence: n - 5, epoch, ..frame(n) };
        let first = FrameInfo { before, ..back(18) };
        let wanted = (10..=12).map(frame).chain([first, back(19), back(20)]).map(here).collect();
        let account = Evidence { following: Some(back(21)), ..evidence(wanted) }.account();
        let gap = Gap { after_sequence: 12, missing: 5, cause };
        assert_eq!(account, Account { expected: 11, written: 6, gaps: vec![gap], live: true });
    }
}

#[test]
fn a_camera_that_is_absent_at_the_start_is_missed_until_it_comes() {
    let late = |n: u64| FrameInfo { sequence: n - 14, ..frame(n) };
    let first = FrameInfo { before: LossBefore::Network, ..late(15) };
    let wanted = [first].into_iter().chain((16..=20).map(late)).map(here).collect();
    let account = Evidence { previous: None, following: Some(late(21)), ..evidence(wanted) }.account();
    let gap = Gap { after_sequence: 0, missing: 5, cause: GapCause::Network };
    assert_eq!(account.gaps, [gap]);
    let never =
        Evidence { previous: None, following: None, silence: Some(GapCause::Unplugged), ..evidence(vec![]) };
    assert_eq!(never.account(), NOT_LIVE);
}

#[test]
fn a_hole_over_an_edge_counts_only_inside() {
    // The camera was away from frame 5 to frame 12, and again from 18 to 25.
    let wanted = (12..=18).map(|n| here(frame(n))).collect();
    let away = Evidence { previous: Some(frame(5)), following: Some(frame(25)), ..evidence(wanted) };
    let account = away.account();
    assert_eq!((account.expected, account.written), (11, 7));
    assert_eq!(account.gaps.iter().map(|g| g.missing).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn a_silent_camera_is_missed_to_the_end_of_the_window() {
    let silent = Evidence { following: None, ..evidence((10..=15).map(|n| here(frame(n))).collect()) };
    let gap = Gap { after_sequence: 15, missing: 5, cause: GapCause::CameraStall };
    assert_eq!(silent.account(), Account { expected: 11, written: 6, gaps: vec![gap], live: true });
    let ended = Evidence { silence: None, ..silent };
    assert_eq!(ended.account(), Account { expected: 6, written: 6, gaps: vec![], live: true });
}

#[test]
fn a_camera_that_fell_silent_before_the_window_is_missed_by_its_own_clock() {
    // The camera's last frame is at 50 ms. Due in the window would have been those of 100 to 200 ms, both included.
    let silent = Evidence { previous: Some(frame(5)), following: None, ..evidence(vec![]) };
    assert_eq!(silent.account().expected, 11);
    let later = FrameInfo { t_capture: MonotonicNs(55 * MS), ..frame(5) };
    assert_eq!(Evidence { previous: Some(later), ..silent }.account().expected, 10);
}

#[test]
fn what_a_broken_ring_says_is_counted_without_a_panic() {
    let odd = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    let moments = odd.into_iter().flat_map(|n| {
        odd.map(|t| FrameInfo { sequence: n, source_sequence: n ^ t, t_capture: MonotonicNs(t), ..frame(1) })
    });
    let wanted: Vec<One> = moments.map(|frame| One { frame, lost: Some(GapCause::RingOverrun) }).collect();
    for following in [None, Some(frame(u64::MAX / (10 * MS))), Some(frame(0))] {
        let previous = following;
        let _ = Evidence { previous, following, ..evidence(wanted.clone()) }.account();
    }
}

#[test]
fn a_camera_that_comes_up_late_is_missed_until_then() {
    // The camera's first frame ever is at 150 ms, and the window begins at 100.
    let late = |n: u64| FrameInfo { sequence: n - 14, ..frame(n) };
    let wanted = (15..=20).map(|n| here(late(n))).collect();
    let account = Evidence { previous: None, following: Some(late(21)), ..evidence(wanted) }.account();
    let gap = Gap { after_sequence: 0, missing: 5, cause: GapCause::CameraStall };
    assert_eq!(account, Account { expected: 11, written: 6, gaps: vec![gap], live: true });
    let later = Evidence {
        previous: None,
        following: Some(FrameInfo { sequence: 1, ..frame(30) }),
        ..evidence(vec![])
    };
    assert_eq!(later.account(), NOT_LIVE);
}

#[test]
fn frames_that_even_the_ledger_has_forgotten_are_missed() {
    let missed = |account: &Account| (account.expected, account.written, account.gaps.clone());
    let gap = |after_sequence, missing| vec![Gap { after_sequence, missing, cause: GapCause::RingOverrun }];
    // The ring's memory begins behind the window, right behind it, between two frames' times.
    for first in [frame(5000), frame(21), FrameInfo { t_capture: MonotonicNs(205 * MS), ..frame(21) }] {
        let forgotten = Evidence { previous: None, following: Some(first), ..evidence(vec![]) };
        let account = forgotten.account();
        let inside = if first.t_capture.0 == 205 * MS { 10 } else { 11 };
        assert_eq!((account.expected, account.written), (inside, 0), "{first:?}");
        assert!(account.gaps.iter().all(|g| g.cause == GapCause::RingOverrun));
    }
    // The ring's memory begins inside: at a frame that is in the file, and at one that was given up too.
    let wanted: Vec<_> = (15..=20).map(|n| here(frame(n))).collect();
    let account = Evidence { previous: None, ..evidence(wanted.clone()) }.account();
    assert_eq!(missed(&account), (11, 6, gap(9, 5)));
    let lost = One { lost: Some(GapCause::RingOverrun), ..here(frame(14)) };
    let account = Evidence { previous: None, ..evidence([vec![lost], wanted].concat()) }.account();
    assert_eq!(missed(&account), (11, 6, gap(9, 5)));
}

/// The account of a camera that was not live at any moment of the window.
const NOT_LIVE: Account = Account { expected: 0, written: 0, gaps: Vec::new(), live: false };

#[test]
fn nobody_knows_what_is_missing_of_a_camera_that_was_not_live_in_the_window() {
    let nothing = Evidence { previous: None, following: None, ..evidence(vec![]) };
    assert_eq!(nothing.account(), NOT_LIVE);
    // Ten frames a second and a tenth: it was silent, as the supervisor says it, when the window began.
    let window = Window { start_ns: MonotonicNs(2100 * MS), end_ns: MonotonicNs(2200 * MS) };
    let away = |last| Evidence { window, previous: Some(frame(last)), ..nothing.clone() };
    assert_eq!(away(10).account(), NOT_LIVE);
    assert_eq!((away(11).account().expected, away(11).account().live), (11, true));
    // Its own numbers tell later what it made meanwhile; or nothing was due; or a file had ended.
    let told = Evidence { following: Some(frame(250)), ..away(10) };
    assert_eq!((told.account().expected, told.account().live), (11, true));
    let between = Window { start_ns: MonotonicNs(2101 * MS), end_ns: MonotonicNs(2109 * MS) };
    assert!(Evidence { window: between, ..away(10) }.account().live);
    assert_eq!(Evidence { silence: None, ..away(10) }.account(), Account { live: true, ..NOT_LIVE });
    // The ring that knew is gone.
    let gone = Evidence { silence: Some(GapCause::RingGone), ..nothing }.account();
    assert_eq!((gone.expected, gone.live), (10, true));
}

/// The account frame by frame, as it was before there were runs.
fn frame_by_frame(evidence: &Evidence, wanted: &[One]) -> Account {
    if evidence.was_never_live() {
        return NOT_LIVE;
    }
    let (mut gaps, mut before, mut written) = (Gaps::default(), evidence.previous, 0);
    for One { frame, lost } in wanted {
        match before {
            None => evidence.add_unknown_before(frame, &mut gaps),
            Some(before) => evidence.add_between(&before, frame, &mut gaps),
        }
        match lost {
            None => written += 1,
            Some(cause) => gaps.add_published(frame.sequence, 1, *cause),
        }
        before = Some(*frame);
    }
    match (before, evidence.following) {
        (Some(before), Some(after)) => evidence.add_between(&before, &after, &mut gaps),
        (before, None) => {
            if let Some(cause) = evidence.silence {
                gaps.add(before.map_or(0, |b| b.sequence), evidence.silent_frames(before), cause);
            }
        }
        (None, Some(after)) => evidence.add_unknown_before(&after, &mut gaps),
    }
    let missing: u64 = gaps.gaps.iter().map(|gap| gap.missing).sum();
    Account { expected: missing + written, written, gaps: gaps.gaps, live: true }
}

/// One frame of a camera's life: numbers skipped before it, another life of the capture, a noted loss, the cause if it was
/// lost, whether the files say otherwise, and how many nanoseconds it came late (or early: below half a period).
type FrameLife = (u8, bool, u8, Option<GapCause>, bool, i64);

fn lives() -> impl Strategy<Value = Vec<FrameLife>> {
    let skipped = prop_oneof![8 => Just(0_u8), 1 => Just(1), 1 => 0_u8..20];
    let lost = prop_oneof![
        8 => Just(None),
        1 => Just(Some(GapCause::RingOverrun)),
        1 => Just(Some(GapCause::Disk))
    ];
    let seldom = || prop::bool::weighted(0.05);
    let noted = prop_oneof![9 => Just(0_u8), 1 => 0_u8..4];
    let late = -4_999_999_i64..5_000_000;
    prop::collection::vec((skipped, seldom(), noted, lost, seldom(), late), 0..60)
}

proptest! {
    #[test]
    fn runs_count_what_frames_count(
        lives in lives(),
        knows_previous: bool,
        knows_following: bool,
        ended: bool,
        starts_at in 0_u64..12,
    ) {
        let (mut source, mut epoch) = (starts_at, 1);
        let mut frames = Vec::new();
        for (n, (skipped, restarted, noted, _, _, late)) in (1_u64..).zip(&lives) {
            source += 1 + u64::from(*skipped);
            epoch += u32::from(*restarted);
            let before = LossBefore::from_code(*noted);
            let t_capture = MonotonicNs(frame(source).t_capture.0.saturating_add_signed(*late));
            frames.push(FrameInfo { sequence: n, t_capture, epoch, before, ..frame(source) });
        }
        let window = Window { start_ns: MonotonicNs(100 * MS), end_ns: MonotonicNs(1000 * MS) };
        let inside = |frame: &FrameInfo| window.contains(frame.t_capture);
        let wanted: Vec<One> = frames.iter().zip(&lives).filter(|(frame, _)| inside(frame))
            .map(|(frame, life)| One { frame: *frame, lost: life.3 }).collect();
        let previous = frames.iter().rfind(|f| f.t_capture < window.start_ns).filter(|_| knows_previous);
        let following = frames.iter().find(|f| f.t_capture > window.end_ns).filter(|_| knows_following);
        let silence = (!ended).then_some(GapCause::CameraStall);
        let (previous, following) = (previous.copied(), following.copied());
        let mut by_runs = Evidence { window, previous, following, silence, ..evidence(wanted.clone()) };
        prop_assert_eq!(by_runs.account(), frame_by_frame(&by_runs, &wanted));

        // The files differ from what was thought: they hold some frames more, and some fewer.
        let is_there = |one: &One, flipped: bool| one.lost.is_none() != flipped;
        let flipped: Vec<bool> =
            frames.iter().zip(&lives).filter(|(frame, _)| inside(frame)).map(|(_, life)| life.4).collect();
        let there: Vec<FrameInfo> = wanted.iter().zip(&flipped)
            .filter(|(one, flipped)| is_there(one, **flipped)).map(|(one, _)| one.frame).collect();
        let corrected: Vec<One> = wanted.iter().zip(&flipped).map(|(one, flipped)| One {
            lost: (!is_there(one, *flipped)).then(|| one.lost.unwrap_or(GapCause::Disk)), ..*one
        }).collect();
        by_runs.correct_by(&there.iter().collect());
        prop_assert_eq!(by_runs.account(), frame_by_frame(&by_runs, &corrected));
    }
}

#[test]
fn the_last_picture_stands_until_the_windows_end_if_the_camera_goes_on_without_a_rate() {
    let still = Evidence { variable_rate: true, ..evidence(vec![here(frame(10))]) };
    let end = Some(still.window.end_ns);
    assert_eq!(still.last_stood_until(), end);
    let silent = Evidence { following: None, silence: Some(GapCause::CameraStall), ..still.clone() };
    assert_eq!(silent.last_stood_until(), end);
    let with_a_rate = Evidence { variable_rate: false, ..still };
    let ended = Evidence { silence: None, ..silent.clone() };
    let without_ring = Evidence { silence: Some(GapCause::RingGone), ..silent };
    for other in [with_a_rate, ended, without_ring] {
        assert_eq!(other.last_stood_until(), None, "{other:?}");
    }
}

#[test]
fn a_camera_of_variable_rate_misses_nothing_by_silence_alone() {
    let still = Evidence {
        following: None,
        variable_rate: true,
        ..evidence((10..=12).map(|n| here(frame(n))).collect())
    };
    assert_eq!((still.account().expected, still.account().gaps), (3, vec![]));
    let nothing = Evidence { following: None, variable_rate: true, ..evidence(vec![]) };
    assert_eq!(nothing.account().expected, 0);
    let late = FrameInfo { sequence: 1, ..frame(15) };
    let began_late =
        Evidence { previous: None, following: None, variable_rate: true, ..evidence(vec![here(late)]) };
    assert_eq!(began_late.account().gaps, []);
    // While it was away, one frame stands for what nobody can count.
    let away = Evidence { silence: Some(GapCause::Unplugged), ..still };
    let gap = Gap { after_sequence: 12, missing: 1, cause: GapCause::Unplugged };
    assert_eq!(away.account().gaps, [gap]);
    // Its own numbers tell of frames that it made, and a ring that is gone held some.
    let dropped = Evidence { variable_rate: true, ..evidence([10, 13].map(|n| here(frame(n))).to_vec()) };
    assert_eq!(dropped.account().gaps.iter().map(|gap| gap.missing).sum::<u64>(), 9);
    let gone = Evidence {
        silence: Some(GapCause::RingGone),
        following: None,
        variable_rate: true,
        ..evidence(vec![])
    };
    assert_eq!(gone.account().expected, 11);
}
