//! `benchmark ring`: what a frame costs in the ring, beside the least that it could cost.
//!
//! Publishing is claiming a slot, copying the frame into it, and announcing it. The copy alone, into the same memory at the
//! same moment, is the limit; so both are taken from the same calls, and their ratio says what the ring adds.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use proto::frame::{Before, Fps, Geometry, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::{ReaderBit, Ring, RingSize, RingSpec, SegmentName};
use proto::time::MonotonicNs;
use serde::{Deserialize, Serialize};

use super::raw_futex::Word;

/// Frames of each size.
const FRAMES: usize = 600;
/// The first ones touch memory that nobody has touched before.
const WARM_UP: usize = 100;
/// Wakings of each kind.
const WAKINGS: usize = 2000;
/// Between one waking and the next, so that the sleeper sleeps.
const PAUSE: Duration = Duration::from_millis(2);
/// Whoever waits this long waits for ever.
const FOR_EVER: Duration = Duration::from_secs(10);

/// Nanoseconds: half took no longer, and 99 of 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// The median.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
}

impl Took {
    fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| all.get(all.len() * percent / 100).copied().unwrap_or(0);
        Self { p50_ns: at(50), p99_ns: at(99) }
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// On what.
    pub machine: super::machine::Machine,
    /// One for each size of frame.
    pub sizes: Vec<Size>,
    /// Waking a process that sleeps on the ring, from just before the publication to its being awake.
    pub wake_ring: Took,
    /// The same with a bare word.
    pub wake_futex: Took,
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
    /// Leasing a frame and giving it back.
    pub lease: Took,
}

struct Scratch {
    name: SegmentName,
    ring: Arc<Ring>,
    _folder: tempfile::TempDir,
}

impl Scratch {
    fn new(width: u32, height: u32, slots: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let name = segment(folder.path())?;
        let spec = RingSpec {
            geometry: Geometry::new(width, height, PixelFormat::I420)?,
            fps: Fps::new(60.0).context("a rate")?,
            size: RingSize { pre_roll_slots: slots, reserve_slots: 0, lease_slots: 2 },
        };
        Ok(Self { ring: Ring::create(&name, &spec)?, name, _folder: folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Ring::remove(&self.name);
    }
}

fn segment(folder: &Path) -> anyhow::Result<SegmentName> {
    Ok(RuntimeDir::create(folder)?.segment(&Name::new("ring")?))
}

/// Measures all of it.
///
/// # Errors
/// When there is no memory for the rings, or no second process.
pub fn measure() -> anyhow::Result<Results> {
    let machine = super::machine::Machine::here();
    let sizes = [(1280, 720), (1920, 1080), (3840, 2160)];
    let sizes = sizes.into_iter().map(|(w, h)| publish(w, h)).collect::<anyhow::Result<_>>()?;
    Ok(Results { machine, sizes, wake_ring: wake_by_ring()?, wake_futex: wake_by_futex()? })
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn publish(width: u32, height: u32) -> anyhow::Result<Size> {
    let scratch = Scratch::new(width, height, 32)?;
    let mut writer = scratch.ring.writer()?;
    let reader = scratch.ring.reader(ReaderBit::RECORDER);
    let bytes = scratch.ring.spec().geometry.frame_bytes();
    // Like a driver's buffers: some of them, in turn, none of them in the cache when its turn comes.
    let frames: Vec<Vec<u8>> = (0..8).map(|n| vec![n; bytes]).collect();
    let (mut whole, mut copies, mut leases, mut ratios) = (vec![], vec![], vec![], vec![]);
    for (n, frame) in frames.iter().cycle().take(FRAMES).enumerate() {
        let begun = Instant::now();
        let mut slot = writer.slot().context("no slot is free")?;
        let to = slot.bytes_mut();
        let copying = Instant::now();
        to.copy_from_slice(frame);
        let copied = nanos(copying);
        let sequence = slot.publish(n as u64, MonotonicNs::now(), Before::Nothing);
        let all = nanos(begun);
        let leasing = Instant::now();
        drop(reader.lease(sequence));
        let leased = nanos(leasing);
        if n >= WARM_UP {
            whole.push(all);
            copies.push(copied);
            leases.push(leased);
            #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a millisecond")]
            ratios.push(all as f64 / copied.max(1) as f64);
        }
    }
    ratios.sort_by(f64::total_cmp);
    Ok(Size {
        name: format!("{width}x{height} I420"),
        bytes,
        publish: Took::of(whole),
        copy: Took::of(copies),
        publish_over_copy: ratios.get(ratios.len() / 2).copied().unwrap_or(0.0),
        lease: Took::of(leases),
    })
}

/// A second process of this program, which sleeps and says when it was woken.
fn sleeper(what: &str, at: &Path, wake: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Took> {
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
    woken.map(|()| Took::of(taken))
}

fn wake_by_ring() -> anyhow::Result<Took> {
    // A frame of next to nothing: it is the waking that is measured.
    let scratch = Scratch::new(64, 16, 8)?;
    let mut writer = scratch.ring.writer()?;
    sleeper("ring", scratch._folder.path(), || {
        for n in 0..WAKINGS as u64 {
            std::thread::sleep(PAUSE);
            let slot = writer.slot().context("no slot is free")?;
            slot.publish(n, MonotonicNs::now(), Before::Nothing);
        }
        Ok(())
    })
}

fn wake_by_futex() -> anyhow::Result<Took> {
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

impl std::fmt::Display for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
        let us = |took: &Took| format!("{:.1} / {:.1}", took.p50_ns as f64 / 1e3, took.p99_ns as f64 / 1e3);
        writeln!(f, "microseconds, p50 / p99; {} cores, load {}", self.machine.cores, self.machine.load)?;
        writeln!(f, "{:<18} {:>20} {:>20} {:>7} {:>14}", "", "publish", "copy alone", "ratio", "lease")?;
        for size in &self.sizes {
            writeln!(
                f,
                "{:<18} {:>20} {:>20} {:>7.3} {:>14}",
                size.name,
                us(&size.publish),
                us(&size.copy),
                size.publish_over_copy,
                us(&size.lease)
            )?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = self.wake_ring.p50_ns as f64 / self.wake_futex.p50_ns.max(1) as f64;
        writeln!(f, "{:<18} {:>20}", "wake, ring", us(&self.wake_ring))?;
        writeln!(f, "{:<18} {:>20} {:>28.3}", "wake, bare futex", us(&self.wake_futex), ratio)
    }
}
