//! Tests of the choice of a preset: tables, and clips in a row on a made-up machine.

use super::*;

/// 60 frames a second of 720p, 500 ms before and 2 s after a trigger, a backlog of 512 MB.
fn demand() -> Demand {
    let (pre, post) = (Duration::from_millis(500), Duration::from_secs(2));
    Demand { is_auto: true, fps: 60.0, pre, post, frame_bytes: 1_382_400, backlog_bytes: 512 << 20 }
}

fn x264(preset: &str) -> EncoderChoice {
    EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some(preset.into()) }
}

fn decided(preset: &str, frame_ms: f64, demand: &Demand) -> Option<Decision> {
    let cost = Duration::from_secs_f64(frame_ms / 1e3);
    decide(&x264(preset), cost, demand, &mut Wait::default())
}

#[test]
fn a_preset_is_chosen_by_what_it_cost() {
    let (full, small, off) =
        (demand(), Demand { backlog_bytes: 32 << 20, ..demand() }, Demand { backlog_bytes: 0, ..demand() });
    // 60 frames a second: it keeps up with 8.3 ms a frame.
    for (preset, frame_ms, demand, expected) in [
        ("superfast", 8.0, &full, None),
        ("superfast", 2.0, &full, Some("veryfast")),
        ("superfast", 12.0, &full, None),
        ("superfast", 12.0, &off, None),
        // 31 frames/s: 58 frames behind after 2 s, of 80 MB.
        ("superfast", 32.0, &full, None),
        ("superfast", 32.0, &small, Some("ultrafast")),
        ("superfast", 32.0, &off, Some("ultrafast")),
        // 30 frames/s would be finished after twice the clip's length.
        ("superfast", 34.0, &full, Some("ultrafast")),
        ("ultrafast", 90.0, &off, None),
        ("ultrafast", 20.0, &full, Some("superfast")),
        ("ultrafast", 24.0, &full, None),
        ("veryfast", 8.0, &full, None),
        // Only superfast may be carried.
        ("veryfast", 9.0, &full, Some("superfast")),
        ("veryfast", 60.0, &full, Some("ultrafast")),
        ("medium", 10.0, &full, Some("faster")),
        ("medium", 1.0, &full, None),
        ("slow", 99.0, &full, None),
    ] {
        let expected = expected.map(Decision::Preset);
        assert_eq!(decided(preset, frame_ms, demand), expected, "{preset} at {frame_ms} ms, {demand:?}");
    }
}

#[test]
fn a_preset_that_was_asked_for_stays_and_avc1_stays_at_its_fastest() {
    assert_eq!(decided("veryfast", 60.0, &Demand { is_auto: false, ..demand() }), None);
    let avc1 = EncoderChoice { codec: Codec::Avc1, ..x264("ultrafast") };
    assert_eq!(decide(&avc1, Duration::from_millis(1), &demand(), &mut Wait::default()), None);
}

/// Has clip after clip measured on a machine where a frame at `ultrafast` takes so long, and presets cost what `relative`
/// says. Returns the presets of the clips.
fn clips(first: usize, number: usize, ultrafast_ms: impl Fn(usize) -> f64, relative: [f64; 6]) -> Vec<usize> {
    let (mut wait, mut now) = (Wait::default(), first);
    (0..number)
        .map(|clip| {
            let used = now;
            let cost = Duration::from_secs_f64(ultrafast_ms(clip) * relative[used] / 1e3);
            match decide(&x264(AUTO_PRESETS[used]), cost, &demand(), &mut wait) {
                Some(Decision::Preset(name)) => now = AUTO_PRESETS.iter().position(|p| *p == name).unwrap(),
                Some(Decision::NextEncoder) => panic!("it has presets"),
                None => {}
            }
            used
        })
        .collect()
}

#[test]
fn a_better_preset_is_climbed_to_one_at_a_time_and_kept() {
    assert_eq!(clips(1, 8, |_| 1.0, RELATIVE_COSTS), [1, 2, 3, 4, 5, 5, 5, 5]);
    // A steady machine never falls from where it has climbed to, however much time it has.
    for tenths in 5..300_u32 {
        let went = clips(0, 60, |_| f64::from(tenths) / 10.0, RELATIVE_COSTS);
        assert!(went.is_sorted(), "at {tenths} tenths of a ms it went {went:?}");
    }
}

#[test]
fn a_table_that_is_wrong_for_a_scene_costs_ever_fewer_clips_a_fall() {
    // Here faster costs twice what the table says, so that it is climbed to and found too slow.
    let mut relative = RELATIVE_COSTS;
    relative[3] *= 2.0;
    let went = clips(2, 100, |_| 1.9, relative);
    let falls = went.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!((2..=9).contains(&falls), "{falls} falls: {went:?}");
    let late = went[60..].windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(late <= 3, "{late} falls in the last forty clips: {went:?}");
}

#[test]
fn a_machine_that_is_busy_for_a_while_climbs_back() {
    let went = clips(5, 80, |clip| if (10..30).contains(&clip) { 30.0 } else { 0.8 }, RELATIVE_COSTS);
    assert_eq!((went[9], went[11], went[29]), (5, 0, 0), "{went:?}");
    assert_eq!(went[79], 5, "{went:?}");
}
