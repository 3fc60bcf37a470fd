//! One camera, one process: frames from a [`source::Source`] into the camera's ring.
//!
//! Each kind of camera has an executable of its own, so that a process loads no library it doesn't use:
//! `capture` (live cameras that need no library: `live.rs`), `capture-libav` (`file/`, video files), `capture-opencv`
//! (`opencv/`, what OpenCV opens), `capture-aravis` (`gige/`, GigE Vision and USB3 Vision). All of them run [`process::main`], or [`probe::main`] when they are to
//! look at a camera and capture nothing.
//!
//! This library holds what they share, and the live cameras that need no library. `file/`, `opencv/` and `gige/` are
//! modules of their executables, not of this library: a linker that is handed them loads libav, OpenCV and aravis into every
//! process, used or not.

pub mod bayer;
pub mod camera_state;
pub mod capture_loop;
pub mod capture_times;
pub mod digest;
pub mod h26x;
pub mod jpeg;
pub mod list;
pub mod live;
pub mod login;
pub mod mapper;
mod mjpeg;
pub mod pipe;
pub mod probe;
pub mod process;
pub mod reopening;
pub mod rtp;
pub mod sim;
pub mod source;
pub mod stream;
pub mod v4l2;
