//! The fault table (docs/faults.md): what is done to Preroll, and what must not be lost. A test's name begins with its
//! row; what a machine lacks is said as "skipped: why".

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod cgroup;
#[path = "../e2e/rig.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
mod rig;
mod starvation;
mod surroundings;
mod time;
