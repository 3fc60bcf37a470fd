//! The executable for live cameras that need no library. See [`capture`].

fn main() -> std::process::ExitCode {
    capture::process::main(capture::live::open)
}
