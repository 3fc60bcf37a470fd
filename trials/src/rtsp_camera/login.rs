//! The camera's side of a login: its challenge, and whether an answer is right.

use http_auth::{PasswordClient, PasswordParams};

use super::request::Request;
use super::words::Words;

/// The user that cameras with a login know.
pub const USER: &str = "keeper";
/// The password.
pub const PASSWORD: &str = "Op3nS3same";
/// With `stale`: requests that a nonce is good for.
const GOOD_FOR: u32 = 3;

/// The logins of one connection.
#[derive(Debug)]
pub(super) struct Login {
    /// Changes with each connection, and when it is stale.
    nonce: u64,
    answered: u32,
}

impl Login {
    /// A connection's, with its first nonce.
    pub(super) fn new(nonce: u64) -> Self {
        Self { nonce, answered: 0 }
    }

    /// The challenge that a request gets in the place of an answer, if it isn't let in.
    pub(super) fn refusal(&mut self, words: &Words, request: &Request) -> Option<String> {
        let challenge = match () {
            () if words.has("basic") => "Basic realm=\"camera\"".to_owned(),
            () if words.has("auth") || words.has("stale") => {
                format!("Digest realm=\"camera\", nonce=\"{:016x}\"", self.nonce)
            }
            () => return None,
        };
        let given = request.header("Authorization").unwrap_or_default();
        if !is_right(&challenge, given, request.method()) {
            return Some(challenge);
        }
        self.answered += 1;
        if words.has("stale") && self.answered > GOOD_FOR {
            (self.nonce, self.answered) = (self.nonce.wrapping_add(1), 0);
            return Some(format!("Digest realm=\"camera\", nonce=\"{:016x}\", stale=true", self.nonce));
        }
        None
    }
}

/// Is this the answer of somebody who knows the password?
fn is_right(challenge: &str, given: &str, method: &str) -> bool {
    let param = |key: &str| Some(given.split_once(&format!("{key}=\""))?.1.split_once('"')?.0.to_owned());
    let uri = param("uri").unwrap_or_default();
    let right = PasswordParams { username: USER, password: PASSWORD, uri: &uri, method, body: None };
    let Some(right) =
        PasswordClient::try_from(challenge).ok().and_then(|mut client| client.respond(&right).ok())
    else {
        return false;
    };
    match right.split_once("response=\"") {
        Some((_, sum)) => {
            let names_all = param("username").as_deref() == Some(USER);
            let nonce = challenge.split_once("nonce=\"").and_then(|(_, rest)| Some(rest.split_once('"')?.0));
            names_all
                && param("nonce").as_deref() == nonce
                && param("response").as_deref() == sum.split('"').next()
        }
        None => right == given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: &str) -> Request {
        Request { head: format!("PLAY rtsp://h/x RTSP/1.0\r\nAuthorization: {authorization}") }
    }

    fn answer(challenge: &str, password: &str) -> Request {
        let params =
            PasswordParams { username: USER, password, uri: "rtsp://h/x", method: "PLAY", body: Some(&[]) };
        request(&PasswordClient::try_from(challenge).unwrap().respond(&params).unwrap())
    }

    #[test]
    fn only_the_password_lets_in() {
        for words in ["auth", "basic"] {
            let words = Words::parse(words).unwrap();
            let mut login = Login::new(7);
            let challenge = login.refusal(&words, &request("")).unwrap();
            assert_eq!(login.refusal(&words, &answer(&challenge, PASSWORD)), None);
            assert_eq!(login.refusal(&words, &answer(&challenge, "wrong")), Some(challenge));
        }
        assert_eq!(Login::new(7).refusal(&Words::default(), &request("")), None);
    }

    #[test]
    fn a_nonce_gets_stale() {
        let words = Words::parse("stale").unwrap();
        let mut login = Login::new(7);
        let challenge = login.refusal(&words, &request("")).unwrap();
        for _ in 0..GOOD_FOR {
            assert_eq!(login.refusal(&words, &answer(&challenge, PASSWORD)), None);
        }
        let another = login.refusal(&words, &answer(&challenge, PASSWORD)).unwrap();
        assert!(another.contains("stale=true") && another != challenge, "{another}");
        assert_eq!(login.refusal(&words, &answer(&another, PASSWORD)), None);
    }
}
