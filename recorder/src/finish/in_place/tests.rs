//! Tests of finishing in place: the file is to a player what the part's copy would be.

mod earlier_end;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ffmpeg_next::Packet;
use proto::clip::CameraClip;
use proto::codec::{Codec, EncoderChoice};
use proto::config::JpegContainer;

use super::*;
use crate::fakes::frame;
use crate::finish::join::join_camera;
use crate::finish::join::tests::cut::write_stream_part;
use crate::finish::join::tests::{
    assert_shows, camera, choice, decode, footage, jpeg_of, packets, partial, still, write_copied_part,
    write_hollow_part, write_part,
};
use crate::journal::PartReason;
use crate::libav;

/// Links a camera's only part into a new folder beside its clip's, if it can be, and finishes or joins it there.
fn finish_in(folder: &Path, ready: &str, frames: u64, in_place: bool) -> (CameraClip, PathBuf) {
    finish_footage(&footage(folder, frames), ready, in_place)
}

fn finish_footage(footage: &Footage, ready: &str, in_place: bool) -> (CameraClip, PathBuf) {
    let folder = &footage.folder;
    let ready = folder.join(ready);
    std::fs::create_dir(&ready).unwrap();
    if in_place {
        link(&partial(folder), &ready, &camera()).unwrap();
    }
    let clip = join_camera(footage, folder, &ready, &Arc::default()).unwrap().clip;
    (clip, ready)
}

/// A packet's two times and its duration, whether it is a key frame, and its bytes.
type Content = (Option<i64>, Option<i64>, i64, bool, Vec<u8>);

/// All that a player reads of a file: its header, its duration, its packets.
fn contents(file: &Path) -> (Vec<u8>, i64, Vec<Content>) {
    let mut input = ffmpeg_next::format::input(file).unwrap();
    let parameters = input.stream(0).unwrap().parameters();
    let duration = input.duration();
    let of = |p: &Packet| (p.pts(), p.dts(), p.duration(), p.is_key(), p.data().unwrap().to_vec());
    let packets = input.packets().map(|(_, packet)| of(&packet)).collect();
    (libav::extradata(&parameters), duration, packets)
}

fn is_the_part(folder: &Path, file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let extension = format!(".{}", file.extension().unwrap().to_str().unwrap());
    let part = part::video_path(&partial(folder), &camera().name, 1, &extension);
    part.metadata().unwrap().ino() == file.metadata().unwrap().ino()
}

#[track_caller]
fn assert_same(a: &(CameraClip, PathBuf), b: &(CameraClip, PathBuf)) {
    let file = a.0.file.as_ref().unwrap();
    assert_eq!(contents(&a.1.join(file)), contents(&b.1.join(file)));
    let csv = |ready: &Path| std::fs::read_to_string(ready.join("left_timestamps.csv")).unwrap();
    assert_eq!(csv(&a.1), csv(&b.1));
    let without_size = |clip: &CameraClip| CameraClip { size_bytes: 0, ..clip.clone() };
    assert_eq!(without_size(&a.0), without_size(&b.0));
}

#[test]
fn a_part_that_becomes_the_file_is_to_a_player_what_its_copy_is() {
    let mpeg4 = EncoderChoice { codec: Codec::Mp4v, encoder: "mpeg4".into(), preset: None };
    for choice in [choice(Codec::H264, "ultrafast"), choice(Codec::Avc1, "ultrafast"), mpeg4] {
        let folder = tempfile::tempdir().unwrap();
        write_part(folder.path(), &choice, PartReason::First, 1..=45);
        let copied = finish_in(folder.path(), "copied", 45, false);
        assert!(!is_the_part(folder.path(), &copied.1.join("left.mp4")));
        let linked = finish_in(folder.path(), "linked", 45, true);
        assert!(is_the_part(folder.path(), &linked.1.join("left.mp4")), "{choice:?}");
        assert_same(&copied, &linked);
        assert_eq!(linked.0.size_bytes, linked.1.join("left.mp4").metadata().unwrap().len());
        let (parameters, packets) = packets(&linked.1.join("left.mp4"));
        assert_shows(&decode(&parameters, packets.iter()), 1..=45);
        // The next finisher can't know whether the first one's flush failed, and makes a copy.
        let again = finish_in(folder.path(), "again", 45, true);
        assert!(!is_the_part(folder.path(), &again.1.join("left.mp4")), "{choice:?}");
        assert_same(&copied, &again);
    }
}

#[test]
fn a_copied_part_becomes_a_quicktime_file_without_being_written_again() {
    let folder = tempfile::tempdir().unwrap();
    write_copied_part(folder.path(), JpegContainer::Mov, PartReason::First, 1..=45);
    let copied = finish_in(folder.path(), "copied", 45, false);
    let linked = finish_in(folder.path(), "linked", 45, true);
    let file = linked.1.join("left.mov");
    assert!(is_the_part(folder.path(), &file) && !is_the_part(folder.path(), &copied.1.join("left.mov")));
    assert_same(&copied, &linked);
    for (_, ready) in [&copied, &linked] {
        let (parameters, packets) = packets(&ready.join("left.mov"));
        assert_eq!(libav::codec_tag(&parameters).to_le_bytes(), *b"jpeg");
        assert_shows(&decode(&parameters, packets.iter()), 1..=45);
        assert_eq!(packets[44].data().unwrap(), jpeg_of(45));
    }
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(&bytes[4..12], b"ftypqt  ");
    let again = finish_in(folder.path(), "again", 45, true);
    assert!(!is_the_part(folder.path(), &again.1.join("left.mov")), "nobody knows whether its flush failed");
    assert_same(&copied, &again);
}

