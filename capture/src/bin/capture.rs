//! The executable for live cameras that need no library. See [`capture`]. With `--list-devices` it lists cameras, and captures
//! nothing.

use capture::{list, live, probe, process, v4l2};

fn main() -> std::process::ExitCode {
    if list::is_asked() {
        return list::main("capture --list-devices", v4l2::list::all);
    }
    if probe::is_asked() {
        return probe::main("capture --probe", Some(probe::PATIENCE), probe::offer);
    }
    process::main(live::open)
}
