//! The origin of a plan: the instance that has made it, and the machine that it ran on. So several instances can share
//! an output folder. Whether a plan may be taken on follows from it in the recorder, which alone takes plans on.

use std::io;
use std::path::Path;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::fnv1a::Fnv1a;
use crate::instance::RuntimeDir;
use crate::name::Name;
use crate::opened;
use crate::ring::segment::SegmentError;
use crate::ring::{Ring, RingError, SegmentName};

/// Salt for the hash of the machine's id: the id itself is to be kept secret (machine-id(5)).
const SALT: &[u8] = b"preroll: the machine of a plan\n";

/// The instance that a plan is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The instance's id, as it stands in the names of its rings.
    pub instance: String,
    /// Its runtime directory, which holds its lock; null where the path isn't UTF-8.
    pub runtime_dir: Option<String>,
    /// A hash of the machine's id.
    pub machine: String,
}

impl Origin {
    /// The origin of the plans of the instance that lives in this directory.
    #[must_use]
    pub fn of(dir: &RuntimeDir) -> Self {
        Self {
            instance: dir.instance().to_string(),
            runtime_dir: dir.path().to_str().map(str::to_owned),
            machine: machine(),
        }
    }

    /// The texts that can be of an instance: they become parts of paths.
    pub(crate) fn is_sane(&self) -> bool {
        let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        let path = self.runtime_dir.as_deref();
        is_hex(&self.instance) && path.is_none_or(|path| path.starts_with('/') && !path.contains('\0'))
    }

    /// Is nobody running the instance? False when that can't be found out.
    #[must_use]
    pub fn lock_is_free(&self) -> bool {
        let Some(dir) = &self.runtime_dir else { return false };
        match opened::file(&RuntimeDir::lock_in(Path::new(dir))) {
            // Closing the file gives the lock back.
            Ok(file) => rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok(),
            Err(e) => matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }

    /// Is the instance's ring of this camera there, with this id? True when that can't be found out.
    #[must_use]
    pub fn has_ring(&self, camera: &Name, ring_id: u64) -> bool {
        match Ring::open(&SegmentName::new(format!("preroll-{}-{camera}", self.instance))) {
            Ok(ring) => ring.id() == ring_id,
            Err(RingError::Segment(SegmentError::Missing(_))) => false,
            Err(_) => true,
        }
    }
}

/// A hash of this machine's id; of the host's name where it has none, as in many containers.
fn machine() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let is_id = |id: &str| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let id = Some(id.trim().to_owned()).filter(|id| is_id(id));
    hash(&id.unwrap_or_else(|| format!("host {}", Name::of_host())))
}

fn hash(id: &str) -> String {
    let mut hash = Fnv1a::default();
    hash.add(SALT);
    hash.add(id.as_bytes());
    format!("{:016x}", hash.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_without_its_id() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(hash(id).len(), 16);
        assert!(!id.contains(&hash(id)));
        assert_ne!(hash(id), hash("1123456789abcdef0123456789abcdef"));
        assert_eq!(machine(), machine());
    }

    #[test]
    fn an_instance_runs_while_its_lock_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(&folder.path().join("run")).unwrap();
        let origin = Origin::of(&dir);
        assert!(origin.is_sane() && origin.lock_is_free(), "there is no lock");
        let held = std::fs::File::create(dir.lock_path()).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
        assert!(!origin.lock_is_free());
        drop(held);
        assert!(origin.lock_is_free());
        assert!(!Origin { runtime_dir: None, ..origin.clone() }.lock_is_free(), "nothing is known of it");
        let bad = |instance: &str| Origin { instance: instance.into(), ..origin.clone() };
        assert!(!bad("../x").is_sane() && !bad("").is_sane());
        assert!(!origin.has_ring(&Name::new("left").unwrap(), 1));
    }
}
