//! The greeting with which each side begins a connection to the control socket: which version it speaks, and of which
//! program it is. Its form never changes, so that programs of different versions can say in words that they differ. It says
//! nothing of what is asked.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::FrameError;
use crate::fnv1a;

/// The first bytes of a greeting. As a length of version 1, which had no greeting, they are far over any limit.
const MAGIC: [u8; 8] = *b"PREROLL\n";
/// Version, language, and the length of the program's version.
const FIXED_BYTES: usize = MAGIC.len() + 4 + 8 + 1;
/// The version of the protocol: greetings, and requests with numbers.
const VERSION: u32 = 2;
/// The language within that version: a sum over the sources that define it. bincode sends no names, so each change of these
/// types is another language, and nobody has to remember to raise a number.
const LANGUAGE: u64 = {
    let control = fnv1a::sum(fnv1a::BASIS, include_bytes!("../control.rs"));
    let trigger = fnv1a::sum(control, include_bytes!("../control/trigger.rs"));
    let event = fnv1a::sum(trigger, include_bytes!("../event.rs"));
    let refusal = fnv1a::sum(event, include_bytes!("../refusal.rs"));
    let stats = fnv1a::sum(refusal, include_bytes!("../stats.rs"));
    let status = fnv1a::sum(stats, include_bytes!("../status.rs"));
    fnv1a::sum(status, include_bytes!("../ladder.rs"))
};
/// A refusal in the form of version 1, up to its sentence: the answer `Refused` with the reason `NotUnderstood`.
const VERSION_1_REFUSED: [u8; 2] = [5, 20];

/// A greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    version: u32,
    language: u64,
    /// For a person.
    program: String,
}

/// The reason why no greeting came.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHello {
    /// The bytes begin as no greeting does: as in version 1, or the other side is no Preroll at all.
    #[error("it sent no greeting, so it is older, or no Preroll")]
    OtherBytes,
    /// The program's version is no text.
    #[error("its greeting can't be read")]
    Damaged,
}

impl Hello {
    /// The greeting of this program.
    #[must_use]
    pub fn own() -> Self {
        Self { version: VERSION, language: LANGUAGE, program: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Does it speak the same language as this program?
    #[must_use]
    pub fn speaks_as_this(&self) -> bool {
        (self.version, self.language) == (VERSION, LANGUAGE)
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.language.to_le_bytes());
        let program = beginning(&self.program, usize::from(u8::MAX));
        bytes.push(u8::try_from(program.len()).unwrap_or(u8::MAX));
        bytes.extend(program.as_bytes());
        bytes
    }
}

impl fmt::Display for Hello {
    /// Two builds of one version differ in the language alone, so both are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, language, program } = self;
        write!(f, "Preroll {program} (control {version}, messages {language:016x})")
    }
}

/// A greeting as it arrives, in pieces of any size.
#[derive(Debug, Default)]
pub struct Arriving {
    bytes: Vec<u8>,
}

impl Arriving {
    /// The bytes that are still to come, as far as is known. Never 0 before the greeting is whole, and never more than belongs
    /// to it.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.length().saturating_sub(self.bytes.len())
    }

    /// Has a part of it come?
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    fn length(&self) -> usize {
        FIXED_BYTES + self.bytes.get(FIXED_BYTES - 1).map_or(0, |length| usize::from(*length))
    }

    /// Takes in the next piece, which may be no longer than what is [`missing`](Self::missing). Returns the greeting once it
    /// is whole.
    ///
    /// # Errors
    /// [`NoHello`], as soon as it is known.
    pub fn take(&mut self, piece: &[u8]) -> Result<Option<Hello>, NoHello> {
        self.bytes.extend_from_slice(piece);
        if self.bytes.iter().zip(MAGIC).any(|(came, due)| *came != due) {
            return Err(NoHello::OtherBytes);
        }
        if self.missing() > 0 {
            return Ok(None);
        }
        let (version, rest) = self.bytes[MAGIC.len()..].split_first_chunk::<4>().ok_or(NoHello::Damaged)?;
        let (language, rest) = rest.split_first_chunk::<8>().ok_or(NoHello::Damaged)?;
        let program = std::str::from_utf8(&rest[1..]).map_err(|_| NoHello::Damaged)?;
        if program.chars().any(char::is_control) {
            return Err(NoHello::Damaged);
        }
        Ok(Some(Hello {
            version: u32::from_le_bytes(*version),
            language: u64::from_le_bytes(*language),
            program: program.to_owned(),
        }))
    }

    /// Reads once, no more than belongs to the greeting. Returns it once it is whole; `None` before, and when the read was
    /// interrupted, timed out or would have blocked.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn read(&mut self, from: &mut impl io::Read) -> Result<Option<Hello>, FrameError> {
        let mut buffer = [0; FIXED_BYTES + u8::MAX as usize];
        let room = self.missing();
        match from.read(&mut buffer[..room]) {
            Ok(0) => Err(FrameError::Closed),
            Ok(n) => self.take(&buffer[..n]).map_err(FrameError::NoHello),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

/// Greets the other side as a command does, and waits no longer than `within` for its greeting.
///
/// # Errors
/// [`FrameError::OtherVersion`] when the other side speaks another language, [`FrameError::NoHello`] when it has no greeting,
/// and as [`super::read`].
pub fn exchange(with: &mut UnixStream, within: Duration) -> Result<(), FrameError> {
    // A supervisor that doesn't take it may have said why.
    let sent = with.write_all(&Hello::own().encode());
    let (deadline, mut arriving) = (Instant::now() + within, Arriving::default());
    let theirs = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(FrameError::TooSlow);
        }
        with.set_read_timeout(Some(left))?;
        match arriving.read(with) {
            Ok(Some(hello)) => break hello,
            Ok(None) => {}
            Err(FrameError::Closed) => return sent.map_err(FrameError::System).and(Err(FrameError::Closed)),
            Err(e) => return Err(e),
        }
    };
    if theirs.speaks_as_this() { Ok(()) } else { Err(FrameError::OtherVersion(theirs)) }
}

