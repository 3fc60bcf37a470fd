//! What the kernel knows of its wall clock: whether something keeps it right, and how far off it may be. Nothing here
//! sets a clock.
#![expect(unsafe_code, reason = "rustix has no adjtimex; the one block says why it may")]

use serde::{Deserialize, Serialize};

/// The state of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockState {
    /// Something (NTP, PTP, GPS) keeps the clock right, by the kernel's word.
    pub synchronised: bool,
    /// The most by which the clock may be off, by the word of whatever keeps it right. The kernel lets it grow while it hears
    /// nothing, up to 16 s; without synchronisation it means nothing.
    pub max_error_ns: u64,
}

impl ClockState {
    /// The state at this moment; `None` where the kernel doesn't tell.
    #[must_use]
    pub fn now() -> Option<Self> {
        let (answer, timex) = ask()?;
        let is_unsynchronised = answer == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0;
        let max_error_us = u64::try_from(timex.maxerror).unwrap_or(0);
        Some(Self { synchronised: !is_unsynchronised, max_error_ns: max_error_us.saturating_mul(1000) })
    }
}

/// adjtimex(2) with nothing to change.
fn ask() -> Option<(libc::c_int, libc::timex)> {
    // SAFETY: `timex` is made of integers alone, for all of which zero is a value. `modes` 0 asks for no change.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `timex` of this function's own, which the call may write to and doesn't keep.
    let answer = unsafe { libc::adjtimex(&raw mut timex) };
    (answer >= 0).then_some((answer, timex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_as_the_kernel_keeps_it_and_not_changed() {
        // Some sandboxes allow no adjtimex at all.
        let Some((_, before)) = ask() else { return };
        // The kernel's tick is 10 ms, give or take a tenth (adjtimex(2)): another layout would show here.
        assert!((9000..=11_000).contains(&before.tick), "{}", before.tick);
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let (_, after) = ask().unwrap();
        assert!(u64::try_from(after.time.tv_sec).unwrap().abs_diff(unix.as_secs()) <= 1);
        assert_eq!((before.freq, before.modes, before.constant), (after.freq, after.modes, after.constant));
        let state = ClockState::now().unwrap();
        assert_eq!(state.synchronised, before.status & libc::STA_UNSYNC == 0);
    }
}
