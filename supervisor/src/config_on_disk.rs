//! The config's file after the start: whether it still says what is in use. A thread of its own looks once a second, since
//! the file may lie on a disk that no longer answers.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto::config::Config;
use proto::priority;

use crate::control::STACK_BYTES;

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// The config in use, beside its file.
pub(crate) struct ConfigOnDisk {
    config: Arc<Config>,
    is_changed: AtomicBool,
}

/// The marks by which a file that was written to, or replaced, is told from the one before. `None` when there is none.
type Marks = Option<[u64; 7]>;

impl ConfigOnDisk {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config, is_changed: AtomicBool::new(false) }
    }

    /// Watches the file for as long as this process runs.
    pub(crate) fn watch(self: &Arc<Self>) -> std::io::Result<()> {
        let this = Arc::clone(self);
        let watch = move || {
            priority::set(priority::STATISTICS);
            let mut seen = None;
            loop {
                this.look(&mut seen);
                std::thread::sleep(EVERY);
            }
        };
        std::thread::Builder::new().name("config".into()).stack_size(4 * STACK_BYTES).spawn(watch)?;
        Ok(())
    }

    /// Does the file say something else than what is in use, or can't it be read any more?
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::Relaxed)
    }

    /// Reads the file again if it isn't the one that was seen last. Comments and blanks are no change.
    fn look(&self, seen: &mut Option<Marks>) {
        let marks = self.config.source.metadata().ok().map(|there| {
            [
                there.dev(),
                there.ino(),
                there.size(),
                there.mtime().unsigned_abs(),
                there.mtime_nsec().unsigned_abs(),
                there.ctime().unsigned_abs(),
                there.ctime_nsec().unsigned_abs(),
            ]
        });
        if *seen == Some(marks) {
            return;
        }
        *seen = Some(marks);
        // A file names what was typed, and not what cameras have offered.
        let in_use = self.config.without_offers();
        let is_same = Config::load(&in_use.source).is_ok_and(|on_disk| on_disk == in_use);
        self.is_changed.store(!is_same, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_something_else_is_noticed_and_one_that_is_put_back_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rig.yaml");
        let text = "cameras: [{ name: left, backend: sim, width: 256, height: 64, fps: 60 }]\n";
        std::fs::write(&path, text).unwrap();
        let on_disk = ConfigOnDisk::new(Arc::new(Config::load(&path).unwrap()));
        let mut seen = None;
        let mut after = |text: Option<&str>| {
            match text {
                // Replaced as editors do it.
                Some(text) => {
                    std::fs::write(folder.path().join("new"), text).unwrap();
                    std::fs::rename(folder.path().join("new"), &path).unwrap();
                }
                None => std::fs::remove_file(&path).unwrap(),
            }
            on_disk.look(&mut seen);
            on_disk.is_changed()
        };
        assert!(!after(Some(text)));
        assert!(after(Some(&text.replace("60", "30"))));
        assert!(!after(Some(&format!("# a remark\n{text}"))));
        assert!(after(Some("cameras: nonsense\n")));
        assert!(after(None));
        assert!(!after(Some(text)));
    }
}
