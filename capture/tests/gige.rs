//! GigE Vision cameras by way of a real ring: aravis' own fake camera at the loopback interface. Its pictures show its frame ids,
//! so each frame is judged by its pixels. Its ids begin at 65401: each test meets their wrap, from 65535 to 1.

#![cfg(feature = "aravis")]
#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

#[path = "../src/gige/mod.rs"]
mod gige;
mod test_camera;

use std::fs::File;

use aravis::GvFakeCamera;
use capture::source::{Arrival, CameraSetup, Source, SourceError};
use proto::config::{Backend, CameraConfig, Feature, GigeConfig, Typed};
use proto::frame::{CaptureTime, Fps, LossBefore, PixelFormat};
use proto::time::MonotonicNs;
use test_camera::{Got, TestCamera, next, next_at_once};

/// The side of the fake camera's pictures.
const SIDE: u32 = 512;
const SERIAL: &str = "F1";
const AT: &str = "127.0.0.1";
/// The register of its triggers by software.
const TRIGGER_SOFTWARE: u32 = 0x30c;
/// The first id that a fake camera sends.
const FIRST_ID: u64 = 65_401;

/// A fake camera, one at a time on this machine: there is one port for all of them.
struct Fake {
    camera: Option<GvFakeCamera>,
    _turn: File,
}

impl Fake {
    fn start() -> Self {
        let path = std::env::temp_dir().join("preroll-fake-gige-camera");
        let turn = File::options().create(true).append(true).open(path).unwrap();
        rustix::fs::flock(&turn, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let mut this = Self { camera: None, _turn: turn };
        this.come_back();
        this
    }

    fn come_back(&mut self) {
        let camera = GvFakeCamera::new(Some(AT), Some(SERIAL));
        assert!(camera.is_running(), "the fake camera doesn't listen");
        self.camera = Some(camera);
    }

    /// Loses this part of all packets.
    fn lose(&self, part: f64) {
        self.camera.as_ref().unwrap().set_gvsp_lost_ratio(part);
    }
}

fn config(camera: &str, features: &[(&str, &str)]) -> Backend {
    let feature = |(name, value): &(&str, &str)| Feature { name: (*name).into(), value: (*value).into() };
    let features = features.iter().map(feature).collect();
    Backend::Gige(GigeConfig { camera: camera.into(), features, realtime_priority: 0 })
}

/// A camera of this config, with a ring for the fake camera's frames.
fn camera_of(camera: &str, features: &[(&str, &str)], fps: f64) -> TestCamera {
    let mut camera = TestCamera::new(config(camera, features), (SIDE, SIDE, PixelFormat::GRAY8), fps);
    camera.config.typed.fps = Fps::new(fps);
    camera
}

fn probed(camera: &CameraConfig) -> Result<proto::offer::Offer, SourceError> {
    gige::probe(camera)
}

fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
    gige::reopening(setup)
}

/// The id whose picture this is, as far as a picture shows it; `None` of a picture that isn't whole. `scale`: the gain's.
fn shown(bytes: &[u8], scale: u64) -> Option<u64> {
    let first = (0..255).find(|id| pixel(*id, scale) == bytes[0] && pixel(id + 1, scale) == bytes[1])?;
    let side = usize::try_from(SIDE).unwrap();
    let is_whole = bytes[..side * side]
        .chunks(side)
        .zip(first..)
        .all(|(row, id)| row.iter().zip(id..).all(|(value, id)| *value == pixel(id, scale)));
    is_whole.then_some(first)
}

fn pixel(id: u64, scale: u64) -> u8 {
    u8::try_from((id % 255 * scale).min(255)).unwrap()
}

/// The id of a frame that comes `frames` after the one with the first id, by the standard's rule.
fn id_after(frames: u64) -> u64 {
    (FIRST_ID - 1 + frames) % 65_535 + 1
}

/// How many frames the fake camera had sent before this picture: it is one of the first few.
fn sent_before(first: &Got) -> u64 {
    let id = shown(&first.bytes, 1).unwrap();
    (0..250).find(|frames| id_after(*frames) % 255 == id).unwrap()
}

/// Asserts that every picture is whole and the one of its number, and that each missing number is declared: as lost packets, or
/// as a frame for which there was no buffer.
#[track_caller]
fn assert_numbered(got: &[Got]) -> u64 {
    let skipped = sent_before(&got[0]);
    let mut missing = 0;
    for (before, frame) in std::iter::once(None).chain(got.iter().map(Some)).zip(got) {
        let sent = skipped + frame.number - got[0].number;
        assert_eq!(shown(&frame.bytes, 1), Some(id_after(sent) % 255), "frame {}", frame.number);
        let Some(before) = before else { continue };
        let hole = frame.number - before.number - 1;
        missing += hole;
        let is_declared = matches!(frame.before, LossBefore::Corrupt | LossBefore::CameraDrop);
        assert_eq!(is_declared, hole > 0, "frame {}: {:?} for {hole}", frame.number, frame.before);
        assert!(frame.t > before.t, "frame {}: times rise", frame.number);
    }
    missing
}

