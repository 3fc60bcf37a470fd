//! A command's connection to the supervisor of its instance, and the reasons why there is none or no answer.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::control::{Asked, Request, Response, Told, WHOLE_CONNECTION};
use proto::instance::{RuntimeDir, RuntimeDirError};
use proto::opened;
use proto::process::Pid;
use proto::wire::{self, FRAME_DEADLINE, FrameError, Hello, hello};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::sockopt::Timeout;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::child::proc;
use crate::control::peer::Peer;
use crate::failure::Failure;
use crate::lock;

/// A look at a supervisor that is waited for is taken this often.
const GLANCE: Duration = Duration::from_secs(1);

/// The instance that a command is for.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// Its runtime directory.
    pub(crate) dir: PathBuf,
    /// Was it named? The default directory lies where other users may have made it.
    pub(crate) is_named: bool,
}

/// A connection to the supervisor of an instance.
pub(super) struct Client {
    stream: UnixStream,
    dir: RuntimeDir,
    owner: u32,
    /// The number of the last request.
    last: u64,
}

impl Client {
    /// Connects to the supervisor of the instance at this address. One of another user is spoken to only if it was named.
    pub(super) fn connect(of: &Address) -> Result<Self, Failure> {
        let not_running = || Failure::NotRunning { dir: of.dir.clone() };
        let opened = if of.is_named {
            RuntimeDir::visit(&of.dir)
        } else {
            RuntimeDir::open(&of.dir).map(|dir| (dir, rustix::process::getuid().as_raw()))
        };
        let (dir, owner) = opened.map_err(|e| match e {
            RuntimeDirError::System { ref source, .. }
                if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                not_running()
            }
            // Such as a directory that this user may not look into: something may run there.
            system @ RuntimeDirError::System { .. } => Failure::failed(system),
            other => Failure::bad_input(other),
        })?;
        // Its clips are its owner's.
        opened::believe(owner);
        match connect(&dir.control_socket()) {
            Ok(mut stream) => match hello::exchange(&mut stream, FRAME_DEADLINE * 2) {
                Ok(()) => Ok(Self { stream, dir, owner, last: WHOLE_CONNECTION }),
                Err(e) => Err(no_answer(&dir, &e)),
            },
            Err(rustix::io::Errno::AGAIN) => Err(no_answer(&dir, &FrameError::TooSlow)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Err(not_running()),
            Err(e) => Err(no_answer(&dir, &FrameError::System(e.into()))),
        }
    }

    /// Sends a request and reads the answer. A refusal is an error.
    pub(super) fn ask(&mut self, request: Request) -> Result<Response, Failure> {
        self.last += 1;
        let asked = Asked { id: self.last, request };
        let sent = wire::write(&mut self.stream, &asked);
        match self.read(Some(FRAME_DEADLINE * 2)) {
            // A supervisor that took nothing may have said why.
            Err(failure @ Failure::Refused(_)) => Err(failure),
            read => sent.map_err(|e| no_answer(&self.dir, &e)).and(read),
        }
    }

    /// Waits for the next answer to the last request, however long it takes.
    pub(super) fn next(&mut self) -> Result<Response, Failure> {
        self.read(None)
    }

    /// Waits for the next answer, whichever request it answers. A refusal is no error here.
    pub(super) fn next_of_any(&mut self) -> Result<Told, Failure> {
        wire::read(&mut self.stream, None).map_err(|e| no_answer(&self.dir, &e))
    }

    /// The connection, to be waited for together with others.
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads a second answer, however long it takes, and calls `meanwhile` about once a second. `None` if there is none within
    /// `at_most`. The end of the supervisor ends this too.
    pub(super) fn await_second(
        &mut self,
        at_most: Option<Duration>,
        mut meanwhile: impl FnMut(),
    ) -> Result<Option<Response>, Failure> {
        let begun = Instant::now();
        loop {
            let left = at_most.map_or(GLANCE, |at_most| at_most.saturating_sub(begun.elapsed()));
            if self.is_readable(left.min(GLANCE)) {
                return self.read(Some(FRAME_DEADLINE)).map(Some);
            }
            if at_most.is_some_and(|at_most| begun.elapsed() >= at_most) {
                return Ok(None);
            }
            meanwhile();
        }
    }

