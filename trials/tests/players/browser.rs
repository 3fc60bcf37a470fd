//! Chromium: a page plays the file and reads the stamps off a canvas. A server of this test gives it both, and is told what
//! was seen.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::player::Shown;

const PAGE: &str = include_str!("page.html");
/// A clip of some seconds is played long before.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser that ends with this value.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has the browser play a file.
pub(crate) fn show(file: &Path) -> Result<Shown, String> {
    let clip = std::fs::read(file).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (clip, tell) = (clip.clone(), tell.clone());
            // A browser that is gone is no concern of a server's.
            std::thread::spawn(move || _ = answer(stream, &clip, &tell));
        }
    });
    let profile = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", profile.path().display());
    let started = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--autoplay-policy=no-user-gesture-required", &profile, &page])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _browser = Browser(started.map_err(|e| format!("chromium: {e}"))?);
    let said: String =
        told.recv_timeout(PATIENCE).map_err(|_| "chromium: no word within a minute".to_owned())?;
    let numbers: Vec<Option<u32>> = said.split_whitespace().map(|number| number.parse().ok()).collect();
    if numbers.is_empty() { Err(format!("chromium: {said}")) } else { Ok(Shown::of(&numbers)) }
}

/// Answers one request: for the page, for the clip or a part of it; or takes the page's word.
fn answer(mut stream: TcpStream, clip: &[u8], tell: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut range, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(asked) = line.strip_prefix("range: bytes=") {
            range = asked
                .split_once('-')
                .and_then(|(from, to)| Some((from.parse::<usize>().ok()?, to.parse().ok())));
        }
        if let Some(bytes) = line.strip_prefix("content-length: ") {
            length = bytes.parse().unwrap_or(0);
        }
    }
    let close = "Connection: close\r\nContent-Length";
    if request.starts_with("POST") {
        let mut said = vec![0; length];
        reader.read_exact(&mut said)?;
        // Whoever asked may have gone.
        let _ = tell.send(String::from_utf8_lossy(&said).into_owned());
        return write!(stream, "HTTP/1.1 200 OK\r\n{close}: 0\r\n\r\n");
    }
    if !request.contains("/clip.mp4") {
        let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html";
        return write!(stream, "{page}\r\n{close}: {}\r\n\r\n{PAGE}", PAGE.len());
    }
    let (from, to) = range.unwrap_or((0, None::<usize>));
    let to = to.unwrap_or(clip.len() - 1).min(clip.len() - 1);
    let part = clip.get(from..=to).unwrap_or_default();
    let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\nAccept-Ranges: bytes\r\n")?;
    write!(stream, "Content-Range: bytes {from}-{to}/{}\r\n{close}: {}\r\n\r\n", clip.len(), part.len())?;
    stream.write_all(part)
}
