//! `supervisor check`: everything that `start` looks at before it begins, and the price of the config in words. The
//! single looks are in files of their own: sources, memory, the output folder.

pub(crate) mod config_mode;
pub(crate) mod limits;
mod odd_size;
pub(crate) mod others_may_write;
pub(crate) mod output_dir;
pub(crate) mod patience;
pub(crate) mod price;
mod probe_run;
pub(crate) mod source_probe;
pub(crate) mod url_reach;
pub(crate) mod utf8;

use std::fmt::Write as _;
use std::path::Path;

use proto::config::Config;
use proto::exit;
use proto::say;
use proto::storage;

use crate::ask;
use crate::backlog::Bound;
use crate::backlog::room::Room;
use crate::failure::Failure;
use crate::invoked;

/// Checks a config and prints what it would cost here.
pub(crate) fn check(path: &Path) -> Result<u8, Failure> {
    let config = load(path)?;
    let mut warnings = source_probe::look(&config)?;
    let needed = price::fits(&config)?;
    warnings.extend(limits::look(&config)?);
    warnings.extend(output_dir::look(&config)?);
    warnings.extend(odd_size::warnings(&config));
    warnings.extend(url_reach::warnings(&config));
    warnings.extend(config_mode::warning(&config, path));
    warnings.extend(others_may_write::warning(&config));
    let backlog = Bound::of(config.recording.backlog_bytes, &Room::now().beside(needed));
    warnings.extend(backlog.warning());
    for warning in warnings {
        say::aside(&format!("{}: warning: {warning}\n", invoked::name()));
    }
    ask::say(&report(path, &config, needed, &backlog))?;
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
    let mut text = format!("{}: good\n", path.display());
    for camera in &config.cameras {
        let Some(spec) = config.ring_spec(camera) else { continue };
        let bytes = spec.layout().map_or(0, |l| l.total_bytes);
        let size = spec.size;
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "  {}: {} at {} fps, {}: ring of {} frames ({} pre-roll, {} reserve, {} for readers), {:.1} MB",
            camera.name,
            camera.geometry,
            camera.fps,
            camera.backend.name(),
            size.slots(),
            size.pre_roll_slots,
            size.reserve_slots,
            size.lease_slots,
            storage::mb(bytes as u64),
        );
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
    let _ = writeln!(text, "  backlog: {backlog}");
    let _ = writeln!(
        text,
        "  disk: nothing while armed; while recording about {:.1} MB/s with H264 (a guess: {} bits a pixel), several \
         times that with MJPG",
        price::recording_bytes_per_s(config) / 1e6,
        price::BITS_PER_PIXEL
    );
    let _ = writeln!(text, "  clips go to {}", config.recording.output_dir.display());
    text
}
