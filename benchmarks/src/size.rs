//! `benchmark size`: how much larger MJPG's files are than H264's when both are equally like the camera's frames, on a real
//! film. Preroll itself records the film, once for each codec and quality; what the ring held is what its clip is compared
//! with, by the `ssim` filter of the `ffmpeg` command.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use oracle::timestamps;
use proto::clip::{MANIFEST, Manifest};
use proto::ring::{ReaderBit, Ring};
use rig::instance::Answer;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::head::Head;

const SIZE: (u32, u32) = (1280, 720);
/// Of the config's `codec_quality`, which is a CRF for H264.
const H264: [u8; 3] = [28, 23, 18];
/// The default, at which the two are compared.
const ASKED: u8 = 23;
/// For MJPG a sixth of it is the quantiser: 9 and 7 to 2, nearly all that can be asked for.
const MJPG: [u8; 7] = [51, 42, 36, 30, 24, 18, 12];
/// The preset that two cameras at 60 fps get on a machine of two cores.
const PRESET: &str = "superfast";
/// All of it is recorded with each codec.
const AT_MOST: Duration = Duration::from_secs(10);
/// The codec probe's bit: the probe is over by then.
const BIT: u8 = 1;
const CAMERA: &str = "film";

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The film that was shown, in words.
    pub film: String,
    /// H264, then MJPG, the smallest first.
    pub points: Vec<Point>,
    /// Size of MJPG over that of H264 at H264's likeness, between two of MJPG's points.
    pub ratio: f64,
}

/// A recording at one quality.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// The config's `preferred_codec`.
    pub codec: String,
    /// The config's `codec_quality`.
    pub quality: u8,
    /// Of the clip's file.
    pub bytes: u64,
    /// In it.
    pub frames: u64,
    /// Likeness of its frames to the camera's, on the average; 1 is the same.
    pub ssim: f64,
}

impl Point {
    fn bytes_a_frame(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a file's size and a number of frames")]
        let (bytes, frames) = (self.bytes as f64, self.frames.max(1) as f64);
        bytes / frames
    }
}

