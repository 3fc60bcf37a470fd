//! Cameras that send Motion JPEG over HTTP: a multipart answer that never ends. Opening one is a connection, a request and
//! perhaps a login, some seconds at most; after that the stream is read as it comes. Frames are found by their own bytes
//! ([`Jpegs`]), so nothing depends on what the multipart says.

mod chunked;
mod connection;
mod login;
mod reply;

use std::net::TcpStream;
use std::time::Duration;

use proto::config::{CameraConfig, MjpegConfig};
use proto::frame::LossBefore;
use proto::offer::Offer;
use proto::source::{CameraUrl, Scheme};
use proto::time::MonotonicNs;

use crate::login::Login;
use crate::reopening::{Live, Reopening};
use crate::source::{CameraSetup, Source, SourceError};
use crate::stream::{ByteStream, Expected, Inbox, Jpegs, MOST_BYTES, StreamSource, fd, most_bytes};
use chunked::Chunked;
use connection::Answer;
use reply::Reply;

/// Requests for one opening: the first, a login, and where the camera sends on to, with a login there.
const MOST_REQUESTS: usize = 6;
/// The time in which a camera that is looked at shows a frame. A look has five seconds for everything.
const SHOWS_WITHIN: Duration = Duration::from_secs(3);

/// The camera of this config, opened again whenever it is lost.
pub(crate) fn reopening(setup: &CameraSetup, config: &MjpegConfig) -> Box<dyn Source> {
    let config = config.clone();
    let spec = *setup.ring.spec();
    let expected = Expected {
        size: Some((spec.geometry.width(), spec.geometry.height())),
        fps: spec.fps,
        ..expected(&setup.camera, &config)
    };
    let open = move || Ok(Box::new(open(&config, expected.clone(), most_bytes(&spec))?) as Live);
    Reopening::of(setup, Box::new(open))
}

/// Asks the camera what it gives: opens its stream, looks at the first frames, and closes it.
///
/// # Errors
/// [`SourceError`]: the camera isn't there, refuses the login, or gives no stream.
pub(crate) fn probe(camera: &CameraConfig, config: &MjpegConfig) -> Result<Offer, SourceError> {
    let until = MonotonicNs::now() + SHOWS_WITHIN;
    open(config, expected(camera, config), MOST_BYTES)?.look(until)
}

/// The facts that are known without a ring.
fn expected(camera: &CameraConfig, config: &MjpegConfig) -> Expected {
    Expected {
        input: config.url.to_string(),
        size: None,
        fps: camera.fps,
        is_rate_typed: camera.typed.fps.is_some(),
        may_change: false,
        is_lost_when_silent: true,
    }
}

fn open(config: &MjpegConfig, expected: Expected, most_bytes: usize) -> Result<StreamSource, SourceError> {
    let Answer { reply, socket, body } = Opening { config, input: &expected.input }.answer()?;
    let stream = HttpStream {
        input: expected.input.clone(),
        socket,
        early: body,
        chunked: reply.is_chunked.then(Chunked::default),
    };
    Ok(StreamSource::new(expected, Box::new(stream), Box::new(Jpegs::new(most_bytes))))
}

/// The opening of one camera.
struct Opening<'a> {
    config: &'a MjpegConfig,
    input: &'a str,
}

