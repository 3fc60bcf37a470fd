//! What crosses a process boundary in Preroll: the frame format, the shared-memory ring, the messages between
//! the supervisor and its children, the control socket's frames, the config and the documents on disk.
//!
//! This crate knows no camera, no codec and no process tree. [`ring`]'s protocol depends on nothing but
//! [`sync`], so that model checkers build it in seconds (`--no-default-features`).

pub mod frame;
pub mod nontemporal;
pub mod ring;
pub mod sync;
pub mod time;

#[cfg(feature = "host")]
pub mod clip;
#[cfg(feature = "host")]
pub mod codec;
#[cfg(feature = "host")]
pub mod config;
#[cfg(feature = "host")]
pub mod control;
#[cfg(feature = "host")]
pub mod durable;
#[cfg(feature = "host")]
pub mod failpoint;
#[cfg(feature = "host")]
pub mod instance;
#[cfg(feature = "host")]
pub mod link;
#[cfg(feature = "host")]
pub mod log;
#[cfg(feature = "host")]
pub mod messages;
#[cfg(feature = "host")]
pub mod name;
#[cfg(feature = "host")]
pub mod panics;
#[cfg(feature = "host")]
pub mod process;
#[cfg(feature = "host")]
pub mod refusal;
#[cfg(feature = "host")]
pub mod secret;
#[cfg(feature = "host")]
pub mod source;
#[cfg(feature = "host")]
pub mod stats;
#[cfg(feature = "host")]
pub mod status;
#[cfg(feature = "host")]
pub mod storage;
#[cfg(feature = "host")]
pub mod titles;
#[cfg(feature = "host")]
pub mod wire;

/// Exit codes of every Preroll executable. A parent acts on them, so they are part of the interface.
pub mod exit {
    /// What was asked has been done.
    pub const DONE: u8 = 0;
    /// It was tried and failed.
    pub const FAILED: u8 = 1;
    /// What was asked can't be done as asked: a bad argument, a bad config.
    pub const BAD_INPUT: u8 = 2;
    /// No supervisor is running here.
    pub const NOT_RUNNING: u8 = 3;
    /// A clip came out incomplete; its manifest says what is missing.
    pub const INCOMPLETE: u8 = 4;
}
