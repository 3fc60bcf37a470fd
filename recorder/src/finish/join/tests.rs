//! Tests of the join: which parts share a file and how it decodes, and what memory libav takes for it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::rc::Rc;

use ffmpeg_next::codec::packet::Flags;
use ffmpeg_next::{Packet, codec};
use proto::clip::{PARTIAL_DIR, StretchHow, Window};
use proto::codec::Codec;
use proto::config::{ClipMode, JpegContainer};
use proto::frame::PictureTags;

use super::*;
use crate::account::Evidence;
use crate::clip_lock::ClipLock;
use crate::encode::EncoderSetup;
use crate::fakes::{FakeClock, Picture, frame, ms, plan, planned_camera};
use crate::feed::{Feed, FeedPacket};
use crate::journal::{PartHeader, PartReason, Row};
use crate::media::Encode;
use crate::open_window::OpenWindow;
use crate::opening::{Libav, Media};
use crate::part;
use crate::passing::{CopySetup, Passed};
use crate::track::TrackWriter;

pub(in crate::finish) mod cut;

const PACKET_BYTES: usize = 100;

fn setup() -> EncoderSetup {
    let choice = EncoderChoice { codec: Codec::Mp4v, encoder: "mpeg4".into(), preset: None };
    let geometry = proto::frame::Geometry::new(64, 64, proto::frame::PixelFormat::I420).unwrap();
    EncoderSetup {
        choice,
        geometry,
        fps: proto::frame::Fps::new(100.0).unwrap(),
        quality: 23,
        picture: PictureTags::default(),
    }
}

pub(in crate::finish) fn camera() -> PlannedCamera {
    planned_camera(setup().geometry, setup().fps)
}

fn header(choice: EncoderChoice, begun_because: PartReason) -> PartHeader {
    PartHeader {
        choice,
        base_ns: frame(1).t_capture,
        begun_because,
        first_sequence: 1,
        previous: None,
        copied_into: None,
        goes_on: false,
    }
}

pub(in crate::finish) fn partial(folder: &Path) -> PathBuf {
    let partial = folder.join(PARTIAL_DIR);
    std::fs::create_dir_all(&partial).unwrap();
    partial
}

/// Writes a part of packets that are no pictures.
pub(in crate::finish) fn write_hollow_part(folder: &Path, frames: u64) {
    let parameters: Rc<codec::Parameters> = Rc::new(Libav.open_encoder(&setup()).unwrap().parameters());
    let path = part::video_path(&partial(folder), &camera().name, 1, ".mp4");
    let header = header(setup().choice, PartReason::First);
    let mut track = TrackWriter::create(&path, header, camera().fps, Rc::clone(&parameters), &Libav).unwrap();
    for n in 1..=frames {
        let mut data = Packet::copy(&[n.to_le_bytes()[0]; PACKET_BYTES]);
        data.set_flags(Flags::KEY);
        let row = Row { frame: frame(n), encoded: frame(n).t_capture };
        track.write(&mut FeedPacket { row, is_key: true, parameters: Rc::clone(&parameters), data }).unwrap();
    }
    track.finish().unwrap();
}

/// The footage of the parts in a clip's folder.
pub(in crate::finish) fn footage(folder: &Path, frames: u64) -> Footage {
    std::fs::write(partial(folder).join(proto::clip::PLAN), "{}").unwrap();
    let window = Window { start_ns: frame(1).t_capture, end_ns: frame(frames).t_capture };
    let mut evidence = Evidence {
        window,
        previous: None,
        wanted: Vec::new(),
        following: Some(frame(frames + 1)),
        period: camera().fps.period(),
        silence: None,
        variable_rate: false,
    };
    (1..=frames).for_each(|n| evidence.want(&frame(n), None));
    let plan = Arc::new(plan(window, vec![camera()]));
    let lock = Arc::new(ClipLock::take(folder).unwrap().unwrap());
    Footage {
        folder: folder.to_owned(),
        plan: Arc::clone(&plan),
        camera: camera(),
        evidence,
        asked: ClipMode::Smart,
        window: OpenWindow::read(folder, &plan, None).unwrap(),
        moments: Arc::from([plan.trigger_ns]),
        _lock: lock,
    }
}