#[test]
fn frames_before_the_window_are_in_the_file_of_copied_h264_and_players_begin_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    write_stream_part(folder.path(), PartReason::First, 1..=45);
    let mut footage = footage(folder.path(), 45);
    let start = frame(6).t_capture;
    Arc::make_mut(&mut footage.plan).window.start_ns = start;
    footage.evidence.window.start_ns = start;
    let copied = finish_footage(&footage, "copied", false);
    let linked = finish_footage(&footage, "linked", true);
    let file = linked.1.join("left.mp4");
    assert!(is_the_part(folder.path(), &file) && !is_the_part(folder.path(), &copied.1.join("left.mp4")));
    assert_same(&copied, &linked);
    let clip = &linked.0;
    assert_eq!((clip.frames_expected, clip.frames_written, clip.lead_in_frames), (45, 45, 5));
    // libav drops what is decoded for others alone.
    let (parameters, packets) = packets(&file);
    assert_eq!((packets.len(), packets[0].pts(), packets[5].pts()), (45, Some(-50_000), Some(0)));
    assert_shows(&decode(&parameters, packets.iter()), 6..=45);
}

#[test]
fn copied_h264_becomes_an_mp4_without_being_written_again_unless_it_goes_on_with_a_part_that_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    write_stream_part(folder.path(), PartReason::First, 1..=45);
    let copied = finish_in(folder.path(), "copied", 45, false);
    let linked = finish_in(folder.path(), "linked", 45, true);
    let file = linked.1.join("left.mp4");
    assert!(is_the_part(folder.path(), &file) && !is_the_part(folder.path(), &copied.1.join("left.mp4")));
    assert_same(&copied, &linked);
    let (parameters, packets) = packets(&file);
    assert_eq!(libav::codec_tag(&parameters).to_le_bytes(), *b"avc1");
    assert_shows(&decode(&parameters, packets.iter()), 1..=45);
    let keys: Vec<usize> = (0..packets.len()).filter(|n| packets[*n].is_key()).collect();
    assert_eq!(keys, [0, 10, 20, 30, 40]);

    let folder = tempfile::tempdir().unwrap();
    write_stream_part(folder.path(), PartReason::RecorderRestart, 15..=45);
    let linked = finish_in(folder.path(), "linked", 45, true);
    assert!(!is_the_part(folder.path(), &linked.1.join("left.mp4")));
    assert_eq!(linked.0.frames_written, 25);
}

#[test]
fn a_copied_part_that_ends_in_avi_is_written_into_one() {
    let folder = tempfile::tempdir().unwrap();
    write_copied_part(folder.path(), JpegContainer::Avi, PartReason::First, 1..=20);
    let (clip, ready) = finish_in(folder.path(), "ready", 20, true);
    assert_eq!((clip.file.as_deref(), clip.frames_written), (Some("left.avi"), 20));
    assert_eq!(packets(&ready.join("left.avi")).1.len(), 20);
}

#[test]
fn a_copied_frame_that_the_disk_has_lost_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    write_copied_part(folder.path(), JpegContainer::Mov, PartReason::First, 1..=40);
    let part = part::video_path(&partial(folder.path()), &camera().name, 1, ".mov");
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&part, bytes).unwrap();
    let copied = finish_in(folder.path(), "copied", 40, false);
    let linked = finish_in(folder.path(), "linked", 40, true);
    assert_same(&copied, &linked);
    assert_eq!((linked.0.frames_written, linked.0.gaps[0].missing), (39, 1), "every other frame is whole");
}

#[test]
fn a_picture_that_stands_is_shown_until_the_windows_end_in_place_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=20);
    let still = still(footage(folder.path(), 20), 150);
    let copied = finish_footage(&still, "copied", false);
    let linked = finish_footage(&still, "linked", true);
    assert!(is_the_part(folder.path(), &linked.1.join("left.mp4")));
    assert_same(&copied, &linked);
    let (_, duration, packets) = contents(&linked.1.join("left.mp4"));
    // From the first frame, at 10 ms, to the window's end at 1500 ms.
    assert_eq!(duration, 1_490_000);
    let durations: Vec<i64> = packets.iter().map(|packet| packet.2).collect();
    assert_eq!(durations, [[10_000; 19].to_vec(), vec![1_300_000]].concat());
}

