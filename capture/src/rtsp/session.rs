//! Sessions of RTSP, by the crate retina: [`Opener`] asks a camera for its stream, [`Session`] reads the packets. Everything that
//! knows retina or tokio is here.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use capture::login::Login;
use capture::rtp::{self, Packet};
use capture::source::SourceError;
use futures_core::Stream as _;
use proto::config::{RtspConfig, RtspTransport};
use proto::frame::{LossBefore, Payload};
use proto::source::{CameraUrl, Scheme};
use proto::time::MonotonicNs;
use retina::client::{
    Credentials, Described as Answered, PacketItem, PlayOptions, Playing, SessionGroup, SessionOptions,
    SetupOptions, Transport,
};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use url::Url;

use super::facts::{Described, Packets};
use super::refusal::{Refusal, first_line};

/// The time in which a camera takes a connection and describes its streams.
const DESCRIBES_WITHIN: Duration = Duration::from_secs(4);
/// The time in which it answers each request after that.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// The time in which it answers that a session is over. Some cameras serve no other before that.
const ENDS_WITHIN: Duration = Duration::from_millis(100);
/// A thread that has looked a name up ends after this time.
const THREAD_LASTS: Duration = Duration::from_millis(1);
/// The status of an answer to a way of transport that the camera doesn't have.
const UNSUPPORTED_TRANSPORT: u16 = 461;
/// The status of an answer to a login that is wrong or too old.
const UNAUTHORISED: u16 = 401;
/// The client's words for a challenge that it can't answer.
const UNKNOWN_CHALLENGE: &str = "Can't understand";
/// The name by which the camera knows this program.
const AGENT: &str = "preroll";

/// Opens the stream of one camera, again and again.
pub(super) struct Opener {
    config: RtspConfig,
    /// The camera takes no UDP, which has been told.
    udp_refused: bool,
}

/// A stream that plays, as the client has it.
type Live = retina::client::Session<Playing>;

/// A stream that plays.
pub(super) struct Session {
    input: String,
    runtime: Runtime,
    /// `None` while it is being ended.
    playing: Option<Live>,
    /// Knows when the camera has been told that the session is over.
    group: Arc<SessionGroup>,
    has_reports: bool,
}

impl Opener {
    pub(super) fn new(config: &RtspConfig) -> Self {
        Self { config: config.clone(), udp_refused: false }
    }

    /// Opens the stream. Takes some seconds at most, and as long as looking a name up takes.
    pub(super) fn open(&mut self) -> Result<(Session, Described), SourceError> {
        let input = self.config.url.to_string();
        let unusable = |reason| SourceError::Unusable { input: input.clone(), reason };
        let url = CameraUrl::parse(Scheme::Rtsp, self.config.url.reveal())
            .map_err(|why| unusable(why.to_string()))?;
        let asked =
            Url::parse(&url.without_login()).map_err(|why| unusable(format!("this is no URL: {why}")))?;
        let login = Login::of(&url, self.config.user.as_deref(), self.config.password_file.as_deref())
            .map_err(|why| Refusal::of_login(why).into_error(&input))?;
        let runtime = runtime().map_err(|e| {
            SourceError::stalled(input.clone(), format!("this machine gives no means to wait for it: {e}"))
        })?;
        let group = Arc::new(SessionGroup::default());
        let opening = Opening { url: asked, login, group: Arc::clone(&group), port: url.port };
        match runtime.block_on(opening.open(self)) {
            Ok((playing, described)) => {
                Ok((Session { input, runtime, playing: Some(playing), group, has_reports: false }, described))
            }
            Err(refusal) => {
                end(&runtime, &group);
                // A name may still be looked up.
                runtime.shutdown_background();
                Err(refusal.into_error(&input))
            }
        }
    }

    /// Tells once that packets come over TCP although UDP was asked for.
    fn note_udp_refused(&mut self) {
        if !std::mem::replace(&mut self.udp_refused, true) {
            let input = &self.config.url;
            tracing::warn!("{input}: it takes no UDP (461 unsupported transport); its packets come over TCP");
        }
    }
}

