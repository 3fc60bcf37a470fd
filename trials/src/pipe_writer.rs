//! A program that writes frames into a FIFO, played by a thread of the test.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The bytes of a Y4M stream: its line, and frames whose pictures differ.
pub struct Y4m {
    line: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Y4m {
    /// Some frames of a size, for this rate.
    pub fn new(width: usize, height: usize, fps: u32) -> Self {
        let line = format!("YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n").into_bytes();
        let frame = |number: usize| {
            let luma =
                (0..width * height).map(|pixel| u8::try_from((pixel + number * 8) % 220).unwrap() + 16);
            [&b"FRAME\n"[..], &luma.collect::<Vec<_>>(), &vec![128; width * height / 2]].concat()
        };
        Self { line, frames: (0..16).map(frame).collect() }
    }

    /// The stream's line and so many frames.
    pub fn bytes(&self, frames: usize) -> Vec<u8> {
        let frames = self.frames.iter().cycle().take(frames).flatten();
        self.line.iter().chain(frames).copied().collect()
    }
}

/// A writer. It stops when it is dropped.
pub struct PipeWriter {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl PipeWriter {
    /// Opens the FIFO, which waits for a reader, and writes frames at this rate.
    pub fn start(fifo: &Path, stream: Y4m, fps: u32) -> Self {
        let (stop, fifo) = (Arc::new(AtomicBool::new(false)), fifo.to_owned());
        let stops = Arc::clone(&stop);
        let write = move || {
            let mut fifo = File::options().write(true).open(fifo).unwrap();
            let (mut due, mut written) = (Instant::now(), 0);
            fifo.write_all(&stream.line).unwrap();
            for frame in stream.frames.iter().cycle() {
                if stops.load(Ordering::SeqCst) {
                    break;
                }
                fifo.write_all(frame).unwrap();
                written += 1;
                due += Duration::from_secs(1) / fps;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            written
        };
        Self { stop, thread: Some(std::thread::spawn(write)) }
    }

    /// Ends the writer behind a whole frame. The number of frames that it wrote.
    pub fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
