//! The sessions that a server counts: for cameras that take no more than two, and for those that a client has left without being
//! let go.

use std::time::{Duration, Instant};

/// With `noteardown`: a session that was left counts for so long.
const LEFT: Duration = Duration::from_secs(3);
/// With `two`: so many at a time.
const MOST: usize = 2;

/// The sessions of a server.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    newest: u32,
    open: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    number: u32,
    camera: String,
    /// The session was left, and is forgotten at this moment.
    until: Option<Instant>,
}

impl Sessions {
    /// Begins one. `None` if the camera has no room for it.
    pub(super) fn begin(&mut self, camera: &str, is_limited: bool, now: Instant) -> Option<u32> {
        self.open.retain(|session| session.until.is_none_or(|until| until > now));
        let of_camera = self.open.iter().filter(|session| session.camera == camera).count();
        if is_limited && of_camera >= MOST {
            return None;
        }
        self.newest += 1;
        self.open.push(Session { number: self.newest, camera: camera.to_owned(), until: None });
        Some(self.newest)
    }

    /// Ends one. `lingers`: it counts for a while more.
    pub(super) fn end(&mut self, number: u32, lingers: bool, now: Instant) {
        if let Some(session) = self.open.iter_mut().find(|session| session.number == number) {
            session.until = Some(if lingers { now + LEFT } else { now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_session_waits_until_one_of_two_is_forgotten() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        assert_eq!(
            ["a", "a", "b"].map(|camera| sessions.begin(camera, true, now)),
            [Some(1), Some(2), Some(3)]
        );
        assert_eq!(sessions.begin("a", true, now), None);
        assert_eq!(sessions.begin("a", false, now), Some(4));
        sessions.end(4, false, now);
        sessions.end(1, true, now);
        assert_eq!(sessions.begin("a", true, now), None);
        assert_eq!(sessions.begin("a", true, now + LEFT), Some(5));
    }
}
