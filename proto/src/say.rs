//! What a command prints: the answer on standard output, remarks on standard error. Every program of Preroll prints by
//! these two functions, since the standard library's macros panic where nobody reads any more or the disk is full. Log
//! lines are in [`crate::log`].

use std::io::{self, ErrorKind, Write};

/// Prints an answer. Nobody reading it any more (`preroll stats | head`) is no failure.
///
/// # Errors
/// It can't be written, as on a disk that is full.
pub fn answer(text: &str) -> io::Result<()> {
    print(io::stdout().lock(), text)
}

/// Prints a remark beside the answer. A remark that can't be printed is lost: there is no other place for it.
pub fn aside(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn print(mut to: impl Write, text: &str) -> io::Result<()> {
    unless_unread(to.write_all(text.as_bytes()).and_then(|()| to.flush()))
}

/// Takes an answer that nobody reads to its end as printed.
///
/// # Errors
/// Every other one.
pub fn unless_unread(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_could_not_be_written_is_a_failure() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        print(&writer, "unread\n").unwrap();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(print(&full, "too much\n").unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
