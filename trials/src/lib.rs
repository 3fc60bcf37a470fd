//! Trials of all of Preroll, on real processes: the end-to-end tests (`tests/e2e`), the fault tests (`tests/faults`) and the
//! demo (`src/bin/demo.rs`). This library is the tests' own harness on top of the crate `rig`: it has a config with two
//! cameras, asserts instead of returning errors, and has the oracle judge what was recorded.
//!
//! | module | subject |
//! |---|---|
//! | [`access_units`] | streams of H.264 and H.265, and a program that writes one into a FIFO |
//! | [`rig`](mod@rig) | a Preroll for one test |
//! | [`command`] | a command of that Preroll, and what it answers |
//! | [`clip`] | a clip's folder |
//! | [`http_camera`] | a camera that sends Motion JPEG over HTTP and misbehaves |
//! | [`rtsp_camera`] | a camera that sends H.264, H.265 or JPEG by RTSP and misbehaves; as a program `bad-camera` |
//! | [`pipe_writer`] | a program that writes frames into a FIFO |
//! | [`schemas`] | the schemas that all documents are held to |
//! | [`ffprobe`] | what another program says of a video |
//! | [`stats`] | looking into the stats' JSON |
//! | [`turn`] | how many rigs run side by side |

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

pub mod access_units;
pub mod clip;
pub mod command;
pub mod ffprobe;
pub mod gige_camera;
pub mod http_camera;
pub mod pipe_writer;
pub mod rig;
pub mod rtsp_camera;
pub mod schemas;
pub mod stats;
pub mod turn;

use std::path::PathBuf;

use ::rig::{process, program, wait};
use proto::process::Pid;
use rustix::process::Signal;

pub use ::rig::dice::Dice;
pub use clip::{assert_sums, clip_of, finished, manifest, names, recorded};
pub use rig::{Rig, TWO_CAMERAS};
pub use stats::{camera, list, pid_in, process};
pub use turn::take_turn;

/// Looks again and again until there is something to see. Nothing here waits for a length of time where it can wait for an
/// event.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait::until(what, look).unwrap_or_else(|e| panic!("{e}"))
}

/// Sends a signal. A process that is gone is no concern.
pub fn kill(pid: Pid, signal: Signal) {
    process::signal(pid, signal);
}

/// An executable of Preroll.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    program::path(name).unwrap_or_else(|e| panic!("{e}"))
}

/// Is there no OpenCV in this build? Then says that the test is skipped.
pub fn no_opencv() -> bool {
    if program("supervisor").with_file_name("capture-opencv").is_file() {
        return false;
    }
    println!("skipped: this build has no capture-opencv");
    true
}

/// Are there no failpoints in this build? Then says that the test is skipped.
pub fn no_failpoints() -> bool {
    if cfg!(debug_assertions) {
        return false;
    }
    println!("skipped: a release build has no failpoints");
    true
}
