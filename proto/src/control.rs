//! What the command line and the supervisor say to each other, over a Unix socket: length-prefixed frames of
//! bincode, with a cap and a deadline. The one user of `bincode`.

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::EncoderLadder;
use crate::stats::Stats;
use crate::time::MonotonicNs;

/// The largest message of any kind.
const MAX_BYTES: usize = 256 * 1024;
/// What a frame begins with: the message's length, little-endian.
const LENGTH_BYTES: usize = 4;

/// How long the other side may take for one whole frame. Whoever is slower is not a command line.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(5);

/// What can be in a frame.
pub trait Message: Serialize + DeserializeOwned {
    /// The largest that either side accepts.
    const MAX_BYTES: usize;
}

/// The names of 256 cameras are 16 KiB, and nothing else in a request is as long.
impl Message for Request {
    const MAX_BYTES: usize = 32 * 1024;
}

/// Stats of a hundred cameras are well under it.
impl Message for Response {
    const MAX_BYTES: usize = MAX_BYTES;
}

/// What a command asks. One request a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Record a clip.
    Trigger(TriggerRequest),
    /// All there is to know.
    Stats,
    /// The codec probe's table.
    Codecs,
    /// End a child and start it again: "recorder" or a camera's name.
    Restart(String),
    /// End everything in order.
    Stop,
}

/// What a trigger asks. Texts come as typed: the supervisor checks them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerRequest {
    /// What to call the clip.
    pub label: Option<String>,
    /// Which cameras; none means all.
    pub cameras: Vec<String>,
    /// The moment it names.
    pub at: MonotonicNs,
    /// Other than the config's.
    pub pre_ms: Option<u64>,
    /// Other than the config's.
    pub post_ms: Option<u64>,
    /// Answer again when the clip set is finished.
    pub wait: bool,
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The trigger's plan is on disk; the clip will exist.
    Accepted(Accepted),
    /// The clip set of a trigger that waits is finished: its manifest is in its folder. A manifest can be larger than any
    /// message.
    Finished,
    /// Stats.
    Stats(Box<Stats>),
    /// The probe's table.
    Codecs(EncoderLadder),
    /// Done; a sentence for the person.
    Done(String),
    /// Not done, and why.
    Refused(Refused),
}

/// A trigger that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The clip's name.
    pub clip_id: String,
    /// Its folder.
    pub path: String,
    /// How much pre-roll it will hold.
    pub pre_roll_ms: u64,
    /// How much was asked for.
    pub asked_pre_roll_ms: u64,
    /// What could not be given as asked.
    pub notes: Vec<String>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The exit code that the command ends with.
    pub exit_code: u8,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What can go wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed the connection before a frame began.
    #[error("the connection was closed")]
    Closed,
    /// It would be larger than the cap.
    #[error("a message of {bytes} bytes is over the limit of {at_most}")]
    TooLarge {
        /// What it is, or says that it is.
        bytes: usize,
        /// The cap.
        at_most: usize,
    },
    /// It took longer than the deadline.
    #[error("the other side took longer than {} s", FRAME_DEADLINE.as_secs())]
    TooSlow,
    /// It is no such message.
    #[error("a message that makes no sense: {0}")]
    Malformed(String),
    /// The system's word.
    #[error(transparent)]
    System(#[from] io::Error),
}

fn codec() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_BYTES>()
}

fn decode<T: Message>(bytes: &[u8]) -> Result<T, FrameError> {
    // It may quote the message, of which a beginning is enough.
    let malformed =
        |e: &dyn std::fmt::Display| FrameError::Malformed(e.to_string().chars().take(200).collect());
    let (message, used) = bincode::serde::decode_from_slice(bytes, codec()).map_err(|e| malformed(&e))?;
    if used == bytes.len() { Ok(message) } else { Err(malformed(&"bytes left over")) }
}

