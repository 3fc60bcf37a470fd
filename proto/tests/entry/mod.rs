//! The entries for bytes from outside. The fuzzers in `fuzz/` run them, and so does `tests/fuzz.rs` without a fuzzer.
//! Each takes any bytes at all, and panics when something is not as it should be.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a finding is a panic")]
#![allow(dead_code, reason = "each fuzzer uses its own part")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::config::Config;
use proto::control::{Asked, EndRequest, ExtendRequest, Request, Response, Told};
use proto::frame::{Fps, Geometry, LossBefore, Payload, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::{Arena, ReaderBit, Ring, RingSize, RingSpec, SegmentName};
use proto::time::MonotonicNs;
use proto::wire::{self, Arriving, Hello, Message, hello};
use tempfile::TempDir;

/// The control socket: the first byte says in what pieces the others arrive.
pub(crate) fn control(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let step = usize::from(*step) + 1;
    greeting(bytes, step);
    arrive::<Told>(bytes, step);
    match arrive::<Asked>(bytes, step).map(|asked| asked.request) {
        Some(Request::Trigger(trigger)) => {
            trigger
                .label
                .as_deref()
                .into_iter()
                .chain(trigger.cameras.iter().map(String::as_str))
                .for_each(name);
        }
        Some(Request::Restart(what)) => name(&what),
        Some(Request::Subscribe { .. } | Request::ClipRemoved { .. }) => {}
        Some(Request::End(EndRequest { id, .. }) | Request::Extend(ExtendRequest { id, .. })) => name(&id),
        Some(Request::Stats | Request::Codecs | Request::Stop) | None => {}
    }
}

/// The bytes with which a connection begins.
fn greeting(bytes: &[u8], step: usize) {
    let (mut arriving, mut rest) = (hello::Arriving::default(), bytes);
    loop {
        let room = arriving.missing();
        assert!(room > 0, "a greeting that lacks nothing is whole, or none");
        let (piece, after) = rest.split_at(room.min(step).min(rest.len()));
        if piece.is_empty() {
            return;
        }
        rest = after;
        match arriving.take(piece) {
            Ok(None) => {}
            Ok(Some(whole)) => {
                assert_eq!(whole.encode(), bytes[..bytes.len() - rest.len()], "it is what was sent");
                assert!(!whole.to_string().contains(char::is_control));
                return;
            }
            Err(e) => {
                assert!(e.to_string().chars().count() < 300, "{e}");
                return;
            }
        }
    }
}

fn arrive<T: Message>(bytes: &[u8], step: usize) -> Option<T> {
    let (mut arriving, mut rest) = (Arriving::<T>::default(), bytes);
    loop {
        let room = arriving.missing();
        assert!(room > 0, "a frame that lacks nothing is a message, or a mistake");
        let (piece, after) = rest.split_at(room.min(step).min(rest.len()));
        if piece.is_empty() {
            return None;
        }
        rest = after;
        match arriving.take(piece) {
            Ok(None) => {}
            Ok(Some(message)) => {
                let again = wire::encode(&message).expect("what came in is not over the limit");
                assert!(again.len() <= bytes.len() - rest.len(), "it is encoded in as few bytes as can be");
                let same: T = arrive_whole(&again).expect("it is understood again");
                assert_eq!(wire::encode(&same).unwrap(), again);
                return Some(message);
            }
            Err(e) => {
                assert!(e.to_string().chars().count() < 300, "{e}");
                return None;
            }
        }
    }
}

fn arrive_whole<T: Message>(frame: &[u8]) -> Option<T> {
    let mut arriving = Arriving::<T>::default();
    let (length, message) = frame.split_at(arriving.missing());
    arriving.take(length).ok()?;
    arriving.take(message).ok()?
}

/// A text that passes for a name is one harmless part of a path.
fn name(text: &str) {
    let Ok(name) = Name::new(text) else { return };
    let path = Path::new("/session").join(format!("clip-0001-{name}"));
    assert_eq!(path.parent(), Some(Path::new("/session")), "{text:?}");
    assert_eq!(Path::new("/session").join(name.as_str()).parent(), Some(Path::new("/session")), "{text:?}");
    assert!(text.len() <= Name::MAX_BYTES && !text.starts_with(['-', '.']), "{text:?}");
}

/// The config: any text.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(Path::new("fuzz.yaml"), text) {
        Ok(config) => {
            assert!(!config.cameras.is_empty() && config.cameras.len() <= 256);
            for camera in &config.cameras {
                name(camera.name.as_str());
                let spec = config.ring_spec(camera).expect("a config that passes has rings");
                // The memory for it need not be there.
                let _ = spec.layout();
            }
            let again = Config::from_checked(&config.to_checked().unwrap()).unwrap();
            assert_eq!(again, config, "its children read something else");
        }
        Err(mistake) => {
            let said = mistake.to_string();
            assert!(said.starts_with("fuzz.yaml") && said.len() > "fuzz.yaml: ".len(), "{said}");
            assert!(said.len() < 4000 + text.len().min(4000), "{said}");
            if let Some(line) = mistake.line() {
                assert!(line >= 1 && line <= text.lines().count(), "{said}");
                assert!(said.ends_with('^'), "{said}");
            }
        }
    }
}

