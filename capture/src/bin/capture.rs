//! The executable for simulated cameras. See [`capture`].

fn main() -> std::process::ExitCode {
    capture::process::main(capture::sim::SimulatedCamera::open)
}
