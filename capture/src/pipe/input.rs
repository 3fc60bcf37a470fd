//! Opening what a pipe's `path` names, again and again while nobody writes to it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::frame::LossBefore;
use proto::time::MonotonicNs;
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, openat, stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::source::SourceError;
use crate::stream::{ByteStream, Inbox, fd};

/// A FIFO is asked to hold so many bytes, so that its writer waits seldom. The kernel gives no more to an ordinary user.
const FIFO_BYTES: usize = 1 << 20;

/// A pipe that is opened again whenever its writer has gone.
pub(crate) struct Input {
    path: PathBuf,
    /// The reading end of a FIFO, from its first opening on. While it is open no writer is ended by the lack of a reader, also
    /// between two of them.
    fifo: Option<Arc<OwnedFd>>,
}

impl Input {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), fifo: None }
    }

    /// Looks at what the path names, without opening it.
    pub(crate) fn look(&self) -> Result<(FileType, Stat), SourceError> {
        let found = stat(&self.path).map_err(|e| self.absent(e))?;
        let kind = FileType::from_raw_mode(found.st_mode);
        let why = match kind {
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice => return Ok((kind, found)),
            FileType::RegularFile => {
                "it is a plain file, which ends; name a FIFO, or take backend: file for a film"
            }
            FileType::Directory => "it is a folder; name a FIFO, a device or a Unix socket",
            _ => "it is neither a FIFO, nor a character device, nor a Unix socket",
        };
        Err(SourceError::Unusable { input: self.shown(), reason: why.into() })
    }

    /// Opens it, without waiting for anybody.
    pub(crate) fn open(&mut self) -> Result<Box<dyn ByteStream>, SourceError> {
        let (kind, found) = self.look()?;
        let fd = match kind {
            FileType::Fifo => self.fifo(&found)?,
            FileType::Socket => Arc::new(self.socket()?),
            _ => Arc::new(self.for_reading()?),
        };
        let mut stream = FdStream { input: self.shown(), kind, fd, early: Vec::new() };
        if kind == FileType::Fifo {
            let read = fd::read(&stream.fd, &mut stream.early)
                .map_err(|e| self.lost(format!("it can't be read: {e}")))?;
            // A FIFO without a writer has an end right away, as one has whose writer has gone.
            if read == fd::Read::End {
                return Err(self.lost("no program writes to it".into()));
            }
        }
        Ok(Box::new(stream))
    }

    /// The FIFO that is open already, unless another has taken its place.
    fn fifo(&mut self, found: &Stat) -> Result<Arc<OwnedFd>, SourceError> {
        let is_same = |fd: &Arc<OwnedFd>| {
            fstat(fd).is_ok_and(|open| (open.st_dev, open.st_ino) == (found.st_dev, found.st_ino))
        };
        if let Some(fd) = self.fifo.as_ref().filter(|fd| is_same(fd)) {
            return Ok(Arc::clone(fd));
        }
        self.fifo = None;
        let fd = self.for_reading()?;
        // Two readers of one FIFO get a part of the bytes each. A FIFO that can't be locked at all is read without.
        if flock(&fd, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(self.lost("another Preroll camera reads from it".into()));
        }
        // A FIFO that can't be made larger serves as well, with more waiting.
        let _ = rustix::pipe::fcntl_setpipe_size(&fd, FIFO_BYTES);
        let fd = Arc::new(fd);
        self.fifo = Some(Arc::clone(&fd));
        Ok(fd)
    }

    fn for_reading(&self) -> Result<OwnedFd, SourceError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(CWD, &self.path, flags, Mode::empty()).map_err(|e| self.absent(e))
    }

    fn socket(&self) -> Result<OwnedFd, SourceError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(|e| self.absent(e))?;
        let address = SocketAddrUnix::new(&self.path).map_err(|e| self.absent(e))?;
        match connect(&socket, &address) {
            Ok(()) => Ok(socket),
            Err(Errno::CONNREFUSED) => Err(self.lost("no program listens at this socket".into())),
            Err(Errno::AGAIN) => {
                Err(self.lost("the program that listens at this socket takes no connection".into()))
            }
            Err(e) => Err(self.absent(e)),
        }
    }

    fn absent(&self, error: Errno) -> SourceError {
        match error {
            Errno::NOENT => {
                self.lost(format!("there is no such file; make a FIFO with mkfifo {}", self.shown()))
            }
            Errno::ACCESS => self.lost("this user may not read it; change its owner, group or mode".into()),
            other => self.lost(format!("it can't be opened: {}", io::Error::from(other))),
        }
    }

    fn lost(&self, reason: String) -> SourceError {
        SourceError::Lost { input: self.shown(), reason, cause: LossBefore::Unplugged, refused: false }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// The bytes of an open pipe.
struct FdStream {
    input: String,
    kind: FileType,
    fd: Arc<OwnedFd>,
    /// Bytes that were read when it was opened.
    early: Vec<u8>,
}

impl FdStream {
    fn broken(&self, error: &io::Error) -> SourceError {
        self.lost(format!("it can't be read: {error}"))
    }

    fn ended(&self) -> SourceError {
        self.lost(
            match self.kind {
                FileType::Fifo => "the program that wrote to it has gone",
                FileType::Socket => "the program at its other end has closed it",
                _ => "it has come to its end",
            }
            .into(),
        )
    }

    fn lost(&self, reason: String) -> SourceError {
        SourceError::Lost { input: self.input.clone(), reason, cause: LossBefore::Unplugged, refused: false }
    }
}

impl ByteStream for FdStream {
    fn read(&mut self, inbox: &mut Inbox, until: MonotonicNs) -> Result<bool, SourceError> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            inbox.take_in(MonotonicNs::now(), |to| to.extend(early));
            return Ok(true);
        }
        if !fd::is_readable(self.fd.as_fd(), until).map_err(|e| self.broken(&e))? {
            return Ok(false);
        }
        let read = inbox.take_in(MonotonicNs::now(), |to| fd::read(self.fd.as_fd(), to));
        match read.map_err(|e| self.broken(&e))? {
            fd::Read::Bytes => Ok(true),
            fd::Read::Nothing => Ok(false),
            fd::Read::End => Err(self.ended()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::*;

    fn folder_with_fifo() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("left");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap();
        (folder, path)
    }

    fn why(opened: Result<Box<dyn ByteStream>, SourceError>) -> String {
        opened.err().unwrap().to_string()
    }

    /// Everything that can be read until the end.
    fn all(mut stream: Box<dyn ByteStream>) -> (Vec<u8>, String) {
        let mut inbox = Inbox::default();
        loop {
            match stream.read(&mut inbox, MonotonicNs::now() + Duration::from_secs(5)) {
                Ok(_) => {}
                Err(e) => return (inbox.bytes().to_vec(), e.to_string()),
            }
        }
    }

    #[test]
    fn writers_of_a_fifo_come_and_go() {
        let (_folder, path) = folder_with_fifo();
        let mut input = Input::new(&path);
        assert!(why(input.open()).contains("no program writes to it"));
        for word in ["one", "two"] {
            let mut writer = File::options().write(true).open(&path).unwrap();
            writer.write_all(word.as_bytes()).unwrap();
            let stream = input.open().unwrap();
            writer.write_all(b" more").unwrap();
            drop(writer);
            let (bytes, end) = all(stream);
            assert_eq!(String::from_utf8(bytes).unwrap(), format!("{word} more"));
            assert!(end.contains("has gone"), "{end}");
            assert!(why(input.open()).contains("no program writes to it"));
        }
        // With no stream open, a writer still has a reader.
        let mut writer = File::options().write(true).open(&path).unwrap();
        writer.write_all(b"kept").unwrap();
        drop(writer);
        assert_eq!(all(input.open().unwrap()).0, b"kept");
    }

    #[test]
    fn a_fifo_in_the_place_of_another_is_opened() {
        let (_folder, path) = folder_with_fifo();
        let mut input = Input::new(&path);
        assert!(input.open().is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(why(input.open()).contains("mkfifo"));
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(input.open().is_err());
        let mut writer = File::options().write(true).open(&path).unwrap();
        writer.write_all(b"new").unwrap();
        drop(writer);
        assert_eq!(all(input.open().unwrap()).0, b"new");
    }

    #[test]
    fn a_second_reader_is_kept_off() {
        let (_folder, path) = folder_with_fifo();
        let (mut first, mut second) = (Input::new(&path), Input::new(&path));
        assert!(first.open().is_err());
        let _writer = File::options().write(true).open(&path).unwrap();
        assert!(first.open().is_ok());
        assert!(why(second.open()).contains("another Preroll camera"));
    }

    #[test]
    fn a_socket_is_connected_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let stream = Input::new(&path).open().unwrap();
        let (mut writer, _) = listener.accept().unwrap();
        writer.write_all(b"frames").unwrap();
        drop(writer);
        let (bytes, end) = all(stream);
        assert_eq!(bytes, b"frames");
        assert!(end.contains("has closed it"), "{end}");
        drop(listener);
        assert!(why(Input::new(&path).open()).contains("no program listens"));
    }

    #[test]
    fn whatever_can_be_no_pipe_is_unusable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("film.y4m");
        std::fs::write(&file, "x").unwrap();
        for (path, says) in [(file.as_path(), "backend: file"), (folder.path(), "it is a folder")] {
            let error = Input::new(path).open().err().unwrap();
            assert!(error.is_permanent() && error.to_string().contains(says), "{error}");
        }
        let absent = Input::new(&folder.path().join("none")).open().err().unwrap();
        assert!(!absent.is_permanent(), "{absent}");
    }
}
