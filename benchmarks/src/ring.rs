//! `benchmark ring`: what a frame costs in the ring, beside the least that it could cost.
//!
//! Publishing is claiming a slot, copying the frame into it past the caches, and announcing it. The copy alone, taken from the
//! same calls, is the limit: their ratio says what the ring adds. Beside it, in turn, the same frame is copied into the same
//! memory by `memcpy`, as anybody would.

use std::time::Instant;

use anyhow::Context;
use proto::frame::LossBefore;
use proto::nontemporal;
use proto::ring::ReaderBit;
use proto::time::MonotonicNs;
use serde::{Deserialize, Serialize};

use crate::head::Head;
use crate::scratch::Scratch;
use crate::took::{FRAMES, Size, Sizing, Took, WARM_UP, nanos};
use crate::wake;

/// So many frames are copied one way, then as many the other: what `memcpy` leaves in the caches is written out while the
/// next frames are copied, and has to be paid for by those of its own kind.
const TURN: usize = 50;

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The figures of each size of frame.
    pub sizes: Vec<Size>,
    /// Waking a process that sleeps on the ring, from just before the publication to its being awake.
    pub wake_ring: Took,
    /// The same with a bare word.
    pub wake_futex: Took,
    /// The same work by the iceoryx2 crate, if it is built in.
    #[serde(default)]
    pub iceoryx2: Option<Theirs>,
}

/// The cost of the same work by another crate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Theirs {
    /// The figures of each size of frame. A receipt stands for a lease.
    pub sizes: Vec<Size>,
    /// Waking a process that sleeps on the event, from just before the sending.
    pub wake: Took,
}

/// Measures all of it.
///
/// # Errors
/// When there is no memory for the rings, or no second process.
pub fn measure() -> anyhow::Result<Results> {
    let head = Head::begin("ring");
    // Both are measured size by size, so that both have the machine as it is then.
    let (mut sizes, mut theirs) = (Vec::new(), Vec::new());
    for (width, height) in [(1280, 720), (1920, 1080), (3840, 2160)] {
        sizes.push(publish(width, height)?);
        theirs.extend(publish_by_iceoryx2(width, height)?);
    }
    let wakings = wake::measure()?;
    let iceoryx2 = wakings.iceoryx2.map(|wake| Theirs { sizes: theirs, wake });
    let (wake_ring, wake_futex) = (wakings.ring, wakings.futex);
    Ok(Results { head, sizes, wake_ring, wake_futex, iceoryx2 })
}

#[cfg(feature = "iceoryx2")]
fn publish_by_iceoryx2(width: u32, height: u32) -> anyhow::Result<Option<Size>> {
    crate::iceoryx::publish(width, height).map(Some)
}

#[cfg(not(feature = "iceoryx2"))]
fn publish_by_iceoryx2(_: u32, _: u32) -> anyhow::Result<Option<Size>> {
    Ok(None)
}

fn publish(width: u32, height: u32) -> anyhow::Result<Size> {
    let scratch = Scratch::new(width, height, 32)?;
    let mut writer = scratch.ring.writer()?;
    let reader = scratch.ring.reader(ReaderBit::RECORDER)?;
    let bytes = scratch.ring.spec().geometry.frame_bytes();
    // Like a driver's buffers: some of them, in turn, none of them in the cache when its turn comes.
    let frames: Vec<Vec<u8>> = (0..8).map(|n| vec![n; bytes]).collect();
    let mut sizing = Sizing::default();
    let mut numbered = frames.iter().cycle().zip(0..);
    let turns = (WARM_UP + FRAMES) / TURN;
    for turn in 0..turns {
        let warm = turn >= WARM_UP / TURN;
        let (mut published, mut copied_by_memcpy) = (0, 0);
        for (frame, n) in numbered.by_ref().take(TURN) {
            let begun = Instant::now();
            let mut slot = writer.slot().context("no slot is free")?;
            let to = slot.bytes_mut();
            let copying = Instant::now();
            nontemporal::copy(to, frame);
            let copied = nanos(copying);
            let sequence = slot.publish(n, MonotonicNs::now(), LossBefore::Nothing);
            let all = nanos(begun);
            let leasing = Instant::now();
            drop(reader.lease(sequence));
            let leased = nanos(leasing);
            published += all;
            if warm {
                sizing.published(all, copied);
                sizing.leased(leased);
            }
        }
        for (frame, n) in numbered.by_ref().take(TURN) {
            let mut slot = writer.slot().context("no slot is free")?;
            let to = slot.bytes_mut();
            let copying = Instant::now();
            to.copy_from_slice(frame);
            let copied = nanos(copying);
            slot.publish(n, MonotonicNs::now(), LossBefore::Nothing);
            copied_by_memcpy += copied;
            if warm {
                sizing.copied_by_memcpy(copied);
            }
        }
        if warm {
            sizing.turn(published, copied_by_memcpy);
        }
    }
    Ok(sizing.size(width, height, bytes))
}

impl std::fmt::Display for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
        let us = |took: &Took| format!("{:.1} / {:.1}", took.p50_ns as f64 / 1e3, took.p99_ns as f64 / 1e3);
        writeln!(
            f,
            "microseconds, p50 / p99; {} cores, load {}",
            self.head.machine.cores, self.head.machine.load
        )?;
        writeln!(
            f,
            "{:<18} {:>18} {:>18} {:>7} {:>18} {:>7} {:>14}",
            "", "publish", "its copy alone", "ratio", "memcpy", "ratio", "lease"
        )?;
        for (n, size) in self.sizes.iter().enumerate() {
            let theirs = self.iceoryx2.as_ref().and_then(|theirs| theirs.sizes.get(n));
            for (name, size) in [(size.name.as_str(), Some(size)), ("  iceoryx2", theirs)] {
                let Some(size) = size else { continue };
                let memcpy = size.memcpy.as_ref().map_or("".into(), us);
                let over_memcpy = size.publish_over_memcpy.map_or("".into(), |ratio| format!("{ratio:.3}"));
                writeln!(
                    f,
                    "{name:<18} {:>18} {:>18} {:>7.3} {memcpy:>18} {over_memcpy:>7} {:>14}",
                    us(&size.publish),
                    us(&size.copy),
                    size.publish_over_copy,
                    us(&size.lease)
                )?;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let over_futex = |took: &Took| took.p50_ns as f64 / self.wake_futex.p50_ns.max(1) as f64;
        writeln!(f, "{:<18} {:>18}", "wake, bare futex", us(&self.wake_futex))?;
        let ring = ("wake, ring", Some(&self.wake_ring));
        for (name, took) in [ring, ("wake, iceoryx2", self.iceoryx2.as_ref().map(|theirs| &theirs.wake))] {
            let Some(took) = took else { continue };
            writeln!(f, "{name:<18} {:>18} {:>26.3}", us(took), over_futex(took))?;
        }
        if self.iceoryx2.is_none() {
            writeln!(f, "iceoryx2 is not built in: cargo build --release -p benchmarks --features iceoryx2")?;
        }
        Ok(())
    }
}
