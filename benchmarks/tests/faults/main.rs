//! The table of faults, row by row: each test's name begins with the row it is for. What is done to Preroll is done
//! through its front door, to real processes; what came of it is judged by the oracle.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod clip_life;
mod codec;
#[path = "../e2e/rig.rs"]
#[allow(dead_code, reason = "the end-to-end tests use it too, and other parts of it")]
mod rig;
mod writing;
