//! Named shared memory. No other module uses the `shared_memory` crate.
//!
//! Three things are added to that crate. Every page is reserved when the segment is made: the crate lets a segment
//! outgrow the memory there is, and the first touch then dies of SIGBUS. The name outlives its maker, so that frames
//! survive any process: the crate unlinks it in the maker's Drop. There is one writer at a time, by a lock that the
//! kernel frees with its holder.
#![expect(unsafe_code, reason = "views typed memory in a mapping; every block says why it may")]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::lost_pages::Guard;

pub use super::error::SegmentError;

/// The folder in which Linux keeps POSIX shared memory.
pub const SHM_DIR: &str = "/dev/shm";

/// The name of a ring's segment. [`RuntimeDir::segment`](crate::instance::RuntimeDir::segment) makes those of an
/// instance's cameras.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentName(String);

impl SegmentName {
    /// The segment of this name.
    ///
    /// # Panics
    /// When the name is empty or holds a slash: a segment is one file in [`/dev/shm`](SegmentName::path).
    #[must_use]
    pub fn new(name: String) -> Self {
        assert!(!name.is_empty() && !name.contains('/'), "not the name of a file: {name:?}");
        Self(name)
    }

    /// The file that the segment is on Linux.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(SHM_DIR).join(&self.0)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mapped segment. Dropping it unmaps; the segment stays until [`remove`].
pub struct Segment {
    /// Stands before the mapping, so that it is dropped first: an address is guarded only while it is this segment's.
    guard: Guard,
    mapping: Shmem,
    /// A descriptor of our own: the crate doesn't show the one it has.
    file: File,
    name: SegmentName,
    identity: Identity,
}

/// The damage to a segment that was whole when it was mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The memory is as it was, but its name is gone or stands for another segment.
    #[error("its name is gone, or stands for another segment")]
    Unnamed,
    /// The file was cut short: touching the part that is gone is a bus error.
    #[error("it was cut down to {0} bytes")]
    CutDown(u64),
    /// The file was cut short for a while, and this process touched a lost page: see [`super::lost_pages`].
    #[error("a part of it was cut off for a while")]
    Holed,
}

/// Device and inode: they tell a segment from a later one of the same name.
type Identity = (u64, u64);

