//! `preroll cameras`: the cameras with a device of Video4Linux, with all that they offer, and the GigE Vision and USB3 Vision cameras
//! that answer; for each an entry for the config. Captures look for them, as children with a deadline: the supervisor opens no
//! device, and a driver may give no answer.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use proto::exit;
use proto::found_camera::{FoundCamera, FoundMode};
use proto::process::Pid;
use proto::say;

use crate::ask::say;
use crate::check::probe_run::{self, Deadlines, Ended};
use crate::failure::Failure;
use crate::invoked;
use crate::programs::{self, executable};

/// The executable that knows V4L2.
const CAPTURE: &str = "capture";
/// The executable that knows GigE Vision and USB3 Vision, in builds that have it.
const CAPTURE_ARAVIS: &str = "capture-aravis";
/// The time for all cameras. A camera that has to wake up answers within a second or two.
const DEADLINES: Deadlines = Deadlines { standstill: Duration::from_secs(5), all: Duration::from_secs(20) };

/// `preroll cameras`.
pub(crate) fn cameras(json: bool) -> Result<u8, Failure> {
    let found = look()?;
    let text = if json {
        let text = serde_json::to_string_pretty(&found);
        text.map_err(|e| Failure::failed(format!("the cameras can't be written as JSON: {e}")))? + "\n"
    } else {
        table(&found)
    };
    say(&text).map(|()| exit::DONE)
}

/// Looks for all cameras, side by side. What the network gives comes behind, and its failure is told and costs nothing else.
fn look() -> Result<Vec<FoundCamera>, Failure> {
    let devices = executable(CAPTURE)?;
    let Ok(Ok(network)) = programs::of_camera(CAPTURE_ARAVIS) else { return look_by(&devices) };
    std::thread::scope(|scope| {
        let looking =
            std::thread::Builder::new().name("list".into()).spawn_scoped(scope, || look_by(&network));
        let mut found = look_by(&devices)?;
        let others = looking.map_err(Failure::failed).and_then(|looking| {
            looking.join().unwrap_or_else(|_| Err(Failure::failed("the thread that looks has panicked")))
        });
        match others {
            Ok(others) => found.extend(others),
            Err(why) => say::aside(&format!("{}: warning: {why}\n", invoked::name())),
        }
        Ok(found)
    })
}