/// The frame that tells a program of version 1, which has no greeting, why it gets no answer.
#[must_use]
pub fn for_version_1() -> Vec<u8> {
    let words = format!("the supervisor is {}, and this command is older", Hello::own());
    // bincode writes a length below 251 as one byte.
    let words = beginning(&words, 250);
    let length = u8::try_from(words.len()).unwrap_or(0);
    let body = [&VERSION_1_REFUSED[..], &[length], words.as_bytes()].concat();
    let mut frame = u32::try_from(body.len()).unwrap_or(0).to_le_bytes().to_vec();
    frame.extend(body);
    frame
}

/// As much of a text as fits into so many bytes.
fn beginning(text: &str, at_most: usize) -> &str {
    let fits = (0..=text.len().min(at_most)).rev().find(|at| text.is_char_boundary(*at));
    &text[..fits.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(bytes: &[u8], step: usize) -> Result<Option<Hello>, NoHello> {
        let (mut arriving, mut rest) = (Arriving::default(), bytes);
        loop {
            let (piece, after) = rest.split_at(arriving.missing().min(step).min(rest.len()));
            rest = after;
            match arriving.take(piece)? {
                None if !rest.is_empty() => {}
                arrived => return Ok(arrived),
            }
        }
    }

    #[test]
    fn a_greeting_comes_out_as_it_went_in_whatever_its_pieces() {
        for program in ["0.1.0", "", "ü", &"9".repeat(255)] {
            let hello = Hello { program: program.into(), ..Hello::own() };
            for step in [1, 2, 7, 300] {
                assert_eq!(arrive(&hello.encode(), step), Ok(Some(hello.clone())));
            }
            let whole = hello.encode();
            (0..whole.len()).for_each(|n| assert_eq!(arrive(&whole[..n], 300), Ok(None), "{n}"));
        }
        let long = Hello { program: "é".repeat(200), ..Hello::own() };
        assert_eq!(arrive(&long.encode(), 9).unwrap().unwrap().program, "é".repeat(127));
    }

    #[test]
    fn what_is_no_greeting_is_known_by_its_first_byte_that_differs() {
        // Requests of version 1: the stats, and one of 80 bytes, whose length begins as the magic does.
        for (bytes, at) in
            [(&[1, 0, 0, 0, 1][..], 1), (b"P\0\0\0\0", 2), (b"PREROLL ", 8), (b"GET / HTTP/1.1", 1)]
        {
            assert_eq!(arrive(&bytes[..at], 300), Err(NoHello::OtherBytes));
            assert!(arrive(&bytes[..at - 1], 300).is_ok_and(|arrived| arrived.is_none()));
        }
        let mut damaged = Hello { program: "\u{1b}[2J".into(), ..Hello::own() }.encode();
        assert_eq!(arrive(&damaged, 300), Err(NoHello::Damaged));
        *damaged.last_mut().unwrap() = 0xff;
        assert_eq!(arrive(&damaged, 300), Err(NoHello::Damaged));
    }

    #[test]
    fn two_versions_and_two_builds_of_one_version_are_told_apart() {
        let own = Hello::own();
        for other in [Hello { version: 3, ..own.clone() }, Hello { language: LANGUAGE ^ 1, ..own.clone() }] {
            assert!(!other.speaks_as_this() && other.to_string() != own.to_string());
            let (mut command, mut supervisor) = UnixStream::pair().unwrap();
            supervisor.write_all(&other.encode()).unwrap();
            let Err(FrameError::OtherVersion(said)) = exchange(&mut command, Duration::from_secs(5)) else {
                panic!()
            };
            assert_eq!(said, other);
        }
        // A later program of the same language can be spoken with.
        assert!(Hello { program: "99.0.0".into(), ..own }.speaks_as_this());
    }

    #[test]
    fn a_program_of_version_1_is_told_in_its_own_language() {
        let frame = for_version_1();
        let length = u32::from_le_bytes(frame[..4].try_into().unwrap());
        assert_eq!(frame.len(), 4 + length as usize);
        assert_eq!(frame[4..7], [5, 20, frame[6]]);
        assert!(std::str::from_utf8(&frame[7..]).unwrap().contains("this command is older"));
        // A command of this version hears that an older supervisor has no greeting, from its refusal of ours.
        let (mut command, mut supervisor) = UnixStream::pair().unwrap();
        supervisor.write_all(&frame).unwrap();
        let said = exchange(&mut command, Duration::from_secs(5)).unwrap_err();
        assert!(matches!(said, FrameError::NoHello(NoHello::OtherBytes)), "{said}");
    }
}
