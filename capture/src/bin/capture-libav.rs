//! The executable for video files. See [`capture`]. With `--probe FILE` (and `--parent PID`, the process that it must not outlive) it describes a video file, and captures nothing.

use std::process::ExitCode;

#[path = "../file/mod.rs"]
mod file;

use file::{VideoFile, probe};
use proto::exit;
use proto::say;

fn main() -> ExitCode {
    let Some((file, parent)) = probe::asked(std::env::args_os()) else {
        return capture::process::main(VideoFile::open);
    };
    proto::signals::ignore_strays();
    proto::panics::install("capture-libav --probe", None);
    if let Err(e) = parent.map_or(Ok(()), proto::parent::end_with) {
        say::aside(&format!("{}: {e}\n", file.display()));
        return ExitCode::from(exit::FAILED);
    }
    proto::failpoint::pass("probe.open", file.display());
    match probe::probe(&file) {
        Ok(line) => match say::answer(&format!("{line}\n")) {
            Ok(()) => ExitCode::from(exit::DONE),
            Err(e) => {
                say::aside(&format!("can't write what {} holds: {e}\n", file.display()));
                ExitCode::from(exit::FAILED)
            }
        },
        Err(e) => {
            say::aside(&format!("{e}\n"));
            ExitCode::from(exit::BAD_INPUT)
        }
    }
}
