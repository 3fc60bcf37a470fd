//! The names under which `ps` and `top` show Preroll's processes: the supervisor gives a child its `argv[0]`, and the child
//! gives itself the short name, which can change while it runs.

use std::ffi::CString;

use crate::instance::ChildId;

/// The bytes of a thread's name that Linux keeps.
const SHORT_NAME_BYTES: usize = 15;

/// A child's `argv[0]`, as `ps` shows it: `preroll-capture left`. It is what the process was started as: a standby that has
/// taken over keeps it, since no process can change its own without writing over its stack.
#[must_use]
pub fn argv0(child: &ChildId) -> String {
    match child {
        ChildId::Capture(camera) => format!("preroll-capture {camera}"),
        ChildId::Recorder => "preroll-recorder".to_owned(),
        ChildId::Standby => "preroll-standby".to_owned(),
    }
}

/// Gives the calling process the short name that `top` and `ps -o comm` show: `capture left`. It is what the process does
/// now. Called in the process's first thread; other threads have names of their own.
pub fn show(child: &ChildId) {
    let Ok(name) = CString::new(short_name(child)) else { return };
    // A help to whoever looks and nothing more: if it fails, the executable's name stays.
    let _ = rustix::thread::set_name(&name);
}

fn short_name(child: &ChildId) -> Vec<u8> {
    let name = match child {
        ChildId::Capture(camera) => format!("capture {camera}"),
        ChildId::Recorder => "recorder".to_owned(),
        ChildId::Standby => "standby".to_owned(),
    };
    name.into_bytes().into_iter().take(SHORT_NAME_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_tells_the_process_and_its_camera() {
        let capture = |camera: &str| ChildId::Capture(camera.parse().unwrap());
        assert_eq!(argv0(&capture("left")), "preroll-capture left");
        assert_eq!(argv0(&ChildId::Standby), "preroll-standby");
        assert_eq!(short_name(&capture("left")), b"capture left");
        assert_eq!(short_name(&capture("goal-line-east")), b"capture goal-li");
    }
}
