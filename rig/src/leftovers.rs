//! The traces of an instance on the machine: processes, shared memory, files of its runtime directory. After its end there
//! may be none of them.

use std::path::{Path, PathBuf};

use proto::instance::RuntimeDir;
use proto::process::Pid;

use crate::instance::Instance;
use crate::process;

impl Instance {
    /// Every process of this instance: its runtime directory is among the arguments of the supervisor, of the children and
    /// of the commands that were made by [`Instance::command`].
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let ours = self.runtime_dir().as_os_str().as_encoded_bytes();
        process::all().filter(|pid| process::has_argument(*pid, ours)).collect()
    }

    /// The files of the instance's shared memory.
    #[must_use]
    pub fn segments(&self) -> Vec<PathBuf> {
        let Ok(dir) = RuntimeDir::open(self.runtime_dir()) else { return Vec::new() };
        let ours = format!("preroll-{}-", dir.instance());
        let is_ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(ours.as_bytes()))
        };
        entries(Path::new("/dev/shm")).into_iter().filter(is_ours).collect()
    }

    /// Everything that an ended instance should not have left, each thing in words.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let processes = self.processes().into_iter().map(|pid| format!("process {pid}"));
        let files = entries(self.runtime_dir()).into_iter().chain(self.segments());
        files.map(|path| path.display().to_string()).chain(processes).collect()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}
