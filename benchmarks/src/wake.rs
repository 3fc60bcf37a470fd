//! Waking a process that sleeps: by the ring, by a bare futex, and by iceoryx2. The sleeper is this program again, and says
//! how long each waking took.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context;
use proto::frame::LossBefore;
use proto::ring::Ring;
use proto::time::MonotonicNs;

use crate::raw_futex::Word;
use crate::scratch::{Scratch, segment};
use crate::sleeper::{FOR_EVER, PAUSE, WAKINGS, sleeper};
use crate::took::Took;

/// So often each kind has its turn, so that all of them meet the same machine.
const ROUNDS: usize = 8;
/// Times of waking, by each way of it.
pub(super) struct Wakings {
    pub(super) ring: Took,
    pub(super) futex: Took,
    /// If it is built in.
    pub(super) iceoryx2: Option<Took>,
}

/// Measures all of them, in turn.
pub(super) fn measure() -> anyhow::Result<Wakings> {
    let (mut ring, mut futex, mut iceoryx2) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ring.extend(wake_by_ring()?);
        futex.extend(wake_by_futex()?);
        iceoryx2.extend(wake_by_iceoryx2()?);
    }
    let iceoryx2 = (!iceoryx2.is_empty()).then(|| Took::of(iceoryx2));
    Ok(Wakings { ring: Took::of(ring), futex: Took::of(futex), iceoryx2 })
}

fn wake_by_ring() -> anyhow::Result<Vec<u64>> {
    // A frame of next to nothing: it is the waking that is measured.
    let scratch = Scratch::new(64, 16, 8)?;
    let mut writer = scratch.ring.writer()?;
    sleeper("ring", scratch.folder.path(), || {
        for n in 0..WAKINGS as u64 {
            std::thread::sleep(PAUSE);
            let mut slot = writer.slot().context("no slot is free")?;
            // As a capture does; else the slot's memory would be touched for the first time by what is measured.
            slot.bytes_mut().fill(0);
            slot.publish(n, MonotonicNs::now(), LossBefore::Nothing);
        }
        Ok(())
    })
}

fn wake_by_futex() -> anyhow::Result<Vec<u64>> {
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let path = folder.path().join("word");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    file.set_len(64)?;
    let word = Word::map(&file)?;
    sleeper("futex", &path, || {
        for _ in 0..WAKINGS {
            std::thread::sleep(PAUSE);
            // The moment itself, as far as it fits: the other side has the rest.
            let now = u32::try_from(MonotonicNs::now().0 & u64::from(u32::MAX)).unwrap_or(0);
            word.value().store(now.max(1), Ordering::Release);
            word.wake();
        }
        Ok(())
    })
}

/// The second process.
///
/// # Errors
/// When it can't find what it is to sleep on.
pub fn sleep(what: &str, at: &Path) -> anyhow::Result<()> {
    if what == "iceoryx2" {
        return sleep_on_iceoryx2(at);
    }
    let mut taken = Vec::with_capacity(WAKINGS);
    let mut out = std::io::stdout().lock();
    if what == "ring" {
        let ring = Ring::open(&segment(at)?)?;
        let mut seen = ring.head();
        writeln!(out, "ready")?;
        out.flush()?;
        while taken.len() < WAKINGS && ring.wait_newer(seen, FOR_EVER) {
            let now = MonotonicNs::now();
            seen = ring.head();
            taken.extend(ring.newest().map(|newest| now.since(newest.t_capture).as_nanos()));
        }
    } else {
        let word = Word::map(&OpenOptions::new().read(true).write(true).open(at)?)?;
        let mut seen = word.value().load(Ordering::Acquire);
        writeln!(out, "ready")?;
        out.flush()?;
        let begun = Instant::now();
        while taken.len() < WAKINGS && begun.elapsed() < FOR_EVER * 2 {
            word.sleep_while(seen, FOR_EVER);
            let now = MonotonicNs::now().0;
            let then = word.value().load(Ordering::Acquire);
            if then != seen {
                seen = then;
                taken.push(u128::from(
                    (now & u64::from(u32::MAX)).wrapping_sub(then.into()) & u64::from(u32::MAX),
                ));
            }
        }
    }
    for ns in taken {
        writeln!(out, "{ns}")?;
    }
    Ok(())
}

#[cfg(feature = "iceoryx2")]
fn wake_by_iceoryx2() -> anyhow::Result<Vec<u64>> {
    crate::iceoryx::wake()
}

#[cfg(not(feature = "iceoryx2"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail where it is built in")]
fn wake_by_iceoryx2() -> anyhow::Result<Vec<u64>> {
    Ok(Vec::new())
}

#[cfg(feature = "iceoryx2")]
fn sleep_on_iceoryx2(at: &Path) -> anyhow::Result<()> {
    crate::iceoryx::sleep(at)
}

#[cfg(not(feature = "iceoryx2"))]
fn sleep_on_iceoryx2(_: &Path) -> anyhow::Result<()> {
    anyhow::bail!("iceoryx2 is not built in")
}
