//! `preroll still`, `verify` and `skew`, and `clips verify` and `export`: decoding is done by `preroll-media`, as a child. The supervisor's own
//! programs link no decoder and read nothing that a camera or a stranger has made.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use proto::control::{Request, Response};
use proto::process::Pid;
use proto::say;
use proto::stats::{CameraStats, Stats};
use serde_json::Value;

use super::client::{Address, Client, unexpected};
use crate::failure::Failure;
use crate::programs::executable;

/// The executable that decodes.
const MEDIA: &str = "preroll-media";
const VERIFICATION: &str = "the verification of the clip";

/// `preroll still`.
pub(crate) fn still(of: &Address, camera: &str, width: u32, output: &Path) -> Result<u8, Failure> {
    let (stats, owner) = ask(of)?;
    let ring = &known(&stats, camera)?.ring.path;
    let mut command = media()?;
    command.args(["still", "--width", &width.to_string(), "--owner", &owner.to_string()]);
    command.args([OsStr::new("--ring"), ring.as_os_str(), OsStr::new("--output"), output.as_os_str()]);
    run(command, "a still of the camera")
}

/// `preroll verify`, and `preroll clips verify` with the clip's id.
pub(crate) fn verify(folder: &Path, clip_id: Option<&str>, json: bool) -> Result<u8, Failure> {
    run(verification(folder, clip_id, json)?, VERIFICATION)
}

/// The report on a clip as a document, and the exit code. A child that has no report to give has said why.
pub(crate) fn report(folder: &Path, clip_id: &str) -> Result<(u8, Option<Value>), Failure> {
    let mut command = verification(folder, Some(clip_id), true)?;
    command.stderr(Stdio::inherit());
    let said = command.output().map_err(|e| Failure::failed(format!("{MEDIA} can't be run: {e}")))?;
    Ok((code_of(said.status, VERIFICATION)?, serde_json::from_slice(&said.stdout).ok()))
}

fn verification(folder: &Path, clip_id: Option<&str>, json: bool) -> Result<Command, Failure> {
    let mut command = media()?;
    command.arg("verify").args(json.then_some("--json"));
    command.args(clip_id.map(|clip_id| format!("--clip-id={clip_id}"))).arg("--").arg(folder);
    Ok(command)
}

/// `preroll clips export`.
pub(crate) fn export(
    folder: &Path,
    clip_id: &str,
    to: &Path,
    options: impl Iterator<Item = &'static str>,
) -> Result<u8, Failure> {
    let mut command = media()?;
    command.arg("export").args(options).arg(format!("--clip-id={clip_id}"));
    command.args([OsStr::new("--to"), to.as_os_str(), OsStr::new("--"), folder.as_os_str()]);
    run(command, "the export of the clip")
}

/// `preroll skew`. Without a camera's name, of all of them.
pub(crate) fn skew(of: &Address, cameras: &[String], seconds: u64, json: bool) -> Result<u8, Failure> {
    let (stats, owner) = ask(of)?;
    let named: Vec<&CameraStats> = if cameras.is_empty() {
        stats.cameras.iter().collect()
    } else {
        cameras.iter().map(|camera| known(&stats, camera)).collect::<Result<_, _>>()?
    };
    let names: Vec<&str> = named.iter().map(|camera| camera.name.as_str()).collect();
    if names.len() < 2 || (1..names.len()).any(|at| names[..at].contains(&names[at])) {
        return Err(Failure::bad_input(
            "a skew is between two cameras: name two of them, each with --camera",
        ));
    }
    let mut command = media()?;
    command.args(["skew", "--seconds", &seconds.to_string(), "--owner", &owner.to_string()]);
    command.args(json.then_some("--json"));
    for camera in &named {
        command.arg("--camera").arg(format!("{}:{}", camera.name, camera.ring.path.display()));
    }
    say::aside(&format!(
        "looking at {} for {seconds} s: switch a lamp that all of them see on and off, about once a second\n",
        names.join(", ")
    ));
    run(command, "the measurement of the skew")
}

/// The stats of an instance, and the user that it belongs to.
fn ask(of: &Address) -> Result<(Box<Stats>, u32), Failure> {
    let mut client = Client::connect(of)?;
    match client.ask(Request::Stats)? {
        Response::Stats(stats) => Ok((stats, client.owner())),
        other => Err(unexpected(&other)),
    }
}

fn known<'a>(stats: &'a Stats, camera: &str) -> Result<&'a CameraStats, Failure> {
    stats.cameras.iter().find(|known| known.name == camera).ok_or_else(|| {
        let names: Vec<&str> = stats.cameras.iter().map(|camera| camera.name.as_str()).collect();
        Failure::bad_input(format!("there is no camera {camera}; there is {}", names.join(", ")))
    })
}

fn media() -> Result<Command, Failure> {
    let mut command = Command::new(executable(MEDIA)?);
    command.args(["--parent", &Pid::this().to_string()]).stdin(Stdio::null());
    Ok(command)
}

/// Runs the child, which speaks for itself, and takes over its exit code.
fn run(mut command: Command, what: &str) -> Result<u8, Failure> {
    let status = command.status().map_err(|e| Failure::failed(format!("{MEDIA} can't be run: {e}")))?;
    code_of(status, what)
}

fn code_of(status: ExitStatus, what: &str) -> Result<u8, Failure> {
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(code),
        None => {
            let how = status.signal().map_or(String::new(), |signal| format!(" by signal {signal}"));
            Err(Failure::failed(format!("{what} came to no end: {MEDIA} was ended{how}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_is_not_there_is_answered_with_those_that_are() {
        let camera = |name: &str| CameraStats { name: name.into(), ..CameraStats::default() };
        let stats = Stats { cameras: vec![camera("left"), camera("right")], ..Stats::default() };
        assert_eq!(known(&stats, "right").unwrap().name, "right");
        let failure = known(&stats, "middle").unwrap_err();
        assert_eq!((failure.exit_code(), failure.to_string().contains("left, right")), (2, true));
    }

    #[test]
    fn a_child_that_is_killed_is_no_answer() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            run(command, "it")
        };
        assert_eq!(shell("exit 4").unwrap(), 4);
        let failure = shell("kill -9 $$").unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.to_string().contains("by signal 9"), "{failure}");
    }
}
