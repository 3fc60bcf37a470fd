//! `preroll events`: what has happened to the instance, and with `--follow` what happens to it, as JSON, a line an event.

use std::io::{self, ErrorKind, Write};

use proto::control::{Request, Response};
use proto::event::{Event, LoggedEvent, SupervisorState};
use proto::exit;
use rustix::event::{PollFd, PollFlags, poll};

use super::client::{Address, Client, unexpected};
use crate::failure::Failure;

/// Prints the events after the number `since`.
pub(crate) fn events(of: &Address, follow: bool, since: u64) -> Result<u8, Failure> {
    let mut client = Client::connect(of)?;
    let newest = match client.ask(Request::Subscribe { since: Some(since) })? {
        Response::Subscribed { newest } => newest,
        other => return Err(unexpected(&other)),
    };
    // As the supervisor takes it: a number that no event has had is of an earlier supervisor.
    let mut told = if since > newest { 0 } else { since };
    let mut is_ending = false;
    while follow || told < newest {
        if !is_still_read(&client) {
            return Ok(exit::DONE);
        }
        let logged = match client.next() {
            Ok(Response::Event(logged)) => logged,
            Ok(other) => return Err(unexpected(&other)),
            // The supervisor has said that it ends.
            Err(Failure::Failed(_)) if is_ending => break,
            Err(failure) => return Err(failure),
        };
        told = logged.seq;
        is_ending |= matches!(logged.event, Event::Supervisor { state: SupervisorState::Ending, .. });
        if !print(&logged)? {
            break;
        }
    }
    Ok(exit::DONE)
}

/// Waits until something has come. False when nobody reads standard output any more, which is noticed without a line to print.
fn is_still_read(client: &Client) -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(client.stream(), PollFlags::IN), PollFd::new(&stdout, PollFlags::empty())];
    match poll(&mut fds, None) {
        Ok(_) => !fds[1].revents().intersects(PollFlags::ERR) || !fds[0].revents().is_empty(),
        // The read that follows says what is wrong.
        Err(_) => true,
    }
}

/// Prints a line. False when nobody reads any more.
fn print(logged: &LoggedEvent) -> Result<bool, Failure> {
    let line =
        logged.line().map_err(|e| Failure::failed(format!("an event can't be written as JSON: {e}")))?;
    let mut stdout = io::stdout().lock();
    match stdout.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::failed(format!("can't write the answer: {e}"))),
    }
}
