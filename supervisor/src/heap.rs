//! Keeps the supervisor's memory from creeping. glibc gives threads arenas of their own and keeps what was freed in each;
//! every trigger runs on threads of its own, so over the days all of them would fill.
#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "one call that sets an option of the allocator; it says why it may")
)]

/// One arena for all threads: none of them allocates enough to wait for another. To be called before there are others.
pub(crate) fn keep_small() {
    // Where it can't be set the supervisor takes a little more memory.
    // SAFETY: mallopt takes two numbers and touches no memory of ours; no other thread runs yet.
    #[cfg(target_env = "gnu")]
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}
