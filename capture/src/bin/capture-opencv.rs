//! See [`capture`].

#[path = "../cv/mod.rs"]
mod cv;

fn main() -> std::process::ExitCode {
    capture::process::main(cv::CvCamera::open)
}
