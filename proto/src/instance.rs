//! An instance, that is one running Preroll: its runtime directory, and the paths and names that follow from it. What the files there hold is
//! the business of the modules that write them.

use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access;
use crate::fnv1a::Fnv1a;
use crate::name::Name;
use crate::new_folders::NewFolders;
use crate::ring::SegmentName;

/// The longest path of a Unix socket on Linux, less its final zero: `sun_path` has 108 bytes (`unix(7)`).
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// The bytes that the longest socket path adds to the runtime directory's: `/ipc/.tmpXXXXXX/socket`, and one to spare.
const SOCKET_SUFFIX_BYTES: usize = 24;
/// The mode of a runtime directory that lets a group come to the control socket.
const LETS_GROUP_PASS: u32 = 0o710;
/// A folder is tried to be removed so often …
const REMOVALS: u32 = 20;
/// … with so long between two tries. A killed process that still makes a file is gone within a few milliseconds.
const BETWEEN_REMOVALS: Duration = Duration::from_millis(5);

/// Sixteen hexadecimal digits that follow from the runtime directory's path, and name what belongs to an instance
/// outside that directory: its shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceId(String);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of this boot: monotonic times, pids and shared memory mean nothing in another. Empty if the kernel doesn't
/// tell.
#[must_use]
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map(|t| t.trim().to_owned()).unwrap_or_default()
}

/// A child of the supervisor, by its role: the work that it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChildId {
    /// The capture of one camera.
    Capture(Name),
    /// The recorder.
    Recorder,
    /// The second recorder, which waits to take over.
    Standby,
}

impl ChildId {
    /// The camera that the child serves, if it serves one.
    #[must_use]
    pub fn camera(&self) -> Option<&str> {
        match self {
            Self::Capture(camera) => Some(camera.as_str()),
            Self::Recorder | Self::Standby => None,
        }
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(camera) => write!(f, "capture {camera}"),
            Self::Recorder => f.write_str("recorder"),
            Self::Standby => f.write_str("standby recorder"),
        }
    }
}

/// A place where a child meets the supervisor. It stays a process's own for life, while the work may change: a standby
/// that has become the recorder still speaks from the standby's rendezvous.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rendezvous {
    /// Of one camera's capture.
    Capture(Name),
    /// Of a process that was started as the recorder.
    Recorder,
    /// Of a process that was started as the standby.
    Standby,
}

impl Rendezvous {
    /// The place that a process is told when it is started for this work.
    #[must_use]
    pub fn of(child: &ChildId) -> Self {
        match child {
            ChildId::Capture(camera) => Self::Capture(camera.clone()),
            ChildId::Recorder => Self::Recorder,
            ChildId::Standby => Self::Standby,
        }
    }
}

impl fmt::Display for Rendezvous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(camera) => write!(f, "capture {camera}"),
            Self::Recorder => f.write_str("recorder"),
            Self::Standby => f.write_str("standby recorder"),
        }
    }
}

/// The reason why a runtime directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    /// A system call failed.
    #[error("can't {doing} the runtime directory {}: {source}", path.display())]
    System {
        /// The directory.
        path: PathBuf,
        /// The attempt, in the words that follow "can't".
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The directory belongs to another user.
    #[error("the runtime directory {} belongs to another user (uid {owner}); name another with --runtime-dir", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The uid of its owner.
        owner: u32,
    },
    /// The directory holds something that is not Preroll's.
    #[error("the directory {} is not empty, and what is in it is not Preroll's; name another with --runtime-dir", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The path is no UTF-8 text, and messages and files hold paths as text.
    #[error(
        "the runtime directory {path:?} is not UTF-8 text, which Preroll keeps paths as; name another with --runtime-dir"
    )]
    NotUtf8 {
        /// The directory.
        path: PathBuf,
    },
    /// The path is too long for Unix sockets in the directory.
    #[error("the runtime directory {} has too long a path for the sockets in it ({length} bytes, at most {}); name a shorter one with --runtime-dir", path.display(), MAX_SOCKET_PATH_BYTES - SOCKET_SUFFIX_BYTES)]
    TooLong {
        /// The directory.
        path: PathBuf,
        /// The bytes of its path.
        length: usize,
    },
}

