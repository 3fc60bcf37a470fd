//! The entry of the fuzzer of streams in `fuzz/`, and of the test beside it: any bytes as a stream of frames, in every form that
//! a pipe may have. Pipes, cameras over HTTP and V4L2 devices that stream give such bytes, and nobody vouches for them.

use capture::h26x::{Codec, Stream};
use capture::pipe;
use capture::stream::{Found, Framing};
use proto::config::PipeFormat;
use proto::frame::{Geometry, PixelFormat};

/// No frame of so few bytes may need more room than this: a frame, and the parameter sets of a stream.
const MOST_ADDED_BYTES: usize = 2 << 20;

/// Reads bytes as a stream: the first says in which form, the second in pieces of how many bytes they come.
pub(crate) fn stream(bytes: &[u8]) {
    let [form, piece, rest @ ..] = bytes else { return };
    let format = PipeFormat::ALL[usize::from(*form) % PipeFormat::ALL.len()];
    let size = Geometry::new(16, 8, PixelFormat::I420).expect("even sides");
    let mut framing = pipe::framing(format, None, size);
    let mut inbox = Vec::new();
    for piece in rest.chunks(usize::from(*piece).max(1) * 8) {
        inbox.extend_from_slice(piece);
        while goes_on(&mut *framing, &mut inbox, false) {}
    }
    while goes_on(&mut *framing, &mut inbox, true) {}
    for codec in [Codec::H264, Codec::H265] {
        access_unit(codec, rest);
    }
}

/// Takes the next thing that is found. False when there is no more.
fn goes_on(framing: &mut dyn Framing, inbox: &mut Vec<u8>, is_quiet: bool) -> bool {
    let mut found = framing.find(inbox);
    if found == Found::More && is_quiet {
        found = framing.find_when_quiet(inbox);
    }
    let used = match found {
        Found::More | Found::Unusable(_) => return false,
        Found::Nothing { bytes } | Found::Damaged { bytes, .. } | Found::TooLarge { bytes } => bytes,
        Found::Frame(frame) => {
            assert!(frame.start <= frame.end && frame.end <= inbox.len(), "it lies in the bytes: {frame:?}");
            assert!(frame.room <= frame.end + MOST_ADDED_BYTES, "{frame:?}");
            // Planes have the room of a ring that was made for them, which these bytes haven't.
            if frame.room > 0 {
                let mut room = vec![0; frame.room];
                assert!(framing.write(inbox, &mut room) <= frame.room);
            }
            let _ = (framing.decoding(), framing.picture_tags(), framing.rate());
            frame.end
        }
    };
    assert!(used > 0 && used <= inbox.len(), "it gets on: {used} of {}", inbox.len());
    inbox.drain(..used);
    true
}

/// Reads bytes as one access unit after the same ones as parameter sets.
fn access_unit(codec: Codec, bytes: &[u8]) {
    let mut stream = Stream::new(codec);
    stream.know(bytes);
    if let Ok(unit) = stream.look_at(bytes) {
        let mut room = vec![0; unit.room];
        assert_eq!(stream.write(bytes, &mut room), unit.room);
    }
}
