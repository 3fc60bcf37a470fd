//! The control socket's messages on the wire: four bytes of length, little-endian, then the message in bincode.
//! Both have a cap, and a whole frame has a deadline. What the messages say is in [`crate::control`]; the greeting that
//! comes before them, which programs of all versions can read, is in [`hello`]. No other module uses `bincode`.

pub mod hello;

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use hello::Hello;

/// The largest message of any kind.
pub const MAX_BYTES: usize = 256 * 1024;
/// The size of the length that a frame begins with.
const LENGTH_BYTES: usize = 4;

/// The time that the other side may take for one whole frame. A command on the same machine needs milliseconds.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(5);

/// A type that can be sent in a frame.
pub trait Message: Serialize + DeserializeOwned {
    /// The largest message of this type that either side accepts; at most [`MAX_BYTES`].
    const MAX_BYTES: usize;
}

/// The reason why a frame could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed the connection before the frame was whole.
    #[error("the connection was closed")]
    Closed,
    /// The message is over its type's cap.
    #[error("a message of {bytes} bytes is over the limit of {at_most}")]
    TooLarge {
        /// The size that the frame's length claims, or that the message to be sent has.
        bytes: usize,
        /// The cap.
        at_most: usize,
    },
    /// The frame was not whole when the deadline came.
    #[error("the other side took longer than {} s", FRAME_DEADLINE.as_secs())]
    TooSlow,
    /// The bytes are no message of the expected type.
    #[error("the message can't be read: {0}; do both sides have the same version?")]
    Malformed(String),
    /// The other side began with no greeting.
    #[error(transparent)]
    NoHello(#[from] hello::NoHello),
    /// The other side speaks another language.
    #[error("the other side is {0}, and this is {own}", own = Hello::own())]
    OtherVersion(Hello),
    /// The system refused to read or write.
    #[error(transparent)]
    System(#[from] io::Error),
}

fn codec() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_BYTES>()
}

fn decode<T: Message>(bytes: &[u8]) -> Result<T, FrameError> {
    // The error may quote the message, so it is cut.
    let malformed =
        |e: &dyn std::fmt::Display| FrameError::Malformed(e.to_string().chars().take(200).collect());
    let (message, used) = bincode::serde::decode_from_slice(bytes, codec()).map_err(|e| malformed(&e))?;
    if used == bytes.len() { Ok(message) } else { Err(malformed(&"bytes left over")) }
}

/// Makes a frame of a message.
///
/// # Errors
/// [`FrameError::TooLarge`].
pub fn encode<T: Message>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = bincode::serde::encode_to_vec(message, bincode::config::standard())
        .map_err(|e| FrameError::Malformed(e.to_string()))?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= T::MAX_BYTES);
    let length = length.ok_or(FrameError::TooLarge { bytes: body.len(), at_most: T::MAX_BYTES })?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(body);
    Ok(frame)
}

/// A frame as it arrives, in pieces of any size. It takes no more memory than has arrived, whatever length the frame
/// claims.
#[derive(Debug)]
pub struct Arriving<T> {
    bytes: Vec<u8>,
    message: PhantomData<T>,
}

impl<T> Default for Arriving<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), message: PhantomData }
    }
}

