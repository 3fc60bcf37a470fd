//! The bounds of this process: it decodes files and frames that anybody may have made, so it ends by itself when that stands
//! still or takes too long, and takes no more memory than a large picture needs. It ends in order when it is asked to.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use proto::exit;
use proto::say;
use rustix::process::{Resource, Rlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::unfinished;

/// The memory that decoding may take: seventeen pictures of 8192 x 8192 pixels, and the libraries.
pub(crate) const ONE_PICTURE: u64 = 4 << 30;
/// The memory that the decoders of sixteen cameras and an encoder may take.
pub(crate) const MANY_PICTURES: u64 = 16 << 30;
/// A step takes milliseconds. A disk that sleeps needs seconds to wake up.
const STANDSTILL: Duration = Duration::from_secs(30);
/// The clock is looked at this often.
const GLANCE: Duration = Duration::from_millis(100);

/// The steps done: packets read, pictures decoded, bytes summed.
static STEPS: AtomicU64 = AtomicU64::new(0);
/// The system does something that may take long, and tells nothing meanwhile.
static WAITS: AtomicBool = AtomicBool::new(false);
/// A signal has asked this process to end, if it heeds signals.
static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Notes that the work gets on.
pub(crate) fn step() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// Calls the system for something that may take minutes, as a flush to a slow disk does: the time counts as work.
pub(crate) fn patiently<T>(call: impl FnOnce() -> T) -> T {
    WAITS.store(true, Ordering::Relaxed);
    let done = call();
    step();
    WAITS.store(false, Ordering::Relaxed);
    done
}

/// Bounds the process. `work` says in a sentence what is done; `all`: the time for all of it; `memory`: the memory for it.
///
/// # Errors
/// No thread can be started.
pub(crate) fn begin(work: String, all: Option<Duration>, memory: u64) -> io::Result<()> {
    // Where memory is short, this process goes before a capture or a recorder. Anybody may ask for that.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let limit = Rlimit { current: Some(memory), maximum: Some(memory) };
    // A lower limit may be set already, which is as good.
    let _ = rustix::process::setrlimit(Resource::As, limit);
    std::thread::Builder::new().name("deadline".into()).spawn(move || watch(&work, all)).map(drop)
}

/// Has this process end in order when a signal asks it to: with nothing left of what it has begun. By default it ends at once.
///
/// # Errors
/// The system's error.
pub(crate) fn heed_signals() -> io::Result<()> {
    let asked = ASKED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(asked))?;
    }
    Ok(())
}

fn watch(work: &str, all: Option<Duration>) {
    let begun = Instant::now();
    let (mut steps, mut since) = (0, begun);
    loop {
        std::thread::sleep(GLANCE);
        let now = Instant::now();
        let done = STEPS.load(Ordering::Relaxed);
        if done != steps || WAITS.load(Ordering::Relaxed) {
            (steps, since) = (done, now);
        }
        let said = if ASKED.get().is_some_and(|asked| asked.load(Ordering::Relaxed)) {
            format!("{work} was broken off")
        } else if let Some(why) = reason_to_end(now - begun, now - since, all) {
            format!("{work} {why}, so it is given up; is its disk or its machine busy?")
        } else {
            continue;
        };
        let _nothing_begins = unfinished::end();
        say::aside(&format!("preroll-media: {said}\n"));
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
