//! All of Preroll, through its front door: a real supervisor with real captures and a real recorder, its clips
//! judged by their pixels.
//!
//! Every test runs a [`trials::Rig`] of its own. One that chooses at random prints its seed; `PREROLL_SEED` sets it.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod access;
mod answers;
mod check;
mod clips;
mod clocks;
mod codecs;
mod copied;
mod disks;
mod events;
mod export;
mod film_times;
mod films;
mod following;
mod gige;
mod health;
mod install;
mod json_lines;
mod lengths;
mod live;
mod logs;
mod media;
mod mistakes;
mod paths;
mod pictures;
mod printing;
mod refusals;
mod schemas;
mod sources;
mod streams;
mod surroundings;
mod triggers;
mod units;
mod video_devices;
mod waiting;