const SIZE: RingSize = RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 0 };

/// A ring in shared memory with six frames in its three slots, and what it looked like when it was made.
pub(crate) struct Damaged {
    _dir: TempDir,
    name: SegmentName,
    pristine: Vec<u8>,
}

impl Damaged {
    /// Makes it, of planes.
    pub(crate) fn new() -> Self {
        let geometry = Geometry::new(64, 16, PixelFormat::GRAY8).unwrap();
        Self::of(&RingSpec::planes(geometry, Fps::new(60.0).unwrap(), SIZE))
    }

    /// Makes it, of compressed frames.
    pub(crate) fn compressed() -> Self {
        let geometry = Geometry::new(64, 16, PixelFormat::I420).unwrap();
        let arena = Arena { bytes: 8192, max_frame_bytes: 1500, max_rate_bytes: 60_000 };
        Self::of(&RingSpec::compressed(geometry, Fps::new(60.0).unwrap(), SIZE, Payload::H264, arena))
    }

    fn of(spec: &RingSpec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = RuntimeDir::create(dir.path()).unwrap().segment(&Name::new("fuzz").unwrap());
        let ring = Ring::create(&name, spec).unwrap();
        let mut writer = ring.writer().unwrap();
        for n in 1..=6 {
            let mut slot = writer.slot().unwrap();
            slot.bytes_mut().fill(7);
            let room = slot.bytes_mut().len();
            let bytes = if spec.arena.is_some() { room / usize::try_from(n).unwrap() } else { room };
            slot.filled(bytes).publish(n, MonotonicNs(n * 1000), LossBefore::default());
        }
        let pristine = std::fs::read(name.path()).unwrap();
        Self { _dir: dir, name, pristine }
    }

    /// Does to the ring what the bytes say, and then all that a supervisor, a recorder and a capture do with one.
    ///
    /// The first byte says how many of the changes come before the ring is opened; the others, after. A change is two
    /// bytes that say which 64-bit word of the segment, and eight that say what it is then.
    pub(crate) fn ring(&self, bytes: &[u8]) {
        let Some((early, changes)) = bytes.split_first() else { return };
        let changes: Vec<(u64, &[u8])> = changes.chunks_exact(10).map(|c| self.change(c)).collect();
        let (before, after) = changes.split_at(usize::from(*early).min(changes.len()));
        let file = File::options().read(true).write(true).open(self.name.path()).unwrap();
        file.write_all_at(&self.pristine, 0).unwrap();
        before.iter().for_each(|(at, word)| file.write_all_at(word, *at).unwrap());
        let Ok(ring) = Ring::open(&self.name) else { return };
        after.iter().for_each(|(at, word)| file.write_all_at(word, *at).unwrap());
        look(&ring);
        read(&ring);
        write(&ring);
        look(&ring);
        read(&ring);
    }

    fn change<'a>(&self, bytes: &'a [u8]) -> (u64, &'a [u8]) {
        let word = u64::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        (word * 8 % (self.pristine.len() as u64 - 8), &bytes[2..])
    }
}

impl Drop for Damaged {
    fn drop(&mut self) {
        // A file that can't be removed is only litter.
        let _ = Ring::remove(&self.name);
    }
}

/// Does with a ring what a supervisor does.
fn look(ring: &Ring) {
    let head = ring.head();
    let _ = (ring.newest(), ring.oldest(), ring.has_ended(), ring.epoch(), ring.id(), ring.created());
    for sequence in [0, 1, head.saturating_sub(3), head, head.saturating_add(1), u64::MAX] {
        if let Some(info) = ring.frame_info(sequence) {
            assert_eq!(info.sequence, sequence);
        }
    }
    for at in [0, 1, 3500, u64::MAX] {
        let _ = ring.first_at_or_after(MonotonicNs(at));
    }
    assert!(!ring.wait_newer(u64::MAX, Duration::ZERO));
    let _ = ring.wait_newer(head, Duration::ZERO);
    let _ = (ring.endangered(3), ring.check_all(), ring.held_by_others());
    let _ = ring.sweep(ReaderBit::new(9).unwrap());
}

