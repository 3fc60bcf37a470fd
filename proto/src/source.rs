//! The meaning of a camera's source: a device, a URL, a pipeline, a file. `check`, `start` and the captures all
//! ask here, so that no two of them can disagree. Nothing is opened here: whoever opens a source finds out whether it
//! works.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

mod camera_url;
mod video_device;

pub use camera_url::{BadUrl, CameraUrl, Scheme};
pub use video_device::VideoDevice;

/// The kind of a source, by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A device by its number: `0` is `/dev/video0`.
    Device(u16),
    /// A device by its path, such as `/dev/video0` or `/dev/v4l/by-id/…`.
    DevicePath,
    /// A URL: `scheme://…`.
    Url,
    /// A GStreamer pipeline: elements with `!` between them.
    Pipeline,
    /// Numbered pictures, by printf's rules: `frames/%04d.png`.
    Pictures,
    /// A named pipe.
    Pipe,
    /// A plain file, there or not.
    File,
}

impl SourceKind {
    /// Classifies a source. A number is a device, even if a file has that name. Any other file that is there is a file,
    /// whatever its name looks like.
    #[must_use]
    pub fn of(source: &str) -> Self {
        if let Ok(number) = source.parse() {
            return Self::Device(number);
        }
        let path = Path::new(source);
        let found = path.metadata().map(|found| found.file_type());
        match found {
            Ok(found) if found.is_file() => Self::File,
            Ok(found) if found.is_char_device() || found.is_block_device() => Self::DevicePath,
            Ok(found) if found.is_fifo() || found.is_socket() => Self::Pipe,
            _ if is_url(source) => Self::Url,
            _ if source.contains('!') => Self::Pipeline,
            _ if path.starts_with("/dev") && found.is_err() => Self::DevicePath,
            _ if is_numbered(source) => Self::Pictures,
            _ => Self::File,
        }
    }

    /// The device node that has to be there for this source, if it is a device.
    #[must_use]
    pub fn device(self, source: &str) -> Option<PathBuf> {
        match self {
            Self::Device(number) => Some(format!("/dev/video{number}").into()),
            Self::DevicePath => Some(source.into()),
            _ => None,
        }
    }
}

/// Does the text begin with a scheme? A URL within a pipeline makes no URL of it.
pub(crate) fn is_url(source: &str) -> bool {
    source.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
    })
}

/// Is the text the URL of a file on this machine?
pub(crate) fn is_file_url(source: &str) -> bool {
    is_url(source) && source.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file://"))
}

/// The kind of a text that somebody has given as a film's path although it looks like another kind of source, in words and
/// as a placeholder. The text itself may hold a password, so it is not repeated.
pub(crate) fn not_a_film(path: &str) -> Option<(&'static str, &'static str)> {
    if path.parse::<u16>().is_ok() {
        Some(("a device's number", "NUMBER"))
    } else if is_url(path) && !is_file_url(path) {
        Some(("a URL", "URL"))
    } else if path.contains(" ! ") {
        Some(("a GStreamer pipeline", "PIPELINE"))
    } else if path.starts_with("/dev/video") || path.starts_with("/dev/v4l/") {
        Some(("a device", "DEVICE"))
    } else if is_numbered(path) {
        Some(("a row of numbered pictures", "PICTURES"))
    } else {
        None
    }
}

/// Does the text hold exactly one number's place of printf: `%d`, `%4d`, `%04d`?
fn is_numbered(source: &str) -> bool {
    let mut places = source.split('%').skip(1);
    let is_place = |rest: &str| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('d');
    places.next().is_some_and(is_place) && places.next().is_none()
}

/// Numbered pictures that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedPictures {
    /// The first of them: number 0 to 4, as libav looks for it.
    pub first: PathBuf,
    /// The number of pictures up to the first number that is missing.
    pub pictures: u64,
}

impl NumberedPictures {
    /// Finds the pictures of a source such as `frames/%04d.png`. `None` if there is none with a number from 0 to 4.
    #[must_use]
    pub fn find(source: &str) -> Option<Self> {
        let path = |number| numbered(source, number).filter(|path| path.is_file());
        let (number, first) = (0..5).find_map(|number| Some((number, path(number)?)))?;
        let following = (number + 1..).take_while(|number| path(*number).is_some()).count();
        Some(Self { first, pictures: following as u64 + 1 })
    }
}

/// The path of the picture with this number.
fn numbered(source: &str, number: u64) -> Option<PathBuf> {
    let (before, rest) = source.split_once('%')?;
    let (width, after) = rest.split_once('d')?;
    let digits = width.parse::<usize>().unwrap_or(0).min(20);
    let number =
        if width.starts_with('0') { format!("{number:0digits$}") } else { format!("{number:digits$}") };
    Some(PathBuf::from(format!("{before}{number}{after}")))
}

