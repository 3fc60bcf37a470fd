//! The URL of a camera in a network, taken apart for whoever connects to it. Only forms that cameras have are taken; a text that
//! isn't one is told why, without being repeated: it may hold a password.

use std::fmt;

/// The protocols whose URLs are taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http://`, of `backend: mjpeg`.
    Http,
    /// `rtsp://`, of `backend: rtsp`.
    Rtsp,
}

impl Scheme {
    /// The name in front of `://`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Rtsp => "rtsp",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Rtsp => 554,
        }
    }

    /// The backends for URLs of other schemes.
    fn others(self) -> &'static str {
        match self {
            Self::Http => "for rtsp:// take backend: rtsp, for https:// backend: opencv",
            Self::Rtsp => "for http:// take backend: mjpeg, for rtsps:// and others backend: opencv",
        }
    }
}

/// A camera's URL in its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl {
    /// The protocol.
    pub scheme: Scheme,
    /// A name or an address, an IPv6 address without its brackets.
    pub host: String,
    /// The port; the scheme's own if the URL names none.
    pub port: u16,
    /// Path and query, with the slash in front: the target of a request.
    pub target: String,
    /// User and password, percent-decoded, if the URL holds them.
    pub login: Option<(String, String)>,
}

/// The reason why a text is no camera's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// No scheme.
    #[error("this is no URL; write {}://HOST/PATH", .0.name())]
    NotAUrl(Scheme),
    /// Another scheme.
    #[error("only {}:// URLs are opened; {}", .0.name(), .0.others())]
    OtherScheme(Scheme),
    /// A character that no URL holds.
    #[error("a URL holds no space and no control character; write them as %20 and so on")]
    BadCharacter,
    /// No host.
    #[error("the URL names no host; write {}://HOST/PATH", .0.name())]
    NoHost(Scheme),
    /// A port that is none.
    #[error("the URL's port is no number from 1 to 65535")]
    BadPort,
    /// A login that can't be read.
    #[error(
        "the URL's user or password has a % that is not followed by two hexadecimal digits; write it as %25"
    )]
    BadLogin,
}

impl CameraUrl {
    /// Takes a URL of this scheme apart.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, BadUrl> {
        let (written, rest) = text.split_once("://").ok_or(BadUrl::NotAUrl(scheme))?;
        if !super::is_url(text) {
            return Err(BadUrl::NotAUrl(scheme));
        }
        if !written.eq_ignore_ascii_case(scheme.name()) {
            return Err(BadUrl::OtherScheme(scheme));
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
            Some(rest) => rest.split_once(']').ok_or(BadUrl::NoHost(scheme))?,
            None => address.split_at(address.find(':').unwrap_or(address.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(BadUrl::BadPort)?,
            None if port.is_empty() => scheme.port(),
            None => return Err(BadUrl::BadPort),
        };
        if host.is_empty() {
            return Err(BadUrl::NoHost(scheme));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, host: host.to_owned(), port, target: format!("{slash}{target}"), login })
    }

    fn login(text: &str) -> Result<(String, String), BadUrl> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Ok((decoded(user)?, decoded(password)?))
    }

    /// Host and port as a request names them.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// The URL without its login, for a request.
    #[must_use]
    pub fn without_login(&self) -> String {
        format!("{}://{}{}", self.scheme.name(), self.host_and_port(), self.target)
    }
}

/// Without the login, and without the target, whose query may hold one.
impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.scheme.name(), self.host_and_port())
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
            let found = CameraUrl::parse(Scheme::Http, url).unwrap();
            assert_eq!((&*found.host, found.port, &*found.target), (host, port, target), "{url}");
            let login = login.map(|(user, password): (&str, &str)| (user.to_owned(), password.to_owned()));
            assert_eq!(found.login, login, "{url}");
        }
        let http = |text| CameraUrl::parse(Scheme::Http, text).unwrap();
        assert_eq!(http("http://[::1]:81/").host_and_port(), "[::1]:81");
        assert_eq!(format!("{:?}", http("http://u:s3cret@h/x?key=s3cret")), "http://h/…");
    }

    #[test]
    fn a_text_that_is_no_url_is_told_why() {
        for (text, why) in [
            ("camera.local/stream", BadUrl::NotAUrl(Scheme::Http)),
            ("", BadUrl::NotAUrl(Scheme::Http)),
            ("1http://h", BadUrl::NotAUrl(Scheme::Http)),
            ("https://h/x", BadUrl::OtherScheme(Scheme::Http)),
            ("rtsp://h/x", BadUrl::OtherScheme(Scheme::Http)),
            ("http://h/a b", BadUrl::BadCharacter),
            ("http://h/\r\nHost: x", BadUrl::BadCharacter),
            ("http://", BadUrl::NoHost(Scheme::Http)),
            ("http:///x", BadUrl::NoHost(Scheme::Http)),
            ("http://u:p@/x", BadUrl::NoHost(Scheme::Http)),
            ("http://[::1/x", BadUrl::NoHost(Scheme::Http)),
            ("http://h:0/", BadUrl::BadPort),
            ("http://h:65536/", BadUrl::BadPort),
            ("http://h:port/", BadUrl::BadPort),
            ("http://[::1]x/", BadUrl::BadPort),
            ("http://u:50%@h/", BadUrl::BadLogin),
        ] {
            assert_eq!(CameraUrl::parse(Scheme::Http, text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_url_of_rtsp_has_its_own_port_and_is_asked_for_without_its_login() {
        for (text, port, asked) in [
            ("rtsp://cam/live", 554, "rtsp://cam/live"),
            ("RTSP://me:s3cret@cam:8554/a?x=1", 8554, "rtsp://cam:8554/a?x=1"),
            ("rtsp://[fe80::1]/", 554, "rtsp://[fe80::1]/"),
        ] {
            let url = CameraUrl::parse(Scheme::Rtsp, text).unwrap();
            assert_eq!((url.port, &*url.without_login()), (port, asked));
        }
        let says = |text| CameraUrl::parse(Scheme::Rtsp, text).unwrap_err().to_string();
        assert!(says("cam/live").contains("write rtsp://HOST/PATH"));
        assert!(says("http://cam/live").contains("backend: mjpeg"));
        assert!(says("rtsps://cam/live").contains("backend: opencv"));
    }
}
