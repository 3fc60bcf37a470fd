//! Tests of the ladder: tables, and two copies that go through random changes.

use proptest::prelude::*;

use super::*;

fn choice(codec: Codec, encoder: &str, preset: Option<&str>) -> EncoderChoice {
    EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) }
}

fn x264(preset: &str) -> EncoderChoice {
    choice(Codec::H264, "libx264", Some(preset))
}

fn avc1() -> EncoderChoice {
    choice(Codec::Avc1, "libx264", Some("ultrafast"))
}

fn names(ladder: &EncoderLadder) -> Vec<&'static str> {
    ladder.chain.iter().map(|choice| choice.codec.name()).collect()
}

const CLIP: u64 = 150;

fn cost_of(frame_ms: f64) -> EncodeCost {
    EncodeCost { frames: CLIP, spent: Duration::from_secs_f64(frame_ms / 1e3) * u32::try_from(CLIP).unwrap() }
}

fn demand() -> Demand {
    let (pre, post) = (Duration::from_millis(500), Duration::from_secs(2));
    Demand { is_auto: true, fps: 60.0, pre, post, frame_bytes: 1_382_400, backlog_bytes: 1 << 30 }
}

#[test]
fn what_is_assumed_goes_by_what_the_config_asks_for() {
    let assumed = |codec, preset| EncoderLadder::assumed(codec, preset);
    assert_eq!(assumed(None, None).chain, [x264("superfast"), avc1(), last_resort()]);
    assert_eq!(assumed(None, Some("slow")).first(), x264("slow"));
    assert_eq!(names(&assumed(Some(Codec::Xvid), None)), ["XVID", "MJPG"]);
    assert_eq!(names(&assumed(Some(Codec::Mjpg), None)), ["MJPG"]);
    assert_eq!(EncoderLadder::default().first(), last_resort());
}

#[test]
fn after_an_encoder_that_failed_in_a_clip_comes_the_next() {
    let ladder = EncoderLadder::assumed(None, None);
    for (failed, next) in [
        (x264("superfast"), Some(avc1())),
        (x264("ultrafast"), Some(avc1())),
        (avc1(), Some(last_resort())),
        (last_resort(), None),
        // Used before the encoders were tried, and not in the chain since.
        (choice(Codec::H264, "h264_nvenc", None), Some(avc1())),
        (choice(Codec::Mp4v, "mpeg4", None), Some(last_resort())),
    ] {
        assert_eq!(ladder.after(&failed).cloned(), next, "after {failed:?}");
    }
}

#[test]
fn a_clip_goes_on_with_the_encoder_of_its_last_part_unless_that_was_given_up() {
    let mut ladder = EncoderLadder::assumed(None, None);
    assert_eq!(ladder.resume_at(&x264("fast")), x264("fast"));
    assert_eq!(ladder.resume_at(&last_resort()), last_resort());
    ladder.step_down(&x264("superfast"), "it crashed").unwrap();
    assert_eq!(ladder.resume_at(&x264("fast")), avc1(), "at whatever preset");
    assert_eq!(ladder.resume_at(&avc1()), avc1(), "the same encoder for another codec");
}

#[test]
fn an_encoder_that_is_given_up_is_followed_by_the_next_and_the_last_is_kept() {
    let mut ladder = EncoderLadder::assumed(None, None);
    ladder.trial(&x264("superfast"));
    let change = ladder.step_down(&x264("ultrafast"), "the recorder kept crashing with it").unwrap();
    assert_eq!((change.from, change.to), (x264("superfast"), avc1()));
    assert_eq!(ladder.trials[0].verdict, "given up: the recorder kept crashing with it");
    assert_eq!(ladder.step_down(&x264("superfast"), "again"), None, "it is given up already");
    // One that isn't in use: the clip had gone on with it.
    let change = ladder.step_down(&last_resort(), "it crashed").unwrap();
    assert_eq!((change.from, change.to), (last_resort(), avc1()));
    assert_eq!(ladder.step_down(&avc1(), "it crashed"), None);
    assert_eq!(names(&ladder), ["avc1"]);
}

#[test]
fn faster_is_one_preset_down_and_ends_at_the_fastest() {
    let mut presets = vec!["veryslow".to_owned()];
    while let Some(next) = faster(&x264(presets.last().unwrap())) {
        presets.push(next.preset.unwrap());
    }
    presets.reverse();
    assert_eq!(presets, X264_PRESETS);
    assert_eq!(faster(&last_resort()), None);
}

#[test]
fn what_is_measured_follows_the_last_clips_and_is_none_before() {
    let mut ladder = EncoderLadder::assumed(None, None);
    assert_eq!(ladder.cost(&x264("superfast")), None);
    ladder.measured(&x264("superfast"), EncodeCost::default());
    assert_eq!(ladder.trials, [], "no frame tells nothing");
    let mut measured = |frame_ms| {
        ladder.measured(&x264("superfast"), cost_of(frame_ms));
        (ladder.cost(&x264("superfast")).unwrap().as_secs_f64() * 1e3 * 10.0).round() / 10.0
    };
    assert_eq!([4.0, 8.0, 8.0, 8.0].map(&mut measured), [4.0, 6.0, 7.0, 7.5]);
    let trial = &ladder.trials[0];
    assert_eq!((trial.measured_frames, trial.works), (4 * CLIP, true));
    assert!((trial.frames_per_second.unwrap() - 133.3).abs() < 0.1, "{trial:?}");
}

