//! What is done to Preroll, and what must not be lost: a test for each row of the table in docs/faults.md, by whose
//! number its name begins. A test that needs what this machine lacks says so, and returns.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod control;
mod input;
mod limits;
#[path = "../e2e/rig.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod rig;
