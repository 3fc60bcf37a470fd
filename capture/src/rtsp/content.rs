//! The content of a frame, as far as a ring has to know it: its size, from which frame it decodes, and the parameter sets that it
//! lacks. Pure. Nothing is decoded.

use capture::h26x::{Codec, Flaw, Stream};
use capture::jpeg;
use proto::frame::{Decoding, FrameFlags, Payload, PictureTags};

/// The frames of one stream, each looked at in the order in which they come.
pub(super) enum Content {
    Units(Box<Stream>),
    Jpegs,
}

/// The word of a frame on itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) flags: FrameFlags,
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
    /// Frames a second, if it says so.
    pub(super) rate: Option<f64>,
    pub(super) tags: PictureTags,
    pub(super) decoding: Decoding,
}

/// The reason why a frame can't be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Damaged(&'static str),
    /// The parameter sets that it needs have not come.
    NoSets,
    /// No frame of this stream can be used.
    Unusable(&'static str),
}

impl Content {
    /// The frames of a stream whose description has these parameter sets.
    pub(super) fn new(payload: Payload, sets: &[u8]) -> Self {
        let Some(codec) = Codec::of(payload) else { return Self::Jpegs };
        let mut stream = Stream::new(codec);
        stream.know(sets);
        Self::Units(Box::new(stream))
    }

    /// The form of its frames.
    pub(super) fn payload(&self) -> Payload {
        match self {
            Self::Units(stream) => stream.codec().payload(),
            Self::Jpegs => Payload::Jpeg,
        }
    }

    /// Looks at a frame, and makes of it what a ring is to have.
    pub(super) fn prepare(&mut self, bytes: Vec<u8>) -> Result<(Vec<u8>, Seen), Trouble> {
        match self {
            Self::Units(stream) => unit(stream, bytes),
            Self::Jpegs => whole_jpeg(bytes),
        }
    }
}

fn unit(stream: &mut Stream, mut bytes: Vec<u8>) -> Result<(Vec<u8>, Seen), Trouble> {
    let unit = stream.look_at(&bytes).map_err(|flaw| match flaw {
        Flaw::NoPicture | Flaw::NoSets => Trouble::NoSets,
        Flaw::NoBeginning => Trouble::Damaged("the beginning of its picture is missing"),
        Flaw::Fields => {
            Trouble::Unusable("its pictures are single fields; set it to whole frames (progressive)")
        }
    })?;
    if unit.room > bytes.len() {
        let mut with_sets = vec![0; unit.room];
        let length = stream.write(&bytes, &mut with_sets);
        with_sets.truncate(length);
        bytes = with_sets;
    }
    let picture = unit.picture;
    let decoding = Decoding { from: unit.decodes_from, reorders: picture.reorders, picture_offset_ns: 0 };
    let (size, rate, tags) = (picture.size, picture.rate, picture.tags);
    Ok((bytes, Seen { flags: unit.flags, size, rate, tags, decoding }))
}

fn whole_jpeg(mut bytes: Vec<u8>) -> Result<(Vec<u8>, Seen), Trouble> {
    let whole = jpeg::examine(&bytes).map_err(|flaw| Trouble::Damaged(flaw.words()))?;
    bytes.truncate(whole.bytes);
    let (tags, decoding) = (PictureTags::default(), Decoding::default());
    Ok((bytes, Seen { flags: FrameFlags::NONE, size: whole.size, rate: None, tags, decoding }))
}