    /// Has anything come within this time? Also true of an end, and of an error, which a read then tells.
    fn is_readable(&self, within: Duration) -> bool {
        let timeout = Timespec {
            tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: within.subsec_nanos().into(),
        };
        let polled = rustix::event::poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&timeout));
        !matches!(polled, Ok(0) | Err(rustix::io::Errno::INTR))
    }

    /// The user whose instance it is.
    pub(super) fn owner(&self) -> u32 {
        self.owner
    }

    /// The process that holds the instance.
    pub(super) fn supervisor(&self) -> Option<Pid> {
        // Another user's lock can't be read. The kernel knows who listens.
        lock::holder(&self.dir).or_else(|| Peer::of(&self.stream).ok()?.pid())
    }

    /// Reads an answer to the last request.
    fn read(&mut self, within: Option<Duration>) -> Result<Response, Failure> {
        let Told { id, response } =
            wire::read(&mut self.stream, within).map_err(|e| no_answer(&self.dir, &e))?;
        match response {
            Response::Refused(refusal) => Err(refusal.into()),
            response if id == self.last => Ok(response),
            response => Err(unexpected(&response)),
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

/// The failure of a connection. A supervisor that somebody has stopped is worth naming: it can be woken.
fn no_answer(dir: &RuntimeDir, e: &FrameError) -> Failure {
    if let Some(failure) = other_version(e, lock::holder(dir)) {
        return failure;
    }
    let holder = matches!(e, FrameError::TooSlow).then(|| lock::holder(dir)).flatten();
    match holder.filter(|pid| proc::sign(*pid).is_some_and(proc::Sign::is_stopped)) {
        Some(pid) => Failure::failed(format!(
            "the supervisor (pid {pid}) is stopped, so it answers no command; wake it with: kill -CONT {pid}. Frames \
             are captured and open clips recorded meanwhile"
        )),
        None => Failure::failed(format!("the supervisor did not answer: {e}; see its log")),
    }
}

/// A supervisor of another version does nothing for this command, whatever it is asked.
fn other_version(e: &FrameError, supervisor: Option<Pid>) -> Option<Failure> {
    let theirs = match e {
        FrameError::OtherVersion(hello) => format!("it is {hello}"),
        FrameError::NoHello(why) => why.to_string(),
        _ => return None,
    };
    let who = supervisor.map_or(String::new(), |pid| format!(" (pid {pid})"));
    let end = supervisor.map_or(String::new(), |pid| format!(", or end it in order: kill -TERM {pid}"));
    Some(Failure::bad_input(format!(
        "the supervisor that runs{who} is of another version than this command: {theirs}, and this is {}; nothing was done. \
         Use the command that belongs to it{end}",
        Hello::own()
    )))
}

#[cfg(test)]
mod tests {
    use proto::exit;

    use super::*;

    #[test]
    fn a_supervisor_of_another_version_is_said_with_both_versions_and_the_way_out() {
        let failure = other_version(&FrameError::OtherVersion(Hello::own()), Pid::new(77)).unwrap();
        assert_eq!(failure.exit_code(), exit::BAD_INPUT);
        let said = failure.to_string();
        assert!(said.contains("(pid 77)") && said.contains("kill -TERM 77"), "{said}");
        assert_eq!(said.matches(&Hello::own().to_string()).count(), 2, "{said}");
        let older = other_version(&FrameError::NoHello(hello::NoHello::OtherBytes), None).unwrap();
        assert!(older.to_string().contains("so it is older"), "{older}");
        assert!(other_version(&FrameError::TooSlow, None).is_none());
    }
}