/// The directory that one instance lives in: mode 0700, on a file system that need not survive a reboot.
#[derive(Clone, Debug)]
pub struct RuntimeDir {
    path: PathBuf,
}

impl RuntimeDir {
    /// The directory that is used when the command line names none, by `--runtime-dir` or `$PREROLL_RUNTIME_DIR`:
    /// `preroll` under `$XDG_RUNTIME_DIR`, else `/run/preroll` for root, else `/tmp/preroll-<uid>`.
    #[must_use]
    pub fn default_path() -> PathBuf {
        if let Some(xdg) = std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty()) {
            return Path::new(&xdg).join("preroll");
        }
        let uid = rustix::process::getuid();
        if uid.is_root() && Path::new("/run").is_dir() {
            return PathBuf::from("/run/preroll");
        }
        PathBuf::from(format!("/tmp/preroll-{}", uid.as_raw()))
    }

    /// Makes the directory and its subdirectories with mode 0700, or takes the one that is there. The supervisor calls
    /// it while it holds the lock: whoever just ends would remove the subdirectories of another.
    ///
    /// # Errors
    /// As [`RuntimeDir::claim`].
    pub fn create(path: &Path) -> Result<Self, RuntimeDirError> {
        let (this, new) = Self::claim(path)?;
        let system = |source| RuntimeDirError::System { path: path.to_owned(), doing: "fill", source };
        for sub in this.subdirectories() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&sub).map_err(system)?;
        }
        new.keep();
        Ok(this)
    }

    /// Makes the directory with mode 0700, or takes the one that is there, and marks it as an instance's. Folders that are
    /// made here go again with the value that comes with it, once they are empty, unless it is kept.
    ///
    /// # Errors
    /// [`RuntimeDirError`]: it can't be made, belongs to another user, holds something else, or has too long a path.
    pub fn claim(path: &Path) -> Result<(Self, NewFolders), RuntimeDirError> {
        be_text(path)?;
        let system = |doing, source| RuntimeDirError::System { path: path.to_owned(), doing, source };
        let new = NewFolders::make(path, 0o700).map_err(|e| system("create", e))?;
        let this = Self::open(path)?;
        this.mark()?;
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&this.path, mode).map_err(|e| system("protect", e))?;
        Ok((this, new))
    }

    /// Marks the directory as an instance's. An instance empties its directory at its end, so it takes none that isn't
    /// marked and holds anything but what an instance may leave behind the mark.
    fn mark(&self) -> Result<(), RuntimeDirError> {
        let system = |doing, source| RuntimeDirError::System { path: self.path.clone(), doing, source };
        if self.marker().exists() {
            return Ok(());
        }
        for entry in std::fs::read_dir(&self.path).map_err(|e| system("look into", e))? {
            if !self.is_left_over(&entry.map_err(|e| system("look into", e))?.path()) {
                return Err(RuntimeDirError::NotEmpty { path: self.path.clone() });
            }
        }
        empty_file(&self.marker()).map_err(|e| system("mark", e))
    }

    /// Lets the members of a group reach the control socket: they may pass through the directory, and list nothing in it.
    ///
    /// # Errors
    /// The system's error.
    pub fn let_in(&self, gid: u32) -> io::Result<()> {
        std::os::unix::fs::chown(&self.path, None, Some(gid))?;
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(LETS_GROUP_PASS))
    }

    /// Is it something of an instance's that may be there without the mark? That is the lock, which goes last, and an
    /// empty subdirectory, which an earlier version's codec probe could make again behind the end.
    fn is_left_over(&self, path: &Path) -> bool {
        let is_file = || path.symlink_metadata().is_ok_and(|there| there.is_file());
        (path == self.lock_path() && is_file())
            || (self.subdirectories().iter().any(|sub| sub == path) && holds_no_file(path))
    }

    /// Removes everything that an instance has made in the directory, the mark and then the lock last. The supervisor
    /// calls it while it holds the lock. Until the mark is gone, another start takes what is left; behind it there is
    /// only the lock, whose removal whoever waits for it sees.
    pub fn clear(&self) {
        for path in [
            self.control_socket(),
            self.config_path(),
            self.state_path(),
            self.settled_mark(),
            self.crash_notes(),
            self.last_clip_path(),
        ] {
            let _ = std::fs::remove_file(path);
        }
        for sub in self.subdirectories() {
            remove_folder(&sub);
        }
        let _ = std::fs::remove_file(self.marker());
        let _ = std::fs::remove_file(self.lock_path());
    }

    fn subdirectories(&self) -> [PathBuf; 3] {
        [self.rendezvous_dir(), self.ipc_dir(), self.probe_dir()]
    }

    /// The file that marks the directory as an instance's.
    #[must_use]
    pub fn marker(&self) -> PathBuf {
        self.path.join(".preroll")
    }

    /// The directory that is there, unchanged.
    ///
    /// # Errors
    /// [`RuntimeDirError`]: there is none, it belongs to another user, or has too long a path.
    pub fn open(path: &Path) -> Result<Self, RuntimeDirError> {
        let (this, there) = Self::find(path)?;
        if there.uid() == rustix::process::getuid().as_raw() {
            Ok(this)
        } else {
            Err(RuntimeDirError::NotOurs { path: this.path, owner: there.uid() })
        }
    }

    /// The directory of an instance that a command names and that may be another user's: root's commands go to every
    /// instance, others to those that let in a group of theirs ([`RuntimeDir::let_in`]). Returns its owner too.
    ///
    /// # Errors
    /// As for [`RuntimeDir::open`].
    pub fn visit(path: &Path) -> Result<(Self, u32), RuntimeDirError> {
        let (this, there) = Self::find(path)?;
        let (us, owner) = (rustix::process::getuid(), there.uid());
        let lets_us_pass = || there.mode() & 0o777 == LETS_GROUP_PASS && access::is_member(there.gid());
        if owner == us.as_raw() || us.is_root() || lets_us_pass() {
            Ok((this, owner))
        } else {
            Err(RuntimeDirError::NotOurs { path: this.path, owner })
        }
    }

    fn find(path: &Path) -> Result<(Self, std::fs::Metadata), RuntimeDirError> {
        be_text(path)?;
        let system = |doing, source| RuntimeDirError::System { path: path.to_owned(), doing, source };
        let real = path.canonicalize().map_err(|e| system("open", e))?;
        be_text(&real)?;
        let there = real.metadata().map_err(|e| system("look at", e))?;
        let length = real.as_os_str().len();
        if length + SOCKET_SUFFIX_BYTES > MAX_SOCKET_PATH_BYTES {
            return Err(RuntimeDirError::TooLong { path: real, length });
        }
        Ok((Self { path: real }, there))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The instance's name: FNV-1a over the path, which stays the same in all versions. It is no secret.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        let mut hash = Fnv1a::default();
        hash.add(self.path.as_os_str().as_encoded_bytes());
        InstanceId(format!("{:016x}", hash.0))
    }

    /// The segment of a camera's ring: `preroll-<instance>-<camera>`. Both parts are made of `[A-Za-z0-9._-]` by their
    /// types.
    #[must_use]
    pub fn segment(&self, camera: &Name) -> SegmentName {
        SegmentName::new(format!("preroll-{}-{camera}", self.instance()))
    }

    /// The file that the one supervisor holds a lock on. Its pid stands in it as text.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        Self::lock_in(&self.path)
    }

    /// The lock's file of the instance that lives, or lived, in this directory.
    #[must_use]
    pub fn lock_in(path: &Path) -> PathBuf {
        path.join("supervisor.lock")
    }

    /// The socket on which commands reach the supervisor.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// The checked config that the children read.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// The file that tells the next supervisor of this one's children.
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// The file that tells the next supervisor of the clips that this one's run has had.
    #[must_use]
    pub fn last_clip_path(&self) -> PathBuf {
        self.path.join("last-clip.json")
    }

    /// The file in which a child finds the name of the channel that waits for it.
    #[must_use]
    pub fn rendezvous(&self, at: &Rendezvous) -> PathBuf {
        let name = match at {
            Rendezvous::Capture(camera) => format!("capture-{camera}"),
            Rendezvous::Recorder => "recorder".to_owned(),
            Rendezvous::Standby => "standby".to_owned(),
        };
        self.rendezvous_dir().join(name)
    }

    /// The file that is there while the supervisor's children are to outlive it: see [`crate::parent`].
    #[must_use]
    pub fn settled_mark(&self) -> PathBuf {
        self.path.join("settled")
    }

    /// The directory for the codec probes' small files. Each probe makes a folder of its own in it, and never this
    /// directory itself, so that nothing comes back behind [`RuntimeDir::clear`].
    #[must_use]
    pub fn probe_dir(&self) -> PathBuf {
        self.path.join("probe")
    }

    /// The notes of recorders that crashed over an encoder: see [`crate::crash_note`].
    #[must_use]
    pub fn crash_notes(&self) -> PathBuf {
        self.path.join("crashes")
    }

    fn rendezvous_dir(&self) -> PathBuf {
        self.path.join("rendezvous")
    }

    /// The directory in which the channels' sockets are made.
    #[must_use]
    pub fn ipc_dir(&self) -> PathBuf {
        self.path.join("ipc")
    }
}

