//! The note that a recorder leaves when it crashes while an encoder is at work: a line with its pid, the camera and the
//! encoder. By it the supervisor doubts that encoder for that camera, and no other. How a crashing process comes to
//! write it is the recorder's part.

use std::path::Path;

use crate::codec::{Codec, EncoderChoice};
use crate::name::Name;
use crate::process::Pid;

/// A crash over an encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashNote {
    /// The camera whose frame was in the encoder.
    pub camera: Name,
    /// The encoder, at whatever preset.
    pub encoder: EncoderChoice,
}

/// Writes the line that [`read`] finds again.
pub fn write(
    to: &mut dyn std::fmt::Write,
    pid: Pid,
    camera: &Name,
    encoder: &EncoderChoice,
) -> std::fmt::Result {
    writeln!(to, "{pid} {camera} {} {}", encoder.codec, encoder.encoder)
}

/// The last note of this process in a file of notes, if it has left any.
#[must_use]
pub fn read(path: &Path, pid: Pid) -> Option<CrashNote> {
    let text = std::fs::read_to_string(path).ok()?;
    let of_pid = |line: &str| {
        let (number, note) = line.split_once(' ')?;
        (number == pid.to_string()).then(|| parse(note))?
    };
    text.lines().rev().find_map(of_pid)
}

fn parse(note: &str) -> Option<CrashNote> {
    let mut words = note.split(' ');
    let camera = Name::new(words.next()?).ok()?;
    let codec = Codec::from_name(words.next()?)?;
    let encoder = EncoderChoice { codec, encoder: words.next()?.to_owned(), preset: None };
    words.next().is_none().then_some(CrashNote { camera, encoder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_finds_its_own_last_note_and_no_other() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let encoder =
            EncoderChoice { codec: Codec::Avc1, encoder: "libx264".into(), preset: Some("ultrafast".into()) };
        let (left, own) = (Name::new("left").unwrap(), Pid::this());
        let mut text = "1 right H264 libx264\n".to_owned();
        write(&mut text, own, &left, &encoder).unwrap();
        text += "cut off";
        std::fs::write(file.path(), text).unwrap();
        let note = read(file.path(), own).unwrap();
        assert_eq!(note, CrashNote { camera: left, encoder: EncoderChoice { preset: None, ..encoder } });
        assert_eq!(read(file.path(), Pid::new(1).unwrap()).unwrap().camera.as_str(), "right");
        assert_eq!(read(file.path(), Pid::new(2).unwrap()), None);
        for bad in ["", "left", "left H264", "left VP9 libvpx", "left H264 a b", "le/ft H264 libx264"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
