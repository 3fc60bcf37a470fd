//! What is done to Preroll, row by row of the table in `docs/faults.md`, and what must not be lost by it. Each test's
//! name begins with its row's.
//!
//! A test that needs what a machine lacks says "skipped: why".

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

#[path = "../e2e/rig.rs"]
#[allow(dead_code, reason = "shared with the other tests, and not all of it is needed here")]
mod rig;
mod storage;
