//! A camera behind a URL whose picture stands still although its frames keep coming: OpenCV may have lost it, so it is opened
//! again, once.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use trials::{Rig, camera, clip_of, no_opencv, until};

/// The camera sends so many frames a second.
const FPS: u32 = 25;

/// A camera that sends JPEG pictures over HTTP to whoever asks.
struct Server {
    port: u16,
    /// The requests so far.
    requests: Arc<AtomicUsize>,
    /// It sends the same picture again and again.
    stands_still: Arc<AtomicBool>,
}

impl Server {
    fn start(pictures: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, stands_still) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let server = Self { port, requests: Arc::clone(&requests), stands_still: Arc::clone(&stands_still) };
        // Both threads end with the test's process.
        std::thread::spawn(move || {
            let mut pictures = Pictures { pictures, next: 0, stands_still };
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if is_request(&stream) {
                    requests.fetch_add(1, Ordering::SeqCst);
                    // Whoever has hung up is served no longer.
                    let _ = pictures.send_to(stream);
                }
            }
        });
        server
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn is_request(stream: &TcpStream) -> bool {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut head = lines.take_while(|line| !line.is_empty());
    let is_get = head.next().is_some_and(|line| line.starts_with("GET "));
    // The rest of the head, up to the empty line.
    let _ = head.count();
    is_get
}

struct Pictures {
    pictures: Vec<Vec<u8>>,
    next: usize,
    stands_still: Arc<AtomicBool>,
}

impl Pictures {
    fn send_to(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n",
        )?;
        loop {
            let picture = &self.pictures[self.next % self.pictures.len()];
            let head =
                format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
            stream.write_all(&[head.as_bytes(), picture, b"\r\n"].concat())?;
            // The camera's pace.
            std::thread::sleep(Duration::from_secs(1) / FPS);
            if !self.stands_still.load(Ordering::SeqCst) {
                self.next += 1;
            }
        }
    }
}

/// Different pictures of 320x240. `None` without the command `ffmpeg`.
fn pictures(rig: &Rig) -> Option<Vec<Vec<u8>>> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=2"]);
    let Ok(made) = ffmpeg.arg(rig.path("%d.jpg")).status() else {
        println!("skipped: there is no ffmpeg command");
        return None;
    };
    assert!(made.success());
    Some((1..=20).map(|n| std::fs::read(rig.path(&format!("{n}.jpg"))).unwrap()).collect())
}

#[test]
fn f33_a_url_whose_picture_stands_still_is_opened_again_once() {
    if no_opencv() {
        return;
    }
    let mut rig = Rig::prepare("");
    let Some(pictures) = pictures(&rig) else { return };
    let server = Server::start(pictures);
    rig.configure(&format!(
        "cameras:
  - {{ name: left, backend: opencv, source: 'http://127.0.0.1:{}/left.mjpg', width: 320, height: 240, fps: {FPS} }}
recording: {{ output_dir: $DIR/recordings, reserve_ms: 2000 }}
",
        server.port
    ));
    rig.launch(&[]);
    rig.await_ready();
    // Only a camera that has been open for 10 s is opened again. OpenCV may have read the first seconds all at once.
    let frames = |s: &serde_json::Value| camera(s, "left")["captured_frames"].as_u64();
    rig.await_stats("the camera to have been open for a while", |s| frames(s) >= Some(u64::from(FPS) * 16));
    let asked_before = server.requests();
    server.stands_still.store(true, Ordering::SeqCst);
    let told = "its picture stands still; it is opened again";
    rig.await_log(told);
    until("it to be opened again", || (server.requests() > asked_before).then_some(()));
    // In vain: the picture is the same one, which is shown and is no reason to open it for ever.
    rig.await_stats("the frozen picture to be shown", |s| {
        camera(s, "left")["state"] == "frozen" && server.requests() > asked_before
    });
    let clip = rig.command(&["trigger", "--wait"]).code(0).json();
    assert!(clip_of(&clip).join("left.mp4").is_file());
    server.stands_still.store(false, Ordering::SeqCst);
    rig.await_stats("the picture to change", |s| camera(s, "left")["state"] == "live");
    assert_eq!(server.requests(), asked_before * 2);
    assert_eq!(rig.log().iter().filter(|line| line.contains(told)).count(), 1);
}
