//! A look at what the config names of a camera that says its own size: a device, a pipe, a file with a password. Nothing is
//! opened but that file. What can never work is an error, and what may still come is said to be missing.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use proto::config::{Backend, PipeConfig, V4l2Config};
use proto::secret::{Password, all_may_read};
use proto::source::VideoDevice;

/// The thing that a live camera's config names, in a word.
pub(super) fn noun(backend: &Backend) -> &'static str {
    match backend {
        Backend::V4l2(_) => "device",
        Backend::Pipe(_) => "path",
        Backend::Gige(_) => "camera",
        _ => "password_file",
    }
}

/// Looks at it: words for what is missing, an error for what can never work.
pub(super) fn look(backend: &Backend) -> Result<Option<String>, String> {
    match backend {
        Backend::V4l2(v4l2) => device(v4l2),
        Backend::Pipe(pipe) => path(pipe),
        Backend::Mjpeg(_) | Backend::Rtsp(_) => password(backend.password_file()).map(|()| None),
        Backend::Sim(_) | Backend::File(_) | Backend::Opencv(_) | Backend::Gige(_) => Ok(None),
    }
}

/// A warning about something that works, and shouldn't be so.
pub(super) fn warning(backend: &Backend) -> Option<String> {
    let path = backend.password_file()?;
    let shown = path.display();
    all_may_read(path).then(|| {
        format!(
            "password_file: every user of this machine can read {shown}; chmod o-r {shown} takes that away"
        )
    })
}

fn device(v4l2: &V4l2Config) -> Result<Option<String>, String> {
    let path = match v4l2.video_device() {
        VideoDevice::Number(number) => PathBuf::from(format!("/dev/video{number}")),
        VideoDevice::Path(path) => path.to_owned(),
        // Which node it has is found out by asking each.
        VideoDevice::Serial(_) => return Ok(None),
    };
    let shown = path.display();
    // A probe says more of a device that isn't there.
    let Ok(found) = path.metadata() else { return Ok(None) };
    let kind = found.file_type();
    let what = if kind.is_char_device() {
        return Ok(None);
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_file() {
        "a plain file"
    } else {
        "no camera's device"
    };
    Err(format!(
        "device: {shown} is {what}; name a device such as /dev/video0, as `preroll cameras` lists them"
    ))
}

fn path(pipe: &PipeConfig) -> Result<Option<String>, String> {
    let (path, shown) = (&*pipe.path, pipe.path.display());
    let Ok(found) = path.metadata() else {
        return Ok(Some(format!(
            "path: there is no FIFO, device or socket {shown}; make one with mkfifo {shown}"
        )));
    };
    let kind = found.file_type();
    if kind.is_dir() {
        Err(format!("path: {shown} is a folder; name a FIFO, a device or a Unix socket"))
    } else if kind.is_file() {
        Err(format!(
            "path: {shown} is a plain file, which ends; name a FIFO, or take backend: file for a film"
        ))
    } else {
        Ok(None)
    }
}

fn password(file: Option<&Path>) -> Result<(), String> {
    let Some(path) = file else { return Ok(()) };
    Password::read(path).map(drop).map_err(|why| said_of(path, &why))
}

fn said_of(path: &Path, why: &proto::secret::NoPassword) -> String {
    format!("password_file: {} {why}", path.display())
}

#[cfg(test)]
mod tests {
    use proto::config::{CameraConfig, Config};

    use super::*;

    fn camera(keys: &str) -> CameraConfig {
        let text = format!("cameras: [{{ name: left, {keys} }}]\n");
        Config::parse(Path::new("rig.yaml"), &text).unwrap().cameras.remove(0)
    }

    /// Something of each kind, in a folder.
    fn things() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::write(at("file"), "x").unwrap();
        std::fs::write(at("empty"), "").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        folder
    }

    #[test]
    fn what_can_never_work_is_refused_and_what_may_come_is_missing() {
        let folder = things();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let v4l2 = |device: &str| camera(&format!("backend: v4l2, device: {device}"));
        let pipe = |path: &str| camera(&format!("backend: pipe, format: y4m, path: {path}"));
        let mjpeg = |file: &str| {
            camera(&format!("backend: mjpeg, url: 'http://127.0.0.1:1/', user: me, password_file: {file}"))
        };
        let rtsp = |file: &str| {
            camera(&format!("backend: rtsp, url: 'rtsp://127.0.0.1:1/', user: me, password_file: {file}"))
        };
        for (camera, says) in [
            (v4l2(&at("file")), Err("is a plain file")),
            (v4l2(&at("folder")), Err("is a folder")),
            (v4l2(&at("fifo")), Err("no camera's device")),
            (v4l2(&at("none")), Ok(None)),
            (v4l2("65000"), Ok(None)),
            (v4l2("/dev/null"), Ok(None)),
            (v4l2("8A3F01"), Ok(None)),
            (pipe(&at("file")), Err("is a plain file")),
            (pipe(&at("folder")), Err("is a folder")),
            (pipe(&at("none")), Ok(Some("mkfifo"))),
            (pipe(&at("fifo")), Ok(None)),
            (mjpeg(&at("none")), Err("password_file: ")),
            (mjpeg(&at("folder")), Err("a folder")),
            (mjpeg(&at("fifo")), Err("a named pipe")),
            (mjpeg(&at("empty")), Err("is empty")),
            (mjpeg(&at("file")), Ok(None)),
            (rtsp(&at("none")), Err("password_file: ")),
            (rtsp(&at("file")), Ok(None)),
        ] {
            let seen = look(&camera.backend);
            let as_expected = match (&seen, says) {
                (Err(why), Err(says)) => why.contains(says),
                (Ok(Some(missing)), Ok(Some(says))) => missing.contains(says),
                (Ok(None), Ok(None)) => true,
                _ => false,
            };
            assert!(as_expected, "{:?}: {seen:?}", camera.backend);
        }
    }

    #[test]
    fn a_password_that_everybody_may_read_is_a_warning() {
        use std::os::unix::fs::PermissionsExt;
        let folder = things();
        let file = folder.path().join("file");
        for keys in ["backend: mjpeg, url: 'http://h/'", "backend: rtsp, url: 'rtsp://h/'"] {
            let camera = camera(&format!("{keys}, user: me, password_file: {}", file.display()));
            for (mode, is_said) in [(0o644, true), (0o640, false), (0o600, false)] {
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
                assert_eq!(warning(&camera.backend).is_some(), is_said, "{keys}: {mode:o}");
            }
        }
    }
}
