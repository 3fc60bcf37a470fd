//! A command's connection to the supervisor of its instance, and the reasons why there is none or no answer.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use proto::control::{Request, Response};
use proto::instance::{RuntimeDir, RuntimeDirError};
use proto::process::Pid;
use proto::wire::{self, FRAME_DEADLINE, FrameError};
use rustix::net::sockopt::Timeout;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::child::proc;
use crate::failure::Failure;
use crate::lock;

/// A connection to the supervisor of an instance.
pub(super) struct Client {
    stream: UnixStream,
    dir: RuntimeDir,
}

impl Client {
    /// Connects to the supervisor of the instance in this runtime directory.
    pub(super) fn connect(dir: &Path) -> Result<Self, Failure> {
        let not_running = || Failure::NotRunning { dir: dir.to_owned() };
        let dir = RuntimeDir::open(dir).map_err(|e| match e {
            RuntimeDirError::System { ref source, .. }
                if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                not_running()
            }
            // Such as a directory that this user may not look into: something may run there.
            system @ RuntimeDirError::System { .. } => Failure::failed(system),
            other => Failure::bad_input(other),
        })?;
        match connect(&dir.control_socket()) {
            Ok(stream) => Ok(Self { stream, dir }),
            Err(rustix::io::Errno::AGAIN) => Err(no_answer(&dir, &FrameError::TooSlow)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Err(not_running()),
            Err(e) => Err(no_answer(&dir, &FrameError::System(e.into()))),
        }
    }

    /// Sends a request and reads the answer. A refusal is an error.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        wire::write(&mut self.stream, request).map_err(|e| no_answer(&self.dir, &e))?;
        self.read(Some(FRAME_DEADLINE * 2))
    }

    /// Reads a second answer, however long it takes. The end of the supervisor ends this too.
    pub(super) fn ask_no_more(&mut self) -> Result<Response, Failure> {
        self.read(None)
    }

    /// The process that holds the instance.
    pub(super) fn supervisor(&self) -> Option<Pid> {
        lock::holder(&self.dir)
    }

    fn read(&mut self, within: Option<Duration>) -> Result<Response, Failure> {
        match wire::read(&mut self.stream, within).map_err(|e| no_answer(&self.dir, &e))? {
            Response::Refused(refusal) => Err(refusal.into()),
            response => Ok(response),
        }
    }
}

/// An answer that does not belong to the request.
pub(super) fn unexpected(response: &Response) -> Failure {
    Failure::failed(format!(
        "the supervisor gave an answer to another question: {response:?}; is the supervisor that runs of the same \
         version as this command?"
    ))
}

/// Waits no longer than [`FRAME_DEADLINE`] for a supervisor that is too busy, or stopped.
fn connect(socket: &Path) -> rustix::io::Result<UnixStream> {
    let stream = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::sockopt::set_socket_timeout(&stream, Timeout::Send, Some(FRAME_DEADLINE))?;
    net::connect(&stream, &SocketAddrUnix::new(socket)?)?;
    Ok(stream.into())
}

/// A supervisor that somebody has stopped is worth naming: it can be woken.
fn no_answer(dir: &RuntimeDir, e: &FrameError) -> Failure {
    let holder = matches!(e, FrameError::TooSlow).then(|| lock::holder(dir)).flatten();
    match holder.filter(|pid| proc::sign(*pid).is_some_and(proc::Sign::is_stopped)) {
        Some(pid) => Failure::failed(format!(
            "the supervisor (pid {pid}) is stopped, so it answers no command; wake it with: kill -CONT {pid}. Frames \
             are captured and open clips recorded meanwhile"
        )),
        None => Failure::failed(format!("the supervisor did not answer: {e}; see its log")),
    }
}
