//! Other people's lines on this process's standard error, with the source's password masked.
//!
//! OpenCV, GStreamer and FFmpeg print a source as it was given to them when it can't be opened. Their log levels differ
//! from version to version, and without their lines nobody knows why a camera fails: so the lines stay and the password
//! goes. Our own log lines hold no password and go past this.
//!
//! Lines that libav prints are also the only sign of some faults that OpenCV hides: of frames that change their size, which OpenCV
//! 4.6 answers with its last picture. For a source without a password that libav doesn't read nothing is done.
//!
//! The library that prints is never held up: what standard error doesn't take at once, and a line without an end, is
//! left out and counted. The lines that a crash prints as the process's very last may be lost on their way through.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proto::log;
use proto::secret::Secret;
use proto::source::SourceKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The time that the last lines may take to get through. A process that GStreamer has started may keep the pipe open for
/// ever.
const LAST_LINES: Duration = Duration::from_millis(200);
/// The longest line that is printed. Longer ones are left out whole: cut, they could show a part of a password.
const LONGEST_LINE_BYTES: usize = 8 << 10;
/// The bytes that a pipe takes without waiting once it is ready: a page. The pipe itself can't be told not to wait, since
/// other processes write to the same one.
const AT_ONCE_BYTES: usize = 4096;
/// The time that standard error has to take a line. One that has just failed to gets none for the next.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Standard error is masked while this lives.
pub(crate) struct MaskedStderr {
    original: OwnedFd,
    done: Receiver<()>,
    another_size: Arc<AtomicBool>,
}

impl MaskedStderr {
    /// Begins, if the source has a password. After an error the source must not be opened: the library would print it.
    pub(crate) fn start_for(source: &Secret, kind: SourceKind) -> io::Result<Option<Self>> {
        let is_read_by_libav = matches!(kind, SourceKind::File | SourceKind::Pictures | SourceKind::Url);
        if source.has_password() || is_read_by_libav {
            Self::start(source.clone()).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Has libswscale complained that a frame isn't of the size that OpenCV has prepared it for?
    pub(crate) fn told_of_another_size(&self) -> bool {
        self.another_size.load(Ordering::Relaxed)
    }

    fn start(source: Secret) -> io::Result<Self> {
        let original = io::stderr().as_fd().try_clone_to_owned()?;
        let output = File::from(original.try_clone()?);
        log::keep_output(File::from(original.try_clone()?));
        let (reader, writer) = io::pipe()?;
        let (ended, done) = channel();
        let another_size = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&another_size);
        std::thread::Builder::new().name("stderr".into()).spawn(move || {
            copy(reader, output, &source, &told);
            // The receiver has gone if it took too long.
            let _ = ended.send(());
        })?;
        rustix::stdio::dup2_stderr(&writer)?;
        Ok(Self { original, done, another_size })
    }
}

impl Drop for MaskedStderr {
    fn drop(&mut self) {
        // The pipe's only other end is closed by this, which ends the thread.
        if rustix::stdio::dup2_stderr(&self.original).is_ok() {
            let _ = self.done.recv_timeout(LAST_LINES);
        }
    }
}

/// libswscale's complaint about a frame of another size than it was prepared for.
fn tells_of_another_size(line: &str) -> bool {
    line.contains("Slice parameters") && line.contains("are invalid")
}

/// Copies masked lines until the other end is closed.
fn copy(from: impl Read, to: impl Write + AsFd, source: &Secret, another_size: &AtomicBool) {
    let mut lines = Lines { from: BufReader::new(from), line: Vec::new() };
    let mut output = Output { to, left_out: 0 };
    while let Ok(Some(line)) = lines.next() {
        match line {
            Line::Whole(line) => {
                let line = String::from_utf8_lossy(line);
                if tells_of_another_size(&line) {
                    another_size.store(true, Ordering::Relaxed);
                }
                output.print(&source.mask_in(&line));
            }
            Line::TooLong => output.left_out += 1,
        }
    }
    output.say_what_is_left_out();
}

/// The lines of a stream. A carriage return ends a line too: that is how FFmpeg shows its progress.
struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
}

enum Line<'a> {
    /// A line with its end, or the stream's last bytes.
    Whole(&'a [u8]),
    /// A line of more than [`LONGEST_LINE_BYTES`], passed over.
    TooLong,
}

impl<R: Read> Lines<R> {
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut bytes = 0;
        loop {
            let read = match self.from.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let end = read.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let taken = end.map_or(read.len(), |at| at + 1);
            bytes += taken;
            if bytes <= LONGEST_LINE_BYTES {
                self.line.extend_from_slice(&read[..taken]);
            }
            self.from.consume(taken);
            if end.is_some() || taken == 0 {
                break;
            }
        }
        Ok(match bytes {
            0 => None,
            1..=LONGEST_LINE_BYTES => Some(Line::Whole(&self.line)),
            _ => Some(Line::TooLong),
        })
    }
}