/// Writes a part of JPEGs that are passed on as they came.
pub(in crate::finish) fn write_copied_part(
    folder: &Path,
    into: JpegContainer,
    because: PartReason,
    frames: RangeInclusive<u64>,
) {
    let (partial, camera) = (partial(folder), camera());
    let header =
        PartHeader { copied_into: Some(into), ..header(EncoderChoice::copied(Codec::Mjpg), because) };
    let path = TrackWriter::next_path(&partial, &camera, &header).unwrap();
    let mut feed = Feed::new(Arc::new(Libav), Arc::<FakeClock>::default(), None);
    let parameters = feed.pass_on(CopySetup {
        geometry: camera.geometry,
        pixel_shape: None,
        passed: Passed::Jpeg { adds_tables: true },
    });
    let mut track = TrackWriter::create(&path, header, camera.fps, parameters, &Libav).unwrap();
    for n in frames {
        let picture = Box::new(Picture(frame(n), jpeg_of(n)));
        feed.take(picture, &mut |packet| track.write(packet)).unwrap();
    }
    track.finish().unwrap();
}

/// A JPEG of the brightness of frame `n`.
pub(in crate::finish) fn jpeg_of(n: u64) -> Vec<u8> {
    let picture = PictureTags { range: proto::frame::Range::Full, ..PictureTags::default() };
    let mut encoder = EncoderSetup { choice: last_resort(), picture, ..setup() }.open().unwrap();
    let mut bytes = vec![128; setup().geometry.frame_bytes()];
    bytes[..64 * 64].fill(gray_of(n));
    encoder.send(Box::new(Picture(frame(n), bytes)), 0, true).unwrap();
    encoder.receive().unwrap().unwrap().data().unwrap().to_vec()
}

