//! A setting of the allocator that keeps the supervisor's memory from growing over days. glibc gives threads arenas of
//! their own and keeps freed memory in each; every trigger runs on threads of its own, so all arenas would fill in time.
#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "one call that sets an option of the allocator; it says why it may")
)]

/// Makes all threads share an arena: none of them allocates enough to wait for another. Called before there are others.
pub(crate) fn keep_small() {
    // A supervisor for which this fails takes a little more memory.
    // SAFETY: mallopt takes two numbers and touches no memory of ours; no other thread runs yet.
    #[cfg(target_env = "gnu")]
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}
