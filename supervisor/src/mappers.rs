//! The processes that map a segment, by `/proc`. It reads every process's list of mappings, so a thread of its own does it
//! and never the loop. What follows is in [`crate::inflow`].

use std::fs;

use proto::process::Pid;

/// A segment, as the kernel names it in lists of mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The device's major and minor number.
    pub(crate) device: (u32, u32),
    /// The inode.
    pub(crate) inode: u64,
}

/// Every process that maps a segment, as far as this user may know: root's processes show their mappings to root alone.
pub(crate) fn of(segment: Identity) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<Pid>().ok());
    pids.filter(|pid| fs::read_to_string(pid.proc("maps")).is_ok_and(|maps| lists(&maps, segment))).collect()
}

/// The process that started another.
pub(crate) fn parent(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(pid.proc("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Does a list of mappings name this segment? Its columns, by proc_pid_maps(5): addresses, permissions, offset, device,
/// inode, path.
fn lists(maps: &str, Identity { device: (major, minor), inode }: Identity) -> bool {
    let device = format!("{major:02x}:{minor:02x}");
    maps.lines().any(|line| {
        let mut columns = line.split_ascii_whitespace().skip(3);
        columns.next() == Some(&device) && columns.next().and_then(|its| its.parse().ok()) == Some(inode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_found_by_device_and_inode_whatever_it_is_called() {
        let maps = "7f0000000000-7f0000001000 rw-s 00000000 00:1a 4711    /dev/shm/preroll-x-left (deleted)\n\
                    7f0000002000-7f0000003000 r-xp 00000000 08:01 99      /usr/lib/libc.so.6\n";
        let identity = |minor, inode| Identity { device: (0, minor), inode };
        assert!(lists(maps, identity(0x1a, 4711)));
        assert!(!lists(maps, identity(0x1a, 471)) && !lists(maps, identity(0x1b, 4711)));
    }

    #[test]
    fn this_process_has_a_parent_that_runs() {
        assert!(parent(Pid::this()).is_some_and(|parent| parent.proc("status").exists()));
    }
}
