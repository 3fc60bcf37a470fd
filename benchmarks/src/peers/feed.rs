//! A camera that anybody can read from: a FIFO with its frames as YUV4MPEG2, at the camera's pace and by its rules
//! ([`super::driver`]). It is a thread of the benchmark, at the highest priority it gets: a real camera needs no processor.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use proto::frame::Fps;
use proto::time::MonotonicNs;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, Mode, OFlags};

use super::driver::{Driver, Frame};
use super::scene::Scene;

/// From one look for a reader to the next.
const GLANCE: Duration = Duration::from_millis(1);
/// A thread's niceness, where it is permitted.
const FIRST: i32 = -20;

/// A camera.
pub struct Feed {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    driver: Mutex<Driver>,
    over: AtomicBool,
}

impl Shared {
    fn driver(&self) -> MutexGuard<'_, Driver> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Switches it on. It sees what a simulated camera of the FIFO's name would.
    ///
    /// # Errors
    /// When there can be no FIFO at `path`, or no frames of that size.
    pub fn start(path: &Path, size: (u32, u32), fps: Fps, camera: u8) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let scene = Scene::new(size, &name, camera)?;
        rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)
            .with_context(|| path.display().to_string())?;
        let shared = Arc::new(Shared { driver: Mutex::default(), over: AtomicBool::new(false) });
        let header = format!("YUV4MPEG2 W{} H{} F{}:1000 Ip A1:1 C420jpeg\n", size.0, size.1, fps.milli());
        let camera = Camera { path: path.to_owned(), header, scene, fps, shared: Arc::clone(&shared) };
        let thread = std::thread::spawn(move || camera.run());
        Ok(Self { path: path.to_owned(), shared, thread: Some(thread) })
    }

    /// The FIFO out of which its frames come.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every frame so far.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.shared.driver().frames().to_vec()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Camera {
    path: PathBuf,
    header: String,
    scene: Scene,
    fps: Fps,
    shared: Arc<Shared>,
}

/// A reader, and the bytes that are being sent to it.
struct Reader {
    pipe: File,
    bytes: Vec<u8>,
    sent: usize,
    /// The bytes are a frame, and not the header.
    frame: bool,
}

impl Camera {
    fn run(&self) {
        let _ = rustix::process::nice(FIRST);
        let zero = MonotonicNs::now();
        let due = |number: u64| zero + Duration::from_nanos(self.fps.due_ns(number));
        let (mut next, mut reader) = (0, None);
        while !self.shared.over.load(Ordering::Relaxed) {
            while due(next) <= MonotonicNs::now() {
                self.shared.driver().expose(due(next));
                next += 1;
            }
            let left = due(next).since(MonotonicNs::now());
            match &mut reader {
                None => {
                    reader = self.reader();
                    match &reader {
                        Some(_) => self.shared.driver().stream(true),
                        None => std::thread::sleep(left.min(GLANCE)),
                    }
                }
                Some(here) => {
                    if self.send(here, left).is_err() {
                        self.shared.driver().stream(false);
                        reader = None;
                    }
                }
            }
        }
    }

    /// A reader that has opened the FIFO.
    fn reader(&self) -> Option<Reader> {
        let nonblock = OFlags::NONBLOCK.bits().cast_signed();
        let pipe = OpenOptions::new().write(true).custom_flags(nonblock).open(&self.path).ok()?;
        // Less than a frame, so that a frame that is written whole is being read: the kernel rounds up to a power of two.
        let bytes = self.scene.frame_bytes();
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, bytes / 2);
        Some(Reader { pipe, bytes: self.header.clone().into_bytes(), sent: 0, frame: false })
    }

    /// Sends what there is, or waits until something can be sent, a frame is due, or the reader is gone.
    fn send(&self, to: &mut Reader, at_most: Duration) -> io::Result<()> {
        if to.sent == to.bytes.len()
            && let Some(number) = self.shared.driver().oldest()
        {
            to.bytes.clear();
            to.bytes.extend_from_slice(b"FRAME\n");
            self.scene.draw(number, &mut to.bytes);
            (to.sent, to.frame) = (0, true);
        }
        if to.sent == to.bytes.len() {
            return wait(&to.pipe, PollFlags::empty(), at_most);
        }
        match to.pipe.write(&to.bytes[to.sent..]) {
            Ok(written) => to.sent += written,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                return wait(&to.pipe, PollFlags::OUT, at_most);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if to.sent == to.bytes.len() && to.frame {
            self.shared.driver().take(MonotonicNs::now());
        }
        Ok(())
    }
}

/// Until something can be done, or the time is over. An error when nobody reads any more.
fn wait(pipe: &File, what: PollFlags, at_most: Duration) -> io::Result<()> {
    let mut fds = [PollFd::new(pipe, what)];
    let at_most = Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    match rustix::event::poll(&mut fds, Some(&at_most)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(e.into()),
    }
    if fds[0].revents().contains(PollFlags::ERR) { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    const SIZE: (u32, u32) = (320, 192);

    fn read_a_frame(from: &mut impl BufRead) -> u64 {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert_eq!(line, "FRAME\n");
        let mut frame = vec![0; 320 * 192 * 3 / 2];
        from.read_exact(&mut frame).unwrap();
        oracle::stamp::read(&frame, 320, 320, 192).unwrap().source_sequence.into()
    }

    #[test]
    fn each_reader_gets_a_header_and_frames_and_what_is_taken_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let feed = Feed::start(&folder.path().join("left"), SIZE, Fps::new(200.0).unwrap(), 0).unwrap();
        let mut last = 0;
        for _ in 0..2 {
            let mut reader = BufReader::new(File::open(feed.path()).unwrap());
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            assert!(header.starts_with("YUV4MPEG2 W320 H192 F200000:1000 "), "{header}");
            let numbers: Vec<u64> = (0..5).map(|_| read_a_frame(&mut reader)).collect();
            assert!(numbers.is_sorted() && numbers[0] >= last, "{numbers:?}");
            last = numbers[4] + 1;
            drop(reader);
            // A second reader that opens it in the same moment would go on reading where this one stopped.
            std::thread::sleep(Duration::from_millis(50));
            let frames = feed.frames();
            for number in numbers {
                let frame = frames[usize::try_from(number).unwrap()];
                assert!(frame.taken.is_some_and(|taken| taken >= frame.due), "{frame:?}");
            }
        }
    }

    #[test]
    fn a_reader_that_is_slow_costs_frames_and_these_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let feed = Feed::start(&folder.path().join("left"), SIZE, Fps::new(200.0).unwrap(), 0).unwrap();
        let mut reader = BufReader::new(File::open(feed.path()).unwrap());
        reader.read_line(&mut String::new()).unwrap();
        let first = read_a_frame(&mut reader);
        std::thread::sleep(Duration::from_millis(200));
        let numbers: Vec<u64> = (0..20).map(|_| read_a_frame(&mut reader)).collect();
        let frames = feed.frames();
        for number in first + 1..numbers[19] {
            let taken = frames[usize::try_from(number).unwrap()].taken.is_some();
            assert_eq!(taken, numbers.contains(&number), "{number} of {numbers:?}");
        }
        assert!(numbers[19] - first > 30, "nothing was lost: {numbers:?}");
    }
}
