//! The reasons why a camera gives no stream, in words with what to do. Pure: what a request came to goes in. Texts of the client
//! are shown in their first line alone, and without passwords.

use capture::source::SourceError;
use proto::frame::LossBefore;
use proto::secret::masked;

/// The most characters of the client's own words.
const MOST_CHARACTERS: usize = 200;
/// The client's words before the system's own, when there is no connection.
const NO_CONNECTION: &str = "Unable to connect to RTSP server: ";
/// The system's words for a name that leads nowhere, as the standard library begins them.
const NO_NAME: &str = "failed to lookup address information";
/// The client's words for bytes that are no RTSP.
const NOT_RTSP: &str = "RTSP framing error";

/// The reason why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) cause: LossBefore,
    /// The login was refused, so that it is tried again more slowly.
    pub(super) refused: bool,
}

impl Refusal {
    /// The login can't be made, or was refused.
    pub(super) fn of_login(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), cause: LossBefore::CameraStall, refused: true }
    }

    /// A camera that is there, and gives no stream.
    pub(super) fn of_camera(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), cause: LossBefore::CameraStall, refused: false }
    }

    /// No connection to the camera.
    pub(super) fn of_network(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), cause: LossBefore::Network, refused: false }
    }

    /// An answer other than 200, as its number. `user` is who has logged in.
    pub(super) fn of_status(status: u16, user: Option<&str>) -> Self {
        match (status, user) {
            (401, Some(user)) => {
                Self::of_login(format!("it refuses the password of user {user} (401 unauthorised)"))
            }
            (401, None) => Self::of_login(
                "it asks for a password (401 unauthorised); write user and password_file, or both in the URL",
            ),
            (403, _) => Self::of_camera("it refuses this user or this machine (403 forbidden)"),
            (404, _) => {
                Self::of_camera("it has no stream at this path (404 not found); check the URL's path")
            }
            (453, _) => Self::of_camera(
                "it has no bandwidth left (453); it sends to as many viewers as it can, so close another one",
            ),
            (454, _) => Self::of_camera("it has forgotten the session (454)"),
            (461, _) => Self::of_camera("it offers neither TCP nor UDP (461 unsupported transport)"),
            (503, _) => Self::of_camera("it is busy, or still starting (503 service unavailable)"),
            (300..=399, _) => Self::of_camera(format!(
                "it sends on to another address ({status}), which isn't followed; write that URL if it is the camera's"
            )),
            (other, _) => Self::of_camera(format!("it gives no stream (status {other})")),
        }
    }

    /// The client's error, of a request before there were packets. `port` is the URL's.
    pub(super) fn of_error(error: &str, port: u16) -> Self {
        if let Some(why) = error.strip_prefix(NO_CONNECTION) {
            let why = first_line(why);
            return Self::of_network(if why.starts_with(NO_NAME) {
                format!("its name can't be looked up: {why}")
            } else {
                format!("no connection to port {port}: {why}")
            });
        }
        if error.starts_with(NOT_RTSP) {
            return Self::of_network(format!(
                "whatever answers at port {port} doesn't speak RTSP; check the URL's port"
            ));
        }
        Self::of_network(format!("the connection broke before its answer: {}", first_line(error)))
    }

    /// The error of a camera whose URL is shown as `input`.
    pub(super) fn into_error(self, input: &str) -> SourceError {
        let Self { reason, cause, refused } = self;
        SourceError::Lost { input: input.to_owned(), reason, cause, refused }
    }
}

/// The first line of somebody else's words, without passwords.
pub(super) fn first_line(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(MOST_CHARACTERS).collect();
    masked(line.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_told_with_its_number_and_what_to_do() {
        for (status, user, refused, words) in [
            (401, Some("me"), true, &["password of user me", "401"][..]),
            (401, None, true, &["asks for a password", "401", "password_file"]),
            (403, None, false, &["403"]),
            (404, None, false, &["404", "path"]),
            (453, None, false, &["453", "viewers"]),
            (461, None, false, &["461"]),
            (503, None, false, &["503"]),
            (302, None, false, &["302", "URL"]),
            (500, None, false, &["500"]),
        ] {
            let refusal = Refusal::of_status(status, user);
            assert!(words.iter().all(|word| refusal.reason.contains(word)), "{refusal:?}");
            assert_eq!((refusal.refused, refusal.cause), (refused, LossBefore::CameraStall), "{status}");
        }
    }

    #[test]
    fn no_connection_is_told_by_what_is_wrong_with_it() {
        for (error, words) in [
            (
                "Unable to connect to RTSP server: Connection refused (os error 111)",
                "no connection to port 8554: Connection refused",
            ),
            (
                "Unable to connect to RTSP server: failed to lookup address information: Name or service not known",
                "its name can't be looked up",
            ),
            ("RTSP framing error: Invalid\n\nconn: 1", "doesn't speak RTSP"),
            (
                "Error reading from RTSP peer: EOF\n\nconn: x",
                "broke before its answer: Error reading from RTSP peer: EOF",
            ),
        ] {
            let refusal = Refusal::of_error(error, 8554);
            assert!(refusal.reason.contains(words) && !refusal.reason.contains("conn: "), "{refusal:?}");
            assert_eq!((refusal.refused, refusal.cause), (false, LossBefore::Network));
        }
    }

    #[test]
    fn somebody_elses_words_are_short_and_show_no_password() {
        assert_eq!(first_line("can't use rtsp://me:s3cret@h/x \nmore"), "can't use rtsp://me:***@h/x");
        assert_eq!(first_line(&"x".repeat(5_000)).len(), MOST_CHARACTERS);
    }
}
