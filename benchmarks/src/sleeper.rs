//! The second process of a waking: it is started here and says how many nanoseconds each waking took. What it sleeps on is
//! the business of `wake.rs` and `iceoryx.rs`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

/// Wakings of a kind in one go.
pub(crate) const WAKINGS: usize = 250;
/// Between one waking and the next, so that the sleeper sleeps.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);
/// A sleeper that waits this long would wait for ever.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(10);

/// A second process of this program, which sleeps and says how many nanoseconds each waking took.
pub(crate) fn sleeper(
    what: &str,
    at: &Path,
    wake: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<u64>> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(["sleeper", what])
        .arg(at)
        .stdout(Stdio::piped())
        .spawn()
        .context("a second process")?;
    let mut lines = BufReader::new(process.stdout.take().context("its output")?).lines();
    ensure!(lines.next().transpose()?.as_deref() == Some("ready"), "the sleeper does not come up");
    let woken = wake();
    let taken: Vec<u64> = lines.map_while(Result::ok).filter_map(|line| line.parse().ok()).collect();
    ensure!(process.wait()?.success(), "the sleeper failed");
    woken.map(|()| taken)
}
