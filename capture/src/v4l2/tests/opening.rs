//! Opening a camera, and every way in which it is refused.

use super::super::format::FourCc;
use super::super::kernel::{ControlInfo, ControlKind, Holder, NodeKind, Picture};
use super::*;
use proto::config::ControlValue;
use proto::frame::LossBefore;
use rustix::io::Errno;

fn with(change: impl FnOnce(&mut FakeCamera)) -> FakeKernel {
    let mut camera = webcam();
    change(&mut camera);
    FakeKernel::with([camera])
}

fn refusing(call: &'static str, error: Errno) -> FakeKernel {
    with(|camera| {
        camera.refusals.insert(call, error);
    })
}

fn cause(error: &SourceError) -> Option<LossBefore> {
    match error {
        SourceError::Lost { cause, .. } => Some(*cause),
        _ => None,
    }
}

#[test]
fn a_second_camera_that_the_bus_cannot_carry_is_told_of_the_first() {
    let mut second = webcam();
    second.node = node(2, "1-2", "B2");
    second.refusals.insert("streamon", Errno::NOSPC);
    let mut elsewhere = webcam();
    elsewhere.node = node(4, "2-1", "C3");
    elsewhere.node.usb.as_mut().unwrap().bus = 2;
    let kernel = FakeKernel::with([webcam(), second, elsewhere]);
    let mut first = open(&kernel, &mut opener("0", "MJPG", 50.0)).unwrap();
    let error = refusal(&kernel, &mut opener("2", "MJPG", 50.0));
    let words = error.to_string();
    for part in
        ["2: USB bus 1 ", "beside /dev/video0 (HD Webcam, USB port 1-1):", "MJPG", "smaller", "quirks=128"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(!words.contains("video4") && !words.contains("video2 ("), "{words}");
    assert_eq!(cause(&error), Some(LossBefore::CameraStall));
    assert!(first.wait().is_ok(), "the other one stays");
}

#[test]
fn a_camera_in_use_is_told_by_whom() {
    for call in ["open", "s_fmt", "s_parm", "reqbufs", "streamon"] {
        let kernel = refusing(call, Errno::BUSY);
        let unknown = refusal(&kernel, &mut opener("0", "MJPG", 50.0));
        assert!(unknown.to_string().contains("in use by a program that this user can't see"), "{unknown}");
        kernel.machine().holders = vec![Holder { pid: 1234, name: "zoom".into() }];
        let error = refusal(&kernel, &mut opener("0", "MJPG", 50.0));
        assert!(error.to_string().starts_with("0: it is in use by zoom (pid 1234);"), "{call}: {error}");
        assert!(!error.is_permanent());
    }
}

#[test]
fn a_camera_without_permission_is_told_with_group_and_command() {
    let error = refusal(&refusing("open", Errno::ACCESS), &mut opener("0", "MJPG", 50.0));
    let words = error.to_string();
    assert!(words.contains("the user ada may not open it; it belongs to the group video"), "{words}");
    assert!(words.contains("sudo usermod -aG video ada"), "{words}");
    assert!(!error.is_permanent());
}

#[test]
fn whatever_gives_no_pictures_is_refused_for_good() {
    for (kind, words) in [
        (NodeKind::Metadata, "-index0"),
        (NodeKind::MultiPlanar, "use backend: pipe"),
        (NodeKind::Other, "an output, a codec or a radio"),
    ] {
        let error = refusal(&with(|camera| camera.kind = kind), &mut opener("0", "MJPG", 50.0));
        assert!(error.to_string().contains(words) && error.is_permanent(), "{error}");
    }
}

#[test]
fn a_camera_that_is_not_there_is_waited_for() {
    let kernel = with(FakeCamera::unplug);
    let error = refusal(&kernel, &mut opener("0", "MJPG", 50.0));
    assert_eq!(error.to_string(), "0: it isn't there; is it plugged in? No camera is plugged in here");
    assert_eq!(cause(&error), Some(LossBefore::Unplugged));
    let error = refusal(&with(|_| {}), &mut opener("Z9", "MJPG", 50.0));
    assert!(error.to_string().contains("Here are /dev/video0 (HD Webcam, USB port 1-1)"), "{error}");
}

#[test]
fn an_answer_that_differs_from_the_question_is_refused_with_what_to_write() {
    let smaller = with(|camera| camera.gives = Some(|p| Picture { size: (320, 240), ..p }));
    let other = with(|camera| camera.gives = Some(|p| Picture { format: FourCc::of(*b"YUYV"), ..p }));
    let fields = with(|camera| camera.gives = Some(|p| Picture { field: 7, ..p }));
    let slower = with(|camera| camera.gives_interval = Some(Fraction { numerator: 1, denominator: 15 }));
    for (kernel, words) in [
        (
            smaller,
            "it was asked for MJPG 640x480 and gives MJPG 320x240: write format: MJPG, width: 320 and height: 240",
        ),
        (other, "gives YUYV 640x480: write format: YUYV"),
        (fields, "fields of its pictures one by one"),
        (slower, "it was asked for 50 frames a second and gives 15: write fps: 15"),
    ] {
        let error = refusal(&kernel, &mut opener("0", "MJPG", 50.0));
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.is_permanent());
    }
    let error = refusal(&with(|_| {}), &mut opener("0", "MJPG", 60.0));
    assert!(
        error.to_string().ends_with(
            "it gives 640x480 at 50, 25 and 1 frames a second and the config says fps: 60: write fps: 50"
        ),
        "{error}"
    );
}

