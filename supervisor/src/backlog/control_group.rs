//! The memory that a control group's limit leaves to this process. Shared memory counts in it, so frames in /dev/shm take
//! from it too. Version 1 and version 2 of control groups; where their files are is said by the kernel's
//! `Documentation/admin-guide/cgroup-v1/memory.rst` and `cgroup-v2.rst`.

use std::path::Path;

/// The place where control groups are mounted, by convention (`file-hierarchy(7)` of systemd).
const MOUNT: &str = "/sys/fs/cgroup";

/// The names of one version's files in a group's folder.
struct Version {
    /// The folders below [`MOUNT`] that groups of this version may be in.
    below: &'static [&'static str],
    limit: &'static str,
    used: &'static str,
    /// The line of `memory.stat` that counts what the kernel gives up first when the limit is reached: file pages that
    /// nobody has asked for lately.
    reclaimable: &'static str,
}

const VERSION_1: Version = Version {
    below: &["memory"],
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file ",
};
const VERSION_2: Version = Version {
    below: &["", "unified"],
    limit: "memory.max",
    used: "memory.current",
    reclaimable: "inactive_file ",
};

/// The bytes that may still be taken; `None` without a limit.
pub(super) fn left() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    left_in(Path::new(MOUNT), &groups)
}

/// The same, of groups that are mounted at `mount`; `groups`: the text of /proc/self/cgroup.
fn left_in(mount: &Path, groups: &str) -> Option<u64> {
    groups.lines().filter_map(|line| left_in_group(mount, line)).min()
}

/// A line such as `4:memory:/system.slice/preroll.service`, or of version 2 `0::/system.slice/preroll.service`. The
/// limits of every group above hold too. In a container the path may be one that only the host knows, but the mount
/// itself is the container's group.
fn left_in_group(mount: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let version = match fields.next()? {
        "" => VERSION_2,
        controllers if controllers.split(',').any(|c| c == "memory") => VERSION_1,
        _ => return None,
    };
    let group = Path::new(fields.next()?.trim_start_matches('/'));
    let folders = version
        .below
        .iter()
        .flat_map(|below| group.ancestors().map(move |group| mount.join(below).join(group)));
    folders.filter_map(|folder| version.left(&folder)).min()
}

impl Version {
    fn left(&self, folder: &Path) -> Option<u64> {
        let number = |file: &str| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
        // Without a limit version 2 says "max", which is no number, and version 1 a number beyond any memory.
        let limit = number(self.limit)?;
        let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let reclaimable =
            stat.lines().find_map(|line| line.strip_prefix(self.reclaimable)?.parse::<u64>().ok());
        let used = number(self.used)?.saturating_sub(reclaimable.unwrap_or(0));
        Some(limit.saturating_sub(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(mount: &Path, folder: &str, files: &[(&str, &str)]) {
        let folder = mount.join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_least_of_all_groups_above_counts() {
        let mount = tempfile::tempdir().unwrap();
        let mount = mount.path();
        let v2 = |folder: &str, max: &str, current: &str| {
            let stat = "anon 5\nfile 40\ninactive_file 30\nactive_file 10\n";
            group(mount, folder, &[("memory.max", max), ("memory.current", current), ("memory.stat", stat)]);
        };
        v2("a", "1000\n", "230\n");
        v2("a/b", "max\n", "130\n");
        assert_eq!(left_in(mount, "0::/a/b\n"), Some(800));
        v2("a/b", "500\n", "130\n");
        assert_eq!(left_in(mount, "0::/a/b\n"), Some(400));
        v2("a/b", "100\n", "130\n");
        assert_eq!(left_in(mount, "0::/a/b\n"), Some(0));
        assert_eq!(left_in(mount, "0::/elsewhere\n"), None);
    }

    #[test]
    fn version_1_is_read_where_it_has_memory() {
        let mount = tempfile::tempdir().unwrap();
        let mount = mount.path();
        let v1 = |folder: &str, limit: &str| {
            let stat = "inactive_file 1\ntotal_inactive_file 20\n";
            let files =
                [("memory.limit_in_bytes", limit), ("memory.usage_in_bytes", "120"), ("memory.stat", stat)];
            group(mount, folder, &files);
        };
        let groups = "4:memory:/docker/7\n3:cpuset,memory_recursiveprot:/docker/7\n1:cpu:/docker/7\n0::/\n";
        // Unlimited, as version 1 says it.
        v1("memory", "9223372036854771712\n");
        assert_eq!(left_in(mount, groups), Some(9_223_372_036_854_771_612));
        v1("memory/docker/7", "1100\n");
        assert_eq!(left_in(mount, groups), Some(1000));
        // In the container itself the host's path isn't there, and the mount is its group.
        std::fs::remove_dir_all(mount.join("memory/docker")).unwrap();
        v1("memory", "700\n");
        assert_eq!(left_in(mount, groups), Some(600));
        assert_eq!(left_in(mount, "1:cpu:/docker/7\n"), None);
        assert_eq!(left_in(mount, "nonsense"), None);
    }
}
