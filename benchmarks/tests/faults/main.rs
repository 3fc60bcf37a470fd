//! What is done to Preroll, and what must not be lost: a test for each row of the fault table, named by the row.
//!
//! All through its front door, as in `../e2e`, with the same [`rig`].

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod cameras;
mod memory;
#[path = "../e2e/rig.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod rig;