/// Does with a ring what a recorder does.
fn read(ring: &Arc<Ring>) {
    let reader = ring.reader(ReaderBit::RECORDER).unwrap();
    let head = ring.head();
    for sequence in (0..=7).chain(head.saturating_sub(3)..=head.saturating_add(1)).chain([u64::MAX]) {
        if let Ok(lease) = reader.lease(sequence) {
            assert!(lease.bytes().len() <= ring.spec().max_frame_bytes());
            std::hint::black_box(lease.bytes().iter().fold(0_u8, |sum, byte| sum ^ byte));
            assert_eq!(lease.frame_info().sequence, sequence);
        }
    }
}

/// Does with a ring what a capture does.
fn write(ring: &Arc<Ring>) {
    let Ok(mut writer) = ring.writer() else { return };
    for n in 0..5_u64 {
        let Some(mut slot) = writer.slot() else { continue };
        slot.bytes_mut().fill(9);
        if n % 2 == 0 {
            slot.publish(n, MonotonicNs(10_000 + n), LossBefore::default());
        }
    }
    writer.end();
}

/// The seeds: real values, and what has gone wrong with some.
pub(crate) mod seeds {
    use super::*;
    use proto::clip::Verdict;
    use proto::control::{Accepted, TriggerRequest};
    use proto::event::{Event, LoggedEvent};
    use proto::refusal::Refusal;
    use proto::stats::{CameraStats, ProcessStats, Stats};

