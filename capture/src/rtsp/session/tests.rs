//! Sessions with cameras that are scripts on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::secret::Secret;

use super::*;

/// A request, as far as a test looks at it.
struct Request {
    method: String,
    headers: String,
}

impl Request {
    fn read(from: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            if from.read_line(&mut headers).ok()? == 0 {
                return None;
            }
        }
        let method = headers.split(' ').next()?.to_owned();
        Some(Self { method, headers })
    }

    /// An answer to it, with the headers and the body behind it.
    fn answer(&self, status: &str, rest: &str) -> Vec<u8> {
        let number = self.headers.split("CSeq: ").nth(1).unwrap().lines().next().unwrap();
        format!("RTSP/1.0 {status}\r\nCSeq: {number}\r\n{rest}").into_bytes()
    }

    fn described_as(&self, encoding: &str) -> Vec<u8> {
        let description = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\n\
             m=video 0 RTP/AVP 96\r\na=rtpmap:96 {encoding}/90000\r\na=framerate:25\r\na=control:picture\r\n\
             a=fmtp:96 sprop-parameter-sets=Z0I=,aM4=\r\n"
        );
        let length = description.len();
        let headers = format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n");
        self.answer("200 OK", &(headers + &description))
    }

    /// The answers of a camera that does what it is asked for.
    fn granted(&self) -> Vec<u8> {
        match self.method.as_str() {
            "DESCRIBE" => self.described_as("H264"),
            "SETUP" => {
                self.answer("200 OK", "Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n")
            }
            _ => self.answer("200 OK", "Session: 7\r\n\r\n"),
        }
    }
}

/// A camera that answers each request so, and closes a connection instead of giving an empty answer. Gives its port.
fn camera(answer: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut requests = BufReader::new(connection.try_clone().unwrap());
            while let Some(request) = Request::read(&mut requests) {
                let answer = answer(&request);
                if answer.is_empty() || connection.write_all(&answer).is_err() {
                    break;
                }
            }
        }
    });
    port
}

fn config(url: String, transport: RtspTransport) -> RtspConfig {
    RtspConfig { url: Secret::from(url), transport, user: None, password_file: None }
}

fn opener(port: u16) -> Opener {
    Opener::new(&config(format!("rtsp://127.0.0.1:{port}/live"), RtspTransport::Tcp))
}

/// The error of a camera that can't be opened, and whether its login was refused.
fn refused(mut opener: Opener) -> (String, bool) {
    match opener.open() {
        Err(error @ SourceError::Lost { refused, .. }) => (error.to_string(), refused),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opens"),
    }
}

/// A packet of RTP between the messages, on channel 0.
fn interleaved(number: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 12).unwrap().to_be_bytes();
    [&[b'$', 0], &length[..], &[0x80, 0xE0], &number.to_be_bytes(), &[0, 0, 0, 9, 1, 2, 3, 4], payload]
        .concat()
}

/// The payloads of the packets that come within a second, each with what is missing before it, and how it ends.
fn packets(session: &mut Session) -> (Vec<(Vec<u8>, u16)>, Option<SourceError>) {
    let mut payloads = Vec::new();
    let until = MonotonicNs::now() + Duration::from_secs(1);
    let read = session.read(until, &mut |packet| {
        payloads.push((packet.payload.to_vec(), packet.lost));
        false
    });
    (payloads, read.err())
}

#[test]
fn a_stream_is_described_and_its_packets_come_until_the_camera_closes() {
    let port = camera(|request| {
        let mut answer = request.granted();
        if request.method == "PLAY" {
            answer.extend(interleaved(5, &[0x65, 1]));
            answer.extend(interleaved(8, &[0x41, 2]));
            // Not RTSP: the stream can't be read any more.
            answer.extend([&[0x55; 50][..], b"\r\n\r\n"].concat());
        }
        answer
    });
    let (mut session, described) = opener(port).open().unwrap();
    let sets = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xCE].to_vec();
    let (payload, rate) = (Payload::H264, Some(25.0));
    assert_eq!(described, Described { payload, clock_rate: 90_000, rate, sets, is_udp: false });
    let (payloads, end) = packets(&mut session);
    assert_eq!(payloads, [(vec![0x65, 1], 0), (vec![0x41, 2], 2)]);
    assert!(
        matches!(end, Some(SourceError::Lost { cause: LossBefore::Network, refused: false, .. })),
        "{end:?}"
    );
}

#[test]
fn a_session_that_is_dropped_is_ended_at_the_camera() {
    let (sender, ended) = std::sync::mpsc::channel();
    let port = camera(move |request| {
        if request.method == "TEARDOWN" {
            sender.send(()).unwrap();
        }
        request.granted()
    });
    drop(opener(port).open().unwrap());
    ended.recv_timeout(Duration::from_secs(5)).unwrap();
}

