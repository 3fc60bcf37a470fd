//! A camera with a ring of its own, and videos to play on it.

#![allow(dead_code, reason = "each test executable uses its part of this")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use capture::source::{Arrival, CameraSetup, Source, SourceError};
use proto::config::{Backend, CameraConfig, FileConfig};
use proto::frame::{Fps, FrameFlags, Geometry, LossBefore, PixelFormat};
use proto::instance::RuntimeDir;
use proto::ring::{Ring, RingSize, RingSpec, RingWriter};
use proto::time::MonotonicNs;

pub(crate) type OpenSource = fn(&CameraSetup) -> Result<Box<dyn Source>, SourceError>;

/// A frame that went through the ring.
pub(crate) struct Got {
    pub(crate) number: u64,
    pub(crate) t: MonotonicNs,
    pub(crate) before: LossBefore,
    pub(crate) flags: FrameFlags,
    pub(crate) bytes: Vec<u8>,
}

/// A camera and its ring in a runtime directory of its own. The segment is removed with it.
pub(crate) struct TestCamera {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: CameraConfig,
    pub(crate) ring: Arc<Ring>,
    dir: RuntimeDir,
}

impl TestCamera {
    pub(crate) fn new(backend: Backend, (width, height, format): (u32, u32, PixelFormat), fps: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(&folder.path().join("run")).unwrap();
        let (geometry, fps) = (Geometry::new(width, height, format).unwrap(), Fps::new(fps).unwrap());
        let config = CameraConfig::new("left".parse().unwrap(), 0, geometry, fps, backend);
        let size = RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 1 };
        let spec = RingSpec::planes(config.geometry, config.fps, size);
        let ring = Ring::create(&dir.segment(&config.name), &spec).unwrap();
        Self { folder, config, ring, dir }
    }

    pub(crate) fn file(
        path: &Path,
        looping: bool,
        realtime: bool,
        size: (u32, u32, PixelFormat),
        fps: f64,
    ) -> Self {
        let file = FileConfig { path: path.to_owned(), looping, realtime, scale: false };
        Self::new(Backend::File(file), size, fps)
    }

    pub(crate) fn setup(&self) -> CameraSetup {
        CameraSetup { camera: self.config.clone(), ring: Arc::clone(&self.ring) }
    }

    /// Leaves the ring as an earlier life of the capture would have.
    pub(crate) fn pretend_published(&self, source_sequence: u64, t_capture: MonotonicNs) {
        let mut writer = self.ring.writer().unwrap();
        writer.slot().unwrap().publish(source_sequence, t_capture, LossBefore::Nothing);
    }

    /// Opens the camera and takes up to `most` frames.
    pub(crate) fn play(&self, open: OpenSource, most: usize) -> (Vec<Got>, Option<SourceError>) {
        let mut source = match open(&self.setup()) {
            Ok(source) => source,
            Err(e) => return (Vec::new(), Some(e)),
        };
        let mut writer = self.ring.writer().unwrap();
        let mut got = Vec::new();
        while got.len() < most {
            match next(source.as_mut(), &mut writer) {
                Ok(Some(frame)) => got.push(frame),
                Ok(None) => break,
                Err(e) => return (got, Some(e)),
            }
        }
        (got, None)
    }

    pub(crate) fn error(&self, open: OpenSource) -> String {
        match self.play(open, usize::MAX) {
            (_, Some(e)) => e.to_string(),
            (got, None) => panic!("no error, but {} frames", got.len()),
        }
    }
}

impl Drop for TestCamera {
    fn drop(&mut self) {
        let _ = Ring::remove(&self.dir.segment(&self.config.name));
    }
}

/// The next frame, by way of the ring; `None` at the end.
pub(crate) fn next(source: &mut dyn Source, writer: &mut RingWriter) -> Result<Option<Got>, SourceError> {
    loop {
        match source.wait()? {
            arrival @ Arrival::Frame { .. } => return written(arrival, source, writer),
            Arrival::Silence | Arrival::NotDue => {}
            Arrival::End => return Ok(None),
        }
    }
}