#[test]
fn a_call_that_fails_is_named_with_the_kernels_word() {
    let error = refusal(&refusing("streamon", Errno::IO), &mut opener("0", "MJPG", 50.0));
    assert!(error.to_string().starts_with("0: can't start its stream: "), "{error}");
    assert!(error.to_string().contains("dmesg") && !error.is_permanent());
    for call in ["querycap", "enum_fmt", "s_fmt", "reqbufs", "qbuf", "streamon"] {
        let error = refusal(&refusing(call, Errno::NODEV), &mut opener("0", "MJPG", 50.0));
        assert_eq!(error.to_string(), "0: it is unplugged", "{call}");
        assert_eq!(cause(&error), Some(LossBefore::Unplugged));
    }
}

#[test]
fn a_device_without_rates_or_lists_is_taken_as_it_is() {
    let kernel = with(|camera| {
        camera.refusals.extend([("s_parm", Errno::NOTTY), ("g_parm", Errno::NOTTY)]);
        camera.offers = vec![Offered { format: FourCc::of(*b"MJPG"), sizes: Vec::new() }];
    });
    assert!(open(&kernel, &mut opener("0", "auto", 30.0)).is_ok());
    let mut without_rate = opener("0", "auto", 30.0);
    without_rate.request.wanted.fps = None;
    let error = refusal(&kernel, &mut without_rate);
    assert!(error.to_string().contains("write fps: N") && error.is_permanent(), "{error}");
}

fn control(
    id: u32,
    name: &str,
    kind: ControlKind,
    (least, most, step): (i32, i32, i32),
) -> (ControlInfo, i32) {
    (ControlInfo { id, name: name.into(), kind, least, most, step, can_be_set: true }, least)
}

fn with_controls() -> FakeKernel {
    with(|camera| {
        camera.controls = vec![
            control(10, "User Controls", ControlKind::Other, (0, 0, 0)),
            control(11, "Brightness", ControlKind::Integer, (-64, 64, 1)),
            control(12, "Exposure Time, Absolute", ControlKind::Integer, (3, 2047, 4)),
            control(13, "Auto Exposure", ControlKind::Menu, (0, 3, 1)),
            control(14, "Temperature", ControlKind::Integer, (0, 90, 1)),
        ];
        camera.controls[4].0.can_be_set = false;
        camera.choices = vec!["Auto Mode", "Manual Mode", "", "Aperture Priority Mode"];
    })
}

fn set_to(controls: Vec<(&str, ControlValue)>) -> Opener {
    let mut opener = opener("0", "MJPG", 50.0);
    opener.request.controls = controls.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    opener
}

fn controlled(controls: &[(&str, i64)]) -> Opener {
    set_to(controls.iter().map(|(name, value)| (*name, ControlValue::Number(*value))).collect())
}

#[test]
fn controls_are_set_by_name_the_automatics_first() {
    let kernel = with_controls();
    let mut opener = controlled(&[("exposure_time_absolute", 51), ("auto_exposure", 1), ("brightness", -3)]);
    open(&kernel, &mut opener).unwrap();
    let values: Vec<i32> = kernel.machine().cameras[0].controls.iter().map(|(_, value)| *value).collect();
    assert_eq!(values, [0, -3, 51, 1, 0]);
    assert_eq!(opener.said.len(), 1, "{:?}", opener.said);
}