/// A runtime on the thread that waits, without threads of its own but for one that looks names up.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(1)
        .thread_keep_alive(THREAD_LASTS)
        .build()
}

/// The requests of one opening.
struct Opening {
    url: Url,
    login: Option<Login>,
    group: Arc<SessionGroup>,
    port: u16,
}

/// A request that failed.
struct Failure {
    refusal: Refusal,
    /// The status of the answer, if there was one.
    status: Option<u16>,
    /// The camera has answered a request before.
    is_late: bool,
}

impl Opening {
    async fn open(&self, opener: &mut Opener) -> Result<(Live, Described), Refusal> {
        let mut opened = self.request(opener).await;
        // The login was right for the first request: the camera has only made a new challenge.
        if matches!(&opened, Err(failure) if failure.status == Some(UNAUTHORISED) && failure.is_late) {
            opened = self.request(opener).await;
        }
        opened.map_err(|failure| failure.refusal)
    }

    /// Makes each request once, and once more with a login if the camera asks for it.
    async fn request(&self, opener: &mut Opener) -> Result<(Live, Described), Failure> {
        let described = retina::client::Session::describe(self.url.clone(), self.options());
        let mut session = self.answered(DESCRIBES_WITHIN, described).await?;
        let (index, payload) = chosen(&session)?;
        let late = |failure| Failure { is_late: true, ..failure };
        let is_udp = self.set_up(&mut session, index, opener).await.map_err(late)?;
        let stream = &session.streams()[index];
        let described = Described {
            payload,
            clock_rate: stream.clock_rate_hz(),
            rate: stream.framerate().map(f64::from),
            sets: rtp::parameter_sets(&String::from_utf8_lossy(session.sdp()), index),
            is_udp,
        };
        let playing = session.play(PlayOptions::default());
        Ok((self.answered(ANSWERS_WITHIN, playing).await.map_err(late)?, described))
    }

    fn options(&self) -> SessionOptions {
        let login = self.login.as_ref().map(|login| Credentials {
            username: login.user.clone(),
            password: login.password.reveal().to_owned(),
        });
        SessionOptions::default().creds(login).user_agent(AGENT.into()).session_group(Arc::clone(&self.group))
    }

    /// Asks for the packets of one stream, and says whether they come by UDP.
    async fn set_up(
        &self,
        session: &mut retina::client::Session<Answered>,
        index: usize,
        opener: &mut Opener,
    ) -> Result<bool, Failure> {
        let wants_udp = opener.config.transport == RtspTransport::Udp;
        if wants_udp {
            let udp = SetupOptions::default().transport(Transport::Udp(Default::default()));
            match self.answered(ANSWERS_WITHIN, session.setup(index, udp)).await {
                Err(Failure { status: Some(UNSUPPORTED_TRANSPORT), .. }) => opener.note_udp_refused(),
                other => return other.map(|()| true),
            }
        }
        let set_up = self.answered(ANSWERS_WITHIN, session.setup(index, SetupOptions::default())).await;
        set_up.map(|()| false).map_err(|failure| match failure.status {
            Some(UNSUPPORTED_TRANSPORT) => {
                let reason = if wants_udp {
                    "it sends neither by UDP nor over TCP (461 unsupported transport)"
                } else {
                    "it doesn't send over TCP (461 unsupported transport); write transport: udp"
                };
                Failure { refusal: Refusal::of_camera(reason), ..failure }
            }
            _ => failure,
        })
    }

    /// Waits for the answer to a request.
    async fn answered<T>(
        &self,
        within: Duration,
        request: impl Future<Output = Result<T, retina::Error>>,
    ) -> Result<T, Failure> {
        match timeout(within, request).await {
            Ok(answer) => answer.map_err(|error| self.failure(&error)),
            Err(_) => {
                let reason = format!("it gave no answer within {} s", within.as_secs());
                Err(Failure::of(Refusal::of_network(reason)))
            }
        }
    }

