//! The measurements of `benchmark`, on the real processes: how fast Preroll is, how much it takes, and beside whom. Clips
//! are judged by the crate `oracle`; an instance is started and looked at by the crate `rig`.
//!
//! | module | subject |
//! |---|---|
//! | [`head`] | the first fields of every result file |
//! | [`machine`] | the machine that a figure was measured on |
//! | [`cost`] | memory, processor and disk of a running Preroll, as the kernel counts them |
//! | [`run`] | `benchmark run`: so many cameras, for so long, with or without clips |
//! | [`compare`] | `benchmark compare`: two runs side by side |
//! | [`ring`] | `benchmark ring`: publishing, leasing, waking |
//! | [`wake`] | of that, the waking |
//! | `sleeper` | the second process of a waking |
//! | `scratch` | a ring that nobody else uses |
//! | [`took`] | times, one by one, and what they come to |
//! | [`encode`] | `benchmark encode`: a frame's processor time, beside ffmpeg's |
//! | [`restart`] | `benchmark restart`: from the recorder's kill to the next encoded frame |
//! | [`size`] | `benchmark size`: H264's files beside MJPG's, at equal likeness |
//! | [`histogram`] | many figures, by how large they are |
//! | [`report`] | `benchmark report`: results as a page, with pictures |
//! | `iceoryx` | the ring's work by another's hands; with the feature `iceoryx2` alone |
//! | [`round`] | figures as people write them |
//! | [`scale`] | `benchmark scale`: how many cameras are held, what each costs, and what sets the limit |
//! | [`hold`] | so many cameras armed for so long: one point of it |
//! | [`search`] | which number of cameras is tried next |
//! | [`copies`] | what frames cost at the very least |
//! | [`intervals`] | what rings have counted between two looks |
//! | [`kernel`] | what the whole machine does meanwhile |
//! | [`memory`] | `benchmark memory`: what a longer pre-roll costs |
//! | [`loop_delay`] | `benchmark loop`: does asking for statistics hold up the supervisor's loop? |
//! | [`overload`] | `benchmark overload`: the price of a machine that is too slow for a while, in frames and time |
//! | [`copied`] | `benchmark copied`: cameras whose frames are recorded as they came |
//! | [`smart`] | `benchmark smart`: clips of H.264 that are mostly copied, beside such that are encoded again |
//! | [`rtsp`] | `benchmark rtsp`: cameras that send H.264 over RTSP, by senders that aren't counted |
//! | [`triggers`] | `benchmark triggers`: triggers through `trigger --follow` at a steady rate, beside bare flushes |
//! | [`cameras`] | the cameras that something is measured with, as a config |
//! | [`peers`] | `benchmark peers`: Preroll beside what a person would use instead |
//! | [`raw_futex`] | what waking is measured against |

pub mod cameras;
pub mod compare;
pub mod copied;
pub mod copies;
pub mod cost;
pub mod encode;
pub mod head;
pub mod histogram;
pub mod hold;
#[cfg(feature = "iceoryx2")]
mod iceoryx;
pub mod intervals;
pub mod kernel;
pub mod loop_delay;
pub mod machine;
pub mod memory;
pub mod overload;
pub mod peers;
pub mod raw_futex;
pub mod report;
pub mod restart;
pub mod ring;
pub mod round;
pub mod rtsp;
pub mod run;
pub mod scale;
mod scratch;
pub mod search;
pub mod size;
mod sleeper;
pub mod smart;
pub mod took;
pub mod triggers;
pub mod wake;
