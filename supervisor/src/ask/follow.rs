//! `preroll trigger --follow`: requests about triggers as they are read from standard input, a JSON object a line, and their
//! answers as they come, a JSON object a line. All of them go over one connection. What a line means is in [`line`], what is
//! answered in [`book`].
//!
//! One thread reads standard input and sends, and waits when the supervisor has enough to do; the other reads what the
//! supervisor says, and prints.

mod book;
mod line;

use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::control::{Asked, Request, Response, Told, WHOLE_CONNECTION};
use proto::event::Event;
use proto::exit;
use proto::time::MonotonicNs;
use proto::wire;
use rustix::event::{PollFd, PollFlags, poll};

use super::client::{Address, Client, unexpected};
use crate::failure::Failure;
use crate::trigger::plan;
use book::{Answer, Book, News};
use line::{BadLine, Wanted};

/// The longest line: more than the longest request has bytes.
const LONGEST_LINE: usize = 512 * 1024;
/// The request for the events; those of lines follow.
const EVENTS: u64 = 1;

/// Reads lines until standard input ends, and then waits for the clips that are open.
pub(crate) fn follow(of: &Address) -> Result<u8, Failure> {
    let mut client = Client::connect(of)?;
    // The first request of the connection, so that no clip ends unheard.
    match client.ask(Request::Subscribe { since: None })? {
        Response::Subscribed { .. } => {}
        other => return Err(unexpected(&other)),
    }
    let no_pipe =
        |e: io::Error| Failure::failed(format!("can't read requests and answers side by side: {e}"));
    let to = client.stream().try_clone().map_err(no_pipe)?;
    let (woken, wake) = io::pipe().map_err(no_pipe)?;
    let book = Arc::new(Mutex::new(Book::default()));
    let lines = Lines { book: Arc::clone(&book), to, wake };
    std::thread::Builder::new()
        .name("lines".into())
        .spawn(move || lines.read(io::stdin()))
        .map_err(no_pipe)?;
    Answers { client, book, woken }.tell()
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that reads lines.
struct Lines {
    book: Arc<Mutex<Book>>,
    to: UnixStream,
    /// Wakes the thread that prints.
    wake: PipeWriter,
}

impl Lines {
    fn read(mut self, from: impl Read) {
        let mut from = BufReader::new(from);
        let mut text = Vec::new();
        for number in 1.. {
            text.clear();
            let wanted = match next_line(&mut from, &mut text) {
                // A standard input that can't be read any more has ended too.
                Ok(false) | Err(_) => break,
                Ok(true) if text.trim_ascii().is_empty() => continue,
                Ok(true) if text.len() > LONGEST_LINE => Err(line::too_long(LONGEST_LINE)),
                Ok(true) => line::read(&text, MonotonicNs::now()),
            };
            match wanted.and_then(|wanted| self.send(number, wanted)) {
                // The thread that prints sees that the connection is lost.
                Ok(Sent::No) => return,
                Ok(Sent::Yes) => {}
                Err(bad) => {
                    lock(&self.book).bad_line(number, bad);
                    let _ = self.wake.write_all(&[1]);
                }
            }
        }
        lock(&self.book).is_at_end = true;
        let _ = self.wake.write_all(&[1]);
    }

    /// Sends a request. Waits while the supervisor has enough to do.
    fn send(&mut self, line: u64, wanted: Wanted) -> Result<Sent, BadLine> {
        let Wanted { id, op, request } = wanted;
        let number = EVENTS + line;
        let frame = wire::encode(&Asked { id: number, request }).map_err(|e| BadLine {
            id: id.clone(),
            op: Some(op),
            why: e.to_string(),
        })?;
        // The answer may come before this thread goes on.
        lock(&self.book).ask(number, line, id, op);
        Ok(if self.to.write_all(&frame).is_ok() { Sent::Yes } else { Sent::No })
    }
}

enum Sent {
    Yes,
    /// The connection is lost.
    No,
}

/// Reads a line, of one that is too long only the beginning. False at the end.
fn next_line(from: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let piece = match from.fill_buf() {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            piece => piece?,
        };
        if piece.is_empty() {
            return Ok(!text.is_empty());
        }
        let (line, is_whole) = match piece.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&piece[..at], true),
            None => (piece, false),
        };
        text.extend(line.iter().take((LONGEST_LINE + 1).saturating_sub(text.len())));
        let used = line.len() + usize::from(is_whole);
        from.consume(used);
        if is_whole {
            return Ok(true);
        }
    }
}

/// The thread that prints answers.
struct Answers {
    client: Client,
    book: Arc<Mutex<Book>>,
    /// Readable when the other thread has something.
    woken: PipeReader,
}

