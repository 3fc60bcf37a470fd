//! What a client sends: requests, and packets of its own between them; and how a camera answers. Pure.

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// Its first line and its headers.
    pub head: String,
}

/// The first thing in some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A request, and the number of its bytes.
    Request(Request, usize),
    /// So many bytes that ask for nothing: a packet of the client's.
    Packet(usize),
    /// Less than one of these.
    More,
}

/// Reads the first thing in some bytes.
pub(super) fn read(bytes: &[u8]) -> Read {
    if let [b'$', _, high, low, ..] = bytes {
        let length = 4 + usize::from(u16::from_be_bytes([*high, *low]));
        return if bytes.len() < length { Read::More } else { Read::Packet(length) };
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Read::More };
    let request = Request { head: String::from_utf8_lossy(&bytes[..end]).into_owned() };
    let body = request.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let length = end + 4 + body;
    if bytes.len() < length { Read::More } else { Read::Request(request, length) }
}

impl Request {
    fn word(&self, at: usize) -> &str {
        self.head.lines().next().and_then(|line| line.split(' ').nth(at)).unwrap_or_default()
    }

    /// The method.
    pub(super) fn method(&self) -> &str {
        self.word(0)
    }

    /// The URL, as it was written.
    pub(super) fn url(&self) -> &str {
        self.word(1)
    }

    /// The path of the camera that is asked: that of the URL without the name of its track.
    pub(super) fn camera(&self) -> String {
        let path = self.url().split_once("://").map_or(self.url(), |(_, rest)| rest);
        let path = path.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/');
        path.strip_suffix("/video").unwrap_or(path).to_owned()
    }

    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut of_name = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        of_name.next().map(|(_, value)| value.trim())
    }

    /// The answer to it: a status, more headers, and a body.
    pub(super) fn answer(&self, status: u16, headers: &[String], body: &str) -> Vec<u8> {
        let words = match status {
            200 => "OK",
            401 => "Unauthorized",
            404 => "Not Found",
            453 => "Not Enough Bandwidth",
            454 => "Session Not Found",
            461 => "Unsupported Transport",
            501 => "Not Implemented",
            503 => "Service Unavailable",
            _ => "As Asked",
        };
        let mut text =
            format!("RTSP/1.0 {status} {words}\r\nCSeq: {}\r\n", self.header("CSeq").unwrap_or("0"));
        headers.iter().for_each(|header| text += &format!("{header}\r\n"));
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        (text + "\r\n" + body).into_bytes()
    }
}

/// The way by which packets are to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Between the answers, on this channel and the next.
    Interleaved(u8),
    /// To this UDP port and the next.
    Udp(u16),
}

impl Transport {
    /// Reads a `Transport` header. `None` for one that no camera knows.
    pub(super) fn read(header: &str) -> Option<Self> {
        let value = |key: &str| header.split(';').find_map(|part| part.trim().strip_prefix(key));
        let first = |range: &str| range.split('-').next().unwrap_or_default().to_owned();
        if header.starts_with("RTP/AVP/TCP") {
            return value("interleaved=")
                .map_or(Some(0), |channels| first(channels).parse().ok())
                .map(Self::Interleaved);
        }
        first(value("client_port=")?).parse().ok().map(Self::Udp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_packets_are_told_apart() {
        let text = b"SETUP rtsp://h:1/loss+gdr/a/video RTSP/1.0\r\ncseq: 3\r\nContent-Length: 2\r\n\r\nxy$";
        assert_eq!(read(&text[..20]), Read::More);
        assert_eq!(read(&text[..text.len() - 2]), Read::More);
        let Read::Request(request, length) = read(text) else { panic!() };
        assert_eq!(length, text.len() - 1);
        assert_eq!((request.method(), request.camera().as_str()), ("SETUP", "loss+gdr/a"));
        assert_eq!(request.header("CSeq"), Some("3"));
        let answer = String::from_utf8(request.answer(200, &["Session: 1".into()], "v=0")).unwrap();
        assert_eq!(answer, "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 1\r\nContent-Length: 3\r\n\r\nv=0");
        assert_eq!(read(&[b'$', 1, 0, 3, 9, 9]), Read::More);
        assert_eq!(read(&[b'$', 1, 0, 3, 9, 9, 9, 9]), Read::Packet(7));
    }

    #[test]
    fn a_transport_is_a_channel_or_a_port() {
        let read = Transport::read;
        assert_eq!(read("RTP/AVP/TCP;unicast;interleaved=2-3"), Some(Transport::Interleaved(2)));
        assert_eq!(read("RTP/AVP;unicast;client_port=5000-5001"), Some(Transport::Udp(5000)));
        assert_eq!(read("RTP/SAVP;unicast"), None);
    }
}
