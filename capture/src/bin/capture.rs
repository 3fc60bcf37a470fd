//! The executable for live cameras that need no library. See [`capture`].

use capture::{live, probe, process};

fn main() -> std::process::ExitCode {
    if probe::is_asked() {
        return probe::main("capture --probe", Some(probe::PATIENCE), probe::offer);
    }
    process::main(live::open)
}
