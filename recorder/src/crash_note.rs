//! Last words: when a thread crashes while a frame is in an encoder, its camera and the encoder are noted in a file of the
//! runtime directory, where the supervisor reads them ([`proto::crash_note`]).
//!
//! Each thread keeps its line ready while an encoder is at work. The handler of the crash signals runs on the thread that
//! crashed; it writes the line and lets the signal take its course. A signal that another process has sent is no crash,
//! and is ignored. What this does not do: tell of a crash on a thread of an encoder's own.
#![expect(unsafe_code, reason = "a signal handler; what it does is safe to do there")]

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering, compiler_fence};

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, c_int, c_void, siginfo_t};
use proto::codec::EncoderChoice;
use proto::crash_note;
use proto::name::Name;
use proto::process::Pid;

/// The signals by which a process crashes.
const CRASHES: [c_int; 6] = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP];
/// A pid, a camera's name, a codec and an encoder's name are shorter. A longer line is cut.
const LONGEST_LINE: usize = 192;

/// The file of notes; negative until there is one.
static FILE: AtomicI32 = AtomicI32::new(-1);

thread_local! {
    // No destructor and nothing to initialise: a signal handler may look at it at any time.
    static LINE: Line = const { Line::empty() };
}

/// A thread's line. Of atomics, since the thread may be interrupted by its own handler while it changes the line.
struct Line {
    length: AtomicUsize,
    bytes: [AtomicU8; LONGEST_LINE],
}

impl Line {
    const fn empty() -> Self {
        Self { length: AtomicUsize::new(0), bytes: [const { AtomicU8::new(0) }; LONGEST_LINE] }
    }
}

/// Has crashes noted in this file from now on. The supervisor has made it: a recorder that outlives its supervisor must
/// not leave one in a runtime directory that has been cleared.
pub(crate) fn install(path: &Path) -> io::Result<()> {
    let file: File = OpenOptions::new().append(true).open(path)?;
    // Open for the rest of the process's life: it may crash at any moment.
    FILE.store(file.into_raw_fd(), Ordering::Relaxed);
    for signal in CRASHES {
        // SAFETY: all zeros is a valid sigaction: the default handler, an empty mask, no flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_crash as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // One handler at a time: a signal's stack has room for one frame of vector registers, and the kernel ends a process
        // by SIGSEGV that has no room for the next.
        // SAFETY: the mask is a valid place for a set of signals; filling it can't fail.
        let _ = unsafe { libc::sigfillset(&raw mut action.sa_mask) };
        // SAFETY: `action` is initialised, and its handler has the signature that SA_SIGINFO asks for and does only what
        // may be done in a handler (signal-safety(7)); the old action is not asked for.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Keeps this thread's line ready until the value is dropped.
#[must_use = "the line is ready only as long as this value lives"]
pub(crate) fn at_work(camera: &Name, encoder: &EncoderChoice) -> AtWork {
    LINE.with(|line| {
        line.length.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        let mut text = Text { line, length: 0 };
        // Writing it can't fail.
        let _ = crash_note::write(&mut text, Pid::this(), camera, encoder);
        let length = text.length;
        compiler_fence(Ordering::SeqCst);
        line.length.store(length, Ordering::Relaxed);
    });
    AtWork
}

/// An encoder at work on this thread: see [`at_work`].
#[derive(Debug)]
pub(crate) struct AtWork;

impl Drop for AtWork {
    fn drop(&mut self) {
        LINE.with(|line| line.length.store(0, Ordering::Relaxed));
    }
}

struct Text<'a> {
    line: &'a Line,
    length: usize,
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &self.line.bytes[self.length..];
        for (place, byte) in room.iter().zip(text.bytes()) {
            place.store(byte, Ordering::Relaxed);
            self.length += 1;
        }
        Ok(())
    }
}

