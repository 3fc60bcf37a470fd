//! The executable for video files. See [`capture`]. With `--probe FILE` (and `--parent PID`, the process that it must not outlive) it describes a video file, and captures nothing.

use std::process::ExitCode;

#[path = "../file/mod.rs"]
mod file;

use file::{VideoFile, probe};
use proto::exit;

fn main() -> ExitCode {
    let Some((file, parent)) = probe::asked(std::env::args_os()) else {
        return capture::process::main(VideoFile::open);
    };
    proto::signals::ignore_strays();
    proto::panics::install("capture-libav --probe", None);
    if let Err(e) = parent.map_or(Ok(()), proto::parent::end_with) {
        eprintln!("{}: {e}", file.display());
        return ExitCode::from(exit::FAILED);
    }
    proto::failpoint::pass("probe.open", file.display());
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