#[test]
fn a_menus_choice_is_set_by_its_name() {
    let choose = |control, name: &str| set_to(vec![(control, ControlValue::Choice(name.into()))]);
    for (name, number) in [("Manual Mode", 1), ("aperture_priority_mode", 3), ("AUTO MODE", 0)] {
        let kernel = with_controls();
        open(&kernel, &mut choose("auto_exposure", name)).unwrap();
        assert_eq!(kernel.machine().cameras[0].controls[3].1, number, "{name}");
    }
    for (control, name, words) in [
        (
            "auto_exposure",
            "Shutter",
            "has no choice \"Shutter\" for its control auto_exposure; it has Auto Mode, Manual Mode and Aperture Priority Mode",
        ),
        ("brightness", "high", "takes -64 to 64 for its control brightness, and the config says \"high\""),
    ] {
        let error = refusal(&with_controls(), &mut choose(control, name));
        assert!(error.to_string().contains(words) && error.is_permanent(), "{error}");
    }
    let kernel = with_controls();
    kernel.machine().cameras[0].refusals.insert("querymenu", Errno::IO);
    assert!(!refusal(&kernel, &mut choose("auto_exposure", "Manual Mode")).is_permanent(), "it may be back");
}

#[test]
fn a_control_that_cannot_be_set_is_refused_with_what_there_is() {
    for (setting, words) in [
        (
            ("zoom", 1),
            "has no control zoom; it has brightness, exposure_time_absolute, auto_exposure and temperature",
        ),
        (("brightness", 65), "takes -64 to 64 for its control brightness, and the config says 65"),
        (("brightness", 1 << 40), "takes -64 to 64"),
        (("exposure_time_absolute", 4), "takes 3 to 2047 in steps of 4"),
        (("temperature", 20), "has a control temperature that can only be read"),
    ] {
        let error = refusal(&with_controls(), &mut controlled(&[setting]));
        assert!(error.to_string().contains(words) && error.is_permanent(), "{error}");
    }
    let kernel = with_controls();
    kernel.machine().cameras[0].refusals.insert("s_ctrl", Errno::ACCESS);
    let error = refusal(&kernel, &mut controlled(&[("brightness", 1)]));
    assert!(error.to_string().contains("refuses 1 for its control brightness"), "{error}");
}

#[test]
fn a_camera_can_be_opened_again_in_the_same_process_once_it_was_closed() {
    let kernel = with(|_| {});
    let mut opener = opener("0", "MJPG", 50.0);
    let first = open(&kernel, &mut opener).unwrap();
    assert!(refusal(&kernel, &mut opener).to_string().contains("in use"), "while it is open");
    drop(first);
    assert!(open(&kernel, &mut opener).is_ok(), "its buffers are unmapped");
}

#[test]
fn a_camera_is_found_again_under_another_node() {
    let by_id = "/dev/v4l/by-id/usb-HD_A1-video-index0";
    let by_path = "/dev/v4l/by-path/usb-1-1-video-index0";
    for device in [by_id, by_path, "A1", "0", "/dev/video0"] {
        let kernel = with(|_| {});
        let mut opener = opener(device, "MJPG", 50.0);
        for number in 1..=3 {
            drop(open(&kernel, &mut opener).unwrap());
            kernel.machine().cameras[0].unplug();
            let error = refusal(&kernel, &mut opener);
            assert_eq!(cause(&error), Some(LossBefore::Unplugged), "{device}: {error}");
            kernel.machine().cameras[0].plug_in(number);
        }
        assert!(open(&kernel, &mut opener).is_ok(), "{device}");
    }
}

#[test]
fn another_camera_under_the_same_number_is_not_taken_for_the_one_before() {
    let mut other = webcam();
    other.node = node(0, "1-2", "B2");
    other.is_plugged = false;
    let kernel = FakeKernel::with([webcam(), other]);
    let mut opener = opener("0", "MJPG", 50.0);
    drop(open(&kernel, &mut opener).unwrap());
    kernel.machine().cameras[0].unplug();
    kernel.machine().cameras[1].plug_in(0);
    let error = refusal(&kernel, &mut opener);
    assert!(
        error.to_string().contains("it is another camera now, /dev/video0 (HD Webcam, USB port 1-2)"),
        "{error}"
    );
    kernel.machine().cameras[0].plug_in(1);
    assert!(open(&kernel, &mut opener).is_ok());
}

#[test]
fn twins_are_refused_by_what_they_share() {
    let mut twin = webcam();
    twin.node = node(2, "1-2", "A1");
    let kernel = FakeKernel::with([webcam(), twin]);
    for device in ["A1", "/dev/v4l/by-id/usb-HD_A1-video-index0"] {
        let words = refusal(&kernel, &mut opener(device, "MJPG", 50.0)).to_string();
        for port in ["1-1", "1-2"] {
            assert!(words.contains(&format!("/dev/v4l/by-path/usb-{port}-video-index0")), "{words}");
        }
    }
    assert!(open(&kernel, &mut opener("/dev/v4l/by-path/usb-1-2-video-index0", "MJPG", 50.0)).is_ok());
}
