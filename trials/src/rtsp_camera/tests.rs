//! A server of cameras, and a plain client.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use super::truth::{Part, capturable};
use super::*;

/// A client over TCP that reads what comes.
struct Client {
    reader: BufReader<TcpStream>,
    url: String,
    requests: u32,
    session: String,
}

/// Something that a camera sends.
enum Came {
    Answer { status: u16, head: String, body: String },
    Packet { channel: u8, bytes: Vec<u8> },
}

impl Client {
    fn of(camera: &RtspCamera, words: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", camera.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { reader: BufReader::new(stream), url: camera.url(words), requests: 0, session: String::new() }
    }

    /// The next thing that comes. `None` at the end.
    fn next(&mut self) -> std::io::Result<Option<Came>> {
        let Some(first) = self.reader.fill_buf()?.first().copied() else { return Ok(None) };
        if first == b'$' {
            let mut head = [0; 4];
            self.reader.read_exact(&mut head)?;
            let mut bytes = vec![0; u16::from_be_bytes([head[2], head[3]]).into()];
            self.reader.read_exact(&mut bytes)?;
            return Ok(Some(Came::Packet { channel: head[1], bytes }));
        }
        let mut head = String::new();
        while self.reader.read_line(&mut head)? > 2 {}
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        Ok(Some(Came::Answer { status: status.unwrap_or(0), head, body }))
    }

    /// Asks, and waits for the answer.
    fn ask(&mut self, method: &str, more: &str) -> (u16, String, String) {
        self.requests += 1;
        let (url, number, session) = (&self.url, self.requests, &self.session);
        let text = format!("{method} {url} RTSP/1.0\r\nCSeq: {number}\r\n{session}{more}\r\n");
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
        loop {
            match self.next().unwrap().expect("an answer") {
                Came::Answer { status, head, body } => {
                    assert!(head.contains(&format!("CSeq: {number}\r\n")), "{head}");
                    return (status, head, body);
                }
                Came::Packet { .. } => {}
            }
        }
    }

    fn play(&mut self) -> u16 {
        let (status, _, _) = self.ask("DESCRIBE", "");
        if status != 200 {
            return status;
        }
        let (status, head, _) = self.ask("SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
        if status != 200 {
            return status;
        }
        let session = head.lines().find(|line| line.starts_with("Session: ")).unwrap();
        self.session = format!("{}\r\n", session.split(';').next().unwrap());
        self.ask("PLAY", "").0
    }

    /// The RTP packets that come before the end, `most` at most.
    fn packets(&mut self, most: usize) -> std::io::Result<Vec<Vec<u8>>> {
        let mut packets = Vec::new();
        while packets.len() < most {
            match self.next()? {
                Some(Came::Packet { channel: 0, bytes }) => packets.push(bytes),
                Some(_) => {}
                None => break,
            }
        }
        Ok(packets)
    }
}

fn camera() -> RtspCamera {
    let mut options = Options::small(16);
    // Ten times as fast as life.
    options.pictures.fps = 150;
    options.pictures.frames = 240;
    let camera = RtspCamera::start(options).unwrap();
    camera.prepare(&["ok"]);
    camera
}

#[test]
fn a_client_gets_the_frames_that_the_record_names() {
    let camera = camera();
    let mut client = Client::of(&camera, "close/left");
    let (_, _, description) = client.ask("DESCRIBE", "");
    assert!(
        description.contains("H264/90000") && description.contains("sprop-parameter-sets="),
        "{description}"
    );
    assert_eq!(client.play(), 200);
    let packets = client.packets(usize::MAX).unwrap();
    let sent = camera.sent("close/left");
    assert_eq!(sent.len(), 30);
    assert_eq!(packets.iter().filter(|packet| packet[1] >= 0x80).count(), 30);
    assert!(sent.iter().all(|frame| frame.part == Part::Whole && frame.session == 1));
    let numbers: Vec<u64> = sent.iter().map(|frame| frame.number).collect();
    assert_eq!(capturable(&sent).surely.into_iter().collect::<Vec<_>>(), numbers);
    assert_eq!(numbers[0] % 8, 0);
    assert_eq!(camera.sent("close/right"), []);
}

#[test]
fn a_connection_is_reset() {
    let camera = camera();
    let mut client = Client::of(&camera, "rst");
    assert_eq!(client.play(), 200);
    let error = client.packets(usize::MAX).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn cameras_refuse_as_their_words_say() {
    let camera = camera();
    for (words, status) in [("ok", 200), ("404", 404), ("503+awhile", 503), ("auth", 401), ("nonsense", 404)]
    {
        assert_eq!(Client::of(&camera, words).play(), status, "{words}");
    }
    let mut clients: Vec<Client> = (0..3).map(|_| Client::of(&camera, "two")).collect();
    assert_eq!(clients.iter_mut().map(Client::play).collect::<Vec<_>>(), [200, 200, 453]);
    let udp = |words: &str| {
        let mut client = Client::of(&camera, words);
        client.ask("SETUP", "Transport: RTP/AVP;unicast;client_port=50000-50001\r\n").0
    };
    assert_eq!([udp("ok"), udp("tcponly")], [200, 461]);
    camera.answer_with(Some(503));
    assert_eq!(Client::of(&camera, "ok").play(), 503);
}

#[test]
fn a_server_that_leaves_ends_its_connections_and_comes_back_at_the_same_port() {
    let mut camera = camera();
    let mut client = Client::of(&camera, "ok");
    assert_eq!(client.play(), 200);
    assert_eq!(client.packets(5).unwrap().len(), 5);
    camera.leave();
    client.packets(usize::MAX).unwrap();
    camera.come_back();
    assert_eq!(Client::of(&camera, "ok").play(), 200);
    assert!(camera.requests().iter().filter(|request| request.starts_with("PLAY ")).count() == 2);
}

#[test]
fn a_client_that_asks_for_its_session_to_end_is_let_go_or_not() {
    let camera = camera();
    let mut client = Client::of(&camera, "ok");
    assert_eq!(client.play(), 200);
    assert_eq!(client.ask("GET_PARAMETER", "").0, 200);
    assert_eq!(client.ask("TEARDOWN", "").0, 200);
    let before = camera.sent("ok").len();
    assert_eq!(client.ask("OPTIONS", "").0, 200);
    assert_eq!(camera.sent("ok").len(), before);
    let mut client = Client::of(&camera, "noteardown");
    assert_eq!(client.play(), 200);
    client.reader.get_mut().write_all(b"TEARDOWN rtsp://h/noteardown RTSP/1.0\r\nCSeq: 9\r\n\r\n").unwrap();
    // The stream goes on.
    assert_eq!(client.packets(20).unwrap().len(), 20);
}
