//! What is done to Preroll, and what must not be lost: the rows of docs/faults.md, each tried on real processes and
//! judged by the pixels. A test's name begins with its row. One that needs what this machine lacks says "skipped: why",
//! and returns.
//!
//! `make faults` runs these alone.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod backlog;
mod cameras;
mod cgroup;
mod clip_life;
mod codec;
mod compressed;
mod control;
mod damage;
mod dead_mounts;
mod export;
mod frozen_urls;
#[cfg(feature = "aravis")]
mod gige;
mod growing;
mod hangs;
mod input;
mod kills;
mod limits;
mod memory;
mod nemesis;
mod older;
mod presets;
mod readers;
mod retention;
mod rtsp;
mod sends;
mod shared_folder;
mod shortage;
mod signals;
mod starvation;
mod stopping;
mod stops;
mod storage;
mod streams;
mod sums;
mod surroundings;
mod table;
mod time;
mod windows;
mod writing;
