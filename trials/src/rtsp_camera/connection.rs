//! One connection to a camera, on a thread of its own: answers requests, and sends the stream when its frames are due.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use proto::time::MonotonicNs;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_linger;

use super::login::Login;
use super::request::{Read, Request, Transport, read};
use super::stream::{Act, Stream};
use super::truth::Sent;
use super::words::Words;
use super::{Shared, camera_words, description};

/// The most time that passes before the end of the camera's life is noticed.
const LOOK: Duration = Duration::from_millis(20);
/// With `keepalive`: the time that a session has without a request.
const KEPT: Duration = Duration::from_secs(4);
/// With `awhile`: the time that a status lasts.
const AWHILE: Duration = Duration::from_secs(2);
/// A client that takes nothing for so long has gone.
const TAKES: Duration = Duration::from_secs(10);

/// A client's connection.
pub(super) struct Connection<'a> {
    shared: &'a Shared,
    stream: TcpStream,
    /// The cameras' life in which it was made.
    life: u64,
    input: Vec<u8>,
    login: Login,
    session: Option<Session>,
    last_request: Instant,
}

struct Session {
    number: u32,
    camera: String,
    words: Words,
    way: Way,
    playing: Option<Stream>,
}

/// The way of a session's packets.
enum Way {
    Interleaved(u8),
    Udp { rtp: UdpSocket, rtcp: UdpSocket },
}

/// The connection is over.
struct Over;

impl<'a> Connection<'a> {
    pub(super) fn new(shared: &'a Shared, stream: TcpStream, life: u64) -> Self {
        let login = Login::new(MonotonicNs::now().0);
        Self { shared, stream, life, input: Vec::new(), login, session: None, last_request: Instant::now() }
    }

