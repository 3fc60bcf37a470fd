//! The executable for video files. See [`capture`]. With `--probe FILE` it describes a video file, and captures nothing.

use std::process::ExitCode;

#[path = "../file/mod.rs"]
mod file;

use file::{VideoFile, probe};
use proto::exit;

fn main() -> ExitCode {
    let Some(file) = probe::asked(std::env::args_os()) else {
        return capture::process::main(VideoFile::open);
    };
    proto::signals::ignore_strays();
    proto::panics::install("capture-libav --probe", None);
    match probe::probe(&file) {
        Ok(line) => {
            println!("{line}");
            ExitCode::from(exit::DONE)
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(exit::BAD_INPUT)
        }
    }
}
