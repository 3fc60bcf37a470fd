//! The oracle judges clips by their pixels.
//!
//! Every frame of a simulated camera has its own number drawn into it. A clip can so be decoded with a stock decoder and
//! asked which frames it holds. What Preroll says about the clip is then compared with that:
//! `expected = present + declared`, or the clip is false.
//!
//! The oracle shares no code and no types with Preroll: two programs that agree by using the same function have not been
//! checked. A test (`tests/alone.rs`) holds this crate to it. [`folder::judge`] is the way in.
//!
//! | module | subject |
//! |---|---|
//! | [`stamp`] | the number drawn into a frame |
//! | [`decode`] | a video file to luma planes, one at a time |
//! | [`truth`] | what the simulated camera says it made |
//! | [`manifest`] | what the clip says about itself |
//! | [`timestamps`] | the capture times beside the video |
//! | [`due`] | how many frames the window should hold |
//! | [`lead_in`] | the frames that a clip may hold from before its window |
//! | [`schema2`] | the verdict and the columns that clips have since schema 2 |
//! | [`triggers`] | the triggers that a clip lists |
//! | [`mod@judge`] | one camera's verdict, from all of the above |
//! | [`fault`] | everything that makes a clip false |
//! | [`clip`] | one clip folder |
//! | [`folder`] | all clips below a folder |
//! | [`report`] | the verdicts, and how they read |

pub mod clip;
pub mod damaged;
pub mod decode;
pub mod due;
pub mod fault;
pub mod folder;
pub mod judge;
pub mod lead_in;
pub mod manifest;
pub mod report;
pub mod schema2;
pub mod stamp;
pub mod timestamps;
pub mod triggers;
pub mod truth;
