//! Tests of the join of copied H.264: behind an encoded stretch, gone on with by another recorder, and with packets lost.

use proto::frame::FrameFlags;

use super::*;

/// A camera's own H.264: frames of 1 to `last` in Annex B form, with parameter sets in front of each key frame; and those sets.
fn stream(last: u64) -> (Vec<(FrameInfo, Vec<u8>)>, Vec<u8>) {
    let fps = proto::frame::Fps::new(GOP as f64).unwrap();
    let mut encoder =
        EncoderSetup { choice: choice(Codec::Avc1, "ultrafast"), fps, ..setup() }.open().unwrap();
    let sets = libav::extradata(&encoder.parameters());
    let mut frames = Vec::new();
    for n in 1..=last {
        let mut bytes = vec![128; setup().geometry.frame_bytes()];
        bytes[..64 * 64].fill(gray_of(n));
        encoder.send(Box::new(Picture(frame(n), bytes)), i64::try_from(n).unwrap() * 10_000, false).unwrap();
        let packet = encoder.receive().unwrap().unwrap();
        let before = if packet.is_key() { &sets[..] } else { &[] };
        let info = FrameInfo { flags: FrameFlags::KEY.when(packet.is_key()), ..frame(n) };
        frames.push((info, [before, packet.data().unwrap()].concat()));
    }
    (frames, sets)
}

/// Writes a part of these frames of that stream, as they are passed on.
pub(in crate::finish) fn write_stream_part(folder: &Path, because: PartReason, frames: RangeInclusive<u64>) {
    let (partial, camera) = (partial(folder), camera());
    let (stream, sets) = stream(*frames.end());
    let first = usize::try_from(frames.start() - 1).unwrap();
    let goes_on = !stream[first].0.flags.contains(FrameFlags::KEY);
    let header = PartHeader { goes_on, ..header(EncoderChoice::copied(Codec::H264), because) };
    let path = TrackWriter::next_path(&partial, &camera, &header).unwrap();
    let mut feed = Feed::new(Arc::new(Libav), Arc::<FakeClock>::default(), None);
    let passed = Passed::H264 { sets: Rc::from(sets), start: None };
    let parameters = feed.pass_on(CopySetup { geometry: camera.geometry, pixel_shape: None, passed });
    let mut track = TrackWriter::create(&path, header, camera.fps, parameters, &Libav).unwrap();
    for (info, bytes) in stream.into_iter().skip(first) {
        feed.take(Box::new(Picture(info, bytes)), &mut |packet| track.write(packet)).unwrap();
    }
    track.finish().unwrap();
}

#[test]
fn a_copied_stretch_goes_on_with_an_encoded_one_in_one_file_also_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=30);
    write_stream_part(folder.path(), PartReason::Cut, 31..=44);
    // The next recorder has the last frame of the killed one too.
    write_stream_part(folder.path(), PartReason::RecorderRestart, 44..=70);
    let clip = join_in(folder.path(), 70);
    assert_eq!((clip.frames_expected, clip.frames_written, clip.gaps.len()), (70, 70, 0));
    assert_eq!((&clip.files[..], clip.interruptions.len()), (&["left.mp4".to_owned()][..], 1));
    let stretches: Vec<_> =
        clip.stretches.iter().map(|s| (s.first_frame, s.frames, s.how, &s.encoder[..])).collect();
    assert_eq!(stretches, [(0, 30, StretchHow::Encoded, "libx264"), (30, 40, StretchHow::Copied, "copied")]);
    let (parameters, packets) = packets(&folder.path().join("ready/left.mp4"));
    assert_shows(&decode(&parameters, packets.iter()), 1..=70);
    let times: Vec<i64> = packets.iter().filter_map(Packet::pts).collect();
    assert_eq!(times, (0..70).map(|n| n * 10_000).collect::<Vec<_>>());
    let keys: Vec<usize> = (0..packets.len()).filter(|n| packets[*n].is_key()).collect();
    assert_eq!(keys, [0, 10, 20, 30, 40, 50, 60]);
    // From the copied stretch back into the encoded one, and the other way, in one decoder.
    let back = packets[40..45].iter().chain(&packets[10..15]).chain(&packets[60..65]);
    assert_shows(&decode(&parameters, back), (41..=45).chain(11..=15).chain(61..=65));
    // Each key frame has one SPS, be it the camera's own.
    for key in keys {
        let sets = packets[key].data().unwrap().windows(5).filter(|w| w[..3] == [0; 3] && w[4] & 31 == 7);
        assert_eq!(sets.count(), 1, "frame {key}");
    }
}

#[test]
fn a_copied_packet_that_the_disk_has_lost_costs_those_up_to_the_next_key_frame_in_later_parts_too() {
    let folder = tempfile::tempdir().unwrap();
    write_stream_part(folder.path(), PartReason::First, 1..=14);
    write_stream_part(folder.path(), PartReason::RecorderRestart, 15..=40);
    let video = part::video_path(&partial(folder.path()), &camera().name, 1, ".mp4");
    let mut bytes = std::fs::read(&video).unwrap();
    // The last byte of the last packet, whose line is sealed by the journal's end.
    *bytes.last_mut().unwrap() ^= 0xff;
    std::fs::write(&video, bytes).unwrap();
    let clip = join_in(folder.path(), 40);
    assert_eq!((clip.frames_expected, clip.frames_written), (40, 33));
    assert_eq!((clip.gaps[0].after_sequence, clip.gaps[0].missing), (13, 7));
    let (parameters, packets) = packets(&folder.path().join("ready/left.mp4"));
    assert_shows(&decode(&parameters, packets.iter()), (1..=13).chain(21..=40));
}

#[test]
fn a_part_that_goes_on_with_a_lost_one_begins_with_its_first_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    write_stream_part(folder.path(), PartReason::First, 1..=14);
    write_stream_part(folder.path(), PartReason::RecorderRestart, 15..=40);
    for ending in ["mp4", "journal"] {
        std::fs::remove_file(partial(folder.path()).join(format!("left.part1.{ending}"))).unwrap();
    }
    let clip = join_in(folder.path(), 40);
    assert_eq!((clip.frames_expected, clip.frames_written), (40, 20));
    let (parameters, packets) = packets(&folder.path().join("ready/left.mp4"));
    assert_shows(&decode(&parameters, packets.iter()), 21..=40);
}