#[test]
fn copied_parts_of_two_recorders_become_one_file_of_the_very_same_jpegs() {
    for (into, file) in [(JpegContainer::Mov, "left.mov"), (JpegContainer::Avi, "left.avi")] {
        let folder = tempfile::tempdir().unwrap();
        write_copied_part(folder.path(), into, PartReason::First, 1..=30);
        // The next recorder has the last frame of the killed one too.
        write_copied_part(folder.path(), into, PartReason::RecorderRestart, 30..=50);
        let clip = join_in(folder.path(), 50);
        assert_eq!((clip.frames_expected, clip.frames_written, clip.gaps.len()), (50, 50, 0));
        assert_eq!((&clip.files[..], clip.interruptions.len()), (&[file.to_owned()][..], 1));
        let [stretch] = &clip.stretches[..] else { panic!("{:?}", clip.stretches) };
        assert_eq!((stretch.how, stretch.codec, stretch.frames), (StretchHow::Copied, Codec::Mjpg, 50));
        let (parameters, packets) = packets(&folder.path().join("ready").join(file));
        assert_shows(&decode(&parameters, packets.iter()), 1..=50);
        for (packet, n) in packets.iter().zip(1..) {
            assert_eq!(packet.data().unwrap(), jpeg_of(n), "frame {n}");
        }
        if into == JpegContainer::Mov {
            let times: Vec<i64> = packets.iter().filter_map(Packet::pts).collect();
            assert_eq!(times, (0..50).map(|n| n * 10_000).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_camera_that_is_no_longer_copied_goes_on_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    write_copied_part(folder.path(), JpegContainer::Mov, PartReason::First, 1..=30);
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::RecorderRestart, 31..=50);
    let clip = join_in(folder.path(), 50);
    assert_eq!(clip.files, ["left.mov", "left~2.mp4"]);
    let how: Vec<_> = clip.stretches.iter().map(|s| (s.first_frame, s.frames, s.how)).collect();
    assert_eq!(how, [(0, 30, StretchHow::Copied), (30, 20, StretchHow::Encoded)]);
}

/// The same of a camera of variable rate, whose window lasts until the time of this frame.
pub(in crate::finish) fn still(footage: Footage, end: u64) -> Footage {
    let camera = PlannedCamera { variable_rate: true, ..footage.camera };
    let window = Window { end_ns: frame(end).t_capture, ..footage.evidence.window };
    let following = Some(frame(end + 10));
    let evidence = Evidence { window, following, variable_rate: true, ..footage.evidence };
    Footage { camera, evidence, ..footage }
}

fn join_all(frames: u64) -> CameraClip {
    let folder = tempfile::tempdir().unwrap();
    write_hollow_part(folder.path(), frames);
    join_in(folder.path(), frames)
}

/// Joins the parts in a clip's folder, into `ready` below it.
fn join_in(folder: &Path, frames: u64) -> CameraClip {
    let footage = footage(folder, frames);
    let ready = folder.join("ready");
    std::fs::create_dir(&ready).unwrap();
    join_camera(&footage, folder, &ready, &Arc::default()).unwrap().clip
}

#[test]
fn a_part_is_joined_whole() {
    let clip = join_all(500);
    assert_eq!((clip.frames_expected, clip.frames_written), (500, 500));
    assert_eq!(clip.files, ["left.mp4"]);
    let [stretch] = &clip.stretches[..] else { panic!("{:?}", clip.stretches) };
    assert_eq!((stretch.first_frame, stretch.frames, &stretch.file[..]), (0, 500, "left.mp4"));
    assert_eq!((clip.first_frame_ns, clip.last_frame_ns), (Some(ms(10)), Some(ms(5000))));
    assert!(clip.gaps.is_empty() && clip.interruptions.is_empty());
}

fn gray_of(n: u64) -> u8 {
    (40 + n * 7 % 160).to_le_bytes()[0]
}

/// The frames between two key frames.
const GOP: u64 = 10;

pub(in crate::finish) fn choice(codec: Codec, preset: &str) -> EncoderChoice {
    EncoderChoice { codec, encoder: "libx264".into(), preset: Some(preset.into()) }
}

/// Writes a part of real pictures.
pub(in crate::finish) fn write_part(
    folder: &Path,
    choice: &EncoderChoice,
    because: PartReason,
    frames: RangeInclusive<u64>,
) {
    let partial = partial(folder);
    let header = header(choice.clone(), because);
    let path = TrackWriter::next_path(&partial, &camera(), &header).unwrap();
    // A key frame comes every second.
    let fps = proto::frame::Fps::new(GOP as f64).unwrap();
    let mut encoder = EncoderSetup { choice: choice.clone(), fps, ..setup() }.open().unwrap();
    let parameters = Rc::new(encoder.parameters());
    let fps = camera().fps;
    let mut track = TrackWriter::create(&path, header, fps, Rc::clone(&parameters), &Libav).unwrap();
    for n in frames {
        let mut bytes = vec![128; setup().geometry.frame_bytes()];
        bytes[..64 * 64].fill(gray_of(n));
        encoder.send(Box::new(Picture(frame(n), bytes)), i64::try_from(n).unwrap() * 10_000, false).unwrap();
        let data = encoder.receive().unwrap().unwrap();
        let row = Row { frame: frame(n), encoded: frame(n).t_capture };
        let is_key = data.is_key();
        track.write(&mut FeedPacket { row, is_key, parameters: Rc::clone(&parameters), data }).unwrap();
    }
    track.finish().unwrap();
}

/// A file's packets, and its stream's parameters.
pub(in crate::finish) fn packets(file: &Path) -> (codec::Parameters, Vec<Packet>) {
    let mut input = ffmpeg_next::format::input(file).unwrap();
    let parameters = input.stream(0).unwrap().parameters();
    (parameters, input.packets().map(|(_, packet)| packet).collect())
}

/// Decodes packets with a decoder that knows the file's header alone. Returns each picture's first sample.
pub(in crate::finish) fn decode<'a>(
    parameters: &codec::Parameters,
    packets: impl Iterator<Item = &'a Packet>,
) -> Vec<u8> {
    let context = codec::Context::from_parameters(parameters.clone()).unwrap();
    let mut decoder = context.decoder().video().unwrap();
    let mut grays = Vec::new();
    let mut frame = ffmpeg_next::frame::Video::empty();
    let mut take = |decoder: &mut codec::decoder::Video| {
        while decoder.receive_frame(&mut frame).is_ok() {
            grays.push(frame.data(0)[0]);
        }
    };
    for packet in packets {
        decoder.send_packet(packet).unwrap();
        take(&mut decoder);
    }
    decoder.send_eof().unwrap();
    take(&mut decoder);
    grays
}

#[track_caller]
pub(in crate::finish) fn assert_shows(grays: &[u8], frames: impl Iterator<Item = u64>) {
    let expected: Vec<u8> = frames.map(gray_of).collect();
    assert_eq!(grays.len(), expected.len());
    let near = grays.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 3);
    assert!(near, "{grays:?} is not {expected:?}");
}

