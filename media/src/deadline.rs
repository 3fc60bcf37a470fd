//! The bounds of this process: it decodes files and frames that anybody may have made, so it ends by itself when that stands
//! still or takes too long, and takes no more memory than a large picture needs.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::exit;
use proto::say;
use rustix::process::{Resource, Rlimit};

/// The memory that decoding may take: seventeen pictures of 8192 x 8192 pixels, and the libraries.
const ADDRESS_SPACE: u64 = 4 << 30;
/// A step takes milliseconds. A disk that sleeps needs seconds to wake up.
const STANDSTILL: Duration = Duration::from_secs(30);
/// The clock is looked at this often.
const GLANCE: Duration = Duration::from_millis(100);

/// The steps done: packets read, pictures decoded, bytes summed.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Notes that the work gets on.
pub(crate) fn step() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// Bounds the process. `work` says in a sentence what is done; `all`: the time for all of it.
///
/// # Errors
/// No thread can be started.
pub(crate) fn begin(work: String, all: Option<Duration>) -> io::Result<()> {
    // Where memory is short, this process goes before a capture or a recorder. Anybody may ask for that.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let limit = Rlimit { current: Some(ADDRESS_SPACE), maximum: Some(ADDRESS_SPACE) };
    // A lower limit may be set already, which is as good.
    let _ = rustix::process::setrlimit(Resource::As, limit);
    std::thread::Builder::new().name("deadline".into()).spawn(move || watch(&work, all)).map(drop)
}

fn watch(work: &str, all: Option<Duration>) {
    let begun = Instant::now();
    let (mut steps, mut since) = (0, begun);
    loop {
        std::thread::sleep(GLANCE);
        let now = Instant::now();
        let done = STEPS.load(Ordering::Relaxed);
        if done != steps {
            (steps, since) = (done, now);
        }
        let Some(why) = reason_to_end(now - begun, now - since, all) else { continue };
        say::aside(&format!(
            "preroll-media: {work} {why}, so it is given up; is its disk or its machine busy?\n"
        ));
        std::process::exit(exit::FAILED.into());
    }
}

/// The words on a work that has gone on for so long, and had its last step so long ago.
fn reason_to_end(lasts: Duration, stands: Duration, all: Option<Duration>) -> Option<&'static str> {
    if all.is_some_and(|all| lasts >= all) {
        return Some("took too long");
    }
    (stands >= STANDSTILL).then_some("stands still")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_that_stands_still_or_takes_too_long() {
        let s = Duration::from_secs;
        assert_eq!(reason_to_end(s(19), s(3), Some(s(20))), None);
        assert_eq!(reason_to_end(s(20), s(0), Some(s(20))), Some("took too long"));
        assert_eq!(reason_to_end(s(9999), s(29), None), None);
        assert_eq!(reason_to_end(s(9999), s(30), None), Some("stands still"));
    }
}
