//! Tests of the feed: two writers on one, and what stays inside when a reader fails.

use std::path::{Path, PathBuf};

use proto::clip::PARTIAL_DIR;
use proto::codec::{Codec, EncoderChoice};
use proto::frame::{Fps, Geometry, PictureTags, PixelFormat};
use proto::name::Name;

use super::*;
use crate::fakes::{FakeClock, FakeFrame, FakeMedia, Picture, frame};
use crate::journal::{PartHeader, PartReason};
use crate::opening::Libav;
use crate::part;
use crate::track::TrackWriter;

fn setup() -> EncoderSetup {
    let choice =
        EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some("ultrafast".into()) };
    let geometry = Geometry::new(64, 64, PixelFormat::I420).unwrap();
    EncoderSetup {
        choice,
        geometry,
        fps: Fps::new(100.0).unwrap(),
        quality: 23,
        picture: PictureTags::default(),
    }
}

fn feed(media: Arc<dyn Media>) -> Feed {
    Feed::new(media, Arc::new(FakeClock::default()), None)
}

/// A track of a clip of its own, whose first frame is `first`.
fn track(folder: &Path, clip: &str, first: u64, feed: &Feed) -> (PathBuf, TrackWriter) {
    let partial = folder.join(clip).join(PARTIAL_DIR);
    std::fs::create_dir_all(&partial).unwrap();
    let header = PartHeader {
        choice: setup().choice,
        base_ns: frame(first).t_capture,
        begun_because: PartReason::First,
        first_sequence: first,
        previous: None,
        copied_into: None,
        goes_on: false,
    };
    let parameters = Rc::clone(&feed.open.as_ref().unwrap().parameters);
    let path = part::video_path(&partial, &Name::new("left").unwrap(), 1, ".mp4");
    let track = TrackWriter::create(&path, header, setup().fps, parameters, feed.media()).unwrap();
    (partial, track)
}

fn picture(n: u64) -> Box<dyn HeldFrame> {
    let bytes = setup().geometry.frame_bytes() as u64;
    Box::new(Picture(frame(n), (0..bytes).map(|at| (at * n % 251).to_le_bytes()[0]).collect()))
}

#[test]
fn two_writers_read_one_feed_and_the_second_begins_at_a_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut feed = feed(Arc::new(Libav));
    feed.open(&setup()).unwrap();
    let (first_clip, mut first) = track(folder.path(), "clip-0001", 1, &feed);
    for n in 1..=5 {
        feed.take(picture(n), &mut |packet| first.write(packet)).unwrap();
    }
    // The second clip's window begins with frame 8; the feed is asked for a key frame there.
    let (second_clip, mut second) = track(folder.path(), "clip-0002", 8, &feed);
    let mut has_joined = false;
    for n in 6..=12 {
        if n == 8 {
            feed.ask_for_key_frame();
        }
        feed.take(picture(n), &mut |packet| {
            first.write(packet)?;
            has_joined |= packet.is_key;
            if has_joined {
                return second.write(packet);
            }
            let refused = second.write(packet);
            assert!(matches!(refused, Err(WriteError::NoKeyFrame)), "no packet before a key frame");
            Ok(())
        })
        .unwrap();
    }
    feed.drain(&mut |_| panic!("nothing is inside")).unwrap();
    first.finish().unwrap();
    second.finish().unwrap();
    for (partial, sequences) in [(first_clip, 1..=12), (second_clip, 8..=12)] {
        let parts = part::read_all(&partial, &Name::new("left").unwrap()).unwrap();
        let [part] = &parts[..] else { panic!("{} parts", parts.len()) };
        let mut read = Vec::new();
        part.each_packet(false, |row, packet| {
            assert_eq!(packet.is_key(), [1, 8].contains(&row.frame.sequence));
            read.push(row.frame.sequence);
            Ok(())
        })
        .unwrap();
        assert_eq!(read, sequences.clone().collect::<Vec<u64>>());
        // The second file can be decoded by itself: every picture comes back.
        assert_eq!(decoded(part), read.len());
    }
}

/// The number of pictures that come back from a part.
fn decoded(part: &part::Part) -> usize {
    let parameters = part.parameters(&setup().geometry, &PictureTags::default()).unwrap().unwrap();
    let context = codec::Context::from_parameters(parameters).unwrap();
    let mut decoder = context.decoder().video().unwrap();
    let mut pictures = 0;
    let mut picture = ffmpeg::frame::Video::empty();
    part.each_packet(false, |_, packet| {
        decoder.send_packet(packet).map_err(WriteError::Libav)?;
        while decoder.receive_frame(&mut picture).is_ok() {
            pictures += 1;
        }
        Ok(())
    })
    .unwrap();
    decoder.send_eof().unwrap();
    while decoder.receive_frame(&mut picture).is_ok() {
        pictures += 1;
    }
    pictures
}

#[test]
fn a_packet_that_could_not_be_read_stays_inside() {
    let mut feed = feed(Arc::<FakeMedia>::default());
    feed.open(&setup()).unwrap();
    feed.take(FakeFrame::of(frame(1)), &mut |_| Ok(())).unwrap();
    assert_eq!(feed.first_inside(), None);
    let full = || WriteError::Disk(std::io::Error::from_raw_os_error(28));
    let stopped = feed.take(FakeFrame::of(frame(2)), &mut |_| Err(full()));
    assert!(matches!(stopped, Err(FeedError::Reader(WriteError::Disk(_)))));
    assert_eq!(feed.first_inside(), Some(2));
}

#[test]
fn a_packet_of_another_parameter_set_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut feed = feed(Arc::<FakeMedia>::default());
    feed.open(&setup()).unwrap();
    let (_, mut track) = track(folder.path(), "clip-0001", 1, &feed);
    feed.open(&setup()).unwrap();
    let taken = feed.take(FakeFrame::of(frame(1)), &mut |packet| track.write(packet));
    assert!(matches!(taken, Err(FeedError::Reader(WriteError::Libav(ffmpeg::Error::Bug)))));
}

#[test]
fn a_warm_encoder_is_used_if_it_is_the_right_one() {
    let media = Arc::<FakeMedia>::default();
    let opened = |warm: EncoderSetup| {
        let before = media.opened().len();
        let warm = WarmEncoder::open(&*media, warm);
        let mut feed = Feed::new(media.clone(), Arc::new(FakeClock::default()), warm);
        feed.open(&setup()).unwrap();
        media.opened().len() - before
    };
    assert_eq!(opened(setup()), 1);
    assert_eq!(opened(EncoderSetup { quality: 30, ..setup() }), 2);
}
