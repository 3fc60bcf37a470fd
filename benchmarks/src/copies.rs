//! The least that frames can cost: each has to be written once, and its bytes come from somewhere. So: processes
//! that do nothing but copy a picture of their own into the next place of as much shared memory as a ring has, as captures
//! do and at the camera's pace; and how much of that a machine can do at all.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use proto::frame::{Fps, Geometry, LossBefore, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::nontemporal;
use proto::ring::{Ring, RingSize, RingSpec, SegmentName};
use proto::time::MonotonicNs;
use rustix::time::ClockId;

/// The config's default pre-roll.
const PRE_ROLL_MS: u64 = 500;
const RESERVE_MS: u64 = 200;
/// Length of copying at full speed.
const AT_FULL_SPEED: Duration = Duration::from_millis(500);

/// Percent of a core that so many processes take each, which copy as many frames as so many cameras make.
///
/// # Errors
/// When there is no memory for them.
pub fn paced(cameras: u32, size: &str, fps: u32, seconds: f64) -> anyhow::Result<f64> {
    let mut copiers = Vec::new();
    for _ in 0..cameras {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["copier", size, &fps.to_string(), &seconds.to_string()]);
        copiers.push(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("a copier")?);
    }
    let mut lines: Vec<_> = copiers.iter_mut().filter_map(|c| c.stdout.take().map(BufReader::new)).collect();
    let mut say = String::new();
    for line in &mut lines {
        line.read_line(&mut say)?;
    }
    // All have touched their memory: now together.
    for copier in &mut copiers {
        drop(copier.stdin.take());
    }
    let mut all = 0.0;
    for line in &mut lines {
        say.clear();
        line.read_line(&mut say)?;
        all += say.trim().parse::<f64>().context("what a copier has used")?;
    }
    for mut copier in copiers {
        ensure!(copier.wait()?.success(), "a copier failed");
    }
    Ok(all / f64::from(cameras.max(1)))
}

/// A copying process: makes its memory, says so, waits for its standard input to close, copies, and says what percentage
/// of a core it took.
///
/// # Errors
/// When there is no memory for it.
pub fn copy(size: &str, fps: u32, seconds: f64) -> anyhow::Result<()> {
    let fps = Fps::new(f64::from(fps)).context("--fps")?;
    let mut memory = Memory::new(size, fps)?;
    let places = memory.ring.spec().size.slots() as u64;
    (0..places).try_for_each(|n| memory.copy(n))?;
    println!("ready");
    std::io::stdout().flush()?;
    std::io::stdin().read_line(&mut String::new())?;
    let (begun, used) = (MonotonicNs::now(), processor_time());
    let frames = fps.frames_in(proto::time::nanos(Duration::from_secs_f64(seconds)));
    for n in 0..frames {
        (begun + Duration::from_nanos(fps.due_ns(n))).sleep_until();
        memory.copy(n)?;
    }
    (begun + Duration::from_secs_f64(seconds)).sleep_until();
    let used = processor_time() - used;
    println!("{}", used.as_secs_f64() / (MonotonicNs::now() - begun).as_secs_f64() * 100.0);
    Ok(())
}

/// Bytes a second that so many threads copy together, each into memory of its own, as fast as they can.
///
/// # Errors
/// When there is no memory for it.
pub fn at_full_speed(size: &str, fps: u32, threads: usize) -> anyhow::Result<f64> {
    let fps = Fps::new(f64::from(fps)).context("--fps")?;
    let run = |mut memory: Memory| {
        let places = memory.ring.spec().size.slots() as u64;
        (0..places).try_for_each(|n| memory.copy(n))?;
        let (begun, mut frames) = (Instant::now(), 0_u32);
        while begun.elapsed() < AT_FULL_SPEED {
            memory.copy(u64::from(frames))?;
            frames += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "a frame's bytes")]
        anyhow::Ok(f64::from(frames) * memory.picture.len() as f64 / begun.elapsed().as_secs_f64())
    };
    let memories: Vec<Memory> =
        (0..threads).map(|_| Memory::new(size, fps)).collect::<anyhow::Result<_>>()?;
    std::thread::scope(|scope| {
        let running: Vec<_> = memories.into_iter().map(|memory| scope.spawn(move || run(memory))).collect();
        let rates = running.into_iter().map(|thread| thread.join().unwrap_or(Ok(0.0)));
        rates.sum::<anyhow::Result<f64>>()
    })
}

/// A picture, and a ring to copy it into: the same memory as a camera's, without the camera.
struct Memory {
    picture: Vec<u8>,
    ring: std::sync::Arc<Ring>,
    writer: proto::ring::RingWriter,
}

impl Memory {
    fn new(size: &str, fps: Fps) -> anyhow::Result<Self> {
        let (width, height) = size.split_once('x').context("--size takes pixels, as in 1280x720")?;
        let geometry = Geometry::new(width.parse()?, height.parse()?, PixelFormat::I420)?;
        let slots = RingSize::for_camera(PRE_ROLL_MS, 0, RESERVE_MS, fps).context("an absurd rate")?;
        let folder = tempfile::tempdir()?;
        let name: SegmentName = RuntimeDir::create(folder.path())?.segment(&Name::new("copies")?);
        let ring = Ring::create(&name, &RingSpec::planes(geometry, fps, slots))?;
        // The segment lives as long as it is mapped.
        let writer = ring.writer();
        Ring::remove(&name)?;
        Ok(Self { picture: vec![77; geometry.frame_bytes()], ring, writer: writer? })
    }

    fn copy(&mut self, number: u64) -> anyhow::Result<()> {
        let mut slot = self.writer.slot().context("no slot is free")?;
        nontemporal::copy(slot.bytes_mut(), &self.picture);
        slot.publish(number, MonotonicNs::now(), LossBefore::Nothing);
        Ok(())
    }
}

fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0))
}