/// What has come.
struct Came {
    /// From the supervisor.
    told: bool,
    /// From the other thread.
    woken: bool,
    /// Nobody reads standard output any more.
    is_unread: bool,
}

impl Answers {
    fn tell(mut self) -> Result<u8, Failure> {
        loop {
            let (answers, is_done) = {
                let mut book = lock(&self.book);
                (book.take_answers(), book.is_done())
            };
            if !print(&answers)? || is_done {
                return Ok(exit::DONE);
            }
            let came = self.wait();
            if came.is_unread {
                return Ok(exit::DONE);
            }
            if came.woken {
                // There is at least one byte, and it doesn't matter how many.
                let _ = self.woken.read(&mut [0; 512]);
            }
            if came.told {
                match self.client.next_of_any() {
                    Ok(told) => self.hear(told)?,
                    Err(failure) => return self.end(failure),
                }
            }
        }
    }

    fn wait(&self) -> Came {
        let stdout = io::stdout();
        let mut fds = [
            PollFd::new(self.client.stream(), PollFlags::IN),
            PollFd::new(&self.woken, PollFlags::IN),
            PollFd::new(&stdout, PollFlags::empty()),
        ];
        match poll(&mut fds, None) {
            Ok(_) => Came {
                told: !fds[0].revents().is_empty(),
                woken: fds[1].revents().contains(PollFlags::IN),
                is_unread: fds[2].revents().contains(PollFlags::ERR),
            },
            Err(_) => Came { told: false, woken: false, is_unread: false },
        }
    }

    fn hear(&mut self, told: Told) -> Result<(), Failure> {
        let Told { id, response } = told;
        let mut book = lock(&self.book);
        match response {
            Response::Accepted(accepted) => {
                let path = accepted.path.clone();
                // Of a clip that is new here the end may have been told already.
                if book.accepted(id, accepted) == News::Clip {
                    look(&mut book, &path);
                }
            }
            Response::Refused(why) if id == WHOLE_CONNECTION || id == EVENTS => return Err(why.into()),
            Response::Refused(why) => book.refused(id, &why),
            Response::Event(logged) => match logged.event {
                Event::ClipFinished { path, verdict, complete, .. } => {
                    book.finished(&path, verdict, complete)
                }
                Event::ClipLost { path, why, .. } => book.failed(&path, "clip_lost", &why),
                Event::ClipRemoved { path, .. } => book.failed(&path, "clip_removed", "the clip was removed"),
                // The end of a clip may be among those that are missing.
                Event::Lagged { .. } => book.open().iter().for_each(|path| look(&mut book, path)),
                _ => {}
            },
            other => return Err(unexpected(&other)),
        }
        Ok(())
    }

    /// The connection is lost: says of each request and of each clip as much as is known.
    fn end(&mut self, failure: Failure) -> Result<u8, Failure> {
        let mut book = lock(&self.book);
        book.open().iter().for_each(|path| look(&mut book, path));
        book.give_up();
        print(&book.take_answers())?;
        Err(failure)
    }
}

/// Looks into a clip's folder whether it is finished.
fn look(book: &mut Book, path: &str) {
    if let Some(manifest) = plan::manifest(Path::new(path)) {
        book.finished(path, manifest.verdict, manifest.complete);
    }
}

/// Prints answers, a line each. False when nobody reads any more.
fn print(answers: &[Answer]) -> Result<bool, Failure> {
    let mut text = String::new();
    for answer in answers {
        let line = serde_json::to_string(answer)
            .map_err(|e| Failure::failed(format!("an answer can't be written as JSON: {e}")))?;
        text.push_str(&line);
        text.push('\n');
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::failed(format!("can't write an answer: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], capacity: usize) -> Vec<Vec<u8>> {
        let mut from = BufReader::with_capacity(capacity, input);
        std::iter::from_fn(|| {
            let mut text = Vec::new();
            next_line(&mut from, &mut text).unwrap().then_some(text)
        })
        .collect()
    }

    #[test]
    fn lines_are_read_whatever_pieces_they_come_in() {
        for capacity in [1, 3, 100] {
            assert_eq!(lines(b"{}\n\nab\nlast", capacity), [&b"{}"[..], b"", b"ab", b"last"]);
            assert!(lines(b"", capacity).is_empty());
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_the_longest() {
        let long = [vec![b'x'; 3 * LONGEST_LINE], b"\n{}\n".to_vec()].concat();
        let read = lines(&long, 8192);
        assert_eq!((read[0].len(), &read[1][..]), (LONGEST_LINE + 1, &b"{}"[..]));
    }
}
