//! A camera that sends Motion JPEG over HTTP and misbehaves as it is asked to: by the words in its URL's path, joined with `+`,
//! and by the test. It has threads and plain sockets, and no more of HTTP than cameras have.
//!
//! | word | behaviour |
//! |---|---|
//! | `doubled` | boundaries with two hyphens too many |
//! | `nofirst` | nothing before the first JPEG |
//! | `nolength` | parts without `Content-Length` |
//! | `barelf` | bare line feeds |
//! | `chunked` | `Transfer-Encoding: chunked`, in chunks that end anywhere |
//! | `cut` | of each fifth JPEG only the first half is sent |
//! | `close` | after 20 JPEGs half of one, and the connection is closed |
//! | `stall` | after 20 JPEGs silence; the connection stays |
//! | `stamped` | `X-Timestamp` with each JPEG, by a clock that began with the connection |
//! | `still` | the same, by a clock that stands still |
//! | `set` | the same, by a clock that is set back by an hour with JPEG 90 |
//! | `basic`, `digest` | a login is asked for; of the answer to a digest only the form is looked at |
//! | `redirect`, `elsewhere` | it sends on to its own stream, or to another host |
//! | `page`, `picture` | a page of text, one JPEG |
//! | `404` and other numbers | this status |

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The login that `basic` takes: user keeper, password Op3nS3same.
const BASIC: &str = "Authorization: Basic a2VlcGVyOk9wM25TM3NhbWU=";
/// JPEGs before the clock of `set` is set back.
const SET_BACK: u64 = 90;
/// JPEGs before `close` and `stall` happen.
const SOME: u64 = 20;

/// Makes so many JPEGs of a size, each with another picture.
pub fn jpegs(width: u32, height: u32, count: u32) -> Vec<Vec<u8>> {
    let source = format!("testsrc=size={width}x{height}:rate=30");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", &count.to_string()]);
    ffmpeg.args(["-pix_fmt", "yuvj420p", "-q:v", "5", "-f", "image2pipe", "-c:v", "mjpeg", "-"]);
    let output = ffmpeg.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "ffmpeg makes no pictures");
    let mut pictures: Vec<Vec<u8>> = Vec::new();
    for (at, byte) in output.stdout.iter().enumerate() {
        // Within a JPEG of ffmpeg's, this mark stands nowhere else.
        if output.stdout[at..].starts_with(&[0xFF, 0xD8, 0xFF]) {
            pictures.push(Vec::new());
        }
        pictures.last_mut().unwrap().push(*byte);
    }
    assert_eq!(pictures.len(), count as usize);
    pictures
}

/// A camera that listens at a port of this machine.
pub struct HttpCamera {
    shared: Arc<Shared>,
    port: u16,
}

struct Shared {
    pictures: Vec<Vec<u8>>,
    period: Duration,
    /// The camera's lives so far. A connection that was made in an earlier one ends.
    life: AtomicU64,
    /// The status of each answer, whatever is asked for; 0 for none.
    status: AtomicU16,
    /// The heads of all requests.
    requests: Mutex<Vec<String>>,
    connections: Mutex<Vec<TcpStream>>,
}

impl HttpCamera {
    /// A camera that sends these pictures again and again.
    pub fn start(pictures: Vec<Vec<u8>>, fps: u32) -> Self {
        let shared = Shared {
            pictures,
            period: Duration::from_secs(1) / fps,
            life: AtomicU64::new(0),
            status: AtomicU16::new(0),
            requests: Mutex::default(),
            connections: Mutex::default(),
        };
        let mut this = Self { shared: Arc::new(shared), port: 0 };
        this.come_back();
        this
    }

    /// Its URL with these words.
    pub fn url(&self, words: &str) -> String {
        format!("http://127.0.0.1:{}/{words}", self.port)
    }

