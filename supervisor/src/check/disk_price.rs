//! The price of recording on the disk in words: bytes a second, and how long the room there lasts. As measured in the last clips;
//! a guess for a camera that has none.

use std::collections::BTreeMap;

use proto::codec::Codec;
use proto::config::{CameraConfig, Config, KeepConfig};
use proto::name::Name;
use proto::storage::mb;

use super::measured::{self, Frames};
use super::{output_dir, patience, price};
use crate::retention::candidates::Candidates;
use crate::retention::policy::Limits;
use crate::retention::rate::{self, Inflow};
use crate::stored_clips::listing::now_ns;

/// The price of a config, and the time that the room on its disk lasts.
pub(super) fn sentence(config: &Config) -> String {
    let prices = Prices::of(config, &measured::look(config));
    let rate = format!("nothing while armed; while recording about {prices}");
    match output_dir::free_bytes(config) {
        Some(free) => {
            let usable = free.saturating_sub(config.recording.min_free_bytes);
            let lasts = lasts(usable, prices.bytes_per_s);
            format!(
                "{rate}; {:.1} GB are free, for about {lasts}{}",
                mb(free) / 1e3,
                at_present_rate(config, free)
            )
        }
        None => rate,
    }
}

/// How long the room lasts if clips come as they came in the last day. Nothing where there are too few of them.
fn at_present_rate(config: &Config, free: u64) -> String {
    let Ok(output_dir) = output_dir::plain(config) else { return String::new() };
    let mut candidates = Candidates::new(&output_dir, config.rig.as_str());
    let recording = config.recording.clone();
    let look = move || {
        let (mut inflow, now_ns) = (Inflow::default(), now_ns());
        candidates.look(now_ns).ok()?;
        let now_ns = now_ns.unsigned_abs();
        inflow.note(candidates.all(), now_ns);
        let clips = candidates.all().iter().fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes));
        let room = Limits::of(&recording.keep).room(clips, Some(free), recording.min_free_bytes);
        let rate = inflow.bytes_per_h(now_ns);
        Some((rate?, rate::hours(room, rate)?))
    };
    match patience::within(output_dir::named(config), look) {
        Ok(Some((rate, hours))) => {
            let then = if config.recording.keep == KeepConfig::default() {
                ""
            } else {
                " before the oldest clip goes"
            };
            format!("; for {}{then} at {:.1} GB an hour, as in the last day", rate::lasts(hours), rate / 1e9)
        }
        _ => String::new(),
    }
}

/// The prices of all cameras.
#[derive(Default)]
struct Prices<'a> {
    bytes_per_s: f64,
    codecs: Vec<Codec>,
    /// The codecs of the cameras that are guessed.
    guessed: Vec<(&'a CameraConfig, Codec)>,
    measured: usize,
    /// The cameras that are copied as they come, and have no clip yet.
    copied: usize,
}

impl<'a> Prices<'a> {
    fn of(config: &'a Config, measured: &BTreeMap<Name, Frames>) -> Self {
        let mut prices = Self::default();
        for camera in &config.cameras {
            if camera.is_mostly_copied() && !measured.contains_key(&camera.name) {
                prices.copied += 1;
                prices.bytes_per_s += price::camera_bytes_per_s(camera, Codec::Mjpg);
                continue;
            }
            let (codec, bytes_per_s) = if let Some(frames) = measured.get(&camera.name) {
                prices.measured += 1;
                (frames.codec, frames.bytes_per_s(camera))
            } else {
                let codec = price::codec(camera, config);
                prices.guessed.push((camera, codec));
                (codec, price::camera_bytes_per_s(camera, codec))
            };
            prices.bytes_per_s += bytes_per_s;
            if !prices.codecs.contains(&codec) {
                prices.codecs.push(codec);
            }
        }
        prices
    }

    /// The word on where the price comes from.
    fn origin(&self) -> String {
        let mut bits: Vec<String> = Vec::new();
        for (_, codec) in &self.guessed {
            let of_codec = if self.codecs.len() > 1 { format!(" with {codec}") } else { String::new() };
            let said = format!("{} bits a pixel{of_codec}", price::bits_per_pixel(*codec));
            if !bits.contains(&said) {
                bits.push(said);
            }
        }
        let guess = format!("a guess: {}", bits.join(", "));
        match (self.guessed.is_empty(), self.measured) {
            (true, _) => "as in the last clips".to_owned(),
            (false, 0) => guess,
            (false, _) => {
                let cameras: Vec<&str> =
                    self.guessed.iter().map(|(camera, _)| camera.name.as_str()).collect();
                format!("as in the last clips, but for {} {guess}", cameras.join(", "))
            }
        }
    }
}

impl std::fmt::Display for Prices<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} MB/s", self.bytes_per_s / 1e6)?;
        match self.copied {
            0 => {}
            1 => f.write_str(" (1 camera copied as it comes, at its most)")?,
            n => write!(f, " ({n} cameras copied as they come, at their most)")?,
        }
        if self.codecs.is_empty() {
            return Ok(());
        }
        let codecs: Vec<&str> = self.codecs.iter().map(|codec| codec.name()).collect();
        let more = if self.codecs.contains(&Codec::Mjpg) { "" } else { ", several times that with MJPG" };
        write!(f, " with {} ({}){more}", codecs.join(" and "), self.origin())
    }
}

/// The time in which so many bytes are written, in words.
#[expect(clippy::cast_precision_loss, reason = "a guess, for a person to read")]
fn lasts(bytes: u64, bytes_per_s: f64) -> String {
    match bytes as f64 / bytes_per_s / 60.0 {
        minutes if (0.5..1.5).contains(&minutes) => "1 minute".to_owned(),
        minutes if minutes < 120.0 => format!("{minutes:.0} minutes"),
        minutes => format!("{:.0} hours", minutes / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_room_lasts_for_minutes_or_hours() {
        let said = [60_000_000, 7_200_000_000, 360_000_000_000].map(|bytes| lasts(bytes, 1e6));
        assert_eq!(said, ["1 minute", "2 hours", "100 hours"]);
    }

    #[test]
    fn a_price_says_what_it_is_taken_from() {
        let said = |cameras: &str, measured: &[(&str, Codec)]| {
            let text = format!("camera: {{ width: 640, height: 480, fps: 25 }}\ncameras: [{cameras}]\n");
            let config = Config::parse(Path::new("rig.yaml"), &text).unwrap();
            let frames = |codec| Frames::of(codec, 100, 4_000_000);
            let measured = measured.iter().map(|(name, codec)| (Name::new(name).unwrap(), frames(*codec)));
            Prices::of(&config, &measured.collect()).to_string()
        };
        let (left, odd) =
            ("{ name: left, backend: sim }", "{ name: odd, backend: sim, width: 641, pixel_format: GRAY8 }");
        let both = format!("{left}, {odd}");
        assert_eq!(
            said(left, &[]),
            "0.1 MB/s with H264 (a guess: 0.1 bits a pixel), several times that with MJPG"
        );
        assert_eq!(said(left, &[("left", Codec::Mjpg)]), "1.0 MB/s with MJPG (as in the last clips)");
        assert_eq!(
            said(&both, &[]),
            "0.9 MB/s with H264 and MJPG (a guess: 0.1 bits a pixel with H264, 0.8 bits a pixel with MJPG)"
        );
        assert_eq!(
            said(&both, &[("odd", Codec::Mjpg)]),
            "1.1 MB/s with H264 and MJPG (as in the last clips, but for left a guess: 0.1 bits a pixel with H264)"
        );
    }
}