#[test]
fn every_frame_comes_with_its_number_and_its_picture_through_the_wrap_of_its_ids() {
    let _fake = Fake::start();
    let camera = camera_of(AT, &[], 100.0);
    let (got, error) = camera.play(open, 180);
    assert!(error.is_none(), "{error:?}");
    let missing = assert_numbered(&got);
    assert!(id_after(sent_before(&got[0]) + 180) < 65_401, "the ids have wrapped");
    // A machine that is too busy to receive them all has holes, and declares them.
    assert!(missing < 90, "{missing}");
    let span = got[179].t.since(got[0].t).as_secs_f64() / f64::from(u32::try_from(179 + missing).unwrap());
    assert!((0.009..0.011).contains(&span), "the frames are 10 ms apart, not {span} s");
}

#[test]
fn packets_that_never_come_are_gaps_with_exactly_the_ids_that_are_missing() {
    let fake = Fake::start();
    fake.lose(0.001);
    let camera = camera_of(AT, &[], 50.0);
    let mut source = open(&camera.setup()).unwrap();
    let mut writer = camera.ring.writer().unwrap();
    let mut got = Vec::new();
    while got.len() < 160 || source.transport().unwrap().failed_frames == 0 {
        got.push(next(source.as_mut(), &mut writer).unwrap().unwrap());
    }
    let missing = assert_numbered(&got);
    assert!(got.iter().any(|frame| frame.before == LossBefore::Corrupt));
    let figures = source.transport().unwrap();
    assert!(
        missing > 0 && figures.missing_packets > 0 && figures.resend_requests > 0,
        "{missing}: {figures:?}"
    );
    assert!(figures.failed_frames >= missing, "{missing}: {figures:?}");
    // The fake camera resends nothing, and its packets have this size.
    assert_eq!((figures.resent_packets, figures.packet_bytes), (0, 1400), "{figures:?}");
}

#[test]
fn a_camera_that_goes_away_and_comes_back_is_opened_again_and_the_gap_is_the_networks() {
    let mut fake = Fake::start();
    let camera = camera_of(SERIAL, &[], 50.0);
    let mut source = open(&camera.setup()).unwrap();
    let mut writer = camera.ring.writer().unwrap();
    let before = (0..20).map(|_| next(source.as_mut(), &mut writer).unwrap().unwrap()).last().unwrap();
    fake.camera = None;
    while source.away().is_none() {
        assert!(matches!(source.wait(), Ok(Arrival::Silence | Arrival::Frame { .. })));
    }
    let away = source.away().unwrap().clone();
    assert!(away.reason.contains("F1: it doesn't answer any more"), "{away:?}");
    fake.come_back();
    let back = next(source.as_mut(), &mut writer).unwrap().unwrap();
    assert_eq!(back.before, LossBefore::Network);
    let due = back.t.since(before.t).as_millis() / 20;
    let left_out = u128::from(back.number - before.number);
    assert!(left_out.abs_diff(due) <= 2, "{left_out} frames, of {due} that were due");
    assert_eq!(shown(&back.bytes, 1).map(|id| id_after(0) % 255 <= id), Some(true));
    drop(source);
    // A camera that is closed is free at once.
    assert!(probed(&camera.config).is_ok());
}

#[test]
fn features_change_the_pictures_and_a_wrong_one_is_refused_in_one_sentence() {
    let _fake = Fake::start();
    let camera = camera_of(AT, &[("GainRaw", "1"), ("TestBoolean", "true")], 50.0);
    let (got, error) = camera.play(open, 3);
    assert!(error.is_none(), "{error:?}");
    assert!(got.iter().all(|frame| shown(&frame.bytes, 2).is_some()), "gain 1 doubles every pixel");
    for (features, says) in [
        (("Gaim", "1"), "127.0.0.1: it has no feature Gaim"),
        (("GainRaw", "11"), "GainRaw"),
        (("GainAuto", "Sometimes"), "it takes Off, Once, Continuous for its feature GainAuto"),
        (("DeviceModelName", "Other"), "DeviceModelName"),
    ] {
        let camera = camera_of(AT, &[features], 50.0);
        let why = probed(&camera.config).unwrap_err();
        assert!(why.is_permanent() && why.to_string().contains(says), "{why}");
    }
}

