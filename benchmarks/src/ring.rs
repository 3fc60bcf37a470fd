//! `benchmark ring`: what a frame costs in the ring, beside the least that it could cost.
//!
//! Publishing is claiming a slot, copying the frame into it past the caches, and announcing it. The copy alone, taken from the
//! same calls, is the limit: their ratio says what the ring adds. Beside it, in turn, the same frame is copied into the same
//! memory by `memcpy`, as anybody would.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use proto::frame::{Fps, Geometry, LossBefore, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::nontemporal;
use proto::ring::{ReaderBit, Ring, RingSize, RingSpec, SegmentName};
use proto::time::MonotonicNs;
use serde::{Deserialize, Serialize};

use crate::wake;

/// The version of [`Results`].
pub const SCHEMA: u32 = 1;
/// What `report` knows it by.
pub const KIND: &str = "ring";
/// Frames of each size that are counted.
pub(super) const FRAMES: usize = 500;
/// As many again come first: they touch memory that nobody has touched before.
pub(super) const WARM_UP: usize = 100;
/// So many frames are copied one way, then as many the other: what `memcpy` leaves in the caches is written out while the
/// next frames are copied, and has to be paid for by those of its own kind.
const TURN: usize = 50;

/// Nanoseconds: half took no longer, and 99 of 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// The median.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
}

impl Took {
    pub(super) fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| all.get(all.len() * percent / 100).copied().unwrap_or(0);
        Self { p50_ns: at(50), p99_ns: at(99) }
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: u32,
    /// [`KIND`].
    pub kind: String,
    /// On what.
    pub machine: super::machine::Machine,
    /// One for each size of frame.
    pub sizes: Vec<Size>,
    /// Waking a process that sleeps on the ring, from just before the publication to its being awake.
    pub wake_ring: Took,
    /// The same with a bare word.
    pub wake_futex: Took,
    /// The same work by the iceoryx2 crate, if it is built in.
    #[serde(default)]
    pub iceoryx2: Option<Theirs>,
}

/// What the same work costs in another's hands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Theirs {
    /// One for each size of frame. A lease is a receipt.
    pub sizes: Vec<Size>,
    /// Waking a process that sleeps on the event, from just before the sending.
    pub wake: Took,
}

/// One size of frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Size {
    /// As in 1280x720 I420.
    pub name: String,
    /// A frame's bytes.
    pub bytes: usize,
    /// Slot, copy, announcement.
    pub publish: Took,
    /// The copy alone, in the same calls.
    pub copy: Took,
    /// The median of one over the other, call by call.
    pub publish_over_copy: f64,
    /// `memcpy` of the same frames into the same memory, in turn with publishing, fifty frames each.
    #[serde(default)]
    pub memcpy: Option<Took>,
    /// Publishing over that, the median of the turns.
    #[serde(default)]
    pub publish_over_memcpy: Option<f64>,
    /// Leasing a frame and giving it back.
    pub lease: Took,
}

pub(super) struct Scratch {
    name: SegmentName,
    pub(super) ring: Arc<Ring>,
    pub(super) folder: tempfile::TempDir,
}

impl Scratch {
    pub(super) fn new(width: u32, height: u32, slots: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let name = segment(folder.path())?;
        let spec = RingSpec {
            geometry: Geometry::new(width, height, PixelFormat::I420)?,
            fps: Fps::new(60.0).context("a rate")?,
            size: RingSize { pre_roll_slots: slots, reserve_slots: 0, lease_slots: 2 },
        };
        Ok(Self { ring: Ring::create(&name, &spec)?, name, folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Ring::remove(&self.name);
    }
}

pub(super) fn segment(folder: &Path) -> anyhow::Result<SegmentName> {
    Ok(RuntimeDir::create(folder)?.segment(&Name::new("ring")?))
}

/// Measures all of it.
///
/// # Errors
/// When there is no memory for the rings, or no second process.
pub fn measure() -> anyhow::Result<Results> {
    let machine = super::machine::Machine::here();
    // One after the other, size by size, so that both have the machine as it is then.
    let (mut sizes, mut theirs) = (Vec::new(), Vec::new());
    for (width, height) in [(1280, 720), (1920, 1080), (3840, 2160)] {
        sizes.push(publish(width, height)?);
        theirs.extend(publish_by_iceoryx2(width, height)?);
    }
    let wakings = wake::measure()?;
    let iceoryx2 = wakings.iceoryx2.map(|wake| Theirs { sizes: theirs, wake });
    let (wake_ring, wake_futex) = (wakings.ring, wakings.futex);
    Ok(Results { schema: SCHEMA, kind: KIND.into(), machine, sizes, wake_ring, wake_futex, iceoryx2 })
}

#[cfg(feature = "iceoryx2")]
fn publish_by_iceoryx2(width: u32, height: u32) -> anyhow::Result<Option<Size>> {
    super::iceoryx::publish(width, height).map(Some)
}

#[cfg(not(feature = "iceoryx2"))]
fn publish_by_iceoryx2(_: u32, _: u32) -> anyhow::Result<Option<Size>> {
    Ok(None)
}

pub(super) fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn publish(width: u32, height: u32) -> anyhow::Result<Size> {
    let scratch = Scratch::new(width, height, 32)?;
    let mut writer = scratch.ring.writer()?;
    let reader = scratch.ring.reader(ReaderBit::RECORDER);
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
                sizing.memcpys.push(copied);
            }
        }
        if warm {
            sizing.over_memcpy.push(over(published, copied_by_memcpy));
        }
    }
    Ok(sizing.size(width, height, bytes))
}

/// What frames of one size took, one by one.
#[derive(Default)]
pub(super) struct Sizing {
    whole: Vec<u64>,
    copies: Vec<u64>,
    leases: Vec<u64>,
    ratios: Vec<f64>,
    memcpys: Vec<u64>,
    over_memcpy: Vec<f64>,
}

impl Sizing {
    pub(super) fn published(&mut self, all: u64, copied: u64) {
        self.whole.push(all);
        self.copies.push(copied);
        self.ratios.push(over(all, copied));
    }

    pub(super) fn leased(&mut self, took: u64) {
        self.leases.push(took);
    }

    pub(super) fn size(self, width: u32, height: u32, bytes: usize) -> Size {
        Size {
            name: format!("{width}x{height} I420"),
            bytes,
            publish: Took::of(self.whole),
            copy: Took::of(self.copies),
            publish_over_copy: median(self.ratios).unwrap_or(0.0),
            memcpy: (!self.memcpys.is_empty()).then(|| Took::of(self.memcpys)),
            publish_over_memcpy: median(self.over_memcpy),
            lease: Took::of(self.leases),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a millisecond")]
fn over(one: u64, other: u64) -> f64 {
    one as f64 / other.max(1) as f64
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl std::fmt::Display for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
        let us = |took: &Took| format!("{:.1} / {:.1}", took.p50_ns as f64 / 1e3, took.p99_ns as f64 / 1e3);
        writeln!(f, "microseconds, p50 / p99; {} cores, load {}", self.machine.cores, self.machine.load)?;
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