/// The frame that comes in one wait, by way of the ring, if one does.
pub(crate) fn next_at_once(
    source: &mut dyn Source,
    writer: &mut RingWriter,
) -> Result<Option<Got>, SourceError> {
    let arrival = source.wait()?;
    written(arrival, source, writer)
}

/// Writes what came into the ring; `None` if it is no frame.
fn written(
    arrival: Arrival,
    source: &mut dyn Source,
    writer: &mut RingWriter,
) -> Result<Option<Got>, SourceError> {
    let Arrival::Frame { source_sequence: number, t_capture: t, before, flags, .. } = arrival else {
        return Ok(None);
    };
    let mut slot = writer.slot().unwrap();
    source.write(slot.bytes_mut())?;
    let bytes = slot.bytes_mut().to_vec();
    slot.flagged(flags).publish(number, t, before);
    Ok(Some(Got { number, t, before, flags, bytes }))
}

/// Runs `ffmpeg`. False, with a line that says so, if there is none.
pub(crate) fn ffmpeg(args: &[&str]) -> bool {
    let done = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(args).status();
    match done {
        Ok(status) => {
            assert!(status.success(), "ffmpeg {args:?}: {status}");
            true
        }
        Err(e) => {
            println!("skipped: there is no ffmpeg command ({e})");
            false
        }
    }
}

/// `frames` pictures of a test card at 25 fps, 192x108, encoded as `options` say.
pub(crate) fn make(path: &Path, frames: u32, options: &[&str]) -> bool {
    make_sized(path, "192x108", frames, options)
}

pub(crate) fn make_sized(path: &Path, size: &str, frames: u32, options: &[&str]) -> bool {
    let (card, frames) = (format!("testsrc2=size={size}:rate=25"), frames.to_string());
    let mut args = vec!["-f", "lavfi", "-i", &card, "-frames:v", &frames];
    args.extend_from_slice(options);
    args.push(path.to_str().unwrap());
    ffmpeg(&args)
}

/// A file's pictures as `ffmpeg` decodes them: tightly packed, one behind the other.
pub(crate) fn reference(path: &Path, pixel: &str, filter: &str) -> Vec<u8> {
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-vsync", "passthrough", "-vf", filter, "-pix_fmt", pixel, "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// A frame's pixels, without the padding of its rows.
pub(crate) fn packed(geometry: &Geometry, bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    for plane in geometry.planes() {
        for row in 0..plane.rows {
            packed.extend_from_slice(plane.row(bytes, row));
        }
    }
    packed
}

/// The likeness of two pictures in decibels: at 30 dB a difference is seen, at 50 dB it isn't.
pub(crate) fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    let mean = squares / f64::from(u32::try_from(a.len()).unwrap());
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

/// The real video from the shared folder, if it is there.
pub(crate) fn bunny() -> Option<PathBuf> {
    let shared = std::env::var_os("PREROLL_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")), PathBuf::from);
    let path = shared.join("media/bigbuckbunny.mp4");
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: there is no {} (PREROLL_SHARED names another folder)", path.display());
    None
}

pub(crate) fn numbers(got: &[Got]) -> Vec<u64> {
    got.iter().map(|g| g.number).collect()
}

/// The frames' times in milliseconds after the first frame's. They have to be whole.
pub(crate) fn times_ms(got: &[Got]) -> Vec<u64> {
    let ns = got.iter().map(|g| g.t.0 - got[0].t.0);
    ns.inspect(|ns| assert_eq!(ns % 1_000_000, 0)).map(|ns| ns / 1_000_000).collect()
}

/// Has a film looked at as the camera of a config.
pub(crate) fn probe_film(path: &Path) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rig.yaml");
    let text = format!("cameras: [{{ name: film, backend: file, path: \"{}\" }}]\n", path.display());
    std::fs::write(&config, text).unwrap();
    let libav = env!("CARGO_BIN_EXE_capture-libav");
    Command::new(libav).args(["--probe", "film", "--config"]).arg(config).output().unwrap()
}
