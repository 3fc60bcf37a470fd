//! The stand-in for an encoder where a camera's frames are passed on as they came: each becomes a packet over the very
//! bytes that are held. Which cameras that is done for is decided in [`crate::take`].

use std::collections::VecDeque;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, packet::Flags};
use ffmpeg_next::{Packet, media};

use proto::frame::{Geometry, PixelShape};

use crate::frames::HeldFrame;
use crate::jpeg;
use crate::libav;
use crate::media::Encode;

/// Everything that is known of frames that are passed on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CopySetup {
    pub(crate) geometry: Geometry,
    /// The shape of their pixels, if they have a say in it.
    pub(crate) pixel_shape: Option<PixelShape>,
    /// Frames without Huffman tables get the standard's.
    pub(crate) adds_tables: bool,
}

/// JPEG frames on their way.
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
    /// Every JPEG is a key frame.
    fn send(&mut self, frame: Box<dyn HeldFrame>, pts_us: i64, _key: bool) -> Result<(), ffmpeg::Error> {
        let mended = self.setup.adds_tables.then(|| jpeg::with_tables(frame.bytes())).flatten();
        let mut packet = match mended {
            Some(whole) => Packet::copy(&whole),
            None => libav::packet_over(frame).ok_or(ffmpeg::Error::Unknown)?,
        };
        packet.set_flags(Flags::KEY);
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
        parameters.set_id(codec::Id::MJPEG);
        libav::with_size(parameters, &self.setup.geometry, self.setup.pixel_shape)
    }
}