#[test]
fn the_next_clip_begins_with_what_the_last_ones_afford_and_says_why() {
    let mut ladder = EncoderLadder::assumed(None, None);
    assert_eq!(ladder.next_clip(&demand()), None, "nothing is measured");
    ladder.measured(&x264("superfast"), cost_of(40.0));
    let change = ladder.next_clip(&demand()).unwrap();
    assert_eq!((change.from, change.to), (x264("superfast"), x264("ultrafast")));
    assert_eq!(
        change.why,
        "it took 40.0 ms a frame in the last clips, and the camera makes one every 16.7 ms"
    );
    assert_eq!(ladder.first(), x264("ultrafast"));
    assert_eq!(ladder.trials[0].verdict, "too slow in the last clips");
    assert_eq!(ladder.next_clip(&demand()), None, "ultrafast is not measured yet");
}

#[test]
fn hardware_that_is_too_slow_goes_behind_the_next_encoder_of_its_codec() {
    let hardware = choice(Codec::H264, "h264_v4l2m2m", None);
    let chain = vec![hardware.clone(), x264("superfast"), last_resort()];
    let mut ladder = EncoderLadder::tried(chain, Vec::new());
    ladder.measured(&hardware, cost_of(4.0));
    assert_eq!(ladder.next_clip(&demand()), None);
    ladder.measured(&hardware, cost_of(90.0));
    let change = ladder.next_clip(&Demand { is_auto: false, ..demand() }).unwrap();
    assert_eq!((change.from, change.to), (hardware.clone(), x264("superfast")));
    assert_eq!(ladder.chain, [x264("superfast"), hardware, last_resort()], "it may still take over");
    // MJPG is no faster way to make H264: a codec is not given up for its speed.
    let mut alone = EncoderLadder::assumed(Some(Codec::Mjpg), None);
    alone.measured(&last_resort(), cost_of(90.0));
    assert_eq!(alone.next_clip(&demand()), None);
}

#[test]
fn what_is_found_out_replaces_the_chain_and_keeps_what_clips_have_shown() {
    let mut ladder = EncoderLadder::assumed(None, None);
    ladder.measured(&x264("superfast"), cost_of(4.0));
    ladder.step_down(&avc1(), "it crashed").unwrap();
    let hardware = choice(Codec::H264, "h264_nvenc", None);
    ladder.found(EncoderLadder::tried(vec![hardware.clone(), avc1(), last_resort()], Vec::new()));
    assert_eq!(ladder.chain, [hardware, last_resort()]);
    assert!(ladder.has_given_up(&avc1()) && ladder.cost(&x264("superfast")).is_some());
}

#[test]
fn of_two_copies_the_newer_counts_whoever_learns_from_whom() {
    let start = EncoderLadder::assumed(None, None);
    let mut newer = start.clone();
    newer.measured(&x264("superfast"), cost_of(40.0));
    newer.next_clip(&demand()).unwrap();
    for (mut own, other) in [(start.clone(), newer.clone()), (newer.clone(), start)] {
        own.merge(&other);
        assert_eq!(own, newer);
    }
}

#[derive(Clone, Debug)]
enum Op {
    StepDown(usize),
    Measured(usize, f64),
    NextClip,
    /// The other copy learns from this one, or this one from the other.
    Merge(bool),
}

fn ops() -> impl Strategy<Value = Vec<(bool, Op)>> {
    let op = prop_oneof![
        (0_usize..4).prop_map(Op::StepDown),
        ((0_usize..4), 0.5..60.0).prop_map(|(at, ms)| Op::Measured(at, ms)),
        Just(Op::NextClip),
        any::<bool>().prop_map(Op::Merge),
    ];
    proptest::collection::vec((any::<bool>(), op), 1..40)
}

proptest! {
    #[test]
    fn whatever_two_copies_go_through_an_encoder_is_left_and_none_is_taken_again(ops in ops()) {
        let hardware = choice(Codec::H264, "h264_nvenc", None);
        let all = [hardware, x264("superfast"), avc1(), last_resort()];
        let start = EncoderLadder::tried(all.to_vec(), Vec::new());
        let mut copies = [start.clone(), start];
        for (which, op) in ops {
            let at = usize::from(which);
            let given_up = copies[at].given_up.clone();
            match op {
                Op::StepDown(encoder) => drop(copies[at].step_down(&all[encoder], "a test")),
                Op::Measured(encoder, ms) => copies[at].measured(&all[encoder], cost_of(ms)),
                Op::NextClip => drop(copies[at].next_clip(&demand())),
                Op::Merge(whole) => {
                    let other = copies[1 - at].clone();
                    copies[at].merge(&other);
                    if whole {
                        // Both ways: a recorder and a supervisor that have told each other agree on the encoder in use.
                        let told = copies[at].clone();
                        copies[1 - at].merge(&told);
                        prop_assert_eq!(&copies[0].chain, &copies[1].chain);
                    }
                }
            }
            let copy = &copies[at];
            prop_assert!(!copy.chain.is_empty());
            prop_assert!(copy.chain.contains(&copy.first()));
            // The last one is used although a copy has given it up: something has to be.
            let is_last = |one: &EncoderChoice| copy.chain.len() == 1 && copy.first().is_same_encoder(one);
            let is_kept = |one: &EncoderChoice| copy.has_given_up(one) || is_last(one);
            prop_assert!(given_up.iter().all(is_kept), "forgotten: {given_up:?}");
            prop_assert!(copy.chain.len() == 1 || !copy.chain.iter().any(|one| copy.has_given_up(one)));
        }
    }
}