    /// Listens, at the same port as before.
    pub fn come_back(&mut self) {
        let listener =
            crate::until("the port to be free", || TcpListener::bind(("127.0.0.1", self.port)).ok());
        self.port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || shared.listen(&listener));
    }

    /// Closes every connection, and takes no more.
    pub fn leave(&self) {
        self.shared.life.fetch_add(1, Ordering::SeqCst);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            // One that is closed already is as it should be.
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that listens, which then sees that this life is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }

    /// From now on answers everything with this status; none: as its URL says.
    pub fn answer_with(&self, status: Option<u16>) {
        self.shared.status.store(status.unwrap_or(0), Ordering::SeqCst);
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for HttpCamera {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        let life = self.life.load(Ordering::SeqCst);
        for connection in listener.incoming() {
            if self.life.load(Ordering::SeqCst) != life {
                return;
            }
            let Ok(connection) = connection else { continue };
            self.connections.lock().unwrap().push(connection.try_clone().unwrap());
            let shared = Arc::clone(self);
            // Whoever asked may be gone: that ends a stream, and fails nothing.
            std::thread::spawn(move || drop(shared.serve(&connection, life)));
        }
    }

    fn serve(&self, connection: &TcpStream, life: u64) -> std::io::Result<()> {
        let mut head = String::new();
        let mut reader = BufReader::new(connection);
        while reader.read_line(&mut head)? > 2 {}
        let words = head.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        self.requests.lock().unwrap().push(head.clone());
        let has = |word: &str| words.split('+').any(|other| other == word);
        let status =
            words.split('+').find_map(|word| word.parse().ok()).unwrap_or(self.status.load(Ordering::SeqCst));
        let mut to = connection;
        if status > 0 {
            return to.write_all(format!("HTTP/1.1 {status} as asked\r\n\r\n").as_bytes());
        }
        let challenge = match () {
            () if has("basic") && !head.contains(BASIC) => Some("Basic realm=\"camera\""),
            () if has("digest") && !head.contains("Authorization: Digest username=\"keeper\"") => {
                Some("Digest realm=\"camera\", qop=\"auth\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"")
            }
            () => None,
        };
        if let Some(challenge) = challenge {
            return to.write_all(
                format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n\r\n").as_bytes(),
            );
        }
        if has("redirect") {
            return to.write_all(b"HTTP/1.1 302 Found\r\nLocation: /ok\r\n\r\n");
        }
        if has("elsewhere") {
            return to.write_all(
                b"HTTP/1.1 302 Found\r\nLocation: http://other.example/x?token=T0k3nValue\r\n\r\n",
            );
        }
        if has("page") {
            return to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>");
        }
        if has("picture") {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")?;
            return to.write_all(&self.pictures[0]);
        }
        self.stream(connection, life, has)
    }

    fn stream(&self, mut to: &TcpStream, life: u64, has: impl Fn(&str) -> bool) -> std::io::Result<()> {
        let end = if has("barelf") { "\n" } else { "\r\n" };
        let boundary = if has("doubled") { "----frame" } else { "--frame" };
        let chunks = if has("chunked") { format!("Transfer-Encoding: chunked{end}") } else { String::new() };
        let head = format!(
            "HTTP/1.1 200 OK{end}Content-Type: multipart/x-mixed-replace; boundary=--frame{end}{chunks}{end}"
        );
        to.write_all(head.as_bytes())?;
        let began = std::time::Instant::now();
        let mut due = began;
        for number in 0_u64.. {
            if self.life.load(Ordering::SeqCst) != life {
                return Ok(());
            }
            let picture = &self.pictures[usize::try_from(number).unwrap() % self.pictures.len()];
            let length = if has("nolength") {
                String::new()
            } else {
                format!("Content-Length: {}{end}", picture.len())
            };
            let length = length + &timestamp(number, began.elapsed(), &has, end);
            let mut part = Vec::new();
            if number > 0 || !has("nofirst") {
                part.extend(format!("{boundary}{end}Content-Type: image/jpeg{end}{length}{end}").bytes());
            }
            let closes = has("close") && number == SOME;
            let is_cut = closes || (has("cut") && number % 5 == 4);
            part.extend(if is_cut { &picture[..picture.len() / 2] } else { picture });
            part.extend(end.bytes());
            if has("chunked") {
                part = part.chunks(1_371).flat_map(chunk).collect();
            }
            to.write_all(&part)?;
            if closes {
                return to.shutdown(Shutdown::Both);
            }
            if has("stall") && number == SOME {
                // Until the other end has enough of it.
                return std::io::copy(&mut to, &mut std::io::sink()).map(drop);
            }
            due += self.period;
            std::thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
        }
        Ok(())
    }
}

/// The header with a JPEG's time, if it is to have one.
fn timestamp(number: u64, elapsed: Duration, has: &impl Fn(&str) -> bool, end: &str) -> String {
    let hours = if has("set") && number >= SET_BACK { 1 } else { 2 };
    let time = match () {
        () if has("still") => Duration::ZERO,
        () if has("stamped") || has("set") => Duration::from_secs(3_600 * hours) + elapsed,
        () => return String::new(),
    };
    format!("X-Timestamp: {}.{:06}{end}", time.as_secs(), time.subsec_micros())
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
