//! See [`capture`].

fn main() -> std::process::ExitCode {
    capture::process::main(capture::sim::Sim::open)
}