#[test]
fn stretches_of_other_parameter_sets_share_a_file_and_every_key_frame_can_be_gone_to() {
    let folder = tempfile::tempdir().unwrap();
    // At the fastest preset x264 makes no key frame by itself where the picture changes.
    let (best, safe) = (choice(Codec::H264, "ultrafast"), choice(Codec::Avc1, "ultrafast"));
    write_part(folder.path(), &best, PartReason::First, 1..=35);
    write_part(folder.path(), &safe, PartReason::CodecChange, 36..=60);
    write_part(folder.path(), &best, PartReason::CodecChange, 61..=90);
    write_part(folder.path(), &best, PartReason::RecorderRestart, 91..=100);
    let clip = join_in(folder.path(), 100);
    assert_eq!((clip.frames_expected, clip.frames_written, clip.gaps.len()), (100, 100, 0));
    assert_eq!(clip.files, ["left.mp4"]);
    assert_eq!((clip.made_by.len(), clip.made_by[0].frames), (1, 100));
    let stretches: Vec<_> = clip.stretches.iter().map(|s| (s.first_frame, s.frames, s.codec)).collect();
    assert_eq!(stretches, [(0, 35, Codec::H264), (35, 25, Codec::Avc1), (60, 40, Codec::H264)]);
    assert_eq!(clip.interruptions.len(), 3);

    let (parameters, packets) = packets(&folder.path().join("ready/left.mp4"));
    assert_shows(&decode(&parameters, packets.iter()), 1..=100);
    let keys: Vec<usize> = (0..packets.len()).filter(|n| packets[*n].is_key()).collect();
    assert_eq!(keys, [0, 10, 20, 30, 35, 45, 55, 60, 70, 80, 90]);
    for key in keys {
        let from = packets[key..].iter().take(5);
        assert_shows(&decode(&parameters, from), (1..=100).skip(key).take(5));
    }
    // From the last stretch back into the one in the middle, in one decoder.
    let back = packets[70..75].iter().chain(&packets[45..50]).chain(&packets[0..5]);
    assert_shows(&decode(&parameters, back), (71..=75).chain(46..=50).chain(1..=5));
}

#[test]
fn presets_share_a_file_without_parameter_sets_in_band_and_without_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "medium"), PartReason::First, 1..=30);
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::PresetChange, 31..=50);
    let clip = join_in(folder.path(), 50);
    assert_eq!((clip.files.len(), clip.interruptions.len(), clip.frames_written), (1, 0, 50));
    let presets: Vec<_> =
        clip.stretches.iter().map(|s| (s.first_frame, s.preset.as_deref().unwrap())).collect();
    assert_eq!(presets, [(0, "medium"), (30, "ultrafast")]);
    let (parameters, packets) = packets(&folder.path().join("ready/left.mp4"));
    assert_shows(&decode(&parameters, packets.iter()), 1..=50);
    // The first NAL unit of a key frame would be the SPS, of type 7.
    assert!(packets.iter().all(|packet| packet.data().unwrap()[4] & 31 != 7));
}

#[test]
fn another_codec_is_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "medium"), PartReason::First, 1..=30);
    let jpeg = EncoderChoice { codec: Codec::Mjpg, encoder: "mjpeg".into(), preset: None };
    write_part(folder.path(), &jpeg, PartReason::CodecChange, 31..=50);
    let clip = join_in(folder.path(), 50);
    assert_eq!(clip.files, ["left.mp4", "left~2.avi"]);
    let stretches: Vec<_> = clip.stretches.iter().map(|s| (&s.file[..], s.first_frame, s.frames)).collect();
    assert_eq!(stretches, [("left.mp4", 0, 30), ("left~2.avi", 30, 20)]);
    assert_eq!(clip.made_by.iter().map(|m| m.frames).collect::<Vec<_>>(), [30, 20]);
}

