//! The commands that talk to a running supervisor. Each asks one question and prints the answer; the supervisor's side
//! is in [`crate::control::command`].

pub(crate) mod check;
mod client;
mod codecs;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod media;
pub(crate) mod moment;
mod progress;
pub(crate) mod show;
mod trigger;
pub(crate) mod wait;

use std::time::Duration;

use proto::control::{Request, Response};
use proto::exit;
use proto::say;
use proto::stats::Stats;
use serde::Serialize;

use crate::failure::Failure;
use crate::lock;
pub(crate) use client::Address;
use client::{Client, unexpected};
pub(crate) use trigger::trigger;

/// The time that `stop` waits for the supervisor to be gone. The supervisor promises five seconds.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// `supervisor stats`.
pub(crate) fn stats(of: &Address) -> Result<u8, Failure> {
    print(&ask_for_stats(of)?).map(|()| exit::DONE)
}

/// `supervisor status`.
pub(crate) fn status(of: &Address) -> Result<u8, Failure> {
    say(&show::status(&*ask_for_stats(of)?)).map(|()| exit::DONE)
}

/// Tells the instance that a clip was removed, for those who follow its events. Where none runs there is nobody to tell.
pub(crate) fn tell_of_removed_clip(of: &Address, clip_id: String, path: String, bytes: u64) {
    let told =
        Client::connect(of).and_then(|mut client| client.ask(Request::ClipRemoved { clip_id, path, bytes }));
    if let Err(e) = told {
        tracing::debug!("nobody is told of the removed clip: {e}");
    }
}

fn ask_for_stats(of: &Address) -> Result<Box<Stats>, Failure> {
    match Client::connect(of)?.ask(Request::Stats)? {
        Response::Stats(stats) => Ok(stats),
        other => Err(unexpected(&other)),
    }
}

/// `supervisor codecs`.
pub(crate) fn codecs(of: &Address, json: bool) -> Result<u8, Failure> {
    match Client::connect(of)?.ask(Request::Codecs)? {
        Response::Codecs(ladders) if json => print(&codecs::document(&ladders)).map(|()| exit::DONE),
        Response::Codecs(ladders) => say(&codecs::table(&ladders)).map(|()| exit::DONE),
        other => Err(unexpected(&other)),
    }
}

/// `supervisor restart`.
pub(crate) fn restart(of: &Address, what: String) -> Result<u8, Failure> {
    match Client::connect(of)?.ask(Request::Restart(what))? {
        Response::Done(what) => say(&format!("{what}\n")).map(|()| exit::DONE),
        other => Err(unexpected(&other)),
    }
}

/// `supervisor stop`: returns when everything is gone.
pub(crate) fn stop(of: &Address) -> Result<u8, Failure> {
    let mut client = Client::connect(of)?;
    let supervisor = client.supervisor();
    // "stopped", and which clips are left to the next start.
    let said = match client.ask(Request::Stop)? {
        Response::Done(said) => said,
        other => return Err(unexpected(&other)),
    };
    match supervisor {
        Some(pid) if !lock::wait_for_end(pid, STOP_PATIENCE) => Err(Failure::failed(format!(
            "the supervisor (pid {pid}) has closed everything, but has not ended within {} s; see its log",
            STOP_PATIENCE.as_secs()
        ))),
        _ => say(&format!("{said}\n")).map(|()| exit::DONE),
    }
}

/// Prints an answer as JSON.
pub(crate) fn print(document: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|e| Failure::failed(format!("the answer can't be written as JSON: {e}")))?;
    say(&format!("{text}\n"))
}

/// Prints an answer. Nobody reading it any more is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    say::answer(text).map_err(|e| Failure::failed(format!("can't write the answer: {e}")))
}
