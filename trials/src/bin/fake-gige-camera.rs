//! A GigE Vision camera that is a program: aravis' own fake camera, at the loopback interface. It ends when its standard input
//! does, so that it outlives no test.
//!
//! ```sh
//! fake-gige-camera SERIAL [PER_MILLE]     # of a thousand packets so many are lost
//! ```
//!
//! It says `ready` as soon as it listens. A line on its standard input is a new number of lost packets in a thousand, or the word
//! `trigger`: then it makes a picture, if its features say that it is triggered by software.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use aravis::GvFakeCamera;

/// The address of every fake camera: GigE Vision knows one port, so there is one camera at a time.
const AT: &str = "127.0.0.1";

/// The register of its triggers by software.
const TRIGGER_SOFTWARE: u32 = 0x30c;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(serial) = args.next() else {
        eprintln!("fake-gige-camera: name its serial number");
        return ExitCode::from(2);
    };
    let camera = GvFakeCamera::new(Some(AT), Some(&serial));
    lose(&camera, &args.next().unwrap_or_default());
    if !camera.is_running() {
        eprintln!("fake-gige-camera: it can't listen at {AT}; is another one running?");
        return ExitCode::FAILURE;
    }
    println!("ready");
    // Nobody may be listening.
    let _ = std::io::stdout().flush();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if line.trim() == "trigger" {
            // Nobody but its controller may trigger a real camera. This one has a side door.
            let is_set =
                camera.fake_camera().is_some_and(|device| device.write_register(TRIGGER_SOFTWARE, 1));
            assert!(is_set, "the camera has no register of triggers");
        } else {
            lose(&camera, &line);
        }
    }
    ExitCode::SUCCESS
}

fn lose(camera: &GvFakeCamera, per_mille: &str) {
    camera.set_gvsp_lost_ratio(per_mille.trim().parse().unwrap_or(0.0) / 1000.0);
}
