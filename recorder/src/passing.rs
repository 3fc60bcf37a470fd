//! The stand-in for an encoder where a camera's frames are passed on as they came: each becomes a packet over the very
//! bytes that are held. Which cameras that is done for is decided in [`crate::take`].

use std::collections::VecDeque;
use std::rc::Rc;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, packet::Flags};
use ffmpeg_next::{Packet, media};

use proto::frame::{FrameFlags, FrameInfo, Geometry, PixelShape};

use crate::frames::HeldFrame;
use crate::jpeg;
use crate::libav;
use crate::media::Encode;

/// Everything that is known of frames that are passed on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CopySetup {
    pub(crate) geometry: Geometry,
    /// The shape of their pixels, if they have a say in it.
    pub(crate) pixel_shape: Option<PixelShape>,
    pub(crate) passed: Passed,
}

/// The kind of frames that are passed on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Passed {
    Jpeg {
        /// Frames without Huffman tables get the standard's.
        adds_tables: bool,
    },
    H264 {
        /// The parameter sets that a decoder begins with: with start codes, or as a decoder configuration record.
        sets: Rc<[u8]>,
        /// The frame that decoding can begin with although it is no key frame.
        start: Option<u64>,
    },
}

/// Frames on their way.
pub(crate) struct Passing {
    setup: CopySetup,
    inside: VecDeque<Packet>,
}

impl Passing {
    pub(crate) fn new(setup: CopySetup) -> Self {
        Self { setup, inside: VecDeque::new() }
    }
}

impl Encode for Passing {
    fn send(&mut self, frame: Box<dyn HeldFrame>, pts_us: i64, _key: bool) -> Result<(), ffmpeg::Error> {
        let (mended, is_key) = match &self.setup.passed {
            // Every JPEG is a key frame.
            Passed::Jpeg { adds_tables } => {
                (adds_tables.then(|| jpeg::with_tables(frame.bytes())).flatten(), true)
            }
            Passed::H264 { start, .. } => {
                let FrameInfo { flags, sequence, .. } = *frame.info();
                (None, flags.contains(FrameFlags::KEY) || *start == Some(sequence))
            }
        };
        let mut packet = match mended {
            Some(whole) => Packet::copy(&whole),
            None => libav::packet_over(frame).ok_or(ffmpeg::Error::Unknown)?,
        };
        packet.set_flags(if is_key { Flags::KEY } else { Flags::empty() });
        packet.set_pts(Some(pts_us));
        packet.set_dts(Some(pts_us));
        self.inside.push_back(packet);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ffmpeg::Error> {
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
        Ok(self.inside.pop_front())
    }

    fn parameters(&self) -> codec::Parameters {
        let mut parameters = codec::Parameters::new();
        parameters.set_medium(media::Type::Video);
        match &self.setup.passed {
            Passed::Jpeg { .. } => parameters.set_id(codec::Id::MJPEG),
            Passed::H264 { sets, .. } => {
                parameters.set_id(codec::Id::H264);
                libav::set_extradata(&mut parameters, sets);
            }
        }
        libav::with_size(parameters, &self.setup.geometry, self.setup.pixel_shape)
    }
}

#[cfg(test)]
mod tests {
    use proto::frame::PixelFormat;

    use super::*;
    use crate::fakes::{FakeRing, Picture, frame};
    use crate::frames::Frames;

    fn passing(adds_tables: bool) -> Passing {
        let geometry = Geometry::new(64, 48, PixelFormat::I420).unwrap();
        Passing::new(CopySetup { geometry, pixel_shape: None, passed: Passed::Jpeg { adds_tables } })
    }

    #[test]
    fn a_packet_is_the_frames_own_bytes_and_holds_the_frame_as_long_as_it_or_a_copy_lives() {
        let ring = FakeRing::new();
        ring.publish_to(1);
        let held = ring.hold(1).unwrap();
        let (place, bytes) = (held.bytes().as_ptr(), held.bytes().to_vec());
        let mut passing = passing(true);
        passing.send(held, 5, false).unwrap();
        let packet = passing.receive().unwrap().unwrap();
        assert!(passing.receive().unwrap().is_none());
        assert_eq!((packet.data().unwrap(), packet.data().unwrap().as_ptr()), (&bytes[..], place));
        assert!(packet.is_key());
        assert_eq!((packet.pts(), ring.frames_held()), (Some(5), 1));
        drop(passing);
        assert_eq!(packet.data().unwrap(), bytes);
        drop(packet);
        assert_eq!(ring.frames_held(), 0);
    }

    #[test]
    fn a_frame_that_is_never_asked_for_is_given_back() {
        let ring = FakeRing::new();
        ring.publish_to(1);
        let mut passing = passing(true);
        passing.send(ring.hold(1).unwrap(), 0, false).unwrap();
        assert_eq!(ring.frames_held(), 1);
        drop(passing);
        assert_eq!(ring.frames_held(), 0);
    }

    #[test]
    fn tables_are_added_where_that_is_wished() {
        let bare = [&[0xff, 0xd8, 0xff, 0xc0, 0, 3, 8][..], &[0xff, 0xda, 0, 3, 1, 0xff, 0xd9]].concat();
        for (adds_tables, length) in [(true, bare.len() + 420), (false, bare.len())] {
            let mut passing = passing(adds_tables);
            passing.send(Box::new(Picture(frame(1), bare.clone())), 0, false).unwrap();
            assert_eq!(passing.receive().unwrap().unwrap().size(), length);
        }
    }

    #[test]
    fn the_parameters_are_those_of_jpeg_pictures_of_the_cameras_size() {
        let parameters = passing(true).parameters();
        assert_eq!((parameters.id(), libav::size(&parameters)), (codec::Id::MJPEG, Some((64, 48))));
    }

    #[test]
    fn h264_is_passed_on_with_its_parameter_sets_and_the_keys_that_the_camera_named() {
        let geometry = Geometry::new(64, 48, PixelFormat::I420).unwrap();
        let sets: Rc<[u8]> = Rc::from(&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2][..]);
        let passed = Passed::H264 { sets: Rc::clone(&sets), start: Some(7) };
        let mut passing = Passing::new(CopySetup { geometry, pixel_shape: None, passed });
        let parameters = passing.parameters();
        assert_eq!((parameters.id(), libav::size(&parameters)), (codec::Id::H264, Some((64, 48))));
        assert_eq!(libav::extradata(&parameters), &*sets);
        for is_key in [true, false] {
            let info = FrameInfo { flags: FrameFlags::KEY.when(is_key), ..frame(1) };
            passing.send(Box::new(Picture(info, vec![7; 9])), 0, true).unwrap();
            let packet = passing.receive().unwrap().unwrap();
            assert_eq!((packet.is_key(), packet.data()), (is_key, Some(&[7; 9][..])));
        }
        passing.send(Box::new(Picture(frame(7), vec![7; 9])), 0, true).unwrap();
        assert!(passing.receive().unwrap().unwrap().is_key(), "a recovery point that a clip begins with");
    }
}