#[test]
fn a_piece_of_an_index_that_a_killed_finisher_left_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=20);
    let copied = finish_in(folder.path(), "copied", 20, false);
    let part = part::video_path(&partial(folder.path()), &camera().name, 1, ".mp4");
    let whole = part.metadata().unwrap().len();
    for left in [1, 8, 100, 5000] {
        let mut bytes = std::fs::read(&part).unwrap();
        bytes.truncate(usize::try_from(whole).unwrap());
        bytes.extend(b"\0\0\x10\0moov".iter().cycle().take(left));
        std::fs::write(&part, bytes).unwrap();
        let linked = finish_in(folder.path(), &format!("linked{left}"), 20, true);
        assert!(is_the_part(folder.path(), &linked.1.join("left.mp4")));
        assert_same(&copied, &linked);
        // As it was, for the next round.
        let mut bytes = std::fs::read(&part).unwrap();
        bytes[..64].copy_from_slice(&untoggled(&part));
        std::fs::remove_file(&part).unwrap();
        std::fs::write(&part, bytes).unwrap();
    }
}

/// The first bytes of a part, as they were before it was finished in place.
fn untoggled(video: &Path) -> Vec<u8> {
    let parts = part::read_all(video.parent().unwrap(), &camera().name).unwrap();
    parts[0].head().unwrap().unwrap().bytes[..64].to_vec()
}

#[test]
fn packets_that_the_disk_has_lost_are_left_out_of_the_index() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=40);
    let part = part::video_path(&partial(folder.path()), &camera().name, 1, ".mp4");
    let mut bytes = std::fs::read(&part).unwrap();
    // Somewhere behind the first frames.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].fill(0xee);
    std::fs::write(&part, bytes).unwrap();
    let copied = finish_in(folder.path(), "copied", 40, false);
    let linked = finish_in(folder.path(), "linked", 40, true);
    assert!(is_the_part(folder.path(), &linked.1.join("left.mp4")));
    assert_same(&copied, &linked);
    assert!((1..=40 - 1).contains(&linked.0.frames_written), "{:?}", linked.0);
    assert_eq!(linked.0.gaps.iter().map(|gap| gap.missing).sum::<u64>(), 40 - linked.0.frames_written);
}

#[test]
fn finishing_in_place_takes_kilobytes_however_long_the_clip_is() {
    use crate::memory_tests::most_bytes;
    for frames in [10_000, 50_000] {
        let folder = tempfile::tempdir().unwrap();
        write_hollow_part(folder.path(), frames);
        let (finished, most) = most_bytes(|| finish_in(folder.path(), "linked", frames, true));
        println!("{frames} frames: {most} bytes to finish in place");
        assert!(is_the_part(folder.path(), &finished.1.join("left.mp4")));
        // The timestamps' text, four tables' pieces, and what is read ahead of the journal.
        assert!(most < 300 * 1024, "{frames} frames: {most} bytes");
        assert_eq!(finished.0.frames_written, frames);
    }
}

#[test]
fn a_damaged_line_of_a_journal_costs_its_frame_and_those_that_need_it() {
    let whole = |n: u64| (1..=45).filter(move |frame| *frame < n || *frame > 20);
    for ready in ["copied", "linked"] {
        let folder = tempfile::tempdir().unwrap();
        write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=45);
        let journal = partial(folder.path()).join("left.part1.journal");
        let mut text = std::fs::read_to_string(&journal).unwrap();
        // The first line is the header. A higher number would be more frames.
        let line = text.match_indices('\n').nth(14).unwrap().0 + 1;
        text.replace_range(line..=line, "9");
        std::fs::write(&journal, text).unwrap();
        let (clip, ready) = finish_in(folder.path(), ready, 45, ready == "linked");
        // The next key frame is frame 21.
        assert_eq!((clip.frames_expected, clip.frames_written), (45, 39));
        let [gap] = &clip.gaps[..] else { panic!("{:?}", clip.gaps) };
        assert_eq!((gap.after_sequence, gap.missing), (14, 6));
        let (parameters, packets) = packets(&ready.join("left.mp4"));
        assert_shows(&decode(&parameters, packets.iter()), whole(15));
        let csv = std::fs::read_to_string(ready.join("left_timestamps.csv")).unwrap();
        assert_eq!(csv.lines().count(), 40, "a head and 39 frames");
    }
}

#[test]
fn a_journal_that_was_cut_short_claims_no_more_than_it_holds() {
    for lines in [1, 2, 12, 40] {
        let folder = tempfile::tempdir().unwrap();
        write_part(folder.path(), &choice(Codec::H264, "ultrafast"), PartReason::First, 1..=45);
        let journal = partial(folder.path()).join("left.part1.journal");
        let text = std::fs::read_to_string(&journal).unwrap();
        let end = text.match_indices('\n').nth(lines).unwrap().0;
        // The last line is cut off in its middle.
        std::fs::write(&journal, &text[..end - 3]).unwrap();
        let (clip, ready) = finish_in(folder.path(), "ready", 45, false);
        let written = lines as u64 - 1;
        assert_eq!((clip.frames_expected, clip.frames_written), (45, written));
        if written > 0 {
            let (parameters, packets) = packets(&ready.join("left.mp4"));
            assert_shows(&decode(&parameters, packets.iter()), 1..=written);
        }
    }
}
