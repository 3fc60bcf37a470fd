//! The program under the name `supervisor`. See [`supervisor`].

fn main() -> std::process::ExitCode {
    supervisor::main("supervisor")
}