#[test]
fn a_camera_says_what_it_gives_and_one_that_is_triggered_that_none_is_due() {
    let fake = Fake::start();
    let mut camera = camera_of(AT, &[], 25.0);
    camera.config.typed.fps = None;
    let offer = probed(&camera.config).unwrap();
    assert_eq!((offer.width, offer.height, offer.pixel_format), (SIDE, SIDE, PixelFormat::GRAY8));
    assert_eq!((offer.fps, offer.variable_rate, offer.capture_time), (25.0, false, CaptureTime::Device));
    let triggered = [("TriggerSelector", "FrameStart"), ("TriggerMode", "On"), ("TriggerSource", "Software")];
    let camera = camera_of(AT, &triggered, 50.0);
    assert!(probed(&camera.config).unwrap().variable_rate);
    let mut source = open(&camera.setup()).unwrap();
    let mut writer = camera.ring.writer().unwrap();
    // Nobody but its controller may trigger a real camera. This one has a side door.
    let device = fake.camera.as_ref().unwrap().fake_camera().unwrap();
    // A trigger before the first wait, which starts the stream, may be forgotten by the camera.
    assert_eq!(source.wait().unwrap(), Arrival::Silence);
    let mut trigger = || {
        loop {
            assert!(device.write_register(TRIGGER_SOFTWARE, 1));
            if let Some(frame) = next_at_once(source.as_mut(), &mut writer).unwrap() {
                return frame;
            }
        }
    };
    let first = trigger();
    assert!(sent_before(&first) < 3);
    assert_eq!(trigger().number, first.number + 1);
    // A camera that owes no frame isn't opened again for giving none, nor shown as silent.
    for _ in 0..20 {
        assert_eq!(source.wait().unwrap(), Arrival::NotDue);
    }
    assert!(source.has_variable_rate() && source.away().is_none());
}

#[test]
fn a_camera_of_another_size_than_its_ring_offers_it_and_waits_for_another() {
    let _fake = Fake::start();
    let mut small = TestCamera::new(config(AT, &[]), (64, 48, PixelFormat::GRAY8), 25.0);
    small.config.typed = Typed::default();
    let mut source = open(&small.setup()).unwrap();
    let offer = loop {
        assert_eq!(source.wait().unwrap(), Arrival::Silence);
        if let Some(offer) = source.offer() {
            break offer;
        }
    };
    assert_eq!((offer.width, offer.height), (SIDE, SIDE));
    let fitting = camera_of(AT, &[], 25.0);
    source.fit(&fitting.setup());
    let frame = next(source.as_mut(), &mut fitting.ring.writer().unwrap()).unwrap().unwrap();
    assert!(shown(&frame.bytes, 1).is_some());
    let mut typed = small.config.clone();
    typed.typed.size = Some((64, 48));
    drop(source);
    let offer = probed(&typed).unwrap();
    assert_eq!((offer.width, offer.height), (64, 48), "it was asked for the config's size");
}

#[test]
fn a_camera_is_found_by_each_of_its_names_and_a_stranger_is_not() {
    let mut fake = Fake::start();
    for name in [SERIAL, "127.0.0.1", "Aravis-Fake-F1", "Aravis-F1"] {
        let camera = camera_of(name, &[], 25.0);
        assert!(probed(&camera.config).is_ok(), "{name}");
    }
    let why = probed(&camera_of("F2", &[], 25.0).config).unwrap_err();
    assert!(!why.is_permanent(), "{why}");
    assert!(why.to_string().contains("there are Aravis Fake (serial number F1, 127.0.0.1)"), "{why}");
    let listed = gige::list::cameras();
    let ours = listed.iter().find(|camera| camera.serial.as_deref() == Some(SERIAL)).unwrap();
    assert_eq!((ours.name.as_str(), ours.address.as_deref()), ("Aravis Fake", Some("127.0.0.1")));
    assert_eq!(ours.config.as_deref(), Some("- { name: aravis-fake, backend: gige, camera: 'F1' }"));
    fake.camera = None;
    let why = probed(&camera_of("127.0.0.1", &[], 25.0).config).unwrap_err();
    assert!(why.to_string().contains("no camera answers at 127.0.0.1"), "{why}");
}

#[test]
fn a_camera_that_another_program_controls_is_in_use() {
    let _fake = Fake::start();
    let camera = camera_of(AT, &[], 25.0);
    let mut source = open(&camera.setup()).unwrap();
    let mut writer = camera.ring.writer().unwrap();
    next(source.as_mut(), &mut writer).unwrap().unwrap();
    let why = probed(&camera.config).unwrap_err();
    assert!(
        !why.is_permanent() && why.to_string().contains("it is in use: another program controls it"),
        "{why}"
    );
    // The one that has it notices nothing.
    let asked = MonotonicNs::now();
    while next(source.as_mut(), &mut writer).unwrap().unwrap().t < asked {}
    assert!(source.away().is_none());
}
