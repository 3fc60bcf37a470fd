//! One camera, one process: frames from a [`source::Source`] into the camera's ring.
//!
//! Each kind of source has an executable of its own, so that a process loads no library it doesn't use:
//! `capture` (simulated), `capture-libav` (video files), `capture-opencv` (what OpenCV opens).
//!
//! The sources that need libav (`src/file`) and OpenCV (`src/cv`) are modules of their executables, not of this
//! library: a linker that is handed them loads their libraries into every process, used or not.

pub mod pace;
pub mod picture;
pub mod process;
pub mod sight;
pub mod sim;
pub mod source;
pub mod stamp;
