//! The signals that end the supervisor: SIGTERM, SIGINT and SIGQUIT, and SIGHUP for a supervisor that was started in a
//! terminal. Every other one is ignored ([`proto::signals`]). The end itself is the loop's.

use std::fs::File;
use std::sync::mpsc::Sender;

use proto::signals;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Failure;
use crate::loop_events::LoopEvent;

/// The meaning of SIGHUP for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// The terminal has been closed.
    Ends,
    /// Nothing that this process knows: it has no terminal.
    MeansNothing,
    /// Nothing: whoever started the process has asked for that, as nohup(1) does.
    Ignored,
}

impl Hangup {
    /// Decides it at the start: a terminal that is being closed is no controlling terminal any more by the time of the signal.
    fn now() -> Self {
        // This file opens for a process with a controlling terminal, and for no other (tty(4)).
        Self::of(signals::hangup_is_ignored(), || File::open("/dev/tty").is_ok())
    }

    fn of(is_ignored: bool, has_terminal: impl FnOnce() -> bool) -> Self {
        match is_ignored {
            true => Self::Ignored,
            false if has_terminal() => Self::Ends,
            false => Self::MeansNothing,
        }
    }
}

/// Ignores strays from here on. Until [`watch`] is called a signal that ends the supervisor does so at once, by its
/// default action.
pub(crate) fn prepare() -> Hangup {
    let hangup = Hangup::now();
    signals::ignore_strays();
    if hangup != Hangup::Ends {
        signals::ignore_hangup();
    }
    hangup
}

/// Has each signal that ends the supervisor come as an event from here on.
pub(crate) fn watch(hangup: Hangup, events: Sender<LoopEvent>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("can't watch signals: {e}"));
    let watched = [SIGTERM, SIGINT, SIGQUIT].into_iter().chain((hangup != Hangup::Ignored).then_some(SIGHUP));
    let mut signals = Signals::new(watched).map_err(failed)?;
    let watch = move || {
        for signal in signals.forever() {
            if signal == SIGHUP && hangup == Hangup::MeansNothing {
                tracing::warn!(
                    "SIGHUP is ignored: this supervisor was started without a terminal, so none has been closed; \
                     SIGTERM or the command stop ends it"
                );
            } else if events.send(LoopEvent::Signal).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_ends_only_what_was_started_in_a_terminal() {
        assert_eq!(Hangup::of(false, || true), Hangup::Ends);
        assert_eq!(Hangup::of(false, || false), Hangup::MeansNothing);
        assert_eq!(Hangup::of(true, || true), Hangup::Ignored, "nohup in a terminal");
    }
}
