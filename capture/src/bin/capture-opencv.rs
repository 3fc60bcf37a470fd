//! See [`capture`].

fn main() -> std::process::ExitCode {
    capture::process::main(capture::cv::CvCamera::open)
}
