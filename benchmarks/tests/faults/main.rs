//! What is done to Preroll, and what must not be lost: the rows of docs/faults.md, each tried on real processes and
//! judged by the pixels. A test's name begins with its row.
//!
//! `make faults` runs these alone.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod hangs;
mod kills;
mod nemesis;
#[path = "../e2e/rig.rs"]
mod rig;
mod table;