impl Opening<'_> {
    /// The answer that a stream follows.
    fn answer(&self) -> Result<Answer, SourceError> {
        let input = self.input.to_owned();
        let mut url = CameraUrl::parse(Scheme::Http, self.config.url.reveal())
            .map_err(|why| SourceError::Unusable { input, reason: why.to_string() })?;
        let (user, file) = (self.config.user.as_deref(), self.config.password_file.as_deref());
        let login = Login::of(&url, user, file).map_err(|why| self.refused(why))?;
        let mut authorization = None;
        for _ in 0..MOST_REQUESTS {
            let answer =
                connection::ask(&url, authorization.as_deref()).map_err(|why| self.unreachable(&why))?;
            let reply = &answer.reply;
            if reply.status == 401 {
                authorization = Some(self.log_in(login.as_ref(), authorization.is_some(), reply, &url)?);
            } else if reply.is_redirection() {
                url.target = self.sent_on(reply, &url)?;
                authorization = None;
            } else if let Some(refusal) = reply.refusal() {
                return Err(SourceError::stalled(self.input, refusal.to_string()));
            } else {
                return Ok(answer);
            }
        }
        Err(SourceError::stalled(self.input, "it sends on from one path to the next without an end"))
    }

    /// The header to log in with.
    fn log_in(
        &self,
        login: Option<&Login>,
        is_second: bool,
        reply: &Reply,
        url: &CameraUrl,
    ) -> Result<String, SourceError> {
        let Some(login) = login else {
            let why = "it asks for a password (401 unauthorised); write user and password_file";
            return Err(self.refused(why.into()));
        };
        if is_second {
            let user = &login.user;
            return Err(self.refused(format!("it refuses the password of user {user} (401 unauthorised)")));
        }
        login.answer(&reply.challenges, &url.target).map_err(|why| self.refused(why))
    }

    /// The target on the same host that a redirection names. Whoever answers elsewhere must not be handed the password.
    fn sent_on(&self, reply: &Reply, url: &CameraUrl) -> Result<String, SourceError> {
        let location = reply.location.as_deref().unwrap_or_default();
        if location.starts_with('/')
            && !location.starts_with("//")
            && location.bytes().all(|b| b.is_ascii_graphic())
        {
            return Ok(location.to_owned());
        }
        match CameraUrl::parse(Scheme::Http, location) {
            Ok(there) if there.host.eq_ignore_ascii_case(&url.host) && there.port == url.port => {
                Ok(there.target)
            }
            _ => {
                let there = proto::secret::masked(location);
                let reason = format!(
                    "it sends on to {there:?}, which isn't followed; write that URL if it is the camera's"
                );
                Err(SourceError::stalled(self.input, reason))
            }
        }
    }

    fn refused(&self, reason: String) -> SourceError {
        SourceError::Lost {
            input: self.input.to_owned(),
            reason,
            cause: LossBefore::CameraStall,
            refused: true,
        }
    }

    fn unreachable(&self, why: &connection::NoAnswer) -> SourceError {
        let reason = why.to_string();
        SourceError::Lost { input: self.input.to_owned(), reason, cause: LossBefore::Network, refused: false }
    }
}

/// The body of an answer, as it comes.
struct HttpStream {
    input: String,
    socket: TcpStream,
    /// The bytes that came with the head.
    early: Vec<u8>,
    chunked: Option<Chunked>,
}

impl HttpStream {
    fn lost(&self, reason: String) -> SourceError {
        SourceError::Lost { input: self.input.clone(), reason, cause: LossBefore::Network, refused: false }
    }

    fn ended(&self) -> SourceError {
        self.lost("it closed the connection".into())
    }

    /// Passes bytes of the body on.
    fn pass_on(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), SourceError> {
        let Some(chunked) = &mut self.chunked else {
            to.extend_from_slice(bytes);
            return Ok(());
        };
        let undone = chunked.undo(bytes, to);
        undone.map_err(|_| self.lost("it says that its answer comes in chunks, and it doesn't".into()))
    }
}

impl ByteStream for HttpStream {
    fn read(&mut self, inbox: &mut Inbox, until: MonotonicNs) -> Result<bool, SourceError> {
        let mut bytes = std::mem::take(&mut self.early);
        if self.chunked == Some(Chunked::End) {
            return Err(self.ended());
        }
        if bytes.is_empty() {
            let broken = |e| self.lost(format!("the connection broke: {e}"));
            if !fd::is_readable(&self.socket, until).map_err(broken)? {
                return Ok(false);
            }
            if self.chunked.is_none() {
                let read =
                    inbox.take_in(MonotonicNs::now(), |to| fd::read(&self.socket, to)).map_err(broken)?;
                return if read == fd::Read::End { Err(self.ended()) } else { Ok(read == fd::Read::Bytes) };
            }
            match fd::read(&self.socket, &mut bytes).map_err(broken)? {
                fd::Read::Bytes => {}
                fd::Read::Nothing => return Ok(false),
                fd::Read::End => return Err(self.ended()),
            }
        }
        inbox.take_in(MonotonicNs::now(), |to| self.pass_on(&bytes, to)).map(|()| true)
    }
}