/// Makes an empty file for its owner alone, or empties the one that is there.
///
/// # Errors
/// The system's error.
pub fn empty_file(path: &Path) -> io::Result<()> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map(drop)
}

/// Refuses a path that, made absolute, is not UTF-8.
fn be_text(path: &Path) -> Result<(), RuntimeDirError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if absolute.to_str().is_some() { Ok(()) } else { Err(RuntimeDirError::NotUtf8 { path: absolute }) }
}

/// Tries to remove a folder in which a process may still be making a file that was killed a moment ago.
fn remove_folder(folder: &Path) {
    for _ in 0..REMOVALS {
        match std::fs::remove_dir_all(folder) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => std::thread::sleep(BETWEEN_REMOVALS),
            _ => return,
        }
    }
}

/// Holds a folder nothing but folders, as deep as it goes? Links are not followed.
fn holds_no_file(folder: &Path) -> bool {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|there| there.is_dir());
    is_folder(folder)
        && std::fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| holds_no_file(&entry.path())))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_instance_leaves_may_be_there_without_the_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let refused = || matches!(RuntimeDir::claim(folder.path()), Err(RuntimeDirError::NotEmpty { .. }));
        std::fs::create_dir_all(path("probe/libx264-left")).unwrap();
        std::fs::write(path("supervisor.lock"), "417").unwrap();
        let claim = || RuntimeDir::claim(folder.path()).unwrap().1.keep();
        claim();
        for theirs in ["notes.txt", "probe/libx264-left/film.mp4", "config.json", "settled"] {
            std::fs::remove_file(path(".preroll")).unwrap();
            std::fs::write(path(theirs), "mine").unwrap();
            assert!(refused(), "{theirs}");
            std::fs::remove_file(path(theirs)).unwrap();
            claim();
        }
    }

    #[test]
    fn a_group_that_is_let_in_may_pass_and_the_next_start_closes_the_directory_again() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(folder.path()).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode(dir.path()), mode(&dir.marker())), (0o700, 0o600));
        dir.let_in(rustix::process::getegid().as_raw()).unwrap();
        assert_eq!(mode(dir.path()), 0o710);
        let owner = RuntimeDir::visit(folder.path()).unwrap().1;
        assert_eq!(owner, rustix::process::getuid().as_raw());
        drop(RuntimeDir::claim(folder.path()).unwrap());
        assert_eq!(mode(dir.path()), 0o700);
    }

    #[test]
    fn an_end_leaves_nothing_but_what_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(folder.path()).unwrap();
        for file in [
            dir.lock_path(),
            dir.settled_mark(),
            dir.state_path(),
            dir.last_clip_path(),
            dir.probe_dir().join("x"),
        ] {
            std::fs::write(file, "").unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        dir.clear();
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }
}