// SAFETY: the mapping is a region of shared memory and a file descriptor, neither tied to a thread; Shmem only
// holds raw pointers, which is why it isn't Send by itself. It is never mutated after it was made.
unsafe impl Send for Segment {}
// SAFETY: as above. All access through `&Segment` is to atomics, or to payload bytes under the ring's protocol.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes a segment of zeros with all of its pages reserved, mode 0600.
    ///
    /// # Errors
    /// [`SegmentError::Exists`], [`SegmentError::NoRoom`] with needed and available bytes, or the system's error.
    pub fn create(name: &SegmentName, bytes: usize) -> Result<Self, SegmentError> {
        Self::create_reserving(name, bytes, bytes)
    }

    /// Makes a segment of which only the first `reserved_bytes` are reserved. The rest of it may be touched only once it has
    /// been written by [`Segment::write`], which fails where there is no memory: a touch would be a bus error.
    ///
    /// # Errors
    /// As [`Segment::create`].
    pub fn create_reserving(
        name: &SegmentName,
        bytes: usize,
        reserved_bytes: usize,
    ) -> Result<Self, SegmentError> {
        let needed_bytes = bytes as u64;
        let system = |doing, source: io::Error| SegmentError::System { name: name.clone(), doing, source };
        let no_room =
            |available_bytes| SegmentError::NoRoom { name: name.clone(), needed_bytes, available_bytes };
        let available = available_bytes().map_err(|e| system("measure /dev/shm", e))?;
        if available < needed_bytes {
            return Err(no_room(available));
        }
        let mut mapping = match ShmemConf::new().size(bytes).os_id(&name.0).create() {
            Ok(mapping) => mapping,
            Err(ShmemError::MappingIdExists) => return Err(SegmentError::Exists(name.clone())),
            Err(e) => return Err(system("create it", io::Error::other(e))),
        };
        // Until every page is reserved, a failure takes the name away again: the owner's Drop unlinks.
        let file = open(name, OFlags::RDWR).map_err(|e| system("open it", e))?;
        let reserve = || rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, reserved_bytes as u64);
        // A signal (a child's death, say) interrupts the call, and then nothing is reserved.
        match rustix::io::retry_on_intr(reserve) {
            Ok(()) => {}
            Err(rustix::io::Errno::NOSPC) => return Err(no_room(available)),
            Err(e) => return Err(system("reserve its pages", e.into())),
        }
        let identity = identity(&file).map_err(|e| system("look at it", e))?;
        mapping.set_owner(false);
        Ok(Self { guard: Guard::of(&mapping), mapping, file, name: name.clone(), identity })
    }

    /// Maps a segment that exists.
    ///
    /// # Errors
    /// [`SegmentError::Missing`], [`SegmentError::NotOurs`], or the system's error.
    pub fn open(name: &SegmentName) -> Result<Self, SegmentError> {
        let system = |doing, source: io::Error| SegmentError::System { name: name.clone(), doing, source };
        let named = || match open(name, OFlags::RDWR) {
            Ok(file) => {
                let identity = identity(&file).map_err(|e| system("look at it", e))?;
                Ok((file, identity))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(SegmentError::Missing(name.clone())),
            Err(e) => Err(system("open it", e)),
        };
        let (file, identity) = named()?;
        // The name can be guessed, and any user may make a file in /dev/shm.
        let metadata = file.metadata().map_err(|e| system("look at it", e))?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        // A group may be let in to look.
        if owner != rustix::process::geteuid().as_raw() || mode & 0o037 != 0 {
            return Err(SegmentError::NotOurs { name: name.clone(), owner, mode });
        }
        let mut mapping = match ShmemConf::new().os_id(&name.0).open() {
            Ok(mapping) => mapping,
            Err(e) => return Err(system("map it", io::Error::other(e))),
        };
        mapping.set_owner(false);
        // The crate opens by name too, and doesn't show its file. Only a name that stood for the same segment before
        // and after tells which one was mapped.
        if named()?.1 != identity {
            return Err(SegmentError::Missing(name.clone()));
        }
        Ok(Self { guard: Guard::of(&mapping), mapping, file, name: name.clone(), identity })
    }

    /// Checks that all of the segment is there. Touches no byte of it.
    ///
    /// # Errors
    /// [`Loss::CutDown`], [`Loss::Holed`].
    pub fn check_size(&self) -> Result<(), Loss> {
        // The size of an open file can always be had.
        let bytes = self.file.metadata().map_or(0, |m| m.len());
        if bytes < self.len() as u64 {
            return Err(Loss::CutDown(bytes));
        }
        if self.guard.has_lost() { Err(Loss::Holed) } else { Ok(()) }
    }

    /// Checks that the name still stands for this segment. Touches no byte of it.
    ///
    /// # Errors
    /// [`Loss::Unnamed`].
    pub fn check_name(&self) -> Result<(), Loss> {
        let there = std::fs::symlink_metadata(self.name.path()).map_err(|_| Loss::Unnamed)?;
        if (there.dev(), there.ino()) == self.identity { Ok(()) } else { Err(Loss::Unnamed) }
    }

    /// Device and inode of its memory.
    #[must_use]
    pub fn device_and_inode(&self) -> (u64, u64) {
        self.identity
    }

    /// Writes bytes past the mapping, through the file. New pages come without a fault each, and are not filled with zeros
    /// first: two thirds of the time that reserving them and a copy into the mapping take.
    ///
    /// # Errors
    /// The system's error, for want of memory above all.
    ///
    /// # Panics
    /// When the bytes would not lie inside the segment.
    pub fn write(&self, offset_bytes: usize, bytes: &[u8]) -> io::Result<()> {
        let end = offset_bytes.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= self.len()), "bytes outside the segment");
        self.file.write_all_at(bytes, offset_bytes as u64)
    }

    /// The segment's name.
    #[must_use]
    pub fn name(&self) -> &SegmentName {
        &self.name
    }

    /// The bytes that are mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// True if no byte is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `count` values of `T` from `offset_bytes` on.
    ///
    /// Only for types made of atomics, which [`AtomicsOnly`] marks: any bytes are a valid value of them, and another
    /// process may change them at any time.
    ///
    /// # Panics
    /// When the values would not lie inside the mapping, aligned: the layout was not checked.
    #[must_use]
    pub fn view<T: AtomicsOnly>(&self, offset_bytes: usize, count: usize) -> &[T] {
        let bytes = size_of::<T>().checked_mul(count).and_then(|b| b.checked_add(offset_bytes));
        assert!(bytes.is_some_and(|end| end <= self.len()), "a view outside the segment");
        let start = self.mapping.as_ptr().wrapping_add(offset_bytes).cast::<T>();
        assert!(start.is_aligned(), "a view that is not aligned");
        // SAFETY: inside the mapping and aligned, both checked above; the mapping lives as long as `self`; T is
        // made of atomics alone (AtomicsOnly), so any bytes are valid and concurrent writes are no data race.
        unsafe { core::slice::from_raw_parts(start, count) }
    }

    /// The address of byte `offset_bytes` of the mapping. For frames, under the ring's protocol.
    ///
    /// # Panics
    /// When the byte lies outside the mapping.
    #[must_use]
    pub fn byte(&self, offset_bytes: usize) -> *mut u8 {
        assert!(offset_bytes < self.len(), "a byte outside the segment");
        self.mapping.as_ptr().wrapping_add(offset_bytes)
    }

    /// Becomes the segment's one writer, until the value returned is dropped or this process ends.
    ///
    /// # Errors
    /// [`SegmentError::Busy`] while another process is the writer. [`SegmentError::Missing`] when the name is gone or
    /// stands for a newer segment: a lock on that one would not keep a second writer off this one.
    pub fn lock_for_writing(&self) -> Result<OwnedFd, SegmentError> {
        let file = self.reopen()?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file.into()),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(SegmentError::Busy(self.name.clone())),
            Err(e) => Err(self.system("lock it", e.into())),
        }
    }

    /// Lets the members of a group read the segment.
    ///
    /// # Errors
    /// The system's error: the user is not in the group, above all.
    pub(super) fn let_look(&self, gid: u32) -> Result<(), SegmentError> {
        let give = || -> io::Result<()> {
            std::os::unix::fs::fchown(&self.file, None, Some(gid))?;
            Ok(rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o640))?)
        };
        give().map_err(|e| self.system("let a group read it", e))
    }

    /// Opens the segment's file once more, as a description of its own, which has locks of its own.
    ///
    /// # Errors
    /// [`SegmentError::Missing`] when the name is gone or stands for a newer segment.
    pub(super) fn reopen(&self) -> Result<File, SegmentError> {
        let file = match open(&self.name, OFlags::RDWR) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(SegmentError::Missing(self.name.clone()));
            }
            Err(e) => return Err(self.system("open it", e)),
        };
        if identity(&file).map_err(|e| self.system("look at it", e))? != self.identity {
            return Err(SegmentError::Missing(self.name.clone()));
        }
        Ok(file)
    }

    pub(super) fn system(&self, doing: &'static str, source: io::Error) -> SegmentError {
        SegmentError::System { name: self.name.clone(), doing, source }
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({}, {} bytes)", self.name, self.len())
    }
}

