//! The executable for cameras that send over RTSP. See [`capture`]. With `--probe CAMERA` it looks at a camera, and captures
//! nothing.

#[path = "../rtsp/mod.rs"]
mod rtsp;

use capture::{probe, process};

fn main() -> std::process::ExitCode {
    if probe::is_asked() {
        return probe::main("capture-rtsp --probe", Some(probe::PATIENCE), rtsp::probe);
    }
    process::main(rtsp::open)
}
