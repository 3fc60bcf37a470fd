//! The executable for GigE Vision and USB3 Vision cameras, which aravis opens. See [`capture`]. With `--list-devices` it lists
//! cameras, and captures nothing.

use capture::{list, probe, process};

#[path = "../gige/mod.rs"]
mod gige;

fn main() -> std::process::ExitCode {
    if list::is_asked() {
        return list::main("capture-aravis --list-devices", gige::list::cameras);
    }
    if probe::is_asked() {
        return probe::main("capture-aravis --probe", Some(probe::PATIENCE), gige::probe);
    }
    process::main(gige::reopening)
}