#[test]
fn each_refusal_is_one_message() {
    for (status, words) in
        [("404 Not Found", "404"), ("453 Not Enough Bandwidth", "453"), ("503 Service Unavailable", "503")]
    {
        let (why, refused) = refused(opener(camera(move |request| request.answer(status, "\r\n"))));
        assert!(why.starts_with("rtsp://127.0.0.1:") && why.contains(words) && !refused, "{why}");
    }
    let (why, _) = refused(opener(camera(|request| request.described_as("MP4V-ES"))));
    assert!(why.contains("mp4v-es") && why.contains("H.264, H.265 or JPEG"), "{why}");
    let (why, _) = refused(opener(camera(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())));
    assert!(why.contains("doesn't speak RTSP"), "{why}");
    let (why, _) = refused(opener(camera(|_| Vec::new())));
    assert!(why.contains("broke before its answer"), "{why}");
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (why, _) = refused(opener(free));
    assert!(why.contains(&format!("no connection to port {free}: Connection refused")), "{why}");
}

#[test]
fn a_name_that_leads_nowhere_is_told() {
    let (why, _) = refused(Opener::new(&config("rtsp://camera.invalid/".into(), RtspTransport::Tcp)));
    assert!(why.contains("its name can't be looked up"), "{why}");
}

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n\"\r\n\r\n";

#[test]
fn a_password_that_is_refused_is_told_with_its_user_and_never_shown() {
    let port = camera(|request| request.answer("401 Unauthorized", CHALLENGE));
    let (why, slower) = refused(opener(port));
    assert!(slower && why.contains("asks for a password (401"), "{why}");
    let url = format!("rtsp://me:s3cret@127.0.0.1:{port}/live");
    let (why, slower) = refused(Opener::new(&config(url, RtspTransport::Tcp)));
    assert!(slower && why.contains("password of user me (401") && !why.contains("s3cret"), "{why}");
    let missing = RtspConfig {
        user: Some("me".into()),
        password_file: Some("/nowhere/at/all".into()),
        ..config(format!("rtsp://127.0.0.1:{port}/"), RtspTransport::Tcp)
    };
    let (why, slower) = refused(Opener::new(&missing));
    assert!(slower && why.contains("password_file: /nowhere/at/all"), "{why}");
}

#[test]
fn basic_and_digest_are_answered_and_the_login_is_not_in_the_requests_url() {
    for challenge in ["WWW-Authenticate: Basic realm=\"cam\"\r\n\r\n", CHALLENGE] {
        let port = camera(move |request| {
            assert!(!request.headers.contains("s3cret"), "{}", request.headers);
            if request.headers.contains("Authorization: ") {
                request.granted()
            } else {
                request.answer("401 Unauthorized", challenge)
            }
        });
        let url = format!("rtsp://me:s3cret@127.0.0.1:{port}/live");
        assert!(Opener::new(&config(url, RtspTransport::Tcp)).open().is_ok(), "{challenge}");
    }
}

#[test]
fn a_challenge_that_is_made_anew_after_the_login_is_no_wrong_password() {
    let seen = AtomicUsize::new(0);
    let port = camera(move |request| {
        let is_logged_in = request.headers.contains("Authorization: ");
        let is_stale = request.method == "SETUP" && seen.fetch_add(1, Ordering::Relaxed) == 0;
        if !is_logged_in || is_stale {
            return request.answer("401 Unauthorized", CHALLENGE);
        }
        request.granted()
    });
    let url = format!("rtsp://me:s3cret@127.0.0.1:{port}/live");
    assert!(Opener::new(&config(url, RtspTransport::Tcp)).open().is_ok());
}

#[test]
fn a_camera_without_udp_is_asked_over_tcp() {
    let port = camera(|request| {
        if request.method == "SETUP" && request.headers.contains("client_port") {
            return request.answer("461 Unsupported Transport", "\r\n");
        }
        request.granted()
    });
    let url = format!("rtsp://127.0.0.1:{port}/live");
    let mut opener = Opener::new(&config(url, RtspTransport::Udp));
    let (_session, described) = opener.open().unwrap();
    assert!(!described.is_udp && opener.udp_refused);
    let neither = camera(|request| match request.method.as_str() {
        "SETUP" => request.answer("461 Unsupported Transport", "\r\n"),
        _ => request.granted(),
    });
    for (transport, words) in
        [(RtspTransport::Tcp, "write transport: udp"), (RtspTransport::Udp, "neither by UDP")]
    {
        let (why, _) = refused(Opener::new(&config(format!("rtsp://127.0.0.1:{neither}/"), transport)));
        assert!(why.contains(words) && why.contains("461"), "{why}");
    }
}

#[test]
fn a_camera_is_reached_at_an_ipv6_address() {
    let Ok(listener) = TcpListener::bind(("::1", 0)) else {
        println!("skipped: this machine has no IPv6");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let request = Request::read(&mut BufReader::new(connection.try_clone().unwrap())).unwrap();
        connection.write_all(&request.answer("404 Not Found", "\r\n")).unwrap();
    });
    let (why, _) = refused(Opener::new(&config(format!("rtsp://[::1]:{port}/"), RtspTransport::Tcp)));
    assert!(why.contains("404"), "{why}");
}
