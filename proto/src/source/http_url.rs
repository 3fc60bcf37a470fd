//! An `http://` URL, taken apart for whoever connects to it. Only forms that cameras have are taken; a text that isn't one is
//! told why, without being repeated: it may hold a password.

use std::fmt;

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// An `http://` URL in its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// A name or an address, an IPv6 address without its brackets.
    pub host: String,
    /// The port; 80 if the URL names none.
    pub port: u16,
    /// Path and query, with the slash in front: the target of a request.
    pub target: String,
    /// User and password, percent-decoded, if the URL holds them.
    pub login: Option<(String, String)>,
}

/// The reason why a text is no `http://` URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// No scheme.
    #[error("this is no URL; write http://HOST/PATH")]
    NotAUrl,
    /// Another scheme.
    #[error("only http:// URLs are opened; for https:// and rtsp:// take backend: opencv")]
    OtherScheme,
    /// A character that no URL holds.
    #[error("a URL holds no space and no control character; write them as %20 and so on")]
    BadCharacter,
    /// No host.
    #[error("the URL names no host; write http://HOST/PATH")]
    NoHost,
    /// A port that is none.
    #[error("the URL's port is no number from 1 to 65535")]
    BadPort,
    /// A login that can't be read.
    #[error(
        "the URL's user or password has a % that is not followed by two hexadecimal digits; write it as %25"
    )]
    BadLogin,
}

impl HttpUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::NotAUrl)?;
        if !super::is_url(text) {
            return Err(BadUrl::NotAUrl);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(BadUrl::OtherScheme);
        }
        if !rest.bytes().all(|b| b.is_ascii_graphic() || !b.is_ascii()) {
            return Err(BadUrl::BadCharacter);
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(Self::login(login)?), address),
            None => (None, authority),
        };
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(BadUrl::NoHost)?,
            None => address.split_at(address.find(':').unwrap_or(address.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(BadUrl::BadPort)?,
            None if port.is_empty() => HTTP_PORT,
            None => return Err(BadUrl::BadPort),
        };
        if host.is_empty() {
            return Err(BadUrl::NoHost);
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { host: host.to_owned(), port, target: format!("{slash}{target}"), login })
    }

    fn login(text: &str) -> Result<(String, String), BadUrl> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Ok((decoded(user)?, decoded(password)?))
    }

    /// Host and port as a request's `Host` names them.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == HTTP_PORT { host } else { format!("{host}:{}", self.port) }
    }
}

/// Without the login, and without the target, whose query may hold one.
impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}/…", self.host_and_port())
    }
}

fn decoded(text: &str) -> Result<String, BadUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(|d| char::from(d).to_digit(16)));
        let [Some(high), Some(low)] = digits else { return Err(BadUrl::BadLogin) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| BadUrl::BadLogin)?);
    }
    String::from_utf8(bytes).map_err(|_| BadUrl::BadLogin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, host, port, target, login) in [
            ("http://cam", "cam", 80, "/", None),
            ("HTTP://cam:8080/stream?res=hd#x", "cam", 8080, "/stream?res=hd", None),
            ("http://cam?action=stream", "cam", 80, "/?action=stream", None),
            ("http://[fe80::1]:81/x", "fe80::1", 81, "/x", None),
            ("http://me:p%40ss:w@10.0.0.2/x@y", "10.0.0.2", 80, "/x@y", Some(("me", "p@ss:w"))),
            ("http://me@cam/", "cam", 80, "/", Some(("me", ""))),
        ] {
            let found = HttpUrl::parse(url).unwrap();
            assert_eq!((&*found.host, found.port, &*found.target), (host, port, target), "{url}");
            let login = login.map(|(user, password): (&str, &str)| (user.to_owned(), password.to_owned()));
            assert_eq!(found.login, login, "{url}");
        }
        assert_eq!(HttpUrl::parse("http://[::1]:81/").unwrap().host_and_port(), "[::1]:81");
        assert_eq!(format!("{:?}", HttpUrl::parse("http://u:s3cret@h/x?key=s3cret").unwrap()), "http://h/…");
    }

    #[test]
    fn a_text_that_is_no_url_is_told_why() {
        for (text, why) in [
            ("camera.local/stream", BadUrl::NotAUrl),
            ("", BadUrl::NotAUrl),
            ("1http://h", BadUrl::NotAUrl),
            ("https://h/x", BadUrl::OtherScheme),
            ("rtsp://h/x", BadUrl::OtherScheme),
            ("http://h/a b", BadUrl::BadCharacter),
            ("http://h/\r\nHost: x", BadUrl::BadCharacter),
            ("http://", BadUrl::NoHost),
            ("http:///x", BadUrl::NoHost),
            ("http://u:p@/x", BadUrl::NoHost),
            ("http://[::1/x", BadUrl::NoHost),
            ("http://h:0/", BadUrl::BadPort),
            ("http://h:65536/", BadUrl::BadPort),
            ("http://h:port/", BadUrl::BadPort),
            ("http://[::1]x/", BadUrl::BadPort),
            ("http://u:50%@h/", BadUrl::BadLogin),
        ] {
            assert_eq!(HttpUrl::parse(text), Err(why), "{text}");
        }
    }
}