/// Looks for the cameras that one executable knows.
fn look_by(program: &Path) -> Result<Vec<FoundCamera>, Failure> {
    let shown = program.display();
    let mut list = Command::new(program);
    list.args(["--list-devices", &Pid::this().to_string()]);
    let ended = probe_run::run(&mut list, DEADLINES)
        .map_err(|e| Failure::failed(format!("can't look for cameras: {shown} can't be run: {e}")))?;
    let Ended::Answered(output) = ended else {
        return Err(Failure::failed(
            "can't look for cameras: a camera or its driver gives no answer; unplug cameras one by one to find which, and see \
             what the kernel says (dmesg)",
        ));
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::failed(format!("can't look for cameras: {shown} has failed: {}", said.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| {
        Failure::failed(format!(
            "{shown} --list-devices gave no list that is understood ({e}); build all of Preroll"
        ))
    })
}

const NONE: &str = "\
There is no camera with a video device here.
A USB camera is there as /dev/video0 as soon as it is plugged in; lsusb shows whether the machine sees it. In a container a
device has to be let in (docker run --device /dev/video0). GigE Vision cameras are listed where they answer and Preroll was built
with aravis. Other network cameras, pipes and films need no device: docs/config.md.
";

fn table(found: &[FoundCamera]) -> String {
    if found.is_empty() {
        return NONE.to_owned();
    }
    found.iter().map(of_camera).collect::<Vec<_>>().join("\n")
}

fn of_camera(camera: &FoundCamera) -> String {
    let place = camera.address.clone().unwrap_or_else(|| camera.node.display().to_string());
    let mut text = format!("{}: {place}", camera.name);
    // Writing to a String can't fail.
    if let Some(port) = &camera.usb_port {
        let _ = write!(text, ", USB port {port}");
    }
    if let Some(serial) = &camera.serial {
        let _ = write!(text, ", serial number {serial}");
    }
    if let Some(name) = &camera.owner_name {
        let _ = write!(text, ", named {name}");
    }
    text.push('\n');
    for link in [&camera.by_id, &camera.by_path].into_iter().flatten() {
        let _ = writeln!(text, "  {}", link.display());
    }
    if let Some(problem) = &camera.problem {
        let _ = writeln!(text, "  ! {problem}");
    }
    for mode in &camera.modes {
        let _ = writeln!(text, "  {}", of_mode(mode));
    }
    match &camera.config {
        Some(entry) => {
            let _ = writeln!(text, "  in the config, under cameras:\n  {entry}");
        }
        None if camera.problem.is_none() => text.push_str("  It offers nothing that Preroll records.\n"),
        None => {}
    }
    text
}

fn of_mode(mode: &FoundMode) -> String {
    let FoundMode { format, width, height, row, fps, is_recorded } = mode;
    let size = match row {
        _ if *width == 0 => "any size".to_owned(),
        None => format!("{width}x{height}"),
        Some(row) => format!("{}x{} to {width}x{height}", row.least_width, row.least_height),
    };
    let rates: Vec<String> = fps.iter().map(f64::to_string).collect();
    let rates = if rates.is_empty() { String::new() } else { format!("  {} fps", rates.join(", ")) };
    let remark = if *is_recorded { "" } else { "  (not recorded)" };
    format!("{format:<11}  {size:<10}{rates}{remark}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::found_camera::SizeRow;

    #[test]
    fn cameras_are_shown_with_modes_links_and_an_entry_to_copy() {
        let mode = |format: &str, is_recorded, fps: &[f64]| FoundMode {
            format: format.into(),
            is_recorded,
            width: 1280,
            height: 720,
            row: None,
            fps: fps.to_vec(),
        };
        let webcam = FoundCamera {
            name: "HD Webcam".into(),
            node: "/dev/video0".into(),
            usb_port: Some("1-1".into()),
            serial: Some("A1".into()),
            by_id: Some("/dev/v4l/by-id/usb-HD_A1-video-index0".into()),
            modes: vec![mode("MJPG", true, &[30.0, 29.97]), mode("UYVY", false, &[])],
            config: Some("- { name: hd-webcam, backend: v4l2 }".into()),
            ..FoundCamera::default()
        };
        let row = SizeRow { least_width: 64, least_height: 48, width_step: 2, height_step: 2 };
        let locked = FoundCamera {
            name: "Other".into(),
            node: "/dev/video2".into(),
            problem: Some("no right".into()),
            modes: vec![FoundMode { row: Some(row), ..mode("NV12", true, &[]) }],
            ..FoundCamera::default()
        };
        let gige = FoundCamera {
            name: "Maker M1".into(),
            serial: Some("22".into()),
            address: Some("10.0.0.7".into()),
            owner_name: Some("gate left".into()),
            config: Some("- { name: maker-m1, backend: gige, camera: '22' }".into()),
            ..FoundCamera::default()
        };
        let expected = "\
HD Webcam: /dev/video0, USB port 1-1, serial number A1
  /dev/v4l/by-id/usb-HD_A1-video-index0
  MJPG         1280x720    30, 29.97 fps
  UYVY         1280x720    (not recorded)
  in the config, under cameras:
  - { name: hd-webcam, backend: v4l2 }

Other: /dev/video2
  ! no right
  NV12         64x48 to 1280x720

Maker M1: 10.0.0.7, serial number 22, named gate left
  in the config, under cameras:
  - { name: maker-m1, backend: gige, camera: '22' }
";
        assert_eq!(table(&[webcam, locked, gige]), expected);
        assert!(table(&[]).starts_with("There is no camera with a video device here.\n"));
        let odd = FoundCamera { modes: vec![mode("UYVY", false, &[])], ..FoundCamera::default() };
        assert!(table(&[odd]).ends_with("It offers nothing that Preroll records.\n"));
    }
}
