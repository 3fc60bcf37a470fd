//! The real kernel: nodes by sysfs and udev's links, devices by their paths, the programs that hold one by /proc.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::time::MonotonicNs;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::devices::{Node, Places};
use super::ioctl::VideoNode;
use super::kernel::{Device, Holder, Kernel, NotOpened, Thing};

/// The machine's own kernel.
#[derive(Clone, Debug, Default)]
pub(crate) struct System {
    places: Places,
}

impl Kernel for System {
    fn nodes(&self) -> Vec<Node> {
        self.places.nodes()
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, Errno> {
        path.canonicalize().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOENT))
    }

    fn open(&self, node: &Path) -> Result<Box<dyn Device + Send>, NotOpened> {
        // Looked at before it is opened: opening a pipe could wait, and opening a tape winds it.
        let found = fs::metadata(node)
            .map_err(|error| NotOpened::Refused(Errno::from_io_error(&error).unwrap_or(Errno::NOENT)))?;
        if let Some(thing) = other_thing(found.file_type()) {
            return Err(NotOpened::NoVideoDevice(thing));
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(node, flags, Mode::empty()).map_err(NotOpened::Refused)?;
        match VideoNode::new(fd) {
            Ok(node) => Ok(Box::new(node)),
            Err(Errno::NOTTY) => Err(NotOpened::NoVideoDevice(Thing::OtherDevice)),
            Err(error) => Err(NotOpened::Refused(error)),
        }
    }

    fn holders(&self, node: &Path) -> Vec<Holder> {
        let Ok(node) = node.canonicalize() else { return Vec::new() };
        let own = std::process::id();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let holder = |process: fs::DirEntry| {
            let pid: u32 = process.file_name().to_str()?.parse().ok().filter(|pid| *pid != own)?;
            let mut open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            let holds_it = open.any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == node));
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            holds_it.then(|| Holder { pid, name: name.trim().to_owned() })
        };
        processes.filter_map(holder).collect()
    }

    fn user_and_group(&self, node: &Path) -> (String, String) {
        let user = name_in("/etc/passwd", rustix::process::geteuid().as_raw());
        let group = fs::metadata(node).ok().and_then(|found| name_in("/etc/group", found.gid()));
        (user.unwrap_or_else(|| "USER".to_owned()), group.unwrap_or_else(|| "video".to_owned()))
    }

    fn now(&self) -> MonotonicNs {
        MonotonicNs::now()
    }

    fn sleep(&self, span: Duration) {
        std::thread::sleep(span);
    }
}

fn other_thing(kind: fs::FileType) -> Option<Thing> {
    if kind.is_char_device() {
        None
    } else if kind.is_dir() {
        Some(Thing::Folder)
    } else if kind.is_fifo() || kind.is_socket() {
        Some(Thing::Pipe)
    } else if kind.is_block_device() {
        Some(Thing::OtherDevice)
    } else {
        Some(Thing::File)
    }
}

/// The name with this number in a file of names and numbers, whose first field is the name and whose third is the number.
fn name_in(file: &str, number: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_no_video_device_is_told_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("video0");
        fs::write(&file, "x").unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (path, why) in [
            (folder.path(), NotOpened::NoVideoDevice(Thing::Folder)),
            (&file, NotOpened::NoVideoDevice(Thing::File)),
            (&pipe, NotOpened::NoVideoDevice(Thing::Pipe)),
            (Path::new("/dev/null"), NotOpened::NoVideoDevice(Thing::OtherDevice)),
            (Path::new("/dev/video999"), NotOpened::Refused(Errno::NOENT)),
        ] {
            assert_eq!(System::default().open(path).err(), Some(why), "{}", path.display());
        }
    }

    #[test]
    fn the_programs_that_hold_a_file_are_named_and_this_one_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let system = System::default();
        assert_eq!(system.holders(file.path()), []);
        let mut sleeper =
            std::process::Command::new("sleep").arg("600").stdin(file.reopen().unwrap()).spawn().unwrap();
        let holders = system.holders(file.path());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(holders, [Holder { pid: sleeper.id(), name: "sleep".into() }]);
    }

    #[test]
    fn users_and_groups_have_their_names() {
        assert_eq!(name_in("/etc/passwd", 0), Some("root".into()));
        assert_eq!(name_in("/etc/group", u32::MAX), None);
        let (user, group) = System::default().user_and_group(Path::new("/dev/none"));
        assert!(!user.is_empty());
        assert_eq!(group, "video");
    }
}
