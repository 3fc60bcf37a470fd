//! What the command line and the supervisor say to each other, over a Unix socket: length-prefixed frames of
//! bincode, with a cap and a deadline. The one user of `bincode`.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clip::{CodecVerdict, Manifest};
use crate::stats::Stats;
use crate::time::MonotonicNs;

/// The largest frame that either side accepts. Stats of a hundred cameras are well under it.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

/// How long the other side may take for one whole frame. Whoever is slower is not a command line.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(5);

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
    /// The clip set of a trigger that waits is finished.
    Finished(Box<Manifest>),
    /// Stats.
    Stats(Box<Stats>),
    /// The probe's table.
    Codecs(CodecVerdict),
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
    #[error("a message of {0} bytes is over the limit of {MAX_FRAME_BYTES}")]
    TooLarge(usize),
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
    bincode::config::standard().with_limit::<MAX_FRAME_BYTES>()
}

/// The message in a frame's bytes.
///
/// # Errors
/// When they are none, or more than one.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    let malformed = |e: &dyn std::fmt::Display| FrameError::Malformed(e.to_string());
    let (message, used) = bincode::serde::decode_from_slice(bytes, codec()).map_err(|e| malformed(&e))?;
    if used == bytes.len() { Ok(message) } else { Err(malformed(&"bytes left over")) }
}

/// A message as a frame: four bytes of length, little-endian, then the message.
///
/// # Errors
/// When it is over the cap.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = bincode::serde::encode_to_vec(message, bincode::config::standard())
        .map_err(|e| FrameError::Malformed(e.to_string()))?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_FRAME_BYTES);
    let length = length.ok_or(FrameError::TooLarge(body.len()))?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(body);
    Ok(frame)
}

/// Something whose reads can be given a time limit.
pub trait TimedRead: Read {
    /// No read from now on takes longer than this.
    ///
    /// # Errors
    /// The system's word.
    fn limit(&self, at_most: Option<Duration>) -> io::Result<()>;
}

impl TimedRead for std::os::unix::net::UnixStream {
    fn limit(&self, at_most: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(at_most)
    }
}

/// Reads one message. The whole frame has to arrive within `within`; `None` waits for ever.
///
/// # Errors
/// [`FrameError`].
pub fn read<T: DeserializeOwned>(
    from: &mut impl TimedRead,
    within: Option<Duration>,
) -> Result<T, FrameError> {
    let deadline = within.map(|w| Instant::now() + w);
    let mut length = [0; 4];
    fill(from, &mut length, deadline)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(FrameError::TooLarge(length));
    }
    let mut body = vec![0; length];
    fill(from, &mut body, deadline)?;
    decode(&body)
}

fn fill(from: &mut impl TimedRead, mut into: &mut [u8], deadline: Option<Instant>) -> Result<(), FrameError> {
    while !into.is_empty() {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        if left.is_some_and(|l| l.is_zero()) {
            return Err(FrameError::TooSlow);
        }
        from.limit(left)?;
        match from.read(into) {
            Ok(0) => return Err(FrameError::Closed),
            Ok(n) => into = &mut into[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Sends one message.
///
/// # Errors
/// [`FrameError`].
pub fn write<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), FrameError> {
    Ok(to.write_all(&encode(message)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

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
        assert!(matches!(read::<Request>(&mut b, Some(FRAME_DEADLINE)), Err(FrameError::TooLarge(_))));
    }

    #[test]
    fn a_length_inside_the_message_cannot_make_us_allocate() {
        // A Restart whose text claims to be 2^60 bytes long.
        let mut body = vec![3, 253];
        body.extend((1_u64 << 60).to_le_bytes());
        assert!(matches!(decode::<Request>(&body), Err(FrameError::Malformed(_))));
    }
}