/// A message as a frame: four bytes of length, little-endian, then the message.
///
/// # Errors
/// When it is over the cap.
pub fn encode<T: Message>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = bincode::serde::encode_to_vec(message, bincode::config::standard())
        .map_err(|e| FrameError::Malformed(e.to_string()))?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= T::MAX_BYTES);
    let length = length.ok_or(FrameError::TooLarge { bytes: body.len(), at_most: T::MAX_BYTES })?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(body);
    Ok(frame)
}

/// One frame as it arrives, in pieces of any size. It takes no more memory than has arrived, whatever length the
/// frame claims.
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
    /// How many bytes are still to come, as far as is known: of the length, then of the message. Never 0 before
    /// the message is whole, and never more than belongs to it.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.length()
            .map_or(LENGTH_BYTES, |length| length.saturating_add(LENGTH_BYTES))
            .saturating_sub(self.bytes.len())
    }

    /// Takes in what has arrived, of which there may be no more than is [`missing`](Self::missing). The message,
    /// once it is whole.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`], [`FrameError::Malformed`].
    pub fn take(&mut self, piece: &[u8]) -> Result<Option<T>, FrameError> {
        self.bytes.extend_from_slice(piece);
        let Some(length) = self.length() else { return Ok(None) };
        if length > T::MAX_BYTES {
            return Err(FrameError::TooLarge { bytes: length, at_most: T::MAX_BYTES });
        }
        match self.bytes[LENGTH_BYTES..].len() {
            arrived if arrived < length => Ok(None),
            _ => decode(&self.bytes[LENGTH_BYTES..]).map(Some),
        }
    }

    fn length(&self) -> Option<usize> {
        self.bytes.first_chunk().map(|length: &[u8; LENGTH_BYTES]| u32::from_le_bytes(*length) as usize)
    }

    /// Reads once, no more than belongs to this frame. The message, once it is whole; `None` also when the read was
    /// interrupted, took too long or would have blocked.
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

/// Reads one message. The whole frame has to arrive within `within`; `None` waits for ever.
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

    #[test]
    fn a_request_comes_out_as_it_went_in() {
        let request = Request::Restart("recorder".into());
        let (mut a, mut b) = UnixStream::pair().unwrap();
        write(&mut a, &request).unwrap();
        assert_eq!(read::<Request>(&mut b, Some(FRAME_DEADLINE)).unwrap(), request);
    }

    #[test]
    fn half_a_request_is_no_request_for_every_length() {
        let whole = encode(&Request::Restart("left".into())).unwrap();
        for n in 0..whole.len() {
            let (mut a, mut b) = UnixStream::pair().unwrap();
            a.write_all(&whole[..n]).unwrap();
            drop(a);
            assert!(matches!(read::<Request>(&mut b, Some(FRAME_DEADLINE)), Err(FrameError::Closed)), "{n}");
        }
    }

    #[test]
    fn a_frame_over_the_cap_is_refused_before_it_is_read() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        a.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(read::<Request>(&mut b, Some(FRAME_DEADLINE)), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn a_length_inside_the_message_cannot_make_us_allocate() {
        // A Restart whose text claims to be 2^60 bytes long.
        let mut body = vec![3, 253];
        body.extend((1_u64 << 60).to_le_bytes());
        assert!(matches!(decode::<Request>(&body), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn a_frame_that_comes_in_pieces_takes_none_of_what_follows() {
        let first = Request::Restart("left".into());
        let mut bytes = encode(&first).unwrap();
        bytes.extend(encode(&Request::Stop).unwrap());
        let (mut at, mut arriving) = (0, Arriving::<Request>::default());
        let whole = loop {
            let piece = arriving.missing().min(3);
            at += piece;
            if let Some(request) = arriving.take(&bytes[at - piece..at]).unwrap() {
                break request;
            }
        };
        assert_eq!(whole, first);
        assert_eq!(bytes[at..], encode(&Request::Stop).unwrap());
    }
}