/// Notes the crash, and ends the process by its signal.
extern "C" fn on_crash(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo_t to a handler that was set with SA_SIGINFO.
    let info = unsafe { &*info };
    // Zero or less: sent by a process (SI_USER, SI_QUEUE, SI_TKILL). Above: a fault of this thread.
    let is_sent = info.si_code <= 0;
    // SAFETY: for a signal that a process has sent, the kernel has filled in the sender's pid.
    if is_sent && unsafe { info.si_pid() } != std::process::id().cast_signed() {
        return;
    }
    LINE.with(|line| {
        let mut note = [0; LONGEST_LINE];
        let length = line.length.load(Ordering::Relaxed).min(LONGEST_LINE);
        for (byte, kept) in note.iter_mut().zip(&line.bytes) {
            *byte = kept.load(Ordering::Relaxed);
        }
        if length > 0 {
            // SAFETY: the pointer and the length are those of initialised bytes of `note`. A file that can't be written is
            // no reason to stop here, and a descriptor below 0 is refused by the kernel.
            let _ = unsafe { libc::write(FILE.load(Ordering::Relaxed), note.as_ptr().cast(), length) };
        }
    });
    // SAFETY: setting the default action has no precondition, and may be done in a handler.
    let _ = unsafe { libc::signal(signal, libc::SIG_DFL) };
    if is_sent {
        // SAFETY: raise has no precondition. The signal is blocked in its handler, and comes when that has returned.
        let _ = unsafe { libc::raise(signal) };
    }
    // A fault happens again at the same instruction, by the default action this time.
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};

    use proto::codec::Codec;
    use rustix::process::{Signal, kill_process};

    use super::*;

    const NOTES: &str = "PREROLL_TEST_CRASH_NOTES";

    fn name() -> Name {
        Name::new("left").unwrap()
    }

    fn encoder() -> EncoderChoice {
        EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some("superfast".into()) }
    }

    /// This test again, in a process that may crash.
    fn crash(how: &str, notes: &Path) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "crash_note::tests::a_process_that_crashes", "--ignored"])
            .env(NOTES, notes)
            .env("PREROLL_TEST_CRASH", how)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    #[test]
    #[ignore = "the tests below run it in a process of its own, which crashes"]
    fn a_process_that_crashes() {
        let Some(notes) = std::env::var_os(NOTES) else { return };
        install(Path::new(&notes)).unwrap();
        let mut working = Some(at_work(&name(), &encoder()));
        match std::env::var("PREROLL_TEST_CRASH").unwrap().as_str() {
            "idle" => working = None,
            "fault" => {
                // SAFETY: an address that no process has: the fault is what is wanted.
                unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
            }
            "elsewhere" => std::thread::spawn(|| std::process::abort()).join().unwrap(),
            // Waits until it is told to go on.
            _ => drop(std::io::stdin().read(&mut [0])),
        }
        drop(working);
        std::process::abort();
    }

    #[test]
    fn a_crash_over_an_encoder_is_noted_with_its_camera_and_no_other() {
        let notes = tempfile::NamedTempFile::new().unwrap();
        let ends = |how| {
            let mut child = crash(how, notes.path());
            let pid = Pid::new(child.id()).unwrap();
            drop(child.stdin.take());
            (child.wait().unwrap().signal(), crash_note::read(notes.path(), pid))
        };
        let note =
            crash_note::CrashNote { camera: name(), encoder: EncoderChoice { preset: None, ..encoder() } };
        assert_eq!(ends("fault"), (Some(SIGSEGV), Some(note)));
        assert_eq!(ends("idle"), (Some(SIGABRT), None));
        assert_eq!(ends("elsewhere"), (Some(SIGABRT), None), "another thread's encoder is not to blame");
    }

    #[test]
    fn a_signal_from_another_process_is_no_crash() {
        let notes = tempfile::NamedTempFile::new().unwrap();
        let mut child = crash("wait", notes.path());
        // It reads once its handlers are there: until then the kernel's default would end it.
        let handlers = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let caught =
                status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
            u64::from_str_radix(&caught, 16).unwrap() & (1 << (SIGTRAP - 1)) != 0
        };
        while !handlers() {
            std::thread::yield_now();
        }
        let pid = Pid::new(child.id()).unwrap();
        // All at once: while it is stopped they gather.
        kill_process(pid.for_rustix(), Signal::STOP).unwrap();
        for signal in [Signal::SEGV, Signal::ABORT, Signal::BUS, Signal::FPE, Signal::ILL, Signal::TRAP] {
            kill_process(pid.for_rustix(), signal).unwrap();
        }
        kill_process(pid.for_rustix(), Signal::CONT).unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().signal(), Some(SIGABRT), "its own");
        assert_eq!(crash_note::read(notes.path(), pid), None);
    }
}