impl<T: Message> Arriving<T> {
    /// The bytes that are still to come, as far as is known: first of the length, then of the message. Never 0 before the
    /// message is whole, and never more than belongs to it.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.length()
            .map_or(LENGTH_BYTES, |length| length.saturating_add(LENGTH_BYTES))
            .saturating_sub(self.bytes.len())
    }

    /// Takes in the next piece, which may be no longer than what is [`missing`](Self::missing). Returns the message once it
    /// is whole; the next piece begins another.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`], [`FrameError::Malformed`].
    pub fn take(&mut self, piece: &[u8]) -> Result<Option<T>, FrameError> {
        self.bytes.extend_from_slice(piece);
        let Some(length) = self.length() else { return Ok(None) };
        if length > T::MAX_BYTES {
            return Err(FrameError::TooLarge { bytes: length, at_most: T::MAX_BYTES });
        }
        if self.bytes.len() - LENGTH_BYTES < length {
            return Ok(None);
        }
        // The next message begins with nothing.
        let whole = std::mem::take(&mut self.bytes);
        decode(&whole[LENGTH_BYTES..]).map(Some)
    }

    /// Has a part of a message come?
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    fn length(&self) -> Option<usize> {
        self.bytes.first_chunk().map(|length: &[u8; LENGTH_BYTES]| u32::from_le_bytes(*length) as usize)
    }

    /// Reads once, no more than belongs to this frame. Returns the message once it is whole; `None` before, and when the
    /// read was interrupted, timed out or would have blocked.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn read(&mut self, from: &mut impl Read) -> Result<Option<T>, FrameError> {
        let mut buffer = [0; 4096];
        let room = self.missing().min(buffer.len());
        match from.read(&mut buffer[..room]) {
            Ok(0) => Err(FrameError::Closed),
            Ok(n) => self.take(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

/// Reads one message. Its whole frame has to arrive within `within`; `None` waits for ever.
///
/// # Errors
/// [`FrameError`].
pub fn read<T: Message>(from: &mut UnixStream, within: Option<Duration>) -> Result<T, FrameError> {
    let deadline = within.map(|w| Instant::now() + w);
    let mut arriving = Arriving::default();
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        if left.is_some_and(|l| l.is_zero()) {
            return Err(FrameError::TooSlow);
        }
        from.set_read_timeout(left)?;
        if let Some(message) = arriving.read(from)? {
            return Ok(message);
        }
    }
}

/// Sends one message.
///
/// # Errors
/// [`FrameError`].
pub fn write<T: Message>(to: &mut impl Write, message: &T) -> Result<(), FrameError> {
    Ok(to.write_all(&encode(message)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Asked, Request};

    fn restart(what: &str) -> Asked {
        Asked { id: 7, request: Request::Restart(what.into()) }
    }

    #[test]
    fn a_request_comes_out_as_it_went_in() {
        let request = restart("recorder");
        let (mut a, mut b) = UnixStream::pair().unwrap();
        write(&mut a, &request).unwrap();
        assert_eq!(read::<Asked>(&mut b, Some(FRAME_DEADLINE)).unwrap(), request);
    }

    #[test]
    fn half_a_request_is_no_request_for_every_length() {
        let whole = encode(&restart("left")).unwrap();
        for n in 0..whole.len() {
            let (mut a, mut b) = UnixStream::pair().unwrap();
            a.write_all(&whole[..n]).unwrap();
            drop(a);
            assert!(matches!(read::<Asked>(&mut b, Some(FRAME_DEADLINE)), Err(FrameError::Closed)), "{n}");
        }
    }

    #[test]
    fn a_frame_over_the_cap_is_refused_before_it_is_read() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        a.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(read::<Asked>(&mut b, Some(FRAME_DEADLINE)), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn a_length_inside_the_message_cannot_make_us_allocate() {
        // A Restart whose text claims to be 2^60 bytes long.
        let mut body = vec![7, 3, 253];
        body.extend((1_u64 << 60).to_le_bytes());
        assert!(matches!(decode::<Asked>(&body), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn a_frame_that_comes_in_pieces_takes_none_of_what_follows() {
        let requests = [restart("left"), Asked { id: 8, request: Request::Stop }];
        let first = encode(&requests[0]).unwrap().len();
        let bytes = requests.iter().flat_map(|request| encode(request).unwrap()).collect::<Vec<_>>();
        let (mut at, mut arriving, mut whole) = (0, Arriving::<Asked>::default(), Vec::new());
        while at < bytes.len() {
            let piece = arriving.missing().min(3);
            at += piece;
            whole.extend(arriving.take(&bytes[at - piece..at]).unwrap());
            // Between two messages nothing has begun.
            assert_eq!(arriving.has_begun(), at != first && at != bytes.len());
        }
        assert_eq!(whole, requests);
    }
}