    /// Serves until one side ends it.
    pub(super) fn serve(&mut self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_write_timeout(Some(TAKES))?;
        while !self.shared.has_ended(self.life) && !self.is_forgotten() {
            if self.await_input()? && self.answer_requests()?.is_some() {
                break;
            }
            if self.send_what_is_due()?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// With `keepalive`: was nothing asked for too long?
    fn is_forgotten(&self) -> bool {
        let is_kept =
            |session: &Session| !session.words.has("keepalive") || self.last_request.elapsed() <= KEPT;
        !self.session.as_ref().is_none_or(is_kept)
    }

    /// Waits for a request, until the next frame is due.
    fn await_input(&self) -> std::io::Result<bool> {
        let due = self.session.as_ref().and_then(|session| session.playing.as_ref()?.due());
        let wait = due.map_or(LOOK, |due| due.since(MonotonicNs::now()).min(LOOK));
        let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
        let wait = Timespec::try_from(wait).map_err(std::io::Error::other)?;
        Ok(poll(&mut fds, Some(&wait))? > 0)
    }

    fn answer_requests(&mut self) -> std::io::Result<Option<Over>> {
        let mut bytes = [0; 4096];
        let length = self.stream.read(&mut bytes)?;
        if length == 0 {
            return Ok(Some(Over));
        }
        self.input.extend(&bytes[..length]);
        loop {
            match read(&self.input) {
                Read::More => return Ok(None),
                Read::Packet(length) => drop(self.input.drain(..length)),
                Read::Request(request, length) => {
                    self.input.drain(..length);
                    if self.answer(&request)?.is_some() {
                        return Ok(Some(Over));
                    }
                }
            }
        }
    }

    fn answer(&mut self, request: &Request) -> std::io::Result<Option<Over>> {
        self.shared.requests.lock().unwrap().push(request.head.clone());
        let camera = request.camera();
        let Some(words) = Words::parse(camera_words(&camera)) else {
            return self.say(request, 404, &[], "");
        };
        if let Some(status) = self.status(&camera, &words) {
            return self.say(request, status, &[], "");
        }
        let method = request.method().to_owned();
        if method != "OPTIONS"
            && let Some(challenge) = self.login.refusal(&words, request)
        {
            // A session that is kept up by its requests isn't by those that were refused.
            return self.say(request, 401, &[format!("WWW-Authenticate: {challenge}")], "");
        }
        self.last_request = Instant::now();
        match method.as_str() {
            "OPTIONS" => {
                let methods =
                    "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
                self.say(request, 200, &[methods.to_owned()], "")
            }
            "DESCRIBE" => {
                let base = format!("Content-Base: {}/", request.url().trim_end_matches('/'));
                let body = description::of(&self.shared.source(&words).film, &words);
                self.say(request, 200, &[base, "Content-Type: application/sdp".to_owned()], &body)
            }
            "SETUP" => self.set_up(request, &camera, &words),
            "PLAY" => self.play(request),
            "GET_PARAMETER" | "SET_PARAMETER" => self.say(request, 200, &self.session_header(), ""),
            "TEARDOWN" if words.has("noteardown") => Ok(None),
            "TEARDOWN" => {
                let headers = self.session_header();
                self.end_session();
                self.say(request, 200, &headers, "")
            }
            _ => self.say(request, 501, &[], ""),
        }
    }

    fn say(
        &mut self,
        request: &Request,
        status: u16,
        headers: &[String],
        body: &str,
    ) -> std::io::Result<Option<Over>> {
        self.stream.write_all(&request.answer(status, headers, body))?;
        Ok(None)
    }

    /// The status that is the answer to everything.
    fn status(&self, camera: &str, words: &Words) -> Option<u16> {
        let everyone = self.shared.status.load(std::sync::atomic::Ordering::SeqCst);
        if everyone > 0 {
            return Some(everyone);
        }
        let first = *self.shared.asked.lock().unwrap().entry(camera.to_owned()).or_insert_with(Instant::now);
        words.status().filter(|_| !words.has("awhile") || first.elapsed() < AWHILE)
    }

    fn set_up(&mut self, request: &Request, camera: &str, words: &Words) -> std::io::Result<Option<Over>> {
        let transport = request.header("Transport").and_then(Transport::read);
        let (way, told) = match transport {
            Some(Transport::Interleaved(channel)) => (
                Way::Interleaved(channel),
                format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1),
            ),
            Some(Transport::Udp(port)) if !words.has("tcponly") => {
                let (rtp, rtcp) = udp_pair(self.stream.peer_addr()?, port)?;
                let own = rtp.local_addr()?.port();
                let ports = format!("client_port={port}-{};server_port={own}-{}", port + 1, own + 1);
                (Way::Udp { rtp, rtcp }, format!("RTP/AVP;unicast;{ports}"))
            }
            _ => return self.say(request, 461, &[], ""),
        };
        self.end_session();
        let begun = self.shared.sessions.lock().unwrap().begin(camera, words.has("two"), Instant::now());
        let Some(number) = begun else { return self.say(request, 453, &[], "") };
        let (camera, words) = (camera.to_owned(), words.clone());
        self.session = Some(Session { number, camera, words, way, playing: None });
        let mut headers = self.session_header();
        headers.push(format!("Transport: {told}"));
        self.say(request, 200, &headers, "")
    }

    fn session_header(&self) -> Vec<String> {
        let header = |session: &Session| {
            let timeout = if session.words.has("keepalive") { KEPT.as_secs() } else { 60 };
            format!("Session: {:08};timeout={timeout}", session.number)
        };
        self.session.iter().map(header).collect()
    }

    fn play(&mut self, request: &Request) -> std::io::Result<Option<Over>> {
        let mut headers = self.session_header();
        let Some(session) = &mut self.session else { return self.say(request, 454, &[], "") };
        if session.playing.is_none() {
            let source = self.shared.source(&session.words);
            let clock = self.shared.clock();
            let stream = Stream::new(&session.words, source, clock, session.number, MonotonicNs::now());
            let (sequence, time) = stream.beginning();
            if !session.words.has("noinfo") {
                let url = format!("{}/video", request.url().trim_end_matches('/'));
                headers.push(format!("RTP-Info: url={url};seq={sequence};rtptime={time}"));
            }
            session.playing = Some(stream);
        }
        self.say(request, 200, &headers, "")
    }

    fn send_what_is_due(&mut self) -> std::io::Result<Option<Over>> {
        let Some(session) = &mut self.session else { return Ok(None) };
        let Some(stream) = &mut session.playing else { return Ok(None) };
        let now = MonotonicNs::now();
        let mut bytes = Vec::new();
        let mut record = Vec::new();
        let mut end = None;
        while end.is_none() && stream.due().is_some_and(|due| due <= now) {
            for act in stream.next(now) {
                match act {
                    Act::Rtp(packet) => session.way.send(&packet, 0, &mut bytes),
                    Act::Rtcp(packet) => session.way.send(&packet, 1, &mut bytes),
                    Act::Raw(raw) if matches!(session.way, Way::Interleaved(_)) => bytes.extend(raw),
                    Act::Raw(_) => {}
                    Act::Frame(frame) => record.push(frame),
                    Act::Close | Act::Reset => end = Some(act),
                }
            }
        }
        // In the record first: whoever has seen a frame finds it there.
        for frame in record {
            self.shared.note(Sent {
                camera: session.camera.clone(),
                session: session.number,
                number: frame.number,
                position: frame.position,
                at: MonotonicNs::now(),
                part: frame.part,
                start: frame.start,
                is_doubtful: frame.is_doubtful,
            });
        }
        self.stream.write_all(&bytes)?;
        if end == Some(Act::Reset) {
            // Closed with this, the socket sends no FIN but RST.
            set_socket_linger(&self.stream, Some(Duration::ZERO))?;
        }
        Ok(end.map(|_| Over))
    }

    fn end_session(&mut self) {
        if let Some(session) = self.session.take() {
            let lingers = session.words.has("noteardown");
            self.shared.sessions.lock().unwrap().end(session.number, lingers, Instant::now());
        }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.end_session();
    }
}

impl Way {
    /// Sends a packet of the stream (0) or a report on it (1); one that travels between answers is put behind `bytes`.
    fn send(&self, packet: &[u8], kind: u8, bytes: &mut Vec<u8>) {
        match self {
            Self::Interleaved(channel) => {
                bytes.extend([b'$', channel + kind]);
                bytes.extend(u16::try_from(packet.len()).unwrap().to_be_bytes());
                bytes.extend(packet);
            }
            Self::Udp { rtp, rtcp } => {
                // A client that is gone refuses it, as the next send hears. Its connection tells that too.
                let _ = if kind == 0 { rtp } else { rtcp }.send(packet);
            }
        }
    }
}

/// Two neighbouring ports, the first of which is even, connected to the client's two.
fn udp_pair(client: SocketAddr, port: u16) -> std::io::Result<(UdpSocket, UdpSocket)> {
    let bind = |port: u16| UdpSocket::bind(("127.0.0.1", port));
    for _ in 0..100 {
        let rtp = bind(0)?;
        let own = rtp.local_addr()?.port();
        if own % 2 == 1 {
            continue;
        }
        let Ok(rtcp) = bind(own + 1) else { continue };
        rtp.connect((client.ip(), port))?;
        rtcp.connect((client.ip(), port + 1))?;
        return Ok((rtp, rtcp));
    }
    Err(std::io::Error::other("no two neighbouring ports are free"))
}
