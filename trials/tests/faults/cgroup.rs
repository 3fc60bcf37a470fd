//! Control groups to put processes into, of either version, where there is the right to make them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::process::Pid;
use trials::until;

/// A group of one controller's.
pub(crate) struct Cgroup {
    path: PathBuf,
    /// Version 1, whose files have other names.
    old: bool,
}

impl Cgroup {
    /// Makes a group. `None` where that can't be done, with the reason said.
    pub(crate) fn new(controller: &str) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let old = root.join(controller);
        let (parent, old) = if old.is_dir() { (old, true) } else { (root.to_owned(), false) };
        if !old {
            // Root's group hands the controller down to its children only when asked.
            let _ = std::fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"));
            let there = std::fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
            if !there.split_whitespace().any(|c| c == controller) {
                println!("skipped: no {controller} control groups can be made here (that takes root)");
                return None;
            }
        }
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("preroll-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(name);
        match std::fs::create_dir(&path) {
            Ok(()) => Some(Self { path, old }),
            Err(e) => {
                println!("skipped: no control group can be made here: {}: {e}", path.display());
                None
            }
        }
    }

    /// Moves a process, all of its threads and whatever it starts from now on, into the group.
    pub(crate) fn take_in(&self, pid: Pid) {
        std::fs::write(self.path.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// The file that a process writes its pid to, to move itself.
    pub(crate) fn door(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// So much of one processor, in each tenth of a second.
    pub(crate) fn limit_processor(&self, percent: u32) {
        let quota_us = percent * 1000;
        if self.old {
            self.set("cpu.cfs_period_us", "100000");
            self.set("cpu.cfs_quota_us", &quota_us.to_string());
        } else {
            self.set("cpu.max", &format!("{quota_us} 100000"));
        }
    }

    /// No more than the whole machine has.
    pub(crate) fn free_processor(&self) {
        if self.old { self.set("cpu.cfs_quota_us", "-1") } else { self.set("cpu.max", "max 100000") }
    }

    pub(crate) fn limit_memory(&self, bytes: u64) {
        self.set(if self.old { "memory.limit_in_bytes" } else { "memory.max" }, &bytes.to_string());
    }

    /// Stops all of the group's processes, none of which is told, or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        if self.old {
            let state = if frozen { "FROZEN" } else { "THAWED" };
            self.set("freezer.state", state);
            let is_so = || std::fs::read_to_string(self.path.join("freezer.state")).unwrap().trim() == state;
            until("the group to be frozen or thawed", || is_so().then_some(()));
        } else {
            self.set("cgroup.freeze", if frozen { "1" } else { "0" });
        }
    }

    fn set(&self, file: &str, value: &str) {
        std::fs::write(self.path.join(file), value).unwrap_or_else(|e| panic!("{file} {value}: {e}"));
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The last of its processes may take a moment to be gone. A group that is left is empty, and no test fails by it.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
