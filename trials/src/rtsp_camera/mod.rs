//! A camera that sends H.264, H.265 or JPEG by RTSP and misbehaves as it is asked to: by the words in its URL's path, joined with
//! `+`, and by whoever holds it. The words are in [`words`]. Behind them, `/` and any name make cameras of their own:
//! `rtsp://127.0.0.1:PORT/loss/left`.
//!
//! All cameras of a server have one clock, and pictures that say which frame they are. [`truth`] tells which of them could be
//! captured. `bad-camera` is this as a program.

mod connection;
mod description;
mod film;
mod login;
mod packets;
mod request;
mod sessions;
mod stream;
pub mod truth;
pub mod words;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use anyhow::Context;
use proto::time::MonotonicNs;

use connection::Connection;
use film::{Film, Recipe};
use sessions::Sessions;
use stream::{Clock, Source};
use words::Words;

pub use film::{Pictures, Start};
pub use login::{PASSWORD, USER};
use truth::Sent;

/// All that a server is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port to listen at; 0 for any.
    pub port: u16,
    /// Its pictures.
    pub pictures: Pictures,
    /// The most bytes of a packet's payload.
    pub packet: usize,
    /// Frames of a session before what happens once in it.
    pub after: u32,
    /// The file that gets a line for each frame.
    pub truth_log: Option<PathBuf>,
}

impl Options {
    /// Small pictures, whose film lasts for so many seconds.
    pub fn small(seconds: u32) -> Self {
        let fps = 15;
        let pictures =
            Pictures { size: (256, 128), fps, frames: seconds * fps, gop: 8, kbps: None, camera_index: 0 };
        Self { port: 0, pictures, packet: 400, after: 30, truth_log: None }
    }
}

/// A server of cameras, at a port of this machine.
pub struct RtspCamera {
    shared: Arc<Shared>,
    port: u16,
}

struct Shared {
    options: Options,
    films: Mutex<HashMap<Recipe, Arc<OnceLock<Arc<Film>>>>>,
    /// The moment of frame 0: when the first stream begins.
    zero: OnceLock<MonotonicNs>,
    /// The cameras' lives so far. A connection that was made in an earlier one ends.
    life: AtomicU64,
    /// The status of each answer, whatever is asked for; 0 for none.
    status: AtomicU16,
    /// The heads of all requests.
    requests: Mutex<Vec<String>>,
    /// When each camera was asked for the first time.
    asked: Mutex<HashMap<String, Instant>>,
    sessions: Mutex<Sessions>,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    sent: Vec<Sent>,
    log: Option<File>,
}

impl RtspCamera {
    /// Listens.
    ///
    /// # Errors
    /// When the port isn't free, or the truth log can't be made.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let log = options.truth_log.as_ref().map(|path| {
            File::create(path).with_context(|| format!("the truth log {} can't be made", path.display()))
        });
        let shared = Shared {
            films: Mutex::default(),
            zero: OnceLock::new(),
            life: AtomicU64::new(0),
            status: AtomicU16::new(0),
            requests: Mutex::default(),
            asked: Mutex::default(),
            sessions: Mutex::default(),
            record: Mutex::new(Record { sent: Vec::new(), log: log.transpose()? }),
            options,
        };
        let port = shared.options.port;
        let mut this = Self { shared: Arc::new(shared), port };
        this.listen()?;
        Ok(this)
    }

    /// Its URL with these words.
    pub fn url(&self, words: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{words}", self.port)
    }

    /// Makes the films for these words, which otherwise are made when they are asked for.
    pub fn prepare(&self, words: &[&str]) {
        for words in words {
            let words = Words::parse(camera_words(words)).unwrap_or_else(|| panic!("unknown words: {words}"));
            self.shared.source(&words);
        }
    }

    /// Listens, at the same port as before.
    pub fn come_back(&mut self) {
        let port = self.port;
        crate::until(&format!("port {port} to be free"), || self.listen().ok());
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port))
            .with_context(|| format!("can't listen at port {}", self.port))?;
        self.port = listener.local_addr()?.port();
        let shared = Arc::clone(&self.shared);
        let life = shared.life.load(Ordering::SeqCst);
        std::thread::spawn(move || shared.listen(&listener, life));
        Ok(())
    }

    /// Closes every connection, and takes no more.
    pub fn leave(&self) {
        self.shared.life.fetch_add(1, Ordering::SeqCst);
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

    /// The frames that the camera of this path has sent so far.
    pub fn sent(&self, camera: &str) -> Vec<Sent> {
        let record = self.shared.record.lock().unwrap();
        record.sent.iter().filter(|sent| sent.camera == camera).cloned().collect()
    }
}

impl Drop for RtspCamera {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The words of a camera's path.
fn camera_words(camera: &str) -> &str {
    camera.split('/').next().unwrap_or_default()
}

impl Shared {
    fn listen(self: &Arc<Self>, listener: &TcpListener, life: u64) {
        for connection in listener.incoming() {
            if self.has_ended(life) {
                return;
            }
            let Ok(connection) = connection else { continue };
            let shared = Arc::clone(self);
            // Whoever asked may be gone: that ends a stream, and fails nothing.
            std::thread::spawn(move || drop(Connection::new(&shared, connection, life).serve()));
        }
    }

    /// Is this life over?
    fn has_ended(&self, life: u64) -> bool {
        self.life.load(Ordering::SeqCst) != life
    }

    /// The films for these words. Whoever asks first makes them; a film that can't be made is a fault of the machine.
    fn source(&self, words: &Words) -> Source {
        let recipe = Recipe::of(words, &self.options.pictures);
        let other = words.has("spschange").then(|| self.film(&recipe.in_another_size()));
        Source { film: self.film(&recipe), other, packet: self.options.packet, after: self.options.after }
    }

    fn film(&self, recipe: &Recipe) -> Arc<Film> {
        let place = Arc::clone(self.films.lock().unwrap().entry(recipe.clone()).or_default());
        let make = || Arc::new(recipe.film().unwrap_or_else(|e| panic!("{e:#}")));
        Arc::clone(place.get_or_init(make))
    }

    fn clock(&self) -> Clock {
        Clock { zero: *self.zero.get_or_init(MonotonicNs::now), fps: self.options.pictures.fps }
    }

    fn note(&self, sent: Sent) {
        let mut record = self.record.lock().unwrap();
        if let Some(log) = &mut record.log {
            // One call a line, so that none is torn.
            log.write_all(sent.to_string().as_bytes()).unwrap();
        }
        record.sent.push(sent);
    }
}

#[cfg(test)]
mod tests;
