//! Tests of the join: what libav takes for it.

use std::path::PathBuf;
use std::rc::Rc;

use ffmpeg_next::codec::packet::Flags;
use ffmpeg_next::{Packet, codec};
use proto::clip::{CaptureTime, Plan, SCHEMA, Window, plan_path};
use proto::codec::Codec;
use proto::name::Name;
use proto::time::WallAnchor;

use super::*;
use crate::account::Evidence;
use crate::clip_lock::ClipLock;
use crate::encode::EncoderSetup;
use crate::fakes::{frame, ms};
use crate::feed::FeedPacket;
use crate::journal::{PartHeader, Row};
use crate::opening::{Libav, Media};
use crate::track::TrackWriter;

const PACKET_BYTES: usize = 100;

fn setup() -> EncoderSetup {
    let choice = EncoderChoice { codec: Codec::Mp4v, encoder: "mpeg4".into(), preset: None };
    let geometry = proto::frame::Geometry::new(64, 64, proto::frame::PixelFormat::I420).unwrap();
    EncoderSetup { choice, geometry, fps: proto::frame::Fps::new(100.0).unwrap(), quality: 23 }
}

/// A clip's footage: one part of so many packets.
fn footage(folder: &Path, frames: u64) -> Footage {
    let plan = plan_path(folder);
    std::fs::create_dir_all(plan.parent().unwrap()).unwrap();
    std::fs::write(&plan, "{}").unwrap();
    let camera = PlannedCamera {
        name: Name::new("left").unwrap(),
        index: 0,
        ring_id: 1,
        geometry: setup().geometry,
        fps: setup().fps,
        capture_time: CaptureTime::Device,
    };
    let header = PartHeader {
        choice: setup().choice,
        base_ns: frame(1).t_capture,
        begun_because: PartReason::First,
        first_sequence: 1,
        previous: None,
    };
    let parameters: Rc<codec::Parameters> = Rc::new(Libav.open_encoder(&setup()).unwrap().parameters());
    let path: PathBuf = part::video_path(plan.parent().unwrap(), &camera.name, 1);
    let mut track = TrackWriter::create(&path, header, camera.fps, Rc::clone(&parameters), &Libav).unwrap();
    for n in 1..=frames {
        let mut data = Packet::copy(&[n.to_le_bytes()[0]; PACKET_BYTES]);
        data.set_flags(Flags::KEY);
        let row = Row { frame: frame(n), encoded: frame(n).t_capture };
        track.write(&mut FeedPacket { row, is_key: true, parameters: Rc::clone(&parameters), data }).unwrap();
    }
    track.finish().unwrap();
    let window = Window { start_ns: frame(1).t_capture, end_ns: frame(frames).t_capture };
    let mut evidence = Evidence {
        window,
        previous: None,
        wanted: Vec::new(),
        following: Some(frame(frames + 1)),
        period: camera.fps.period(),
        silence: None,
    };
    (1..=frames).for_each(|n| evidence.want(&frame(n), None));
    let plan = Plan {
        schema: SCHEMA,
        clip_id: "clip-0001".to_owned(),
        label: None,
        rig: None,
        boot_id: String::new(),
        wall: WallAnchor { monotonic_ns: ms(0), unix_ns: 0 },
        trigger_ns: window.start_ns,
        window,
        asked_start_ns: window.start_ns,
        notes: Vec::new(),
        cameras: vec![camera.clone()],
    };
    let lock = Arc::new(ClipLock::take(folder).unwrap().unwrap());
    Footage {
        folder: folder.to_owned(),
        plan: Arc::new(plan),
        camera,
        evidence,
        ended_early: false,
        _lock: lock,
    }
}

fn join_all(frames: u64) -> CameraClip {
    let folder = tempfile::tempdir().unwrap();
    let footage = footage(folder.path(), frames);
    let ready = folder.path().join("ready");
    std::fs::create_dir(&ready).unwrap();
    join_camera(&footage, folder.path(), &ready, &Arc::default()).unwrap()
}

#[test]
fn a_part_is_joined_whole() {
    let clip = join_all(500);
    assert_eq!((clip.frames_expected, clip.frames_written), (500, 500));
    assert_eq!(clip.files, ["left.mp4"]);
    assert_eq!((clip.first_frame_ns, clip.last_frame_ns), (Some(ms(10)), Some(ms(5000))));
    assert!(clip.gaps.is_empty() && clip.interruptions.is_empty());
}

/// The figures in docs/decisions/runs.md: `cargo test --release -p recorder -- --ignored --nocapture index_in_memory`.
#[test]
#[ignore = "measures memory, and writes half a gigabyte"]
fn libavs_index_in_memory_grows_with_the_clip() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    for frames in [10_000, 100_000, 1_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let footage = footage(folder.path(), frames);
        let ready = folder.path().join("ready");
        std::fs::create_dir(&ready).unwrap();
        // Starts the peak anew.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = peak();
        join_camera(&footage, folder.path(), &ready, &Arc::default()).unwrap();
        let grown = peak() - before;
        println!("{frames} frames: {grown} bytes in the join, {} a frame", grown / frames);
        assert!(grown > frames, "libav keeps something of every frame");
        // About 290 bytes a frame were measured, and 4 to 5 MB of buffers. A table of our own would add 32 or more.
        let most = 8 * 1024 * 1024 + 310 * frames;
        assert!(grown < most, "{frames} frames: the join takes {grown} bytes, more than {most}");
    }
}