    /// By name: of the control socket, the config, the ring.
    pub(crate) fn all() -> Vec<(PathBuf, Vec<u8>)> {
        let trigger = |label: Option<&str>, cameras: &[&str], wait: bool| {
            Request::Trigger(TriggerRequest {
                label: label.map(str::to_owned),
                cameras: cameras.iter().map(|c| (*c).to_owned()).collect(),
                at_whole_second: wait,
                pre_ms: wait.then_some(400),
                post_ms: wait.then_some(u64::MAX),
                wait,
                ..TriggerRequest::of(MonotonicNs(5_386_937_682_109))
            })
        };
        let begin = Request::Trigger(TriggerRequest {
            begin: true,
            id: Some("court:7".into()),
            meta: vec![("animal".into(), "m12".into())],
            note: Some("Stativ gewackelt".into()),
            ..TriggerRequest::of(MonotonicNs(5_386_937_682_109))
        });
        let end = Request::End(EndRequest {
            id: "court:7".into(),
            at: MonotonicNs(5_386_937_682_109),
            at_whole_second: false,
            post_ms: Some(100),
            wait: true,
        });
        let extend = Request::Extend(ExtendRequest { id: "court:7".into(), by_ms: 250, wait: false });
        let requests = [
            ("trigger", trigger(None, &[], false)),
            ("trigger-all", trigger(Some("goal"), &["left", "right"], true)),
            ("trigger-bad", trigger(Some("../x"), &["-rf", ""], false)),
            ("begin", begin),
            ("end", end),
            ("extend", extend),
            ("stats", Request::Stats),
            ("codecs", Request::Codecs),
            ("restart", Request::Restart("recorder".into())),
            ("stop", Request::Stop),
            ("subscribe", Request::Subscribe { since: Some(4096) }),
            (
                "clip-removed",
                Request::ClipRemoved {
                    clip_id: "clip-0001".into(),
                    path: "/recordings/run/clip-0001".into(),
                    bytes: 12_345_678,
                },
            ),
        ];
        let responses = [
            (
                "accepted",
                Response::Accepted(Accepted {
                    trigger_id: "20261122-091510-trigger-0001".into(),
                    clip_id: "20261122-091510-clip-0001-goal".into(),
                    path: "/recordings/session/clip-0001-goal".into(),
                    pre_roll_ms: 400,
                    asked_pre_roll_ms: 500,
                    end_ns: Some(MonotonicNs(5_387_437_682_109)),
                    notes: vec!["pre-roll is 400 ms instead of 500 ms".into()],
                }),
            ),
            ("done", Response::Done("stopped".into())),
            ("subscribed", Response::Subscribed { newest: 4096 }),
            (
                "event",
                Response::Event(LoggedEvent {
                    seq: 4097,
                    t_ns: MonotonicNs(5_386_937_682_109),
                    unix_ns: 1_795_680_000_250_000_000,
                    event: Event::ClipFinished {
                        clip_id: "clip-0001-goal".into(),
                        path: "/recordings/run/clip-0001-goal".into(),
                        verdict: Verdict::Gaps,
                        complete: false,
                    },
                }),
            ),
            (
                "refused",
                Response::Refused(Refusal::UnknownCamera { name: "x".into(), known: vec!["left".into()] }),
            ),
            (
                "stats",
                Response::Stats(Box::new(Stats {
                    cameras: vec![CameraStats { name: "left".into(), fps: 59.94, ..CameraStats::default() }],
                    processes: vec![ProcessStats {
                        pid: proto::process::Pid::new(4242),
                        ..ProcessStats::default()
                    }],
                    ..Stats::default()
                })),
            ),
        ];
        let mut all = Vec::new();
        for (name, request) in requests {
            let asked = wire::encode(&Asked { id: 7, request }).unwrap();
            all.push((format!("control/request-{name}"), [&[2], &*asked].concat()));
        }
        for (name, response) in responses {
            all.push((
                format!("control/response-{name}"),
                [&[255], &*wire::encode(&Told { id: 7, response }).unwrap()].concat(),
            ));
        }
        all.push(("control/hello".into(), [&[2], &*Hello::own().encode()].concat()));
        for (name, text) in [
            ("two-lines", "cameras:\n  - { name: left, backend: sim }\n"),
            (
                "defaults",
                "camera: { fps: 59.94, width: 640, height: 480, pixel_format: NV12 }\ncameras:\n  - { name: a, backend: sim, speed: 2, faults: { drop_every: 100, stall_after_frames: 5, stall_ms: 9 } }\n  - { name: b, backend: file, path: x.mp4, loop: true, scale: false }\n  - { name: c, backend: opencv, source: 0 }\nrecording:\n  output_dir: out\n  run_name: game\n  pre_roll_ms: 500\n  preferred_codec: MJPG\n  codec_quality: 20\n  preset: fast\n  max_open_clips: 8\n",
            ),
            (
                "anchors",
                "camera: &all { fps: 30 }\ncameras: [{ <<: *all, name: \"l\\u0065ft\", backend: sim }]\n",
            ),
            ("wrong-type", "cameras: [{ name: left, backend: sim, fps: [.nan] }]\n"),
            ("twice", "cameras: [{ name: left, name: right, backend: sim }]\n"),
            (
                "block",
                "cameras:\n- name: |\n    left\n  backend: >-\n    sim\nrecording:\n  run_name: 'a''b'\n",
            ),
        ] {
            all.push((format!("config/{name}"), text.as_bytes().to_vec()));
        }
        // Words of the header: magic, version, sizes; the heads; the first slot's state; the ledger's seventh entry.
        let change = |word: u16, value: u64| [&word.to_le_bytes()[..], &value.to_le_bytes()].concat();
        let ledger = (4096 + 3 * 64) / 8;
        for (name, early, changes) in [
            ("untouched", 0, vec![]),
            ("magic", 1, vec![change(0, 0)]),
            ("version", 1, vec![change(1, 1)]),
            ("size", 1, vec![change(2, u64::MAX)]),
            ("width", 1, vec![change(5, 1 << 40)]),
            ("slots", 1, vec![change(9, 4)]),
            ("width-late", 0, vec![change(5, 1 << 40), change(9, 1 << 20)]),
            // Lives of the capture beyond any count; found at random.
            ("epoch", 0, vec![change(12, u64::MAX)]),
            ("head", 1, (13..32).map(|word| change(word, u64::MAX)).collect()),
            ("head-far", 0, (13..32).map(|word| change(word, 1 << 39)).collect()),
            ("states", 0, (0..3).map(|slot| change(512 + slot * 8, (6 << 24) | (1 << 23) | 1)).collect()),
            ("states-full", 0, (0..3).map(|slot| change(512 + slot * 8, (6 << 24) | 0xffff)).collect()),
            (
                "ledger",
                0,
                (0..6)
                    .map(|word| change(ledger + 6 * 6 + word, if word == 1 { 1 << 60 } else { 6 }))
                    .collect(),
            ),
        ] {
            let bytes = [&[early], &*changes.concat()].concat();
            all.push((format!("ring/{name}"), bytes));
        }
        all.into_iter().map(|(name, bytes)| (PathBuf::from(name), bytes)).collect()
    }
}
