//! Does anything answer at the host of a camera's URL? Asked by `check` alone, for a warning: `start` doesn't wait for the
//! network. A connection is opened and closed; nothing is sent, so a password stays here.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use proto::config::Config;
use proto::source::SourceKind;

use crate::check::source_probe::not_there_yet;

/// The time that one address may take to answer.
const CONNECT: Duration = Duration::from_secs(1);
/// The time that all cameras together may take, name servers included.
const ALL: Duration = Duration::from_secs(3);
/// The ports of the schemes that are asked. Others, such as `udp` and `srt`, can't be connected to.
const PORTS: [(&str, u16); 7] =
    [("rtsp", 554), ("rtspt", 554), ("rtsps", 322), ("http", 80), ("https", 443), ("rtmp", 1935), ("tcp", 0)];

/// A warning for each camera whose URL nobody answers at.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut asked = Vec::new();
    for camera in &config.cameras {
        // Live cameras are asked what they give, which shows more.
        let Some(secret) = camera.backend.secret().filter(|_| !camera.backend.is_live()) else { continue };
        let url = secret.reveal();
        if SourceKind::of(url) == SourceKind::Url
            && let Some(address) = address(url)
            && let Ok(answer) = connect(address)
        {
            asked.push((camera, secret, answer));
        }
    }
    let until = Instant::now() + ALL;
    let mut warnings = Vec::new();
    for (camera, secret, answer) in asked {
        let why = match answer.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Ok(())) => continue,
            Ok(Err(e)) => e.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        warnings.push(not_there_yet(&camera.name, &format!("source: {secret} doesn't answer ({why})")));
    }
    warnings
}

/// Host and port of a URL that can be connected to.
fn address(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let (_, default) = PORTS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => default,
    };
    (!host.is_empty() && port > 0).then(|| (host.to_owned(), port))
}

/// Connects in a thread of its own: a name server may keep it for long.
fn connect(address: (String, u16)) -> io::Result<Receiver<io::Result<()>>> {
    let (sender, answer) = channel();
    std::thread::Builder::new().name("reach".into()).spawn(move || {
        let connected = address.to_socket_addrs().and_then(|addresses| {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for address in addresses {
                match TcpStream::connect_timeout(&address, CONNECT) {
                    Ok(_) => return Ok(()),
                    Err(e) => last = e,
                }
            }
            Err(last)
        });
        // The receiver has gone if it took too long.
        let _ = sender.send(connected);
    })?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_urls_address_is_read_past_its_password() {
        for (url, host, port) in [
            ("rtsp://h/x", "h", 554),
            ("RTSP://u:p@h:8554/x", "h", 8554),
            ("rtsp://u:p@q@[::1]:9/x", "::1", 9),
            ("http://[fe80::1]/x?a@b:c", "fe80::1", 80),
        ] {
            assert_eq!(address(url), Some((host.to_owned(), port)), "{url}");
        }
        for url in ["udp://h:5000", "rtsp://h:port/x", "tcp://h", "rtsp:///x", "rtsp://u:p/w@h"] {
            assert_eq!(address(url), None, "{url}");
        }
    }

    #[test]
    fn only_a_url_that_nobody_answers_at_is_a_warning() {
        let there = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = there.local_addr().unwrap().port();
        let text = format!(
            "cameras:\n  - {{ name: a, backend: opencv, source: \"rtsp://u:s3cret@127.0.0.1:{port}/x\" }}\n  \
             - {{ name: b, backend: opencv, source: \"rtsp://u:s3cret@127.0.0.1:1/x\" }}\n"
        );
        let config = Config::parse(Path::new("x.yaml"), &text).unwrap();
        let warnings = warnings(&config);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let said = &warnings[0];
        assert!(said.contains("camera b") && said.contains("u:***@127.0.0.1:1/x"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}
