//! `supervisor check`: everything that `start` looks at before it begins, and the price of the config in words. The
//! single looks are in files of their own: sources, memory, the output folder.

pub(crate) mod clip_modes;
pub(crate) mod config_mode;
mod disk_price;
pub(crate) mod groups;
pub(crate) mod limits;
mod live_source;
mod measured;
mod odd_size;
pub(crate) mod offers;
pub(crate) mod others_may_write;
pub(crate) mod output_dir;
pub(crate) mod patience;
mod pictures;
pub(crate) mod price;
pub(crate) mod probe_run;
pub(crate) mod shared_memory;
pub(crate) mod source_probe;
pub(crate) mod tilde;
pub(crate) mod url_reach;
pub(crate) mod utf8;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proto::config::{CameraConfig, Config};
use proto::exit;
use proto::name::Name;
use proto::say;
use proto::storage;

use crate::ask;
use crate::backlog::Bound;
use crate::backlog::room::Room;
use crate::failure::Failure;
use crate::invoked;
use crate::rings;
use groups::Groups;
use offers::{Before, Resolved};

/// Checks a config and prints what it would cost here. `open`: a camera that gives no picture just now is a failure.
pub(crate) fn check(path: &Path, open: bool) -> Result<u8, Failure> {
    let config = load(path)?;
    let groups = Groups::of(&config)?;
    let mut warnings = source_probe::look(&config)?;
    let Resolved { config, absent, warnings: of_offers } = offers::resolve(&config, |_| Before::Nothing)?;
    warnings.extend(of_offers);
    warnings.extend(clip_modes::warnings(&config));
    let needed = price::fits(&config)?;
    warnings.extend(limits::look(&config)?);
    warnings.extend(output_dir::look(&config)?);
    warnings.extend(odd_size::warnings(&config));
    warnings.extend(tilde::warnings(&config));
    let named = config.clone();
    warnings.extend(patience::within(output_dir::named(&config), move || groups.clips_warning(&named))?);
    warnings.extend(url_reach::warnings(&config));
    warnings.extend(config_mode::warning(&config, path));
    warnings.extend(others_may_write::warning(&config));
    let backlog = Bound::of(config.recording.backlog_bytes, &Room::now().beside(needed));
    warnings.extend(backlog.warning());
    for warning in warnings {
        say::aside(&format!("{}: warning: {warning}\n", invoked::name()));
    }
    ask::say(&report(path, &config, needed, &backlog))?;
    if open && !absent.is_empty() {
        let names: Vec<_> = absent.keys().map(Name::as_str).collect();
        return Err(Failure::failed(format!("no picture comes from {}", names.join(", "))));
    }
    Ok(exit::DONE)
}

/// Reads a config.
pub(crate) fn load(path: &Path) -> Result<Config, Failure> {
    utf8::be_text(path).map_err(|why| Failure::bad_input(format!("the config {why}")))?;
    let file = path.to_owned();
    let config = patience::within(format!("the config {}", path.display()), move || Config::load(&file))?;
    let config = config.map_err(Failure::bad_input)?;
    utf8::output_dir(&config)?;
    Ok(config)
}

fn report(path: &Path, config: &Config, needed_bytes: u64, backlog: &Bound) -> String {
    let mut text = format!("{}: good\n", absolute(path).display());
    for camera in &config.cameras {
        text.push_str(&camera_line(config, camera));
        if let Some(sentence) = pictures::sentence(camera) {
            let _ = writeln!(text, "  {}: {sentence}", camera.name);
        }
    }
    let _ = writeln!(
        text,
        "  memory: {:.1} MB for rings, of {:.0} MB available",
        storage::mb(needed_bytes),
        storage::mb(price::available_bytes())
    );
    let memory = price::Memory::of(config);
    let _ = writeln!(
        text,
        "  memory in all: up to {:.0} MB: rings, {:.0} MB for processes, and {:.0} MB for the encoders of each clip that is \
         open at a time (guesses); health tells when more is taken",
        storage::mb(memory.with_clips(1)),
        storage::mb(memory.processes),
        storage::mb(memory.clip),
    );
    let at_most = config.recording.max_open_clips as u64;
    let _ = writeln!(
        text,
        "  clips: up to {at_most} open at a time (max_open_clips); up to {:.0} MB in all then",
        storage::mb(memory.with_clips(at_most)),
    );
    let _ = writeln!(text, "  backlog: {backlog}");
    let _ = writeln!(text, "  disk: {}", disk_price::sentence(config));
    let _ = writeln!(text, "  clips go to {}", absolute(&config.recording.output_dir).display());
    text
}

/// A camera with the size of its ring, and what that follows from.
fn camera_line(config: &Config, camera: &CameraConfig) -> String {
    let Some(spec) = config.ring_spec(camera) else { return String::new() };
    let bytes = spec.layout().map_or(0, |l| l.total_bytes);
    let size = spec.size;
    let mut line = format!(
        "  {}: {} at {} fps, {}: ring of {} frames ({} pre-roll{}, {} reserve, {} for readers), {:.1} MB",
        camera.name,
        rings::shape(camera),
        camera.fps,
        camera.backend.name(),
        size.slots(),
        size.pre_roll_slots,
        rings::late(config),
        size.reserve_slots,
        size.lease_slots,
        storage::mb(bytes as u64),
    );
    if let Some(stream) = camera.stream() {
        let says =
            |typed: bool, key: &str| if typed { String::new() } else { format!(" (a guess; {key} says it)") };
        // Writing to a String can't fail.
        let _ = write!(
            line,
            ", for up to {:.1} Mbit/s{} and {:.2} MB a frame{}",
            bits_e6(stream.max_rate_bytes),
            says(camera.compressed.max_bitrate_mbps.is_some(), "max_bitrate_mbps"),
            storage::mb(stream.max_frame_bytes as u64),
            says(camera.compressed.max_frame_bytes.is_some(), "max_frame_bytes"),
        );
    }
    if !camera.is_known {
        line.push_str("; counted for as long as nobody says its size, and made when it comes");
    }
    line + "\n"
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn bits_e6(bytes_per_s: u64) -> f64 {
    bytes_per_s as f64 * 8.0 / 1e6
}

/// The path in full, since a person may stand elsewhere than Preroll will.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
