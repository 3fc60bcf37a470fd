//! The program under the name `preroll`. See [`supervisor`].

fn main() -> std::process::ExitCode {
    supervisor::main("preroll")
}
