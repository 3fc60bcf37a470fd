//! The head of a camera's answer over HTTP, and what it means for a stream.

use std::fmt;

/// A camera's head is shorter; more is no head.
const LONGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) is_chunked: bool,
    /// The stream's other place.
    pub(super) location: Option<String>,
    /// The ways to log in, all in one line.
    pub(super) challenges: String,
}

/// Bytes that are no head of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHttp;

impl Reply {
    /// Reads the head at the beginning of some bytes, and says how long it is. `None` while it isn't whole.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, NotHttp> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let mut rules = httparse::ParserConfig::default();
        rules
            .allow_spaces_after_header_name_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true);
        let length = match rules.parse_response(&mut head, bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < LONGEST_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) | Err(_) => return Err(NotHttp),
        };
        let mut reply = Self { status: head.code.unwrap_or(0), ..Self::default() };
        for header in head.headers.iter() {
            let value = String::from_utf8_lossy(header.value).trim().to_owned();
            match header.name.to_ascii_lowercase().as_str() {
                "content-type" => reply.content_type = value.to_ascii_lowercase(),
                "transfer-encoding" => reply.is_chunked = value.to_ascii_lowercase().contains("chunked"),
                "location" => reply.location = Some(value),
                "www-authenticate" if reply.challenges.is_empty() => reply.challenges = value,
                "www-authenticate" => reply.challenges.extend([", ", &value]),
                _ => {}
            }
        }
        Ok(Some((reply, length)))
    }

    /// The reason why no stream follows this head, in words, with what to do; `None` for one that a stream may follow.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self.status {
            200 if self.content_type.starts_with("text/") => Some(Refusal::Page),
            200 if self.content_type.starts_with("image/") => Some(Refusal::Picture),
            200 => None,
            other => Some(Refusal::Status(other)),
        }
    }

    /// Does it say that the stream is elsewhere?
    pub(super) fn is_redirection(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

/// An answer without a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A text: most cameras have a page for people beside their stream.
    Page,
    /// One picture: most cameras give stills at another path.
    Picture,
    /// Another status than 200.
    Status(u16),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Status(status) = self else {
            let what = if *self == Self::Page {
                "answers with a page of text"
            } else {
                "gives one picture and no stream"
            };
            return write!(f, "it {what}; look in the camera's manual for the URL of its stream");
        };
        match status {
            403 => f.write_str("it forbids this stream (403); the user may lack the right to see it"),
            404 | 410 => write!(f, "it has nothing at this path ({status}); check the URL"),
            429 | 503 => {
                write!(f, "it is busy ({status}); many cameras serve one or two viewers, so close the others")
            }
            500..=599 => write!(f, "it has failed ({status}); it is asked again"),
            _ => write!(f, "it answers with status {status}, and a stream begins with 200; check the URL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(head: &str) -> Reply {
        let (reply, length) = Reply::parse(head.as_bytes()).unwrap().unwrap();
        assert_eq!(length, head.len());
        reply
    }

    #[test]
    fn heads_as_cameras_write_them_are_read() {
        let plain = reply(
            "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n",
        );
        assert!(plain.content_type.starts_with("multipart/") && !plain.is_chunked, "{plain:?}");
        assert_eq!(plain.refusal(), None);
        let esp = reply(
            "HTTP/1.1 200 OK\nContent-Type : multipart/x-mixed-replace\nTransfer-Encoding: Chunked\n\n",
        );
        assert!(esp.is_chunked && esp.refusal().is_none(), "{esp:?}");
        assert_eq!(reply("HTTP/1.1 200\r\n\r\n").refusal(), None, "neither reason nor type");
        let odd = reply("HTTP/1.1 200 OK\r\nno header\r\nServer: x\r\n\r\n");
        assert_eq!(odd.status, 200);
        let two = reply(
            "HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm=\"a\"\r\nwww-authenticate: Basic realm=\"b\"\r\n\r\n",
        );
        assert_eq!(two.challenges, "Digest realm=\"a\", Basic realm=\"b\"");
        assert!(reply("HTTP/1.1 302 Found\r\nLocation: /live\r\n\r\n").is_redirection());
    }

    #[test]
    fn a_head_is_whole_or_not_or_none() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(Reply::parse(&head[..cut]), Ok(None), "{cut} bytes");
        }
        for other in [&b"SSH-2.0-OpenSSH_9\r\n"[..], b"\xFF\xD8\xFF", b"RTSP/1.0 200 OK\r\n\r\n"] {
            assert_eq!(Reply::parse(other), Err(NotHttp), "{other:?}");
        }
        let endless = [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'x'; LONGEST_HEAD]].concat();
        assert_eq!(Reply::parse(&endless), Err(NotHttp));
    }

    #[test]
    fn an_answer_without_a_stream_says_what_to_do() {
        for (head, words) in [
            ("HTTP/1.1 404 Not Found\r\n\r\n", "nothing at this path (404)"),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "forbids"),
            ("HTTP/1.1 503 Busy\r\n\r\n", "one or two viewers"),
            ("HTTP/1.1 500 Oops\r\n\r\n", "failed (500)"),
            ("HTTP/1.1 206 Part\r\n\r\n", "status 206"),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "a page of text"),
            ("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n", "one picture and no stream"),
        ] {
            let says = reply(head).refusal().unwrap().to_string();
            assert!(says.contains(words), "{says}");
        }
    }
}
