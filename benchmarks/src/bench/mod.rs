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
//! | [`scale`] | `benchmark scale`: how many cameras are held, what each costs, and what sets the limit |
//! | [`hold`] | so many cameras armed for so long: one point of it |
//! | [`search`] | which number of cameras is tried next |
//! | [`copies`] | what frames cost at the very least |
//! | [`intervals`] | what rings have counted between two looks |
//! | [`kernel`] | what the whole machine does meanwhile |
//! | [`memory`] | `benchmark memory`: what a longer pre-roll costs |
//! | [`cameras`] | the cameras that something is measured with, as a config |
//! | [`raw_futex`] | what waking is measured against |

pub mod cameras;
pub mod compare;
pub mod copies;
pub mod cost;
pub mod encode;
pub mod hold;
pub mod intervals;
pub mod kernel;
pub mod machine;
pub mod memory;
pub mod raw_futex;
pub mod ring;
pub mod run;
pub mod scale;
pub mod search;