/// The reason why a path is not a plain file that could be read.
#[derive(Debug, thiserror::Error)]
pub enum NotAFile {
    /// Nothing is there, or it can't be looked at.
    #[error("{0}")]
    Unreachable(#[from] io::Error),
    /// A folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// A pipe, a terminal, a socket, a device: opening it could wait for ever.
    #[error("it is {0}, not a file")]
    Special(Special),
    /// No byte is in it.
    #[error("the file is empty (0 bytes)")]
    Empty,
}

/// A kind of thing that has a path and is neither file nor folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A device, a terminal among them.
    Device,
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device or a terminal",
        })
    }
}

/// Checks that there is a plain file with something in it, without opening it.
///
/// # Errors
/// [`NotAFile`].
pub fn plain_file(path: &Path) -> Result<(), NotAFile> {
    let found = path.metadata()?;
    special(&found)?;
    if found.len() == 0 {
        return Err(NotAFile::Empty);
    }
    Ok(())
}

/// Refuses whatever is no plain file. An empty file is one.
pub(crate) fn special(found: &Metadata) -> Result<(), NotAFile> {
    let kind = found.file_type();
    if kind.is_file() {
        Ok(())
    } else if kind.is_dir() {
        Err(NotAFile::Folder)
    } else if kind.is_fifo() {
        Err(NotAFile::Special(Special::Pipe))
    } else if kind.is_socket() {
        Err(NotAFile::Special(Special::Socket))
    } else {
        Err(NotAFile::Special(Special::Device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_what_it_looks_like() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a!b://%d");
        std::fs::create_dir_all(odd.parent().unwrap()).unwrap();
        std::fs::write(&odd, "x").unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (source, kind) in [
            ("0", SourceKind::Device(0)),
            ("12", SourceKind::Device(12)),
            ("rtsp://camera.example/stream", SourceKind::Url),
            ("/dev/null", SourceKind::DevicePath),
            ("/dev/video99", SourceKind::DevicePath),
            ("/dev/v4l/by-id/usb-camera", SourceKind::DevicePath),
            (odd.to_str().unwrap(), SourceKind::File),
            (pipe.to_str().unwrap(), SourceKind::Pipe),
            ("frames/%04d.png", SourceKind::Pictures),
            ("frames/%d.png", SourceKind::Pictures),
            ("50%.mp4", SourceKind::File),
            ("a%db%d.png", SourceKind::File),
            ("v4l2src ! videoconvert ! appsink", SourceKind::Pipeline),
            ("rtspsrc location=rtsp://h/x ! appsink", SourceKind::Pipeline),
            ("no/such/film.mp4", SourceKind::File),
            ("/dev", SourceKind::File),
        ] {
            assert_eq!(SourceKind::of(source), kind, "{source}");
        }
    }

    #[test]
    fn a_path_that_is_no_films_is_told_by_its_text() {
        for (path, kind) in [
            ("0", Some("NUMBER")),
            ("RTSP://u:p@h/x", Some("URL")),
            ("v4l2src ! appsink", Some("PIPELINE")),
            ("/dev/video2", Some("DEVICE")),
            ("/dev/v4l/by-id/usb", Some("DEVICE")),
            ("f/%04d.png", Some("PICTURES")),
            ("goal!.mp4", None),
            ("50%.mp4", None),
            ("99999999.mp4", None),
            ("/dev/shm/left.mp4", None),
        ] {
            assert_eq!(not_a_film(path).map(|(_, placeholder)| placeholder), kind, "{path}");
        }
        assert!(is_file_url("File:///x.mp4") && !is_file_url("rtsp://h/x") && !is_file_url("file"));
    }

    #[test]
    fn numbered_pictures_begin_at_a_low_number() {
        let folder = tempfile::tempdir().unwrap();
        let source = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let found = |name: &str| NumberedPictures::find(&source(name));
        assert_eq!(found("%04d.png"), None);
        for name in ["0001.png", "f3.png", "f4.png", "f5.png", "f7.png"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let row =
            |first: &str, pictures| Some(NumberedPictures { first: folder.path().join(first), pictures });
        assert_eq!(found("%04d.png"), row("0001.png", 1));
        assert_eq!(found("f%d.png"), row("f3.png", 3), "the rest isn't played");
        assert_eq!(found("g%d.png"), None);
    }

    #[test]
    fn what_could_be_waited_for_for_ever_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let says = |path: &Path| plain_file(path).unwrap_err().to_string();
        assert_eq!(says(&pipe), "it is a named pipe, not a file");
        assert_eq!(says(Path::new("/dev/null")), "it is a device or a terminal, not a file");
        assert_eq!(says(folder.path()), "it is a folder, not a file");
        assert!(says(&folder.path().join("none")).contains("No such file"));
        std::fs::write(folder.path().join("empty"), "").unwrap();
        assert!(says(&folder.path().join("empty")).contains("0 bytes"));
    }
}
