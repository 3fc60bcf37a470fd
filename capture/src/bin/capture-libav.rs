//! The executable for video files. See [`capture`]. With `--probe CAMERA` it describes a camera's film, and captures nothing.

use std::process::ExitCode;

#[path = "../file/mod.rs"]
mod file;

use file::VideoFile;

fn main() -> ExitCode {
    if capture::probe::is_asked() {
        // A long film is read as a whole; whoever asks sees whether that gets on.
        return capture::probe::main("capture-libav --probe", None, file::probe::probe);
    }
    capture::process::main(VideoFile::open)
}
