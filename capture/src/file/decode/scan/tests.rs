//! Tests of what packets tell of a film's frames.

use super::*;

fn key(pts: i64) -> Sample {
    Sample { pts: Some(pts), dts: None, duration: 40, key: true, hidden: false }
}

fn ticks(told: &Told) -> Vec<Option<i64>> {
    told.frames.iter().map(|shown| shown.ticks).collect()
}

fn shown(ticks: impl IntoIterator<Item = i64>) -> Vec<Shown> {
    ticks.into_iter().map(|t| Shown { ticks: Some(t), duration: 0 }).collect()
}

#[test]
fn frames_are_shown_in_the_order_of_their_timestamps_and_equal_ones_are_frames_too() {
    let told = told(&[0, 120, 40, 80, 80].map(key)).unwrap();
    assert_eq!((ticks(&told), told.is_counted), ([0, 40, 80, 80, 120].map(Some).into(), false));
}

#[test]
fn what_no_decoder_can_show_is_not_counted() {
    let lead = Sample { key: false, ..key(0) };
    let open_gop = Sample { key: false, ..key(40) };
    let hidden = Sample { hidden: true, ..key(100) };
    let told = told(&[lead, key(80), open_gop, hidden, key(120)]).unwrap();
    assert_eq!(ticks(&told), [Some(80), Some(120)]);
}

#[test]
fn packets_without_timestamps_are_counted() {
    let bare = Sample { pts: None, ..key(0) };
    let bare_told = told(&[bare; 3]).unwrap();
    assert_eq!((ticks(&bare_told), bare_told.is_counted), (vec![None; 3], true));
    let decoded_at = |dts| Sample { dts: Some(dts), ..bare };
    let told = told(&[decoded_at(0), decoded_at(50)]).unwrap();
    assert_eq!((ticks(&told), told.is_counted), (vec![Some(0), Some(50)], true));
}

#[test]
fn packets_that_are_decoded_at_times_that_go_back_tell_nothing() {
    let at = |t: i64| Sample { dts: Some(t), ..key(t) };
    assert!(told(&[0, 40, 80].map(at)).is_some());
    assert_eq!(told(&[0, 40, 80, 0, 40].map(at)), None);
}

#[test]
fn what_is_shown_agrees_with_what_is_told_but_for_failures() {
    let told = |is_counted| Told { frames: shown([0, 20, 40, 60]), is_counted };
    assert!(agree(&told(false), &shown([0, 20, 40, 60]), 0));
    assert!(!agree(&told(false), &shown([0, 40]), 0), "fields");
    assert!(!agree(&told(false), &shown([40, 60]), 0), "not shown");
    assert!(agree(&told(false), &shown([0, 60]), 2), "damaged");
    assert!(!agree(&told(false), &shown([0, 20, 60, 40]), 0), "another order");
    assert!(!agree(&told(false), &shown([0, 20, 40, 60, 80]), 0), "more");
    assert!(agree(&told(true), &shown([7, 8, 9, 10]), 0), "counted");
    assert!(!agree(&told(true), &shown([7, 8]), 1));
}
