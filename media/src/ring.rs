//! A camera's ring as somebody sees it who only looks: it is read, never leased, so that the camera doesn't notice. Frames
//! come out as pictures, decoded if need be, each with its capture time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use proto::frame::{FrameFlags, FrameInfo, Geometry, Payload, PictureTags, PixelFormat};
use proto::ring::{Miss, RingError, SegmentName, Viewer};

use crate::decoder::Decoder;
use crate::picture::Picture;

/// The folder of all rings.
const SHM_DIR: &str = proto::ring::segment::SHM_DIR;

/// The reason why a ring can't be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CantLook {
    #[error("{} is no ring: rings are files in {SHM_DIR}", .0.display())]
    Elsewhere(PathBuf),
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// A picture with its capture time.
pub(crate) struct Seen {
    pub(crate) at_ns: i64,
    pub(crate) pixels: Video,
}

/// A ring, and the decoder of its frames.
pub(crate) struct Ring {
    viewer: Viewer,
    decoder: Option<Decoder>,
    /// The frame that the decoder takes next.
    next: u64,
    bytes: Vec<u8>,
}

impl Ring {
    /// Opens the ring of a camera of an instance that this user runs, by its path in `stats`.
    pub(crate) fn open(path: &Path, owner: u32) -> Result<Self, CantLook> {
        let elsewhere = || CantLook::Elsewhere(path.to_owned());
        let name = path.strip_prefix(SHM_DIR).ok().and_then(Path::to_str).filter(|name| !name.is_empty());
        let name = name.filter(|name| !name.contains('/')).ok_or_else(elsewhere)?;
        let viewer = Viewer::open(&SegmentName::new(name.to_owned()), owner)?;
        Ok(Self { viewer, decoder: None, next: 0, bytes: Vec::new() })
    }

    pub(crate) fn newest(&self) -> u64 {
        self.viewer.head()
    }

    /// False for a ring that was made anew: its successor has to be opened.
    pub(crate) fn is_whole(&self) -> bool {
        self.viewer.is_whole()
    }

    /// The part of the capture times that the config has subtracted.
    pub(crate) fn latency(&self) -> Duration {
        self.viewer.time().map(|time| time.latency).unwrap_or_default()
    }

    /// Waits for a frame newer than `seen`.
    pub(crate) fn wait_newer(&self, seen: u64, at_most: Duration) -> bool {
        self.viewer.wait_newer(seen, at_most)
    }

    /// The newest frame captured at or before a moment, as far as the ring remembers.
    pub(crate) fn at(&self, moment_ns: u64) -> Option<u64> {
        let head = self.newest();
        let infos = (1..=head).rev().map_while(|sequence| self.viewer.frame_info(sequence));
        infos
            .take(self.viewer.spec().size.slots())
            .find(|info| info.t_capture.0 <= moment_ns)
            .map(|info| info.sequence)
    }

    /// The picture of one frame, with the word of ring or decoder on it.
    pub(crate) fn picture(&mut self, sequence: u64) -> Result<Picture, Miss> {
        let mut seen = self.pictures_to(sequence)?;
        seen.extend(
            self.decoder.take().map(|mut decoder| decoder.end()).unwrap_or_default().into_iter().map(seen_at),
        );
        let wanted = self.viewer.frame_info(sequence).map(|info| shown_at(&info));
        // A decoder that found nothing to show for this frame may have shown the one before it.
        let at = seen.iter().rposition(|one| wanted.is_none_or(|wanted| one.at_ns <= wanted));
        let pixels = at.map(|at| seen.swap_remove(at).pixels).ok_or(Miss::Overrun)?;
        let tags = self.viewer.picture_tags();
        Ok(match self.viewer.spec().payload {
            Payload::Planes => Picture::tagged(pixels, &tags),
            // Of any JPEG (JFIF).
            Payload::Jpeg => Picture::tagged(
                pixels,
                &PictureTags { matrix: PictureTags::BT601, range: proto::frame::Range::Full, ..tags },
            ),
            Payload::H264 | Payload::H265 => Picture::decoded(pixels, tags.rotation),
        })
    }

    /// The pictures that come out of the ring up to a frame, from the one that was decoded last on. A frame that decodes from
    /// none that is known gives none.
    pub(crate) fn pictures_to(&mut self, sequence: u64) -> Result<Vec<Seen>, Miss> {
        let payload = self.viewer.spec().payload;
        let info = self.viewer.frame_info(sequence).ok_or(Miss::Overrun)?;
        if payload == Payload::Planes {
            let info = self.viewer.copy(sequence, &mut self.bytes)?;
            let pixels = planes(&self.bytes, &self.viewer.spec().geometry);
            return Ok(vec![Seen { at_ns: shown_at(&info), pixels }]);
        }
        let start = match payload {
            Payload::Jpeg => sequence,
            _ if info.flags.contains(FrameFlags::KEY) => sequence,
            _ => info.start_sequence,
        };
        if start == 0 {
            return Ok(Vec::new());
        }
        let goes_on = payload != Payload::Jpeg && (start..=sequence).contains(&self.next);
        if !goes_on && payload != Payload::Jpeg {
            self.decoder = None;
        }
        let mut seen = Vec::new();
        for frame in if goes_on { self.next } else { start }..=sequence {
            let info = self.viewer.copy(frame, &mut self.bytes)?;
            self.next = frame + 1;
            let decoder = match self.decoder.take() {
                Some(open) => open,
                None => Decoder::open(payload).map_err(|_| Miss::Overrun)?,
            };
            // A frame that can't be decoded shows nothing.
            let out = self.decoder.insert(decoder).feed(&self.bytes, shown_at(&info));
            seen.extend(out.unwrap_or_default().into_iter().map(seen_at));
        }
        Ok(seen)
    }
}

/// The time of a frame's picture.
fn shown_at(info: &FrameInfo) -> i64 {
    i64::try_from(info.t_capture.0).unwrap_or(i64::MAX).saturating_add(info.picture_offset_ns)
}

fn seen_at(pixels: Video) -> Seen {
    let at_ns = pixels.pts().or_else(|| pixels.timestamp()).unwrap_or(0);
    Seen { at_ns, pixels }
}

/// A frame of planes as libav has pictures.
fn planes(bytes: &[u8], geometry: &Geometry) -> Video {
    let pixel = match geometry.format() {
        PixelFormat::NV12 => Pixel::NV12,
        PixelFormat::YUYV => Pixel::YUYV422,
        PixelFormat::GRAY8 => Pixel::GRAY8,
        PixelFormat::BGR24 => Pixel::BGR24,
        _ => Pixel::YUV420P,
    };
    let mut picture = Video::new(pixel, geometry.width(), geometry.height());
    for (at, plane) in geometry.planes().iter().enumerate().filter(|(_, plane)| plane.rows > 0) {
        let stride = picture.stride(at);
        for (row, to) in picture.data_mut(at).chunks_mut(stride).take(plane.rows).enumerate() {
            let from = plane.row(bytes, row);
            let bytes = from.len().min(to.len());
            to[..bytes].copy_from_slice(&from[..bytes]);
        }
    }
    picture
}