/// Records the film again and again.
///
/// # Errors
/// When it can't be played, there is no `ffmpeg`, or MJPG is never as good, or never as bad, as H264.
pub fn measure(film: &Path) -> anyhow::Result<Results> {
    let head = Head::begin("size");
    let film = film.canonicalize().with_context(|| film.display().to_string())?;
    let Film { fps, span } = look_at(&film)?;
    let settings =
        H264.map(|quality| ("H264", quality)).into_iter().chain(MJPG.map(|quality| ("MJPG", quality)));
    let points = settings
        .map(|(codec, quality)| {
            let point = record(&film, fps, span, codec, quality);
            let point = point.with_context(|| format!("{codec} at {quality}"))?;
            // On the other stream: it takes a minute or more, and the results are read by others.
            eprintln!(
                "{codec} at {quality}: {:.1} kB a frame, SSIM {:.4}",
                point.bytes_a_frame() / 1e3,
                point.ssim
            );
            Ok(point)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let ratio = ratio(&points).context("MJPG is at no quality as like the film as H264 is")?;
    let name = film.file_name().unwrap_or_default().to_string_lossy();
    let film = format!("{:.1} s of {name} at {}x{}, {fps} fps", span.as_secs_f64(), SIZE.0, SIZE.1);
    Ok(Results { head, film, points, ratio })
}

/// MJPG's bytes a frame over H264's where it is as like, on a straight line (of the logarithm) between the two of its
/// points that are nearest.
fn ratio(points: &[Point]) -> Option<f64> {
    let asked = points.iter().find(|point| point.codec == "H264" && point.quality == ASKED)?;
    let mut mjpg: Vec<&Point> = points.iter().filter(|point| point.codec == "MJPG").collect();
    mjpg.sort_by(|a, b| a.ssim.total_cmp(&b.ssim));
    let pair = mjpg.windows(2).find(|pair| (pair[0].ssim..=pair[1].ssim).contains(&asked.ssim))?;
    let (worse, better) = (pair[0], pair[1]);
    let part = (asked.ssim - worse.ssim) / (better.ssim - worse.ssim).max(f64::MIN_POSITIVE);
    let (low, high) = (worse.bytes_a_frame().ln(), better.bytes_a_frame().ln());
    Some((low + part * (high - low)).exp() / asked.bytes_a_frame())
}

struct Film {
    fps: f64,
    /// From its beginning to its end.
    span: Duration,
}

fn look_at(film: &Path) -> anyhow::Result<Film> {
    ffmpeg_next::init()?;
    let input = ffmpeg_next::format::input(film).context("the film can't be opened")?;
    let stream = input.streams().best(ffmpeg_next::media::Type::Video).context("there is no video in it")?;
    let fps = f64::from(stream.avg_frame_rate());
    ensure!(fps.is_finite() && fps >= 1.0, "it doesn't say how many frames a second it has");
    let micros = u64::try_from(input.duration()).ok().filter(|micros| *micros > 0);
    let span = Duration::from_micros(micros.context("it doesn't say how long it is")?);
    ensure!(span >= Duration::from_secs(2), "it is shorter than 2 s");
    // Played again and again, it is in each clip whole, wherever the clip begins.
    ensure!(
        span <= AT_MOST,
        "it lasts {:.1} s, and at most {} can be recorded whole; cut it first, as with ffmpeg -t {}",
        span.as_secs_f64(),
        AT_MOST.as_secs(),
        AT_MOST.as_secs()
    );
    Ok(Film { fps, span })
}

fn record(film: &Path, fps: f64, span: Duration, codec: &str, quality: u8) -> anyhow::Result<Point> {
    // In memory: frames come faster than some disks take them.
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let config = folder.path().join("size.yaml");
    let (width, height) = SIZE;
    let recordings = folder.path().join("recordings").display().to_string();
    std::fs::write(
        &config,
        format!(
            "cameras: [{{ name: {CAMERA}, backend: file, path: {:?}, loop: true, scale: true, width: {width}, height: \
             {height}, fps: {fps} }}]\nrecording: {{ output_dir: {recordings:?}, preferred_codec: {codec}, \
             codec_quality: {quality}, preset: {PRESET}, reserve_ms: 2000, min_free_bytes: 0 }}\n",
            film.display().to_string()
        ),
    )?;
    let mut supervisor = Supervisor::start(&config)?;
    supervisor.wait_until_ready()?;
    let ring = supervisor.instance().ring(CAMERA)?;
    let (raw, over) = (folder.path().join("frames.yuv"), AtomicBool::new(false));
    let (times, output) = std::thread::scope(|scope| {
        let saved = scope.spawn(|| save_frames(&ring, &raw, &over));
        let mut trigger = supervisor.instance().command()?;
        let post_ms = span.as_millis().to_string();
        let output = trigger.args(["trigger", "--wait", "--pre-ms", "0", "--post-ms", &post_ms]).output();
        over.store(true, Ordering::Relaxed);
        let Ok(times) = saved.join() else { bail!("the thread that saves frames panicked") };
        Ok((times?, output?))
    })?;
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the trigger's answer: {}", String::from_utf8_lossy(&output.stderr)))?;
    let leftover = supervisor.stop()?;
    ensure!(leftover.is_empty(), "{leftover}");
    let clip = PathBuf::from(answer.path);
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(clip.join(MANIFEST))?)?;
    let camera = manifest.cameras.values().next().context("no camera in the clip")?;
    ensure!(camera.codec.to_string() == codec, "it was recorded with {} instead", camera.codec);
    let name = camera.file.clone().context("no video in the clip")?;
    let rows = std::fs::read_to_string(clip.join(format!("{CAMERA}_timestamps.csv")))?;
    let rows = timestamps::parse(&rows)?;
    let places: Option<Vec<usize>> =
        rows.iter().map(|row| times.iter().position(|time| *time == row.t_ns)).collect();
    let places = places.context("the clip has a frame that was gone before it was saved")?;
    let ssim = likeness(&clip.join(name), &raw, &places, folder.path())?;
    let frames = u64::try_from(places.len())?;
    Ok(Point { codec: codec.to_owned(), quality, bytes: camera.size_bytes, frames, ssim })
}

/// The camera's frames, as they come, one after the other into a file; and when each was captured.
fn save_frames(ring: &Arc<Ring>, to: &Path, over: &AtomicBool) -> anyhow::Result<Vec<u64>> {
    let reader = ring.reader(ReaderBit::new(BIT).context("a reader's bit")?)?;
    let mut file = File::create(to)?;
    let (mut times, mut next) = (Vec::new(), ring.head() + 1);
    while !over.load(Ordering::Relaxed) {
        if !ring.wait_newer(next - 1, Duration::from_millis(200)) {
            continue;
        }
        let Ok(lease) = reader.lease(next) else { bail!("a frame was gone before it was saved") };
        file.write_all(lease.bytes())?;
        times.push(lease.frame_info().t_capture.0);
        next += 1;
    }
    Ok(times)
}

/// The mean over the clip's frames, each beside the saved one at the same number.
fn likeness(clip: &Path, raw: &Path, places: &[usize], folder: &Path) -> anyhow::Result<f64> {
    let (width, height) = SIZE;
    let figures = folder.join("ssim.log");
    // Frame beside frame, whatever times the file has. MJPG's full range is brought back to the film's.
    let graph = format!(
        "[0:v]scale=out_range=tv,format=yuv420p,settb=1/1000,setpts=N[clip];[1:v]settb=1/1000,setpts=N[film];\
         [clip][film]ssim=stats_file={}",
        figures.display()
    );
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-i"])
        .arg(clip)
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &format!("{width}x{height}"), "-i", "pipe:0"])
        .args(["-lavfi", &graph, "-fps_mode", "passthrough", "-f", "null", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("ffmpeg")?;
    let mut frame = vec![0; usize::try_from(width * height * 3 / 2)?];
    let mut raw = File::open(raw)?;
    let mut into = ffmpeg.stdin.take().context("its input")?;
    for place in places {
        raw.seek(SeekFrom::Start(u64::try_from(place * frame.len())?))?;
        raw.read_exact(&mut frame)?;
        // A Preroll that has ended says why.
        if into.write_all(&frame).is_err() {
            break;
        }
    }
    drop(into);
    let output = ffmpeg.wait_with_output()?;
    ensure!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
    let figures = std::fs::read_to_string(figures)?;
    // n:1 Y:0.973 U:0.982 V:0.984 All:0.976 (16.3)
    let all: Vec<f64> = figures
        .lines()
        .filter_map(|line| line.split_once("All:")?.1.split(' ').next()?.parse().ok())
        .collect();
    ensure!(all.len() == places.len(), "{} of {} frames could be compared", all.len(), places.len());
    #[expect(clippy::cast_precision_loss, reason = "a number of frames")]
    let count = all.len().max(1) as f64;
    Ok(all.iter().sum::<f64>() / count)
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; libx264 {PRESET}; load {}", self.film, self.head.machine.load)?;
        writeln!(f, "{:<6} {:>8} {:>8} {:>12} {:>8}", "codec", "quality", "frames", "kB a frame", "SSIM")?;
        for point in &self.points {
            writeln!(
                f,
                "{:<6} {:>8} {:>8} {:>12.1} {:>8.4}",
                point.codec,
                point.quality,
                point.frames,
                point.bytes_a_frame() / 1e3,
                point.ssim
            )?;
        }
        writeln!(
            f,
            "At the SSIM that H264 has at {ASKED}, MJPG takes {:.1} times the bytes. The film had been compressed before, \
             perhaps by H.264 itself: that takes from it what is hardest to compress, and may favour one of them.",
            self.ratio
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(codec: &str, quality: u8, bytes: u64, ssim: f64) -> Point {
        Point { codec: codec.into(), quality, bytes, frames: 10, ssim }
    }

    #[test]
    fn the_ratio_is_taken_where_both_are_alike() {
        let mjpg = [point("MJPG", 48, 4_000, 0.90), point("MJPG", 24, 16_000, 0.98)];
        let with = |ssim| [&mjpg[..], &[point("H264", 28, 1, 0.5), point("H264", 23, 1_000, ssim)]].concat();
        assert!((ratio(&with(0.90)).unwrap() - 4.0).abs() < 1e-6);
        assert!((ratio(&with(0.94)).unwrap() - 8.0).abs() < 1e-6);
        assert!((ratio(&with(0.98)).unwrap() - 16.0).abs() < 1e-6);
        assert!(ratio(&with(0.99)).is_none() && ratio(&with(0.80)).is_none());
    }

    #[test]
    fn a_frame_more_in_one_clip_makes_no_difference() {
        let mut points = vec![point("MJPG", 24, 2_000, 0.9), point("MJPG", 12, 3_000, 0.95)];
        points.push(Point { frames: 11, bytes: 1_100, ..point("H264", 23, 0, 0.9) });
        assert!((ratio(&points).unwrap() - 2.0).abs() < 1e-6);
    }
}
