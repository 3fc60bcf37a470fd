//! The executable for cameras that OpenCV opens. See [`capture`].

#[path = "../opencv/mod.rs"]
mod opencv_camera;

fn main() -> std::process::ExitCode {
    capture::process::main(opencv_camera::OpencvCamera::open)
}
