//! The shared memory that rings lie in: whether /dev/shm is there, can be written to and is large enough.

use proto::ring::segment::SHM_DIR;
use proto::storage::mb;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;

use crate::backlog::room::Room;

/// The reason why no ring can be made here, whatever its size.
pub(crate) fn fault() -> Option<String> {
    match statvfs(SHM_DIR) {
        Err(Errno::NOENT) => Some(format!(
            "there is no {SHM_DIR}, and rings lie in it; mount it (mount -t tmpfs tmpfs {SHM_DIR}), or with Docker leave \
             out --ipc=none"
        )),
        Err(e) => Some(format!("{SHM_DIR}, in which rings lie, can't be looked at: {e}")),
        Ok(there) if there.f_flag.contains(StatVfsMountFlags::RDONLY) => Some(format!(
            "{SHM_DIR} is read-only, and rings are made in it; mount it read-write (mount -o remount,rw {SHM_DIR}), or with \
             Docker leave {SHM_DIR} out of the volumes"
        )),
        Ok(_) => None,
    }
}

/// Rings that don't fit, in words.
pub(crate) fn too_small(needed: u64, room: &Room) -> String {
    let less = "ask for less pre-roll, smaller frames or fewer cameras";
    let needs = format!("the rings need {needed} bytes ({:.0} MB)", mb(needed));
    if room.memory <= room.shm {
        let (bytes, megabytes) = (room.memory, mb(room.memory));
        return format!(
            "{needs} and {bytes} bytes ({megabytes:.0} MB) of shared memory are available; {less}"
        );
    }
    format!(
        "{needs} and {SHM_DIR} has {} bytes ({:.0} MB) of shared memory available; make it larger (mount -o \
         remount,size={mib}m {SHM_DIR}, or with Docker --shm-size={mib}m), or {less}",
        room.shm,
        mb(room.shm),
        mib = needed.div_ceil(1 << 20)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_short_is_named_with_both_numbers() {
        let room = |shm, memory| Room { shm, memory, control_group: None };
        let small = too_small(150_000_000, &room(64 << 20, 8 << 30));
        for said in ["150000000 bytes", "/dev/shm has 67108864 bytes", "--shm-size=144m", "less pre-roll"] {
            assert!(small.contains(said), "{said:?} is missing: {small}");
        }
        let short = too_small(150_000_000, &room(8 << 30, 64 << 20));
        assert!(short.contains("67108864 bytes") && !short.contains("--shm-size"), "{short}");
    }
}
