//! JPEGs from packets (RFC 2435). The packets hold a picture's compressed data and the little from which its headers follow; they
//! are written anew here. The sides are multiples of 8 and at most 2040 pixels: larger pictures say their size where it isn't
//! read (an extension of ONVIF).

mod tables;

use std::collections::VecDeque;

use super::{Flaw, Frame, Frames, Packet};
use tables::Quantisers;

/// The end of an image.
const END: [u8; 2] = [0xFF, 0xD9];
/// Tables with these numbers are the camera's own, and a later packet may refer to them. The last number stands for tables that
/// come with each picture.
const OWN_TABLES: std::ops::RangeInclusive<u8> = 128..=255;

/// The header of a packet (RFC 2435, 3.1), without the table of quantisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// The place of the packet's data in the picture's.
    offset: usize,
    /// 4:2:2 or 4:2:0, and with restart markers or without.
    kind: u8,
    /// The quality, or the number of the tables.
    quality: u8,
    /// In pixels.
    width: u16,
    height: u16,
    /// Blocks from one restart marker to the next; 0 for none.
    restart_interval: u16,
}

impl Header {
    /// Reads it, and gives what is behind it.
    fn parse(payload: &[u8]) -> Option<(Self, &[u8])> {
        let ([_, o2, o1, o0, kind, quality, width, height], mut rest) = payload.split_first_chunk::<8>()?;
        let mut restart_interval = 0;
        if (64..128).contains(kind) {
            let ([high, low, _, _], behind) = rest.split_first_chunk::<4>()?;
            (restart_interval, rest) = (u16::from_be_bytes([*high, *low]), behind);
        }
        let header = Self {
            offset: u32::from_be_bytes([0, *o2, *o1, *o0]) as usize,
            kind: *kind,
            quality: *quality,
            width: u16::from(*width) * 8,
            height: u16::from(*height) * 8,
            restart_interval,
        };
        Some((header, rest))
    }
}

/// The picture that is being put together.
#[derive(Debug, Default)]
struct Growing {
    frame: Frame,
    /// The bytes of its headers, which the packets don't count.
    headers: usize,
}

/// JPEGs.
#[derive(Debug)]
pub struct JpegFrames {
    most_bytes: usize,
    growing: Option<Growing>,
    ended: VecDeque<Frame>,
    /// The camera's own tables, the newest with their number.
    own: Option<(u8, Quantisers)>,
    /// Packets that are missing in the growing picture, or before the next one.
    lost: u32,
    has_begun: bool,
}

impl JpegFrames {
    /// JPEGs of at most `most_bytes`.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        let (growing, own) = (None, None);
        Self { most_bytes, growing, ended: VecDeque::new(), own, lost: 0, has_begun: false }
    }

    /// The growing picture has ended, by its mark or because another begins.
    fn end(&mut self, is_marked: bool) {
        let Some(Growing { mut frame, .. }) = self.growing.take() else { return };
        if !frame.bytes.ends_with(&END) {
            if !is_marked {
                frame.flaw.get_or_insert(Flaw::Damaged("its end is missing"));
            }
            frame.bytes.extend(END);
        }
        frame.lost = std::mem::take(&mut self.lost);
        self.ended.push_back(frame);
    }

    /// Begins a picture with its headers.
    fn begin<'a>(&mut self, header: &Header, data: &'a [u8], frame: &mut Frame) -> Result<&'a [u8], Flaw> {
        let (quantisers, data) = if OWN_TABLES.contains(&header.quality) {
            let (sent, data) = Quantisers::parse(data).ok_or(Flaw::Damaged("its tables are cut off"))?;
            if let Some(sent) = sent {
                self.own = Some((header.quality, sent));
            }
            let own = self.own.as_ref().filter(|(number, _)| *number == header.quality);
            (own.map(|(_, own)| own.clone()).ok_or(Flaw::Damaged("its tables haven't come yet"))?, data)
        } else {
            (Quantisers::of_quality(header.quality), data)
        };
        if header.width == 0 || header.height == 0 {
            return Err(Flaw::Damaged("it is larger than 2040 pixels, which RTP's JPEGs don't say"));
        }
        if header.kind & 0x3F > 1 {
            return Err(Flaw::Damaged("its kind is none that RTP's JPEGs have"));
        }
        tables::write_headers(header, &quantisers, &mut frame.bytes);
        Ok(data)
    }

    fn content(&mut self, packet: &Packet<'_>) {
        let Some((header, mut data)) = Header::parse(packet.payload) else {
            self.growing(packet).spoil(Flaw::Damaged("a packet of it is cut off"));
            return;
        };
        if header.offset == 0 {
            self.end(false);
            let mut frame = Frame { time: packet.time, arrived: packet.arrived, ..Frame::default() };
            match self.begin(&header, data, &mut frame) {
                Ok(behind) => data = behind,
                Err(flaw) => frame.flaw = Some(flaw),
            }
            self.growing = Some(Growing { headers: frame.bytes.len(), frame });
        }
        let most_bytes = self.most_bytes;
        let growing = self.growing(packet);
        let bytes = growing.frame.bytes.len();
        if growing.frame.flaw.is_none() && bytes != growing.headers + header.offset {
            growing.spoil(Flaw::Damaged("a part of it is missing"));
        }
        if bytes + data.len() + END.len() > most_bytes {
            growing.spoil(Flaw::TooLarge);
        }
        if growing.frame.flaw.is_none() {
            growing.frame.bytes.extend_from_slice(data);
        }
    }

    fn growing(&mut self, packet: &Packet<'_>) -> &mut Growing {
        self.growing.get_or_insert_with(|| Growing {
            frame: Frame { time: packet.time, arrived: packet.arrived, ..Frame::default() },
            headers: 0,
        })
    }
}

impl Growing {
    fn spoil(&mut self, flaw: Flaw) {
        self.frame.flaw.get_or_insert(flaw);
    }
}

impl Frames for JpegFrames {
    fn push(&mut self, packet: &Packet<'_>) {
        let is_other = self.growing.as_ref().is_some_and(|growing| growing.frame.time != packet.time);
        if packet.lost > 0 && self.has_begun {
            if let Some(growing) = &mut self.growing {
                growing.spoil(Flaw::Damaged("packets of it are missing"));
            }
            self.lost = self.lost.saturating_add(packet.lost.into());
        }
        self.has_begun = true;
        if is_other {
            self.end(false);
        }
        self.content(packet);
        if packet.mark {
            self.end(true);
        }
    }

    fn quiet(&mut self) {}

    fn take(&mut self) -> Option<Frame> {
        self.ended.pop_front()
    }

    fn fit(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
    }
}

#[cfg(test)]
mod tests;
