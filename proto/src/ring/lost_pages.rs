//! Surviving the loss of a ring that this process has mapped.
//!
//! Any process that may open a segment may cut it short. The next touch of a page that is gone is a bus error, which
//! ends the process. For a capture or a recorder that is right: they die alone and are replaced, and no picture made of
//! zeros gets into a clip. The supervisor looks after everybody, so it calls [`survive`]: a page of a ring that is gone
//! becomes, for this process alone, a page of zeros, which no check of a ring takes for sound. journald does the same
//! for its files. A check beforehand can't replace this: the file may be cut between the check and the touch.
#![expect(
    unsafe_code,
    reason = "a signal handler and a mapping over lost pages; every block says why it may"
)]

use core::ffi::{c_int, c_void};
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::io;

use rustix::mm::{MapFlags, ProtFlags};

/// The number of mappings that can be guarded at once: two for each of the 256 cameras that a config may have, since a
/// ring may be mapped while the one that replaces it is made.
const PLACES: usize = 512;

/// A guarded mapping. Its fields are atomics because a signal handler reads them.
struct Place {
    /// The mapping's first address; 0 while this place is free.
    start: AtomicUsize,
    bytes: AtomicUsize,
    /// A page of it was lost, and is now a page of this process alone.
    lost: AtomicBool,
}

static GUARDED: [Place; PLACES] = [const {
    Place { start: AtomicUsize::new(0), bytes: AtomicUsize::new(0), lost: AtomicBool::new(false) }
}; PLACES];

/// The machine's page size, read beforehand: a signal handler should call as little as possible.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Marks a range of addresses as a ring's, for as long as this value lives.
pub(super) struct Guard(Option<usize>);

impl Guard {
    /// Marks a range. When every place is taken the range is not guarded: the process then dies of a lost page, as any
    /// other would.
    pub(super) fn over(start: usize, bytes: usize) -> Self {
        let take = |place: &Place| place.start.compare_exchange(0, start, AcqRel, Relaxed).is_ok();
        let place = GUARDED.iter().position(take);
        if let Some(place) = place {
            GUARDED[place].lost.store(false, Relaxed);
            // A handler that runs in between sees a length of 0, and so no range.
            GUARDED[place].bytes.store(bytes, Release);
        }
        Self(place)
    }

    /// True once a page was lost. This process then sees bytes there that no other process sees.
    pub(super) fn has_lost(&self) -> bool {
        self.0.is_some_and(|place| GUARDED[place].lost.load(Relaxed))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            GUARDED[place].bytes.store(0, Relaxed);
            GUARDED[place].start.store(0, Release);
        }
    }
}

/// From here on this process survives the loss of a ring's pages; [`super::Ring::check`] then reports the loss. Called
/// once, for the whole process.
///
/// # Errors
/// The system's error, when the signal handler can't be set.
pub fn survive() -> io::Result<()> {
    PAGE.store(rustix::param::page_size(), Relaxed);
    // SAFETY: all zeros are a valid sigaction: a default handler, an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = on_bus_error as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is initialised, its handler has the signature that SA_SIGINFO asks for and calls only what
    // may be called in a signal handler; the old action is not asked for.
    let done = unsafe { libc::sigaction(libc::SIGBUS, &action, core::ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs on the thread that touched the page, which goes on where it was when this returns.
extern "C" fn on_bus_error(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid siginfo_t to a handler with SA_SIGINFO, which lives until the handler returns.
    let info = unsafe { &*info };
    if info.si_code <= 0 {
        // A process has sent the signal, and no page is lost: see crate::signals.
        return;
    }
    // SAFETY: for SIGBUS the union in it holds an address.
    let address = unsafe { info.si_addr() } as usize;
    let place = if info.si_code == libc::BUS_ADRERR { place_of(address) } else { None };
    match place {
        Some(place) if put_zeros_at(address) => place.lost.store(true, Relaxed),
        // The address is no ring's. The same instruction meets the default action now, and the process ends as it would
        // have without this handler.
        // SAFETY: signal() with SIG_DFL is async-signal-safe and touches no memory of ours.
        _ => _ = unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) },
    }
}

fn place_of(address: usize) -> Option<&'static Place> {
    GUARDED.iter().find(|place| {
        // The length is read first: its Acquire makes the start that belongs to it visible.
        let bytes = place.bytes.load(Acquire);
        let start = place.start.load(Acquire);
        start != 0 && (start..start.saturating_add(bytes)).contains(&address)
    })
}

fn put_zeros_at(address: usize) -> bool {
    let bytes = PAGE.load(Relaxed);
    let page = address - address % bytes.max(1);
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED);
    // SAFETY: the page lies in a mapping of this process that is a ring's (place_of), which stays mapped while anyone
    // touches it, as somebody just does; it holds atomics and bytes, for which zeros are valid; rustix makes the
    // system call itself and allocates nothing, so it may be called in a signal handler.
    let mapped = unsafe { rustix::mm::mmap_anonymous(page as *mut c_void, bytes, protection, flags) };
    mapped.is_ok()
}
