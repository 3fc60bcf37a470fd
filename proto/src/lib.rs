//! Everything that crosses a process boundary in Preroll, and nothing else. This crate knows no camera, no codec library
//! and no process tree.
//!
//! - Frames, from a capture to a recorder: [`ring`], in shared memory, of [`frame`]s; [`nontemporal`] is how they are
//!   copied into it, [`time`] the clock that all processes share. From one recorder to the next: the [`backlog`].
//! - Messages: [`messages`] between the supervisor and its children, carried by [`link`]; [`control`] between the
//!   commands and the supervisor, carried by [`wire`]; [`stats`] with [`status`], an [`event`], and a [`refusal`], are
//!   among its answers. A [`found_camera`] is what a capture tells of the devices that it finds.
//! - Documents on disk: [`config`] with a camera's [`offer`], and [`clip`] with its plan and manifest, made of [`name`]s, [`codec`]s and the state of
//!   the [`wall_clock`]; each whole or not there, by [`durable`]; [`fnv1a`] seals journals and names instances.
//! - Rules that several processes must keep alike: the encoder [`ladder`] of a camera, the paths and names of an
//!   [`instance`], which folder is fit to be recorded in ([`storage`]), how a file in it is [`opened`], which groups
//!   are let in ([`access`]), the [`new_folders`] that a refused start takes away, the [`origin`] of a plan, a
//!   [`process`] by its number and its [`parent`], the [`titles`] of processes, their [`priority`] and the
//!   [`signals`] that they ignore, exit codes ([`exit`]), the [`crash_note`] of a recorder, the form of the [`log`] that they
//!   share and of [`panics`] in it, what a command prints ([`say`]), and the [`failpoint`]s that a test sets for all of them at once.
//!
//! Imports run one way: [`ring`] and what it needs ([`frame`], [`nontemporal`], [`time`], [`sync`]) know nothing of the
//! rest, so that model checkers build them in seconds (`--no-default-features`).

pub mod frame;
pub mod nontemporal;
pub mod ring;
pub mod sync;
pub mod time;

#[cfg(feature = "host")]
pub mod access;
#[cfg(feature = "host")]
pub mod backlog;
#[cfg(feature = "host")]
pub mod by_camera;
#[cfg(feature = "host")]
pub mod clip;
#[cfg(feature = "host")]
pub mod codec;
#[cfg(feature = "host")]
pub mod config;
#[cfg(feature = "host")]
pub mod control;
#[cfg(feature = "host")]
pub mod crash_note;
#[cfg(feature = "host")]
pub mod durable;
#[cfg(feature = "host")]
pub mod event;
#[cfg(feature = "host")]
pub mod failpoint;
#[cfg(feature = "host")]
pub mod fnv1a;
#[cfg(feature = "host")]
pub mod found_camera;
#[cfg(feature = "host")]
pub mod instance;
#[cfg(feature = "host")]
pub mod ladder;
#[cfg(feature = "host")]
pub mod link;
#[cfg(feature = "host")]
pub mod log;
#[cfg(feature = "host")]
pub mod messages;
#[cfg(feature = "host")]
pub mod name;
#[cfg(feature = "host")]
pub mod new_folders;
#[cfg(feature = "host")]
pub mod offer;
#[cfg(feature = "host")]
pub mod opened;
#[cfg(feature = "host")]
pub mod origin;
#[cfg(feature = "host")]
pub mod panics;
#[cfg(feature = "host")]
pub mod parent;
#[cfg(feature = "host")]
pub mod priority;
#[cfg(feature = "host")]
pub mod process;
#[cfg(feature = "host")]
pub mod refusal;
#[cfg(feature = "host")]
pub mod say;
#[cfg(feature = "host")]
pub mod secret;
#[cfg(feature = "host")]
pub mod signals;
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
pub mod wall_clock;
#[cfg(feature = "host")]
pub mod wire;

/// Exit codes of every Preroll executable. A parent acts on them, so they are part of the interface.
pub mod exit {
    /// The request was carried out.
    pub const DONE: u8 = 0;
    /// The request was tried and failed.
    pub const FAILED: u8 = 1;
    /// The request can't be carried out as it stands: a bad argument, a bad config.
    pub const BAD_INPUT: u8 = 2;
    /// No supervisor is running here.
    pub const NOT_RUNNING: u8 = 3;
    /// A clip came out incomplete; its manifest says what is missing.
    pub const INCOMPLETE: u8 = 4;
    /// The time that a command was to wait is over. What it waited for goes on.
    pub const TIMED_OUT: u8 = 5;
    /// A thread of a child panicked, which is a bug. Rust's own code for it.
    pub const PANICKED: u8 = 101;
}