#[test]
fn a_video_whose_file_cannot_grow_is_split_at_key_frames() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=35);
    write_part(folder.path(), &choice(Codec::Avc1, "ultrafast"), PartReason::CodecChange, 36..=60);
    let parts = part::read_all(&partial(folder.path()), &camera().name).unwrap();
    let streams: Vec<Stream> = parts.iter().map(|p| Stream::of(p, &camera()).unwrap().unwrap()).collect();
    let ready = folder.path().join("ready");
    std::fs::create_dir(&ready).unwrap();
    // Each file is full with its first packets, and ends at the next key frame.
    let (footage, pulse) = (footage(folder.path(), 60), Arc::default());
    let camera = &footage.camera;
    let joined = Joining::new(&footage, &ready, &pulse, Some(1)).unwrap().join(&streams).unwrap();
    let frames: Vec<u64> = joined.files.iter().map(|maker| maker.frames).collect();
    assert_eq!(frames, [10, 10, 10, 5, 10, 10, 5]);
    assert_eq!((&joined.files[0].file[..], &joined.files[6].file[..]), ("left.mp4", "left~7.mp4"));
    let stretches: Vec<_> = joined.stretches.iter().map(|s| (s.first_frame, s.frames)).collect();
    assert_eq!(stretches, [(0, 10), (10, 10), (20, 10), (30, 5), (35, 10), (45, 10), (55, 5)]);
    let mut first = 1;
    for (maker, frames) in joined.files.iter().zip(frames) {
        let (parameters, packets) = packets(&ready.join(&maker.file));
        assert_eq!(packets[0].pts(), Some(0));
        assert_shows(&decode(&parameters, packets.iter()), first..first + frames);
        first += frames;
    }
    // The files are made anew with less in each, in a folder that other cameras use too.
    std::fs::write(ready.join("left2.mp4"), "another camera's").unwrap();
    let largest = joined.files.iter().map(|maker| ready.join(&maker.file).metadata().unwrap().len()).max();
    assert_eq!(Some(remove_files(&ready, &camera.name).unwrap()), largest);
    assert_eq!(opened::names(&ready).unwrap(), ["left2.mp4"]);
}

#[test]
fn a_picture_that_stands_from_one_file_to_the_next_is_shown_meanwhile() {
    for (is_still, lasting) in [(true, [360_000, 1_050_000]), (false, [10_000, 10_000])] {
        let folder = tempfile::tempdir().unwrap();
        write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=5);
        write_part(folder.path(), &choice(Codec::Avc1, "ultrafast"), PartReason::CodecChange, 41..=45);
        let parts = part::read_all(&partial(folder.path()), &camera().name).unwrap();
        let streams: Vec<Stream> = parts.iter().map(|p| Stream::of(p, &camera()).unwrap().unwrap()).collect();
        let ready = folder.path().join("ready");
        std::fs::create_dir(&ready).unwrap();
        let footage = footage(folder.path(), 45);
        let (footage, pulse) = (if is_still { still(footage, 150) } else { footage }, Arc::default());
        let joined = Joining::new(&footage, &ready, &pulse, Some(1)).unwrap().join(&streams).unwrap();
        assert_eq!(joined.files.iter().map(|maker| maker.frames).collect::<Vec<_>>(), [5, 5]);
        for (maker, lasts) in joined.files.iter().zip(lasting) {
            let (_, packets) = packets(&ready.join(&maker.file));
            assert_eq!(packets.last().unwrap().duration(), lasts, "{}", maker.file);
        }
    }
}

#[test]
fn each_try_at_a_smaller_file_is_smaller_and_there_is_an_end_to_them() {
    assert_eq!(smaller(None, 8_000_000), Some(7_000_000));
    assert_eq!(smaller(Some(7_000_000), 8_000_000), Some(6_125_000));
    assert_eq!(smaller(Some(7_000_000), 800_000), Some(700_000));
    assert_eq!(smaller(Some(4_600), 8_000_000), None);
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
        write_hollow_part(folder.path(), frames);
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
