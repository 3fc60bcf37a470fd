//! Signals from other processes, and faults of a process's own: tried on real processes. This executable plays them
//! too: it runs itself with `PREROLL_SIGNALS` set.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "a process that writes to a bad address is what is tried")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use proto::process::Pid;
use proto::signals;
use rustix::process::{Signal, kill_process};

const PART: &str = "PREROLL_SIGNALS";
/// The code with which the process ends that nothing else has ended.
const OUTLIVED: i32 = 17;
/// The longest life of the process: a test that waits for a signal to end it must not wait for ever.
const LONGEST: Duration = Duration::from_secs(20);
const READY: &str = "ignores strays";

/// Not a test by itself: the process that the tests below look at.
#[test]
fn a_process_that_ignores_strays() {
    let Ok(part) = std::env::var(PART) else { return };
    signals::ignore_strays();
    match part.as_str() {
        "waits" => {
            println!("\n{READY}");
            std::thread::spawn(|| {
                std::thread::sleep(LONGEST);
                std::process::exit(OUTLIVED);
            });
            // Until the test closes the other end.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
        }
        "aborts" => std::process::abort(),
        "overflows" => println!("{}", deeper(0)),
        "writes to a bad address" => {
            let nowhere = core::ptr::without_provenance_mut::<u8>(8);
            // SAFETY: it is not safe, and the process's end by it is what is tried.
            unsafe { nowhere.write_volatile(1) };
        }
        "meets a bad instruction" => bad_instruction(),
        other => panic!("{other}"),
    }
    std::process::exit(OUTLIVED);
}

/// Fills the stack.
fn deeper(depth: u64) -> u64 {
    let row = std::hint::black_box([depth; 512]);
    if depth == u64::MAX { 0 } else { row[7] + deeper(depth + 1) + row[9] }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn bad_instruction() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `ud2` raises SIGILL and touches nothing.
    unsafe {
        core::arch::asm!("ud2");
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: `udf` raises SIGILL and touches nothing.
    unsafe {
        core::arch::asm!("udf #0");
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn bad_instruction() {
    std::process::abort();
}

fn play(part: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_ignores_strays", "--nocapture"])
        .env(PART, part)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Starts a process that waits.
fn waiting() -> Child {
    let mut process = play("waits");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == READY));
    process
}

/// Starts a process that waits, does something to it, lets it go, and returns its end.
fn after(blow: impl FnOnce(rustix::process::Pid)) -> ExitStatus {
    let mut process = waiting();
    blow(Pid::of(&process).for_rustix());
    drop(process.stdin.take());
    process.wait().unwrap()
}

fn real_time(number: i32) -> Signal {
    // SAFETY: a real-time signal from SIGRTMIN on is none that the C library keeps to itself.
    unsafe { Signal::from_raw_unchecked(libc::SIGRTMIN() + number) }
}

#[test]
fn no_stray_from_outside_ends_a_process() {
    let strays = [
        Signal::SEGV,
        Signal::BUS,
        Signal::ILL,
        Signal::FPE,
        Signal::TRAP,
        Signal::SYS,
        Signal::ABORT,
        Signal::PIPE,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::XCPU,
        Signal::XFSZ,
        Signal::IO,
        Signal::POWER,
        real_time(0),
        real_time(7),
    ];
    // Each twice: a handler that survives the first may not survive the second.
    let status = after(|pid| {
        strays.iter().chain(&strays).for_each(|signal| kill_process(pid, *signal).unwrap());
    });
    assert_eq!(status.code(), Some(OUTLIVED), "{status}");
}

#[test]
fn what_is_meant_to_end_a_process_ends_it() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::KILL] {
        let mut process = waiting();
        // Held: a process that is let go may end by itself before a signal that it dumps its core for has ended it.
        let held = process.stdin.take();
        kill_process(Pid::of(&process).for_rustix(), signal).unwrap();
        let status = process.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        drop(held);
    }
}

#[test]
fn a_fault_of_its_own_ends_a_process_by_its_signal() {
    for (part, signal) in [
        ("aborts", Signal::ABORT),
        ("overflows", Signal::SEGV),
        ("writes to a bad address", Signal::SEGV),
        ("meets a bad instruction", Signal::ILL),
    ] {
        let status = play(part).wait_with_output().unwrap().status;
        assert_eq!(status.signal(), Some(signal.as_raw()), "{part}: {status}");
    }
}
