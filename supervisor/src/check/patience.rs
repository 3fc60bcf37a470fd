//! Looks at files that may never come back: whoever touches a network mount whose server is away waits for ever. Such a
//! look is done by a thread, which is left where it is when it takes too long. No look is made here.

use std::fmt::Display;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use proto::failpoint;

use crate::failure::Failure;

/// The time that one look may take. A disk that has to spin up answers after two or three seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does `look` within the time there is for it. `what` is what it looks at, as the beginning of a sentence.
///
/// # Errors
/// There is no answer. That may pass, so it is no bad input.
pub(crate) fn within<T: Send + 'static>(
    what: impl Display,
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    at_most(PATIENCE, &what.to_string(), look)
}

/// Does `look` within `patience`, as [`within`] does.
///
/// # Errors
/// There is no answer.
pub(crate) fn at_most<T: Send + 'static>(
    patience: Duration,
    what: &str,
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, answer) = channel();
    let point = what.to_owned();
    std::thread::Builder::new()
        .name("look".into())
        .spawn(move || {
            failpoint::pass("check.look", point);
            // The receiver has gone if it took too long.
            let _ = sender.send(look());
        })
        .map_err(|e| Failure::failed(format!("{what} can't be looked at: {e}")))?;
    answer.recv_timeout(patience).map_err(|why| match why {
        RecvTimeoutError::Timeout => Failure::NoAnswer(no_answer(what, patience)),
        RecvTimeoutError::Disconnected => {
            Failure::failed(format!("{what} can't be looked at: a look panicked"))
        }
    })
}

/// The sentence about something that doesn't answer.
pub(crate) fn no_answer(what: &str, patience: Duration) -> String {
    format!(
        "{what} gives no answer within {} s, as on a network mount whose server is away: see that it is mounted and \
         answers, or name another path, and try again",
        patience.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_takes_for_ever_is_left_alone() {
        let (hold, held) = channel::<()>();
        let failure = at_most(Duration::from_millis(10), "the film /mnt/x", move || held.recv()).unwrap_err();
        assert!(matches!(failure, Failure::NoAnswer(_)), "{failure:?}");
        assert!(
            failure.to_string().starts_with("the film /mnt/x gives no answer within 0.01 s"),
            "{failure}"
        );
        drop(hold);
        assert_eq!(within("the film", || 7).unwrap(), 7);
    }
}
