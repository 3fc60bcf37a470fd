//! The signals that Preroll's processes take no notice of, because nothing in Preroll sends them: see
//! docs/decisions/signals.md. Which signals end the supervisor, and how, is decided in the supervisor.
//!
//! A signal that is ignored here still ends a process by the process's own fault. When an instruction of the process
//! itself causes SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP or SIGSYS, the kernel resets an ignored signal to its default
//! action (`force_sig_info_to_task` in `kernel/signal.c`). `abort()` does the same for SIGABRT. Only the same signal from
//! another process is dropped, so a supervisor that sees a child end by one of them knows that the child has crashed.
//!
//! The handler by which Rust tells a stack overflow from another bad address is replaced: such a process ends by SIGSEGV
//! without Rust's line about it.
//!
//! An ignored signal stays ignored in the programs that the process starts. Those are Preroll's own, and ignore it too.
#![expect(unsafe_code, reason = "rustix sets no signal's action; the one block says why it may")]

use libc::c_int;

/// Takes no notice from here on of every signal but these: those that are meant to end a process (SIGINT, SIGTERM,
/// SIGQUIT, and SIGHUP, which a closed terminal sends), those that stop and wake one, and SIGCHLD, without which no
/// child's end could be awaited. Called before a process has other threads.
pub fn ignore_strays() {
    (1..=libc::SIGRTMAX()).filter(|signal| is_stray(*signal)).for_each(ignore);
}

/// Takes no notice of SIGHUP from here on.
pub fn ignore_hangup() {
    ignore(libc::SIGHUP);
}

/// Takes no notice of SIGXFSZ from here on: a file that may not grow any more is an error of the write (EFBIG), which
/// is reported like any other.
pub fn ignore_file_size_limit() {
    ignore(libc::SIGXFSZ);
}

/// Is SIGHUP ignored? At a process's start it is if whoever started the process wants it to outlive the terminal, as
/// nohup(1) does.
#[must_use]
pub fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (libc::SIGHUP - 1) & 1 == 1)
}

fn is_stray(signal: c_int) -> bool {
    use libc::{
        SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU,
    };
    let ends = [SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM];
    let stops_or_wakes = [SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];
    // Between the named ones and SIGRTMIN lie the C library's own.
    let is_the_library_s = signal > libc::SIGSYS && signal < libc::SIGRTMIN();
    !(ends.contains(&signal) || stops_or_wakes.contains(&signal) || signal == SIGCHLD || is_the_library_s)
}

fn ignore(signal: c_int) {
    // SAFETY: SIG_IGN is an action that every signal but SIGKILL and SIGSTOP may have, and for those two the call fails
    // without effect. No handler runs, so no memory of this process is touched.
    let _before = unsafe { libc::signal(signal, libc::SIG_IGN) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_stops_or_wakes_a_process_is_no_stray() {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGCHLD, libc::SIGTSTP]
        {
            assert!(!is_stray(signal), "{signal}");
        }
        for signal in
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGUSR1, libc::SIGXFSZ, libc::SIGPIPE]
        {
            assert!(is_stray(signal), "{signal}");
        }
        assert!(is_stray(libc::SIGRTMIN()) && is_stray(libc::SIGRTMAX()));
        assert!(!is_stray(libc::SIGRTMIN() - 1), "the C library cancels threads by it");
    }
}