/// Standard error as it was.
struct Output<W> {
    to: W,
    /// The lines that could not be printed since the last one that could.
    left_out: u64,
}

impl<W: Write + AsFd> Output<W> {
    fn print(&mut self, line: &str) {
        if !self.say_what_is_left_out() || !self.write(line) {
            self.left_out += 1;
        }
    }

    /// Says how many lines are missing, if any are. False if even that could not be printed.
    fn say_what_is_left_out(&mut self) -> bool {
        let notice = match self.left_out {
            0 => return true,
            1 => "1 line left out".to_owned(),
            lines => format!("{lines} lines left out"),
        };
        let beginning = log::beginning(tracing::Level::WARN);
        let is_said = self.write(&format!("{beginning}{notice}: too long, or nobody took them\n"));
        if is_said {
            self.left_out = 0;
        }
        is_said
    }

    /// Writes a text as far as it is taken at once. False if some of it was not.
    fn write(&mut self, text: &str) -> bool {
        text.as_bytes().chunks(AT_ONCE_BYTES).all(|part| {
            // A reader of the log that has gone is no reason to stop emptying the pipe: printing would block.
            self.takes_more() && self.to.write_all(part).is_ok()
        })
    }

    fn takes_more(&self) -> bool {
        let patience = if self.left_out == 0 { PATIENCE } else { Timespec::default() };
        let mut output = [PollFd::new(&self.to, PollFlags::OUT)];
        poll(&mut output, Some(&patience)).is_ok_and(|ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::RecvTimeoutError;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn source() -> Secret {
        Secret::from("rtsp://keeper:s3cret@h/x")
    }

    /// The text that comes out for some text that goes in.
    fn copied(text: &[u8]) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        copy(text, writer, &source(), &AtomicBool::new(false));
        let mut out = String::new();
        reader.read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn a_password_goes_in_and_a_mask_comes_out() {
        let said = copied(b"can't open rtsp://keeper:s3cret@h/x\nframe 1\rwith s3cret\r\nand its end");
        assert_eq!(said, "can't open rtsp://keeper:***@h/x\nframe 1\rwith ***\r\nand its end");
        assert_eq!(copied(b""), "");
    }

    #[test]
    fn a_frame_of_another_size_is_heard_of() {
        for (said, is_heard) in [
            ("[swscaler @ 0x5650c91c7740] Slice parameters 0, 480 are invalid\n", true),
            ("[mjpeg @ 0x5] No JPEG data found in image\n", false),
        ] {
            let (_reader, writer) = io::pipe().unwrap();
            let told = AtomicBool::new(false);
            copy(said.as_bytes(), writer, &source(), &told);
            assert_eq!(told.load(Ordering::Relaxed), is_heard, "{said}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_left_out_and_takes_no_memory() {
        let mut text = vec![b'x'; 100 << 10];
        text.extend(b"s3cret\nnext s3cret\n");
        let said = copied(&text);
        assert!(said.contains("Z [WARN] 1 line left out"), "{said}");
        assert!(said.ends_with("\nnext ***\n"), "{said}");
        let mut lines = Lines { from: BufReader::new(text.as_slice()), line: Vec::new() };
        assert!(matches!(lines.next(), Ok(Some(Line::TooLong))));
        assert!(lines.line.capacity() <= 2 * LONGEST_LINE_BYTES, "{}", lines.line.capacity());
    }

    #[test]
    fn an_output_that_nobody_reads_holds_nobody_up() {
        let (mut reader, writer) = io::pipe().unwrap();
        // More than a pipe holds, by far.
        let line = format!("{} s3cret\n", "x".repeat(2000));
        let (ended, done) = channel();
        let (proceed, go_on) = channel::<()>();
        std::thread::spawn(move || {
            copy(
                line.repeat(500).as_bytes(),
                writer.try_clone().unwrap(),
                &source(),
                &AtomicBool::new(false),
            );
            ended.send(()).unwrap();
            go_on.recv().unwrap();
            let mut output = Output { to: writer, left_out: 3 };
            output.print("after\n");
        });
        assert_ne!(done.recv_timeout(SOON), Err(RecvTimeoutError::Timeout), "it waits for a reader");
        // All that the pipe holds, so that there is room again.
        let mut held = vec![0; 1 << 20];
        let bytes = reader.read(&mut held).unwrap();
        proceed.send(()).unwrap();
        let mut said = String::from_utf8(held[..bytes].to_vec()).unwrap();
        reader.read_to_string(&mut said).unwrap();
        assert!(said.ends_with("\nafter\n"), "{said}");
        assert!(said.contains("[WARN] 3 lines left out"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}
