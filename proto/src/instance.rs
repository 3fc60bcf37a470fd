//! One running Preroll: its runtime directory, and the names that follow from it.

use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::ring::SegmentName;

/// The longest path of a Unix socket on Linux, less its final zero: `sun_path` has 108 bytes.
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// What the longest socket path in the runtime directory adds: `/ipc/.tmpXXXXXX/socket`.
const SOCKET_SUFFIX_BYTES: usize = 24;

/// Sixteen hexadecimal digits that follow from the runtime directory's path, and name what belongs to an instance
/// outside that directory: its shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceId(String);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names this boot: monotonic times, pids and shared memory mean nothing in another.
#[must_use]
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map(|t| t.trim().to_owned()).unwrap_or_default()
}

/// Who in the tree of processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChildId {
    /// The capture of one camera.
    Capture(Name),
    /// The recorder.
    Recorder,
    /// The recorder that waits to take over.
    Standby,
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

/// Why a runtime directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    /// The system said no.
    #[error("can't {doing} the runtime directory {}: {source}", path.display())]
    System {
        /// Which directory.
        path: PathBuf,
        /// What was being tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It belongs to somebody else.
    #[error("the runtime directory {} belongs to another user (uid {owner}); name another with --runtime-dir", path.display())]
    NotOurs {
        /// Which directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It holds something else.
    #[error("the directory {} is not empty, and what is in it is not Preroll's; name another with --runtime-dir", path.display())]
    NotEmpty {
        /// Which directory.
        path: PathBuf,
    },
    /// Unix sockets in it could not be named.
    #[error("the runtime directory {} has too long a path for the sockets in it ({length} bytes, at most {}); name a shorter one with --runtime-dir", path.display(), MAX_SOCKET_PATH_BYTES - SOCKET_SUFFIX_BYTES)]
    TooLong {
        /// Which directory.
        path: PathBuf,
        /// How long its path is.
        length: usize,
    },
}

/// The directory that one instance lives in: mode 0700, on a file system that need not survive a reboot.
#[derive(Clone, Debug)]
pub struct RuntimeDir {
    path: PathBuf,
}

impl RuntimeDir {
    /// Where an instance lives when nobody says otherwise: `$PREROLL_RUNTIME_DIR` (which the command line reads),
    /// else `preroll` under `$XDG_RUNTIME_DIR`, else `/run/preroll` for root, else `/tmp/preroll-<uid>`.
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

    /// Makes the directory, or checks the one that is there.
    ///
    /// # Errors
    /// When it can't be made, is another user's, or has a path too long for sockets.
    pub fn create(path: &Path) -> Result<Self, RuntimeDirError> {
        let system = |doing, source| RuntimeDirError::System { path: path.to_owned(), doing, source };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|e| system("create", e))?;
        let this = Self::open(path)?;
        this.claim()?;
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&this.path, mode).map_err(|e| system("protect", e))?;
        for sub in [this.rendezvous_dir(), this.ipc_dir()] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&sub)
                .map_err(|e| system("fill", e))?;
        }
        Ok(this)
    }

    /// Makes sure that what is emptied later is ours: an instance marks its directory, and takes no other that is
    /// not empty.
    fn claim(&self) -> Result<(), RuntimeDirError> {
        let system = |doing, source| RuntimeDirError::System { path: self.path.clone(), doing, source };
        if self.marker().exists() {
            return Ok(());
        }
        if std::fs::read_dir(&self.path).map_err(|e| system("look into", e))?.next().is_some() {
            return Err(RuntimeDirError::NotEmpty { path: self.path.clone() });
        }
        std::fs::write(self.marker(), "").map_err(|e| system("mark", e))
    }

    /// Says that the directory is an instance's.
    #[must_use]
    pub fn marker(&self) -> PathBuf {
        self.path.join(".preroll")
    }

    /// The directory that is there, without touching it.
    ///
    /// # Errors
    /// When there is none, or it is another user's.
    pub fn open(path: &Path) -> Result<Self, RuntimeDirError> {
        let system = |doing, source| RuntimeDirError::System { path: path.to_owned(), doing, source };
        let real = path.canonicalize().map_err(|e| system("open", e))?;
        let owner = real.metadata().map_err(|e| system("look at", e))?.uid();
        if owner != rustix::process::getuid().as_raw() {
            return Err(RuntimeDirError::NotOurs { path: real, owner });
        }
        let length = real.as_os_str().len();
        if length + SOCKET_SUFFIX_BYTES > MAX_SOCKET_PATH_BYTES {
            return Err(RuntimeDirError::TooLong { path: real, length });
        }
        Ok(Self { path: real })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The instance's name. FNV-1a over the path: it has to be stable across versions, not secret.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        let bytes = self.path.as_os_str().as_encoded_bytes();
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        InstanceId(format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)))
    }

    /// The segment of a camera's ring: `preroll-<instance>-<camera>`. Both parts are made of `[A-Za-z0-9._-]` by their
    /// types.
    #[must_use]
    pub fn segment(&self, camera: &Name) -> SegmentName {
        SegmentName::new(format!("preroll-{}-{camera}", self.instance()))
    }

    /// Held by the one supervisor; holds its pid as text.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.path.join("supervisor.lock")
    }

    /// The command line's way in.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// The checked config that the children read.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// What the next supervisor has to know of this one's children.
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// Where a child finds the name of the channel that waits for it.
    #[must_use]
    pub fn rendezvous(&self, child: &ChildId) -> PathBuf {
        let name = match child {
            ChildId::Capture(camera) => format!("capture-{camera}"),
            ChildId::Recorder => "recorder".to_owned(),
            ChildId::Standby => "standby".to_owned(),
        };
        self.rendezvous_dir().join(name)
    }

    fn rendezvous_dir(&self) -> PathBuf {
        self.path.join("rendezvous")
    }

    /// Where the channels' sockets are made.
    #[must_use]
    pub fn ipc_dir(&self) -> PathBuf {
        self.path.join("ipc")
    }
}
