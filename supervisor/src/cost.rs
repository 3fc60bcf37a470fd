//! What a config would cost here: memory for the rings, and bytes for the disk. `supervisor check`, and the check
//! that every start begins with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proto::config::{Backend, CameraConfig, Config, FileConfig, Key};
use proto::exit;
use proto::ring::segment;
use proto::storage;
use serde::Deserialize;

use crate::failure::Failure;
use crate::programs::executable;

/// What has to stay free beside the rings: the processes themselves, and everything else on a small machine.
const MEMORY_FOR_THE_REST: u64 = 128 << 20;
/// H.264 at CRF 23 takes about this many bits a pixel of a moving scene. A guess, and called one.
const BITS_PER_PIXEL: f64 = 0.1;

/// `supervisor check`.
pub(crate) fn check(path: &Path) -> Result<u8, Failure> {
    let config = load(path)?;
    probe_sources(&config)?;
    let needed = fits(&config)?;
    writable(&config)?;
    println!("{}: good", path.display());
    let mut pixels_per_s = 0.0;
    for camera in &config.cameras {
        let Some(spec) = config.ring_spec(camera) else { continue };
        let bytes = spec.layout().map_or(0, |l| l.total_bytes);
        let size = spec.size;
        println!(
            "  {}: {} at {} fps, {}: ring of {} frames ({} pre-roll, {} reserve, {} for readers), {:.1} MB",
            camera.name,
            camera.geometry,
            camera.fps,
            camera.backend.name(),
            size.slots(),
            size.pre_roll_slots,
            size.reserve_slots,
            size.lease_slots,
            mb(bytes as u64),
        );
        pixels_per_s +=
            f64::from(camera.geometry.width()) * f64::from(camera.geometry.height()) * camera.fps.as_f64();
    }
    println!("  memory: {:.1} MB for rings, of {:.0} MB available", mb(needed), mb(available()));
    println!(
        "  disk: nothing while armed; while recording about {:.1} MB/s with H264 (a guess: {BITS_PER_PIXEL} bits a \
         pixel), several times that with MJPG",
        pixels_per_s * BITS_PER_PIXEL / 8e6
    );
    println!("  clips go to {}", config.recording.output_dir.display());
    Ok(exit::DONE)
}

/// Reads a config.
pub(crate) fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(Failure::bad_input)
}

/// What a video file turned out to be.
#[derive(Debug, Deserialize)]
struct Video {
    width: u32,
    height: u32,
    fps: f64,
}

/// Looks into every video file: a mistake in its path is found now, not in a capture's log.
pub(crate) fn probe_sources(config: &Config) -> Result<(), Failure> {
    for camera in &config.cameras {
        match &camera.backend {
            Backend::File(file) => probe_file(config, camera, file)?,
            Backend::Opencv(opencv)
                if looks_like_a_file(&opencv.source) && !Path::new(&opencv.source).exists() =>
            {
                let message = format!("camera {}: source: there is no file {}", camera.name, opencv.source);
                return Err(Failure::bad_input(config.mistake(Key::Source(&camera.name), message)));
            }
            Backend::Sim(_) | Backend::Opencv(_) => {}
        }
    }
    Ok(())
}

/// Not a device's number, not a URL, not a pipeline, not a device.
fn looks_like_a_file(source: &str) -> bool {
    let number = source.bytes().all(|b| b.is_ascii_digit());
    !(number || source.contains("://") || source.contains('!') || source.starts_with("/dev/"))
}

