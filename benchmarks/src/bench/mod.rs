//! How fast, how much: what `benchmark` measures, on the real processes.
//!
//! | module | subject |
//! |---|---|
//! | [`machine`] | what a figure was measured on |
//! | [`cost`] | memory, processor and disk of a running Preroll, as the kernel counts them |
//! | [`run`] | `benchmark run`: so many cameras, for so long, with or without clips |
//! | [`compare`] | `benchmark compare`: two runs side by side |
//! | [`ring`] | `benchmark ring`: publishing, leasing, waking |
//! | [`encode`] | `benchmark encode`: a frame's processor time, beside ffmpeg's |
//! | [`peers`] | `benchmark peers`: Preroll beside what a person would use instead |
//! | [`raw_futex`] | what waking is measured against |

pub mod compare;
pub mod cost;
pub mod encode;
pub mod machine;
pub mod peers;
pub mod raw_futex;
pub mod ring;
pub mod run;