impl Guard {
    fn of(mapping: &Shmem) -> Self {
        Self::over(mapping.as_ptr() as usize, mapping.len())
    }
}

/// A type for which any bytes are a valid value and concurrent writes no data race.
///
/// # Safety
/// Every field is an atomic integer (padding is allowed).
pub unsafe trait AtomicsOnly {}

// SAFETY: each is a repr(C) struct of AtomicU64, AtomicU32 and arrays of them.
unsafe impl AtomicsOnly for super::header::Header {}
// SAFETY: as above.
unsafe impl AtomicsOnly for super::protocol::Slot {}
// SAFETY: as above.
unsafe impl AtomicsOnly for super::protocol::LedgerEntry {}

/// Takes a segment's name away. Processes that have it mapped keep the memory until they end. A name that is gone
/// already is no error.
///
/// # Errors
/// The system's error.
pub fn remove(name: &SegmentName) -> Result<(), SegmentError> {
    match rustix::shm::unlink(name.0.as_str()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(e) => Err(SegmentError::System { name: name.clone(), doing: "remove it", source: e.into() }),
    }
}

/// The bytes that new segments can still have: the free space of /dev/shm.
///
/// # Errors
/// When the free space can't be read.
pub fn available_bytes() -> io::Result<u64> {
    let fs = rustix::fs::statvfs(SHM_DIR)?;
    Ok(fs.f_bavail.saturating_mul(fs.f_frsize))
}

fn identity(file: &File) -> io::Result<Identity> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

fn open(name: &SegmentName, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(name.path(), flags, Mode::empty())?.into())
}
