//! One camera, one process: frames from a [`source::Source`] into the camera's ring.
//!
//! Each kind of source has an executable of its own, so that a process loads no library it doesn't use:
//! `capture` (simulated), `capture-libav` (video files), `capture-opencv` (what OpenCV opens).

#[cfg(feature = "opencv")]
pub mod cv;
pub mod file;
pub mod pace;
pub mod picture;
pub mod process;
pub mod sim;
pub mod source;
pub mod stamp;