fn probe_file(config: &Config, camera: &CameraConfig, file: &FileConfig) -> Result<(), Failure> {
    let FileConfig { path, scale, realtime, .. } = file;
    let wrong = |what: String| {
        let message = format!("camera {}: {what}", camera.name);
        Failure::bad_input(config.mistake(Key::Path(&camera.name), message))
    };
    if let Err(e) = path.metadata() {
        return Err(wrong(format!("path: {}: {e}", path.display())));
    }
    let program = executable(camera.backend.executable())?;
    let output = Command::new(&program)
        .arg("--probe")
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Failure::failed(format!("can't run {}: {e}", program.display())))?;
    if output.status.code().is_none() {
        let how = output.status;
        return Err(Failure::failed(format!(
            "{} was ended while it looked at {}: {how}",
            program.display(),
            path.display()
        )));
    }
    if !output.status.success() {
        return Err(wrong(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let video: Video = serde_json::from_slice(&output.stdout).map_err(|e| {
        Failure::failed(format!("{} said something else than expected: {e}", program.display()))
    })?;
    let (width, height) = (camera.geometry.width(), camera.geometry.height());
    if !*scale && (video.width, video.height) != (width, height) {
        return Err(wrong(format!(
            "{} is {}x{} and the config says {width}x{height}; set width and height, or scale: true",
            path.display(),
            video.width,
            video.height
        )));
    }
    if *realtime && video.fps > camera.fps.as_f64() * 1.05 {
        return Err(wrong(format!(
            "{} plays at {:.3} fps and the config says {}; set fps, which sizes the ring",
            path.display(),
            video.fps,
            camera.fps
        )));
    }
    Ok(())
}

/// Are the rings smaller than the memory there is? Says how large they are.
pub(crate) fn fits(config: &Config) -> Result<u64, Failure> {
    let mut needed = 0_u64;
    for camera in &config.cameras {
        let bytes = config.ring_spec(camera).and_then(|spec| spec.layout()).map(|l| l.total_bytes as u64);
        let bytes = bytes.ok_or_else(|| {
            Failure::bad_input(format!("camera {}: its ring would be larger than any memory", camera.name))
        })?;
        needed = needed.saturating_add(bytes);
    }
    let available = available();
    if needed > available {
        let message = format!(
            "the rings need {needed} bytes ({:.0} MB) and {available} bytes ({:.0} MB) of shared memory are \
             available; ask for less pre-roll, smaller frames or fewer cameras",
            mb(needed),
            mb(available)
        );
        // The pre-roll is what a person would make smaller first, if they have said how long it is to be.
        let pre_roll = config.mistake(Key::PreRoll, message.clone());
        let mistake =
            if pre_roll.line().is_some() { pre_roll } else { config.mistake(Key::Cameras, message) };
        return Err(Failure::bad_input(mistake));
    }
    Ok(needed)
}

/// What rings may take: the room in /dev/shm, or free memory if that is less. A ring that exists already (of an
/// instance that is to be adopted) is counted against it, which only errs on the safe side.
fn available() -> u64 {
    let shm = segment::available_bytes().unwrap_or(0);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(shm, |kib| shm.min((kib * 1024).saturating_sub(MEMORY_FOR_THE_REST)))
}

/// Where clips are to go, if nothing would be recorded through a symbolic link there.
pub(crate) fn output_dir(config: &Config) -> Result<PathBuf, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        Failure::bad_input(config.mistake(Key::OutputDir, format!("recording.output_dir: {why}")))
    };
    let plain = storage::plain(&config.recording.output_dir).map_err(|e| refused(&e))?;
    storage::no_link(&plain).map_err(|e| refused(&e))?;
    Ok(plain)
}

/// Can folders be made there, and is there room? Tries in the nearest folder that exists, and leaves nothing.
fn writable(config: &Config) -> Result<(), Failure> {
    let output_dir = &config.recording.output_dir;
    let floor = config.recording.min_free_bytes;
    let no = |path: &Path, why: &str| {
        let message = format!(
            "recording.output_dir: {} can't be written ({}: {why}); name another folder",
            output_dir.display(),
            path.display()
        );
        Failure::bad_input(config.mistake(Key::OutputDir, message))
    };
    let absolute = self::output_dir(config)?;
    for folder in absolute.ancestors() {
        match folder.metadata() {
            Ok(there) if !there.is_dir() => return Err(no(folder, "it is not a folder")),
            // Permissions don't tell (root may do anything but on a read-only or a special file system): try.
            Ok(_) => {
                tempfile::tempdir_in(folder).map_err(|e| no(folder, &e.to_string()))?;
                let room = storage::has_room(folder, floor, 0);
                return room.map_err(|e| Failure::bad_input(format!("recording.output_dir: {e}")));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(no(folder, &e.to_string())),
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
