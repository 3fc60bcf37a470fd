//! Logging in to a camera: the answer to its challenge (basic or digest, RFC 7617 and 7616).

use http_auth::{PasswordClient, PasswordParams};

use crate::login::Login;

impl Login {
    /// The header that answers a challenge to a request for `target`. An error says why this can't be answered.
    pub(super) fn answer(&self, challenges: &str, target: &str) -> Result<String, String> {
        let unknown =
            || format!("it asks for a password in a way that isn't known here ({})", schemes(challenges));
        let mut client = PasswordClient::try_from(challenges).map_err(|_| unknown())?;
        let asked = PasswordParams {
            username: &self.user,
            password: self.password.reveal(),
            uri: target,
            method: "GET",
            body: Some(&[]),
        };
        client.respond(&asked).map_err(|_| unknown())
    }
}

/// The first words of some challenges, without what stands in them: a realm is the camera's business.
fn schemes(challenges: &str) -> &str {
    let scheme = challenges.split([' ', ',']).next().unwrap_or_default();
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        "none named"
    } else {
        scheme
    }
}

#[cfg(test)]
mod tests {
    use proto::secret::Password;

    use super::*;

    fn login() -> Login {
        Login { user: "Mufasa".into(), password: Password::from("Circle of Life".to_owned()) }
    }

    #[test]
    fn basic_and_digest_challenges_are_answered() {
        let basic = login().answer("Basic realm=\"x\"", "/stream").unwrap();
        assert_eq!(basic, "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl");
        let digest = login()
            .answer("Digest realm=\"x\", nonce=\"n\", qop=\"auth\", opaque=\"o\"", "/stream?a=b")
            .unwrap();
        assert!(digest.starts_with("Digest ") && digest.contains("uri=\"/stream?a=b\""), "{digest}");
        assert!(!digest.contains("Circle"), "{digest}");
        // The better of two.
        let both =
            login().answer("Basic realm=\"x\", Digest realm=\"x\", nonce=\"n\", algorithm=MD5", "/").unwrap();
        assert!(both.contains(" "), "{both}");
        // As cameras of old write it (RFC 2069): without qop.
        let old = login().answer("Digest realm=\"x\", nonce=\"n\"", "/").unwrap();
        assert!(old.contains("response=\""), "{old}");
    }

    #[test]
    fn an_unknown_challenge_is_named_without_its_content() {
        for (challenges, says) in
            [("Bearer realm=\"secret\"", "(Bearer)"), ("", "(none named)"), ("\u{7}=,", "(none named)")]
        {
            let why = login().answer(challenges, "/").unwrap_err();
            assert!(why.contains(says) && !why.contains("secret"), "{why}");
        }
    }
}
