//! The duties of every recorder that is measured here, whoever wrote it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::process::Pid;
use proto::time::MonotonicNs;

use super::driver::Frame;

/// The cameras of every contender. The stamps' camera index is the position.
pub const CAMERAS: [&str; 2] = ["left", "right"];

/// A clip, as its recorder announces it.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Each camera's files, in the order of play.
    pub files: BTreeMap<String, Vec<PathBuf>>,
    /// The moment at which it was announced.
    pub finished: MonotonicNs,
}

/// A recorder that runs, armed, on two cameras.
pub trait Contender {
    /// The process that all its others come from.
    fn root(&self) -> Pid;

    /// Bytes that it keeps in files in memory, which no process has mapped.
    fn files_in_memory(&self) -> u64;

    /// The process that encodes the first camera.
    fn encoder(&self) -> Option<Pid>;

    /// The recorder's own words about its encoder, if it said any.
    fn codec(&self) -> String;

    /// The frames of its cameras so far, with what became of each, in the order of [`CAMERAS`].
    fn frames(&self) -> [Vec<Frame>; 2];

    /// Asks for a clip around this moment.
    ///
    /// # Errors
    /// When it can't be asked.
    fn trigger(&mut self, label: &str) -> anyhow::Result<()>;

    /// Waits for the clip of this name; `None` when it doesn't come in time.
    ///
    /// # Errors
    /// When what it says can't be understood.
    fn clip(&mut self, label: &str, until: MonotonicNs) -> anyhow::Result<Option<Clip>>;

    /// Every file that is where its clips go.
    fn output(&self) -> Vec<PathBuf>;

    /// Starts it again if it has ended, as systemd would; what restarts its own processes does that.
    ///
    /// # Errors
    /// When it can't be started.
    fn revive(&mut self) -> anyhow::Result<()>;

    /// Ends it.
    ///
    /// # Errors
    /// When it doesn't end.
    fn stop(self: Box<Self>) -> anyhow::Result<()>;
}

/// Every file below a folder.
pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}
