//! A library to be preloaded into Preroll's processes: it stands before libc's `sendmsg` and `recvmsg`, and makes those
//! calls fail that a test has ordered to. All others reach the kernel as they are.
//!
//! The order is a line in the file `order` in the folder that [`FOLDER`] names: `number pid call first times errno`. `pid` 0
//! is every process. The `first` call of this kind since the order came, and `times` in all, fail with `errno`. A process
//! in which a call failed leaves the file `failed-NUMBER`. `trials/tests/faults/sends.rs` writes orders.

#![expect(unsafe_code, reason = "it takes the place of two functions of the C library")]

use std::ffi::{c_int, c_long};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The variable that names the folder of orders.
const FOLDER: &str = "PREROLL_FAILING_CALLS";

/// The system call numbers of x86-64 and of 64-bit ARM: `sendmsg` and `recvmsg`.
#[cfg(target_arch = "x86_64")]
const NUMBERS: (c_long, c_long) = (46, 47);
#[cfg(target_arch = "aarch64")]
const NUMBERS: (c_long, c_long) = (211, 212);

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
}

/// A message header, which is only handed on.
#[repr(C)]
pub struct Message {
    _opaque: [u8; 0],
}

/// The calls of the present order, counted.
struct Count {
    order: u64,
    calls: u64,
}

static COUNT: Mutex<Count> = Mutex::new(Count { order: 0, calls: 0 });

/// libc's `sendmsg`. `ssize_t` is a `long` on these machines.
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmsg(fd: c_int, message: *const Message, flags: c_int) -> c_long {
    if fails("sendmsg") {
        return -1;
    }
    // SAFETY: the caller's own arguments, as the kernel takes them.
    unsafe { syscall(NUMBERS.0, c_long::from(fd), message, c_long::from(flags)) }
}

/// libc's `recvmsg`.
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvmsg(fd: c_int, message: *mut Message, flags: c_int) -> c_long {
    if fails("recvmsg") {
        return -1;
    }
    // SAFETY: the caller's own arguments, as the kernel takes them.
    unsafe { syscall(NUMBERS.1, c_long::from(fd), message, c_long::from(flags)) }
}

/// Counts a call. If it has to fail, notes that and sets `errno`.
fn fails(call: &str) -> bool {
    let Some(errno) = ordered(call) else { return false };
    // SAFETY: libc returns the place of this thread's own errno, which is valid as long as the thread.
    let place = unsafe { __errno_location() };
    // SAFETY: as above; nobody else writes there meanwhile.
    unsafe { *place = errno };
    true
}

/// The error with which this call has to fail.
fn ordered(call: &str) -> Option<c_int> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    let text = fs::read_to_string(folder.join("order")).ok()?;
    let mut words = text.split_whitespace();
    let mut number = || words.next()?.parse::<u64>().ok();
    let (order, pid) = (number()?, number()?);
    if (pid != 0 && pid != u64::from(std::process::id())) || words.next()? != call {
        return None;
    }
    let mut number = || words.next()?.parse::<u64>().ok();
    let (first, times, errno) = (number()?, number()?, number()?);
    let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
    if count.order != order {
        *count = Count { order, calls: 0 };
    }
    count.calls += 1;
    if count.calls < first || count.calls - first >= times {
        return None;
    }
    let _ = fs::write(folder.join(format!("failed-{order}")), text);
    c_int::try_from(errno).ok()
}
