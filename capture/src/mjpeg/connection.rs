//! A connection to a camera over HTTP: the request, the head of the answer, and the bytes of the stream behind it.

use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use proto::source::CameraUrl;
use proto::time::MonotonicNs;

use super::reply::Reply;
use crate::stream::fd;

/// The time in which a camera takes a connection. Its network asks again after one second, once.
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);
/// The time in which a camera that has taken the connection says what it gives.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) socket: TcpStream,
    /// The bytes behind the head that are there already.
    pub(super) body: Vec<u8>,
}

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The host's name leads nowhere.
    #[error("its name can't be looked up: {0}")]
    Name(io::Error),
    /// No connection.
    #[error("no connection to port {port}: {source}")]
    Connection {
        /// The port of the URL.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// A connection, and then none.
    #[error("the connection broke before its answer: {0}")]
    Broken(io::Error),
    /// A connection that was closed without a word.
    #[error("it closed the connection without an answer")]
    Closed,
    /// A connection, and no word.
    #[error("it took the connection and gave no answer within {} s", ANSWERS_WITHIN.as_secs())]
    Silent,
    /// Another protocol.
    #[error("whatever answers at port {0} doesn't speak HTTP; check the URL's port")]
    NotHttp(u16),
}

/// Asks for the URL's target, and reads the head of the answer. Takes some seconds at most, and as long as looking a name up
/// takes.
pub(super) fn ask(url: &CameraUrl, authorization: Option<&str>) -> Result<Answer, NoAnswer> {
    let mut socket = connect(url)?;
    socket.set_write_timeout(Some(ANSWERS_WITHIN)).map_err(NoAnswer::Broken)?;
    socket.write_all(request(url, authorization).as_bytes()).map_err(NoAnswer::Broken)?;
    socket.set_nonblocking(true).map_err(NoAnswer::Broken)?;
    let until = MonotonicNs::now() + ANSWERS_WITHIN;
    let mut bytes = Vec::new();
    loop {
        match Reply::parse(&bytes) {
            Ok(Some((reply, length))) => {
                bytes.drain(..length);
                return Ok(Answer { reply, socket, body: bytes });
            }
            Ok(None) => {}
            Err(_) => return Err(NoAnswer::NotHttp(url.port)),
        }
        if MonotonicNs::now() >= until {
            return Err(NoAnswer::Silent);
        }
        if !fd::is_readable(&socket, until).map_err(NoAnswer::Broken)? {
            continue;
        }
        match fd::read(&socket, &mut bytes).map_err(NoAnswer::Broken)? {
            fd::Read::Bytes | fd::Read::Nothing => {}
            fd::Read::End if bytes.is_empty() => return Err(NoAnswer::Closed),
            fd::Read::End => return Err(NoAnswer::NotHttp(url.port)),
        }
    }
}

/// Connects to the first address of the host that takes a connection.
fn connect(url: &CameraUrl) -> Result<TcpStream, NoAnswer> {
    let addresses = (url.host.as_str(), url.port).to_socket_addrs().map_err(NoAnswer::Name)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECTS_WITHIN) {
            Ok(socket) => return Ok(socket),
            Err(e) => last = e,
        }
    }
    Err(NoAnswer::Connection { port: url.port, source: last })
}

/// The request. HTTP/1.1, since some cameras refuse 1.0; what it brings, chunks and a connection that is kept, is dealt with.
fn request(url: &CameraUrl, authorization: Option<&str>) -> String {
    let (target, host) = (&url.target, url.host_and_port());
    let authorization = authorization.map(|a| format!("Authorization: {a}\r\n")).unwrap_or_default();
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: preroll\r\nAccept: */*\r\nConnection: close\r\n{authorization}\r\n"
    )
}