    fn failure(&self, error: &retina::Error) -> Failure {
        let (status, text) = (error.status_code(), error.to_string());
        let user = self.login.as_ref().map(|login| &*login.user);
        let refusal = match status {
            Some(200..=299) => Refusal::of_camera(format!("its answer can't be used: {}", first_line(&text))),
            Some(UNAUTHORISED) if text.contains(UNKNOWN_CHALLENGE) => {
                Refusal::of_login("it asks for a password in a way that isn't known here (401 unauthorised)")
            }
            Some(status) => Refusal::of_status(status, user),
            None => Refusal::of_error(&text, self.port),
        };
        Failure { refusal, status, is_late: false }
    }
}

impl Failure {
    fn of(refusal: Refusal) -> Self {
        Self { refusal, status: None, is_late: false }
    }
}

/// The first stream of the description whose frames a ring takes.
fn chosen(session: &retina::client::Session<Answered>) -> Result<(usize, Payload), Failure> {
    let videos = || session.streams().iter().enumerate().filter(|(_, stream)| stream.media() != "audio");
    let found = videos().find_map(|(index, stream)| Some((index, payload(stream.encoding_name())?)));
    found.ok_or_else(|| {
        let names: Vec<_> = videos().map(|(_, stream)| first_line(stream.encoding_name())).collect();
        Failure::of(Refusal::of_camera(if names.is_empty() {
            "it sends no video".to_owned()
        } else {
            let names = names.join(" and ");
            format!("it sends {names}; set it to H.264, H.265 or JPEG, which are the codecs that are taken")
        }))
    })
}

/// The frames of a stream, by the lower-case name of its encoding.
fn payload(encoding: &str) -> Option<Payload> {
    match encoding {
        "h264" => Some(Payload::H264),
        "h265" => Some(Payload::H265),
        "jpeg" => Some(Payload::Jpeg),
        _ => None,
    }
}

impl Session {
    fn lost(&self, reason: String) -> SourceError {
        SourceError::Lost { input: self.input.clone(), reason, cause: LossBefore::Network, refused: false }
    }
}

impl Packets for Session {
    fn read(
        &mut self,
        until: MonotonicNs,
        take: &mut dyn FnMut(&Packet<'_>) -> bool,
    ) -> Result<bool, SourceError> {
        let left = until.since(MonotonicNs::now());
        let Some(playing) = &mut self.playing else { return Ok(false) };
        let has_reports = &mut self.has_reports;
        let reading = async {
            loop {
                match poll_fn(|cx| Pin::new(&mut *playing).poll_next(cx)).await {
                    Some(Ok(PacketItem::Rtp(packet))) if take(&packet_of(&packet)) => return Ok(true),
                    Some(Ok(PacketItem::Rtcp(reports))) => *has_reports |= reports.rtp_timestamp().is_some(),
                    Some(Ok(_)) => {}
                    Some(Err(e)) => return Err(format!("the stream broke: {}", first_line(&e.to_string()))),
                    None => return Err("it closed the connection".to_owned()),
                }
            }
        };
        match self.runtime.block_on(async { timeout(left, reading).await }) {
            Ok(read) => read.map_err(|reason| self.lost(reason)),
            Err(_) => Ok(false),
        }
    }

    fn has_reports(&self) -> bool {
        self.has_reports
    }
}

fn packet_of(packet: &retina::rtp::ReceivedPacket) -> Packet<'_> {
    // The standard library's moments are on the same clock, and don't tell their number.
    let age = packet.ctx().received().elapsed();
    Packet {
        time: packet.timestamp().timestamp(),
        mark: packet.mark(),
        lost: packet.loss(),
        arrived: MonotonicNs::now().before(age),
        payload: packet.payload(),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let inside = self.runtime.enter();
        drop(self.playing.take());
        drop(inside);
        end(&self.runtime, &self.group);
    }
}

/// Lets the camera know that its sessions are over, if it answers soon.
fn end(runtime: &Runtime, group: &SessionGroup) {
    let ended = async { timeout(ENDS_WITHIN, group.await_teardown()).await };
    // A camera that doesn't answer ends the session by itself, some time after the connection.
    let _ = runtime.block_on(ended);
}

#[cfg(test)]
mod tests;
